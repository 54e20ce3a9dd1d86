"""How a trained network is judged."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .. import train
from .scenarios import Evolution, Scenario

MEAN_HORIZON = 100
"""Steps over which the geometric mean is taken, as in APEBench."""
BAND_EDGES = (5, 13)
UNSTABLE = 10.0
"""A rollout has blown up when it is not finite, or that many times larger than the reference ever is."""


def judge_rollouts(prediction: Array, target: Array, scenario: Evolution) -> dict[str, Any]:
    """Errors of whole trajectories.

    **Arguments:**

    - `prediction`: Shape `(times, samples, channels, *spatial)`, without the initial state, which is given.
    - `target`: The true ones, of the same shape.
    - `scenario`: Where they come from.

    **Returns:** Plain values: the `nrmse` of each step, averaged over the samples; its geometric mean over the first
        100; its parts in bands of wave numbers; the mean correlation time in steps; how many rollouts blow up.
    """
    weights = scenario.weights
    curve = np.asarray(jnp.mean(jax.vmap(lambda p, t: train.nrmse(p, t, weights=weights))(prediction, target), axis=1))
    horizon = min(MEAN_HORIZON, len(curve))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        mean = np.exp(np.mean(np.log(curve[:horizon].astype(float))))
    times = train.correlation_time(jnp.swapaxes(prediction, 0, 1), jnp.swapaxes(target, 0, 1), weights=weights)
    lost = unstable_steps(np.asarray(prediction), np.asarray(target))
    return {
        "nrmse": [finite_or_none(value) for value in curve],
        "nrmse_geometric_mean": finite_or_none(mean),
        "mean_horizon": horizon,
        "bands": _bands(prediction, target, scenario, "nrmse"),
        "correlation_time": finite_or_none(jnp.mean(times)),
        "num_unstable": len(lost),
        "num_rollouts": target.shape[1],
        "first_unstable_step": min(lost, default=None),
    }


def unstable_steps(prediction: np.ndarray, target: np.ndarray) -> list[int]:
    """For each rollout that blows up, the step (from 1) at which it is first seen."""
    axes = (0, *range(3, target.ndim))
    limit = UNSTABLE * np.max(np.abs(target), axis=axes, keepdims=True)
    with np.errstate(invalid="ignore"):
        is_good = np.all(np.abs(prediction) <= limit, axis=tuple(range(2, target.ndim)))
    return [int(np.argmin(good)) + 1 for good in is_good.T if not np.all(good)]


def judge_solutions(prediction: Array, target: Array, scenario: Scenario) -> dict[str, Any]:
    """Errors of solutions of shape `(samples, channels, *spatial)`: mean and worst relative L2, and its bands."""
    errors = train.relative_l2(prediction, target, weights=scenario.weights)
    return {
        "relative_l2": finite_or_none(jnp.mean(errors)),
        "relative_l2_worst": finite_or_none(jnp.max(errors)),
        "bands": _bands(prediction[None], target[None], scenario, "relative_l2"),
    }


def _bands(prediction: Array, target: Array, scenario: Scenario, name: str) -> dict[str, Any] | None:
    """The error in bands of wave numbers, in units of the target's root mean square, averaged over the samples.

    One list per band, with a value for each step; of steady problems one value per band.
    """
    if scenario.has_mixed_ends:
        return None
    weights = scenario.weights

    @jax.jit
    def relative(prediction: Array, target: Array) -> Array:
        errors = train.band_rmse(prediction, target, scenario.boundary_mode, edges=BAND_EDGES)
        size = jnp.sqrt(train.mse(jnp.zeros_like(target), target, weights=weights))
        return jnp.mean(errors / size[:, None], axis=0)

    values = [[finite_or_none(x) for x in relative(p, t)] for p, t in zip(prediction, target, strict=True)]
    per_band = [list(column) for column in zip(*values, strict=True)]
    return {"edges": list(BAND_EDGES), name: per_band if name == "nrmse" else [band[0] for band in per_band]}


def finite_or_none(value: Any) -> float | None:
    """A number for a JSON file, which knows neither infinity nor NaN."""
    return float(value) if math.isfinite(value) else None
