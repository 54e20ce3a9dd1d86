"""Operators on values, inner products against exact integrals, and what wrong arguments are told."""

import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.boundary import spacing
from pdequinox.fields import Continuous, Domain, FiniteDifferences, FourierSeries, OnGrid
from pdequinox.operators import (
    compose,
    curl,
    derivative,
    diag_jacobian,
    divergence,
    dot_product,
    functional,
    get_component,
    gradient,
    hessian,
    heterog_laplacian,
    inverse,
    jacobian,
    laplacian,
    shift_operator,
    sum_over_dims,
)
from references import MODES, PAIRS

PLANE = Domain((4, 5), (0.5, 0.25))
WALLS = Domain((12, 12, 12), 0.5, ("dirichlet", "neumann", "periodic"))
VALUES = np.random.default_rng(0).uniform(1, 2, (4, 5, 3)).astype(np.float32)


def continuous(domain, channels=2):
    matrix = jnp.linspace(0.1, 0.5, channels * domain.ndim).reshape(channels, domain.ndim)
    return Continuous(matrix, domain, lambda matrix, x: 2 + jnp.sin(matrix @ x))


FIELDS = (OnGrid(VALUES, PLANE), FourierSeries(VALUES, PLANE), continuous(PLANE, 3))
fields = pytest.mark.parametrize("u", FIELDS, ids=lambda u: type(u).__name__)


@fields
def test_operators_on_values_do_to_the_field_what_they_do_to_its_values(u):
    values = np.asarray(u.on_grid)
    cases = (
        (get_component(u, 1), values[..., 1:2]),
        (sum_over_dims(u), values.sum(-1, keepdims=True)),
        (inverse(u), 1 / values),
        (compose(u)(jnp.exp), np.exp(values)),
        (compose(u)(lambda v: v[..., :2] * v[..., 2:]), values[..., :2] * values[..., 2:]),
    )
    for result, wanted in cases:
        assert type(result) is type(u)
        assert result.dims == wanted.shape[-1]
        np.testing.assert_allclose(result.on_grid, wanted, rtol=1e-5)
    np.testing.assert_allclose(functional(u)(jnp.max), values.max(), rtol=1e-6)


def test_operators_on_values_keep_the_conditions_that_hold():
    """Zero is kept by sums and components; a vanishing derivative by any function."""
    u = OnGrid(jnp.ones((12, 12, 12, 2)), WALLS)
    for result in (get_component(u, 1), sum_over_dims(u)):
        assert result.condition == ("dirichlet", "neumann", "periodic")
    for result in (inverse(u), compose(u)(jnp.cos)):
        assert result.condition == ("free", "neumann", "periodic")
    free = u.with_free_axes([1])
    assert get_component(free, 0).condition == sum_over_dims(free).condition == ("dirichlet", "free", "periodic")
    assert compose(free)(jnp.cos).condition == ("free", "free", "periodic")


def axis_field(mode, function, num_points=16, extent=2.0, **options):
    domain = Domain(num_points, spacing(num_points, extent, mode), (mode,), origin=0.0)
    return OnGrid(function(np.asarray(domain.spatial_axis[0]) / extent)[:, None], domain, **options)


@pytest.mark.parametrize("mode", (*MODES, *PAIRS), ids=str)
def test_modes_of_the_domain_are_orthogonal_with_exact_norms(mode, float64):
    ends = (mode, mode) if isinstance(mode, str) else mode
    shift, offset = (np.pi / 2 if "neumann" in ends[0] else 0), (0.5 if ends[0][-4:] != ends[1][-4:] else 0)
    if mode == "periodic":
        offset = 0
    first, second = (axis_field(mode, lambda t, k=k: np.sin((2 * k + offset) * np.pi * t + shift)) for k in (1, 2))
    assert dot_product(first, first) == pytest.approx(1.0, rel=1e-12)
    assert dot_product(first, second) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("mode", MODES[1:])
def test_linear_products_of_free_fields_are_integrated_exactly(mode, float64):
    """The value at a Dirichlet wall is extrapolated where neither field vanishes there."""
    one, line = (axis_field(mode, f, free_axes=[0]) for f in (np.ones_like, lambda t: 3 * t - 1))
    assert dot_product(one, line) == pytest.approx(2 * (1.5 - 1), rel=1e-12)


@pytest.mark.parametrize("mode", (*MODES[1:], *PAIRS), ids=str)
def test_products_of_free_fields_are_integrated_to_second_order(mode, float64):
    errors = []
    for num_points in (128, 256):
        u = axis_field(mode, np.exp, num_points, free_axes=[0])
        errors.append(abs(dot_product(u, u) - (np.exp(2) - 1)))
    assert errors[0] / errors[1] > 3.5


def test_a_product_vanishes_at_a_wall_where_one_of_the_fields_does(float64):
    sine, one = axis_field("dirichlet", lambda t: np.sin(np.pi * t)), axis_field("dirichlet", np.ones_like)
    h = sine.domain.dx[0]
    wanted = h / np.tan(np.pi * h / 4)
    for free in (one, one.with_free_axes([0])):
        assert dot_product(sine, free) == dot_product(free, sine)
        assert dot_product(sine, free) == pytest.approx(wanted, rel=1e-12)


def test_the_plain_sum_is_an_option():
    u, v = OnGrid(VALUES, PLANE), OnGrid(VALUES[::-1], PLANE)
    plain = np.sum(VALUES * VALUES[::-1])
    np.testing.assert_allclose(dot_product(u, v, quadrature=False), plain, rtol=1e-5)
    np.testing.assert_allclose(dot_product(u, v), plain * 0.5 * 0.25, rtol=1e-5)


def test_inner_products_conjugate_the_first_field_and_keep_leading_axes():
    random = np.random.default_rng(0)
    u, v = (random.normal(size=(2, 3, 4, 5, 2)) + 1j * random.normal(size=(2, 3, 4, 5, 2)) for _ in range(2))
    domain = Domain((4, 5), (0.5, 0.25), ("periodic", "neumann"))
    weights = np.array([0.5, 1, 1, 1, 0.5])
    wanted = 0.125 * np.einsum("abxyc,abxyc,y->ab", u.conj(), v, weights)
    got = dot_product(OnGrid(u.astype(np.complex64), domain), OnGrid(v.astype(np.complex64), domain))
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_a_continuous_field_is_integrated_on_the_grid(float64):
    domain = Domain((8, 9), (0.5, 0.25))
    wave = Continuous(jnp.array(2 * np.pi / 4), domain, lambda k, x: jnp.stack([jnp.sin(k * x[0]), jnp.ones(())]))
    assert dot_product(wave, wave) == pytest.approx(4 * 2.25 * (0.5 + 1), rel=1e-12)


SCALAR, VECTOR = FiniteDifferences(VALUES[..., :1], PLANE, accuracy=2), FiniteDifferences(VALUES[..., :2], PLANE)
LINE, THREE = (
    FiniteDifferences(jnp.ones((6, 1)), Domain(6, 1.0)),
    FiniteDifferences(jnp.ones((4, 4, 4, 2)), Domain((4, 4, 4), 1.0)),
)
SERIES = FourierSeries(VALUES[..., :1], PLANE)
BOUNDED = FiniteDifferences(VALUES[..., :1], Domain((4, 5), 0.5, ("neumann", "periodic")), accuracy=2)
EXACT = continuous(PLANE, 1)
COARSE = FiniteDifferences(SCALAR.params, Domain((4, 5), 1.0), accuracy=2)

WRONG_VALUES = {
    "`gradient` must get a field with 1 channels, got 2. Use `jacobian`": lambda: gradient(VECTOR),
    "`diag_jacobian` must get a field with 2 channels, got 1": lambda: diag_jacobian(SCALAR),
    "`divergence` must get a field with 2 channels, got 1": lambda: divergence(SCALAR),
    "`curl` must get a field with 1 or 2 channels, got 3": lambda: curl(FIELDS[1]),
    "`curl` must get a field with 3 channels, got 2": lambda: curl(THREE),
    "`curl` must get a field in 2D or 3D, got one in 1D": lambda: curl(LINE),
    "`axis` must be less than 2, got 2": lambda: derivative(SCALAR, 2),
    "`axis` must be less than 2, got 3": lambda: derivative(EXACT, 3, params=None),
    "`axis` must be an integer of at least 0, got -1": lambda: derivative(SCALAR, -1),
    "`order` must be an integer of at least 1, got 0": lambda: derivative(SERIES, 0, 0),
    r"`stagger` must be one finite number or one per axis \(2\), got": lambda: gradient(
        SCALAR, stagger=[0.5, 0.5, 0.5]
    ),
    "`stagger` must be one finite number or one per axis.*got nan": lambda: gradient(EXACT, stagger=float("nan")),
    r"`dx` must be one finite number or one per axis \(2\)": lambda: shift_operator(SERIES, (0.1, 0.1, 0.1)),
    "a shift must be at most 1 spacings along the bounded axis 0, got -1.2": lambda: shift_operator(
        BOUNDED, (-0.6, 3.0)
    ),
    r"`params` must be a list with one entry per axis \(2\)": lambda: gradient(SCALAR, params=[np.ones((3, 1))]),
    r"`params` must be a list with one entry per axis": lambda: laplacian(SCALAR, params=np.ones((3, 1))),
    r"one axis per spatial axis \(2\), such as \(3, 1\), got shape \(3,\)": lambda: gradient(
        SCALAR, params=[np.ones(3)] * 2
    ),
    "`params` must hold 3 wave numbers for axis 0 of this field, got shape": lambda: gradient(
        SERIES, params={"k_vec": [np.ones(4), np.ones(3)]}
    ),
    "`params` must be left out for a function of a point": lambda: laplacian(EXACT, params=[np.ones((3, 1))] * 2),
    "`params` must be left out for an operator that has none": lambda: sum_over_dims(SCALAR, params=1.0),
    "`params` must be left out for an operator that has none, got": lambda: compose(EXACT, params=1.0),
    r"`dim` must be less than the number of channels \(2\), got 2": lambda: get_component(VECTOR, 2),
    "`dim` must be an integer of at least 0, got -1": lambda: get_component(VECTOR, -1),
    r"`v` must have as many channels as `u` \(1\), got 3": lambda: dot_product(SERIES, FIELDS[1]),
    "two fields must have the same domain": lambda: dot_product(SCALAR, COARSE),
    "two fields must have the same domain, got": lambda: heterog_laplacian(SCALAR, COARSE),
    "`u` and `c` must have one channel, got 1 and 3": lambda: heterog_laplacian(SERIES, FIELDS[1]),
}
WRONG_TYPES = {
    "two fields must have the same type, got FiniteDifferences and FourierSeries": lambda: dot_product(SCALAR, SERIES),
    "two fields must have the same type": lambda: heterog_laplacian(SERIES, SCALAR),
    "`c` must be a field like `u`, got float. For a number use": lambda: heterog_laplacian(SCALAR, 2.0),
}


@pytest.mark.parametrize("message", WRONG_VALUES)
def test_wrong_values_are_refused(message):
    with pytest.raises(ValueError, match=message):
        WRONG_VALUES[message]()


@pytest.mark.parametrize("message", WRONG_TYPES)
def test_wrong_types_are_refused(message):
    with pytest.raises(TypeError, match=message):
        WRONG_TYPES[message]()


@pytest.mark.parametrize(
    ("op", "params"),
    [
        (hessian, gradient.default_params(SCALAR)),
        (hessian, {"laplacian": laplacian.default_params(SCALAR)}),
        (jacobian, {"k_vec": SERIES.wavenumbers}),
    ],
)
def test_parameters_of_another_operator_are_refused(op, params):
    """A Hessian by the stencils of first derivatives alone would be wrong without a word."""
    with pytest.raises(ValueError, match="`params` must be"):
        op(SCALAR, params=params)


@pytest.mark.parametrize(
    "params", [gradient.default_params(SCALAR), {"k": []}, np.ones(3)], ids=["list", "dict", "array"]
)
def test_parameters_that_are_no_wave_numbers_are_refused(params):
    with pytest.raises(ValueError, match="`params` must"):
        gradient(SERIES, params=params)
