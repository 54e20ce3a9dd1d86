"""How far a training is: one line on a terminal, a few lines in a file."""

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import jax

_SECONDS_BETWEEN = 0.2


class Progress:
    """Shows the steps done, the loss, the speed and the time that is left on the standard error stream.

    On a terminal this is a line that is rewritten a few times a second; elsewhere a line when another tenth of the
    steps is done.
    """

    def __init__(self, first_step: int, num_steps: int, stream: Any = None):
        self._num_steps = num_steps
        self._stream = sys.stderr if stream is None else stream
        self._is_terminal = self._stream.isatty()
        self._first: Any = None
        self._last = -math.inf
        self._tenth, self._width = 10 * first_step // num_steps, 0

    def __call__(self, step: int, loss: float) -> None:
        if self._first is None:  # the speed is that after the compilation
            self._first = (step, time.perf_counter())
        now, tenth, is_last = time.perf_counter(), 10 * step // self._num_steps, step == self._num_steps
        if self._is_terminal:
            if is_last or now - self._last >= _SECONDS_BETWEEN:
                self._last = now
                line = self._line(step, loss, now)
                self._stream.write("\r" + line.ljust(self._width))
                self._stream.flush()
                self._width = len(line)
        elif tenth > self._tenth:
            self._tenth = tenth
            print(self._line(step, loss, now), file=self._stream, flush=True)

    def close(self) -> None:
        """End the line on a terminal."""
        if self._width:
            self._stream.write("\n")
            self._stream.flush()

    def _line(self, step: int, loss: float, now: float) -> str:
        first_step, first_time = self._first
        text = f"{step:,}/{self._num_steps:,}  loss {loss:.3e}"
        if step == first_step:
            return text
        speed = (step - first_step) / max(now - first_time, 1e-9)
        minutes, seconds = divmod(round((self._num_steps - step) / speed), 60)
        return f"{text}  {speed:,.{0 if speed >= 10 else 2}f} steps/s  {minutes}:{seconds:02d} left"


class Reports:
    """Hands what is known of a training to a function, or to nobody."""

    def __init__(self, function: Callable[[int, float], Any], num_steps: int = 0):
        self._function, self._num_steps = function, num_steps
        self._last = -math.inf

    def __call__(self, step: int, loss: float) -> None:
        now = time.perf_counter()
        if step == self._num_steps or now - self._last >= _SECONDS_BETWEEN:
            self._last = now
            self._function(step, loss)

    def close(self) -> None:
        pass


def make_progress(progress: Any, first_step: int, num_steps: int) -> Progress | Reports:
    """What `progress` of `fit` asks for. Of several processes the first one shows it."""
    if progress is True and jax.process_index() == 0:
        return Progress(first_step, num_steps)
    if isinstance(progress, bool):
        return Reports(lambda step, loss: None)
    if callable(progress):
        return Reports(progress, num_steps)
    raise ValueError(f"`progress` must be True, False or a function of (step, loss), got {progress!r}. Pass one.")
