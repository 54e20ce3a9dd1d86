"""Runs side by side: over seeds, against what needs no learning, and on the front of error and cost."""

import dataclasses
import functools as ft
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ._results import Results
from ._tables import Number

MAIN_ERROR = {"evolution": "nrmse_geometric_mean", "steady": "relative_l2"}
"""The number by which networks are ranked."""
WITHOUT_LEARNING = {"evolution": "persistence", "steady": "zero"}
"""The baseline of each kind: nothing changes, and the solution is zero."""
SWEPT_FIELDS = {"num_train_samples": "training samples", "num_points": "points per axis"}
"""Fields of a scenario against which errors are drawn as a curve."""


class Spread(NamedTuple):
    """A number over seeds."""

    median: float
    low: float
    high: float
    count: int

    def overlaps(self, other: "Spread") -> bool:
        """Whether the ranges have a point in common."""
        return self.low <= other.high and other.low <= self.high


def spread(values: Iterable[Number]) -> Spread | None:
    """Median and range of what is known, or `None` if nothing is. Infinity is a value."""
    known = sorted(float(value) for value in values if value is not None and not math.isnan(value))
    if not known:
        return None
    below, above = known[(len(known) - 1) // 2], known[len(known) // 2]
    return Spread(below + (above - below) / 2 if above < math.inf else above, known[0], known[-1], len(known))


class Solver(NamedTuple):
    """A way to the solution without learning: the reference has the error zero."""

    label: str
    error: float
    ms_per_step: float
    errors: dict[str, Any] | None


@dataclasses.dataclass(frozen=True)
class Row:
    """One network on one problem, over seeds.

    A training that diverged and a rollout that is not finite count as an infinite error; a run that failed or is
    missing does not count.
    """

    label: str
    kind: str
    runs: Sequence[dict[str, Any]]

    @property
    def finished(self) -> list[dict[str, Any]]:
        return [run for run in self.runs if run["status"] == "finished"]

    def count(self, status: str) -> int:
        """How many runs ended like that."""
        return sum(run["status"] == status for run in self.runs)

    def of(self, name: str) -> Spread | None:
        """A number of the record, over the finished runs."""
        return spread(run.get(name) for run in self.finished)

    def error_of(self, measure: Callable[[dict[str, Any]], Number]) -> Spread | None:
        """A number of `errors`, over seeds: infinite where it is not finite."""
        values = [measure(run["errors"]) for run in self.finished if run.get("errors")]
        values = [math.inf if value is None else value for value in values]
        return spread([*values, *[math.inf] * self.count("diverged")])

    @ft.cached_property
    def error(self) -> Spread | None:
        """By which it is ranked."""
        return self.error_of(lambda errors: errors.get(MAIN_ERROR[self.kind]))

    @ft.cached_property
    def bands(self) -> list[Spread | None]:
        """The error in each band of wave numbers, as in `band_errors`; empty if it is not known."""
        found = [values for run in self.finished if (values := band_errors(run.get("errors"), self.kind))]
        return [spread(column) for column in zip(*found, strict=True)] if found else []

    @property
    def curves(self) -> list[np.ndarray]:
        """The error at every step, of each seed of which it is known."""
        found = [curve_of(run["errors"]) for run in self.finished if run.get("errors")]
        return [curve for curve in found if len(curve)]

    @property
    def published(self) -> Number:
        return next((run["published"] for run in self.runs if run.get("published") is not None), None)

    @property
    def state(self) -> str:
        """Empty if all is well."""
        words = [f"{n} {status}" for status in ("diverged", "failed", "missing") if (n := self.count(status))]
        return f"{', '.join(words)} of {len(self.runs)}" if words else ""


@dataclasses.dataclass(frozen=True)
class Problem:
    """All networks on one scenario, for one task and one training. The best network is first."""

    scenario: dict[str, Any]
    task: dict[str, Any]
    training: dict[str, Any]
    rows: Sequence[Row]
    baseline: Mapping[str, Any]
    """The record of the scenario; empty if there is none."""

    @property
    def kind(self) -> str:
        return self.scenario["kind"]

    @property
    def title(self) -> str:
        """The scenario, the task if it is not the usual one, and the training."""
        task = "" if self.task["name"] in ("predict", "solve") else f" – {task_label(self.task)}"
        return f"{self.scenario['label']}{task}, {training_label(self.training)}"

    @property
    def ranked(self) -> list[Row]:
        """The rows that have an error."""
        return [row for row in self.rows if row.error is not None]

    @property
    def without_learning(self) -> dict[str, Any] | None:
        """The errors of predicting that nothing changes, or zero."""
        return self.baseline.get(WITHOUT_LEARNING[self.kind])

    @property
    def _known_errors(self) -> list[dict[str, Any]]:
        known = [run["errors"] for row in self.rows for run in row.finished if run.get("errors")]
        return known + ([self.without_learning] if self.without_learning else [])

    @property
    def num_steps(self) -> int:
        """Of a rollout; zero if none is known."""
        return max((len(curve_of(errors)) for errors in self._known_errors), default=0)

    @property
    def horizon(self) -> int:
        """The number of steps over which the main error of an evolution is taken."""
        return max((horizon_of(errors) for errors in self._known_errors), default=0)

    @property
    def solvers(self) -> list[Solver]:
        """Those whose cost and error are known."""
        found = []
        for solver in self.baseline.get("solvers") or ():
            is_reference = solver.get("factor") == 1
            error = 0.0 if is_reference else (solver.get("errors") or {}).get(MAIN_ERROR[self.kind])
            if error is not None and solver.get("ms_per_step") is not None:
                found.append(Solver(solver["label"], error, solver["ms_per_step"], solver.get("errors")))
        return found

    @property
    def reference(self) -> Solver | None:
        """The solver that made the data."""
        return next((solver for solver in self.solvers if solver.error == 0), None)

    def rank(self, row: Row) -> int | None:
        """From 1; equal errors share a rank."""
        if row.error is None:
            return None
        return 1 + sum(other.error.median < row.error.median for other in self.ranked if other.error)

    def equal_cost_solver(self, row: Row) -> Solver | None:
        """The most accurate solver that costs at most as much as the network."""
        cost = row.of("ms_per_step")
        return None if cost is None else most_accurate_within(self.solvers, cost.median)

    def speed_up(self, row: Row) -> float | None:
        """How many times faster than the reference solver."""
        cost = row.of("ms_per_step")
        return self.reference.ms_per_step / cost.median if self.reference and cost and cost.median else None

    def loses_to_baseline(self, row: Row) -> bool:
        """Whether it is no better than doing nothing."""
        known = (self.without_learning or {}).get(MAIN_ERROR[self.kind])
        return known is not None and row.error is not None and row.error.median >= known

    def loses_to_solver(self, row: Row) -> bool:
        """Whether a solver is at least as good for at most the same cost."""
        solver = self.equal_cost_solver(row)
        return solver is not None and row.error is not None and row.error.median >= solver.error


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Problems that differ in one field of the scenario alone, in its order."""

    field: str
    problems: Sequence[Problem]

    @property
    def values(self) -> list[float]:
        """Of the field, one number each."""
        return [size_of(problem.scenario["config"][self.field]) for problem in self.problems]

    @property
    def title(self) -> str:
        first = self.problems[0]
        name = f"{first.scenario['config']['name']}-{first.scenario['config'].get('num_spatial_dims', 1)}d"
        return f"{name}, {training_label(first.training)}: error against {SWEPT_FIELDS[self.field]}"

    def curve(self, label: str) -> list[Spread | None]:
        """The error of a network on each problem."""
        rows = [{row.label: row for row in problem.rows} for problem in self.problems]
        return [found[label].error if label in found else None for found in rows]

    @property
    def labels(self) -> list[str]:
        return list(dict.fromkeys(row.label for problem in self.problems for row in problem.rows))


def make_problems(results: Results) -> list[Problem]:
    """Group the runs, in the order in which the scenarios appear."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for run in results.runs:
        groups.setdefault(_key(run["scenario"]["id"], run["task"], run["training"]), []).append(run)
    problems = []
    for runs in groups.values():
        first = runs[0]
        rows = _rows(runs, first["scenario"]["kind"])
        order = [row.error.median if row.error else math.nan for row in rows]
        rows = [rows[i] for i in np.argsort(order, kind="stable")]  # NaN is last
        baseline = results.scenarios.get(first["scenario"]["id"]) or {}
        problems.append(Problem(first["scenario"], first["task"], first["training"], rows, baseline))
    return problems


def make_sweeps(problems: Sequence[Problem]) -> list[Sweep]:
    """Problems that differ in the training-set size alone, or in the resolution alone."""
    sweeps = []
    for field in SWEPT_FIELDS:
        groups: dict[str, list[Problem]] = {}
        for problem in problems:
            config = problem.scenario["config"]
            if config.get(field) is not None:
                rest = {name: value for name, value in config.items() if name != field}
                groups.setdefault(_key(rest, problem.task, problem.training), []).append(problem)
        for group in groups.values():
            ordered = sorted(group, key=lambda problem: size_of(problem.scenario["config"][field]))
            if len(ordered) > 1:
                sweeps.append(Sweep(field, ordered))
    return sweeps


def mean_ranks(problems: Sequence[Problem]) -> dict[str, float | None]:
    """The rank of each network, averaged over the problems on which it has one; the best network first."""
    ranks: dict[str, list[int]] = {}
    for problem in problems:
        for row in problem.rows:
            found = ranks.setdefault(row.label, [])
            found.extend([] if (rank := problem.rank(row)) is None else [rank])
    means = {label: sum(found) / len(found) if found else None for label, found in ranks.items()}
    return dict(sorted(means.items(), key=lambda item: math.inf if item[1] is None else item[1]))


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The indices of the points that no other one is at least as low as in both numbers, from left to right."""

    def is_beaten(point: tuple[float, float]) -> bool:
        return any(other[0] <= point[0] and other[1] <= point[1] and other != point for other in points)

    front = [i for i, point in enumerate(points) if all(map(math.isfinite, point)) and not is_beaten(point)]
    return sorted(front, key=lambda i: points[i])


def most_accurate_within(solvers: Sequence[Solver], ms_per_step: float) -> Solver | None:
    """The solver of least error among those that cost at most so much; of equals the cheaper one."""
    affordable = [solver for solver in solvers if solver.ms_per_step <= ms_per_step]
    return min(affordable, key=lambda solver: (solver.error, solver.ms_per_step), default=None)


def band_errors(errors: dict[str, Any] | None, kind: str) -> list[float]:
    """One number per band of wave numbers, low ones first: for an evolution the geometric mean over the steps that the
    main error is taken over. Infinite if one is not finite; empty if there are no bands."""
    bands = (errors or {}).get("bands")
    if not bands:
        return []
    if kind == "steady":
        return [math.inf if value is None else value for value in bands["relative_l2"]]
    return [geometric_mean(band[: horizon_of(errors or {})]) for band in bands["nrmse"]]


def horizon_of(errors: Mapping[str, Any]) -> int:
    """The number of steps that the main error of an evolution is taken over."""
    return min(errors.get("mean_horizon") or 100, len(curve_of(errors)))


def geometric_mean(values: Sequence[Number]) -> float:
    """Infinite if a value is unknown."""
    if not values or any(value is None for value in values):
        return math.inf
    with np.errstate(divide="ignore"):
        return float(np.exp(np.mean(np.log(np.array(values, float)))))


def curve_of(errors: Mapping[str, Any]) -> np.ndarray:
    """The error at every step, NaN where it is not finite."""
    return np.array([math.nan if value is None else value for value in errors.get("nrmse") or []], float)


def size_of(value: Any) -> float:
    """A number of points per axis; of unequal axes the geometric mean."""
    return float(np.exp(np.mean(np.log(value)))) if isinstance(value, list | tuple) else float(value)


def task_label(task: Mapping[str, Any]) -> str:
    return task.get("label") or _written(task)


def training_label(training: Mapping[str, Any]) -> str:
    return training.get("label") or _written(training)


def _written(options: Mapping[str, Any]) -> str:
    return ", ".join(str(value) if name == "name" else f"{name}={value}" for name, value in options.items())


def _rows(runs: Sequence[dict[str, Any]], kind: str) -> list[Row]:
    """One row per network; networks of the same label are told apart by their options."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault(_key(run["network"]), []).append(run)
    labels = [group[0]["network"]["label"] for group in groups.values()]
    rows = []
    for label, group in zip(labels, groups.values(), strict=True):
        if labels.count(label) > 1:
            network = group[0]["network"]
            label = f"{label} ({network['architecture']}: {_written(network.get('options') or {})})"
        rows.append(Row(label, kind, sorted(group, key=lambda run: run["seed"])))
    return rows


def _key(*parts: Any) -> str:
    return json.dumps(parts, sort_keys=True)
