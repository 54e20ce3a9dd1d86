"""Blocks in a line."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_shape
from ..blocks import ClassicResBlockFactory, LinearChannelAdjustBlockFactory
from ..boundary import BoundaryMode
from ..conv import ReceptiveField, sum_receptive_fields


class Sequential(eqx.Module):
    """A lifting, blocks in a line, a projection.

    ??? cite "Source"
        Arguments and order of the parameters as in `pdequinox` 0.1.
    """

    lifting: Callable
    blocks: tuple[Callable, ...]
    projection: Callable
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int | Sequence[int],
        num_blocks: int,
        activation: Callable,
        key: PRNGKeyArray,
        boundary_mode: BoundaryMode,
        lifting_factory: Callable = LinearChannelAdjustBlockFactory(),
        block_factory: Callable | Sequence[Callable] = ClassicResBlockFactory(),
        projection_factory: Callable = LinearChannelAdjustBlockFactory(),
    ):
        """**Arguments:**

        - `num_spatial_dims`: The number of axes of the grid.
        - `in_channels`: The number of channels of the input.
        - `out_channels`: The number of channels of the output.
        - `hidden_channels`: The number of channels between the blocks; one integer, or `num_blocks + 1` of them.
        - `num_blocks`: The number of blocks.
        - `activation`: The activation of all blocks.
        - `key`: A JAX random key; every block gets its own.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][].
        - `lifting_factory`, `block_factory`, `projection_factory`: What makes the blocks: a block class, one of the
            factories of `pdequinox.blocks`, or any callable with the shared arguments. `block_factory` may be a
            sequence, with one for each block.

        **Raises:** `ValueError` for a wrong number of hidden channels or factories, and what the blocks raise.
        """
        self.num_spatial_dims = check_integer("num_spatial_dims", num_spatial_dims)
        self.in_channels = check_integer("in_channels", in_channels)
        check_integer("num_blocks", num_blocks, minimum=0)
        if not isinstance(hidden_channels, Sequence):
            hidden_channels = (hidden_channels,) * (num_blocks + 1)
        if len(hidden_channels) != num_blocks + 1:
            raise ValueError(
                f"`hidden_channels` must be one integer or `num_blocks` + 1 of them ({num_blocks + 1}), got "
                f"{hidden_channels!r}. Give the channels before the first block and after each."
            )
        channels = (in_channels, *hidden_channels, out_channels)
        block_factories = (block_factory,) * num_blocks if callable(block_factory) else tuple(block_factory)
        if len(block_factories) != num_blocks:
            raise ValueError(
                f"`block_factory` must be one factory or one per block ({num_blocks}), got {len(block_factories)} of "
                "them. Add or remove some, or change `num_blocks`."
            )
        factories = (lifting_factory, *block_factories, projection_factory)
        self.lifting, *blocks, self.projection = (
            factory(num_spatial_dims, c_in, c_out, activation=activation, boundary_mode=boundary_mode, key=k)
            for factory, c_in, c_out, k in zip(
                factories, channels[:-1], channels[1:], jr.split(key, len(factories)), strict=True
            )
        )
        self.blocks = tuple(blocks)

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape, and what the blocks raise.
        """
        x = self.lifting(check_shape(x, self.in_channels, self.num_spatial_dims))
        for block in self.blocks:
            x = block(x)
        return self.projection(x)

    @property
    def receptive_field(self) -> ReceptiveField:
        """How far an output sees to the left and right, per axis, in points.

        As in `pdequinox` 0.1, this counts convolutions and not norms, which see everything; for the truth about a
        network with norms see [`pdequinox.measured_receptive_field`][].
        """
        return sum_receptive_fields(
            layer.receptive_field  # type: ignore[attr-defined]
            for layer in (self.lifting, *self.blocks, self.projection)
        )
