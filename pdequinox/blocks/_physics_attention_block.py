"""Attention among slices of the grid that are learned (Wu et al., 2024)."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_sizes
from ..boundary import BoundaryMode, computed_by_shard, share_among_shards, sum_over_shards
from ..conv import LayerNorm, PhysicsConv, PointwiseLinearConv, ReceptiveField
from ._attention import attend, check_heads
from ._base_block import Block, factory_of
from ._channel_mlp_block import ChannelMLPBlock


class PhysicsAttentionBlock(Block):
    r"""Points go to slices, the slices' means attend to each other, and the points get them back; then a perceptron.

    For each head, with convolutions $u$ and $v$ of the normed input,

    $$ w_{ng} = \operatorname{softmax}_g\Big(\frac{W u_n + b}{\tau}\Big), \quad
    t_g = \frac{\sum_n w_{ng} v_n}{\sum_n w_{ng} + 10^{-5}}, \quad
    y_n = \sum_g w_{ng} \operatorname{attention}(t)_g. $$

    A linear map of all heads is added to the input, and a perceptron of the result's layer norm to that. The cost is
    linear in the number of points. Where the number of channels changes, the input goes through a pointwise map
    without bias.

    ??? cite "Source"
        Wu et al., *Transolver*, ICML 2024, arXiv:2402.02366: the variant for structured grids, whose convolutions take
        ghost values of the boundary mode here; `kernel_size=1` is the one for sets of points.
    """

    norm_1: LayerNorm
    slice_conv: PhysicsConv
    value_conv: PhysicsConv
    to_slices: PointwiseLinearConv
    temperature: Array
    qkv: PointwiseLinearConv
    output: PointwiseLinearConv
    norm_2: LayerNorm
    mlp: ChannelMLPBlock
    bypass_conv: PointwiseLinearConv | eqx.nn.Identity
    num_heads: int = eqx.field(static=True)
    temperature_range: tuple[float, float] | None = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_heads: int = 1,
        head_channels: int | None = None,
        num_slices: int = 32,
        kernel_size: int | Sequence[int] = 3,
        expansion: int = 1,
        temperature_range: tuple[float, float] | None = (0.1, 5.0),
        use_bias: bool = True,
        zero_bias_init: bool = False,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        r"""**Arguments:**

        - `num_heads`: The number of heads.
        - `head_channels`: The number of channels of each head; `out_channels / num_heads` by default.
        - `num_slices`: The number of slices of each head.
        - `kernel_size`: The number of taps of the convolutions; an integer or one per axis.
        - `expansion`: The hidden channels of the perceptron, in units of `out_channels`.
        - `temperature_range`: To what the temperature $\tau$ of each head, 0.5 at the start, is clipped; `None`: not.
        - `use_bias`, `zero_bias_init`: Of all maps but those of slices to queries, keys and values, and the bypass.
        - `activation`: Of the perceptron: a function of one array, or a module with parameters.

        **Raises:** `ValueError` if the heads do not divide the channels, for a range that is not one of positive
        numbers, and what the layers raise.
        """
        check_sizes(num_spatial_dims, in_channels, out_channels)
        self.num_heads, head_channels = check_heads(num_heads, head_channels, out_channels)
        if temperature_range is not None and not 0 < temperature_range[0] < temperature_range[1]:
            raise ValueError(
                f"`temperature_range` must be two positive numbers in ascending order, got {temperature_range}. Give "
                "`None` for no range."
            )
        self.temperature_range = temperature_range
        inner = num_heads * head_channels
        keys = iter(jr.split(key, 7))
        bias = {"use_bias": use_bias, "zero_bias_init": zero_bias_init}
        conv = partial(PhysicsConv, kernel_size=kernel_size, boundary_mode=boundary_mode, **bias)
        self.norm_1 = LayerNorm(in_channels)
        self.slice_conv = conv(num_spatial_dims, in_channels, inner, key=next(keys))
        self.value_conv = conv(num_spatial_dims, in_channels, inner, key=next(keys))
        # Over the axes of heads and points, and of heads and slices.
        self.to_slices = PointwiseLinearConv(
            2, head_channels, check_integer("num_slices", num_slices), **bias, key=next(keys)
        )
        self.temperature = jnp.full(num_heads, 0.5, float)
        self.qkv = PointwiseLinearConv(2, head_channels, 3 * head_channels, use_bias=False, key=next(keys))
        self.output = PointwiseLinearConv(num_spatial_dims, inner, out_channels, **bias, key=next(keys))
        self.norm_2 = LayerNorm(out_channels)
        self.mlp = ChannelMLPBlock(
            num_spatial_dims,
            out_channels,
            out_channels,
            hidden_channels=check_integer("expansion", expansion) * out_channels,
            activation=activation,
            boundary_mode=boundary_mode,
            key=next(keys),
            **bias,
        )
        self.bypass_conv = eqx.nn.Identity()
        if in_channels != out_channels:
            self.bypass_conv = PointwiseLinearConv(num_spatial_dims, in_channels, out_channels, False, key=next(keys))

    def __call__(self, x: Array) -> Array:
        x = self.bypass_conv(x) + self.output(self._attended(self.norm_1(x)))
        return x + self.mlp(self.norm_2(x))

    @computed_by_shard
    def _attended(self, normed: Array) -> Array:
        """What the points get back from the slices, which are sums over all points."""
        weights = self.slice_weights(normed)
        values = self._heads(self.value_conv(normed)).astype(weights.dtype)
        space = range(normed.ndim - 1)
        sums = [jnp.einsum("dhn,ghn->dhg", values, weights), jnp.sum(weights, axis=2).T[None]]
        sums = sum_over_shards(jnp.concatenate(sums), space)
        q, k, v = jnp.split(self.qkv((sums[:-1] / (sums[-1] + 1e-5)).astype(normed.dtype)), 3)
        batched = lambda u: u.transpose(2, 1, 0)[None]  # noqa: E731
        tokens = share_among_shards(attend(batched(q), batched(k), batched(v))[0].astype(weights.dtype), space)
        y = jnp.einsum("ghd,ghn->hdn", tokens, weights).astype(normed.dtype)
        return y.reshape(-1, *normed.shape[1:])

    def slice_weights(self, normed: Array) -> Array:
        """To what extent each point belongs to each slice, `(slices, heads, points)`, for the normed input."""
        scores = self.to_slices(self._heads(self.slice_conv(normed)))
        dtype = jnp.float32 if jnp.finfo(scores.dtype).bits < 32 else scores.dtype
        temperature = self.temperature.astype(dtype)
        if self.temperature_range is not None:
            temperature = jnp.clip(temperature, *self.temperature_range)
        return jax.nn.softmax(scores.astype(dtype) / temperature[:, None], axis=0)

    def _heads(self, x: Array) -> Array:
        """From `(heads * channels, *spatial)` to `(channels, heads, points)`."""
        return x.reshape(self.num_heads, len(x) // self.num_heads, -1).swapaxes(0, 1)

    @property
    def receptive_field(self) -> ReceptiveField:
        return ((math.inf, math.inf),) * self.output.num_spatial_dims


PhysicsAttentionBlockFactory = factory_of(PhysicsAttentionBlock)
