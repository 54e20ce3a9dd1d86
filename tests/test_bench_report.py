"""The files of a report: numbers for other programs, Markdown, and a page that needs nothing else."""

import base64
import csv
import dataclasses
import io
import json
import math
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

import bench_records as records
from pdequinox.bench import _report
from pdequinox.bench._aggregate import (
    make_problems,
)
from pdequinox.bench._html import render_docstring
from pdequinox.bench._report import render_markdown, write_report
from pdequinox.bench._result_files import plain_results

BURGERS = records.scenario()
REPORTED = ("burgers-1d", "heat-2d", "poisson-2d")


@pytest.fixture(scope="module")
def study():
    return records.results(records.study())


@pytest.fixture(scope="module")
def folder(study, tmp_path_factory):
    """The report of every kind of run; pictures are small, since only their presence matters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_report, "DOTS_PER_INCH", 30)
        path = tmp_path_factory.mktemp("report")
        runs = [run for run in study.runs if run["scenario"]["label"] in REPORTED]
        names = write_report(dataclasses.replace(study, runs=runs), path)
        assert names == sorted(file.name for file in path.iterdir())
        return path


@pytest.fixture(scope="module")
def page(folder):
    page = Page()
    page.feed((folder / "report.html").read_text(encoding="utf-8"))
    page.close()
    return page


class Page(HTMLParser):
    """What the standard library sees in a page."""

    void = ("meta", "link", "br", "hr", "img", "input")

    def __init__(self):
        super().__init__()
        self.open, self.elements, self.texts, self.tables = [], [], [], []
        self.scripts, self.styles = [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"{tag} is closed where another element is open"

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            (self.scripts if self.open[-1] == "script" else self.styles).append(data)
            return
        self.texts.append(data)
        if "tr" in self.open:
            self.tables[-1][-1][-1] += data


def test_csv_has_one_line_per_run_with_all_numbers(folder):
    lines = list(csv.DictReader((folder / "results.csv").open(encoding="utf-8", newline="")))
    assert len(lines) == 16
    assert lines[0]["network"] == "Res;26;8;relu" and float(lines[0]["nrmse_first"]) == pytest.approx(0.012)
    assert lines[0]["receptive_field"] == "16" and lines[0]["seed"] == "0" and lines[0]["num_rollouts"] == "5"
    hostile = next(line for line in lines if line["status"] == "failed")
    assert hostile["network"] == records.HOSTILE and hostile["reason"] == "MemoryError: out of memory"
    blown = next(line for line in lines if line["network"] == "Blow;1")
    assert blown["nrmse_last"] == blown["nrmse_geometric_mean"] == "" and blown["first_unstable_step"] == "6"


def test_json_holds_records_and_what_follows_from_them(folder):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads((folder / "results.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert found["command"].startswith("pdequinox bench run") and len(found["runs"]) == 16
    problem = found["problems"][0]
    assert problem["networks"][0]["rank"] == 1 and problem["networks"][0]["error"]["count"] == 2
    assert problem["networks"][0]["solver_at_equal_cost"]["label"] == "8 points"
    blown = next(network for network in problem["networks"] if network["network"] == "Blow;1")
    assert blown["error"]["median"] is None and blown["is_no_better_than_no_learning"]


def test_infinity_in_a_record_becomes_null():
    run = records.run(BURGERS) | {"last_loss": math.inf}
    assert plain_results(records.results([run]))["runs"][0]["last_loss"] is None


def test_markdown_shows_every_picture_beside_it_and_no_html_of_a_label(folder):
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(([^)]*\.png)\)", text)) == {file.name for file in folder.glob("*.png")}
    assert "**0.0397 [0.0360–0.0433]**" in text and "| Res;26;8;relu | 1 |" in text
    assert not re.search(r"(?<!\\)<(?!/?(details|summary)\b)", text)
    rows = [line for line in text.splitlines() if line.startswith("| ") and "onerror" in line]
    counts = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
    assert len(rows) == 3 and all(count > 3 for count in counts)


def test_rows_of_a_markdown_table_have_as_many_cells_as_its_head(study):
    text = render_markdown(study, make_problems(study), [])
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().splitlines()}) == 1


def test_the_page_is_well_formed(page):
    assert page.open == []
    tags = [tag for tag, _ in page.elements]
    assert tags.count("h1") == 1 and tags.count("main") == 1 and tags.count("script") == 1
    identities = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identities) == len(set(identities))
    targets = [attributes["href"][1:] for tag, attributes in page.elements if tag in ("a", "use")]
    assert targets and set(targets) <= set(identities)


def test_the_page_loads_nothing(page):
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "data", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
        for value in attributes.values():
            assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)", value or ""))
    assert not re.search(r"url\(|@import|https?:", "".join(page.styles + page.scripts))
    policies = [attributes["content"] for tag, attributes in page.elements if "http-equiv" in attributes]
    assert policies[0].startswith("default-src 'none'; img-src data:;")


def test_all_images_of_the_page_are_inside_of_it(page):
    images = [attributes["href"] for tag, attributes in page.elements if tag in ("image", "img")]
    assert len(images) > 10
    for image in images:
        head, data = image.split(",", 1)
        assert head == "data:image/png;base64"
        assert min(Image.open(io.BytesIO(base64.b64decode(data, validate=True))).size) >= 1
    pictures = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert len(pictures) > 10 and all(a["aria-label"] and a["viewbox"] for a in pictures)


def test_fields_keep_their_values_in_small_images(page):
    image = next(a["href"] for tag, a in page.elements if tag == "image" and float(a["width"]) > 100)
    picture = Image.open(io.BytesIO(base64.b64decode(image.partition(",")[2])))
    assert picture.mode == "P" and len(picture.convert("RGB").getcolors(256)) > 20


def test_every_run_is_in_the_tables_of_the_page(page, folder):
    runs = json.loads((folder / "results.json").read_text(encoding="utf-8"))["runs"]
    listed = {row[0]: row for row in page.tables[-1]}
    for run in runs:
        row = listed[run["id"]]
        assert row[2] == run["network"]["label"] and row[6] == run["status"] and row[-1] == (run["reason"] or "")
    networks = {row[0] for table in page.tables[:-1] for row in table}
    assert {run["network"]["label"] for run in runs} <= networks


def test_labels_of_a_user_are_text_on_the_page(page):
    assert not any(tag == "img" or "onerror" in attributes for tag, attributes in page.elements)
    assert any(records.HOSTILE in text for text in page.texts)


def test_every_head_of_the_page_is_a_button_that_can_be_reached(page):
    buttons = [attributes for tag, attributes in page.elements if tag == "button"]
    num_heads = sum(len(table[0]) for table in page.tables)
    assert len(buttons) == num_heads > 50 and all(button["type"] == "button" for button in buttons)


def test_the_page_says_by_what_it_was_made(page):
    text = " ".join(page.texts)
    assert "pdequinox bench run --scenario burgers --arch 'Res;26;8;relu' --seeds 3" in text
    assert "jax 0.10.2" in text and "scipy" not in text and "from seeds 0, 1" in text
    assert r"\partial_t u = \nu\, \partial_x^2 u" in text and "num_test_samples" not in text
    assert "the loss is not finite at step 17" in text


def test_the_page_knows_dark_screens_and_small_ones(page):
    style = "".join(page.styles)
    assert "prefers-color-scheme: dark" in style and "max-width: 600px" in style
    viewports = [a for tag, a in page.elements if tag == "meta" and a.get("name") == "viewport"]
    assert viewports[0]["content"] == "width=device-width, initial-scale=1"


def test_a_docstring_keeps_its_formulas_and_code():
    html = render_docstring(
        "Heat <1D>.\n\n    $$ a < b $$\n\n    With $x$ and `y`.\n\n    ```python\n    f(x)\n    ```"
    )
    assert html == (
        "<p>Heat &lt;1D&gt;.</p><pre><code>a &lt; b</code></pre><p>With <code>x</code> and <code>y</code>.</p>"
        "<pre><code>f(x)</code></pre>"
    )


def test_files_appear_together_or_not_at_all(study, tmp_path, monkeypatch):
    (tmp_path / "results.json").write_text("old")
    (tmp_path / "mine.txt").write_text("mine")

    class Unsaveable:
        def draw_without_rendering(self):
            raise OSError("disk full")

    monkeypatch.setattr(_report, "draw_figures", lambda *_: [("a.png", "summary", "a", Unsaveable())])
    with pytest.raises(OSError, match="disk full"):
        write_report(study, tmp_path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"results.json": "old", "mine.txt": "mine"}
