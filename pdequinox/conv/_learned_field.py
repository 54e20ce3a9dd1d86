"""A learned field that is added to the input: a position embedding (Dosovitskiy et al., 2021)."""

from collections.abc import Sequence
from functools import lru_cache

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_integer, per_axis
from ..boundary import AxisMode, BoundaryMode, basis, normalize_boundary_mode, roles
from ._lowering import accumulation_dtype
from ._receptive_field import ReceptiveField
from ._spectral_mixer import _cells


class LearnedField(eqx.Module):
    """Add a vector of learned numbers to each point: the network knows where it is.

    The numbers live on one grid. On another one they are interpolated by the sines, cosines or Fourier modes that both
    grids carry without ambiguity, of the points taken for the centres of cells.

    ??? cite "Source"
        Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021, arXiv:2010.11929. Interpolation by the boundary
        mode is ours.
    """

    values: Array
    channels: int = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        channels: int,
        num_points: int | Sequence[int],
        *,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`: The number of axes of the grid.
        - `channels`: The number of channels.
        - `num_points`: The number of points of the grid; one integer or one per axis.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][]. The two ends of an axis must be alike.
        - `key`: A JAX random key for the initial values, normal with standard deviation 0.02.

        **Raises:** `ValueError` for sizes that are not positive integers, a wrong boundary mode, or one with two
        different ends on an axis.
        """
        num_points = per_axis("num_points", num_points, check_integer("num_spatial_dims", num_spatial_dims))
        self.channels = check_integer("channels", channels)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        roles(self.boundary_mode, num_spatial_dims, "same")
        self.values = 0.02 * jr.normal(key, (self.channels, *num_points))

    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(channels, *spatial)`, in the dtype of the parameters.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of the same shape and dtype.

        **Raises:** `ValueError` for another shape or dtype.
        """
        del key
        x = check_input(x, self.channels, len(self.boundary_mode), self.values.dtype)
        values = self.values.astype(accumulation_dtype(x.dtype))
        for axis, (new, mode) in enumerate(zip(x.shape[1:], self.boundary_mode, strict=True), start=1):
            if values.shape[axis] != new:
                matrix = jnp.asarray(_interpolation(values.shape[axis], new, _cells(mode)), values.dtype)
                values = jnp.moveaxis(jnp.tensordot(matrix, values, (1, axis), precision="highest"), 0, axis)
        return x + values.astype(x.dtype)

    @property
    def receptive_field(self) -> ReceptiveField:
        """Zero to both sides."""
        return ((0.0, 0.0),) * len(self.boundary_mode)


@lru_cache(maxsize=256)
def _interpolation(old: int, new: int, mode: AxisMode) -> np.ndarray:
    """From the values at `old` points to those at `new` ones, by the modes below both Nyquist frequencies."""
    fewest = min(old, new)
    num_modes = max(1, {"periodic": (fewest + 1) // 2, "cell-neumann": fewest, "cell-dirichlet": fewest - 1}[str(mode)])
    coarse, fine = (basis(n, num_modes, mode, "half" if mode == "periodic" else "same") for n in (old, new))
    return new / old * np.real(fine.synthesis @ coarse.analysis)
