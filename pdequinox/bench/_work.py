"""Work through a study: in this process, or in several that share its folder."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ._baselines import describe_scenario
from ._run import Run, execute
from ._store import Store, identity_of, write_json
from .scenarios import Scenario, cache_folder

OnState = Callable[[Run, str, float], None]
"""Called with a run, a few words on its state, and the part of it that is done."""
_SECONDS_BETWEEN_LOOKS = 0.5


def work(runs: Sequence[Run], store: Store, on_state: OnState = lambda run, state, done: None) -> None:
    """Do what nobody has done or is doing, in order. Other processes may do the same in the same folder."""
    kept: dict[str, Any] = {}

    def data_of(scenario: Scenario) -> Any:
        identity = identity_of(scenario.config)
        if identity not in kept:
            kept.clear()
            try:
                kept[identity] = scenario.data()
                describe_scenario(scenario, kept[identity], store)
            except Exception as error:  # the same for the other runs
                kept[identity] = error
        if isinstance(kept[identity], Exception):
            raise kept[identity]
        return kept[identity]

    for run in runs:
        if store.result("runs", run.identity) is None:
            execute(run, data_of, store, lambda state, done, run=run: on_state(run, state, done))


def work_in_processes(
    runs: Sequence[Run], store: Store, num_jobs: int, plugins: Sequence[str], on_look: Callable[[], None]
) -> list[int]:
    """The same in several processes, each on a core of its own where the system can do that.

    They are ended with this one, by Ctrl-C too; what they have done stays.

    **Arguments:**

    - `plugins`: Python files that each process executes first, which define scenarios of the user's.
    - `on_look`: Called twice a second.

    **Returns:** The exit status of every process that failed.
    """
    # Another command may work in the same folder.
    study = store.root / f"study-{os.getpid()}.json"
    write_json(study, {"plugins": list(plugins), "runs": [run.written for run in runs]})
    with contextlib.ExitStack() as stack:
        stack.callback(study.unlink, missing_ok=True)
        processes = [stack.enter_context(_process(study, number)) for number in range(num_jobs)]
        while any(process.poll() is None for process in processes):
            on_look()
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        on_look()
        return [process.returncode for process in processes if process.returncode]


@contextlib.contextmanager
def _process(study: Path, number: int) -> Iterator[subprocess.Popen]:
    """A worker, which inherits the one core that this thread has while it starts it."""
    command = [sys.executable, "-m", "pdequinox.bench._worker", str(study)]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    log = study.with_name(f"worker-{number}.log").open("ab")
    try:
        if cores:
            os.sched_setaffinity(0, {cores[number % len(cores)]})
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    finally:
        log.close()
        if cores:
            os.sched_setaffinity(0, set(cores))
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait()


def use_compilation_cache() -> None:
    """Keep compiled programs on the disk: seeds and restarts need not compile again."""
    import jax

    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
        folder = cache_folder() / "programs"
        with contextlib.suppress(OSError):  # then without
            folder.mkdir(parents=True, exist_ok=True)
            jax.config.update("jax_compilation_cache_dir", str(folder))
