"""A learned field that is added to the input: a position embedding (Dosovitskiy et al., 2021)."""

from collections.abc import Sequence

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_integer, per_axis
from ..boundary import AxisMode, BoundaryMode, cells_of, normalize_boundary_mode, roles
from ._receptive_field import ReceptiveField
from ._resample import resample


class LearnedField(eqx.Module):
    """Add a vector of learned numbers to each point: the network knows where it is.

    The numbers live on one grid. On another one they are interpolated by [`pdequinox.conv.resample`][], their points
    taken for the centres of cells.

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
        modes = tuple(map(cells_of, self.boundary_mode))
        return x + resample(self.values, x.shape[1:], modes)

    @property
    def receptive_field(self) -> ReceptiveField:
        """Zero to both sides."""
        return ((0.0, 0.0),) * len(self.boundary_mode)
