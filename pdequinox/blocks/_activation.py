"""Activations as parts of a network."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from .._plain_function import PlainFunction


def as_activation(activation: Any) -> Callable:
    """The activation as a pytree of floating arrays: what has no parameters becomes static.

    **Arguments:**

    - `activation`: A function of one array, or a module with parameters, which stay trainable.

    **Raises:** `ValueError` for what cannot be called.
    """
    if not callable(activation):
        raise ValueError(
            f"`activation` must be a function of one array or a module, got {activation!r}. Pass `jax.nn.relu`, say."
        )
    leaves = jax.tree.leaves(activation)
    has_parameters = any(map(eqx.is_array_like, leaves))
    return activation if has_parameters or not leaves else PlainFunction(activation)


def without_activation(factory: Callable) -> Callable:
    """A factory of the same blocks, with the identity for an activation: for the last one of some networks."""

    def linear(*sizes: int, activation: Callable, **shared: Any) -> Any:
        del activation
        return factory(*sizes, activation=eqx.nn.Identity(), **shared)

    return linear
