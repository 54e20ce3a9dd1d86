"""Several past steps as the input of any network."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from .._checks import check_integer


class History(eqx.Module):
    r"""A network that predicts the next state from the last `num_steps` ones, as $u_{n+1} = f(u_{n-k+1}, \dots, u_n)$.

    The states become channels, the oldest first: the network has `num_steps * channels` input channels.
    """

    network: Callable[..., Array]
    num_steps: int = eqx.field(static=True)

    def __init__(self, network: Callable[..., Array], num_steps: int):
        """**Arguments:**

        - `network`: A map of one sample with `num_steps` times the channels of a state.
        - `num_steps`: The number of states that it sees.

        **Raises:** `ValueError` if `num_steps` is not a positive integer.
        """
        self.network = network
        self.num_steps = check_integer("num_steps", num_steps)

    def __call__(self, past: Array, *args: Any, **kwargs: Any) -> Array:
        """**Arguments:**

        - `past`: The last states, of shape `(num_steps, channels, *spatial)`, the oldest first.
        - Others: Handed to the network.

        **Returns:** The next state, of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another number of states.
        """
        past = jnp.asarray(past)
        if past.ndim < 3 or past.shape[0] != self.num_steps:
            raise ValueError(
                f"`past` must have the shape ({self.num_steps}, channels, *spatial), got {past.shape}. Stack the last "
                "states along a new first axis; use `jax.vmap` for a batch."
            )
        return self.network(past.reshape(-1, *past.shape[2:]), *args, **kwargs)

    def advance(self, past: Array, *args: Any, **kwargs: Any) -> Array:
        """One time step of the window of states: the oldest out, the prediction in.

        `rollout(net.advance, past, n)[:, -1]` is the predicted trajectory.

        **Arguments:** as for a call.

        **Returns:** The next window, of the shape of `past`.
        """
        return jnp.concatenate([past[1:], self(past, *args, **kwargs)[None]])
