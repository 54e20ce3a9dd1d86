"""The second guide: its page says what its committed results say, and short runs meet them in part."""

import importlib.util
import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from pdequinox.correction import CorrectedStepper
from pdequinox.fields import Domain, FiniteDifferences
from pdequinox.operators import RK4
from pdequinox.train import rollout

GUIDES = Path(__file__).parents[1] / "docs/guides"
PAGE = (GUIDES / "solver_in_the_loop.md").read_text(encoding="utf-8")
RESULTS = json.loads((GUIDES / "solver_in_the_loop/results.json").read_text(encoding="utf-8"))
MODES = ("periodic", "dirichlet")


def load_script():
    spec = importlib.util.spec_from_file_location("solver_in_the_loop", GUIDES / "solver_in_the_loop.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


guide = load_script()


def row(mode, name):
    return next(row for row in RESULTS["domains"][mode]["rows"] if row["name"] == name)


def test_the_committed_results_are_those_of_the_script_as_it_is():
    setting = RESULTS["setting"]
    assert setting["fraction"] == 1
    assert tuple(map(tuple, setting["stages"])) == guide.STAGES
    assert (setting["viscosity"], setting["dt"]) == (guide.VISCOSITY, guide.DT)


@pytest.mark.parametrize("mode", MODES)
def test_the_page_shows_the_committed_table_and_picture(mode):
    assert guide.summary(RESULTS) in PAGE
    assert guide.table(RESULTS["domains"][mode]) in PAGE
    picture = f"solver_in_the_loop/{mode}.png"
    assert f"]({picture})" in PAGE
    assert 10_000 < (GUIDES / picture).stat().st_size < 150_000


@pytest.mark.parametrize("mode", MODES)
def test_the_corrected_solver_is_ten_times_better_than_the_coarse_one_and_cheaper_than_the_fine_one(mode):
    coarse, corrected = row(mode, "coarse solver"), row(mode, "coarse + network of fluxes")
    fine = row(mode, "solver, 8 x points")
    assert len(coarse["curve"]) == len(corrected["curve"]) == 100
    assert np.mean(corrected["curve"]) == pytest.approx(corrected["mean"])
    assert coarse["mean"] > 10 * corrected["mean"]
    assert fine["ms_per_step"]["256"] > 3 * corrected["ms_per_step"]["256"]
    assert fine["points"] + (mode == "dirichlet") == 8 * (coarse["points"] + (mode == "dirichlet"))


@pytest.mark.parametrize("mode", MODES)
def test_the_coarse_solver_has_the_recorded_error(mode):
    domain, coarse, _, reference, waves = guide.prepare(mode, first=guide.NUM_TRAINING)
    assert len(reference) == guide.NUM_TEST
    curve, _ = guide.judge(coarse, guide.on_domain(waves, domain), reference, 1)
    np.testing.assert_allclose(curve, row(mode, "coarse solver")["curve"], rtol=0.01)


def test_the_first_training_steps_have_the_recorded_losses():
    domain, coarse, training, _, _ = guide.prepare("dirichlet")
    network = guide.make_network("dirichlet")
    stepper = CorrectedStepper(coarse, network, mode="sequential_with_bypass")
    recorded = RESULTS["domains"]["dirichlet"]["training"]["coarse + network of fluxes"]["losses"]
    _, losses = guide.train(stepper, training, domain, stop_after=max(guide.CHECKED_STEPS))
    for step in guide.CHECKED_STEPS:
        assert losses[step - 1] == pytest.approx(recorded[str(step)], rel=0.05)


def test_the_code_of_the_page_runs_and_learns():
    code = "".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
    assert code.count("num_steps = 1000\n") == 1
    namespace = {}
    exec(compile(code.replace("num_steps = 1000\n", "num_steps = 60\n"), "solver_in_the_loop.md", "exec"), namespace)
    loss, windows = namespace["loss"], namespace["windows"]
    assert loss(namespace["fitted"].model, windows) < loss(namespace["coarse"], windows) / 2


@pytest.mark.parametrize("mode", MODES)
def test_the_solver_converges_to_the_exact_solution_at_second_order(mode, float64):
    viscosity, t = 0.03, 0.2
    waves = guide.draw_waves(mode, 3, jr.PRNGKey(5))

    def error(num_cells):
        domain = guide.make_domain(mode, num_cells=num_cells)
        step = RK4(guide.burgers(viscosity), t / 80)
        u = rollout(step, guide.on_domain(waves, domain), 80)[-1]
        exact = guide.exact_solution(waves, np.asarray(domain.spatial_axis[0]), t, viscosity)
        return np.linalg.norm(u.params[..., 0] - exact) / np.linalg.norm(exact)

    assert np.log2(error(48) / error(96)) == pytest.approx(2, abs=0.1)
    assert error(96) < 0.01


def test_walls_are_the_symmetry_planes_of_an_odd_periodic_state(float64):
    bounded, doubled = guide.make_domain("dirichlet", num_cells=24), Domain(48, 1 / 24, "periodic", origin=0)
    waves = guide.draw_waves("dirichlet", 2, jr.PRNGKey(6))
    u, v = guide.on_domain(waves, bounded), guide.on_domain(waves, doubled)
    np.testing.assert_allclose(v.params[:, 1:24], -v.params[:, :24:-1], atol=1e-12)
    step = RK4(guide.burgers(), 0.02)
    u, v = rollout(step, u, 30)[-1], rollout(step, v, 30)[-1]
    np.testing.assert_allclose(v.params[:, 1:24], u.params, rtol=1e-9, atol=1e-11)


def test_the_periodic_steppers_keep_the_total_and_a_plain_network_does_not(float64):
    domain = guide.make_domain("periodic", num_cells=24)
    u = FiniteDifferences(jr.normal(jr.PRNGKey(0), (24, 1)), domain, accuracy=2)
    coarse = RK4(guide.burgers(), 0.01)

    def change(stepper):
        return float(jnp.abs(jnp.sum(stepper(u).params - u.params)))

    def corrected(use_fluxes):
        network = guide.make_network("periodic", use_fluxes)
        return CorrectedStepper(coarse, network, mode="sequential_with_bypass")

    assert change(coarse) < 1e-12
    assert change(corrected(True)) < 1e-12
    assert change(corrected(False)) > 1e-6


@pytest.mark.parametrize("mode", MODES)
def test_injection_takes_the_points_that_both_grids_have(mode):
    coarse, fine = guide.make_domain(mode), guide.make_domain(mode, guide.REFINEMENT)
    np.testing.assert_allclose(guide.restrict(fine.grid, fine, guide.REFINEMENT), coarse.grid, atol=1e-7)


def test_a_correction_by_fluxes_is_a_difference_at_every_point():
    network = guide.make_network("dirichlet")
    u = jr.normal(jr.PRNGKey(1), (1, 10))
    fluxes = network.network(jnp.concatenate([jnp.zeros((1, 1)), u], axis=1))
    np.testing.assert_allclose(jnp.sum(network(u)), (fluxes[0, -1] - fluxes[0, 0]) / 5, atol=1e-6)
    assert jax.eval_shape(network, u).shape == u.shape
