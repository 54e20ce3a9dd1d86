"""Blocks in a U."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_shape
from ..blocks import (
    ClassicDoubleConvBlockFactory,
    LinearChannelAdjustBlockFactory,
    LinearConvDownBlockFactory,
    LinearConvUpBlockFactory,
)
from ..boundary import AxisMode, BoundaryMode, normalize_boundary_mode
from ..conv import ReceptiveField, sum_receptive_fields
from ._up_to import up_to


class Hierarchical(eqx.Module):
    """Blocks on a hierarchy of grids: down to the coarsest, up again, with skip connections (a U-Net).

    Level 0 is the given grid, level l + 1 has a `reduction_factor`-th of level l's points (rounded up). On the way
    down a level's blocks are its left arc, on the way up, after the level's skip is put before the channels from below,
    its right arc.

    **Any grid size works.** Up-sampling blocks that accept `output_padding=` get the one that restores the skip's
    shape; what still does not match is cropped at the right, or padded there by the boundary mode.

    **What this does to symmetry.** Coarse points are every `reduction_factor`-th fine one, the first included. Let P be
    the product of all factors. On a periodic axis of P m points the network commutes with shifts by P points, and, if
    the kernels are mirrored too, with the reflection about a coarse point; on another size with none. On a bounded axis
    it commutes with the reflection of the domain where the last point of each level is a coarse point as well, which
    is the case for P m + 1 points. Other sizes work, but treat the two ends differently: on an even number of points,
    the coarse grid begins at the first point and ends before the last.

    ??? cite "Source"
        Ronneberger, Fischer and Brox, *U-Net*, MICCAI 2015, arXiv:1505.04597. Arguments and order of the parameters as
        in `pdequinox` 0.1; ours takes grids of any size, and draws each key once.
    """

    lifting: Callable
    down_sampling_blocks: tuple[Callable, ...]
    left_arc_blocks: tuple[tuple[Callable, ...], ...]
    up_sampling_blocks: tuple[Callable, ...]
    right_arc_blocks: tuple[tuple[Callable, ...], ...]
    projection: Callable
    skip_blocks: tuple[Callable, ...]
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    reduction_factor: int = eqx.field(static=True)
    num_levels: int = eqx.field(static=True)
    num_blocks: int = eqx.field(static=True)
    channel_multipliers: tuple[int, ...] = eqx.field(static=True)
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
        reduction_factor: int = 2,
        boundary_mode: BoundaryMode,
        channel_multipliers: Sequence[int] | None = None,
        lifting_factory: Callable = ClassicDoubleConvBlockFactory(),
        down_sampling_factory: Callable | None = None,
        left_arc_factory: Callable = ClassicDoubleConvBlockFactory(),
        up_sampling_factory: Callable | None = None,
        right_arc_factory: Callable = ClassicDoubleConvBlockFactory(),
        projection_factory: Callable = LinearChannelAdjustBlockFactory(),
        skip_factory: Callable | None = None,
    ):
        """**Arguments:**

        - `num_spatial_dims`: The number of axes of the grid.
        - `in_channels`: The number of channels of the input.
        - `out_channels`: The number of channels of the output.
        - `hidden_channels`: The number of channels on level 0.
        - `num_levels`: The number of coarser grids.
        - `num_blocks`: The number of blocks of each arc.
        - `activation`: The activation of all blocks.
        - `key`: A JAX random key; every block gets its own.
        - `reduction_factor`: The ratio of two levels' spacings. The up-sampling blocks divide the channels by it,
            rounding down.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][].
        - `channel_multipliers`: The channels of the levels 1, 2, ... in units of `hidden_channels`; powers of
            `reduction_factor` by default.
        - `lifting_factory`, ..., `projection_factory`: What makes the blocks: a block class, one of the factories of
            `pdequinox.blocks`, or any callable with the shared arguments. By default, grids are changed by
            convolutions with 3 taps per axis and a stride of `reduction_factor`; your own must do so by that factor.
        - `skip_factory`: What makes a map from each level's skip and the up-sampled channels from below, on the same
            grid, to what replaces the skip, with as many channels as it: a callable with the shared arguments, whose
            two numbers of channels are those of the skip and those from below. By default, skips are kept.

        **Raises:** `ValueError` for a wrong number of multipliers, numbers that are too small, and what the blocks
        raise.
        """
        self.num_spatial_dims = check_integer("num_spatial_dims", num_spatial_dims)
        self.in_channels = check_integer("in_channels", in_channels)
        self.num_levels = num_levels = check_integer("num_levels", num_levels, minimum=0)
        self.num_blocks = num_blocks = check_integer("num_blocks", num_blocks)
        self.reduction_factor = reduction_factor = check_integer("reduction_factor", reduction_factor, minimum=2)
        if channel_multipliers is None:
            channel_multipliers = [reduction_factor**level for level in range(1, num_levels + 1)]
        if np.shape(channel_multipliers) != (num_levels,):
            raise ValueError(
                f"`channel_multipliers` must have one entry per level ({num_levels}), got {channel_multipliers!r}. "
                "Add or remove entries, or change `num_levels`."
            )
        self.channel_multipliers = tuple(check_integer("channel_multipliers", m) for m in channel_multipliers)
        channels = [hidden_channels * multiplier for multiplier in (1, *self.channel_multipliers)]
        if down_sampling_factory is None:
            down_sampling_factory = LinearConvDownBlockFactory(factor=reduction_factor)
        if up_sampling_factory is None:
            up_sampling_factory = LinearConvUpBlockFactory(factor=reduction_factor, output_padding=reduction_factor - 1)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)

        num_keys = 2 + 2 * num_levels * (1 + num_blocks) + (0 if skip_factory is None else num_levels)
        keys = iter(jr.split(key, num_keys))

        def make(factory: Callable, c_in: int, c_out: int) -> Callable:
            return factory(
                num_spatial_dims, c_in, c_out, activation=activation, boundary_mode=boundary_mode, key=next(keys)
            )

        def make_arc(factory: Callable, c_in: int, c_out: int) -> tuple[Callable, ...]:
            return tuple(make(factory, c_out if i else c_in, c_out) for i in range(num_blocks))

        levels = list(pairwise(channels))
        self.lifting = make(lifting_factory, in_channels, hidden_channels)
        self.down_sampling_blocks = tuple(make(down_sampling_factory, fine, fine) for fine, _ in levels)
        self.left_arc_blocks = tuple(make_arc(left_arc_factory, fine, coarse) for fine, coarse in levels)
        self.up_sampling_blocks = tuple(
            make(up_sampling_factory, coarse, coarse // reduction_factor) for _, coarse in levels
        )
        self.right_arc_blocks = tuple(
            make_arc(right_arc_factory, fine + coarse // reduction_factor, fine) for fine, coarse in levels
        )
        self.projection = make(projection_factory, hidden_channels, out_channels)
        self.skip_blocks = ()
        if skip_factory is not None:
            self.skip_blocks = tuple(make(skip_factory, fine, coarse // reduction_factor) for fine, coarse in levels)

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape, and what the blocks raise.
        """
        x = self.lifting(check_shape(x, self.in_channels, self.num_spatial_dims))
        skips = []
        for down, arc in zip(self.down_sampling_blocks, self.left_arc_blocks, strict=True):
            skips.append(x)
            x = down(x)
            for block in arc:
                x = block(x)
        for level in reversed(range(self.num_levels)):
            skip = skips[level]
            up = self.up_sampling_blocks[level]
            x = up_to(up, x, skip.shape[1:], self.reduction_factor, self.boundary_mode)
            if self.skip_blocks:
                skip = self.skip_blocks[level](skip, x)
            x = jnp.concatenate([skip, x])
            for block in self.right_arc_blocks[level]:
                x = block(x)
        return self.projection(x)

    @property
    def receptive_field(self) -> ReceptiveField:
        """How far an output sees to the left and right, per axis, in points of the finest grid.

        As in `pdequinox` 0.1, this counts convolutions and not norms, which see everything, and counts the
        up-sampling convolutions on their coarse grid; for the truth see [`pdequinox.measured_receptive_field`][].
        """
        layers, scales = [self.lifting, self.projection], [1.0, 1.0]
        for level in range(self.num_levels):
            fine, coarse = self.reduction_factor**level, self.reduction_factor ** (level + 1)
            for scale, blocks in (
                (fine, [self.down_sampling_blocks[level]]),
                (coarse, self.left_arc_blocks[level]),
                (coarse, [self.up_sampling_blocks[level]]),
                (fine, self.skip_blocks[level : level + 1]),
                (fine, self.right_arc_blocks[level]),
            ):
                layers.extend(blocks)
                scales.extend([float(scale)] * len(blocks))
        return sum_receptive_fields((layer.receptive_field for layer in layers), scales)
