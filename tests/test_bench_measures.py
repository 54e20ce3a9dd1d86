"""The judgement of predictions whose errors are known."""

import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.bench._measures import judge_rollouts, judge_solutions
from pdequinox.bench.scenarios import Burgers, Poisson

BURGERS = Burgers(num_points=32)
POISSON = Poisson(num_points=7)


def waves(num_times, amplitude=1.0, wave_number=1):
    """Of shape (times, 2 samples, 1, 32): a wave, and one of three times its size."""
    x = 2 * np.pi * np.arange(32) / 32
    wave = amplitude * np.stack([np.sin(wave_number * x), 3 * np.cos(wave_number * x)])
    return jnp.asarray(np.broadcast_to(wave[None, :, None], (num_times, 2, 1, 32)), jnp.float32)


def test_a_prediction_of_zero_has_error_one_in_the_band_of_the_truth():
    errors = judge_rollouts(jnp.zeros((4, 2, 1, 32)), waves(4, wave_number=6), BURGERS)
    np.testing.assert_allclose(errors["nrmse"], np.ones(4), rtol=1e-6)
    assert errors["nrmse_geometric_mean"] == pytest.approx(1)
    np.testing.assert_allclose(errors["bands"]["nrmse"], [[0] * 4, [1] * 4, [0] * 4], atol=1e-6)
    assert errors["num_unstable"] == 0 and errors["num_rollouts"] == 2


def test_the_mean_over_steps_is_geometric_and_takes_the_first_hundred():
    factors = jnp.where(jnp.arange(120) < 100, 1 + 0.1 * (1 + jnp.arange(120) % 2), 5.0)
    errors = judge_rollouts(waves(120) * factors[:, None, None, None], waves(120), BURGERS)
    assert errors["nrmse"][0] == pytest.approx(0.1, rel=1e-4) and errors["nrmse"][-1] == pytest.approx(4, rel=1e-4)
    assert errors["nrmse_geometric_mean"] == pytest.approx(np.sqrt(0.1 * 0.2), rel=1e-4)
    assert errors["mean_horizon"] == 100


def test_rollouts_blow_up_one_by_one():
    growth = jnp.array([[1.0, 1.0], [1.0, 20.0], [jnp.nan, 400.0]])
    errors = judge_rollouts(waves(3) * growth[..., None, None], waves(3), BURGERS)
    assert errors["num_unstable"] == 2 and errors["first_unstable_step"] == 2
    assert errors["nrmse"][2] is None and errors["nrmse_geometric_mean"] is None


def test_the_correlation_time_counts_steps_until_the_shape_is_lost():
    prediction = waves(5).at[3:].set(waves(2, wave_number=2))
    assert judge_rollouts(prediction, waves(5), BURGERS)["correlation_time"] == 3
    assert judge_rollouts(2 * waves(5), waves(5), BURGERS)["correlation_time"] == 5


def test_solutions_are_judged_by_mean_and_worst_sample():
    n = np.arange(1, 8) / 8
    target = jnp.asarray(np.sin(np.pi * n)[:, None] * np.sin(np.pi * n) * np.ones((2, 1, 1, 1)), jnp.float32)
    errors = judge_solutions(target * jnp.array([1.1, 1.3])[:, None, None, None], target, POISSON)
    assert errors["relative_l2"] == pytest.approx(0.2, rel=1e-4)
    assert errors["relative_l2_worst"] == pytest.approx(0.3, rel=1e-4)
    np.testing.assert_allclose(errors["bands"]["relative_l2"], [0.2, 0, 0], atol=1e-4)


def test_different_ends_have_no_bands():
    scenario = Poisson(num_points=7, boundary_mode=(("dirichlet", "neumann"), "neumann"))
    fields = jnp.ones((2, 1, 7, 7)) * jnp.arange(1, 8)
    assert judge_solutions(fields, fields, scenario)["bands"] is None
