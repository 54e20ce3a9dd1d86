"""What a boundary mode means: degrees of freedom, ghost values, basis. The only room that knows."""

from ._basis import Basis, SignBlock, basis, roles
from ._grid import coarse_start, grid, quadrature_weights, spacing
from ._modes import MODES, AxisMode, BoundaryMode, cells_of, normalize_boundary_mode, vanishes_at_a_wall
from ._pad import extension, pad, pad_nonzero
from ._resample import resampled_size, resampling

__all__ = [
    "MODES",
    "AxisMode",
    "Basis",
    "BoundaryMode",
    "SignBlock",
    "basis",
    "cells_of",
    "coarse_start",
    "extension",
    "grid",
    "normalize_boundary_mode",
    "pad",
    "pad_nonzero",
    "quadrature_weights",
    "resampled_size",
    "resampling",
    "roles",
    "spacing",
    "vanishes_at_a_wall",
]
