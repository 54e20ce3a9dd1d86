"""What a boundary mode means: degrees of freedom, ghost values, basis. The only room that knows."""

from ._basis import Basis, SignBlock, basis, roles
from ._grid import coarse_start, grid, quadrature_weights, spacing
from ._modes import MODES, AxisMode, BoundaryMode, cells_of, normalize_boundary_mode, vanishes_at_a_wall
from ._pad import extension, pad, pad_nonzero
from ._resample import resampled_size, resampling
from ._shards import (
    by_shard,
    check_coarsened,
    computed_by_shard,
    gather_shards,
    laid_over,
    layouts_are_ignored,
    lies_over_devices,
    mean_over_shards,
    own_part,
    shard_shape,
    share_among_shards,
    sum_over_shards,
    times_matrix_over_devices,
    whole_shape,
    without_layouts,
)

__all__ = [
    "MODES",
    "AxisMode",
    "Basis",
    "BoundaryMode",
    "SignBlock",
    "basis",
    "by_shard",
    "cells_of",
    "check_coarsened",
    "coarse_start",
    "computed_by_shard",
    "extension",
    "gather_shards",
    "grid",
    "laid_over",
    "layouts_are_ignored",
    "lies_over_devices",
    "mean_over_shards",
    "normalize_boundary_mode",
    "own_part",
    "pad",
    "pad_nonzero",
    "quadrature_weights",
    "resampled_size",
    "resampling",
    "roles",
    "shard_shape",
    "share_among_shards",
    "spacing",
    "sum_over_shards",
    "times_matrix_over_devices",
    "vanishes_at_a_wall",
    "whole_shape",
    "without_layouts",
]
