"""From one grid to another of the same boundary mode, band-limited."""

from collections.abc import Sequence

from jaxtyping import Array

from .._checks import check_floating, per_axis
from ..boundary import BoundaryMode, normalize_boundary_mode, resampling
from ._lowering import accumulation_dtype
from ._spectrum import along_axis


def filtered_resample(
    x: Array, shape: int | Sequence[int], boundary_mode: BoundaryMode, *, filter_size: int = 6
) -> Array:
    """The field on another grid of the same box: interpolated by a low-pass filter, see
    [`pdequinox.boundary.resampling`][].

    Axes that keep their number of points are left alone. bfloat16 and float16 are computed in float32.

    **Arguments:**

    - `x`: An array of shape `(channels, *spatial)`.
    - `shape`: The numbers of points wanted, for all axes or one per axis.
    - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][].
    - `filter_size`: The width of the filter, in spacings of the coarser grid.

    **Returns:** An array of shape `(channels, *shape)`, in the dtype of `x`.

    **Raises:** `ValueError` for integers, a wrong number of axes, counts that are not positive, and a wrong mode.
    """
    x = check_floating("x", x)
    num_spatial_dims = x.ndim - 1
    modes = normalize_boundary_mode(boundary_mode, num_spatial_dims)
    y = x.astype(accumulation_dtype(x.dtype))
    for axis, (num_outputs, mode) in enumerate(zip(per_axis("shape", shape, num_spatial_dims), modes, strict=True), 1):
        if num_outputs != y.shape[axis]:
            y = along_axis(resampling(y.shape[axis], num_outputs, mode, filter_size), y, axis)
    return y.astype(x.dtype)
