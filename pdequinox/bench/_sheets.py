"""The tables of a report before they are text: what is shown, by what it is sorted, and what stands out."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from ._aggregate import MAIN_ERROR, Problem, Row, Spread, mean_ranks
from ._tables import NOTHING, Number, Table, amount_text, error_text, shortened


@dataclasses.dataclass(frozen=True)
class Cell:
    """A text, and beside it the number that it is sorted by; texts without one are sorted as texts."""

    text: str
    value: Number = None
    detail: str = ""
    """In small type behind it: the range over seeds."""
    is_best: bool = False
    heat: Number = None
    """From 0 to 1: how bad it is, as a colour."""
    is_bad: bool = False
    """Shown in a colour of warning."""

    @property
    def whole(self) -> str:
        """As text alone."""
        return f"{self.text} {self.detail}".strip()


@dataclasses.dataclass(frozen=True)
class Column:
    """A head, and what it means at more length."""

    head: str
    meaning: str = ""
    is_text: bool = False


@dataclasses.dataclass(frozen=True)
class Sheet:
    """Rows that may be sorted, rows that stay below them, and notes."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    fixed: Sequence[Sequence[Cell]] = ()
    notes: Sequence[str] = ()

    def without_empty_columns(self) -> "Sheet":
        """Only the columns in which something is known."""
        lines = [*self.rows, *self.fixed]
        keep = [i for i in range(len(self.columns)) if any(line[i].text not in ("", NOTHING) for line in lines)]
        chosen = lambda line: [line[i] for i in keep]  # noqa: E731
        return dataclasses.replace(
            self, columns=chosen(self.columns), rows=list(map(chosen, self.rows)), fixed=list(map(chosen, self.fixed))
        )

    def to_table(
        self, heads: Sequence[str] = (), *, width: int | None = None, ranges: Sequence[str] | None = None
    ) -> Table:
        """As text.

        **Arguments:**

        - `heads`: The columns to take; all by default.
        - `width`: The most characters of a name.
        - `ranges`: The columns with their details; all by default.
        """
        known = [column.head for column in self.columns]
        chosen = [known.index(head) for head in heads or known if head in known]
        lines = [*self.rows, *self.fixed]
        detailed = [ranges is None or known[i] in ranges for i in chosen]
        texts = [
            [line[i].whole if whole else line[i].text for i, whole in zip(chosen, detailed, strict=True)]
            for line in lines
        ]
        if width is not None:
            texts = [[shortened(first, width), *rest] for first, *rest in texts]
        bold = {(row, place) for row, line in enumerate(lines) for place, i in enumerate(chosen) if line[i].is_best}
        return Table(self.title, tuple(known[i] for i in chosen), [tuple(line) for line in texts], self.notes, bold)


def spread_cell(found: Spread | None, text: Callable[[Number], str], **options: Any) -> Cell:
    """A median, and the range if there is more than one seed."""
    if found is None:
        return Cell(NOTHING)
    texts = text(found.low), text(found.high)
    detail = f"[{'–'.join(texts)}]" if found.count > 1 and len(set(texts)) > 1 else ""
    return Cell(text(found.median), found.median, detail, **options)


def summary_sheet(problems: Sequence[Problem]) -> Sheet:
    """The error of every network on every problem, with the ranks; columns are coloured by the distance to the best."""
    lines = []
    best = [min((row.error.median for row in p.ranked if row.error), default=math.inf) for p in problems]
    for label, mean in mean_ranks(problems).items():
        cells = [Cell(label), Cell(NOTHING if mean is None else f"{mean:.3g}", mean)]
        for problem, lowest in zip(problems, best, strict=True):
            row = next((row for row in problem.rows if row.label == label), None)
            cells.append(Cell("") if row is None else _summary_cell(problem, row, lowest))
        lines.append(cells)
    heads = [Column(shortened(title, 40), title) for title in short_titles(problems)]
    columns = [Column("network", is_text=True), Column("mean rank"), *heads]
    notes = ["Behind each error the rank of the network on that problem. Bold: the best."]
    if any(len(problem.rows) < len(lines) for problem in problems):
        notes.append("Not all networks were tried on all problems: compare mean ranks with care.")
    return Sheet("Summary", columns, lines, notes=notes)


def short_titles(problems: Sequence[Problem]) -> list[str]:
    """As short as they can be without two being alike."""
    labels = [problem.scenario["label"] for problem in problems]
    return labels if len(set(labels)) == len(labels) else [problem.title for problem in problems]


def run_sheet(runs: Sequence[dict[str, Any]]) -> Sheet:
    """Every run, with how it ended."""
    columns = [Column(head, is_text=head not in ("seed", "error", "train [s]", "steps")) for head in _RUN_HEADS]
    return Sheet("Runs", columns, [_run_cells(run) for run in runs])


_RUN_HEADS = (
    *("run", "scenario", "network", "task", "training", "seed", "status", "error", "train [s]", "steps", "reason"),
)


def _run_cells(run: dict[str, Any]) -> list[Cell]:
    error = (run.get("errors") or {}).get(MAIN_ERROR[run["scenario"]["kind"]])
    error = math.inf if error is None and run["status"] == "finished" else error
    return [
        Cell(run["id"]),
        Cell(run["scenario"]["label"]),
        Cell(run["network"]["label"]),
        Cell(run["task"].get("label") or run["task"]["name"]),
        Cell(run["training"].get("label", "")),
        Cell(str(run["seed"]), run["seed"]),
        Cell(run["status"], is_bad=run["status"] != "finished"),
        Cell(error_text(error), error),
        Cell(amount_text(run.get("training_seconds")), run.get("training_seconds")),
        Cell(number_or_nothing(run.get("num_steps_taken")), run.get("num_steps_taken")),
        Cell(run.get("reason") or ""),
    ]


def number_or_nothing(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def _summary_cell(problem: Problem, row: Row, lowest: float) -> Cell:
    if row.error is None:
        return Cell(row.state, is_bad=True)
    ratio = row.error.median / lowest if lowest else math.inf
    heat = min(1.0, math.log10(ratio)) if math.isfinite(ratio) and ratio > 0 else 1.0
    is_best = row.error.median == lowest and math.isfinite(lowest)
    rank = f"#{problem.rank(row)}"
    heat = 0.0 if is_best else heat
    return Cell(error_text(row.error.median), row.error.median, rank, is_best=is_best, heat=heat)
