"""Tables of text, for the terminal and for Markdown."""

import dataclasses
import math
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table as RichTable

NOTHING = "–"
Number = float | int | None
"""As it is read from JSON; `None` is not known, or not finite."""


@dataclasses.dataclass(frozen=True)
class Table:
    """A title, column heads, rows of text, and what the reader must know to read them."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: Sequence[str] = ()
    bold: Collection[tuple[int, int]] = ()
    """Row and column of the cells that stand out."""

    def to_rich(self) -> "RichTable":
        """For a terminal of 80 columns; names left, numbers right."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        title = Text(self.title, style="table.title")
        table = RichTable(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for i, column in enumerate(self.columns):
            table.add_column(Text(column), justify="right" if i else "left", vertical="bottom", no_wrap=i == 0)
        for i, row in enumerate(self.rows):
            table.add_row(*(Text(cell, "bold" if (i, j) in self.bold else "") for j, cell in enumerate(row)))
        return table

    def to_markdown(self) -> str:
        """As a Markdown table under a heading, notes below."""
        lines = [list(map(escape_markdown, line)) for line in (self.columns, *self.rows)]
        for i, j in self.bold:
            lines[i + 1][j] = f"**{lines[i + 1][j]}**"
        lines.insert(1, ["---", *("---:" for _ in self.columns[1:])])
        rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join((f"## {escape_markdown(self.title)}", rows, *self.notes))


def escape_markdown(text: str) -> str:
    """A text as Markdown shows it: on one line, without formatting or HTML of its own."""
    text = text.replace("\n", " ").replace("&", "&amp;")
    return re.sub(r"([\\`*|<]|!\[|\]\()", lambda match: "".join(f"\\{sign}" for sign in match[0]), text)


def number_text(value: Number, form: str) -> str:
    if value is None:
        return NOTHING
    return format(value, form if abs(value) < 1e4 else ".0e")


def error_text(value: Number) -> str:
    """Three digits; `∞` for what is not finite."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return "∞"
    if value == 0 or not 1e-3 <= value < 1e3:
        return f"{value:.1e}" if value else "0"
    return f"{value:#.3g}".rstrip(".")


def amount_text(value: Number) -> str:
    """Two to three digits, or all that are before the point."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}" if abs(value) < 10 else f"{value:.3g}"


def reach_text(field: Sequence[Sequence[Number]]) -> str:
    """A receptive field as "11", or "11/12" if the sides differ; axes that are alike are written once."""
    axes = []
    for reach in field:
        texts = ["∞" if side is None or math.isinf(side) else f"{side:g}" for side in reach]
        axes.append("/".join(dict.fromkeys(texts)))
    return " × ".join(dict.fromkeys(axes))


def shortened(text: str, length: int) -> str:
    """A text that is no longer than so many characters, with an ellipsis in the middle if it was."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 3
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


def drawn(text: str, length: int) -> str:
    """The same for a picture: a dollar sign begins no formula, and no label is left out of a legend."""
    return shortened(text, length).lstrip("_").replace("$", r"\$")
