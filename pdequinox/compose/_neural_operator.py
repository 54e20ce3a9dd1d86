"""A perceptron, blocks on one or several grids, a perceptron: the frame of Fourier neural operators."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax import lax
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_shape, numbers_per_axis
from ..blocks import ChannelMLPBlockFactory, make_skip
from ..boundary import AxisMode, BoundaryMode, normalize_boundary_mode
from ..conv import ReceptiveField, resample, sum_receptive_fields
from ._position_embedding import PositionEmbedding, num_position_channels

SIDES = ("both", "end")


class NeuralOperator(eqx.Module):
    """The position as channels, a lifting, zeros around the domain, blocks in a line or a U, a projection.

    A block may change the grid, to one with `scalings` times as many points, and a block's output may be put before
    the input of a later one. What comes from another grid is interpolated by the sines or cosines of the boundary
    modes ([`pdequinox.conv.resample`][]), where the references do so bicubically.
    """

    lifting: Callable
    blocks: tuple[Callable, ...]
    horizontal_skips: tuple[Callable, ...]
    projection: Callable
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    scales: tuple[tuple[float, ...], ...] = eqx.field(static=True)
    joins: tuple[tuple[int, int], ...] = eqx.field(static=True)
    domain_padding: tuple[float, ...] = eqx.field(static=True)
    padding_side: str = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        channels: Sequence[int],
        block_factories: Sequence[Callable],
        scalings: Sequence[Any] | None = None,
        horizontal_skips: Mapping[int, int] | None = None,
        horizontal_skip: str | None = "linear",
        position_embedding: str | None = "grid",
        domain_padding: float | int | Sequence[float | int] | None = None,
        padding_side: str = "both",
        lifting_factory: Callable = ChannelMLPBlockFactory(),
        projection_factory: Callable = ChannelMLPBlockFactory(),
        activation: Callable,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `key`: As everywhere.
        - `channels`: The number of channels after the lifting and after each block.
        - `block_factories`: What makes each block; one that changes the grid must take `output_shape=` at its call.
        - `scalings`: The factor of the number of points, one per block, or one per block and axis; ones by default.
            Their product is one.
        - `horizontal_skips`: Which output joins which input, `{later: earlier}`: blocks count from 0, -1 is the lifting
            and the number of blocks the projection.
        - `horizontal_skip`: What is done to an output on its way; see [`pdequinox.blocks.make_skip`][].
        - `position_embedding`: `"grid"`, `"sinusoidal"` or `None`; see [`pdequinox.compose.position_channels`][].
        - `domain_padding`: Zeros around the lifted field while it passes the blocks, as a fraction of the number of
            points, for all axes or one per axis. The larger domain has the same boundary modes.
        - `padding_side`: `"both"` sides get that many zeros, or only the `"end"`.
        - `lifting_factory`, `projection_factory`: What makes them: a block class, a factory, or any callable with the
            shared arguments.

        **Raises:** `ValueError` for a wrong number of entries, scalings that do not return to the given grid, skips
        that do not go forward, and what the blocks raise.
        """
        self.num_spatial_dims = check_integer("num_spatial_dims", num_spatial_dims)
        self.in_channels = check_integer("in_channels", in_channels)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        num_blocks = len(block_factories)
        if len(channels) != num_blocks + 1:
            raise ValueError(
                f"`channels` must have one entry more than there are blocks ({num_blocks + 1}), got {tuple(channels)}. "
                "Give the channels after the lifting and after each block."
            )
        self.scales = _cumulative(scalings, num_blocks, num_spatial_dims)
        if horizontal_skip is None:
            raise ValueError("`horizontal_skip` must name a skip, got None. Use `horizontal_skips={}` for none.")
        self.joins = _sorted_joins(horizontal_skips or {}, num_blocks)
        self.domain_padding = numbers_per_axis(
            "domain_padding", 0 if domain_padding is None else domain_padding, num_spatial_dims
        )
        if min(self.domain_padding) < 0 or max(self.domain_padding) > 1:
            raise ValueError(
                f"`domain_padding` must be between 0 and 1, got {domain_padding!r}. Give a fraction of the points."
            )
        if padding_side not in SIDES:
            raise ValueError(
                f"`padding_side` must be one of {', '.join(map(repr, SIDES))}, got {padding_side!r}. Fix the name."
            )
        self.padding_side = padding_side

        before, joined = dict(enumerate(channels, start=-1)), dict(self.joins)
        inputs = [before[k - 1] + (before[joined[k]] if k in joined else 0) for k in range(num_blocks + 1)]
        keys = iter(jr.split(key, 2 + num_blocks + len(self._sources)))

        def make(factory: Callable, c_in: int, c_out: int) -> Callable:
            return factory(
                num_spatial_dims, c_in, c_out, activation=activation, boundary_mode=boundary_mode, key=next(keys)
            )

        if position_embedding is None:
            self.lifting = make(lifting_factory, in_channels, channels[0])
        else:
            more = num_position_channels(num_spatial_dims, position_embedding)
            self.lifting = PositionEmbedding(
                make(lifting_factory, in_channels + more, channels[0]),
                num_spatial_dims,
                embedding=position_embedding,
                boundary_mode=boundary_mode,
            )
        self.blocks = tuple(make(factory, inputs[k], channels[k + 1]) for k, factory in enumerate(block_factories))
        self.projection = make(projection_factory, inputs[-1], out_channels)
        self.horizontal_skips = tuple(
            make_skip(horizontal_skip, num_spatial_dims, before[k], before[k], key=next(keys)) for k in self._sources
        )

    @property
    def _sources(self) -> list[int]:
        """Whose output joins a later input."""
        return sorted({earlier for _, earlier in self.joins})

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        x = self.lifting(check_shape(x, self.in_channels, self.num_spatial_dims))
        sizes = x.shape[1:]
        ends = [round(fraction * n) for fraction, n in zip(self.domain_padding, sizes, strict=True)]
        starts = [n if self.padding_side == "both" else 0 for n in ends]
        if any(ends):
            widths = [(0, 0, 0), *((low, high, 0) for low, high in zip(starts, ends, strict=True))]
            x = lax.pad(x, jnp.zeros((), x.dtype), widths)
        padded = x.shape[1:]
        joined, skips, kept = dict(self.joins), dict(zip(self._sources, self.horizontal_skips, strict=True)), {}
        if -1 in skips:
            kept[-1] = skips[-1](x)
        for k, (block, scale) in enumerate(zip(self.blocks, self.scales, strict=True)):
            x = self._with_skip(x, kept[joined[k]]) if k in joined else x
            shape = tuple(max(round(n * s), min(n, 2)) for n, s in zip(padded, scale, strict=True))
            x = block(x) if shape == x.shape[1:] else block(x, output_shape=shape)
            if k in skips:
                kept[k] = skips[k](x)
        if len(self.blocks) in joined:
            x = self._with_skip(x, kept[joined[len(self.blocks)]])
        return self.projection(x[(slice(None), *(slice(low, low + n) for low, n in zip(starts, sizes, strict=True)))])

    def _with_skip(self, x: Array, kept: Array) -> Array:
        return jnp.concatenate([x, resample(kept, x.shape[1:], self.boundary_mode)])

    @property
    def receptive_field(self) -> ReceptiveField:
        """How far an output sees to the left and right, per axis, in points; infinite with a spectral layer."""
        layers = [self.lifting.network if isinstance(self.lifting, PositionEmbedding) else self.lifting]
        layers += [*self.blocks, self.projection]
        return sum_receptive_fields(layer.receptive_field for layer in layers)  # type: ignore[attr-defined]


def _cumulative(scalings: Any, num_blocks: int, num_spatial_dims: int) -> tuple[tuple[float, ...], ...]:
    """The number of points after each block, in units of the first grid's."""
    scalings = (1,) * num_blocks if scalings is None else scalings
    if len(scalings) != num_blocks:
        raise ValueError(f"`scalings` must have one entry per block ({num_blocks}), got {scalings!r}. Give them all.")
    per_block = [numbers_per_axis("scalings", scaling, num_spatial_dims) for scaling in scalings]
    scales = np.cumprod(np.asarray(per_block).reshape(num_blocks, num_spatial_dims), axis=0)
    if np.min(scales, initial=math.inf) <= 0 or not np.allclose(scales[-1:], 1):
        raise ValueError(
            f"`scalings` must be positive and return to the given grid, got {scalings!r}. Let their product be one."
        )
    return tuple(tuple(map(float, scale)) for scale in scales)


def _sorted_joins(horizontal_skips: Mapping[int, int], num_blocks: int) -> tuple[tuple[int, int], ...]:
    for later, earlier in horizontal_skips.items():
        if not -1 <= earlier < later <= num_blocks:
            raise ValueError(
                f"`horizontal_skips` must lead from -1 (the lifting) or a block to a later block or {num_blocks} (the "
                f"projection), got {dict(horizontal_skips)!r}. Write `{{later: earlier}}`."
            )
    return tuple(sorted((int(later), int(earlier)) for later, earlier in horizontal_skips.items()))
