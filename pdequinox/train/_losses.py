"""Losses of a network over a batch of pairs or of trajectories."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._checks import check_integer
from ._metrics import mse


def supervised_loss(
    network: Callable, batch: tuple[Array, Array], *, weights: ArrayLike | None = None
) -> Float[Array, ""]:
    """Mean squared error of a network over pairs of input and target.

    **Arguments:**

    - `network`: A map of one sample, `(in_channels, *spatial)` to `(out_channels, *spatial)`.
    - `batch`: Inputs and targets, with a leading axis of samples.
    - `weights`: Quadrature weights of the points, as for `mse`; bind them with `functools.partial`.

    **Raises:** `ValueError` if the network's outputs do not have the targets' shape.
    """
    inputs, targets = batch
    return jnp.mean(mse(jax.vmap(network)(inputs), targets, weights=weights))


def unrolled_loss(
    num_steps: Any, *, pushforward: bool = False, metric: Callable = mse, weights: ArrayLike | None = None
) -> Callable[[Callable, Array], Float[Array, ""]]:
    r"""A loss that applies a stepper to its own output and compares with a trajectory.

    | | |
    |---|---|
    | `unrolled_loss(1)` | one step from each true state |
    | `unrolled_loss(k)` | k steps; the mean of the errors after each of them |
    | `unrolled_loss(k, pushforward=True)` | k steps; the error after the last, whose gradient sees the last step only |

    Gradients of k steps teach a stepper what its errors become, at k times the memory. The pushforward trick takes
    the memory of one step: the first k - 1 steps only make an input with realistic errors.

    The steps are written out, not scanned, so compilation takes longer with more of them.

    **Arguments:**

    - `num_steps`: The number of steps $k$.
    - `pushforward`: Whether to stop gradients before the last step and compare after the last step only.
    - `metric`: A function `(prediction, target)` of batches of fields with one number per sample, as those of this
        room.
    - `weights`: Quadrature weights of the points, passed to the metric as `weights=...` unless `None`.

    **Returns:** A function `(network, trajectories) -> number`, where `trajectories` has the shape
        `(samples, num_steps + 1, channels, *spatial)`, as from `windows(..., num_steps + 1)`. It raises `ValueError`
        for another number of snapshots.

    **Raises:** `ValueError` if `num_steps` is not a positive integer.

    ??? cite "Source"
        Brandstetter et al., *Message Passing Neural PDE Solvers*, ICLR 2022, arXiv:2202.03376. There the pushforward
        loss is added to that of one step and the number of steps is random; ours is the pushforward loss alone.
    """
    check_integer("num_steps", num_steps)
    options = {} if weights is None else {"weights": weights}

    def loss(network: Callable, trajectories: Array) -> Float[Array, ""]:
        shape = jnp.shape(trajectories)
        if len(shape) < 3 or shape[1] != num_steps + 1:
            raise ValueError(
                f"`trajectories` must have shape (samples, {num_steps + 1}, channels, *spatial), got {shape}. Cut them "
                f"with `windows(trajectories, {num_steps + 1})`."
            )
        step = jax.vmap(network)
        state, errors = trajectories[:, 0], []
        for n in range(1, num_steps + 1):
            is_last = n == num_steps
            if pushforward and is_last:
                state = jax.lax.stop_gradient(state)
            state = step(state)
            if is_last or not pushforward:
                errors.append(jnp.mean(metric(state, trajectories[:, n], **options)))
        return jnp.mean(jnp.stack(errors))

    return loss


def windows(trajectories: Any, length: Any) -> Array:
    """All pieces of consecutive snapshots of a given length, as samples of their own.

    **Arguments:**

    - `trajectories`: Shape `(samples, time, channels, *spatial)`.
    - `length`: The number of snapshots in a piece. A piece of two is an input and its target.

    **Returns:** A copy, of shape `(samples * (time - length + 1), length, channels, *spatial)`: those of the first
        trajectory first, in the order of their start.

    **Raises:** `ValueError` if `length` is not an integer from 1 to the number of snapshots, or there are no axes of
        samples and time.
    """
    check_integer("length", length)
    shape = jnp.shape(trajectories)
    if len(shape) < 2 or shape[1] < length:
        raise ValueError(
            f"`trajectories` must have shape (samples, time, channels, *spatial) with time at least {length}, got "
            f"{shape}. Lower `length` or add snapshots."
        )
    starts = jnp.arange(shape[1] - length + 1)
    pieces = jnp.asarray(trajectories)[:, starts[:, None] + jnp.arange(length)]
    return pieces.reshape(-1, length, *shape[2:])
