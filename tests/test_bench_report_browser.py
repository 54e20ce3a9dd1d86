"""The page in a browser: it opens, sorts, and shows its pictures."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

import bench_records as records
from pdequinox.bench import _report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"needs one of {', '.join(BROWSERS)}")

# Works on the page as a reader does, and writes down what is there afterwards.
DRIVER = """
const errors = [];
addEventListener("error", (event) => errors.push(event.message));
addEventListener("load", async () => {
  const table = document.querySelector("#problem-1 table");
  const head = (text) => [...table.querySelectorAll("thead th")].find((th) => th.textContent === text);
  const names = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
  const state = (th) => ({ names: names(), sort: th.getAttribute("aria-sort") });
  const found = { start: names() };
  const error = head("nRMSE 1–12"), network = head("network");
  error.querySelector("button").click();
  found.once = state(error);
  error.querySelector("button").click();
  found.twice = state(error);
  network.querySelector("button").focus();
  document.activeElement.click();
  found.named = { ...state(network), other: error.getAttribute("aria-sort") };
  found.foot = [...table.tFoot.rows].map((row) => row.cells[0].textContent);

  const row = table.tBodies[0].querySelector("tr[data-network='0']");
  row.dispatchEvent(new PointerEvent("pointerenter"));
  found.lit = document.querySelectorAll("#problem-1 svg .lit").length;
  found.litElsewhere = document.querySelectorAll("#problem-2 svg .lit").length;
  row.dispatchEvent(new PointerEvent("pointerleave"));
  found.litAfterwards = document.querySelectorAll("svg .lit").length;

  found.pictures = [...document.querySelectorAll("svg")].map((svg) => svg.getBoundingClientRect().width);
  found.images = await Promise.all([...document.querySelectorAll("svg image, img")].map(async (element) => {
    const image = new Image();
    image.src = element.getAttribute("href") || element.src;
    await image.decode();
    return image.naturalWidth;
  }));
  found.width = document.documentElement.scrollWidth;
  found.window = innerWidth;
  found.errors = errors;
  document.body.setAttribute("data-found", JSON.stringify(found));
});
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with two problems."""
    poisson = records.scenario("poisson-2d", "steady", 2)
    runs = [run for run in records.study() if run["scenario"]["label"] == "burgers-1d"] + [records.run(poisson)]
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_report, "DOTS_PER_INCH", 30)
        _report.write_report(records.results(runs), folder)
    return folder / "report.html"


def visit(page, width):
    """What the driver has found in a window of so many pixels."""
    driven = page.with_name(f"driven-{width}.html")
    text = page.read_text(encoding="utf-8").replace("</body>", f"<script>{DRIVER}</script></body>")
    driven.write_text(text, encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'profile'}"]
    command += [f"--window-size={width},900", "--virtual-time-budget=10000", "--dump-dom", driven.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    return json.loads(unescape(re.search(r'data-found="([^"]*)"', dom)[1]))


@pytest.fixture(scope="module")
def found(page):
    return visit(page, 1400)


def test_a_click_on_a_head_sorts_up_and_a_second_one_down(found):
    ranked = ["Res;26;8;relu", "UNet;12;2;relu", "FNO;12;18;4;gelu"]
    assert found["errors"] == []
    assert found["once"]["sort"] == "ascending" and found["once"]["names"][:3] == ranked
    infinite = {"Blow;1", "Dil;2;32;2;relu"}
    assert found["twice"]["sort"] == "descending" and set(found["twice"]["names"][:2]) == infinite
    assert found["twice"]["names"][2:5] == ranked[::-1]


def test_what_is_unknown_stays_last_in_both_directions(found):
    unknown = {"Null", "Late", records.HOSTILE}
    assert set(found["once"]["names"][-3:]) == set(found["twice"]["names"][-3:]) == unknown


def test_a_head_with_the_focus_sorts_by_name_and_baselines_stay_below(found):
    assert found["named"]["sort"] == "ascending" and found["named"]["other"] is None
    assert found["named"]["names"].index("Blow;1") < found["named"]["names"].index("Late")
    assert found["foot"][0] == "persistence" and sorted(found["named"]["names"]) == sorted(found["start"])


def test_a_row_lights_up_its_network_in_the_pictures_of_its_section(found):
    assert found["lit"] >= 2 and found["litElsewhere"] == found["litAfterwards"] == 0


def test_all_pictures_are_there(found):
    assert len(found["pictures"]) >= 6 and min(found["pictures"]) > 100
    assert len(found["images"]) > 10 and min(found["images"]) > 0


def test_a_phone_shows_the_page_without_scrolling_sideways(page):
    found = visit(page, 500)
    assert found["errors"] == [] and found["width"] <= found["window"]
