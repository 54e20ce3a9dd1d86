"""How far a study is, on a terminal: one bar for all of it, and one for each run that is worked on."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ._run import Run
from ._store import RESULT, Store

if TYPE_CHECKING:
    from rich.console import Console

ENDINGS = {"finished": "done", "diverged": "diverged", "failed": "failed"}


class Watch:
    """Looks at the folder of a study and shows what it sees."""

    def __init__(self, runs: Sequence[Run], store: Store, progress: Any, num_jobs: int):
        self._runs, self._store, self._progress, self._num_jobs = runs, store, progress, num_jobs
        self._open = {run.identity: run for run in runs}
        self._bars: dict[str, Any] = {}
        self._states: dict[str, str] = {}
        self._ms: dict[tuple, float] = {}
        self._drawn = time.monotonic()
        self._all = progress.add_task("all runs", total=len(runs), state="")
        self.look()

    def say(self, run: Run, state: str, done: float) -> None:
        """What a run of this process is at."""
        self._states[run.identity] = state
        if time.monotonic() - self._drawn > 0.2 or not done:
            self.look()

    def look(self) -> None:
        """Draw anew."""
        self._drawn = time.monotonic()
        done, seconds_left = float(len(self._runs) - len(self._open)), 0.0
        for identity, run in list(self._open.items()):
            if (self._store.folder("runs", identity) / RESULT).exists():
                self._close(identity, run)
                done += 1
                continue
            progress = self._store.progress("runs", identity)
            if progress or identity in self._states:
                part = self._show(identity, run, progress)
                done += part
                seconds_left += (1 - part) * self._seconds(run)
            else:
                seconds_left += self._seconds(run)
        state = ""
        if self._open and self._ms:
            state = f"about {_duration(seconds_left / self._num_jobs)} left"
        self._progress.update(self._all, completed=done, state=state)

    def _show(self, identity: str, run: Run, progress: dict[str, Any]) -> float:
        if identity not in self._bars:
            self._bars[identity] = self._progress.add_task(_name(run), total=1.0, state="")
        step, num_steps = progress.get("step", 0), run.training.num_steps
        if ms := progress.get("ms_per_training_step"):
            self._ms[_kind(run)] = ms
        state = f"step {step:,} of {num_steps:,}" if step else self._states.get(identity, "at work")
        self._progress.update(self._bars[identity], completed=step / num_steps, state=state)
        return step / num_steps

    def _close(self, identity: str, run: Run) -> None:
        del self._open[identity]
        result = self._store.result("runs", identity) or {}
        if ms := result.get("ms_per_training_step"):
            self._ms[_kind(run)] = ms
        if identity in self._bars or identity in self._states:
            reason = f": {result['reason']}" if result.get("reason") else ""
            line = f"{_name(run)}: {ENDINGS.get(result.get('status', ''), 'ended')}{reason}"
            self._progress.console.print(line, highlight=False, markup=False)
        if identity in self._bars:
            self._progress.remove_task(self._bars.pop(identity))

    def _seconds(self, run: Run) -> float:
        """Of a whole training: as long as one of the same kind takes, or the mean of all."""
        ms = self._ms.get(_kind(run)) or sum(self._ms.values()) / max(1, len(self._ms))
        return run.training.num_steps * ms / 1e3


@contextlib.contextmanager
def watching(runs: Sequence[Run], store: Store, num_jobs: int, console: "Console") -> Iterator[Watch]:
    """A display that lasts as long as the block."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[state]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Watch(runs, store, progress, num_jobs)


def _name(run: Run) -> str:
    return f"{run.scenario.label} {run.network.label} seed {run.seed}"


def _kind(run: Run) -> tuple:
    return run.scenario.label, run.network.label, run.task, run.training


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
