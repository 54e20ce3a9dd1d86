"""How long a rollout stays correlated with the truth."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ._metrics import checked_pair, mean_over_space


def correlation(
    prediction: ArrayLike, target: ArrayLike, *, weights: ArrayLike | None = None
) -> Float[Array, " samples"]:
    r"""Pearson's correlation of each sample with its target, as a mean over the channels.

    $$ \frac{1}{C} \sum_{c=1}^{C}
       \frac{\langle \tilde p_c \tilde t_c \rangle}{\sqrt{\langle \tilde p_c^2 \rangle \langle \tilde t_c^2 \rangle}},
       \qquad \tilde u = u - \langle u \rangle $$

    It sees shapes only: not the mean of a field, nor the size of its fluctuations.

    **Arguments:**

    - `prediction`: The fields $p$, of shape `(samples, channels, *spatial)`.
    - `target`: The fields $t$ they should be, of the same shape.
    - `weights`: Quadrature weights of the points, as for `mse`.

    **Returns:** One number between -1 and 1 per sample; without meaning where a channel is constant, up to rounding.

    **Raises:** `ValueError` if the shapes differ.
    """
    pair = checked_pair(prediction, target)
    p, t = (field - mean_over_space(field, weights, keepdims=True) for field in pair)
    size = jnp.sqrt(mean_over_space(p**2, weights)) * jnp.sqrt(mean_over_space(t**2, weights))
    return jnp.mean(mean_over_space(p * t, weights) / size, axis=1)


def correlation_time(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    threshold: Any = 0.8,
    time_step: Any = 1.0,
    weights: ArrayLike | None = None,
) -> Float[Array, " samples"]:
    r"""How long each trajectory stays correlated with the true one.

    The time of the last snapshot before the `correlation` first falls below the threshold, where the first snapshot
    has the time `time_step`, as in a `rollout` without its initial state. Not interpolated. A trajectory that never
    falls below has the time of its last snapshot, so this is a lower bound then. A correlation that is not a number,
    as that of an unstable rollout, is below.

    **Arguments:**

    - `prediction`: Trajectories of shape `(samples, time, channels, *spatial)`.
    - `target`: The true ones, of the same shape.
    - `threshold`: The correlation to stay above, less than 1.
    - `time_step`: The time between two snapshots.
    - `weights`: Quadrature weights of the points, as for `mse`.

    **Returns:** One time per sample, in the unit of `time_step`.

    **Raises:** `ValueError` if the shapes differ or `threshold` is not less than 1.

    ??? cite "Source"
        The measure of Kochkov et al., *Machine Learning-Accelerated Computational Fluid Dynamics*, PNAS 2021,
        arXiv:2102.01010; with a threshold of 0.8 in Lippe et al., *PDE-Refiner*, NeurIPS 2023, arXiv:2308.05732. They
        take the time of the mean correlation over the samples; ours is one time per sample.
    """
    prediction, target = checked_pair(prediction, target)
    if target.ndim < 3:
        raise ValueError(
            f"`target` must have shape (samples, time, channels, *spatial), got {target.shape}. Add the axis of time."
        )
    if not threshold < 1:
        raise ValueError(f"`threshold` must be less than 1, got {threshold}. Use 0.8, for example.")
    flat_p, flat_t = (x.reshape(-1, *x.shape[2:]) for x in (prediction, target))
    is_above = correlation(flat_p, flat_t, weights=weights).reshape(target.shape[:2]) >= threshold
    steps = jnp.sum(jnp.cumprod(is_above, axis=1), axis=1)
    return steps.astype(target.dtype) * time_step
