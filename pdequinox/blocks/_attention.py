"""Scaled dot-product attention (Vaswani et al., 2017)."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import check_integer

SOFTMAXES = ("keys", "queries")


def check_heads(num_heads: Any, head_channels: Any, channels: int) -> tuple[int, int]:
    """How many heads, and how many channels each of them has: its part of `channels` if that is not given."""
    check_integer("num_heads", num_heads)
    if head_channels is not None:
        return num_heads, check_integer("head_channels", head_channels)
    if channels % num_heads:
        raise ValueError(
            f"`num_heads` must divide the number of channels ({channels}), got {num_heads}. Change one of the two, or "
            "give `head_channels`."
        )
    return num_heads, channels // num_heads


def check_softmax_over(softmax_over: Any) -> str:
    """`softmax_over`, if it names one of the two axes."""
    if softmax_over not in SOFTMAXES:
        raise ValueError(
            f"`softmax_over` must be one of {', '.join(map(repr, SOFTMAXES))}, got {softmax_over!r}. "
            "Check the spelling."
        )
    return softmax_over


def attend(
    query: Float[Array, "batch n heads d"],
    key: Float[Array, "batch m heads d"],
    value: Float[Array, "batch m heads d"],
    softmax_over: str = "keys",
) -> Float[Array, "batch n heads d"]:
    r"""$y_i = \sum_j a_{ij} v_j$ with $a_{ij} \propto \exp(q_i \cdot k_j / \sqrt{d})$, in float32 at least.

    The weights of a query add up to one; for `softmax_over="queries"`, those of a key do.
    """
    # Not `jax.nn.dot_product_attention`: its softmax is in float32 even for float64, and strict promotion stops it.
    dtype = jnp.float32 if jnp.finfo(query.dtype).bits < 32 else query.dtype
    scores = jnp.einsum("bihd,bjhd->bhij", query, key, preferred_element_type=dtype) * key.shape[-1] ** -0.5
    weights = jax.nn.softmax(scores, axis=-1 if softmax_over == "keys" else -2)
    return jnp.einsum("bhij,bjhd->bihd", weights, value.astype(dtype)).astype(query.dtype)
