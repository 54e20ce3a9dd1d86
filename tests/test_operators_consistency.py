"""All discretisations have the exact derivatives of one band-limited function, at any place between the points."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.fields import Continuous, Domain, FiniteDifferences, FourierSeries
from pdequinox.operators import (
    curl,
    derivative,
    diag_jacobian,
    divergence,
    gradient,
    hessian,
    heterog_laplacian,
    jacobian,
    laplacian,
    shift_operator,
    sum_over_dims,
)

quickly_compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
DOMAINS = {1: Domain(16, 0.4), 2: Domain((12, 15), (0.5, 0.3)), 3: Domain((10, 12, 11), (0.5, 0.7, 0.4))}
KINDS = {Continuous: 1e-9, FourierSeries: 1e-9, FiniteDifferences: 1e-4}
everywhere = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
in_all_dimensions = pytest.mark.parametrize("ndim", DOMAINS)


def value(params, x):
    wave_numbers, cosines, sines = params
    return jnp.cos(wave_numbers @ x) @ cosines + jnp.sin(wave_numbers @ x) @ sines


class Waves:
    """All waves with at most one period per axis, with random amplitudes for each channel."""

    def __init__(self, ndim, channels, seed=0):
        self.domain = DOMAINS[ndim]
        periods = np.array(list(itertools.product((-1, 0, 1), repeat=ndim)))
        self.wave_numbers = 2 * np.pi * periods / np.asarray(self.domain.size)
        self.cosines, self.sines = np.random.default_rng(seed).normal(size=(2, len(periods), channels))

    def field(self, kind):
        params = tuple(map(jnp.asarray, (self.wave_numbers, self.cosines, self.sines)))
        u = Continuous(params, self.domain, value)
        if kind is Continuous:
            return u
        return kind(self.exact(), self.domain, **({"accuracy": 12} if kind is FiniteDifferences else {}))

    def exact(self, *axes, channel=slice(None), offset=0.0):
        """A derivative at the points moved by an offset."""
        phase = (np.asarray(self.domain.grid) + offset) @ self.wave_numbers.T
        factor = np.prod([1j * self.wave_numbers[:, axis] for axis in axes], axis=0)
        return np.real((np.exp(1j * phase) * factor) @ (self.cosines - 1j * self.sines))[..., channel]


def check(kind, function, fields, wanted):
    """Compare the fields that `function` returns, all compiled at once, with arrays or lists of one per channel."""

    def on_grid(*fields):
        results = function(*fields)
        assert all(type(result) is kind for result in results)
        return [result.on_grid for result in results]

    for got, exact in zip(quickly_compiled(on_grid)(*fields), wanted, strict=True):
        exact = np.stack(exact, axis=-1) if isinstance(exact, list) else exact
        assert got.shape == exact.shape
        np.testing.assert_allclose(got, exact, atol=KINDS[kind] * np.max(np.abs(exact)))


@everywhere
def test_derivatives_of_all_orders_along_each_axis(kind, float64):
    waves = Waves(2, 3)
    cases = list(itertools.product(range(2), range(1, 5)))
    wanted = [waves.exact(*[axis] * order) for axis, order in cases]
    check(kind, lambda u: [derivative(u, axis, order) for axis, order in cases], [waves.field(kind)], wanted)


@in_all_dimensions
@everywhere
def test_gradients_jacobians_and_divergences(kind, ndim, float64):
    scalar, vector, axes = Waves(ndim, 1), Waves(ndim, ndim), range(ndim)
    diagonal = [vector.exact(i, channel=i) for i in axes]
    wanted = (
        [scalar.exact(i, channel=0) for i in axes],
        [vector.exact(i, channel=c) for c in axes for i in axes],
        diagonal,
        [sum(diagonal)],
    )
    operators = lambda u, v: (gradient(u), jacobian(v), diag_jacobian(v), divergence(v))  # noqa: E731
    check(kind, operators, [scalar.field(kind), vector.field(kind)], wanted)


@in_all_dimensions
@everywhere
def test_laplacians_and_hessians(kind, ndim, float64):
    """Those of vectors are those of each channel; a coefficient is differentiated too."""
    u, scalar, c, axes = Waves(ndim, 2), Waves(ndim, 1, seed=1), Waves(ndim, 1, seed=2), range(ndim)
    wanted = (
        sum(u.exact(i, i) for i in axes),
        [u.exact(i, j, channel=channel) for channel in range(2) for i in axes for j in axes],
        sum(c.exact() * scalar.exact(i, i) + c.exact(i) * scalar.exact(i) for i in axes),
    )
    operators = lambda u, v, c: (laplacian(u), hessian(u), heterog_laplacian(v, c))  # noqa: E731
    check(kind, operators, [waves.field(kind) for waves in (u, scalar, c)], wanted)


@everywhere
def test_curls(kind, float64):
    space, plane, stream = Waves(3, 3), Waves(2, 2), Waves(2, 1)
    d = lambda i, j: space.exact(i, channel=j)  # noqa: E731
    wanted = (
        [d(1, 2) - d(2, 1), d(2, 0) - d(0, 2), d(0, 1) - d(1, 0)],
        [plane.exact(0, channel=1) - plane.exact(1, channel=0)],
        [stream.exact(1, channel=0), -stream.exact(0, channel=0)],
    )
    fields = [waves.field(kind) for waves in (space, plane, stream)]
    check(kind, lambda *fields: [curl(u) for u in fields], fields, wanted)


@pytest.mark.parametrize("kind", [FiniteDifferences, FourierSeries])
def test_derivatives_need_no_implicit_promotion_of_dtypes(kind):
    u = kind.from_grid(jnp.sin(2 * jnp.pi * Domain(16, 1 / 16).grid), Domain(16, 1 / 16))
    with jax.numpy_dtype_promotion("strict"):
        for result in (gradient(u, stagger=0.5), laplacian(u), hessian(u), shift_operator(u, 0.25 / 16)):
            assert result.params.dtype == jnp.float32


@pytest.mark.parametrize("stagger", [0.5, -0.5, [0.25, -0.5]], ids=str)
@everywhere
def test_staggered_derivatives_are_those_at_x_plus_s_dx(kind, stagger, float64):
    """Along the axis of the derivative, not along the others."""
    scalar, vector, axes = Waves(2, 1), Waves(2, 2), range(2)
    offsets = np.diag(np.broadcast_to(stagger, 2) * scalar.domain.dx)
    d = lambda i, channel: vector.exact(i, channel=channel, offset=offsets[i])  # noqa: E731
    wanted = (
        [scalar.exact(i, channel=0, offset=offsets[i]) for i in axes],
        [d(i, c) for c in axes for i in axes],
        [d(i, i) for i in axes],
        [d(0, 0) + d(1, 1)],
        [d(0, 1) - d(1, 0)],
        vector.exact(1, 1, offset=offsets[1]),
    )
    operators = lambda u, v: (  # noqa: E731
        gradient(u, stagger=stagger),
        jacobian(v, stagger=stagger),
        diag_jacobian(v, stagger=stagger),
        divergence(v, stagger=stagger),
        curl(v, stagger=stagger),
        derivative(v, 1, 2, stagger=float(np.broadcast_to(stagger, 2)[1])),
    )
    check(kind, operators, [scalar.field(kind), vector.field(kind)], wanted)


@everywhere
def test_a_shifted_field_has_the_values_at_x_plus_the_distance(kind, float64):
    waves, distances = Waves(2, 3), (0.13, (-0.2, 0.37), (0.0, 0.15), (1.7, -2.1))
    wanted = [waves.exact(offset=np.broadcast_to(distance, 2)) for distance in distances]
    check(kind, lambda u: [shift_operator(u, distance) for distance in distances], [waves.field(kind)], wanted)


@pytest.mark.parametrize("kind", [FourierSeries, FiniteDifferences])
def test_a_shift_by_whole_spacings_moves_any_field_against_it(kind, float64):
    domain, all_steps = DOMAINS[2], ((1, 0), (0, 1), (-2, 3))
    values = np.random.default_rng(0).normal(size=(*domain.N, 2))
    shifts = lambda u: [shift_operator(u, np.multiply(steps, domain.dx).tolist()) for steps in all_steps]  # noqa: E731
    for shifted, steps in zip(quickly_compiled(shifts)(kind(values, domain)), all_steps, strict=True):
        np.testing.assert_allclose(shifted.params, np.roll(values, np.negative(steps), (0, 1)), atol=1e-12)


@pytest.mark.parametrize("kind", [FourierSeries, FiniteDifferences])
def test_gradients_have_no_curl_and_curls_no_divergence(kind, float64):
    """For any values, as derivatives along different axes commute."""
    random = np.random.default_rng(0)
    for ndim, channels in ((2, 1), (3, 3)):
        domain = DOMAINS[ndim]
        scalar, vector = (kind(random.normal(size=(*domain.N, c)), domain) for c in (1, channels))
        identities = lambda u, v: (curl(gradient(u)), divergence(curl(v)), laplacian(v))  # noqa: E731
        rotation, source, scale = quickly_compiled(identities)(scalar, vector)
        bound = 1e-12 * np.max(np.abs(scale.params))
        assert max(np.max(np.abs(rotation.params)), np.max(np.abs(source.params))) < bound


def test_the_curl_of_the_curl_of_a_stream_function_is_minus_its_laplacian(float64):
    waves = Waves(2, 1)
    check(
        FourierSeries, lambda u: [curl(curl(u))], [waves.field(FourierSeries)], [-waves.exact(0, 0) - waves.exact(1, 1)]
    )


@pytest.mark.parametrize("num_points", [11, 12])
@pytest.mark.parametrize("dtype", [float, complex])
def test_the_laplacian_is_the_divergence_of_the_gradient_for_all_modes_but_nyquist(num_points, dtype, float64):
    domain = Domain((num_points, 9), (0.5, 0.3))
    random = np.random.default_rng(0).normal(size=(2, *domain.N, 1))
    values = random[0] if dtype is float else random[0] + 1j * random[1]
    if num_points % 2 == 0:
        sawtooth = np.resize([1, -1], num_points)[:, None, None]
        values -= sawtooth * np.mean(sawtooth * values, axis=0)
    u = FourierSeries(values, domain)
    both = lambda u: (sum_over_dims(diag_jacobian(gradient(u))), laplacian(u))  # noqa: E731
    composed, direct = quickly_compiled(both)(u)
    np.testing.assert_allclose(composed.params, direct.params, atol=1e-10)


@pytest.mark.parametrize("dtype", [float, complex])
def test_even_derivatives_keep_the_nyquist_mode_and_odd_ones_drop_it(dtype, float64):
    domain = Domain((6, 4), (0.5, 0.25))
    sawtooth = np.where(np.arange(4) % 2, -1, 1) * np.array([1, 2, 4, 8, 16, 32])[:, None]
    u = FourierSeries.from_grid(sawtooth.astype(dtype), domain)
    k = np.pi / 0.25
    cases = {
        lambda u: derivative(u, 1, 1): 0,
        lambda u: derivative(u, 1, 2): -(k**2),
        lambda u: derivative(u, 1, 3): 0,
        lambda u: derivative(u, 1, 4): k**4,
        lambda u: derivative(u, 1, 1, stagger=0.5): 0,
        lambda u: shift_operator(u, (0.0, 0.1)): np.cos(k * 0.1),
    }
    results = quickly_compiled(lambda u: [function(u) for function in cases])(u)
    for result, factor in zip(results, cases.values(), strict=True):
        np.testing.assert_allclose(result.params, factor * u.params, atol=1e-8)


def test_the_laplacian_of_a_bump_in_3d_is_the_sum_of_three_stencils(float64):
    domain = Domain((5, 6, 7), (0.5, 1.0, 2.0))
    bump = np.zeros(domain.N)
    bump[2, 3, 4] = 1
    result = laplacian(FiniteDifferences.from_grid(bump, domain, accuracy=2)).params[..., 0]
    wanted = sum((np.roll(bump, 1, a) - 2 * bump + np.roll(bump, -1, a)) / h**2 for a, h in enumerate(domain.dx))
    np.testing.assert_allclose(result, wanted, atol=1e-12)


def test_derivatives_keep_the_type_and_its_accuracy_and_are_free_along_their_axis():
    domain = Domain((4, 6), (0.5, 0.25), ("periodic", "dirichlet"))
    u = FiniteDifferences(jax.random.normal(jax.random.key(0), (4, 6, 1)), domain, accuracy=4, ghosts="reflect")
    functions = {
        lambda u: gradient(u): "free",
        lambda u: laplacian(u): "free",
        lambda u: heterog_laplacian(u, u): "free",
        lambda u: derivative(u, 1): "free",
        lambda u: derivative(u, 0): "dirichlet",
        lambda u: shift_operator(u, 0.1): "free",
        lambda u: shift_operator(u, (0.1, 0.0)): "dirichlet",
    }
    for function, condition in functions.items():
        result = jax.eval_shape(function, u)
        assert (type(result), result.accuracy, result.ghosts) == (FiniteDifferences, 4, "reflect")
        assert result.condition == ("periodic", condition)
