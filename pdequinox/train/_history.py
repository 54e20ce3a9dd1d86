"""What happened in a training."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree


@dataclasses.dataclass(frozen=True)
class History:
    """The record of a training, as NumPy arrays."""

    losses: dict[str, np.ndarray]
    """The loss of every step before the step: `"total"` and each named one, of shape `(steps,)`."""
    weights: dict[str, np.ndarray] | None
    """The weights of the named losses in every step, if they were balanced."""
    trackers: dict[str, tuple[np.ndarray, PyTree]]
    """For each tracker the steps at which it was evaluated and its values, stacked along a new leading axis."""
    ema_model: PyTree = None
    """The model with the moving average of its parameters, if `fit` was given `ema`."""
    best_step: int | None = None
    """The number of steps after which the returned model was reached, with early stopping."""

    @property
    def steps(self) -> int:
        """The number of steps that were taken."""
        return len(self.losses["total"])


class NonFiniteLossError(ArithmeticError):
    """A loss or a gradient became infinite or NaN; the step was not taken.

    **Attributes:**

    - `step`: The number of steps that were taken before.
    - `losses`: The losses of the step that failed, by name.
    - `model`: The model before that step.
    - `history`: The record until then.
    """

    def __init__(self, step: int, losses: dict[str, float], model: PyTree, history: History):
        shown = ", ".join(f"{name} = {value:g}" for name, value in losses.items())
        super().__init__(
            f"`loss`, its gradient and the update must be finite, got one that is not in step {step}, where {shown}. "
            "Lower the learning rate, clip the gradient with optax.clip_by_global_norm, or look at `error.model`, the "
            "model before that step."
        )
        self.step, self.losses, self.model, self.history = step, losses, model, history

    def __reduce__(self) -> tuple:
        return NonFiniteLossError, (self.step, self.losses, self.model, self.history)


class Recorder:
    """Collects values that may still be on their way, and makes the history of them."""

    def __init__(self, names: Sequence[str], is_balanced: bool, num_losses: int, shapes: dict[str, PyTree]):
        self._names, self._is_balanced, self._shapes = tuple(names), is_balanced, shapes
        self.num_columns = 1 + num_losses * (1 + is_balanced)
        self._values: list[np.ndarray] = []
        self._tracked: dict[str, list[tuple[int, PyTree]]] = {name: [] for name in shapes}
        self._stacks: dict[str, tuple[np.ndarray, PyTree]] = {}

    @property
    def tracker_names(self) -> tuple[str, ...]:
        return tuple(self._shapes)

    def add_values(self, values: np.ndarray) -> None:
        """One row for each step."""
        self._values.append(values)

    def add_tracked(self, name: str, step: int, value: PyTree) -> None:
        self._tracked[name].append((step, value))

    def fetch(self) -> None:
        """Move to the host what trackers have left on the device."""
        for entries in self._tracked.values():
            for i in reversed(range(len(entries))):
                step, value = entries[i]
                if not any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value)):
                    break
                entries[i] = (step, jax.device_get(value))

    def named(self, values: np.ndarray) -> dict[str, Any]:
        """The losses among values of one step or of many, by name."""
        return {name: values[..., i] for i, name in enumerate(("total", *self._names))}

    def arrays(self) -> dict[str, PyTree]:
        """Everything in arrays, for a file."""
        self.fetch()
        tracked = {name: self._stack(name) for name, entries in self._tracked.items() if entries}
        return {"values": self._table(), "trackers": tracked}

    def _stack(self, name: str) -> tuple[np.ndarray, PyTree]:
        """The values of a tracker in one array; those that were stacked before are not stacked again."""
        old = self._stacks.get(name)
        new = self._tracked[name][0 if old is None else len(old[0]) :]
        if new:
            stack = _stacked(new)
            join = lambda first, rest: np.concatenate([first, rest])  # noqa: E731
            self._stacks[name] = stack if old is None else jax.tree.map(join, old, stack)
        return self._stacks[name]

    def restore(self, arrays: dict[str, PyTree]) -> None:
        """The inverse of `arrays`."""
        self._values = [arrays["values"]]
        for name, (steps, values) in arrays["trackers"].items():
            each = [jax.tree.map(lambda leaf, i=i: leaf[i], values) for i in range(len(steps))]
            self._tracked[name] = list(zip(map(int, steps), each, strict=True))

    def structure(self, num_steps: int, num_tracked: dict[str, int], dtype: Any) -> dict[str, PyTree]:
        """The shapes of `arrays` after some steps."""
        stack = lambda leaf, n: jax.ShapeDtypeStruct((n, *leaf.shape), leaf.dtype)  # noqa: E731
        trackers = {
            name: (jax.ShapeDtypeStruct((n,), np.int64), jax.tree.map(lambda leaf, n=n: stack(leaf, n), shape))
            for name, shape in self._shapes.items()
            if (n := num_tracked[name])
        }
        return {"values": jax.ShapeDtypeStruct((num_steps, self.num_columns), dtype), "trackers": trackers}

    def history(self, num_steps: int, ema_model: PyTree = None, best_step: int | None = None) -> History:
        """The record of the first `num_steps` steps."""
        self.fetch()
        table = self._table()[:num_steps]
        first = 1 + len(self._names)
        weights = {name: table[:, first + i] for i, name in enumerate(self._names)} if self._is_balanced else None
        trackers = {}
        for name, entries in self._tracked.items():
            entries = [entry for entry in entries if entry[0] <= num_steps]
            trackers[name] = _stacked(entries) if entries else (np.zeros(0, np.int64), None)
        return History(self.named(table), weights, trackers, ema_model, best_step)

    def _table(self) -> np.ndarray:
        if len(self._values) > 1:
            self._values = [np.concatenate(self._values)]
        return self._values[0] if self._values else np.zeros((0, self.num_columns))


def _stacked(entries: list[tuple[int, PyTree]]) -> tuple[np.ndarray, PyTree]:
    steps, values = zip(*entries, strict=True)
    return np.array(steps, np.int64), jax.tree.map(lambda *leaves: np.stack(leaves), *values)
