"""Multi-head self-attention over the points of the grid (Vaswani et al., 2017)."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_sizes
from ..boundary import BoundaryMode, normalize_boundary_mode
from ..conv import ChannelAffine, LayerNorm, PointwiseLinearConv, ReceptiveField
from ._attention import attend, check_heads, check_softmax_over
from ._base_block import Block, factory_of
from ._channel_mlp_block import ChannelMLPBlock
from ._norm import make_norm

OVER = ("points", "axes")


class SelfAttentionBlock(Block):
    r"""Each point becomes a weighted mean of all points, with weights that the points choose; then add the input.

    $$ q, k, v = W \operatorname{norm}(x) + b, \qquad
    y_i = x_i + \gamma \Big(W_o \sum_j \operatorname{softmax}_j\Big(\frac{q_i \cdot k_j}{\sqrt{d}}\Big) v_j + b_o
    + \operatorname{mlp}(\operatorname{norm}(x_i))\Big) $$

    for each head of $d$ channels; $\gamma$ and the perceptron are optional. Points are a set: without a position
    embedding, the block commutes with every permutation of them, so it knows neither neighbours nor walls. All points
    at once cost the square of their number; `over="axes"` attends along each axis separately, with the same queries,
    keys and values, and adds the results up. Where the number of channels changes, the input goes through a pointwise
    map without bias.

    ??? cite "Source"
        Vaswani et al., *Attention Is All You Need*, NeurIPS 2017, arXiv:1706.03762; axial: Ho et al., *Axial Attention
        in Multidimensional Transformers* (2019), arXiv:1912.12180; perceptron beside the attention and norms of
        queries and keys: Dehghani et al., *Scaling Vision Transformers to 22 Billion Parameters*, ICML 2023,
        arXiv:2302.05442. The attention of PDEArena's U-Nets (Gupta and Brandstetter, TMLR 2023, arXiv:2209.15616) is
        `norm="group", apply_norm=False, softmax_over="queries"`: it counts a norm that it does not apply, and
        normalises over the other axis.
    """

    norm: Callable
    qkv: PointwiseLinearConv
    query_norm: LayerNorm | None
    key_norm: LayerNorm | None
    output: PointwiseLinearConv
    mlp: ChannelMLPBlock | None
    scale: ChannelAffine | None
    bypass_conv: PointwiseLinearConv | eqx.nn.Identity
    num_heads: int = eqx.field(static=True)
    over: str = eqx.field(static=True)
    softmax_over: str = eqx.field(static=True)
    apply_norm: bool = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_heads: int = 1,
        head_channels: int | None = None,
        over: str = "points",
        norm: str | None = "layer",
        num_groups: int = 1,
        apply_norm: bool = True,
        use_norm_bias: bool = True,
        use_query_key_norm: bool = False,
        softmax_over: str = "keys",
        mlp_channels: int | None = None,
        layer_scale: float | None = None,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        r"""**Arguments:**

        - `num_heads`: The number of heads.
        - `head_channels`: The number of channels of each head; `out_channels / num_heads` by default.
        - `over`: What attends: all `"points"` of the grid, or the points of a line along each of the `"axes"`.
        - `norm`, `num_groups`: The norm of the input (see `pdequinox.blocks.make_norm`).
        - `apply_norm`: `False` keeps the norm's parameters and does not use them, as PDEArena does.
        - `use_norm_bias`: Whether a layer norm has a shift.
        - `use_query_key_norm`: Whether the queries and keys of each head go through a layer norm without shift.
        - `softmax_over`: Whether the weights of a query over the `"keys"` add up to one, or those of a key over the
            `"queries"`, as in PDEArena.
        - `mlp_channels`: The hidden channels of a perceptron beside the attention; `None` for none.
        - `layer_scale`: The initial value of the scale $\gamma$ per channel; `None` for none.
        - `use_bias`, `zero_bias_init`: Of all pointwise maps but the bypass.
        - `activation`: Of the perceptron: a function of one array, or a module with parameters.
        - `boundary_mode`: Without effect, because points are a set; validated.

        **Raises:** `ValueError` if the heads do not divide the channels, for another `over`, `softmax_over` or norm,
        and what the layers raise.
        """
        normalize_boundary_mode(boundary_mode, num_spatial_dims)
        check_sizes(num_spatial_dims, in_channels, out_channels)
        self.num_heads, head_channels = check_heads(num_heads, head_channels, out_channels)
        if over not in OVER:
            raise ValueError(
                f"`over` must be one of {', '.join(map(repr, OVER))}, got {over!r}. Attention is over all points, or "
                "over those of a line along each axis."
            )
        self.over = over
        self.softmax_over = check_softmax_over(softmax_over)
        self.apply_norm = apply_norm
        inner = num_heads * head_channels
        keys = iter(jr.split(key, 4))

        def linear(c_in: int, c_out: int, use_bias: bool = use_bias) -> PointwiseLinearConv:
            return PointwiseLinearConv(
                num_spatial_dims, c_in, c_out, use_bias, zero_bias_init=zero_bias_init, key=next(keys)
            )

        if norm == "layer":
            self.norm = LayerNorm(in_channels, use_bias=use_norm_bias)
        else:
            self.norm = make_norm(norm, in_channels, num_groups)
        self.qkv = linear(in_channels, 3 * inner)
        self.query_norm = LayerNorm(head_channels, use_bias=False) if use_query_key_norm else None
        self.key_norm = LayerNorm(head_channels, use_bias=False) if use_query_key_norm else None
        self.output = linear(inner, out_channels)
        self.mlp = None
        if mlp_channels is not None:
            self.mlp = ChannelMLPBlock(
                num_spatial_dims,
                in_channels,
                out_channels,
                hidden_channels=mlp_channels,
                use_bias=use_bias,
                zero_bias_init=zero_bias_init,
                activation=activation,
                boundary_mode=boundary_mode,
                key=next(keys),
            )
        self.scale = None
        if layer_scale is not None:
            self.scale = ChannelAffine(out_channels, use_bias=False, initial_weight=layer_scale)
        self.bypass_conv = (
            eqx.nn.Identity() if in_channels == out_channels else linear(in_channels, out_channels, use_bias=False)
        )

    def __call__(self, x: Array) -> Array:
        normed = self.norm(x) if self.apply_norm else x
        q, k, v = jnp.split(self.qkv(normed), 3)
        heads = lambda u: u.reshape(self.num_heads, -1, *u.shape[1:])  # noqa: E731
        q, k, v = heads(q), heads(k), heads(v)
        if self.query_norm is not None and self.key_norm is not None:
            q, k = jax.vmap(self.query_norm)(q), jax.vmap(self.key_norm)(k)
        if self.over == "points":
            q, k, v = (u.reshape(*u.shape[:2], -1) for u in (q, k, v))
        y = self._attend(q, k, v, 2)
        for axis in range(3, q.ndim):
            y = y + self._attend(q, k, v, axis)
        y = self.output(y.reshape(-1, *x.shape[1:]))
        if self.mlp is not None:
            y = y + self.mlp(normed)
        return self.bypass_conv(x) + (y if self.scale is None else self.scale(y))

    def _attend(self, q: Array, k: Array, v: Array, axis: int) -> Array:
        """Attention along one axis of arrays of shape `(heads, channels, *spatial)`."""
        others = [other for other in range(2, q.ndim) if other != axis]
        order = (*others, axis, 0, 1)
        lines = lambda u: u.transpose(order).reshape(-1, u.shape[axis], *u.shape[:2])  # noqa: E731
        y = attend(lines(q), lines(k), lines(v), self.softmax_over)
        y = y.reshape(*(q.shape[other] for other in order))
        return y.transpose(tuple(order.index(i) for i in range(q.ndim)))

    @property
    def receptive_field(self) -> ReceptiveField:
        return ((math.inf, math.inf),) * self.qkv.num_spatial_dims


SelfAttentionBlockFactory = factory_of(SelfAttentionBlock)
