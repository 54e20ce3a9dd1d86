"""Connection and curvature of metrics that are known in closed form, identities, and what wrong arguments are told."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.fields import Continuous, Domain, FiniteDifferences, FourierSeries, bind
from pdequinox.geometry import (
    MetricNet,
    christoffel,
    covariant_derivative,
    kretschmann,
    laplace_beltrami,
    ricci,
    riemann,
    scalar_curvature,
    volume_element,
)
from pdequinox.mesh import NodalField, SimplexMesh


def diagonal(*entries):
    return jnp.diag(jnp.stack([jnp.asarray(entry, float) for entry in entries]))


def sphere(x, radius=2.0):
    return radius**2 * diagonal(1, jnp.sin(x[0]) ** 2)


def hyperbolic_plane(x):
    return diagonal(1, 1) / x[1] ** 2


def polar(x):
    return diagonal(1, x[0] ** 2)


def spherical(x):
    return diagonal(1, x[0] ** 2, (x[0] * jnp.sin(x[1])) ** 2)


def torus(x, major=3.0, minor=1.25):
    return diagonal(minor**2, (major + minor * jnp.cos(x[0])) ** 2)


def schwarzschild(x, mass=1.0):
    factor = 1 - 2 * mass / x[1]
    return diagonal(-factor, 1 / factor, x[1] ** 2, (x[1] * jnp.sin(x[2])) ** 2)


def infalling(x, mass=1.0):
    """Schwarzschild's spacetime in Eddington-Finkelstein coordinates: regular at the horizon, zeros on the diagonal."""
    corner = jnp.array([[-(1 - 2 * mass / x[1]), 1.0], [1.0, 0.0]])
    return jnp.block([[corner, jnp.zeros((2, 2))], [jnp.zeros((2, 2)), x[1] ** 2 * diagonal(1, jnp.sin(x[2]) ** 2)]])


def wavy(x):
    """A metric without symmetries, in any dimension."""
    n = x.size
    matrix = jnp.sin(jnp.outer(jnp.arange(1.0, n + 1), x) + jnp.arange(n)) + jnp.cos(x[0] * x[-1])
    return matrix @ matrix.T + 2 * jnp.eye(n)


POINT = {2: jnp.array([0.7, 0.4]), 3: jnp.array([0.7, 0.4, -0.3]), 4: jnp.array([0.2, 5.0, 0.8, 0.1])}


@jax.jit
def at(function, x):
    return function(x)


def lowered(g, x):
    return jnp.einsum("al,lkij->akij", g(x), at(riemann(g), x))


@pytest.mark.parametrize(
    ("g", "curvature"),
    [
        (sphere, lambda x: 0.5),
        (hyperbolic_plane, lambda x: -2.0),
        (polar, lambda x: 0.0),
        (torus, lambda x: 2 * jnp.cos(x[0]) / (1.25 * (3 + 1.25 * jnp.cos(x[0])))),
    ],
)
def test_scalar_curvature_of_surfaces_is_twice_the_gaussian_curvature(g, curvature, float64):
    x = jnp.asarray(POINT[2], float)
    assert at(scalar_curvature(g), x) == pytest.approx(float(curvature(x)), abs=1e-12)
    np.testing.assert_allclose(at(ricci(g), x), curvature(x) * g(x) / 2, atol=1e-12)
    # All curvature of a surface is in R_0101, with the sign of a sphere's.
    assert lowered(g, x)[0, 1, 0, 1] == pytest.approx(float(curvature(x) / 2 * jnp.linalg.det(g(x))), abs=1e-12)
    assert at(kretschmann(g), x) == pytest.approx(float(curvature(x) ** 2), abs=1e-12)


def curvature_density(g, points):
    """The Gaussian curvature times the density of the area."""
    return jax.jit(jax.vmap(lambda x: scalar_curvature(g)(x) / 2 * volume_element(g)(x)))(points)


def test_the_total_curvature_of_a_torus_is_zero_and_of_a_sphere_four_pi(float64):
    angle = jnp.arange(64) * 2 * jnp.pi / 64
    points = jnp.stack([angle, jnp.zeros(64)], -1)
    density = curvature_density(torus, points)
    assert jnp.abs(jnp.mean(density)) < 1e-14 < jnp.max(jnp.abs(density))
    nodes, weights = np.polynomial.legendre.leggauss(16)
    points = jnp.stack([(nodes + 1) * jnp.pi / 2, jnp.zeros(16)], -1)
    density = curvature_density(sphere, points)
    assert 2 * jnp.pi * density @ weights * jnp.pi / 2 == pytest.approx(4 * np.pi, rel=1e-12)


def test_christoffel_symbols_of_polar_coordinates(float64):
    expected = np.zeros((2, 2, 2))
    expected[0, 1, 1], expected[1, 0, 1], expected[1, 1, 0] = -0.7, 1 / 0.7, 1 / 0.7
    np.testing.assert_allclose(at(christoffel(polar), jnp.asarray(POINT[2], float)), expected, atol=1e-14)
    np.testing.assert_allclose(at(volume_element(polar), POINT[2]), 0.7, rtol=1e-6)


@pytest.mark.parametrize("g", [schwarzschild, infalling])
def test_a_black_hole_is_ricci_flat_with_its_kretschmann_scalar(g, float64):
    for radius in (5.0, 2.5):
        x = jnp.array([0.2, radius, 0.8, 0.1])
        assert jnp.max(jnp.abs(at(ricci(g), x))) < 1e-14
        assert at(kretschmann(g), x) == pytest.approx(48 / radius**6, rel=1e-12)
    assert at(volume_element(g), x) == pytest.approx(radius**2 * np.sin(0.8), rel=1e-14)
    assert at(kretschmann(infalling), jnp.array([0.0, 2.0, 0.8, 0.0])) == pytest.approx(0.75, rel=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_riemann_tensor_is_that_of_the_derivatives_of_the_christoffel_symbols(n, float64):
    x = jnp.linspace(0.2, 0.8, n)
    gamma, slopes = at(christoffel(wavy), x), jax.jit(jax.jacfwd(christoffel(wavy)))(x)
    half = jnp.einsum("ljki->lkij", slopes) + jnp.einsum("lim,mjk->lkij", gamma, gamma)
    np.testing.assert_allclose(at(riemann(wavy), x), half - jnp.swapaxes(half, 2, 3), atol=1e-12)
    np.testing.assert_allclose(at(ricci(wavy), x), jnp.einsum("ikij->kj", at(riemann(wavy), x)), atol=1e-12)
    assert n == 1 or jnp.max(jnp.abs(at(riemann(wavy), x))) > 0.01


def test_symmetries_and_first_bianchi_identity(float64):
    x = jnp.asarray(POINT[3], float)
    tensor = lowered(wavy, x)
    for permuted in (
        -jnp.einsum("lkij->klij", tensor),
        -jnp.einsum("lkij->lkji", tensor),
        jnp.einsum("lkij->ijlk", tensor),
        -jnp.einsum("lijk->lkij", tensor) - jnp.einsum("ljki->lkij", tensor),
    ):
        np.testing.assert_allclose(permuted, tensor, atol=1e-12)


def test_second_bianchi_identity_and_its_trace(float64):
    x = jnp.asarray(POINT[3], float)
    slopes = at(covariant_derivative(wavy, riemann(wavy), "uddd"), x)
    total = slopes + jnp.einsum("lkjmi->lkijm", slopes) + jnp.einsum("lkmij->lkijm", slopes)
    np.testing.assert_allclose(total, 0, atol=1e-11)
    inverse = jnp.linalg.inv(wavy(x))
    divergence = jnp.einsum("im,ijm->j", inverse, at(covariant_derivative(wavy, ricci(wavy), "dd"), x))
    np.testing.assert_allclose(divergence, jax.jit(jax.grad(scalar_curvature(wavy)))(x) / 2, atol=1e-11)
    assert jnp.max(jnp.abs(divergence)) > 0.01


def test_the_metric_is_covariantly_constant(float64):
    x = jnp.asarray(POINT[3], float)
    for tensor, variance in ((wavy, "dd"), (lambda x: jnp.linalg.inv(wavy(x)), "uu"), (lambda x: jnp.eye(3), "ud")):
        np.testing.assert_allclose(at(covariant_derivative(wavy, tensor, variance), x), 0, atol=1e-13)


def test_covariant_derivatives_commute_up_to_curvature(float64):
    """The commutator of two derivatives of a vector is the Riemann tensor: position and sign of every index."""
    x = jnp.asarray(POINT[3], float)
    vector = lambda x: jnp.stack([x[0] * x[1], jnp.sin(x[2]), x[0] ** 2 - x[1]])  # noqa: E731
    second = at(covariant_derivative(wavy, covariant_derivative(wavy, vector, "u"), "ud"), x)
    # second[l, j, i] is the derivative along i of that along j.
    commutator = jnp.swapaxes(second, 1, 2) - second
    np.testing.assert_allclose(commutator, jnp.einsum("lkij,k->lij", at(riemann(wavy), x), vector(x)), atol=1e-12)


def test_curvature_does_not_depend_on_coordinates(float64):
    change = lambda y: jnp.stack([y[0] + 0.2 * y[1] ** 2, jnp.sin(y[1]) + 0.1 * y[0] * y[2], y[2] + 0.3 * y[0]])  # noqa: E731

    def pulled_back(y):
        slopes = jax.jacfwd(change)(y)
        return slopes.T @ wavy(change(y)) @ slopes

    y = jnp.array([0.3, 0.5, -0.2])
    for invariant in (scalar_curvature, kretschmann):
        assert at(invariant(pulled_back), y) == pytest.approx(float(at(invariant(wavy), change(y))), rel=1e-10)
    f = lambda x: jnp.sin(x[0]) * x[1] + x[2] ** 2  # noqa: E731
    value = at(laplace_beltrami(pulled_back, lambda y: f(change(y))), y)
    assert value == pytest.approx(float(at(laplace_beltrami(wavy, f), change(y))), rel=1e-10)


def test_spherical_harmonics_are_eigenfunctions_of_the_laplacian_of_the_sphere(float64):
    harmonics = lambda x: jnp.stack(  # noqa: E731
        [jnp.sin(x[0]) ** 2 * jnp.cos(2 * x[1]), 5 * jnp.cos(x[0]) ** 3 - 3 * jnp.cos(x[0])]
    )
    x = jnp.asarray(POINT[2], float)
    unit = lambda x: sphere(x, 1.0)  # noqa: E731
    np.testing.assert_allclose(
        at(laplace_beltrami(unit, harmonics), x), jnp.array([-6, -12]) * harmonics(x), rtol=1e-12
    )


@pytest.mark.parametrize("g", [spherical, wavy])
def test_the_laplacian_is_the_divergence_of_the_gradient(g, float64):
    x = jnp.asarray(POINT[3], float)
    f = lambda x: jnp.exp(-(x[0] ** 2)) * (1 if g is spherical else x[1] * x[2])  # noqa: E731
    flux = lambda x: jnp.linalg.solve(g(x), jax.grad(f)(x)) * jnp.sqrt(jnp.linalg.det(g(x)))  # noqa: E731
    wanted = jnp.trace(jax.jacfwd(flux)(x)) / jnp.sqrt(jnp.linalg.det(g(x)))
    assert at(laplace_beltrami(g, f), x) == pytest.approx(float(wanted), rel=1e-12)
    if g is spherical:
        assert wanted == pytest.approx(float((4 * x[0] ** 2 - 6) * jnp.exp(-(x[0] ** 2))), rel=1e-12)


def scaled_sphere(radius, x):
    return sphere(x, radius)


class Scaled(eqx.Module):
    radius: jax.Array

    def __call__(self, x):
        return sphere(x, self.radius)


def sphere_entries(radius, x):
    return sphere(x, radius).reshape(-1)


SPHERE_BOX = Domain((4, 4), 0.5, "neumann", origin=0.3)
PARAMETRISED = {
    "Partial": lambda radius: jax.tree_util.Partial(scaled_sphere, radius),
    "bind": lambda radius: bind(scaled_sphere, radius),
    "Module": Scaled,
    "field": lambda radius: Continuous(radius, SPHERE_BOX, sphere_entries),
}
parametrised = pytest.mark.parametrize("make", PARAMETRISED.values(), ids=PARAMETRISED)


@parametrised
def test_four_parameter_values_are_one_trace(make):
    traces = []

    @jax.jit
    def evaluate(function, x):
        traces.append(None)
        return function(x)

    values = [evaluate(scalar_curvature(make(jnp.asarray(radius))), POINT[2]) for radius in (0.5, 1.0, 2.0, 4.0)]
    np.testing.assert_allclose(values, [8, 2, 0.5, 0.125], rtol=1e-4)
    assert len(traces) == 1


@parametrised
def test_curvature_has_gradients_by_the_parameters_of_the_metric(make, float64):
    slope = jax.grad(lambda radius: scalar_curvature(make(radius))(jnp.asarray(POINT[2], float)))(jnp.array(2.0))
    assert slope == pytest.approx(-4 / 2.0**3, rel=1e-12)
    by_function = jax.grad(lambda function: function(jnp.asarray(POINT[2], float)))(
        scalar_curvature(make(jnp.array(2.0)))
    )
    assert [float(leaf) for leaf in jax.tree.leaves(by_function)] == pytest.approx([-0.5], rel=1e-12)


def test_functions_map_compile_and_keep_float32(float64):
    points = jnp.array([[0.7, 0.4], [1.1, 0.2], [2.0, -1.0]], jnp.float32)
    metric = jax.tree_util.Partial(lambda a, x: a**2 * jnp.diag(jnp.stack([x[0] / x[0], jnp.sin(x[0]) ** 2])), 2.0)
    f = lambda x: jnp.stack([x[0], x[1] ** 2])  # noqa: E731
    shapes = [
        (volume_element(metric), ()),
        (christoffel(metric), (2, 2, 2)),
        (riemann(metric), (2, 2, 2, 2)),
        (ricci(metric), (2, 2)),
        (scalar_curvature(metric), ()),
        (kretschmann(metric), ()),
        (covariant_derivative(metric, f, "u"), (2, 2)),
        (laplace_beltrami(metric, f), (2,)),
    ]
    values = jax.jit(lambda functions: [jax.vmap(function)(points) for function in functions])(
        [function for function, _ in shapes]
    )
    for value, (_, shape) in zip(values, shapes, strict=True):
        assert value.shape == (3, *shape) and value.dtype == jnp.float32
    np.testing.assert_allclose(values[4], 0.5, rtol=1e-4)


def test_points_may_be_lists_and_integers_and_metrics_integers():
    assert volume_element(polar)([3, 1]) == pytest.approx(3)
    constant = lambda x: jnp.array([[2, 1], [1, 5]])  # noqa: E731
    assert volume_element(constant)([3, 1]) == pytest.approx(3)
    assert at(laplace_beltrami(constant, lambda x: x[0] ** 2), jnp.ones(2)) == pytest.approx(10 / 9)


def test_a_degenerate_metric_has_no_volume_and_no_curvature():
    origin = jnp.zeros(2)
    assert volume_element(polar)(origin) == 0
    assert jnp.isnan(scalar_curvature(polar)(origin))


def test_one_dimension_is_flat(float64):
    line = lambda x: jnp.exp(x)[None]  # noqa: E731
    x = jnp.array([0.3])
    assert scalar_curvature(line)(x) == 0
    assert christoffel(line)(x) == pytest.approx(0.5)
    assert laplace_beltrami(line, lambda x: x[0])(x) == pytest.approx(-0.5 * np.exp(-0.3))


def test_a_fourier_series_is_a_metric(float64):
    domain = Domain((8, 6), (2 * np.pi / 8, 2 * np.pi / 6))
    angle = domain.grid[..., 0]
    entries = [1.25**2 * jnp.ones_like(angle), 0 * angle, 0 * angle, (3 + 1.25 * jnp.cos(angle)) ** 2]
    g = FourierSeries(jnp.stack(entries, -1), domain)
    x = jnp.asarray(POINT[2], float)
    np.testing.assert_allclose(ricci(g)(x), ricci(torus)(x), atol=1e-12)


GRID = Domain((5, 5), 0.1)
WRONG = [
    (lambda: christoffel(jnp.eye(2)), r"`g` must be a function of a point, got .*Array.*lambda x"),
    (lambda: MetricNet(3.0), r"`net` must be a function of a point, got float"),
    (lambda: ricci(FiniteDifferences.empty(GRID, 4)), r"`g` must be a smooth function of a point, got FiniteDiff"),
    (lambda: laplace_beltrami(polar, 1.0), r"`f` must be a function of a point, got float"),
    (lambda: covariant_derivative(polar, polar, "dx"), r"`variance` must have the letters 'u' and 'd' only, got 'dx'"),
    (lambda: covariant_derivative(polar, polar, 2), r"`variance` must have the letters 'u' and 'd' only, got 2"),
    (lambda: riemann(polar)(jnp.ones((5, 2))), r"`x` must be one point.*got float32 of shape \(5, 2\).*vmap"),
    (lambda: riemann(polar)(jnp.ones(2) * 1j), r"`x` must be one point, real.*got complex64"),
    (lambda: riemann(spherical)(POINT[2]), r"`g` must return shape \(2, 2\) or \(4,\).*2 coordinates, got \(3, 3\)"),
    (lambda: ricci(lambda x: jnp.eye(2) * 1j)(POINT[2]), r"`g` must return real numbers, got complex64.*kahler"),
    (
        lambda: covariant_derivative(polar, lambda x: x, "ud")(POINT[2]),
        r"`T` must return shape \(2, 2\) or \(4,\) at a point with 2 coordinates, got \(2,\)",
    ),
    (lambda: MetricNet(lambda x: x)(POINT[2]), r"`net` must return shape \(3,\) or \(3,\)"),
]


def test_a_field_on_a_mesh_is_no_smooth_function():
    mesh = SimplexMesh.from_points(np.random.default_rng(0).uniform(size=(20, 2)))
    u = NodalField.from_function(lambda x: jnp.exp(x[0]) * jnp.eye(2).ravel(), mesh)
    for call in (scalar_curvature, lambda u: laplace_beltrami(lambda x: jnp.eye(2), u)):
        with pytest.raises(ValueError, match=r"must be a smooth function of a point, got NodalField"):
            call(u)


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_wrong_arguments_are_told_what_is_right(call, message):
    with pytest.raises(ValueError, match=message):
        call()
