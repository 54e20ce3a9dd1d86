"""A field on another grid of the same boundary modes, without aliases."""

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import numpy as np
from jaxtyping import Array

from .._checks import check_floating, per_axis
from ..boundary import (
    AxisMode,
    BoundaryMode,
    basis,
    lies_over_devices,
    normalize_boundary_mode,
    resampling,
    roles,
    times_matrix_over_devices,
)
from ._lowering import accumulation_dtype
from ._spectrum import along_axis


def resample(
    x: Array, shape: int | Sequence[int], boundary_mode: BoundaryMode = "periodic", *, filter_size: int | None = None
) -> Array:
    r"""Sample a field on another grid of the same box: interpolated between its points, without aliases.

    - By the basis of its boundary modes (`filter_size=None`): the field is written as a sum of the Fourier modes,
      sines or cosines that its grid carries; those that the new grid does not carry are left out, and the others are
      evaluated at its points (see [`pdequinox.boundary.grid`][]). On a finer grid that is exact for fields with these
      modes, and keeps the values of all fields at points that both grids share. The Nyquist frequency of a periodic
      axis is a cosine, as in `scipy.signal.resample`. A field that does not satisfy the condition, a constant on a
      `dirichlet` axis, say, overshoots near the walls between its points, as sine series do.
    - By a low-pass filter of `filter_size` points of the coarser grid, see [`pdequinox.boundary.resampling`][]: local,
      and for axes with two different ends as well, but not exact.

    Axes that keep their number of points are left alone.

    **Arguments:**

    - `x`: An array of shape `(channels, *spatial)`.
    - `shape`: The number of points of the new grid, one for all axes or one per axis.
    - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][].
    - `filter_size`: The width of the filter, in spacings of the coarser grid, or `None`.

    **Returns:** An array of shape `(channels, *shape)`, in the dtype of `x`; sums in float32 at least.

    **Raises:** `ValueError` for integers, a wrong shape or boundary mode, and, without a filter, for an axis with two
    different ends.
    """
    x = check_floating("x", x)
    num_spatial_dims = x.ndim - 1
    sizes = per_axis("shape", shape, num_spatial_dims)
    modes = normalize_boundary_mode(boundary_mode, num_spatial_dims)
    if filter_size is None:
        roles(modes, num_spatial_dims, "same")
    y = x.astype(accumulation_dtype(x.dtype))
    for axis, (before, after, mode) in enumerate(zip(x.shape[1:], sizes, modes, strict=True), start=1):
        if before == after:
            continue
        if filter_size is None:
            matrix = _interpolation(before, after, cast(AxisMode, mode))
        else:
            matrix = resampling(before, after, mode, filter_size)
        y = times_matrix_over_devices(matrix, y, axis) if lies_over_devices() else along_axis(matrix, y, axis)
    return y.astype(x.dtype)


@lru_cache(maxsize=256)
def _interpolation(num_points: int, num_outputs: int, mode: AxisMode) -> np.ndarray:
    all_modes = max(num_points, num_outputs)
    pair = basis(num_points, all_modes, mode, "half" if mode == "periodic" else "same", num_outputs)
    return np.real(pair.synthesis @ pair.analysis)
