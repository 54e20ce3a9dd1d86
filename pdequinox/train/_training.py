"""The course of a training: steps, trackers, early stopping and checkpoints in their order."""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array

from ._checkpoint import Saver
from ._history import NonFiniteLossError, Recorder
from ._progress import Progress, Reports
from ._step import Carry, Compiled
from ._trackers import Best, Trackers

_SHORT, _LONG = 0.1, 0.5
"""Seconds between two looks at a running training."""
_FIXED = 8
"""Steps between them where several processes must call the same programs, however fast each of them is."""


class _Segment(NamedTuple):
    """Steps that may still be running."""

    start: int
    count: int
    carry: Carry
    values: Array


class Training:
    """A training that is under way."""

    def __init__(
        self,
        compiled: Compiled,
        carry: Carry,
        step: int,
        *,
        trackers: Trackers,
        recorder: Recorder,
        best: Best | None,
        saver: Saver | None,
        progress: Progress | Reports,
        fixed_count: int | None,
        finish: Callable[..., tuple],
    ):
        self._compiled, self._trackers, self._recorder, self._saver = compiled, trackers, recorder, saver
        self._progress, self._finish = progress, finish
        if fixed_count is None and jax.process_count() > 1:
            fixed_count = _FIXED
        self._is_adaptive = fixed_count is None
        self._count = 1 if fixed_count is None else min(fixed_count, compiled.num_rows)
        self._running: list[_Segment] = []
        self._looked = time.perf_counter()
        self.carry, self.step, self.best = carry, step, best

    def run(self, num_steps: int) -> None:
        """Go on to step `num_steps`, or to where it stops."""
        try:
            if self.step == 0:
                self._evaluate_trackers()
            while not self._is_over(num_steps):
                self._advance(num_steps)
                self._evaluate_trackers()
                if self._saver and (self._saver.is_due(self.step) or self._is_over(num_steps)):
                    self._settle(0)
                    self._saver.save(self.carry, self.step, self.best, self._recorder)
            self._settle(0)
        finally:
            self._progress.close()

    def _is_over(self, num_steps: int) -> bool:
        return self.step >= num_steps or (self.best is not None and self.best.is_final)

    def _advance(self, num_steps: int) -> None:
        """Dispatch steps up to the next one at which there is something to do, and look at those before."""
        intervals = [*self._trackers.every.values()] + ([self._saver.every] if self._saver else [])
        multiples = [self.step // every * every + every for every in intervals]
        count = min(num_steps, self.step + self._count, *multiples) - self.step
        self.carry, values = self._compiled(self.carry, self.step, count)
        self._running.append(_Segment(self.step, count, self.carry, values))
        self.step += count
        self._settle(1)

    def _evaluate_trackers(self) -> None:
        for name in self._trackers.due(self.step):
            value = self._trackers.evaluate(name, self.carry.params)
            self._recorder.add_tracked(name, self.step, value)
            if self.best is not None and name == self.best.rule.monitor:
                self._settle(0)
                self.best.see(self.step, float(np.asarray(value).item()), self.carry.params)

    def _settle(self, num_running: int) -> None:
        """Wait until at most `num_running` segments are under way, and take note of what the others did."""
        while len(self._running) > num_running:
            segment = self._running.pop(0)
            failed = bool(segment.carry.failed)
            values = np.asarray(segment.values)[: segment.count].copy()
            self._recorder.add_values(values)
            self._recorder.fetch()
            if failed:
                self._raise(segment, values)
            self._adapt(segment.count)
            self._progress(segment.start + segment.count, float(values[-1, 0]))

    def _adapt(self, count: int) -> None:
        """Make segments as long as is good to look at them."""
        now = time.perf_counter()
        seconds, self._looked = now - self._looked, now
        if self._is_adaptive and seconds < _SHORT and count == self._count:
            self._count = min(8 * self._count, self._compiled.num_rows)
        elif self._is_adaptive and seconds > _LONG:
            self._count = max(1, self._count // 2)

    def _raise(self, segment: _Segment, values: np.ndarray) -> None:
        step = int(segment.carry.step)
        losses = {name: float(value) for name, value in self._recorder.named(values[step - segment.start]).items()}
        raise NonFiniteLossError(step, losses, *self._finish(segment.carry, segment.carry.params, step))
