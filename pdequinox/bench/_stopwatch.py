"""Times of several functions, measured so that a busy machine disturbs their ratios least."""

import contextlib
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Key = TypeVar("Key")


@contextlib.contextmanager
def one_core() -> Iterator[bool]:
    """Keep all threads of this process, and those that they start, on one core; whether the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield False
        return
    before = {thread: os.sched_getaffinity(thread) for thread in _threads()}
    all_cores = os.sched_getaffinity(0)
    _put({thread: {min(all_cores)} for thread in before})
    try:
        yield True
    finally:
        _put({thread: before.get(thread, all_cores) for thread in _threads()})


def _threads() -> list[int]:
    return [int(entry.name) for entry in Path("/proc/self/task").iterdir()]


def _put(cores: Mapping[int, set[int]]) -> None:
    for thread, allowed in cores.items():
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.sched_setaffinity(thread, allowed)


def interleave(
    functions: Mapping[Key, Callable[[], Any]],
    *,
    num_rounds: int,
    least_seconds: float = 0.015,
    clock: Callable[[], float] = time.process_time,
    seed: int = 0,
) -> dict[Key, np.ndarray]:
    """Time functions in turns.

    Each is called once before, and then in every round as often as it takes to fill `least_seconds`. The order is
    another one in each round. So what disturbs one function disturbs its rivals as well: ratios within a round mean
    more than the times themselves.

    **Arguments:**

    - `functions`: Functions that return when their work is done.
    - `num_rounds`: The number of rounds.
    - `least_seconds`: The least duration of a measurement, well above the resolution of the clock.
    - `clock`: Process time by default, which does not run while other processes do.
    - `seed`: Of the orders.

    **Returns:** For each function the seconds per call in every round.
    """
    counts = {}
    for name, function in functions.items():
        counts[name] = 1
        if _seconds_per_call(function, 1, clock) > 10 * least_seconds:
            continue
        while (seconds := _seconds_per_call(function, counts[name], clock)) * counts[name] < least_seconds:
            counts[name] = max(counts[name] + 1, min(10 * counts[name], math.ceil(least_seconds / max(seconds, 1e-9))))
    seconds = {name: np.empty(num_rounds) for name in functions}
    order = list(functions)
    generator = random.Random(seed)
    for i in range(num_rounds):
        generator.shuffle(order)
        for name in order:
            seconds[name][i] = _seconds_per_call(functions[name], counts[name], clock)
    return seconds


def _seconds_per_call(function: Callable[[], Any], count: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(count):
        function()
    return (clock() - start) / count
