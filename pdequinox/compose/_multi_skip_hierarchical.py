"""Blocks in a U with a skip connection from every block."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_shape
from ..blocks import (
    LinearConvBlockFactory,
    LinearConvDownBlockFactory,
    LinearConvUpBlockFactory,
    ModernResBlockFactory,
    PreActivationConvBlockFactory,
)
from ..boundary import AxisMode, BoundaryMode, normalize_boundary_mode
from ..conv import ReceptiveField, sum_receptive_fields
from ._up_to import up_to


class MultiSkipHierarchical(eqx.Module):
    """Blocks on a hierarchy of grids, with a skip connection from every block on the way down to one on the way up.

    Level 0 is the given grid, level l + 1 has half of level l's points (rounded up). On the way down, the output of the
    lifting, of each block of a left arc and of each down-sampling is a skip. On the way up, each block takes the
    channels from before followed by the next skip; a level's right arc has one block more than its left one, and this
    last block changes to the channels of the level above, before the up-sampling. Between the two are the blocks of
    the bottom, on the coarsest grid.

    Any grid size works, as in [`pdequinox.compose.Hierarchical`][], which has one skip per level.

    ??? cite "Source"
        Ho, Jain and Abbeel, *Denoising Diffusion Probabilistic Models*, NeurIPS 2020, arXiv:2006.11239; as in PDEArena
        (Gupta and Brandstetter, TMLR 2023, arXiv:2209.15616). On grids that are not divisible, ours rounds up.
    """

    lifting: Callable
    left_arc_blocks: tuple[tuple[Callable, ...], ...]
    down_sampling_blocks: tuple[Callable, ...]
    bottom_blocks: tuple[Callable, ...]
    right_arc_blocks: tuple[tuple[Callable, ...], ...]
    up_sampling_blocks: tuple[Callable, ...]
    projection: Callable
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    num_levels: int = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int,
        num_levels: int,
        num_blocks: int,
        activation: Callable,
        key: PRNGKeyArray,
        boundary_mode: BoundaryMode,
        channel_multipliers: Sequence[int] | None = None,
        lifting_factory: Callable = LinearConvBlockFactory(),
        left_arc_factory: Callable | Sequence[Callable] = ModernResBlockFactory(),
        down_sampling_factory: Callable = LinearConvDownBlockFactory(),
        bottom_factories: Sequence[Callable] = (ModernResBlockFactory(), ModernResBlockFactory()),
        right_arc_factory: Callable | Sequence[Callable] = ModernResBlockFactory(),
        up_sampling_factory: Callable = LinearConvUpBlockFactory(4, alignment="cell"),
        projection_factory: Callable = PreActivationConvBlockFactory(),
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `activation`, `boundary_mode`, `key`: As everywhere.
        - `hidden_channels`: The number of channels on level 0.
        - `num_levels`: The number of coarser grids.
        - `num_blocks`: The number of blocks of each left arc; a right arc has one more.
        - `channel_multipliers`: The channels of the levels 1, 2, ... in units of `hidden_channels`; 2, 4, ... by
            default.
        - `left_arc_factory`, `right_arc_factory`: What makes the blocks of the arcs: a factory, or one per level, from
            level 0 on.
        - `bottom_factories`: What makes the blocks of the bottom, one each.
        - `lifting_factory`, `down_sampling_factory`, `up_sampling_factory`, `projection_factory`: What makes the rest.

        **Raises:** `ValueError` for a wrong number of multipliers or factories, numbers that are too small, and what
        the blocks raise.
        """
        self.num_spatial_dims = check_integer("num_spatial_dims", num_spatial_dims)
        self.in_channels = check_integer("in_channels", in_channels)
        self.num_levels = num_levels = check_integer("num_levels", num_levels, minimum=0)
        num_blocks = check_integer("num_blocks", num_blocks)
        if channel_multipliers is None:
            channel_multipliers = [2**level for level in range(1, num_levels + 1)]
        if np.shape(channel_multipliers) != (num_levels,):
            raise ValueError(
                f"`channel_multipliers` must have one entry per level ({num_levels}), got {channel_multipliers!r}. "
                "Add or remove entries, or change `num_levels`."
            )
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        left_factories = _per_level("left_arc_factory", left_arc_factory, num_levels)
        right_factories = _per_level("right_arc_factory", right_arc_factory, num_levels)
        num_keys = 2 + 2 * num_levels + (num_levels + 1) * (2 * num_blocks + 1) + len(bottom_factories)
        keys = iter(jr.split(key, num_keys))

        def make(factory: Callable, c_in: int, c_out: int) -> Callable:
            return factory(
                num_spatial_dims, c_in, c_out, activation=activation, boundary_mode=boundary_mode, key=next(keys)
            )

        multipliers = [check_integer("channel_multipliers", m) for m in channel_multipliers]
        # The channels that come into each level from above, and those on it.
        above = [hidden_channels * m for m in (1, 1, *multipliers[:-1])][: num_levels + 1]
        on = [hidden_channels * m for m in (1, *multipliers)]
        self.lifting = make(lifting_factory, in_channels, hidden_channels)
        self.left_arc_blocks = tuple(
            tuple(make(factory, c if i else c_above, c) for i in range(num_blocks))
            for factory, c_above, c in zip(left_factories, above, on, strict=True)
        )
        self.down_sampling_blocks = tuple(make(down_sampling_factory, c, c) for c in on[:-1])
        self.bottom_blocks = tuple(make(factory, on[-1], on[-1]) for factory in bottom_factories)
        self.right_arc_blocks = tuple(
            (
                *(make(factory, 2 * c, c) for _ in range(num_blocks)),
                make(factory, c + c_above, c_above),
            )
            for factory, c_above, c in zip(right_factories, above, on, strict=True)
        )
        self.up_sampling_blocks = tuple(make(up_sampling_factory, c, c) for c in above[1:])
        self.projection = make(projection_factory, hidden_channels, out_channels)

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape, and what the blocks raise.
        """
        x = self.lifting(check_shape(x, self.in_channels, self.num_spatial_dims))
        skips = [x]
        for level, arc in enumerate(self.left_arc_blocks):
            if level > 0:
                x = self.down_sampling_blocks[level - 1](x)
                skips.append(x)
            for block in arc:
                x = block(x)
                skips.append(x)
        for block in self.bottom_blocks:
            x = block(x)
        for level in reversed(range(self.num_levels + 1)):
            for block in self.right_arc_blocks[level]:
                x = block(jnp.concatenate([x, skips.pop()]))
            if level > 0:
                x = up_to(self.up_sampling_blocks[level - 1], x, skips[-1].shape[1:], 2, self.boundary_mode)
        return self.projection(x)

    @property
    def receptive_field(self) -> ReceptiveField:
        """How far an output sees to the left and right, per axis, in points of the finest grid.

        Counts convolutions and not norms, which see everything, and the up-sampling convolutions on their coarse grid;
        for the truth see [`pdequinox.measured_receptive_field`][].
        """
        layers, scales = [self.lifting, self.projection], [1.0, 1.0]
        for level in range(self.num_levels + 1):
            blocks = [*self.left_arc_blocks[level], *self.right_arc_blocks[level]]
            if level == self.num_levels:
                blocks.extend(self.bottom_blocks)
            if level > 0:
                blocks.append(self.up_sampling_blocks[level - 1])
                layers.append(self.down_sampling_blocks[level - 1])
                scales.append(2.0 ** (level - 1))
            layers.extend(blocks)
            scales.extend([2.0**level] * len(blocks))
        return sum_receptive_fields((layer.receptive_field for layer in layers), scales)


def _per_level(name: str, factory: Callable | Sequence[Callable], num_levels: int) -> tuple[Callable, ...]:
    factories = (factory,) * (num_levels + 1) if callable(factory) else tuple(factory)
    if len(factories) != num_levels + 1:
        raise ValueError(
            f"`{name}` must be one factory or one for each of the {num_levels + 1} grids, got {len(factories)}. Add or "
            "remove factories, or change `num_levels`."
        )
    return factories
