"""The committed results: what the pages say of them, and what was published before."""

import functools as ft
import json
import re
from pathlib import Path

import pytest

from pdequinox.bench import scenarios

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs/results"
PUBLISHED = {"Conv": 0.026, "Res": 0.012, "UNet": 0.062, "Dil": 0.057, "FNO": 0.068}


@ft.cache
def problems(study):
    """By the title: the error of each network, as median and range over seeds."""
    results = json.loads((RESULTS / study / "results.json").read_text(encoding="utf-8"))
    return {
        problem["title"]: {kind_of(network["network"]): network for network in problem["networks"]}
        for problem in results["problems"]
    }


def kind_of(label):
    return label.partition(";")[0]


def errors(study, title):
    return {kind: network["error"]["median"] for kind, network in problems(study)[title].items() if network["error"]}


def test_burgers_reproduces_apebench_s_published_chart():
    found = errors("apebench-1d", "burgers-1d, one-step, 10,000 steps")
    assert set(found) == set(PUBLISHED)
    for kind, published in PUBLISHED.items():
        assert abs(found[kind] - published) <= max(0.3 * published, 0.02), kind
    networks = problems("apebench-1d")["burgers-1d, one-step, 10,000 steps"]
    assert {network["error"]["count"] for network in networks.values()} == {3}
    assert min(networks, key=lambda kind: networks[kind]["error"]["high"]) == "Res"
    assert networks["Res"]["error"]["high"] < min(networks[kind]["error"]["low"] for kind in networks if kind != "Res")


def test_fast_advection_needs_a_wide_view():
    found = errors("apebench-1d", "advection-1d:advection_gamma=10.5, one-step, 10,000 steps")
    assert found["FNO"] < 0.1 < 1 < found["Res"]


def test_the_fno_is_the_worst_on_chaos():
    found = errors("apebench-1d", "kuramoto-sivashinsky-1d, one-step, 10,000 steps")
    assert set(found) == set(PUBLISHED) and max(found, key=found.get) == "FNO"


def test_the_error_of_an_fno_does_not_depend_on_the_resolution_and_that_of_a_convnet_does():
    by_points = {}
    for title, networks in problems("resolution").items():
        points = int((re.search(r"num_points=(\d+)", title) or [None, 256])[1])
        by_points[points] = {kind: network["error"]["median"] for kind, network in networks.items()}
    assert sorted(by_points) == [64, 128, 256, 512]
    fno, conv = ([by_points[points][kind] for points in sorted(by_points)] for kind in ("FNO", "Conv"))
    assert max(fno) <= 1.15 * min(fno)
    assert max(conv) > 1.15 * min(conv)


def test_the_short_studies_are_ten_problems_with_five_networks_and_two_seeds_half_of_them_bounded():
    found = {**problems("bounded"), **problems("periodic")}
    assert len(found) >= 10 and len(problems("bounded")) >= len(found) / 2
    for title, networks in found.items():
        assert set(networks) == set(PUBLISHED) and "2,000 steps" in title
        for network in networks.values():
            assert len(network["runs"]) == 2
            if network["num_finished"]:
                assert 0.85 < network["parameters"]["median"] / 30_000 < 1.15, (title, network["network"])


def test_the_records_are_of_the_scenarios_as_they_are():
    for study in ("apebench-1d", "bounded", "periodic", "resolution"):
        results = json.loads((RESULTS / study / "results.json").read_text(encoding="utf-8"))
        for run in results["runs"]:
            config = run["scenario"]["config"]
            assert scenarios.make_scenario(config).config == config


def test_the_page_shows_the_errors_of_the_results():
    page = (ROOT / "docs/which_network.md").read_text(encoding="utf-8")
    tables = re.findall(r"<!-- (\S+) -->\n\n((?:\|.*\n)+)", page)
    assert [study for study, _ in tables] == ["apebench-1d", "bounded", "periodic"]
    for study, table in tables:
        head, _, *rows = (
            [cell.strip().strip("`*") for cell in line.strip().strip("|").split("|")] for line in table.splitlines()
        )
        assert len(rows) == len(problems(study))
        for title, *cells in rows:
            (networks,) = (networks for name, networks in problems(study).items() if name.partition(", ")[0] == title)
            for kind, cell in zip(head[1:], cells, strict=True):
                if kind in PUBLISHED:
                    assert cell == shown(networks.get(kind)), (title, kind)


def shown(network):
    if network is None or network["error"] is None:
        return "–"
    median = network["error"]["median"]
    return "∞" if median is None or median >= 10 else f"{median:.2g}"


@pytest.mark.parametrize("study", ["apebench-1d", "bounded", "periodic", "resolution"])
def test_reports_are_whole(study):
    folder = RESULTS / study
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "pdequinox bench run --preset" in report
    for picture in re.findall(r"!\[.*?\]\((.+?)\)", report):
        assert (folder / picture).is_file()
    assert (folder / "report.html").is_file() and (folder / "results.csv").is_file()
