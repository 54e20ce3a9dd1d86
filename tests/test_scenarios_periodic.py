"""The periodic scenarios against exact solutions, their equations and direct calls of exponax."""

import dataclasses
import math

import exponax as ex
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from pdequinox.bench.scenarios._fluids import DecayingTurbulence, KolmogorovFlow
from pdequinox.bench.scenarios._linear import Advection, AdvectionDiffusion, Diffusion, Dispersion, HyperDiffusion
from pdequinox.bench.scenarios._nonlinear import Burgers, FisherKPP, KortewegDeVries, KuramotoSivashinsky
from pdequinox.bench.scenarios._reactions import GrayScott, SwiftHohenberg

SMALL = {
    "num_train_samples": 2,
    "num_test_samples": 2,
    "train_temporal_horizon": 1,
    "test_temporal_horizon": 1,
    "num_warmup_steps": 0,
}
LINEAR = [
    Advection(advection_gamma=-0.7),
    Diffusion(num_spatial_dims=2),
    AdvectionDiffusion(num_spatial_dims=3, diffusion_gamma=0.3),
    Dispersion(num_spatial_dims=2),
    HyperDiffusion(),
]
NONLINEAR = [
    Burgers(num_spatial_dims=2),
    KortewegDeVries(num_spatial_dims=2),
    KuramotoSivashinsky(),
    KuramotoSivashinsky(num_spatial_dims=2),
    FisherKPP(num_spatial_dims=2),
    GrayScott(),
    SwiftHohenberg(),
    DecayingTurbulence(),
    KolmogorovFlow(injection_mode=2),
]


def small(scenario, num_points, **options):
    return dataclasses.replace(scenario, num_points=num_points, **SMALL | options)


def named(scenario):
    return f"{scenario.name}-{scenario.num_spatial_dims}d"


def grid(scenario):
    n, d = scenario.shape[0], scenario.num_spatial_dims
    return np.stack(np.meshgrid(*[np.arange(n) * scenario.domain_extent / n] * d, indexing="ij"))


def smooth_state(scenario, seed=0):
    """Random modes up to the first along each axis, different in every channel."""
    rng, x = np.random.default_rng(seed), 2 * np.pi * grid(scenario) / scenario.domain_extent
    d = scenario.num_spatial_dims

    def channel():
        waves = ((rng.integers(-1, 2, d), rng.normal(), rng.uniform(0, 6)) for _ in range(4))
        return 0.4 + sum(0.3 * size * np.cos(np.tensordot(k, x, 1) + phase) for k, size, phase in waves)

    return np.stack([channel() for _ in range(scenario.num_channels)])


def test_burgers_data_are_those_of_a_direct_call():
    scenario = Burgers(num_points=32, **SMALL | {"train_temporal_horizon": 3, "test_temporal_horizon": 3})
    stepper = ex.stepper.generic.DifficultyConvectionStepper(
        num_spatial_dims=1,
        num_points=32,
        linear_difficulties=(0.0, 0.0, 1.5),
        convection_difficulty=1.5,
        conservative=True,
        order=2,
        dealiasing_fraction=2 / 3,
    )
    series = ex.ic.RandomTruncatedFourierSeries(1, cutoff=5, max_one=True)
    generator = ex.ic.RandomMultiChannelICGenerator((series,))
    data = scenario.make_data()
    for seed, states in ((0, data.training), (773, data.test)):
        u = ex.build_ic_set(generator, num_points=32, num_samples=2, key=jr.PRNGKey(seed))
        np.testing.assert_array_equal(states[:, 0], u)
        for step in range(1, 4):
            u = jax.jit(jax.vmap(stepper))(u)
            np.testing.assert_allclose(states[:, step], u, atol=1e-7)


def test_the_steppers_are_apebench_s_bit_for_bit():
    generic = ex.stepper.generic
    expected = [
        (Advection(), generic.DifficultyLinearStepper(1, 160, linear_difficulties=(0.0, -4.0))),
        (
            KuramotoSivashinsky(),
            generic.DifficultyConvectionStepper(
                1, 160, linear_difficulties=(0.0, 0.0, -2.0, 0.0, -18.0), convection_difficulty=1.0, conservative=True
            ),
        ),
        (
            KuramotoSivashinsky(num_spatial_dims=2, num_points=16),
            generic.DifficultyNonlinearStepper(
                2,
                16,
                linear_difficulties=(0.0, 0.0, -1.2, 0.0, -15.0),
                nonlinear_difficulties=(0.0, 0.0, -6.0),
            ),
        ),
        (
            KortewegDeVries(),
            generic.DifficultyNonlinearStepper(
                1,
                160,
                linear_difficulties=(0.0, 0.0, 0.0, -14.0, -9.0),
                nonlinear_difficulties=(0.0, -2.0, 0.0),
            ),
        ),
        (
            GrayScott(num_points=16),
            ex.RepeatedStepper(ex.stepper.reaction.GrayScott(2, 1.0, 16, 1.0), 10),
        ),
    ]
    for scenario, stepper in expected:
        state = scenario.initial_states(1, key=jr.PRNGKey(0))[0]
        np.testing.assert_array_equal(scenario.stepper()(state), stepper(state), err_msg=scenario.name)


@pytest.mark.parametrize("scenario", LINEAR, ids=named)
def test_a_plane_wave_is_multiplied_by_its_exact_factor(scenario):
    scenario, d = small(scenario, 12), scenario.num_spatial_dims
    k = np.array([2, 1, -1])[:d]
    names = ("advection_gamma", "diffusion_gamma", "dispersion_gamma", "hyp_diffusion_gamma")
    alphas = [getattr(scenario, name, 0) / (2**j * 12 ** (j + 1) * d) for j, name in enumerate(names)]
    symbol = sum(alpha * np.sum((2j * np.pi * k) ** (j + 1)) for j, alpha in enumerate(alphas))
    wave = np.exp(2j * np.pi * np.tensordot(k, grid(scenario), 1) + 0.3j)[None]
    assert abs(np.exp(symbol) - 1) > 0.05
    after = scenario.stepper()(jnp.asarray(wave.real, jnp.float32))
    np.testing.assert_allclose(after, (np.exp(symbol) * wave).real, atol=2e-6)
    coarse = (slice(None), *[slice(None, None, 2)] * d)
    np.testing.assert_allclose(
        scenario.stepper(shape=(6,) * d)(jnp.asarray(wave.real, jnp.float32)[coarse]), after[coarse], atol=2e-6
    )
    half = scenario.stepper(proportion=0.5)
    np.testing.assert_allclose(half(half(jnp.asarray(wave.real, jnp.float32))), after, atol=2e-6)


def test_advection_moves_the_state_by_its_courant_number():
    scenario = Advection(num_points=32)
    state = scenario.initial_states(1, key=jr.PRNGKey(3))[0]
    np.testing.assert_allclose(scenario.stepper()(state), jnp.roll(state, 4, axis=1), atol=1e-5)


def rate(scenario, u):
    """The right-hand side of a scenario's equation, with derivatives by NumPy's FFT."""
    length, d, n = scenario.domain_extent, scenario.num_spatial_dims, scenario.shape[0]
    axes = tuple(range(-d, 0))
    k = 2j * np.pi / length * n * np.stack(np.meshgrid(*[np.fft.fftfreq(n)] * d, indexing="ij"))

    def derivative(u, symbol):
        return np.fft.ifftn(symbol * np.fft.fftn(u, axes=axes), axes=axes).real

    def laplacian(u):
        return derivative(u, np.sum(k**2, 0))

    def gradient(u):
        return np.stack([derivative(u, k[i]) for i in range(d)])

    def fourth(u):
        return derivative(u, np.sum(k**4, 0))

    match scenario:
        case Burgers():
            products = [sum(derivative(u[i] * u[j], k[j]) for j in range(d)) for i in range(d)]
            return -1.5 / (n * d) / 2 * np.stack(products) + 1.5 / (2 * n**2 * d) * laplacian(u)
        case KortewegDeVries():
            steep = derivative(u**2, k.sum(0)) / 2
            third = derivative(u, np.sum(k**3, 0))
            return -2 / (n * d) * steep - 14 / (4 * n**3 * d) * third - 9 / (8 * n**4 * d) * fourth(u)
        case KuramotoSivashinsky(num_spatial_dims=1):
            return -derivative(u**2, k[0]) / (2 * n) - 2 / (2 * n**2) * laplacian(u) - 18 / (8 * n**4) * fourth(u)
        case KuramotoSivashinsky():
            steep = np.sum(gradient(u) ** 2, 0) / 2
            linear = -1.2 / (2 * n**2 * d) * laplacian(u) - 15 / (8 * n**4 * d) * fourth(u)
            return -6 / (n**2 * d) * (steep - steep.mean()) + linear
        case FisherKPP():
            return 0.02 * u - 0.02 * u**2 + 0.2 / (2 * n**2 * d) * laplacian(u)
        case GrayScott():
            reaction = u[0] * u[1] ** 2
            change = [0.04 * (1 - u[0]) - reaction, reaction - 0.1 * u[1]]
            return 10 * (np.stack(change) + np.stack([2e-5 * laplacian(u[0]), 1e-5 * laplacian(u[1])]))
        case SwiftHohenberg():
            return 0.1 * (0.7 * u - u - 2 * laplacian(u) - laplacian(laplacian(u)) + u**2 - u**3)
        case DecayingTurbulence() | KolmogorovFlow():
            square = np.sum(k**2, 0)
            stream = derivative(u, np.divide(1, square, where=square != 0, out=np.zeros_like(square)))[0]
            slope = gradient(u)[:, 0]
            along = derivative(stream, k[1]) * slope[0] - derivative(stream, k[0]) * slope[1]
            change = scenario.diffusivity * laplacian(u) - along
            if isinstance(scenario, KolmogorovFlow):
                change += -0.1 * u - 2 * np.cos(2 * grid(scenario)[1])
            return 0.1 * change
    raise AssertionError(scenario)


@pytest.mark.parametrize("scenario", NONLINEAR, ids=named)
def test_the_state_changes_at_the_rate_that_the_equation_says_on_other_grids_too(scenario, float64):
    scenario = small(scenario, 32, num_substeps=1)
    u, h = smooth_state(scenario), 1e-3
    expected = rate(scenario, u)
    assert np.all(np.abs(expected).max(axis=tuple(range(1, u.ndim))) > 1e-4)
    coarse = (slice(None), *[slice(None, None, 2)] * scenario.num_spatial_dims)
    state = jnp.asarray(u[coarse])
    forward, backward = (scenario.stepper(shape=state.shape[1:], proportion=sign * h)(state) for sign in (1, -1))
    error = (forward - backward) / (2 * h) - expected[coarse]
    assert np.abs(error).max() < 1e-4 * np.abs(expected).max()


def test_burgers_follows_the_cole_hopf_solution():
    # u = -2 alpha / beta phi_x / phi with the heat equation's solution phi = 1 + a exp(-alpha k^2 t) cos(k x).
    num_points, num_steps, k = 160, 50, 2 * np.pi * 5
    alpha, beta = 1.5 / (2 * num_points**2), 1.5 / num_points
    x = np.arange(num_points) / num_points

    def exact(t):
        decayed = 0.8 * np.exp(-alpha * k**2 * t)
        return 2 * alpha / beta * k * decayed * np.sin(k * x) / (1 + decayed * np.cos(k * x))

    stepper = Burgers().stepper()
    state = jax.lax.fori_loop(0, num_steps, lambda _, u: stepper(u), jnp.asarray(exact(0.0), jnp.float32)[None])
    assert np.abs(exact(0.0) - exact(num_steps)).max() > 0.1
    np.testing.assert_allclose(state[0], exact(num_steps), atol=2e-4)


def test_burgers_conserves_the_mean():
    stepper = Burgers(num_points=32).stepper()
    x = jnp.arange(32) / 32
    state = (0.3 + 0.5 * jnp.sin(2 * jnp.pi * x) + 0.2 * jnp.cos(6 * jnp.pi * x))[None]
    after = jax.lax.fori_loop(0, 20, lambda _, u: stepper(u), state)
    assert jnp.max(jnp.abs(after - state)) > 0.05
    assert jnp.mean(after) == pytest.approx(0.3, abs=1e-6)


def test_a_soliton_of_kdv_keeps_its_shape(float64):
    # u = 3 c / b sech^2(sqrt(c / a) / 2 (x - c t)) solves u_t + b u u_x + a u_xxx = 0.
    n, num_steps = 128, 50
    a, b = 14 / (4 * n**3), 2 / n
    c = 1600 * a
    x = np.arange(n) / n

    def exact(t):
        return 3 * c / b / np.cosh(20 * (x - 0.3 - c * t)) ** 2

    def error(num_substeps):
        stepper = KortewegDeVries(num_points=n, hyp_diffusion_gamma=0.0, num_substeps=num_substeps).stepper()
        state = jax.lax.fori_loop(0, num_steps, lambda _, u: stepper(u), jnp.asarray(exact(0.0))[None])
        return np.abs(state[0] - exact(num_steps)).max() / exact(0.0).max()

    assert c * num_steps > 0.13
    assert error(40) < 0.6 * error(20) < 0.01


@pytest.mark.parametrize("num_spatial_dims", [1, 2, 3])
def test_a_homogeneous_population_follows_the_logistic_solution(num_spatial_dims):
    scenario = FisherKPP(num_spatial_dims=num_spatial_dims, num_points=4, quadratic_delta=-0.04)
    stepper = scenario.stepper()
    state = jnp.full((1, *scenario.shape), 0.1)
    after = jax.lax.fori_loop(0, 100, lambda _, u: stepper(u), state)
    capacity = 0.02 / 0.04
    exact = capacity / (1 + (capacity / 0.1 - 1) * math.exp(-0.02 * 100))
    np.testing.assert_allclose(after, exact, rtol=1e-4)


def test_taylor_green_vortices_decay_exactly():
    scenario = DecayingTurbulence(num_points=16)
    x, y = 4 * np.pi * grid(scenario)
    state = jnp.asarray(np.cos(x) * np.cos(y), jnp.float32)[None]
    stepper = scenario.stepper()
    after = jax.lax.fori_loop(0, 100, lambda _, u: stepper(u), state)
    decay = math.exp(-2 * 1e-4 * (4 * np.pi) ** 2 * 0.1 * 100)
    assert decay < 0.8
    np.testing.assert_allclose(after, decay * state, atol=1e-5)


def test_kolmogorov_s_laminar_flow_stays():
    scenario = KolmogorovFlow(num_points=16)
    laminar = -4 * np.cos(4 * grid(scenario)[1]) / (1e-2 * 16 + 0.1)
    state = jnp.asarray(laminar, jnp.float32)[None]
    np.testing.assert_allclose(scenario.stepper()(state), state, rtol=1e-5, atol=1e-4)


def test_without_the_second_substance_the_first_is_fed_up_to_one():
    scenario = GrayScott(num_points=4)
    state = jnp.stack([jnp.full((4, 4), 0.2), jnp.zeros((4, 4))])
    after = scenario.stepper()(state)
    np.testing.assert_allclose(after[0], 1 - 0.8 * math.exp(-0.04 * 10), atol=1e-4)
    assert jnp.max(jnp.abs(after[1])) < 1e-7


@pytest.mark.parametrize("scenario", LINEAR + NONLINEAR, ids=named)
def test_data_are_finite_and_start_from_reproducible_states(scenario):
    scenario = small(scenario, 12)
    data = scenario.make_data()
    assert data.training.shape == data.test.shape == (2, 2, scenario.num_channels, *scenario.shape)
    assert bool(jnp.all(jnp.isfinite(data.training)))
    np.testing.assert_array_equal(data.training[:, 0], scenario.initial_states(2, key=jr.PRNGKey(0)))
    assert jnp.max(jnp.abs(data.training[:, 0] - data.test[:, 0])) > 0.01
    assert jnp.max(jnp.abs(data.training[:, 0] - data.training[:, 1])) > 1e-4


def test_chaos_is_reached_before_the_first_state():
    scenario = KuramotoSivashinsky(num_points=48, num_warmup_steps=200)
    early, late = (
        dataclasses.replace(scenario, num_warmup_steps=steps).make_trajectories(2, 1, 0) for steps in (0, 200)
    )
    wave_numbers = np.abs(np.fft.rfft(late[:, 0], axis=-1))
    assert np.all(np.abs(early[:, 0]).max((1, 2)) <= 1 + 1e-6)
    assert wave_numbers[..., 6:12].max() > wave_numbers[..., 1:3].max()
    np.testing.assert_array_equal(scenario.make_trajectories(2, 1, 0), late)


def test_substeps_are_shorter_steps():
    state = jnp.asarray(smooth_state(Burgers(num_points=16)), jnp.float32)
    half = Burgers(num_points=16).stepper(proportion=0.5)
    twice = Burgers(num_points=16, num_substeps=2).stepper()(state)
    np.testing.assert_allclose(twice, half(half(state)), atol=1e-6)


def test_the_defaults_are_apebench_s():
    assert [Burgers(num_spatial_dims=d).num_points for d in (1, 2, 3)] == [160, 64, 32]
    waves = KuramotoSivashinsky(), KuramotoSivashinsky(num_spatial_dims=3)
    names = "convection_delta", "gradient_norm_delta", "diffusion_gamma", "hyp_diffusion_gamma", "num_warmup_steps"
    assert [[getattr(wave, name) for name in names] for wave in waves] == [
        [-1.0, 0.0, -2.0, -18.0, 500],
        [0.0, -6.0, -1.2, -15.0, 500],
    ]
    assert waves[0].label == "kuramoto-sivashinsky-1d"
    assert SwiftHohenberg().domain_extent == pytest.approx(10 * math.pi)
    assert KolmogorovFlow().label == "kolmogorov-flow-2d"
    assert Advection(advection_gamma=-10.5).label == "advection-1d:advection_gamma=-10.5"


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (Burgers, {"boundary_mode": "dirichlet"}, "`boundary_mode` must be 'periodic' for burgers.*'bounded-burgers'"),
        (
            Advection,
            {"num_spatial_dims": 2, "boundary_mode": ("periodic", "neumann")},
            "`boundary_mode` must be 'periodic'.*name starts with 'bounded'",
        ),
        (KolmogorovFlow, {"num_spatial_dims": 3}, "`num_spatial_dims` must be 2 for kolmogorov-flow, got 3"),
        (Diffusion, {"num_spatial_dims": 2, "num_points": (8, 16)}, "`num_points` must be the same along all axes"),
        (GrayScott, {"domain_extent": (1.0, 2.0)}, "`domain_extent` must be the same along all axes"),
        (Burgers, {"domain_extent": 2.0}, "`domain_extent` must be 1 for burgers"),
        (Burgers, {"diffusion_gamma": math.nan}, "`diffusion_gamma` must be a finite number, got nan"),
        (Burgers, {"num_substeps": 0}, "`num_substeps` must be an integer of at least 1"),
        (Burgers, {"order": 5}, "`order` must be 1, 2, 3 or 4, got 5"),
        (Burgers, {"dealiasing_fraction": 1.5}, "`dealiasing_fraction` must be above 0 and at most 1, got 1.5"),
        (SwiftHohenberg, {"dt": 0.0}, "`dt` must be positive, got 0.0"),
        (SwiftHohenberg, {"reactivity": math.inf}, "`reactivity` must be a finite number, got inf"),
        (KuramotoSivashinsky, {"gradient_norm_delta": -6.0}, "`convection_delta` must be 0 in 2D and 3D"),
        (
            KuramotoSivashinsky,
            {"num_spatial_dims": 2, "convection_delta": -1.0, "gradient_norm_delta": 0.0},
            "`convection_delta` must be 0 in 2D and 3D",
        ),
    ],
)
def test_what_the_solver_cannot_do_is_refused(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_grid_that_is_no_cube_is_refused():
    with pytest.raises(ValueError, match=r"`shape` must be the same along all axes.*\(8, 16\)"):
        Diffusion(num_spatial_dims=2).stepper(shape=(8, 16))
