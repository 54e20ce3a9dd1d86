"""A study on paper: one set of files, written as a whole."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ._aggregate import Problem, make_problems, make_sweeps
from ._html import Picture, render_html, section_of
from ._plots import (
    numbers_of,
    plot_bands,
    plot_error_against_cost,
    plot_error_over_steps,
    plot_matrix,
    plot_sweep,
)
from ._problem_sheet import problem_sheet
from ._remarks import circumstances, make_remarks
from ._result_files import plain_results, write_csv
from ._result_tables import comparison_table, make_tables
from ._results import Results
from ._sample_plots import plot_sample, read_sample
from ._sheets import Sheet, run_sheet, summary_sheet
from ._staging import staged
from ._svg import svg_of
from ._tables import escape_markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["comparison_table", "make_remarks", "make_tables", "write_report"]

DOTS_PER_INCH = 130


def write_report(results: Results, folder: Path) -> list[str]:
    """Write `report.html`, `report.md` with its pictures, `results.csv` and `results.json`: all of them or, if one
    fails, none.

    `report.html` stands alone: it may be sent to somebody, and needs no network.

    **Returns:** The names of the files.
    """
    problems = make_problems(results)
    pictures: list[Picture] = []
    with staged(folder) as stage:
        for name, section, words, figure in draw_figures(results, problems):
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # the layout is found: once is enough
            figure.savefig(stage / name, dpi=DOTS_PER_INCH)
            pictures.append(Picture(name, section, words, svg_of(figure, name)))
        files = {
            "results.json": json.dumps(plain_results(results), indent=1, allow_nan=False, ensure_ascii=False),
            "report.md": render_markdown(results, problems, pictures),
            "report.html": render_html(results, problems, pictures),
        }
        for name, text in files.items():
            (stage / name).write_text(text, encoding="utf-8")
        write_csv(results, stage / "results.csv")
        return sorted(file.name for file in stage.iterdir())


def draw_figures(results: Results, problems: list[Problem]) -> "Iterator[tuple[str, str, str, Figure]]":
    """All pictures that there is something for: file name, section, what is to be seen, figure.

    The section is `section_of` the number of a problem, or `"summary"` or `"sweeps"`.
    """
    numbers = numbers_of(problems)
    if (figure := plot_matrix(problems)) is not None:
        yield "summary.png", "summary", "error of every network on every problem", figure
    for i, sweep in enumerate(make_sweeps(problems), 1):
        if (figure := plot_sweep(sweep, numbers)) is not None:
            yield f"sweep-{i}-{slug_of(sweep.title.partition(',')[0])}.png", "sweeps", sweep.title, figure
    draw = {
        "steps": ("error over rollout steps", plot_error_over_steps),
        "cost": ("error against cost", plot_error_against_cost),
        "bands": ("error by wave number", plot_bands),
    }
    for i, problem in enumerate(problems, 1):
        name = f"{i}-{slug_of(problem.scenario['label'].partition(':')[0])}"
        for kind, (words, plot) in draw.items():
            if (figure := plot(problem, numbers)) is not None:
                yield f"{name}-{kind}.png", section_of(i), words, figure
        if (sample := read_sample(problem, results.samples)) is not None:
            yield f"{name}-sample.png", section_of(i), sample.title, plot_sample(sample, numbers)


def slug_of(text: str) -> str:
    """A part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")


def render_markdown(results: Results, problems: list[Problem], pictures: list[Picture]) -> str:
    """The report for a page of a repository: remarks, tables, pictures, circumstances."""

    def shown(section: str) -> list[str]:
        return [f"![{escape_markdown(p.words)}]({p.name})" for p in pictures if p.section == section]

    parts = ["# pdequinox bench", *(f"> {_with_code(remark)}" for remark in make_remarks(results))]
    if len(problems) > 1:
        parts += [_as_markdown(summary_sheet(problems)), *shown("summary")]
    if sweeps := shown("sweeps"):
        parts += ["## Error against size", *sweeps]
    for i, problem in enumerate(problems, 1):
        parts += [_as_markdown(problem_sheet(problem)), *shown(section_of(i))]
    runs = run_sheet(results.runs).to_table().to_markdown().partition("\n\n")[2]
    parts += ["## Runs", f"<details><summary>{len(results.runs)} runs</summary>\n\n{runs}\n\n</details>"]
    parts += ["## Circumstances", f"```\n{results.command}\n```"]
    parts += [escape_markdown(text) for text in circumstances(results)]
    parts.append("All numbers are in `results.csv` and, with the error at every step, `results.json`.\n")
    return "\n\n".join(parts)


def _with_code(remark: str) -> str:
    """A remark of ours, in which what is between backticks is code."""
    return escape_markdown(remark).replace(r"\`", "`")


def _as_markdown(sheet: Sheet) -> str:
    table = sheet.to_table()
    return dataclasses.replace(table, notes=tuple(map(escape_markdown, table.notes))).to_markdown()
