"""The guide to training: problems with known answers are solved, and the page says what its committed results say."""

import importlib.util
import json
import re
from pathlib import Path

import jax
import pytest

GUIDES = Path(__file__).parents[1] / "docs/guides"
PAGE = (GUIDES / "training.md").read_text(encoding="utf-8")
RESULTS = json.loads((GUIDES / "training/results.json").read_text(encoding="utf-8"))


def load_script():
    spec = importlib.util.spec_from_file_location("training", GUIDES / "training.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


guide = load_script()


def test_three_coefficients_are_recovered():
    errors, _, history = guide.recover()
    assert history.steps == 30_000
    assert all(error < 1e-4 for error in errors.values()), errors
    assert len(history.trackers["model"][0]) == 301


def test_a_network_that_satisfies_its_conditions_solves_the_poisson_equation():
    error, _ = guide.solve_poisson(16)
    assert error < 5e-4


def test_the_page_shows_the_committed_results():
    assert RESULTS["setting"]["fraction"] == 1
    for table in guide.tables(RESULTS).values():
        assert table in PAGE
    assert guide.summary(RESULTS) in PAGE
    assert "](training/training.png)" in PAGE
    assert 10_000 < (GUIDES / "training/training.png").stat().st_size < 150_000


def test_the_committed_results_are_accurate_and_fast():
    recovery = RESULTS["recovery"]
    assert max(recovery["errors"].values()) < 1e-4
    assert recovery["seconds"] < 2
    assert recovery["steps"][-1] == guide.RECOVERY_STEPS
    for name, value in guide.TRUE.items():
        assert recovery["path"][name][-1] == pytest.approx(value, rel=1e-4)
    assert list(RESULTS["poisson"]) == [str(n) for n in guide.POINTS]
    assert max(row["error"] for row in RESULTS["poisson"].values()) < 5e-4
    for row in RESULTS["inverse"].values():
        assert row["k"] == pytest.approx(row["best"], rel=1e-3)
        assert row["k"] == pytest.approx(guide.DIFFUSIVITY, rel=0.01)


def test_the_loop_pays_for_a_small_network_and_costs_nothing_with_convolutions():
    mlp, *convolutional = RESULTS["pace"].values()
    assert mlp["loop"] < 0.5 * mlp["python"]
    assert all(row["loop"] < 1.1 * row["python"] for row in convolutional)


def test_the_code_of_the_page_runs_and_meets_its_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    namespace = {}
    exec(compile("".join(blocks), "training.md", "exec"), namespace)
    steps, c = namespace["history"].trackers["c"]
    assert (steps[1], steps[-1]) == (1000, 30_000)
    assert c[-1] == pytest.approx(42.0, rel=1e-4)
    assert guide.relative_l2(namespace["solution"]) < 5e-4
    trained = namespace["fitted"].model
    assert float(trained["k"].value) == pytest.approx(RESULTS["inverse"]["gradient norms"]["k"], rel=1e-3)
    for other in (namespace["loaded"], namespace["from_checkpoint"], namespace["again"].model):
        for ours, theirs in zip(jax.tree.leaves(other), jax.tree.leaves(trained), strict=True):
            assert ours is theirs or bool((ours == theirs).all())
    assert {path.name for path in tmp_path.iterdir()} == {"run.ckpt", "network.safetensors"}
