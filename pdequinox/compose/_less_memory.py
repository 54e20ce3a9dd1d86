"""Any network in less memory: recomputed in the backward pass, or in a shorter number format."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._checks import check_floating
from ..blocks import Block

PARTS = ("blocks", "network")


class Rematerialized(eqx.Module):
    """A network whose gradient recomputes intermediate values instead of keeping them.

    The backward pass of each part starts from the part's input, which is kept, and computes the rest again: one more
    forward pass, for less memory. Values and gradients stay the same.

    - `remat="blocks"`: the parts are the network's blocks, but for linear ones, which keep their input anyway. Good for
      one pass through a deep network.
    - `remat="network"`: the part is the whole network. Good for training through a rollout of many steps.

    XLA's CPU compiler merges what is computed twice within one step, so that nothing is saved there but in loops.

    ??? cite "Source"
        Chen et al., *Training Deep Nets with Sublinear Memory Cost* (2016), arXiv:1604.06174; `jax.checkpoint`.
    """

    network: Callable[..., Array]
    remat: str = eqx.field(static=True)

    def __init__(self, network: Callable[..., Array], remat: str = "blocks"):
        """**Arguments:**

        - `network`: A network, or any pytree that can be called.
        - `remat`: `"blocks"` or `"network"`.

        **Raises:** `ValueError` for another `remat`, and for `"blocks"` if there are none.
        """
        if remat not in PARTS:
            raise ValueError(f"`remat` must be one of {', '.join(map(repr, PARTS))}, got {remat!r}. Choose one.")
        if remat == "blocks" and not any(map(_is_part, jax.tree.leaves(network, is_leaf=_is_part))):
            raise ValueError(
                f"`remat` must be 'network' for a network without blocks, got 'blocks' for {type(network).__name__}. "
                "Change it."
            )
        self.network = network
        self.remat = remat

    def __call__(self, x: Array, *args: Any, **kwargs: Any) -> Array:
        """**Arguments:** as those of the network.

        **Returns:** What the network returns.
        """
        if self.remat == "network":
            return _recomputed(self.network, x, *args, **kwargs)
        wrap = lambda part: _Recomputed(part) if _is_part(part) else part  # noqa: E731
        return jax.tree.map(wrap, self.network, is_leaf=_is_part)(x, *args, **kwargs)


class _Recomputed(eqx.Module):
    block: Block

    def __call__(self, x: Array, *args: Any, **kwargs: Any) -> Array:
        return _recomputed(self.block, x, *args, **kwargs)


def _recomputed(function: Callable, *args: Any, **kwargs: Any) -> Array:
    return eqx.filter_checkpoint(lambda function, args, kwargs: function(*args, **kwargs))(function, args, kwargs)


def _is_part(part: Any) -> bool:
    """Whether this is a block with something to recompute: linear ones hold one layer and nothing else."""
    return isinstance(part, Block) and [field.name for field in dataclasses.fields(part)] != ["conv"]


class MixedPrecision(eqx.Module):
    """A network that computes in a shorter number format than that of its parameters and its input.

    Parameters stay in the longer format, so that small updates are not lost; they and the input are converted at each
    call, the output and the gradients back; other arguments are handed on as they are. Norms, attention and transforms
    accumulate in float32 at least, whatever the format. Positions as channels have the format's precision: bfloat16
    tells 256 of them apart between 1/2 and 1.

    ??? cite "Source"
        Micikevicius et al., *Mixed Precision Training*, ICLR 2018, arXiv:1710.03740. With bfloat16, whose exponents are
        those of float32, no scaling of the loss is needed.
    """

    network: Callable[..., Array]
    compute_dtype: Any = eqx.field(static=True)

    def __init__(self, network: Callable[..., Array], compute_dtype: Any = "bfloat16"):
        """**Arguments:**

        - `network`: A network, or any pytree that can be called.
        - `compute_dtype`: A real floating type.

        **Raises:** `ValueError` for another type.
        """
        try:
            dtype = None if compute_dtype is None else jnp.dtype(compute_dtype)
        except TypeError:
            dtype = None
        if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(
                f"`compute_dtype` must be a real floating type, got {compute_dtype!r}. Use 'bfloat16', for example."
            )
        self.network = network
        self.compute_dtype = dtype

    def __call__(self, x: Array, *args: Any, **kwargs: Any) -> Array:
        """**Arguments:** as those of the network.

        **Returns:** What the network returns, in the dtype of `x`.

        **Raises:** `ValueError` if `x` holds integers.
        """
        x = check_floating("x", x)

        def convert(leaf: Any) -> Any:
            is_real = eqx.is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.floating)
            return leaf.astype(self.compute_dtype) if is_real else leaf

        return jax.tree.map(convert, self.network)(convert(x), *args, **kwargs).astype(x.dtype)
