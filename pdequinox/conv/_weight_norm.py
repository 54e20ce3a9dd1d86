"""Weight normalisation (Salimans and Kingma, 2016)."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from ._lowering import accumulation_dtype
from ._pointwise_linear_conv import PointwiseLinearConv
from ._receptive_field import ReceptiveField


class WeightNorm(eqx.Module):
    r"""A pointwise linear map whose weights have a direction and a length of their own: $w_o = g_o v_o / |v_o|$.

    One more parameter per output channel. At the start $g_o = |v_o|$, and the map is that of the plain layer.

    ??? cite "Source"
        Salimans and Kingma, *Weight Normalization*, NeurIPS 2016, arXiv:1602.07868.
    """

    layer: PointwiseLinearConv
    scale: Array

    def __init__(self, layer: PointwiseLinearConv):
        """**Arguments:**

        - `layer`: The layer, whose weights become the directions $v$.
        """
        self.layer = layer
        self.scale = _lengths(layer.weight)

    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """As [`pdequinox.conv.PointwiseLinearConv`][] is called."""
        direction = self.layer.weight
        wide = accumulation_dtype(direction.dtype)
        factor = self.scale.astype(wide) / _lengths(direction.astype(wide))
        weight = direction.astype(wide) * factor.reshape(-1, *(1,) * (direction.ndim - 1))
        layer = eqx.tree_at(lambda layer: layer.weight, self.layer, weight.astype(direction.dtype))
        return layer(x, key=key)

    @property
    def receptive_field(self) -> ReceptiveField:
        return self.layer.receptive_field


def _lengths(weight: Array) -> Array:
    return jnp.sqrt(jnp.sum(weight**2, axis=range(1, weight.ndim)))


def with_weight_norm(module: Any) -> Any:
    """`module` with a weight norm around each of its pointwise linear maps."""
    is_layer = lambda node: isinstance(node, PointwiseLinearConv)  # noqa: E731
    return jax.tree.map(lambda node: WeightNorm(node) if is_layer(node) else node, module, is_leaf=is_layer)
