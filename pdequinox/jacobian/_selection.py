"""Some of the parameters of a model, as one real vector."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from .._selection import selected


def select(model: PyTree, where: Any) -> tuple[Array, Callable[[Array], PyTree]]:
    """The selected parameters as a vector, and the model as a function of that vector.

    Parameters are the floating arrays of the model, in the order of `jax.tree.leaves`. A complex array is two real
    ones: its real part, then its imaginary part.
    """
    mine, rest = eqx.partition(model, selected(model, where))
    leaves, structure = jax.tree.flatten(mine)
    vector, unravel = ravel_pytree([(leaf.real, leaf.imag) if jnp.iscomplexobj(leaf) else leaf for leaf in leaves])

    def rebuild(vector: Array) -> PyTree:
        parts = unravel(vector)
        leaves = [jax.lax.complex(*part) if isinstance(part, tuple) else part for part in parts]
        return eqx.combine(jax.tree.unflatten(structure, leaves), rest)

    return vector, rebuild
