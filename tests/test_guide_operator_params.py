"""The guide on operator parameters: its code runs, its tables are those of the committed run."""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.operators import gradient

GUIDES = Path(__file__).parents[1] / "docs" / "guides"
RESULTS = json.loads((GUIDES / "operator_params" / "results.json").read_text(encoding="utf-8"))
NUM_STEPS = 101


@cache
def guide():
    spec = importlib.util.spec_from_file_location("operator_params", GUIDES / "operator_params.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def names():
    """What the page's code defines when its trainings take 100 steps."""
    return guide().run_page(NUM_STEPS)


def test_the_tables_of_the_page_are_those_of_the_committed_run():
    assert guide().page_with(RESULTS) == guide().PAGE.read_text(encoding="utf-8")
    assert RESULTS["num_steps"] == guide().NUM_STEPS


def test_the_pictures_of_the_page_exist():
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", guide().PAGE.read_text(encoding="utf-8"))
    assert len(pictures) == 8 and all((GUIDES / picture).is_file() for picture in pictures)


def test_the_losses_are_those_of_the_original_guide():
    """The operator-params guide's corrector, measured with jaxdf 0.3.0 on the same photograph."""
    assert RESULTS["baseline"] == pytest.approx(0.000447, abs=5e-7)
    assert RESULTS["losses"]["0"] == pytest.approx(0.00189991, rel=1e-4)
    assert RESULTS["losses"]["3000"] == pytest.approx(3.2e-6, rel=0.05)


def test_the_first_hundred_steps_are_those_of_the_committed_run(names):
    for step in (0, 100):
        assert names["losses"][step] == pytest.approx(RESULTS["losses"][str(step)], rel=0.05)


def test_the_best_corrector_of_this_package_beats_that_of_the_guide():
    finals = {row["network"]: row["final"] for row in RESULTS["correctors"]}
    assert finals["ConvNet, 5 × 5"] < finals["section 7: zeros beyond the edges"] / 2


def test_seven_taps_are_exact_without_training(names):
    assert names["exact_error"] < 1e-6 < np.sqrt(names["baseline_mse"]) / 1000
    assert names["taps"].sum() == pytest.approx(1)


def test_the_pages_operators_do_what_it_says(names):
    np.testing.assert_allclose(names["contrasted"].params, 2 * names["u_fourier"].params - 0.3, atol=1e-6)
    slope = gradient(names["u_fourier"]).params
    np.testing.assert_allclose(names["edge_field"].params[..., 0], jnp.linalg.norm(slope, axis=-1), atol=1e-6)


def test_the_two_laplacians_of_the_page_differ_by_nyquist_modes_alone(names):
    spectrum = np.fft.fft2(names["composed_laplacian"].params[..., 0] - names["built_in_laplacian"].params[..., 0])
    assert np.max(np.abs(spectrum)) > 10
    np.testing.assert_allclose(np.delete(np.delete(spectrum, 64, axis=0), 64, axis=1), 0, atol=0.05)


def test_the_trained_limiter_beats_every_fixed_stencil():
    schemes = {row["scheme"]: row for row in RESULTS["schemes"]}
    limiter = schemes.pop("learned limiter")
    assert all(limiter["error"] < scheme["error"] / 2 for scheme in schemes.values())
    assert all(limiter["overshoot"] < scheme["overshoot"] for name, scheme in schemes.items() if name != "upwind")


def test_the_waves_of_the_page_are_exact_averages(names):
    unseen = names["unseen"]
    np.testing.assert_allclose(unseen[:, 128], unseen[:, 0], atol=1e-6)
    np.testing.assert_allclose(unseen[:, 2], jnp.roll(unseen[:, 0], 1, axis=1), atol=1e-6)
    upwind = names["advected"](names["shift_operator"], [np.array([0.0, 1.0, 0.0])], unseen[:, 0], 1)
    np.testing.assert_allclose(upwind[0], (unseen[:, 0] + jnp.roll(unseen[:, 0], 1, axis=1)) / 2, atol=1e-6)
