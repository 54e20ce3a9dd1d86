"""Metrics as parameters of operators, on every kind of field; metric networks; the algebra of small matrices."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.fields import Continuous, Domain, Field, FiniteDifferences, FourierSeries, OnGrid, bind
from pdequinox.geometry import Metric, MetricNet, laplace_beltrami, scalar_curvature
from pdequinox.geometry._small_matrix import inverse, log_abs_det
from pdequinox.operators import divergence, gradient, hessian, laplacian

ANNULUS = ("cell-neumann", "periodic")


def polar(x):
    return jnp.diag(jnp.stack([jnp.ones_like(x[0]), x[0] ** 2]))


def skew(x):
    """A periodic metric with mixed entries."""
    mixed = 0.5 * jnp.sin(x[0] - x[1])
    return jnp.stack([jnp.stack([2 + jnp.cos(x[0]), mixed]), jnp.stack([mixed, 1.5 + 0.5 * jnp.sin(x[1])])])


def waves(amplitude, x):
    return jnp.stack([amplitude * x[0] ** 2 * jnp.cos(x[1]), jnp.sin(x[1]) / x[0], x[0] * x[0]])


def flow(amplitude, x):
    return jnp.stack([amplitude * x[0] ** 2, jnp.cos(x[1]) * x[0]])


def annulus(num_points):
    return Domain((num_points, num_points), (1 / num_points, 2 * np.pi / num_points), ANNULUS, origin=(1.0, 0.0))


def torus(num_points=16):
    return Domain((num_points,) * 2, 2 * np.pi / num_points, origin=0.0)


def test_operators_in_polar_coordinates_are_those_of_the_textbook(float64):
    u = Continuous(jnp.array(2.0), annulus(5), waves)
    r, angle = np.moveaxis(np.asarray(u.domain.grid), -1, 0)
    wanted = np.stack([2 * 3 * np.cos(angle), 0 * r, 4 + 0 * r], -1)
    result = laplacian(u, params=Metric(polar))
    assert type(result) is Continuous and result.domain == u.domain and result.condition == ("free", "periodic")
    np.testing.assert_allclose(result.on_grid, wanted, atol=1e-13)
    slopes = gradient(u.update_fun_and_params(u.params, lambda a, x: waves(a, x)[0]), params=Metric(polar))
    np.testing.assert_allclose(slopes.on_grid, np.stack([4 * r * np.cos(angle), -2 * np.sin(angle)], -1), atol=1e-13)
    spread = divergence(Continuous(jnp.array(2.0), u.domain, flow), params=Metric(polar))
    assert spread.dims == 1
    np.testing.assert_allclose(spread.on_grid[..., 0], 6 * r - r * np.sin(angle), atol=1e-13)


def test_functions_of_a_point_are_treated_like_fields(float64):
    x = jnp.array([1.3, 0.4])
    f = lambda x: x[0] ** 2 * jnp.cos(x[1])  # noqa: E731
    metric = Metric(polar)
    np.testing.assert_allclose(laplacian(f, params=metric)(x), 3 * np.cos(0.4), rtol=1e-12)
    np.testing.assert_allclose(laplacian(f, params=metric)(x), laplace_beltrami(polar, f)(x), rtol=1e-14)
    np.testing.assert_allclose(gradient(f, params=metric)(x), [2.6 * np.cos(0.4), -np.sin(0.4)], rtol=1e-12)
    both = divergence(gradient(f, params=metric), params=metric)
    np.testing.assert_allclose(both(x), 3 * np.cos(0.4), rtol=1e-12)
    assert laplacian(bind(waves, 2.0), params=metric)(x).shape == (3,)
    np.testing.assert_allclose(metric(x), polar(x))


def sampled(u, kind, **options):
    return kind.from_grid(u.on_grid, u.domain, **options)


def periodic_waves(amplitude, x):
    return jnp.stack([jnp.sin(x[0] + 2 * x[1]), amplitude * jnp.cos(x[0]) * jnp.sin(x[1])])


def first(amplitude, x):
    return periodic_waves(amplitude, x)[:1]


NAMES = lambda value: getattr(value, "__name__", None)  # noqa: E731
CASES = (
    (laplacian, periodic_waves),
    (gradient, first),
    (divergence, periodic_waves),
)


@pytest.mark.parametrize(("op", "function"), CASES, ids=NAMES)
def test_fourier_series_agree_with_continuous_fields(op, function, float64):
    u = Continuous(jnp.array(0.7), torus(32), function)
    metric = Metric(skew)
    result = jax.jit(lambda u, metric: op(u, params=metric))(sampled(u, FourierSeries), metric)
    assert type(result) is FourierSeries
    wanted = jax.jit(lambda u, metric: op(u, params=metric).on_grid)(u, metric)
    # The metric itself is resolved to this accuracy where it is differentiated on the grid.
    np.testing.assert_allclose(result.params, wanted, atol=1e-10 if op is not divergence else 1e-6)


@pytest.mark.parametrize(
    ("op", "function"),
    ((laplacian, waves), (gradient, None), (divergence, flow)),
    ids=lambda v: getattr(v, "__name__", None),
)
def test_finite_differences_converge_to_continuous_fields_at_their_order(op, function, float64):
    def error(num_points):
        u = Continuous(jnp.array(2.0), annulus(num_points), function or (lambda a, x: waves(a, x)[:1]))
        metric = Metric(polar)
        on_grid = sampled(u, FiniteDifferences, accuracy=4, free_axes=[0])
        result, wanted = jax.jit(lambda metric, *fields: [op(u, params=metric) for u in fields])(metric, on_grid, u)
        assert type(result) is FiniteDifferences and result.condition == ("free", "periodic")
        return np.max(np.abs(result.params - wanted.on_grid))

    assert np.log2(error(48) / error(96)) > 3.7


def test_the_identity_is_the_euclidean_metric_on_a_grid():
    values = np.random.default_rng(0).normal(size=(2, 7, 8, 3)).astype(np.float32)
    u = FiniteDifferences(values, Domain((7, 8), (0.5, 0.25), ("dirichlet", "periodic")), accuracy=4)
    euclidean = Metric(lambda x: jnp.eye(2))
    result = jax.jit(lambda u: laplacian(u, params=euclidean))(u)
    assert result.params.dtype == jnp.float32 and result.condition == laplacian(u).condition
    np.testing.assert_allclose(result.params, laplacian(u).params, rtol=1e-5, atol=1e-3)
    vector = u.replace_params(u.params[..., :2])
    np.testing.assert_allclose(
        divergence(vector.with_free_axes([0]), params=euclidean).params,
        divergence(vector.with_free_axes([0])).params,
        rtol=1e-5,
        atol=1e-4,
    )


def test_fields_on_a_grid_keep_their_dtype(float64):
    values = np.exp(1j * np.arange(64)).reshape(8, 8, 1)
    metric = Metric(skew)
    for u in (values.real.astype(np.float32), values.astype(np.complex64)):
        u = FourierSeries(u, torus(8))
        flux, spread = jax.eval_shape(lambda u: (gradient(u, params=metric), laplacian(u, params=metric)), u)
        back = jax.eval_shape(lambda flux: divergence(flux, params=metric), flux)
        assert flux.params.dtype == spread.params.dtype == back.params.dtype == u.params.dtype


def network(dtype=None):
    return eqx.nn.MLP(2, 3, 8, 1, jnp.tanh, dtype=dtype, key=jax.random.key(0))


@pytest.mark.parametrize("kind", [Continuous, FourierSeries])
def test_a_metric_network_is_trained_through_the_laplacian_in_one_trace(kind, float64):
    u = Continuous(jnp.array(0.7), torus(6), first)
    u = u if kind is Continuous else sampled(u, kind)
    traces = []

    @jax.jit
    def loss_and_slope(metric):
        traces.append(None)
        return jax.value_and_grad(lambda metric: jnp.mean(laplacian(u, params=metric).on_grid ** 2))(metric)

    metric = MetricNet(network(float))
    both = jax.jit(lambda *metrics: [laplacian(u, params=metric).on_grid for metric in metrics])
    np.testing.assert_array_equal(*both(metric, Metric(metric)))
    for _ in range(3):
        loss, slope = loss_and_slope(metric)
        before = loss
        metric = jax.tree.map(lambda leaf, step: leaf - 1e-3 * step, metric, slope)
    assert loss_and_slope(metric)[0] < before and len(traces) == 1
    # A directional derivative, by differences.
    _, slope = loss_and_slope(metric)
    moved = [jax.tree.map(lambda leaf, step, t=t: leaf + t * step, metric, slope) for t in (-1e-6, 1e-6)]
    low, high = (loss_and_slope(metric)[0] for metric in moved)
    size = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(slope))
    assert (high - low) / 2e-6 == pytest.approx(float(size), rel=1e-5)


def test_metric_networks_are_positive_definite_with_curvature_and_its_gradient():
    g = MetricNet(network())
    points = jax.random.normal(jax.random.key(1), (20, 2))
    values = jax.vmap(g)(points)
    assert values.dtype == jnp.float32
    np.testing.assert_array_equal(values, jnp.swapaxes(values, 1, 2))
    assert jnp.min(jnp.linalg.eigvalsh(values)) > 0
    slope = jax.jit(jax.grad(lambda g: jnp.mean(jax.vmap(scalar_curvature(g))(points) ** 2)))(g)
    assert type(slope) is MetricNet
    for leaf in jax.tree.leaves(slope):
        assert jnp.all(jnp.isfinite(leaf)) and jnp.any(leaf != 0)


def test_entries_of_the_factor_of_a_metric_network():
    lower = np.array([[np.log(2), 0], [2, np.log1p(np.exp(-1))]])
    g = MetricNet(lambda x: jnp.array([0.0, 2.0, -1.0]))
    np.testing.assert_allclose(g(jnp.zeros(2)), lower @ lower.T, rtol=1e-6)


class Abstract(Field):
    """A field that the room does not know."""


WRONG = [
    (lambda u: Metric(jnp.eye(2)), r"`g` must be a function of a point, got"),
    (
        lambda u: hessian(u, params=Metric(polar)),
        r"`params` must not be a Metric for `hessian`.*divergence, gradient, l",
    ),
    (
        lambda u: gradient(u, stagger=0.5, params=Metric(polar)),
        r"`gradient` must get no further arguments.*\['stagger'\]",
    ),
    (lambda u: gradient(u, params=Metric(polar)), r"`gradient` must get a field with 1 channels, got 3"),
    (lambda u: divergence(u, params=Metric(polar)), r"`divergence` must get a field with 2 channels, got 3"),
    (lambda u: laplacian(u, params=Metric(lambda x: jnp.eye(3))), r"`g` must return shape \(2, 2\).*got \(3, 3\)"),
    (lambda u: laplacian(3.0, params=Metric(polar)), r"`field` must be a function of a point, got float"),
    (
        lambda u: gradient(lambda x: x, params=Metric(polar))(jnp.ones(2)),
        r"`field` must return shape \(\) or \(1,\) at a point with 2 coordinates, got \(2,\)",
    ),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_wrong_arguments_are_told_what_is_right(call, message):
    with pytest.raises(ValueError, match=message):
        call(FiniteDifferences.empty(Domain((9, 9), 0.1), 3))


@pytest.mark.parametrize("op", [gradient, divergence])
def test_continuous_fields_with_other_channels_are_refused_at_once(op):
    u = Continuous(2.0, annulus(4), waves)
    with pytest.raises(ValueError, match=rf"`{op}` must get a field with [12] channels, got 3"):
        op(u, params=Metric(polar))


def test_fields_without_derivatives_are_refused():
    for u in (OnGrid.empty(Domain((9, 9), 0.1)), Abstract(None, Domain((9, 9), 0.1))):
        with pytest.raises(TypeError, match=rf"must get .*Continuous.*got {type(u).__name__}"):
            laplacian(u, params=Metric(polar))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("dtype", [float, complex])
def test_inverses_and_determinants_with_derivatives_are_those_of_linear_algebra(n, dtype, float64):
    rng = np.random.default_rng(n)
    a, b, c = (
        jnp.asarray(rng.normal(size=(n, n)) + (1j * rng.normal(size=(n, n)) if dtype is complex else 0))
        for _ in range(3)
    )
    a = a.at[0, 0].set(0) if n > 1 else a
    np.testing.assert_allclose(jax.jit(inverse)(a), jnp.linalg.inv(a), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(jax.jit(log_abs_det)(a), jnp.linalg.slogdet(a)[1], rtol=1e-11, atol=1e-13)
    if n == 3:
        for ours, theirs in ((inverse, jnp.linalg.inv), (log_abs_det, lambda a: jnp.linalg.slogdet(a)[1])):
            second = [jax.jvp(lambda a, f=f: jax.jvp(f, (a,), (b,))[1], (a,), (c,))[1] for f in (ours, theirs)]
            np.testing.assert_allclose(second[0], second[1], rtol=1e-9, atol=1e-9)


def test_a_singular_matrix_has_no_inverse_and_determinant_zero():
    matrix = jnp.array([[1.0, 2.0], [2.0, 4.0]])
    assert jnp.all(jnp.isnan(inverse(matrix))) and log_abs_det(matrix) == -jnp.inf
