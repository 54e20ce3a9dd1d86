"""A channel-first network as a map between fields, which are channel-last."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._plain_function import with_static_functions
from ..fields import OnGrid


class OnField(eqx.Module):
    """A network as a map from field to field. Made by `on_field`."""

    network: Callable[[Array], Array]

    def __call__(self, u: Any) -> OnGrid:
        """The field of the network's values; type, domain, conditions and leading axes are those of `u`."""
        if not isinstance(u, OnGrid):
            raise TypeError(
                f"`u` must be a field on a grid, got {type(u).__name__}. Use `FiniteDifferences.from_grid`."
            )
        network = self.network
        for _ in range(u.params.ndim - u.domain.ndim - 1):
            network = jax.vmap(network)
        channel_axis = -1 - u.domain.ndim
        values = network(jnp.moveaxis(u.params, -1, channel_axis))
        return u.replace_params(jnp.moveaxis(values, channel_axis, -1))


def on_field(network: Any) -> OnField:
    """A channel-first network `(in_channels, *N) -> (out_channels, *N)` as a map from field to field.

    Leading axes of the field are a batch. As with `replace_params`, the result is taken to satisfy the conditions that
    the field satisfies, so that an emulator can be scanned over; `with_free_axes` says otherwise.

    **Arguments:**

    - `network`: Any callable: a network of `arch`, your own module, a plain function.

    **Returns:** A module that holds the network: its arrays are its leaves.

    **Raises:** `ValueError` if the network cannot be called.
    """
    if not callable(network):
        raise ValueError(f"`network` must be a function of an array, got {network!r}. Pass a module or a function.")
    return OnField(with_static_functions(network))


def required_key(key: Any) -> Any:
    if key is None:
        raise ValueError(
            "`key` must be given to make a network, got none. Make the parameters once, "
            "`params = op.default_params(u, key=key)`, and call `op(u, params=params)`."
        )
    return key


def check_same_shape(correction: Any, state: Any) -> None:
    """Refuse a correction that would change the shape of what it corrects, or be broadcast to it."""
    shapes = [value.params.shape if isinstance(value, OnGrid) else jnp.shape(value) for value in (correction, state)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"`network` must return as many channels and points as it corrects, got {shapes[0]} for {shapes[1]}. "
            "Change its number of output channels."
        )


def network_for(make_network: Callable, u: OnGrid, in_channels: int, out_channels: int, key: Any) -> Any:
    """A network for fields like `u`, by the calling convention of `arch`."""
    network = make_network(u.domain.ndim, in_channels, out_channels, boundary_mode=u.domain.boundary_mode, key=key)
    return with_static_functions(network)
