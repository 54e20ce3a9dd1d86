"""A study's tables for the terminal, and two runs side by side."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from ._aggregate import MAIN_ERROR, Problem, band_errors, make_problems, mean_ranks
from ._problem_sheet import main_head, problem_sheet
from ._results import Results
from ._sheets import short_titles
from ._tables import NOTHING, Number, Table, amount_text, error_text, shortened

NAME_WIDTH = 22
"""Of a network, so that a table fits into 80 columns."""


def make_tables(results: Results) -> list[Table]:
    """One table per problem, and the ranks if there are several problems."""
    problems = make_problems(results)
    tables = [terminal_table(problem) for problem in problems]
    return [*tables, rank_table(problems)] if len(problems) > 1 else tables


def terminal_table(problem: Problem) -> Table:
    """The columns that fit into 80; of the ranges that of the error alone."""
    sheet = problem_sheet(problem)
    main = main_head(problem)
    heads = {"network": "network", "parameters": "params", main: main.replace(" ", "\n")}
    heads |= {"train [s]": "train\n[s]", "ms / step": "ms /\nstep", "ms / call": "ms /\ncall"}
    heads |= {"solver at equal cost": "solver at\nequal cost", "seeds": "seeds"}
    table = sheet.to_table(tuple(heads), width=NAME_WIDTH, ranges=(main,))
    return dataclasses.replace(table, columns=tuple(heads[head] for head in table.columns))


def rank_table(problems: list[Problem]) -> Table:
    """The rank of each network on each problem; the problems are numbers that the notes explain."""
    rows = []
    for label, mean in mean_ranks(problems).items():
        found = [next((problem.rank(row) for row in problem.rows if row.label == label), None) for problem in problems]
        ranks = (NOTHING if rank is None else str(rank) for rank in found)
        rows.append((shortened(label, NAME_WIDTH), NOTHING if mean is None else f"{mean:.3g}", *ranks))
    numbers = [str(i) for i in range(1, len(problems) + 1)]
    note = "; ".join(f"{number}: {title}" for number, title in zip(numbers, short_titles(problems), strict=True))
    return Table("Ranks by error", ("network", "mean\nrank", *numbers), rows, (f"{note}.",))


def comparison_table(first: Mapping[str, Any], second: Mapping[str, Any]) -> Table:
    """What differs between the configurations of two runs, and their results with ratios.

    **Arguments:**

    - `first`, `second`: The records of two runs.
    """
    settings = [_flat({part: run.get(part) for part in _PARTS}) for run in (first, second)]
    names = [name for name in dict.fromkeys([*settings[0], *settings[1]]) if name not in _DERIVED]
    rows = [(name.replace(".", " "), *(str(s.get(name, NOTHING)) for s in settings), "") for name in names]
    rows = [row for row in rows if row[1] != row[2]] or [("(the same configuration)", "", "", "")]
    for name, text, read in _measures(first, second):
        values = [read(run) for run in (first, second)]
        rows.append((name, *map(text, values), _ratio(*values)))
    rows.append(("status", first["status"], second["status"], ""))
    reasons = tuple(f"{run['id']}: {run['reason']}" for run in (first, second) if run.get("reason"))
    notes = ("Above what differs in the configuration, below the results.", *reasons)
    return Table(f"{first['id']} and {second['id']}", ("", first["id"], second["id"], "ratio"), rows, notes)


_PARTS = ("scenario", "network", "task", "training", "seed")
_DERIVED = ("scenario.id", "scenario.label", "task.label", "training.label")

Measure = tuple[str, Callable[[Any], str], Callable[[Mapping[str, Any]], Number]]


def _measures(*runs: Mapping[str, Any]) -> list[Measure]:
    """Name, form, and how it is read from a record; errors only of kinds that are there."""
    measures: list[Measure] = []
    kinds = dict.fromkeys(run["scenario"]["kind"] for run in runs)

    def of_errors(name: str) -> Callable[[Mapping[str, Any]], Number]:
        return lambda run: (run.get("errors") or {}).get(name)

    def at(step: int) -> Callable[[Mapping[str, Any]], Number]:
        return lambda run: ((run.get("errors") or {}).get("nrmse") or [None])[step]

    def of_band(band: int) -> Callable[[Mapping[str, Any]], Number]:
        return lambda run: dict(enumerate(band_errors(run.get("errors"), run["scenario"]["kind"]))).get(band)

    if "evolution" in kinds:
        measures += [("nRMSE, geometric mean", error_text, of_errors(MAIN_ERROR["evolution"]))]
        measures += [("nRMSE at step 1", error_text, at(0)), ("nRMSE at the last step", error_text, at(-1))]
    if "steady" in kinds:
        measures += [("relative L2", error_text, of_errors(MAIN_ERROR["steady"]))]
        measures += [("relative L2, worst sample", error_text, of_errors("relative_l2_worst"))]
    num_bands = max(len(band_errors(run.get("errors"), run["scenario"]["kind"])) for run in runs)
    measures += [(f"error in band {band + 1} of {num_bands}", error_text, of_band(band)) for band in range(num_bands)]
    if "evolution" in kinds:
        measures += [("correlation time", amount_text, of_errors("correlation_time"))]
        measures += [("unstable rollouts", amount_text, of_errors("num_unstable"))]
    costs = {
        "parameters": "parameters",
        "training time [s]": "training_seconds",
        "ms per training step": "ms_per_training_step",
        "ms per step": "ms_per_step",
        "memory per step [B]": "memory_bytes_per_step",
    }
    return measures + [(name, amount_text, lambda run, key=key: run.get(key)) for name, key in costs.items()]


def _ratio(first: Number, second: Number) -> str:
    """The second by the first."""
    if not first or second is None or not (math.isfinite(first) and math.isfinite(second)):
        return NOTHING
    return f"×{second / first:.3g}"


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Names with dots, and what is not a mapping."""
    if not isinstance(value, Mapping):
        return {name: value}
    return {inner: v for key, entry in value.items() for inner, v in _flat(entry, f"{name}.{key}".strip(".")).items()}
