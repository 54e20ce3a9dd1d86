"""Wirtinger derivatives and Kähler metrics of known curvature, the real geometry for comparison, wrong arguments."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.fields import Continuous, Domain
from pdequinox.geometry import (
    HermitianMetricNet,
    christoffel,
    ddbar,
    kahler_christoffel,
    kahler_metric,
    kahler_ricci,
    kahler_riemann,
    kahler_scalar_curvature,
    riemann,
    scalar_curvature,
    wirtinger,
    wirtinger_bar,
)


@jax.jit
def at(function, p):
    return function(p)


def complex_coordinates(p):
    n = p.size // 2
    return p[:n] + 1j * p[n:]


def fubini_study(p):
    """In closed form: (delta (1 + |z|²) - zbar_mu z_nu) / (1 + |z|²)²."""
    z = complex_coordinates(p)
    size = 1 + jnp.sum(p**2)
    return (jnp.eye(z.size) * size - jnp.outer(z.conj(), z)) / size**2


def potential(p):
    return jnp.log(1 + jnp.sum(p**2))


def wavy_potential(p):
    return jnp.sum(p**2) + 0.1 * jnp.sin(p[0] + 2 * p[-1]) * jnp.cos(p[1] - p[0]) + 0.05 * jnp.prod(p)


def point(n):
    return jax.random.normal(jax.random.key(n), (2 * n,), float) / 2


def real_metric(g):
    """The metric 2 g dz dzbar by the real coordinates."""

    def metric(p):
        h = g(p)
        return 2 * jnp.block([[h.real, h.imag], [-h.imag, h.real]])

    return metric


def test_wirtinger_derivatives_of_a_sum_of_cosines(float64):
    value = at(wirtinger(lambda p: jnp.sum(jnp.cos(p))), jnp.ones(8))
    np.testing.assert_allclose(value, np.full(4, -0.42073549 + 0.42073549j), atol=1e-8)
    np.testing.assert_allclose(value, (-1 + 1j) * np.sin(1) / 2, rtol=1e-14)


def test_holomorphic_functions_have_complex_derivatives_and_no_others(float64):
    p = point(2)
    z = complex_coordinates(p)
    function = lambda p: jnp.stack([complex_coordinates(p)[0] ** 3, jnp.exp(jnp.prod(complex_coordinates(p)))])  # noqa: E731
    wanted = [[3 * z[0] ** 2, 0], [jnp.exp(z[0] * z[1]) * z[1], jnp.exp(z[0] * z[1]) * z[0]]]
    np.testing.assert_allclose(at(wirtinger(function), p), np.array(wanted), rtol=1e-12)
    np.testing.assert_allclose(at(wirtinger_bar(function), p), 0, atol=1e-14)
    conjugate = lambda p: function(p).conj()  # noqa: E731
    np.testing.assert_allclose(at(wirtinger_bar(conjugate), p), np.conj(wanted), rtol=1e-12)


def test_mixed_derivatives_have_the_holomorphic_index_first(float64):
    p = point(3)
    z = complex_coordinates(p)
    function = lambda p: complex_coordinates(p)[0] ** 2 * complex_coordinates(p)[2].conj() ** 3  # noqa: E731
    wanted = np.zeros((3, 3), complex)
    wanted[0, 2] = 2 * z[0] * 3 * z[2].conj() ** 2
    np.testing.assert_allclose(at(ddbar(function), p), wanted, atol=1e-13)
    of_real = at(ddbar(wavy_potential), p)
    np.testing.assert_allclose(of_real, of_real.conj().T, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_projective_space_is_an_einstein_manifold(n, float64):
    p, g = point(n), fubini_study
    np.testing.assert_allclose(at(kahler_metric(potential), p), g(p), atol=1e-15)
    for metric in (g, kahler_metric(potential)) if n < 3 else (g,):
        np.testing.assert_allclose(at(kahler_ricci(metric), p), (n + 1) * g(p), atol=1e-13)
        assert at(kahler_scalar_curvature(metric), p) == pytest.approx(n * (n + 1), rel=1e-12)
    # Constant holomorphic sectional curvature 2.
    tensor = jnp.einsum("lmnk,la->amnk", at(kahler_riemann(g), p), g(p))
    pairs = jnp.einsum("ma,nk->amnk", g(p), g(p)) + jnp.einsum("na,mk->amnk", g(p), g(p))
    np.testing.assert_allclose(tensor, pairs, atol=1e-13)


def test_scalar_curvature_of_projective_spaces_in_both_normalisations(float64):
    assert at(kahler_scalar_curvature(fubini_study), point(10)) == pytest.approx(110, rel=1e-12)
    normalised = lambda p: fubini_study(p) / jnp.pi  # noqa: E731
    assert at(kahler_scalar_curvature(normalised), point(2)) == pytest.approx(6 * np.pi, rel=1e-12)


@pytest.mark.parametrize("n", [1, 2])
def test_kahler_geometry_is_the_real_geometry_in_complex_coordinates(n, float64):
    """Of a metric without symmetries; vectors with index lambda are dz^lambda = dx + i dy."""
    p, g = point(n), kahler_metric(wavy_potential)
    real = real_metric(g)
    assert at(scalar_curvature(real), p) == pytest.approx(2 * float(at(kahler_scalar_curvature(g), p)), rel=1e-10)
    to_complex = jnp.concatenate([jnp.eye(n), 1j * jnp.eye(n)], axis=1)
    # d/dz = (d/dx - i d/dy) / 2
    vectors = jnp.concatenate([jnp.eye(n), -1j * jnp.eye(n)]) / 2
    gamma = jnp.einsum("lk,kij,im,jn->lmn", to_complex, at(christoffel(real), p), vectors, vectors)
    np.testing.assert_allclose(at(kahler_christoffel(g), p), gamma, atol=1e-12)
    mixed = jnp.einsum("lk,kmij,mn->lnij", to_complex, at(riemann(real), p), vectors)
    mixed = jnp.einsum("lnij,ia,jb->lnab", mixed, vectors, vectors.conj())
    # kahler_riemann[l, m, n, kbar]: the vector's index m, then the pair (n, kbar).
    np.testing.assert_allclose(at(kahler_riemann(g), p), mixed, atol=1e-11)
    trace = jnp.einsum("llnk->nk", at(kahler_riemann(g), p))
    np.testing.assert_allclose(at(kahler_ricci(g), p), trace, atol=1e-11)


class Scaled(eqx.Module):
    factor: jax.Array

    def __call__(self, p):
        return self.factor * fubini_study(p)


def scaled(factor, p):
    return factor * fubini_study(p)


def entries(factor, p):
    return (factor * fubini_study(p)).reshape(-1)


BOX = Domain((2, 2, 2, 2), 0.5)
PARAMETRISED = {
    "Partial": lambda factor: jax.tree_util.Partial(scaled, factor),
    "Module": Scaled,
    "field": lambda factor: Continuous(factor, BOX, entries),
}


@pytest.mark.parametrize("make", PARAMETRISED.values(), ids=PARAMETRISED)
def test_curvature_by_the_scale_of_the_metric_in_one_trace(make, float64):
    traces = []

    @jax.jit
    def slope(function, p):
        traces.append(None)
        return jax.value_and_grad(lambda function: function(p))(function)

    for factor in (0.5, 1.0, 2.0, 4.0):
        value, by_function = slope(kahler_scalar_curvature(make(jnp.asarray(factor))), point(2))
        assert value == pytest.approx(6 / factor, rel=1e-12)
        assert [float(leaf) for leaf in jax.tree.leaves(by_function)] == pytest.approx([-6 / factor**2], rel=1e-12)
    assert len(traces) == 1


def network(in_size, out_size, dtype):
    return eqx.nn.MLP(in_size, out_size, 4, 1, jax.nn.softplus, dtype=dtype, key=jax.random.key(0))


def test_a_learned_potential_keeps_the_metric_kahler_and_has_gradients(float64):
    g = kahler_metric(network(4, "scalar", float), fubini_study)
    p = point(2)
    by_network = jax.jit(jax.grad(lambda g: kahler_scalar_curvature(g)(p)))(g)
    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(by_network))
    assert sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(by_network)) > 1e-4
    np.testing.assert_allclose(at(kahler_metric(potential, g), p), fubini_study(p) + at(g, p), atol=1e-14)
    gamma = at(kahler_christoffel(g), p)
    np.testing.assert_allclose(gamma, jnp.swapaxes(gamma, 1, 2), atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_hermitian_metric_network_is_positive_definite_and_not_kahler(n, float64):
    g = HermitianMetricNet(network(2 * n, n * n, float))
    points = jax.random.normal(jax.random.key(1), (20, 2 * n))
    values = jax.vmap(g)(points)
    assert values.shape == (20, n, n) and values.dtype == jnp.complex128
    np.testing.assert_allclose(values, jnp.conj(jnp.swapaxes(values, 1, 2)), atol=1e-15)
    assert jnp.min(jnp.linalg.eigvalsh(values)) > 0
    assert n == 1 or jnp.max(jnp.abs(values.imag)) > 1e-3
    gamma = at(kahler_christoffel(g), points[0])
    assert n == 1 or not np.allclose(gamma, jnp.swapaxes(gamma, 1, 2), atol=1e-4)


def test_entries_of_the_hermitian_factor():
    value = HermitianMetricNet(lambda p: jnp.array([0.0, 2.0, -1.0, 3.0]))(jnp.zeros(4))
    lower = np.array([[np.log(2), 0], [2 + 3j, np.log1p(np.exp(-1))]])
    np.testing.assert_allclose(value, lower @ lower.conj().T, rtol=1e-6)


def flat_plus_wave(p):
    """Real values in one complex dimension and float32, which are a Hermitian metric too."""
    return (2 + jnp.sin(p[0] * p[1]))[None, None]


def test_functions_map_and_keep_complex64(float64):
    points = jnp.ones((3, 2), jnp.float32) / 4
    for function, shape in (
        (wirtinger(potential), (1,)),
        (kahler_metric(potential), (1, 1)),
        (kahler_christoffel(flat_plus_wave), (1, 1, 1)),
        (kahler_riemann(flat_plus_wave), (1, 1, 1, 1)),
        (kahler_ricci(flat_plus_wave), (1, 1)),
    ):
        value = jax.jit(jax.vmap(function))(points)
        assert value.shape == (3, *shape) and value.dtype == jnp.complex64
    assert kahler_scalar_curvature(flat_plus_wave)(points[0]).dtype == jnp.float32


WRONG = [
    (lambda: wirtinger(2.0), r"`f` must be a function of a point, got float"),
    (lambda: kahler_metric(potential, jnp.eye(2)), r"`reference` must be a function of a point, got"),
    (lambda: wirtinger(potential)(jnp.ones(3)), r"`x` must be \[Re z, Im z\], of even length, got 3 coordinates"),
    (lambda: kahler_ricci(fubini_study)(jnp.ones(4) * 1j), r"`x` must be one point, real.*\[Re z, Im z\]"),
    (lambda: kahler_metric(lambda p: p)(jnp.ones(4)), r"`potential` must return shape \(\) or \(1,\).*got \(4,\)"),
    (lambda: kahler_riemann(lambda p: jnp.eye(4))(jnp.ones(4)), r"`g` must return shape \(2, 2\) or \(4,\).*\(4, 4\)"),
    (
        lambda: kahler_metric(potential, lambda p: jnp.eye(3))(jnp.ones(4)),
        r"`reference` must return shape \(2, 2\) or \(4,\) at a point with 4 coordinates, got \(3, 3\)",
    ),
    (lambda: HermitianMetricNet(None), r"`net` must be a function of a point, got NoneType"),
    (lambda: HermitianMetricNet(lambda p: p)(jnp.ones(3)), r"`x` must be \[Re z, Im z\], of even length, got 3"),
    (lambda: HermitianMetricNet(lambda p: p[:3])(jnp.ones(4)), r"`net` must return shape \(4,\).*got \(3,\)"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_wrong_arguments_are_told_what_is_right(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_real_and_complex_functions_do_not_promote_dtypes(float64):
    p = jnp.array([0.7, 0.3], jnp.float32)
    g = lambda p: jnp.stack([2 + jnp.sin(p[0]), 0 * p[0], 0 * p[0], 1 + p[1] ** 2])  # noqa: E731
    with jax.numpy_dtype_promotion("strict"):
        for function in (scalar_curvature(g), kahler_scalar_curvature(kahler_metric(potential))):
            value, slope = jax.jit(jax.value_and_grad(function))(p)
            assert value.dtype == slope.dtype == jnp.float32
