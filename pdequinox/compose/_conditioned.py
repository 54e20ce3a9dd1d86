"""Any network, conditioned on scalars: time, a Reynolds number, a step size."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._checks import check_integer
from ..blocks import as_activation

METHODS = ("adaptive_norm", "film", "added_embedding")


class Conditioned(eqx.Module):
    """What [`pdequinox.compose.conditioned`][] returns: a function of a state and of scalars."""

    network: Callable
    embedding: eqx.nn.MLP
    head: eqx.nn.Linear
    method: str = eqx.field(static=True)
    scales: tuple[float, ...] = eqx.field(static=True)
    num_frequencies: int = eqx.field(static=True)

    def __call__(self, x: Array, scalars: ArrayLike, *args: Any, **kwargs: Any) -> Array:
        """**Arguments:**

        - `x`: The state, of shape `(channels, *spatial)`; a batch needs `jax.vmap`, with scalars of each sample.
        - `scalars`: The scalars, of shape `(num_scalars,)`; a single number counts as one.
        - Others: Handed to the network.

        **Returns:** What the network makes of them.

        **Raises:** `ValueError` for another number of scalars.
        """
        dtype = self.head.weight.dtype
        # A short format would not tell neighbouring values apart.
        values = jnp.asarray(scalars, jnp.promote_types(dtype, jnp.float32))
        if values.size != len(self.scales) or values.ndim > 1:
            raise ValueError(
                f"`scalars` must have the shape ({len(self.scales)},), got {values.shape}. Use `jax.vmap` for a batch."
            )
        changes = self.head(self.embedding(self._features(values.reshape(-1)).astype(dtype)))
        is_changed = partial(_is_changed, method=self.method)
        leaves, structure = jax.tree.flatten(self.network, is_leaf=is_changed)
        for i, layer in enumerate(leaves):
            if is_changed(layer):
                change, changes = jnp.split(changes, [_num_changes(layer, self.method)])
                leaves[i] = _changed(layer, change, self.method)
        return jax.tree.unflatten(structure, leaves)(x, *args, **kwargs)

    def _features(self, values: Float[Array, " scalars"]) -> Float[Array, " features"]:
        """Each scalar in units of its scale, and its sines and cosines of doubling frequency."""
        values = values / jnp.asarray(self.scales, values.dtype)
        waves = values[:, None] * jnp.asarray(2.0 ** np.arange(self.num_frequencies), values.dtype)
        return jnp.concatenate([values, jnp.sin(waves).reshape(-1), jnp.cos(waves).reshape(-1)])


class _Modulated(eqx.Module):
    """A layer whose output channels are scaled and shifted. Not its weights: samples of a batch share these.

    All else is as with the layer.
    """

    layer: Callable
    scale: Array
    shift: Array

    def __call__(self, x: Array, **kwargs: Any) -> Array:
        y = self.layer(x, **kwargs)
        broadcast = lambda change: change.reshape(-1, *(1,) * (y.ndim - 1))  # noqa: E731
        return (1 + broadcast(self.scale)) * y + broadcast(self.shift)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "layer"), name)


def _is_changed(layer: Any, method: str) -> bool:
    """Whether this is a norm, or a linear layer, with a bias per output channel, which its weights have in front."""
    weight, bias = getattr(layer, "weight", None), getattr(layer, "bias", None)
    if not isinstance(layer, eqx.Module) or not isinstance(weight, Array) or not isinstance(bias, Array):
        return False
    return weight.shape[:1] == (bias.size,) and (weight.ndim == 1) == (method == "adaptive_norm")


def _num_changes(layer: Any, method: str) -> int:
    return layer.bias.size * (1 if method == "added_embedding" else 2)


def _changed(layer: Any, change: Float[Array, " n"], method: str) -> Any:
    shape, change = layer.bias.shape, change.astype(layer.weight.dtype)
    if method == "added_embedding":
        return eqx.tree_at(lambda layer: layer.bias, layer, layer.bias + change.reshape(shape))
    scale, shift = jnp.split(change, 2)
    if method == "film":
        return _Modulated(layer, scale, shift)
    weight, bias = (1 + scale) * layer.weight, (1 + scale) * layer.bias + shift
    return eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, (weight, bias))


def conditioned(
    network: Callable[..., Array],
    num_scalars: int = 1,
    *,
    method: str = "adaptive_norm",
    scales: float | Sequence[float] = 1.0,
    embedding_size: int = 64,
    num_frequencies: int = 8,
    activation: Callable = jax.nn.silu,
    key: PRNGKeyArray,
) -> Conditioned:
    r"""Make any network depend on scalars, without editing it.

    The scalars, with sines and cosines of them, go through a perceptron with one hidden layer to an embedding $e$. A
    linear map of $e$ then changes the network's own layers at call time:

    | `method` | what is changed |
    |---|---|
    | `"adaptive_norm"` | each norm with a scale and a shift: $y = (1 + s(e))\, \text{norm}(x) + t(e)$ |
    | `"film"` | the output of each linear layer with a bias: $y = (1 + s(e))\, (W x + b) + t(e)$ |
    | `"added_embedding"` | the bias of each linear layer that has one: $y = W x + b + t(e)$ |

    The linear map starts at zero: a conditioned network starts as the network, whose leaves are all kept as they are.
    A layer is found by its form (a `weight` whose first axis is that of its `bias`): those of this package, Equinox's,
    your own; it must be called, and not its weights be used by its owner. Of an ensemble, condition the members before
    they are combined.

    **Arguments:**

    - `network`: A network, or any pytree of layers that can be called.
    - `num_scalars`: The number of scalars.
    - `method`: `"adaptive_norm"`, `"film"` or `"added_embedding"`.
    - `scales`: The typical size of the scalars, or of each: they are divided by it.
    - `embedding_size`: The size of the embedding and of the hidden layer before it.
    - `num_frequencies`: The number of frequencies 1, 2, 4, ... of the sines and cosines of each scalar; may be 0.
    - `activation`: Of the perceptron.
    - `key`: A JAX random key.

    **Returns:** A [`pdequinox.compose.Conditioned`][]: call it as `network(x, scalars)`.

    **Raises:** `ValueError` for another method, a wrong number of scales or one that is zero, and if the network has no
    layer that the method could change.

    ??? cite "Source"
        Adaptive norms: Dhariwal and Nichol, NeurIPS 2021, arXiv:2105.05233; FiLM: Perez et al., AAAI 2018,
        arXiv:1709.07871; added embeddings: Ho et al., NeurIPS 2020, arXiv:2006.11239; for PDEs: Gupta and
        Brandstetter, TMLR 2023, arXiv:2209.15616. Starting at zero: Peebles and Xie, ICCV 2023, arXiv:2212.09748.
    """
    num_scalars = check_integer("num_scalars", num_scalars)
    num_frequencies = check_integer("num_frequencies", num_frequencies, minimum=0)
    embedding_size = check_integer("embedding_size", embedding_size)
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(map(repr, METHODS))}, got {method!r}. Choose one.")
    sizes = np.full(num_scalars, scales, float) if np.ndim(scales) == 0 else np.asarray(scales, float)
    if sizes.shape != (num_scalars,) or not np.all(np.isfinite(sizes) & (sizes != 0)):
        raise ValueError(
            f"`scales` must be one finite number other than zero, or one per scalar ({num_scalars}), got {scales!r}. "
            "Give the typical size of each."
        )
    is_changed = partial(_is_changed, method=method)
    layers = filter(is_changed, jax.tree.leaves(network, is_leaf=is_changed))
    num_changes = sum(_num_changes(layer, method) for layer in layers)
    if num_changes == 0:
        raise ValueError(
            f"`network` must have {'norms' if method == 'adaptive_norm' else 'layers with a bias'} for the method "
            f"{method!r}, got {type(network).__name__} without any. Choose another method."
        )
    num_features = num_scalars * (1 + 2 * num_frequencies)
    embedding_key, head_key = jr.split(key)
    embedding = eqx.nn.MLP(
        num_features,
        embedding_size,
        embedding_size,
        depth=1,
        activation=as_activation(activation),
        final_activation=eqx.nn.Identity(),
        key=embedding_key,
    )
    head = jax.tree.map(jnp.zeros_like, eqx.nn.Linear(embedding_size, num_changes, key=head_key))
    return Conditioned(network, embedding, head, method, tuple(sizes.tolist()), num_frequencies)
