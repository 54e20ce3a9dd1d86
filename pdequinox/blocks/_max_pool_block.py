"""The largest of neighbouring values as a block."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_shape, check_sizes, per_axis
from ..boundary import AxisMode, BoundaryMode, normalize_boundary_mode, pad
from ..conv import ReceptiveField
from ._base_block import Block, factory_of


class MaxPoolBlock(Block):
    """To a grid that is `factor` times coarser: the largest value of each box of `factor` points per axis.

    A last box that is not full is filled up with ghost values of the boundary mode.
    """

    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    factor: tuple[int, ...] = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        factor: int | Sequence[int] = 2,
        activation: Callable | None = None,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `out_channels`: As many as `in_channels`.
        - `factor`: The ratio of the grids; one integer or one per axis.
        - `activation`, `key`: Without effect, because there are no parameters.

        **Raises:** `ValueError` for different numbers of channels, and sizes that are not positive integers.
        """
        del activation, key
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        self.num_spatial_dims, self.in_channels, out_channels = check_sizes(num_spatial_dims, in_channels, out_channels)
        if out_channels != self.in_channels:
            raise ValueError(
                f"`out_channels` must equal `in_channels` ({in_channels}) when pooling, got {out_channels}. Change the "
                "channels in the next block."
            )
        self.factor = per_axis("factor", factor, num_spatial_dims)

    def __call__(self, x: Array) -> Array:
        x = check_shape(x, self.in_channels, self.num_spatial_dims)
        x = pad(x, [(0, -n % f) for n, f in zip(x.shape[1:], self.factor, strict=True)], self.boundary_mode)
        boxes = (size for n, f in zip(x.shape[1:], self.factor, strict=True) for size in (n // f, f))
        return jnp.max(x.reshape(len(x), *boxes), axis=tuple(range(2, 2 * x.ndim, 2)))

    @property
    def receptive_field(self) -> ReceptiveField:
        return tuple((0.0, f - 1.0) for f in self.factor)


MaxPoolBlockFactory = factory_of(MaxPoolBlock)
