"""Explicit time steps: their order, their conditions in a scan, and the warning about unstable ones."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pdequinox import Domain, FiniteDifferences, FourierSeries
from pdequinox.boundary import spacing
from pdequinox.operators import RK4, Euler, StabilityWarning, derivative, laplacian
from pdequinox.train import rollout

LINE = Domain(15, spacing(15, 1.0, "dirichlet"), "dirichlet", origin=0.0)


def sine(domain=LINE, accuracy=2):
    return FiniteDifferences.from_grid(jnp.sin(jnp.pi * domain.spatial_axis[0]), domain, accuracy=accuracy)


@pytest.mark.parametrize(("stepper", "order"), [(Euler, 1), (RK4, 4)])
def test_steps_converge_at_their_order(stepper, order, float64):
    def error(num_steps):
        step = stepper(lambda u: -(u**2), 1 / num_steps)
        return abs(rollout(step, jnp.ones(()), num_steps)[-1] - 0.5)  # u' = -u² from 1 is 1 / (1 + t)

    assert np.log2(error(16) / error(32)) == pytest.approx(order, abs=0.1)


def test_stability_is_checked_in_double_precision_too(float64):
    assert RK4(laplacian, 1e-4, example=sine()).check_stability(sine()) <= 1.001


def test_substeps_are_smaller_steps(float64):
    once = RK4(jnp.sin, 0.3, num_substeps=3)(jnp.ones(2))
    np.testing.assert_allclose(once, rollout(RK4(jnp.sin, 0.1), jnp.ones(2), 3)[-1], rtol=1e-14)


@pytest.mark.parametrize("stepper", [Euler, RK4])
def test_a_field_keeps_its_conditions_through_a_scan(stepper):
    u = sine()
    burgers = stepper(lambda u: 0.1 * laplacian(u) - u * derivative(u), 1e-3)
    assert burgers.rhs(u).condition == ("free",)
    final = jax.jit(burgers)(u)
    assert final.condition == ("dirichlet",) and final.accuracy == 2
    assert rollout(burgers, u, 4)[-1].condition == ("dirichlet",)


def test_a_discrete_eigenfunction_of_the_heat_equation_decays_at_its_rate(float64):
    """The three-point Laplacian multiplies a sine by -4/dx² sin²(pi dx / 2), at the walls too."""
    u, dt, h = sine(), 1e-3, LINE.dx[0]
    rate = -4 / h**2 * np.sin(np.pi * h / 2) ** 2
    final = rollout(Euler(laplacian, dt), u, 50)[-1]
    np.testing.assert_allclose(final.params, u.params * (1 + dt * rate) ** 50, rtol=1e-11)


def test_arrays_of_the_right_hand_side_are_parameters():
    class Decay(RK4):
        pass

    rhs = jax.tree_util.Partial(lambda rate, u: -rate * u, jnp.ones(()))
    stepper = Decay(rhs, 0.1)
    optax.adam(1.0).init(stepper)
    slope = jax.jit(jax.grad(lambda stepper: stepper(jnp.ones(()))))(stepper)
    assert jax.tree.leaves(slope)[0] == pytest.approx(-0.1 * np.exp(-0.1), rel=1e-3)


def largest_stable_step(domain):
    """Of Euler's method for the heat equation with three points, with the polynomial ghosts of the walls."""
    matrix = jax.jacfwd(lambda v: laplacian(FiniteDifferences(v[:, None], domain, accuracy=2)).params[:, 0])
    return 2 / np.max(np.abs(np.linalg.eigvals(np.asarray(matrix(jnp.zeros(domain.N))))))


@pytest.mark.parametrize("mode", ["periodic", "dirichlet", "cell-dirichlet"])
def test_the_stability_check_finds_the_limit_of_diffusion(mode):
    domain = Domain(24, 1 / 24, mode)
    u = FiniteDifferences.from_grid(jnp.exp(-(domain.spatial_axis[0] ** 2)), domain, accuracy=2)
    limit = largest_stable_step(domain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Euler(laplacian, 0.98 * limit, example=u).check_stability(u) <= 1.001
    with pytest.warns(
        StabilityWarning, match=r"Euler with dt = .* multiplies a disturbance by 1\.\d+ .* would be stable"
    ):
        Euler(laplacian, 1.1 * limit, example=u)


@pytest.mark.parametrize("viscosity", [0.1, 0.459, 1.0, 2.3])
def test_the_step_that_the_warning_names_is_stable(viscosity):
    u = sine()
    diffusion = lambda u: viscosity * laplacian(u)  # noqa: E731
    with pytest.warns(StabilityWarning) as caught:
        Euler(diffusion, 1.0, example=u)
    named = float(str(caught[0].message).split("A step of ")[1].split()[0])
    assert Euler(diffusion, named).check_stability(u) <= 1 + 1e-4


def test_complex_states_are_checked_too():
    """Euler's method for the Schroedinger equation grows whatever the step; for decay it does not."""
    u = FourierSeries(jnp.ones((16, 1), jnp.complex64), Domain(16, 1 / 16))
    with pytest.warns(StabilityWarning, match="No step would be stable"):
        assert Euler(lambda u: 1j * laplacian(u), 1e-3).check_stability(u) > 2
    assert Euler(laplacian, 1e-4).check_stability(u) <= 1


def test_central_differences_of_a_wave_are_stable_for_rk4_and_never_for_euler():
    domain = Domain(32, 1 / 32)
    u = FiniteDifferences.from_grid(jnp.sin(2 * jnp.pi * domain.spatial_axis[0]), domain, accuracy=2)
    transport = lambda u: -derivative(u)  # noqa: E731
    assert RK4(transport, 2.8 / 32).check_stability(u) <= 1 + 1e-3
    with pytest.warns(StabilityWarning, match="No step would be stable"):
        amplification = Euler(transport, 0.5 / 32).check_stability(u)
    assert amplification == pytest.approx(np.sqrt(1 + 0.5**2), rel=1e-3)


def test_growth_of_the_equation_itself_is_no_instability():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Euler(lambda u: 3 * u, 0.1).check_stability(jnp.ones(4)) <= 1


def test_a_right_hand_side_that_is_not_finite_is_unstable():
    with pytest.warns(StabilityWarning, match="No step would be stable"):
        Euler(lambda u: u / 0, 0.1).check_stability(jnp.ones(3))


@pytest.mark.parametrize("dt", [0.0, -1.0, np.nan, np.inf])
def test_a_time_step_that_is_not_positive_is_refused(dt):
    with pytest.raises(ValueError, match="`dt` must be a positive number"):
        RK4(jnp.sin, dt)


def test_a_number_of_substeps_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="`num_substeps` must be an integer of at least 1, got 0"):
        Euler(jnp.sin, 0.1, num_substeps=0)
