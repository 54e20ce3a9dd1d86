"""Fields given by their values on a grid: construction, leading axes, and values between the points."""

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.boundary import spacing
from pdequinox.fields import Continuous, Domain, Field, FiniteDifferences, FourierSeries, OnGrid

GRID_TYPES = (OnGrid, FiniteDifferences, FourierSeries)
BOX = Domain([8, 6], (0.5, 0.25))


at = jax.jit(lambda u, points: jax.vmap(u)(points))


def unit_domain(num_points, mode):
    return Domain(num_points, spacing(num_points, 1.0, mode), (mode,), origin=0)


def random_values(*shape, dtype=None):
    return jax.random.normal(jax.random.key(0), shape, dtype)


@pytest.mark.parametrize("field_type", GRID_TYPES)
def test_values_without_a_channel_axis_are_one_channel(field_type):
    values = np.arange(48.0).reshape(8, 6)
    u = field_type.from_grid(values, BOX)
    assert type(u) is field_type and u.params.shape == (8, 6, 1) and u.dims == 1
    np.testing.assert_array_equal(u.on_grid[..., 0], values)
    assert field_type.from_grid(np.ones((3, 8, 6, 2)), BOX).params.shape == (3, 8, 6, 2)


@pytest.mark.parametrize("field_type", GRID_TYPES)
def test_an_empty_field_is_zero(field_type, float64):
    u = field_type.empty(BOX, dims=3, dtype=jnp.float32)
    assert type(u) is field_type and u.params.dtype == jnp.float32
    np.testing.assert_array_equal(u.params, np.zeros((8, 6, 3)))


def test_whether_values_are_complex_is_known():
    u = FourierSeries(random_values(8, 6, 2), BOX)
    assert u.is_real and not u.is_complex
    assert (1j * u).is_complex and not (1j * u).is_real and (1j * u).params.dtype == jnp.complex64


def test_wavenumbers_are_those_of_a_transform_of_each_axis():
    u = FourierSeries(random_values(8, 6, 1), BOX)
    assert u._freq_axis[0].shape == (5,) and u._freq_axis[1].shape == (4,)
    np.testing.assert_allclose(u.wavenumbers[0], 2 * np.pi / 4.0 * np.arange(5))
    np.testing.assert_allclose((u * 1j).wavenumbers[1], 2 * np.pi / 1.5 * np.array([0, 1, 2, -3, -2, -1]))


def test_what_a_field_knows_besides_its_values_is_kept():
    domain = Domain((8, 6), 0.5, ("neumann", "periodic"))
    options = {"accuracy": 4, "ghosts": "reflect", "free_axes": [0]}
    u = FiniteDifferences.from_grid(random_values(3, 8, 6, 2), domain, **options)
    kept = [u, u[1], u[:2], u.replace_params(u.params[0]), -u, 2 * u, u + u, u * u, u / 2]
    kept += [jax.jit(lambda u: u)(u), jax.tree.map(jnp.zeros_like, u), FiniteDifferences.empty(domain, **options)]
    for field in kept:
        assert type(field) is FiniteDifferences and field.domain == domain
        assert (field.accuracy, field.ghosts, field.condition) == (4, "reflect", ("free", "periodic"))


def test_a_field_of_the_users_own_keeps_what_it_adds():
    class Labelled(OnGrid):
        label: str = eqx.field(static=True, default="none")

        def __init__(self, params, domain, free_axes=(), label="none"):
            super().__init__(params, domain, free_axes)
            self.label = label

    u = Labelled(random_values(8, 6, 1), BOX, label="pressure")
    for field in (
        u.replace_params(u.params[..., :1]),
        u + u,
        2 * u,
        Labelled.from_grid(u.params, BOX, label="pressure"),
    ):
        assert type(field) is Labelled and field.label == "pressure"
    with pytest.raises(ValueError, match="the same label, got 'pressure' and 'none'"):
        u + Labelled(u.params, BOX)


def test_leading_axes_are_indexed_and_iterated():
    values = random_values(3, 2, 8, 6, 1)
    u = FiniteDifferences(values, BOX, accuracy=4)
    assert len(u) == 3 and [field.params.shape for field in u] == [(2, 8, 6, 1)] * 3
    indices = (1, -1, np.int64(2), (0, 1), slice(1, 3), (slice(None), 0), np.array([0, 2]), jnp.array([2, 0]))
    for index in (*indices, np.array([True, False, True])):
        np.testing.assert_array_equal(u[index].params, values[index])
        assert u[index].accuracy == 4
    np.testing.assert_array_equal(jax.jit(lambda i: u[i])(2).params, values[2])


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (3, "the index must lie within the 3 entries of axis 0, got 3"),
        (-4, "the index must lie within the 3 entries of axis 0, got -4"),
        (np.int64(3), "the index must lie within the 3 entries of axis 0, got 3"),
        ((0, 2), "the index must lie within the 2 entries of axis 1, got 2"),
        ((0, 1, 0), r"the index must be one into 2 leading axes, got \(0, 1, 0\)"),
        ((..., 0), "the index must be one into 2 leading axes"),
    ],
    ids=str,
)
def test_points_and_channels_are_not_indexed_and_entries_must_exist(index, message):
    u = OnGrid(jnp.ones((3, 2, 8, 6, 1)), BOX)
    with pytest.raises(IndexError, match=message):
        u[index]


def test_one_field_has_no_length_no_entries_and_is_not_iterated():
    u = OnGrid(jnp.ones((8, 6, 1)), BOX)
    for use in (len, list, sum):
        with pytest.raises(TypeError, match="a field without leading axes has no length"):
            use(u)
    with pytest.raises(IndexError, match="the index must be one into 0 leading axes, got 0"):
        u[0]


WALLS = Domain((8, 6), 0.5, ("dirichlet", "periodic"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OnGrid(jnp.ones((8, 6)), BOX), r"shape \(\*batch, 8, 6, channels\), got \(8, 6\)"),
        (lambda: OnGrid(jnp.ones((1, 8, 6)), BOX), r"shape \(\*batch, 8, 6, channels\), got \(1, 8, 6\)"),
        (lambda: OnGrid(jnp.ones((6, 8, 1)), BOX), r"shape \(\*batch, 8, 6, channels\)"),
        (lambda: OnGrid(jnp.ones((8, 6, 0)), BOX), r"shape \(\*batch, 8, 6, channels\)"),
        (lambda: OnGrid(2.0, BOX), r"shape \(\*batch, 8, 6, channels\), got \(\)"),
        (lambda: OnGrid.from_grid(jnp.ones((6, 8)), BOX), r"shape \(\*batch, 8, 6, channels\), got \(6, 8\)"),
        (lambda: OnGrid.empty(BOX).replace_params(jnp.ones((7, 6, 1))), r"got \(7, 6, 1\)"),
        (lambda: OnGrid(np.ones((8, 6, 1), int), BOX), "`params` must hold floating-point or complex numbers, got int"),
        (lambda: OnGrid(jnp.ones((8, 6, 1)), (8, 6)), r"`domain` must be a Domain, got \(8, 6\)"),
        (lambda: Field(1.0, "box"), "`domain` must be a Domain, got 'box'"),
        (lambda: OnGrid(jnp.ones((8, 6, 1)), BOX, (2,)), r"`free_axes` must lie between 0 and 1, got \(2,\)"),
        (lambda: OnGrid.empty(BOX).with_free_axes([-1]), r"`free_axes` must lie between 0 and 1, got \[-1\]"),
        (lambda: FiniteDifferences.empty(BOX, accuracy=3), "`accuracy` must be even, got 3"),
        (lambda: FiniteDifferences.empty(BOX, accuracy=0), "`accuracy` must be an integer of at least 2, got 0"),
        (lambda: FiniteDifferences.empty(BOX, ghosts="odd"), "`ghosts` must be 'polynomial' or 'reflect', got 'odd'"),
        (lambda: FiniteDifferences.empty(WALLS), "`accuracy` must be at most 6 for 8 points between walls, got 8"),
        (lambda: FourierSeries.empty(WALLS), "`domain` must be periodic .* got 'dirichlet' on axis 0"),
        (lambda: OnGrid.empty(BOX)(jnp.ones(3)), r"`x` must have shape \(2,\), got \(3,\)"),
        (lambda: FourierSeries.empty(BOX)(jnp.ones((4, 2))), r"`x` must have shape \(2,\), got \(4, 2\)"),
    ],
)
def test_wrong_fields_and_points_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_representation_without_values_or_arithmetic_says_so():
    with pytest.raises(NotImplementedError, match="Field does not say what its values are"):
        jnp.zeros(Field(1.0, BOX).dims)
    with pytest.raises(NotImplementedError, match="Field has no arithmetic"):
        2 * Field(1.0, BOX)


MODES_IN_2D = [("periodic", "periodic"), ("dirichlet", "cell-neumann"), (("neumann", "cell-dirichlet"), "periodic")]


@pytest.mark.parametrize("modes", MODES_IN_2D, ids=str)
@pytest.mark.parametrize("options", [{}, {"accuracy": 2}, {"accuracy": 4}, {"accuracy": 4, "ghosts": "reflect"}])
def test_a_field_takes_its_values_at_the_points(modes, options, float64):
    domain = Domain((8, 6), (0.5, 0.25), modes, origin=(1.0, -3.0))
    field_types = [FiniteDifferences] if options else [OnGrid] + [FourierSeries] * (modes == MODES_IN_2D[0])
    for field_type in field_types:
        u = field_type(random_values(2, 8, 6, 3), domain, **options)
        values = at(u, domain.grid.reshape(-1, 2))
        assert values.shape == (48, 2, 3)
        np.testing.assert_allclose(jnp.moveaxis(values, 0, 1).reshape(2, 8, 6, 3), u.params, atol=1e-12)


def satisfying(mode):
    """A function that satisfies the condition at 0 and 1, with other derivatives that vanish at neither."""
    x = np.pi * 2 if mode == "periodic" else np.pi
    return {
        "periodic": lambda t: jnp.exp(jnp.sin(x * t)),
        "dirichlet": lambda t: jnp.exp(t) * jnp.sin(x * t),
        "neumann": lambda t: jnp.exp(t) * (jnp.sin(x * t) - x * jnp.cos(x * t)),
        ("dirichlet", "neumann"): lambda t: t * jnp.exp(-t),
        "free": lambda t: jnp.exp(2 * t),
    }[mode if isinstance(mode, tuple) else mode.removeprefix("cell-")]


@pytest.mark.parametrize(
    ("mode", "accuracy"),
    [
        *itertools.product(["periodic", "neumann", "cell-dirichlet", "free"], [None, 2, 4, 8]),
        *itertools.product(["dirichlet", "cell-neumann", ("dirichlet", "neumann")], [4]),
    ],
    ids=str,
)
def test_interpolation_converges_with_the_accuracy_up_to_the_walls(mode, accuracy, float64):
    """With accuracy 2, like any field on a grid, linearly: of order 2."""
    function, errors = satisfying(mode), []
    points = jnp.linspace(0, 1, 801)[:, None]
    for num_points in (32, 64):
        domain = unit_domain(num_points, "dirichlet" if mode == "free" else mode)
        options = {"free_axes": [0]} if mode == "free" else {}
        make = OnGrid.from_grid if accuracy is None else FiniteDifferences.from_grid
        options |= {} if accuracy is None else {"accuracy": accuracy}
        u = make(function(domain.spatial_axis[0]), domain, **options)
        errors.append((jnp.max(jnp.abs(at(u, points) - function(points))), domain.dx[0]))
    (coarse, h_coarse), (fine, h_fine) = errors
    order = math.log(coarse / fine) / math.log(h_coarse / h_fine)
    assert order == pytest.approx(accuracy or 2, abs=0.5 if accuracy == 8 else 0.25) and fine < 0.01


@pytest.mark.parametrize("options", [{}, {"accuracy": 2}, {"accuracy": 4}, {"accuracy": 4, "ghosts": "reflect"}])
@pytest.mark.parametrize("mode", ["dirichlet", "cell-dirichlet", ("cell-dirichlet", "dirichlet")], ids=str)
def test_any_field_vanishes_at_a_dirichlet_wall_unless_it_is_free(mode, options, float64):
    field_type = FiniteDifferences if options else OnGrid
    u = field_type(random_values(9, 1), unit_domain(9, mode), **options)
    free = u.with_free_axes([0])
    for wall in (0.0, 1.0):
        np.testing.assert_allclose(u(jnp.array([wall])), 0, atol=1e-12)
        assert jnp.abs(free(jnp.array([wall])))[0] > 0.01


@pytest.mark.parametrize("accuracy", [4, 6])
@pytest.mark.parametrize("mode", ["neumann", "cell-neumann"])
def test_the_slope_of_any_field_vanishes_at_a_neumann_wall_unless_it_is_free(mode, accuracy, float64):
    u = FiniteDifferences(random_values(9, 1), unit_domain(9, mode), accuracy)
    for wall in (0.0, 1.0):
        slope = lambda u, wall=wall: jax.jacfwd(u)(jnp.array([wall]))[0, 0]  # noqa: E731
        assert abs(slope(u)) < 1e-10 < 0.1 < abs(slope(u.with_free_axes([0])))


def test_cubics_are_exact_in_every_direction_and_beyond_the_walls(float64):
    domain = Domain((8, 6), (0.5, 0.25), ("neumann", "cell-dirichlet"), origin=(1.0, -3.0))
    function = lambda x: jnp.stack([(x[0] - 2) ** 3 * (x[1] + 1), x[1] ** 3 - x[0]])  # noqa: E731
    values = Continuous((), domain, lambda _, x: function(x)).on_grid
    u = FiniteDifferences(values, domain, accuracy=4, free_axes=(0, 1))
    points = domain.domain_sampler(jax.random.key(0), 40) * 1.2
    np.testing.assert_allclose(at(u, points), jax.vmap(function)(points), rtol=1e-9, atol=1e-9)


def test_linear_interpolation_in_three_dimensions_is_exact_for_products_of_straight_lines(float64):
    domain = Domain((4, 3, 5), (0.5, 0.25, 1.0), "neumann")
    function = lambda x: x[..., :1] * (x[..., 1:2] - 1) * x[..., 2:] - 2 * x[..., :2]  # noqa: E731
    u = OnGrid(function(domain.grid), domain, free_axes=(0, 1, 2))
    points = domain.domain_sampler(jax.random.key(0), 20)
    np.testing.assert_allclose(at(u, points), function(points), atol=1e-12)


@pytest.mark.parametrize("field_type", GRID_TYPES)
def test_periodic_axes_wrap(field_type, float64):
    u = field_type(random_values(8, 6, 2), BOX)
    points = BOX.domain_sampler(jax.random.key(1), 10)
    for periods in ((1, 0), (0, -1), (-5, 3)):
        far = points + jnp.array(periods) * jnp.array(BOX.extent)
        np.testing.assert_allclose(at(u, far), at(u, points), atol=1e-9)


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize(("N", "origin"), [((9,), None), ((8,), 0.3), ((8, 7), (1.0, -2.0)), ((5, 6, 5), None)])
def test_a_fourier_series_is_exact_for_waves_that_the_grid_resolves(N, origin, is_complex, float64):
    """Neither even nor odd about any point, so that a series that returns u(-x) is found out."""
    domain = Domain(N, (0.5, 0.25, 1.0)[: len(N)], origin=origin)
    waves = np.array(list(itertools.product(range(-2, 3), repeat=len(N)))) * 2 * np.pi / np.array(domain.extent)
    amplitudes, phases = np.random.default_rng(0).normal(size=(2, len(waves), 2))

    def function(x):
        angles = (waves @ x)[:, None] + phases
        return jnp.sum(amplitudes * (jnp.exp(1j * angles) if is_complex else jnp.cos(angles)), axis=0)

    values = Continuous((), domain, lambda _, x: function(x)).on_grid
    u = FourierSeries(jnp.stack([values, 2 * values]), domain)
    assert u.is_complex is is_complex
    points = domain.domain_sampler(jax.random.key(0), 5)
    expected = jax.vmap(function)(points)
    np.testing.assert_allclose(at(u, points), jnp.stack([expected, 2 * expected], axis=1), atol=1e-11)


def test_the_nyquist_mode_is_a_cosine(float64):
    domain = Domain(6, 0.5, origin=1.0)
    u = FourierSeries((-1.0) ** jnp.arange(6)[:, None], domain)
    x = jnp.linspace(1.0, 4.0, 10)
    np.testing.assert_allclose(at(u, x[:, None])[:, 0], jnp.cos(2 * jnp.pi * (x - 1.0)), atol=1e-12)


@pytest.mark.parametrize("field_type", GRID_TYPES)
def test_a_value_is_differentiable_by_the_point_and_by_the_field(field_type, float64):
    domain = Domain(32, 1 / 32, origin=0)
    wave = lambda x: jnp.sin(2 * jnp.pi * x)  # noqa: E731
    u, x = field_type(wave(domain.grid), domain), jnp.array([0.1003])
    slope = 2 * jnp.pi * jnp.cos(2 * jnp.pi * x[0])
    np.testing.assert_allclose(jax.jit(jax.jacfwd(lambda x: u(x)))(x), slope.reshape(1, 1), rtol=0.1)
    weights = jax.grad(lambda u: u(x)[0])(u)
    assert type(weights) is field_type and jnp.sum(weights.params) == pytest.approx(1)
    assert jnp.sum(weights.params * u.params) == pytest.approx(float(u(x)[0]))
