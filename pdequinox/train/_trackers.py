"""What is computed of the model while it is trained, and what is decided by it."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._checks import check_integer


@dataclasses.dataclass(frozen=True)
class Tracker:
    """A function of the model that `fit` evaluates before step 0 and then after every so many steps.

    It is compiled apart from the training: the trained weights are the same to the last bit with it and without it.

    **Arguments:**

    - `function`: A map of the model to an array or a pytree of arrays, such as an error on test data.
    - `every`: The number of steps between evaluations; they take place at the steps 0, `every`, 2 `every`, ...

    **Raises:** `ValueError` for a function that cannot be called and a number that is not a positive integer.
    """

    function: Any
    every: Any = 100

    def __post_init__(self):
        if not callable(self.function):
            raise ValueError(f"`function` must be a function of the model, got {self.function!r}. Define one.")
        check_integer("every", self.every)


@dataclasses.dataclass(frozen=True)
class EarlyStopping:
    """Stop a training when a tracked number no longer falls, and return the model at which it was lowest.

    **Arguments:**

    - `monitor`: The name of a tracker whose value is one number; the lower, the better.
    - `patience`: The number of evaluations in a row without improvement after which the training stops.
    - `min_delta`: By how much the number must fall below the lowest one to be an improvement.

    **Raises:** `ValueError` if `patience` is not a positive integer or `min_delta` is negative.
    """

    monitor: str
    patience: Any
    min_delta: Any = 0.0

    def __post_init__(self):
        check_integer("patience", self.patience)
        if not 0 <= self.min_delta < math.inf:
            raise ValueError(f"`min_delta` must be a number of at least 0, got {self.min_delta!r}. Change its value.")


@dataclasses.dataclass
class Best:
    """The lowest value that early stopping has seen, and how many evaluations ago."""

    rule: EarlyStopping
    params: PyTree
    value: float = math.inf
    step: int = 0
    num_waited: int = 0

    def see(self, step: int, value: float, params: PyTree) -> None:
        if value < self.value - self.rule.min_delta:
            self.value, self.step, self.num_waited, self.params = value, step, 0, params
        else:
            self.num_waited += 1

    @property
    def is_final(self) -> bool:
        return self.num_waited >= self.rule.patience


class Trackers:
    """The trackers of a training, compiled."""

    def __init__(self, trackers: Any, params: PyTree, frozen: PyTree, rebuild: Callable):
        trackers = {} if trackers is None else trackers
        if not isinstance(trackers, Mapping):
            raise ValueError(f"`trackers` must be a dict of names and functions, got {trackers!r}. Name each function.")
        self._frozen = frozen
        self.every, self.shapes, self._compiled = {}, {}, {}
        for name, tracker in trackers.items():
            if not isinstance(name, str):
                raise ValueError(f"`trackers` must have strings for names, got {name!r}. Choose another.")
            tracker = tracker if isinstance(tracker, Tracker) else Tracker(tracker)
            evaluate = jax.jit(lambda params, frozen, f=tracker.function: _as_arrays(f(rebuild(params, frozen))))
            self.every[name] = int(tracker.every)
            self.shapes[name] = jax.eval_shape(evaluate, params, frozen)
            self._compiled[name] = evaluate

    def due(self, step: int) -> list[str]:
        """The names of those that are evaluated at a step."""
        return [name for name, every in self.every.items() if step % every == 0]

    def evaluate(self, name: str, params: PyTree) -> PyTree:
        return self._compiled[name](params, self._frozen)

    def check_monitor(self, rule: Any, num_steps: int) -> None:
        """Refuse a rule for early stopping that watches no number."""
        if not isinstance(rule, EarlyStopping):
            raise ValueError(f"`early_stopping` must be an EarlyStopping, got {rule!r}. Build one.")
        leaves = jax.tree.leaves(self.shapes.get(rule.monitor))
        if [leaf.shape for leaf in leaves] != [()] or not jnp.issubdtype(leaves[0].dtype, jnp.floating):
            raise ValueError(
                f"`monitor` must be the name of a tracker of one real number, got {rule.monitor!r} with the trackers "
                f"{sorted(self.shapes)}. Track the number, or change the name."
            )
        if self.every[rule.monitor] > num_steps:
            raise ValueError(
                f"`monitor` must be evaluated during the training, got {rule.monitor!r}, a tracker at every "
                f"{self.every[rule.monitor]} of {num_steps} steps. Use `Tracker(function, every=...)`."
            )


def _as_arrays(values: PyTree) -> PyTree:
    return jax.tree.map(jnp.asarray, values)
