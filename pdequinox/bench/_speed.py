"""How fast layers and networks are on this machine, alone and beside others with the same weights."""

import contextlib
import dataclasses
import importlib
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np

from .. import arch, conv
from ._allocator import pages_kept
from ._environment import describe_environment, version_of
from ._rival import load_rival
from ._speed_cases import Job, make_jobs
from ._speed_runners import (
    Problem,
    Runner,
    count_gflop,
    difference,
    jax_runners,
    make_problem,
    matmul_runner,
    rival_runners,
    single_torch_thread,
    torch_runners,
)
from ._stopwatch import interleave, one_core

TOLERANCES = {"float32": 1e-3, "float64": 1e-9, "bfloat16": 0.1}
"""The errors, relative to the largest value, above which two results are not the same."""
OURS = "ours"
TORCH = "torch"
PASSES = ("forward", "gradient")
DEFAULT, KEPT = "default", "pages kept"
MATMUL_SIZE = 1024

Report = Callable[[str, float], Any]
"""Called with what is being worked on, and the part of the work that is done."""
Contestant = Callable[[Problem, Callable[[], float]], dict[str, Runner]]
"""Compiles the passes of a problem, with a clock for the facts."""


@dataclasses.dataclass
class SpeedResults:
    """What `speed` has found: plain values, and what ended the run early."""

    record: dict[str, Any]
    stopped_by: BaseException | None = None


def speed(
    names: Any = None,
    *,
    num_spatial_dims: Any = 2,
    num_points: Any = None,
    batch_size: Any = None,
    num_channels: Any = None,
    num_modes: Any = 12,
    dtype: Any = "float32",
    boundary_mode: Any = "periodic",
    num_rounds: int = 7,
    against: Any = (),
    wall: bool = False,
    grow: str | None = None,
    report: Report = lambda state, done: None,
) -> SpeedResults:
    """Measure forward pass and gradient of layers and networks, ours and others' with the same weights.

    All run in this process, on one core, and are timed in turns (process time, in shuffled order). A layer's gradient
    is that of its output times a fixed cotangent, by parameters and input; a network's is that of the mean square of
    its output, by the parameters. Ratios are medians over the rounds. All is timed twice: with the memory allocator
    as it is, and, where the C library is glibc, keeping freed pages. (After that its thresholds are fixed at what they
    rise to by default.)

    JAX counts the cores when it is first used and splits its work among them. So call this before, or use the command
    `pdequinox speed`. On an accelerator the time is that on the wall.

    **Arguments:**

    - `names`: Of layers and networks, a string or several; by default all layers, and the networks of 0.1.
    - `num_spatial_dims`: 1, 2 or 3, or several of them.
    - `num_points`: Grid points per axis; 256, 64 or 32 by default.
    - `batch_size`: The number of samples; 32, 8 or 2 by default.
    - `num_channels`: Of layers (32 by default), and hidden ones of networks (by default their own).
    - `num_modes`: Of spectral layers.
    - `dtype`: `"float32"`, `"float64"` or `"bfloat16"`.
    - `boundary_mode`: One mode for all axes, or several of them to measure.
    - `num_rounds`: How often each is timed.
    - `against`: `"torch"`, or a folder made by `pip install --no-deps --target FOLDER pdequinox==0.1.2`; or several.
    - `wall`: Whether to use all cores, and the time on the wall.
    - `grow`: `"points"`, `"channels"`, `"modes"` or `"batch"`: measure at five of these sizes over a factor of 16.
    - `report`: Called with a few words and the part that is done.

    **Returns:** All numbers as plain values in `record`, as in the JSON file of `pdequinox speed`. After an exception,
    Ctrl-C among them, it holds the finished cases; the others are listed under `missing`, and the exception is in
    `stopped_by`.

    **Raises:** `ValueError` for unknown names, sizes and folders, `ImportError` if torch is asked for and missing.
    """
    if dtype not in TOLERANCES:
        raise ValueError(f"`dtype` must be one of {', '.join(TOLERANCES)}, got {dtype!r}. Give its name.")
    jobs = make_jobs(
        names,
        num_spatial_dims=num_spatial_dims,
        num_points=num_points,
        batch_size=batch_size,
        num_channels=num_channels,
        num_modes=num_modes,
        boundary_mode=boundary_mode,
        num_rounds=num_rounds,
        grow=grow,
    )
    contestants = make_contestants([against] if isinstance(against, str | Path) else against)
    options = {"dtype": dtype, "num_rounds": num_rounds, "grow": grow}
    record: dict[str, Any] = {"options": options, "contestants": list(contestants), "cases": []}
    results = SpeedResults(record)
    started = time.perf_counter()
    with contextlib.ExitStack() as stack:
        if not wall and TORCH in contestants:
            stack.enter_context(single_torch_thread())
        options["one_core"] = not wall and stack.enter_context(one_core())
        stack.enter_context(jax.enable_x64(dtype == "float64"))
        is_cpu = jax.default_backend() == "cpu"
        options["clock"] = "process" if is_cpu and not wall else "wall"
        record["environment"] = describe_environment()
        if TORCH in contestants:
            record["environment"]["versions"][TORCH] = version_of(TORCH)
        try:
            Run(jobs, contestants, record, report, is_cpu).run()
        except (Exception, KeyboardInterrupt) as error:
            results.stopped_by = error
    record["missing"] = [str(job) for job in jobs[len(record["cases"]) :]]
    record["seconds"] = time.perf_counter() - started
    return results


def make_contestants(against: Any) -> dict[str, Contestant]:
    """Who takes part, by name; we first."""
    contestants: dict[str, Contestant] = {OURS: lambda problem, clock: jax_runners(problem, problem.module, clock)}
    for entry in against:
        if entry == TORCH:
            try:
                importlib.import_module("torch")
            except ImportError as error:
                raise ImportError(
                    "`against='torch'` needs torch, which is not installed. Install it: `pip install torch`."
                ) from error
            contestants[TORCH] = torch_runners
            continue
        label, package = load_rival(Path(entry))
        if label in contestants:
            label = f"{label} in {entry}"
        contestants[label] = rival_runners(package)
    return contestants


@dataclasses.dataclass(frozen=True)
class Run:
    """Fill a record."""

    jobs: list[Job]
    contestants: dict[str, Contestant]
    record: dict[str, Any]
    report: Report
    is_cpu: bool

    @property
    def clock(self) -> Callable[[], float]:
        return time.process_time if self.record["options"]["clock"] == "process" else time.perf_counter

    def run(self) -> None:
        """All cases with the allocator as it is, then all with the one that keeps pages: its state depends on all
        that was freed before, and there is no way back to that of a new process."""
        matmul = matmul_runner(MATMUL_SIZE)
        self.record["settings"] = [DEFAULT]
        prepared = []
        for i, job in enumerate(self.jobs):
            self.report(f"{job}: compiling", i / len(self.jobs) / 2)
            record, runners = self.prepare(job)
            self.report(f"{job}: timing", (i + 0.5) / len(self.jobs) / 2)
            self.measure(record, runners, matmul, DEFAULT)
            self.record["cases"].append(record)
            prepared.append((job, record, runners))
        if not self.is_cpu:
            return
        with pages_kept() as kept:
            if kept:
                self.record["settings"].append(KEPT)
                for i, (job, record, runners) in enumerate(prepared):
                    self.report(f"{job}: timing, pages kept", 0.5 + i / len(self.jobs) / 2)
                    self.measure(record, runners, matmul, KEPT)
        self.report("done", 1.0)

    def prepare(self, job: Job) -> tuple[dict[str, Any], dict[tuple[str, str], Runner]]:
        """Compile a case for all contestants and compare what they compute."""
        record: dict[str, Any] = {"name": job.case.name, **job.describe(), "refused": {}}
        record["passes"] = {name: {"gflop": None, "contestants": {}} for name in PASSES}
        runners: dict[tuple[str, str], Runner] = {}
        try:
            ours = SimpleNamespace(arch=arch, conv=conv)
            problem = make_problem(job.case, job.sizes, ours, self.record["options"]["dtype"])
            for name, count in count_gflop(problem).items():
                record["passes"][name]["gflop"] = count
        except Exception as error:
            record["refused"][OURS] = describe(error)
            return record, runners
        for label, contestant in self.contestants.items():
            try:
                passes = contestant(problem, self.clock)
                facts = {name: runner.facts | {"times": {}} for name, runner in passes.items()}
                if label != OURS:
                    for name, runner in passes.items():
                        facts[name] |= self.compare(runners[OURS, name], runner)
            except Exception as error:
                record["refused"][label] = describe(error)
                if label == OURS:
                    break
                continue
            for name, runner in passes.items():
                runners[label, name] = runner
                record["passes"][name]["contestants"][label] = facts[name]
        return record, runners

    def compare(self, ours: Runner, theirs: Runner) -> dict[str, Any]:
        """How far a contestant's numbers are from ours, and what its program costs relative to ours."""
        error = difference(theirs.as_here(ours.call()), theirs.call())
        agrees = error <= TOLERANCES[self.record["options"]["dtype"]]
        costs = {}
        for name in ("compile_seconds", "temp_mb"):
            own, other = ours.facts[name], theirs.facts.get(name)
            costs[f"{name}_ratio"] = other / own if agrees and own and other is not None else None
        return {"error": error if np.isfinite(error) else None, "agrees": agrees, **costs, "ratios": {}}

    def measure(self, record: dict[str, Any], runners: dict, matmul: Runner, setting: str) -> None:
        """Time all contestants of a case in turns."""
        if not runners:
            return
        functions = {key: runner.call for key, runner in runners.items()} | {MATMUL_SIZE: matmul.call}
        rounds = self.record["options"]["num_rounds"]
        seconds = interleave(functions, num_rounds=rounds, clock=self.clock)
        rate = 2e-9 * MATMUL_SIZE**3 / seconds[MATMUL_SIZE]
        record.setdefault("matmul_gflops", {})[setting] = float(np.median(rate))
        for label, name in runners:
            entry = record["passes"][name]
            facts, own = entry["contestants"][label], seconds[label, name]
            facts["times"][setting] = {
                **median_and_spread("ms", 1e3 * own),
                "ms_per_sample": 1e3 * float(np.median(own)) / record["batch_size"],
                "of_matmul": entry["gflop"] and float(np.median(entry["gflop"] / own / rate)),
            }
            if facts.get("agrees"):
                facts["ratios"][setting] = median_and_spread("ratio", own / seconds[OURS, name])


def median_and_spread(name: str, values: np.ndarray) -> dict[str, float]:
    """The median, and how far the quartiles are apart."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return {name: float(middle), f"{name}_spread": float(high - low)}


def describe(error: Exception) -> str:
    """The first line, as a note under a table."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:160] if text else 'no message'}"
