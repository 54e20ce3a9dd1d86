"""A study as one page that needs nothing else: styles, pictures and the little program that sorts are inside."""

import dataclasses
import importlib.resources
import inspect
import math
import re
from collections.abc import Sequence
from html import escape

from ._aggregate import Problem, make_sweeps
from ._plots import numbers_of
from ._problem_sheet import problem_sheet
from ._remarks import circumstances, make_remarks
from ._results import Results
from ._sheets import Cell, Column, Sheet, run_sheet, short_titles, summary_sheet
from ._tables import error_text

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""The page loads nothing, also if something in it asks for it."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure with its place in the report."""

    name: str
    section: str
    words: str
    """What is to be seen."""
    svg: str


def render_html(results: Results, problems: Sequence[Problem], pictures: Sequence[Picture]) -> str:
    """The page. All texts that come from records are escaped."""
    numbers = numbers_of(problems)
    sections = []
    if len(problems) > 1:
        # Its cells are coloured: the picture is for pages that cannot do that.
        sections.append(_section("summary", "Summary", render_sheet(summary_sheet(problems), numbers)))
    if make_sweeps(problems) and (figures := _figures(pictures, "sweeps")):
        sections.append(_section("sweeps", "Error against size", figures))
    for i, problem in enumerate(problems, 1):
        body = render_sheet(problem_sheet(problem), numbers) + _figures(pictures, section_of(i)) + _about(problem)
        sections.append(_section(section_of(i), problem.title, body))
    sections.append(_section("runs", "Runs", _runs(results)))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>pdequinox bench</title>
<link rel="icon" href="data:,">
<style>{_data("report.css")}</style>
</head>
<body>
<header>
<h1>pdequinox bench</h1>
{_lead(results, problems)}
</header>
{_contents(problems, has_sweeps=bool(make_sweeps(problems)))}
<main>
{_remarks(results)}
{"".join(sections)}
</main>
<script>{_data("report.js")}</script>
</body>
</html>
"""


def render_sheet(sheet: Sheet, numbers: dict[str, int]) -> str:
    """A table whose heads are buttons that sort it, in a box that scrolls if it is wide."""
    heads = "".join(map(_head, sheet.columns))
    rows = "".join(_row(cells, sheet.columns, numbers) for cells in sheet.rows)
    fixed = "".join(_row(cells, sheet.columns, {}) for cells in sheet.fixed)
    foot = f"<tfoot>{fixed}</tfoot>" if fixed else ""
    notes = "".join(f"<p>{escape(note)}</p>" for note in sheet.notes)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(sheet.title)}, table"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>{foot}</table></div>"
        + (f'<div class="notes">{notes}</div>' if notes else "")
    )


def _head(column: Column) -> str:
    kind = ' class="text"' if column.is_text else ""
    hint = f' title="{escape(column.meaning)}"' if column.meaning else ""
    return f'<th scope="col"{kind}><button type="button"{hint}>{escape(column.head)}</button></th>'


def _row(cells: Sequence[Cell], columns: Sequence[Column], numbers: dict[str, int]) -> str:
    first, *others = cells
    network = f' data-network="{numbers[first.text]}"' if first.text in numbers else ""
    texts = "".join(_cell(cell, column) for cell, column in zip(others, columns[1:], strict=True))
    return f'<tr{network}><th scope="row" title="{escape(first.text)}">{escape(first.text)}</th>{texts}</tr>'


def _cell(cell: Cell, column: Column) -> str:
    classes = [
        name
        for name, is_so in (
            ("text", column.is_text),
            ("best", cell.is_best),
            ("bad", cell.is_bad),
            ("heat", cell.heat is not None),
        )
        if is_so
    ]
    attributes = f' class="{" ".join(classes)}"' if classes else ""
    if cell.value is not None:
        value = "Infinity" if math.isinf(cell.value) else repr(float(cell.value))
        attributes += f' data-value="{value}"'
    if cell.heat is not None:
        attributes += f' style="--heat: {cell.heat:.2f}"'
    detail = f" <small>{escape(cell.detail)}</small>" if cell.detail else ""
    return f"<td{attributes}>{escape(cell.text)}{detail}</td>"


def _section(identity: str, title: str, body: str) -> str:
    return f'<section id="{identity}"><h2>{escape(title)}</h2>{body}</section>\n'


def _lead(results: Results, problems: Sequence[Problem]) -> str:
    """The study in numbers, and the command."""
    num_networks = len({row.label for problem in problems for row in problem.rows})
    counts = {status: 0 for status in ("finished", "diverged", "failed", "missing")}
    for run in results.runs:
        counts[run["status"]] = counts.get(run["status"], 0) + 1
    facts = [(num_networks, "networks"), (len({p.scenario["id"] for p in problems}), "problems")]
    facts += [(len({run["seed"] for run in results.runs}), "seeds"), (len(results.runs), "runs")]
    facts += [(count, status) for status, count in counts.items() if count and status != "finished"]
    singular = {"networks": "network", "problems": "problem", "seeds": "seed", "runs": "run"}
    items = "".join(
        f"<li><b>{count:,}</b> {singular.get(what, what) if count == 1 else what}</li>" for count, what in facts
    )
    command = f'<pre class="command"><code>{escape(results.command)}</code></pre>' if results.command else ""
    return f'<ul class="facts">{items}</ul>{command}'


def _contents(problems: Sequence[Problem], *, has_sweeps: bool) -> str:
    """Links to the sections, with the best network of each problem."""
    links = [("summary", "Summary", "")] if len(problems) > 1 else []
    links += [("sweeps", "Error against size", "")] if has_sweeps else []
    for i, (problem, title) in enumerate(zip(problems, short_titles(problems), strict=True), 1):
        best = next((row for row in problem.ranked if row.error and math.isfinite(row.error.median)), None)
        words = f"{best.label} {error_text(best.error.median)}" if best and best.error else "no result"
        links.append((section_of(i), title, words))
    links.append(("runs", "Runs and circumstances", ""))
    items = "".join(
        f'<li><a href="#{identity}">{escape(title)}{f"<small>{escape(words)}</small>" if words else ""}</a></li>'
        for identity, title, words in links
    )
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def section_of(number: int) -> str:
    """The place of a problem in the page; titles need not be unique."""
    return f"problem-{number}"


def _remarks(results: Results) -> str:
    items = "".join(f"<li>{_with_code(escape(remark))}</li>" for remark in make_remarks(results))
    return f'<aside class="remarks"><h2>Before you read the numbers</h2><ul>{items}</ul></aside>' if items else ""


def _figures(pictures: Sequence[Picture], section: str) -> str:
    shown = [_figure(picture) for picture in pictures if picture.section == section]
    return f'<div class="figures">{"".join(shown)}</div>' if shown else ""


def _figure(picture: Picture) -> str:
    words = escape(picture.words)
    width = re.search(r'width="(\d+)"', picture.svg)
    style = f' style="--width: {width[1]}px"' if width else ""
    svg = picture.svg.replace("<svg ", f'<svg role="img" aria-label="{words}" ', 1)
    return (
        f'<figure{style}><div class="scroll" tabindex="0" role="region" aria-label="{words}, picture">{svg}</div>'
        f"<figcaption>{words[:1].upper()}{words[1:]}</figcaption></figure>"
    )


def _about(problem: Problem) -> str:
    """Equation and configuration."""
    equation = render_docstring(problem.baseline.get("equation") or "")
    options = {**problem.scenario["config"], **{f"task {k}": v for k, v in problem.task.items() if k != "label"}}
    options |= {f"training {name}": value for name, value in problem.training.items() if name != "label"}
    entries = "".join(f"<div><dt>{escape(str(k))}</dt><dd>{escape(str(v))}</dd></div>" for k, v in options.items())
    return f'<details class="about"><summary>Equation and configuration</summary>{equation}<dl>{entries}</dl></details>'


def _runs(results: Results) -> str:
    """Status and reason of every run, and the circumstances."""
    table = render_sheet(run_sheet(results.runs), {})
    lines = "".join(f"<p>{escape(line)}</p>" for line in circumstances(results))
    open_if_few = " open" if len(results.runs) <= 12 else ""
    return (
        f"{lines}<details{open_if_few}><summary>Every run with its seed, status and reason</summary>{table}</details>"
        "<p>The same numbers are in <code>results.csv</code> and, with the error at every step, in "
        "<code>results.json</code>. <code>pdequinox bench compare RUN RUN</code> puts two runs side by side.</p>"
    )


def render_docstring(text: str) -> str:
    """A docstring as HTML: paragraphs, formulas and code as they are typed."""
    parts = re.split(r"(\$\$.*?\$\$|```.*?```)", inspect.cleandoc(text), flags=re.DOTALL)
    html = []
    for part in parts:
        if part.startswith(("$$", "```")):
            inner = part.strip("$`").removeprefix("python")
            html.append(f"<pre><code>{escape(inspect.cleandoc(inner).strip())}</code></pre>")
        else:
            paragraphs = (paragraph.strip() for paragraph in re.split(r"\n\s*\n", part))
            html += [f"<p>{_with_code(escape(paragraph))}</p>" for paragraph in paragraphs if paragraph]
    return "".join(html)


def _with_code(escaped: str) -> str:
    """Formulas and code between dollars and backticks, in a text that is escaped."""
    return re.sub(r"`([^`]+)`|\$([^$]+)\$", lambda match: f"<code>{match[1] or match[2]}</code>", escaped)


def _data(name: str) -> str:
    return importlib.resources.files("pdequinox.bench").joinpath(name).read_text(encoding="utf-8")
