"""What an experiment is to the main job: data, contenders, a budget, and a judgement of a trained network."""

import abc
import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from .. import train
from ._networks import Contender

BATCH_SIZE = 20
PEAK_LEARNING_RATE = 1e-3
FULL_STEPS = 10_000


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Numbers for tables and files, and the first test sample's field for a picture."""

    record: dict[str, Any]
    sample: np.ndarray


@dataclasses.dataclass(frozen=True)
class Experiment(abc.ABC):
    """A question to several networks: what they learn from, for how long, and how the result is judged."""

    contenders: tuple[Contender, ...]
    num_steps: int
    num_points: int

    key: ClassVar[str]
    num_spatial_dims: ClassVar[int]

    @abc.abstractmethod
    def prepare(self) -> Any:
        """Make the data: an object with the attribute `training`, the pair of all inputs and targets."""

    @abc.abstractmethod
    def describe(self, data: Any) -> Outcome:
        """The setting, the baselines that need no training, and the truth."""

    @abc.abstractmethod
    def evaluate(self, network: Callable[[Array], Array], data: Any) -> Outcome:
        """Judge a trained network on the test data."""

    @property
    def setting(self) -> dict[str, Any]:
        """All numbers that define the experiment."""
        fields = (field.name for field in dataclasses.fields(self))
        return {name: getattr(self, name) for name in fields if name != "contenders"}


def train_network(
    network: Any,
    training: tuple[Array, Array],
    *,
    num_steps: int,
    steps_per_call: int,
    key: PRNGKeyArray,
    on_progress: Callable[[int, float], Any],
) -> tuple[Any, dict[str, Any]]:
    """Train by APEBench's protocol.

    Adam on the mean squared error of batches of 20; the learning rate rises linearly from 0 to 1e-3 over the first
    fifth of the steps and falls back to 0 along a cosine.

    **Returns:** The trained network, and what the training took, as plain values.
    """
    import optax

    schedule = optax.warmup_cosine_decay_schedule(
        0.0, PEAK_LEARNING_RATE, warmup_steps=num_steps // 5, decay_steps=num_steps
    )
    marks: list[tuple[int, float]] = []

    def progress(step: int, loss: float) -> None:
        marks.append((step, time.perf_counter()))
        on_progress(step, loss)

    start = time.perf_counter()
    network, history = train.fit(
        network,
        train.supervised_loss,
        optax.adam(schedule),
        num_steps,
        batches=train.shuffled(training, min(BATCH_SIZE, len(training[0]))),
        key=key,
        steps_per_call=steps_per_call,
        progress=progress,
    )
    losses = history.losses["total"]
    (first_step, first_time), (last_step, last_time) = marks[0], marks[-1]
    ms = 1e3 * (last_time - first_time) / (last_step - first_step) if last_step > first_step else None
    return network, {
        "training_seconds": last_time - start,
        "seconds_to_first_step": first_time - start,
        "ms_per_training_step": ms,
        "last_loss": finite_or_none(np.mean(losses[-max(1, num_steps // 20) :])),
    }


def finite_or_none(value: Any) -> float | None:
    """A number for a JSON file, which knows neither infinity nor NaN."""
    return float(value) if math.isfinite(value) else None


def time_calls(function: Callable, state: Array, num_calls: int) -> tuple[list[Array], float]:
    """Apply a compiled function to its own output, `num_calls` times.

    One by one from Python, not in a `jax.lax.scan`: on a CPU, convolutions in a scan are several times slower.

    **Returns:** All states with the first, and the median time of a call; in milliseconds.
    """
    jax.block_until_ready(function(state))
    states, times = [state], []
    for _ in range(num_calls):
        start = time.perf_counter()
        states.append(jax.block_until_ready(function(states[-1])))
        times.append(time.perf_counter() - start)
    return states, 1e3 * float(np.median(times))
