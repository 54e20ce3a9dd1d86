"""All networks on one problem: errors, costs, and what they are worth beside solvers."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from ._aggregate import MAIN_ERROR, WITHOUT_LEARNING, Problem, Row, Spread, band_errors, spread
from ._sheets import Cell, Column, Sheet, spread_cell
from ._tables import NOTHING, Number, amount_text, error_text, reach_text, shortened

MARKS = ("†", "‡")
"""Of an error that is no better than no learning, and no better than a solver of the same cost."""


def problem_sheet(problem: Problem) -> Sheet:
    """All networks on one problem, the best one first, and the baselines below."""
    measures = _error_measures(problem)
    bands = _band_names(problem)
    best = min((row.error.median for row in problem.ranked if row.error), default=math.inf)
    main, *others = [Column(head, meaning) for head, meaning, _ in measures]
    columns = (
        Column("network", is_text=True),
        Column("rank"),
        main,
        Column("solver at equal cost", "error of the best solver that costs no more than the network"),
        Column("ms / step" if problem.kind == "evolution" else "ms / call", "one call for the whole test batch"),
        Column("speed", "how many times faster than the solver that made the data"),
        Column("train [s]", "training time in seconds, compilation included"),
        Column("parameters"),
        Column("published"),
        Column("seeds", "finished runs"),
        *others,
        *(Column(f"k {name}", f"error in modes of wave number k {name}") for name in bands),
        Column("correlated", "steps until the correlation with the reference is lost"),
        Column("unstable", "rollouts that blow up, of all from all seeds"),
        Column("field", "receptive field: points to either side"),
        Column("memory [MB]", "temporary memory of one call"),
    )
    rows = [_network_cells(problem, row, measures, len(bands), best) for row in problem.rows]
    fixed = [_fixed_cells(problem, *entry, measures, len(bands)) for entry in _fixed_entries(problem)]
    return Sheet(problem.title, columns, rows, fixed, problem_notes(problem)).without_empty_columns()


def problem_notes(problem: Problem) -> list[str]:
    """What the numbers are, and what must be said before networks are ranked."""
    notes = []
    if (overlap := overlap_of_best(problem)) is not None:
        notes.append(overlap)
    if any(problem.loses_to_baseline(row) for row in problem.rows):
        notes.append(f"† No better than {'persistence' if problem.kind == 'evolution' else 'the prediction zero'}.")
    if any(problem.loses_to_solver(row) for row in problem.rows):
        notes.append("‡ A solver is at least as good for at most the same cost.")
    if problem.kind == "evolution":
        what = "nRMSE of rollouts, averaged over the test trajectories; its mean over the steps is the geometric one."
    else:
        what = "Relative L2 error, averaged over the test samples."
    if any(row.runs[1:] for row in problem.rows):
        what += " Numbers are medians over the seeds, with their range in brackets."
    if any(row.error and math.isinf(row.error.high) for row in problem.rows):
        what += " A training that diverged, and a rollout that is not finite, count as ∞."
    return [*notes, what, *_reasons(problem)]


def _reasons(problem: Problem) -> list[str]:
    """Why networks have no result, or not from every seed."""
    notes = []
    for row in problem.rows:
        reasons = dict.fromkeys(run["reason"] for run in row.runs if run["status"] != "finished" and run.get("reason"))
        if reasons:
            notes.append(f"{row.label}: {row.state} ({shortened('; '.join(reasons), 200)}).")
    return notes


def overlap_of_best(problem: Problem) -> str | None:
    """That the first two cannot be told apart, if so."""
    first, second = [*problem.ranked, None, None][:2]
    if first is None or second is None or not first.error or not second.error:
        return None
    if min(first.error.count, second.error.count) < 2 or not first.error.overlaps(second.error):
        return None
    return f"The ranges of the first two, {first.label} and {second.label}, overlap: do not rank them."


def reach_of(row: Row) -> str:
    """As the convolutions add up, and behind an arrow as measured, where that differs."""
    fields = [run.get(key) for run in row.finished for key in ("receptive_field", "measured_receptive_field")]
    return " → ".join(dict.fromkeys(reach_text(field) for field in fields if field)) or NOTHING


def main_head(problem: Problem) -> str:
    """Of the column with the error by which networks are ranked."""
    return _error_measures(problem)[0][0]


Measure = tuple[str, str, Callable[[dict[str, Any]], Number]]


def _error_measures(problem: Problem) -> list[Measure]:
    """Head, meaning, and how it is read from `errors`; the main one first."""
    if problem.kind == "steady":
        return [
            ("relative L2", "mean over the test samples", lambda errors: errors.get("relative_l2")),
            ("worst sample", "relative L2 of the worst test sample", lambda errors: errors.get("relative_l2_worst")),
        ]
    last, main = problem.num_steps, MAIN_ERROR[problem.kind]

    def at(step: int) -> Callable[[dict[str, Any]], Number]:
        return lambda errors: dict(enumerate(errors.get("nrmse") or [], 1)).get(step)

    return [
        (f"nRMSE 1–{problem.horizon}", "geometric mean over these steps", lambda errors: errors.get(main)),
        ("step 1", "nRMSE of the first step", at(1)),
        *([(f"step {last}", "nRMSE of the last step", at(last))] if last > 1 else []),
    ]


def _band_names(problem: Problem) -> list[str]:
    """As `< 5`, `5–12`, `≥ 13`."""
    for errors in (run.get("errors") for row in problem.rows for run in row.finished):
        if errors and errors.get("bands"):
            edges = errors["bands"]["edges"]
            middle = [f"{low}–{high - 1}" for low, high in itertools.pairwise(edges)]
            return [f"< {edges[0]}", *middle, f"≥ {edges[-1]}"]
    return []


def _network_cells(problem: Problem, row: Row, measures: Sequence[Measure], num_bands: int, best: float) -> list[Cell]:
    main, *others = (row.error_of(measure) for _, _, measure in measures)
    lost = problem.loses_to_baseline(row), problem.loses_to_solver(row)
    marks = "".join(mark for mark, is_lost in zip(MARKS, lost, strict=True) if is_lost)
    error = spread_cell(
        main, error_text, is_best=main is not None and main.median == best < math.inf, is_bad=bool(marks)
    )
    bands = row.bands if len(row.bands) == num_bands else [None] * num_bands
    rank, speed, published = problem.rank(row), problem.speed_up(row), row.published
    memory = row.of("memory_bytes_per_step")
    return [
        Cell(row.label),
        Cell(NOTHING if rank is None else str(rank), rank),
        dataclasses.replace(error, text=f"{error.text}{marks}"),
        _equal_cost_cell(problem, row),
        spread_cell(row.of("ms_per_step"), amount_text),
        Cell(NOTHING if speed is None else f"×{amount_text(speed)}", speed),
        spread_cell(row.of("training_seconds"), amount_text),
        spread_cell(row.of("parameters"), lambda value: f"{value:,.0f}"),
        Cell(error_text(published), published),
        Cell(f"{len(row.finished)}/{len(row.runs)}", len(row.finished), row.state, is_bad=bool(row.state)),
        *(spread_cell(other, error_text) for other in others),
        *(spread_cell(band, error_text) for band in bands),
        spread_cell(spread_of_errors(row, "correlation_time"), amount_text),
        _unstable_cell(row),
        Cell(reach_of(row)),
        Cell(NOTHING) if memory is None else Cell(amount_text(memory.median / 1e6), memory.median),
    ]


def spread_of_errors(row: Row, name: str) -> Spread | None:
    """A number of `errors` over the finished runs, where it is known."""
    return spread((run.get("errors") or {}).get(name) for run in row.finished)


def _unstable_cell(row: Row) -> Cell:
    known = [run["errors"] for run in row.finished if (run.get("errors") or {}).get("num_rollouts")]
    if not known:
        return Cell(NOTHING)
    lost = sum(errors["num_unstable"] or 0 for errors in known)
    first = min((errors["first_unstable_step"] for errors in known if errors.get("first_unstable_step")), default=None)
    detail = f"from step {first}" if first else ""
    return Cell(f"{lost}/{sum(errors['num_rollouts'] for errors in known)}", lost, detail, is_bad=lost > 0)


def _equal_cost_cell(problem: Problem, row: Row) -> Cell:
    solver = problem.equal_cost_solver(row)
    if solver is None:
        return Cell("none" if problem.solvers and row.of("ms_per_step") else NOTHING, math.inf)
    if solver.error == 0:
        return Cell("the reference itself", 0.0)
    return Cell(error_text(solver.error), solver.error, f"({solver.label})")


def _fixed_entries(problem: Problem) -> list[tuple[str, dict[str, Any] | None, Number]]:
    """Label, errors (`None` for the reference) and cost."""
    entries: list[tuple[str, dict[str, Any] | None, Number]] = []
    if problem.without_learning:
        entries.append((WITHOUT_LEARNING[problem.kind], problem.without_learning, 0.0))
    return entries + [(f"solver: {solver.label}", solver.errors, solver.ms_per_step) for solver in problem.solvers]


def _fixed_cells(
    problem: Problem,
    label: str,
    errors: dict[str, Any] | None,
    ms_per_step: Number,
    measures: Sequence[Measure],
    num_bands: int,
) -> list[Cell]:
    values = [0.0 if errors is None else measure(errors) for _, _, measure in measures]
    bands = band_errors(errors, problem.kind) if errors else [0.0] * num_bands
    bands = bands if len(bands) == num_bands else [None] * num_bands
    correlation = (errors or {}).get("correlation_time")
    speed = problem.reference.ms_per_step / ms_per_step if problem.reference and ms_per_step else None
    main, *others = (Cell(error_text(math.inf if value is None else value), value) for value in values)
    nothing = Cell("")
    return [
        Cell(label),
        nothing,
        main,
        nothing,
        Cell(amount_text(ms_per_step), ms_per_step),
        Cell(f"×{amount_text(speed)}" if speed else "", speed),
        *[nothing] * 4,
        *others,
        *(Cell(error_text(value), value) for value in bands),
        Cell(amount_text(correlation) if correlation is not None else "", correlation),
        *[nothing] * 3,
    ]
