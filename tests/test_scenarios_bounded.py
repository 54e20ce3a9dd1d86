"""Scenarios between walls against exact solutions, and against themselves on finer grids."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox import FiniteDifferences
from pdequinox.bench.scenarios import (
    SCENARIOS,
    BoundedAllenCahn,
    BoundedBurgers,
    BoundedFisherKPP,
    BoundedGrayScott,
    BoundedHeat,
    BoundedWave,
)

ALL = [BoundedAllenCahn, BoundedBurgers, BoundedFisherKPP, BoundedGrayScott, BoundedHeat, BoundedWave]
# With an eigenfunction of the Laplacian on [0, 1] and its wave number.
EIGENFUNCTIONS = {
    "periodic": (lambda x: np.sin(2 * np.pi * x) + np.cos(2 * np.pi * x), 2 * np.pi),
    "dirichlet": (lambda x: np.sin(2 * np.pi * x), 2 * np.pi),
    "neumann": (lambda x: np.cos(np.pi * x), np.pi),
    "cell-dirichlet": (lambda x: np.sin(np.pi * x), np.pi),
    "cell-neumann": (lambda x: np.cos(2 * np.pi * x), 2 * np.pi),
    ("dirichlet", "neumann"): (lambda x: np.sin(1.5 * np.pi * x), 1.5 * np.pi),
    ("cell-neumann", "dirichlet"): (lambda x: np.cos(1.5 * np.pi * x), 1.5 * np.pi),
}
MODES = [*EIGENFUNCTIONS]


def points(scenario):
    """The coordinates of the points of each axis, to be broadcast."""
    axes = scenario._domain(scenario.shape).spatial_axis
    return np.meshgrid(*map(np.asarray, axes), indexing="ij")


def rate(scenario, state):
    """Of a state with the channels first."""
    field = FiniteDifferences(jnp.moveaxis(state, 0, -1), scenario._domain(scenario.shape), accuracy=4)
    return jnp.moveaxis(scenario.rate(field), -1, 0)


def advance(scenario, state, num_steps):
    stepper = scenario.stepper()
    return jax.jit(lambda u: jax.lax.fori_loop(0, num_steps, lambda _, u: stepper(u), u))(jnp.asarray(state))


@pytest.mark.parametrize("scenario", ALL)
def test_each_is_found_by_its_name(scenario):
    assert SCENARIOS[scenario.name] is scenario
    assert scenario.name.startswith("bounded-")


@pytest.mark.parametrize("mode", MODES)
def test_heat_decays_in_the_eigenfunctions_of_each_boundary_mode(mode, float64):
    function, k = EIGENFUNCTIONS[mode]
    scenario = BoundedHeat(num_points=32, boundary_mode=(mode,), domain_extent=2.0, time_step=5.0, tolerance=1e-8)
    start = function(points(scenario)[0] / 2)[None]
    exact = np.exp(-0.01 * (k / 2) ** 2 * 2.0) * start
    assert np.abs(exact - start).max() > 0.04
    np.testing.assert_allclose(scenario.stepper(proportion=0.4)(jnp.asarray(start)), exact, atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_the_rate_is_of_fourth_order_for_each_boundary_mode(mode, float64):
    function, k = EIGENFUNCTIONS[mode]

    def error(n):
        scenario = BoundedHeat(num_points=n, boundary_mode=(mode,))
        u = function(points(scenario)[0])[None]
        return np.abs(rate(scenario, u) + 0.01 * k**2 * u).max()

    assert np.log2(error(64) / error(128)) == pytest.approx(4, abs=0.5)


def test_heat_decays_with_another_condition_on_each_axis(float64):
    mode = ("periodic", ("dirichlet", "neumann"))
    scenario = BoundedHeat(num_spatial_dims=2, num_points=(24, 20), boundary_mode=mode, tolerance=1e-8)
    x, y = points(scenario)
    start = (np.sin(2 * np.pi * x) * np.sin(np.pi / 2 * y))[None]
    exact = np.exp(-0.005 * 4.25 * np.pi**2 * 0.05 * 8) * start
    np.testing.assert_allclose(advance(scenario, start, 8), exact, atol=1e-5)


def test_standing_waves_oscillate_at_their_frequency(float64):
    scenario = BoundedWave(num_points=48, tolerance=1e-8)
    x, k = points(scenario)[0], 3 * np.pi
    start = np.stack([np.sin(k * x), 0 * x])
    t = 30 * scenario.time_step
    exact = np.stack([np.cos(0.1 * k * t) * np.sin(k * x), -0.1 * k * np.sin(0.1 * k * t) * np.sin(k * x)])
    np.testing.assert_allclose(advance(scenario, start, 30), exact, atol=1e-3)


def test_burgers_follows_the_cole_hopf_solution_between_walls(float64):
    # u = -2 nu phi_x / phi with phi = 1 + a exp(-nu k^2 t) cos(k x); k = pi: u = 0 at both ends.
    scenario = BoundedBurgers(num_points=48, viscosity=0.05, tolerance=1e-8)
    x, nu, k = points(scenario)[0], 0.05, np.pi

    def exact(t):
        decayed = 0.9 * np.exp(-nu * k**2 * t)
        return (2 * nu * k * decayed * np.sin(k * x) / (1 + decayed * np.cos(k * x)))[None]

    assert np.abs(exact(0.0) - exact(0.3)).max() > 0.1
    np.testing.assert_allclose(advance(scenario, exact(0.0), 30), exact(0.3), atol=2e-4)


@pytest.mark.parametrize("axis", [0, 2])
def test_a_component_of_burgers_is_carried_along_its_own_axis(axis, float64):
    mode = ["periodic"] * 3
    mode[axis] = "dirichlet"
    full = BoundedBurgers(num_spatial_dims=3, num_points=7, boundary_mode=tuple(mode), viscosity=0.03)
    line = BoundedBurgers(num_points=7, viscosity=0.03)
    u = np.sin(np.pi * points(full)[axis])
    state = np.zeros((3, *u.shape))
    state[axis] = u
    expected = rate(line, np.sin(np.pi * points(line)[0])[None])[0]
    found = np.moveaxis(rate(full, state), axis + 1, -1)
    np.testing.assert_allclose(found[axis], np.broadcast_to(expected, found[axis].shape), atol=1e-12)
    np.testing.assert_allclose(np.delete(found, axis, axis=0), 0, atol=1e-12)


def test_burgers_carries_one_component_with_another(float64):
    scenario = BoundedBurgers(num_spatial_dims=2, num_points=64, viscosity=1e-3)
    x, y = points(scenario)
    u, v = np.sin(np.pi * x) * np.sin(2 * np.pi * y), np.sin(2 * np.pi * x) * np.sin(np.pi * y)
    slope_x = 2 * np.pi * np.cos(2 * np.pi * x) * np.sin(np.pi * y)
    slope_y = np.pi * np.sin(2 * np.pi * x) * np.cos(np.pi * y)
    exact = -(u * slope_x + v * slope_y) - 1e-3 * 5 * np.pi**2 * v
    np.testing.assert_allclose(rate(scenario, np.stack([u, v]))[1], exact, atol=2e-4)


def test_a_uniform_population_grows_logistically(float64):
    scenario = BoundedFisherKPP(num_points=8, boundary_mode="neumann", reactivity=2.0, tolerance=1e-9)
    t = 20 * scenario.time_step
    exact = 0.1 / (0.1 + 0.9 * np.exp(-2.0 * t))
    np.testing.assert_allclose(advance(scenario, np.full((1, 8), 0.1), 20), exact, atol=1e-7)


def test_a_uniform_phase_approaches_one_as_in_closed_form(float64):
    # The solution of u' = r (u - u^3).
    scenario = BoundedAllenCahn(num_points=8, reactivity=2.0, tolerance=1e-9)
    t = 20 * scenario.time_step
    exact = -0.2 / np.sqrt(0.2**2 + (1 - 0.2**2) * np.exp(-2 * 2.0 * t))
    np.testing.assert_allclose(advance(scenario, np.full((1, 8), -0.2), 20), exact, atol=1e-7)


def test_uniform_gray_scott_follows_the_ordinary_equation(float64):
    from scipy.integrate import solve_ivp

    def reaction(t, state):
        u, v = state  # of the usual variables
        return [-u * v**2 + 0.04 * (1 - u), u * v**2 - 0.1 * v]

    scenario = BoundedGrayScott(num_points=8, tolerance=1e-9)
    u, v = solve_ivp(reaction, (0, 100), [0.5, 0.4], rtol=1e-10, atol=1e-10).y[:, -1]
    found = advance(scenario, np.broadcast_to([[0.5], [0.4]], (2, 8)), 20)
    assert abs(u - 0.5) > 0.1
    np.testing.assert_allclose(found, np.broadcast_to([[1 - u], [v]], (2, 8)), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (BoundedFisherKPP, {"diffusivity": 0.02}),
        (BoundedAllenCahn, {"diffusivity": 0.02}),
        (BoundedGrayScott, {"diffusivities": (4e-3, 2e-3), "initial_level": 1.0}),
    ],
)
def test_reactions_between_walls_converge_at_fourth_order_at_least(kind, options, float64):
    # The error at the walls is of a higher order and shows on coarse grids.
    common = dict(boundary_mode="dirichlet", initial_cutoff=1, tolerance=1e-8, time_step=0.5, **options)

    def after(n):
        scenario = kind(num_points=n, **common)
        return advance(scenario, scenario.initial_states(1, key=jax.random.PRNGKey(3))[0], 1)

    coarse, middle, fine = after(31), after(63)[:, 1::2], after(127)[:, 3::4]
    assert np.abs(coarse).max() > 0.05
    assert np.abs(middle - fine).max() < min(1e-6, np.abs(coarse - middle).max() / 2**4)


@pytest.mark.parametrize("mode", MODES)
def test_initial_states_are_functions_that_satisfy_the_condition(mode, float64):
    scenario = BoundedWave(num_points=80, boundary_mode=(mode,))
    state = np.asarray(scenario.initial_states(2, key=jax.random.PRNGKey(1)))
    x = points(scenario)[0]
    assert np.abs(state[:, 0]).max() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(state[:, 1], 0)
    if mode == "periodic":
        spectrum = np.abs(np.fft.rfft(state[:, 0]))
        assert spectrum[:, :3].min() > 1e-2 and spectrum[:, 3:].max() < 1e-12
        return
    left, right = (mode, mode) if isinstance(mode, str) else mode
    for wall, near, end in ((0, slice(None, 9), left), (1, slice(-9, None), right)):
        series = np.polynomial.Polynomial.fit(x[near], state[1, 0, near], 8)
        condition = series if "dirichlet" in end else series.deriv()
        other = series.deriv() if "dirichlet" in end else series
        assert abs(condition(wall)) < 1e-4 < 1e-2 < abs(other(wall))


@pytest.mark.parametrize("kind", ALL)
def test_initial_states_are_the_same_on_a_refined_grid(kind):
    scenario = kind(num_spatial_dims=2, num_points=(9, 8), boundary_mode=("dirichlet", "cell-neumann"))
    fine = dataclasses.replace(scenario, num_points=(19, 24))
    key = jax.random.PRNGKey(5)
    states = scenario.initial_states(2, key=key)
    assert states.shape == (2, scenario.num_channels, 9, 8)
    assert np.abs(states[0] - states[1]).max() > 0.01
    np.testing.assert_allclose(fine.initial_states(2, key=key)[:, :, 1::2, 1::3], states, atol=2e-6)


def test_populations_and_catalysts_are_not_negative():
    key = jax.random.PRNGKey(0)
    population = BoundedFisherKPP(num_points=32).initial_states(3, key=key)
    assert jnp.min(population) >= 0 and jnp.max(population) == pytest.approx(0.1, rel=0.02)
    assert jnp.min(BoundedGrayScott(num_points=32).initial_states(3, key=key)) >= 0


@pytest.mark.parametrize("kind", ALL)
def test_data_change_in_time_and_differ_by_seed_and_boundary_mode(kind):
    horizons = dict(train_temporal_horizon=2, test_temporal_horizon=2, num_train_samples=2, num_test_samples=2)
    scenario = kind(num_points=16, boundary_mode="neumann", **horizons)
    data = scenario.make_data()
    assert data.training.shape == data.test.shape == (2, 3, scenario.num_channels, 16)
    assert np.abs(data.training - data.test).max() > 0.01
    other = dataclasses.replace(scenario, boundary_mode="cell-dirichlet")
    states, others = (each.initial_states(2, key=jax.random.PRNGKey(0)) for each in (scenario, other))
    np.testing.assert_allclose(data.training[:, 0], states, atol=1e-6)
    assert np.abs(states - others).max() > 0.01
    before, after = data.training[:, :-1], data.training[:, 1:]
    assert 0.01 < jnp.linalg.norm(after - before) / jnp.linalg.norm(after) < 0.5


def test_trajectories_are_steps_after_steps():
    scenario = BoundedBurgers(num_points=16)
    states = scenario.make_trajectories(2, 2, 7)
    np.testing.assert_allclose(states[1, 2], advance(scenario, states[1, 0], 2), atol=1e-5)
    np.testing.assert_array_equal(states, scenario.make_trajectories(2, 2, 7))


def test_a_solver_on_another_grid_is_used_through_interpolation():
    scenario = BoundedHeat(num_points=40)
    start = jnp.sin(2 * jnp.pi * points(scenario)[0])[None]
    exact = np.exp(-0.01 * (2 * np.pi) ** 2 * 0.05) * start
    np.testing.assert_allclose(scenario.coarse_stepper(factor=2)(start), exact, atol=1e-4)


def test_different_ends_have_no_solver_on_another_grid():
    scenario = BoundedHeat(num_points=40, boundary_mode=(("dirichlet", "neumann"),))
    with pytest.raises(ValueError, match="the same at both ends"):
        scenario.coarse_stepper(factor=2)(jnp.ones((1, 40)))


def test_a_step_whose_end_is_not_reached_is_refused():
    short = dict(train_temporal_horizon=1, test_temporal_horizon=1, num_train_samples=1, num_test_samples=1)
    with pytest.raises(ValueError, match="must stay finite, but its training data do not"):
        BoundedHeat(num_points=12, max_substeps=2, diffusivity=1.0, **short).make_data()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (BoundedHeat, {"diffusivity": 0.0}, "`diffusivity` must be positive, got 0.0"),
        (BoundedWave, {"speed": -1.0}, "`speed` must be positive, got -1.0"),
        (BoundedBurgers, {"time_step": -0.1}, "`time_step` must be positive, got -0.1"),
        (BoundedBurgers, {"tolerance": 0.0}, "`tolerance` must be positive, got 0.0"),
        (BoundedBurgers, {"max_substeps": 0}, "`max_substeps` must be an integer of at least 1, got 0"),
        (BoundedFisherKPP, {"num_points": 5}, r"`num_points` must be at least 6 .* got \(5,\)"),
        (BoundedGrayScott, {"diffusivities": (1e-5, -1e-5)}, "`diffusivities` must be positive"),
        (BoundedGrayScott, {"diffusivities": (1e-5, 1e-5, 1e-5)}, "`diffusivities` must be one finite number or one"),
        (BoundedAllenCahn, {"initial_cutoff": 0}, "`initial_cutoff` must be an integer of at least 1"),
    ],
)
def test_wrong_options_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)


def test_a_grid_too_coarse_for_the_differences_is_refused():
    with pytest.raises(ValueError, match=r"`shape` must be at least 6 .* got \(4,\)"):
        BoundedHeat(num_points=16).coarse_stepper(factor=4)
