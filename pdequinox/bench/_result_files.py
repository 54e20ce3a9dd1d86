"""A study's numbers for other programs: everything as JSON, one line per run as CSV."""

import contextlib
import csv
import json
import math
from pathlib import Path
from typing import Any

from ._aggregate import Problem, Row, curve_of, make_problems
from ._remarks import make_remarks
from ._results import Results
from ._tables import reach_text


def plain_results(results: Results) -> dict[str, Any]:
    """Everything, with what follows from it, as JSON holds it: what is not finite is null."""
    problems = make_problems(results)
    return _finite(
        {
            "command": results.command,
            "seconds": results.seconds,
            "remarks": make_remarks(results),
            "problems": [_plain_problem(problem) for problem in problems],
            "runs": list(results.runs),
            "scenarios": dict(results.scenarios),
        }
    )


def _plain_problem(problem: Problem) -> dict[str, Any]:
    return {
        "title": problem.title,
        "scenario": problem.scenario["id"],
        "task": problem.task,
        "training": problem.training,
        "networks": [_plain_row(problem, row) for row in problem.rows],
    }


def _plain_row(problem: Problem, row: Row) -> dict[str, Any]:
    solver = problem.equal_cost_solver(row)
    names = ("parameters", "training_seconds", "ms_per_step", "memory_bytes_per_step")
    spreads = {"error": row.error, **{name: row.of(name) for name in names}}
    return {
        "network": row.label,
        "rank": problem.rank(row),
        "runs": [run["id"] for run in row.runs],
        "num_finished": len(row.finished),
        **{name: None if found is None else found._asdict() for name, found in spreads.items()},
        "bands": [None if band is None else band._asdict() for band in row.bands],
        "speed_up": problem.speed_up(row),
        "solver_at_equal_cost": None if solver is None else {"label": solver.label, "error": solver.error},
        "is_no_better_than_no_learning": problem.loses_to_baseline(row),
        "is_no_better_than_the_solver": problem.loses_to_solver(row),
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_csv(results: Results, path: Path) -> None:
    """One line per run, all that is one number or text."""
    lines = [_csv_line(run) for run in results.runs]
    heads = list(dict.fromkeys(head for line in lines for head in line))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, heads, restval="")
        writer.writeheader()
        writer.writerows(lines)


def _csv_line(run: dict[str, Any]) -> dict[str, Any]:
    errors = run.get("errors") or {}
    line = {
        "run": run["id"],
        "status": run["status"],
        "reason": run.get("reason"),
        "scenario": run["scenario"]["label"],
        "task": run["task"].get("label") or run["task"]["name"],
        "training": run["training"].get("label"),
        "network": run["network"]["label"],
        "architecture": run["network"].get("architecture"),
        "options": json.dumps(run["network"].get("options")),
        "seed": run["seed"],
    }
    fields = {name: run.get(name) for name in ("receptive_field", "measured_receptive_field")}
    line |= {name: reach_text(field) if field else None for name, field in fields.items()}
    line |= {name: value for name, value in run.items() if isinstance(value, int | float) and name not in line}
    line |= {name: value for name, value in errors.items() if isinstance(value, int | float)}
    with contextlib.suppress(IndexError):
        curve = curve_of(errors)
        line |= {"nrmse_first": curve[0], "nrmse_last": curve[-1]}
    return {name: "" if value is None or value != value else value for name, value in line.items()}
