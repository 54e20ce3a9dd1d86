"""The examples of the README and of the API pages run, and the README's tables say what the package does."""

import contextlib
import json
import math
import re
import tempfile
from functools import cache, partial
from operator import attrgetter
from pathlib import Path

import equinox as eqx
import jax
import pytest

import pdequinox as pdeqx
from pdequinox.bench._networks import build_for_grid
from pdequinox.bench._zoo import takes_mixed_ends

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    str(page.relative_to(ROOT)): page.read_text(encoding="utf-8")
    for page in (
        ROOT / "README.md",
        ROOT / "docs/index.md",
        ROOT / "docs/guides/own_architecture.md",
        ROOT / "docs/guides/many_devices.md",
        *sorted(ROOT.glob("docs/api/*.md")),
    )
}
EXAMPLES = {
    f"{page}-{number}": code
    for page, text in PAGES.items()
    for number, code in enumerate(re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
}


@cache
def run(example: str) -> dict:
    """The names that an example defines."""
    namespace = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        exec(compile(EXAMPLES[example], example, "exec"), namespace)
    return namespace


def rows(first_header: str) -> list[list[str]]:
    """The cells of the README's table whose first column is headed `first_header`."""
    lines = iter(README.splitlines())
    for line in lines:
        if line.startswith(f"| {first_header} |"):
            break
    next(lines)
    return [cells(line) for line in iter(lambda: next(lines), "")]


def cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run(example):
    run(example)


def test_names_of_the_table_of_translations_exist():
    text = (ROOT / "docs/where_is.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `") or line.startswith("| a ")]
    names = [name for row in rows for name in re.findall(r"`([a-z_]+\.\w+|bind|functional)`", row[-1])]
    assert len(names) > 30
    for name in names:
        attrgetter(name)(pdeqx)


def test_readme_has_an_example_for_each_of_the_three_uses():
    assert [name for name in EXAMPLES if "README" in name] == ["README.md-0", "README.md-1", "README.md-2"]


def test_the_correction_of_the_readme_is_ten_times_better_than_its_scheme():
    example = run("README.md-1")
    loss, data = example["loss"], example["data"]
    assert loss(example["fitted"].model, data) < loss(example["step"], data) / 10


def test_pictures_exist():
    for page, text in PAGES.items():
        for path in re.findall(r"!\[.*?\]\((.+?)\)|<img[^>]*src=\"(.+?)\"", text):
            assert (ROOT / page).parent.joinpath(*filter(None, path)).is_file()


def test_table_of_networks_is_complete_and_gives_their_receptive_fields():
    networks = {row[0]: row[2] for row in rows("network | source")}
    assert set(networks) == set(pdeqx.arch.__all__)
    boundaries = {row[0]: row[3] for row in rows("network | source")}
    for name, entry in networks.items():
        build = partial(build_for_grid, getattr(pdeqx.arch, name), (1, 1, 1), 64)
        net = eqx.filter_eval_shape(build, key=jax.random.PRNGKey(0))
        ((left, right),) = net.receptive_field
        reach = "global" if left in (64, math.inf) else "/".join(f"{side:g}" for side in dict.fromkeys((left, right)))
        assert entry.split(",")[0] == reach
        assert ("norms: global" in entry) == (has_norm(net) and reach != "global")
        assert (boundaries[name] == "equal ends") != takes_mixed_ends(getattr(pdeqx.arch, name), (1, 1, 1), 64)


WAYS = ("forward", "gradient")


def has_norm(net) -> bool:
    nodes = jax.tree.leaves(net, is_leaf=lambda node: isinstance(node, pdeqx.conv.GroupNorm))
    return any(isinstance(node, pdeqx.conv.GroupNorm) for node in nodes)


def test_table_of_boundary_modes_is_complete():
    assert tuple(row[0] for row in rows("mode")) == pdeqx.boundary.MODES


def test_figures_of_the_readme_are_those_of_the_committed_benchmark():
    results = json.loads((ROOT / "docs/results/quick/results.json").read_text(encoding="utf-8"))
    (poisson,) = (problem for problem in results["problems"] if problem["title"].startswith("poisson-2d"))
    assert poisson["training"]["num_steps"] == 10_000
    measured = {
        network["network"]: (f"{network['parameters']['median']:,.0f}", f"{network['error']['median']:.4f}")
        for network in poisson["networks"]
    }
    names = ("FNO-periodic", "FNO-dirichlet", "FNO-dirichlet-same", "UNet")
    assert [tuple(row[1:]) for row in rows("network | parameters")] == [measured[name] for name in names]


def test_ratios_of_the_readme_are_those_that_the_command_wrote():
    files = (ROOT / "docs/benchmark" / f"speed_{dims}.json" for dims in ("1d_2d", "3d"))
    cases = [case for file in files for case in json.loads(file.read_text(encoding="utf-8"))["cases"]]
    by_name = {f"{case['name']} {case['num_spatial_dims']}D": case["passes"] for case in cases}
    table = rows("speed")
    assert len(table) > 10
    for name, *shown in table:
        contestants = [(by_name[name][way], rival) for rival in ("pdequinox 0.1.2", "torch") for way in WAYS]
        ratios = [way["contestants"][rival]["ratios"]["default"]["ratio"] for way, rival in contestants]
        assert shown == [f"{ratio:.1f}" for ratio in ratios], name
