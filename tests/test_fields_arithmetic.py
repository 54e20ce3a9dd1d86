"""Arithmetic of fields: values, the conditions that it keeps, what cannot be mixed, and fields in transformations."""

import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.fields import Continuous, Domain, FiniteDifferences, FourierSeries, OnGrid

BOX = Domain((8, 6), (0.5, 0.25))
OPERATIONS = {name: getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "pow")}


def positive(*shape, seed=0):
    return jax.random.uniform(jax.random.key(seed), shape, minval=0.5, maxval=2.0)


OTHERS = {
    "number": 3,
    "NumPy number": np.float32(0.5),
    "JAX number": jnp.float32(1.5),
    "one number per channel": np.array([2.0, 3.0], np.float32),
    "NumPy values": np.asarray(positive(8, 6, 2, seed=1)),
    "JAX values": positive(8, 6, 1, seed=2),
    "values along one axis": positive(1, 6, 1, seed=3),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("other", OTHERS)
def test_a_field_combines_with_numbers_and_arrays_on_either_side(name, other):
    function, other = OPERATIONS[name], OTHERS[other]
    u = FourierSeries(positive(8, 6, 2), BOX)
    for result, expected in (
        (function(u, other), function(np.asarray(u.params), np.asarray(other))),
        (function(other, u), function(np.asarray(other), np.asarray(u.params))),
    ):
        assert type(result) is FourierSeries and result.domain == BOX
        np.testing.assert_allclose(result.params, expected, rtol=1e-5)


@pytest.mark.parametrize("name", OPERATIONS)
def test_fields_of_one_domain_combine_point_by_point(name):
    u, v = OnGrid(positive(8, 6, 2), BOX), OnGrid(positive(3, 8, 6, 1, seed=1), Domain([8, 6], [0.5, 0.25]))
    result = OPERATIONS[name](u, v)
    assert type(result) is OnGrid and result.params.shape == (3, 8, 6, 2)
    np.testing.assert_allclose(result.params, OPERATIONS[name](u.params, v.params), rtol=1e-6)


def test_signs():
    u = OnGrid(positive(8, 6, 2), BOX)
    np.testing.assert_array_equal((-u).params, -u.params)
    np.testing.assert_array_equal((+u).params, u.params)


@pytest.mark.parametrize("number", [1 + 2j, np.complex64(1j), np.array([1 - 1j]), jnp.array([2j])], ids=repr)
def test_complex_numbers_make_complex_fields(number):
    for u in (FourierSeries(positive(8, 6, 1), BOX), Continuous(jnp.ones(1), BOX, lambda p, x: p * x[:1])):
        result = number * u - 1j
        assert result.is_complex and result.on_grid.dtype == jnp.complex64
        np.testing.assert_allclose(result.on_grid, np.asarray(number) * u.on_grid - 1j, rtol=1e-6)


def test_single_precision_stays_when_double_precision_is_enabled(float64):
    values = positive(8, 6, 1).astype(jnp.float32)
    domain, x = Domain((8, 6), (0.5, 0.25), origin=0), jnp.array([0.3, 0.7])
    fields = [OnGrid(values, domain), FiniteDifferences(values, domain), FourierSeries(values, domain)]
    fields.append(Continuous({"scale": np.float32(2)}, domain, lambda p, x: p["scale"] * x[:1] + 1))
    for u in fields:
        for result in (
            u + 1,
            np.float64(0.5) * u + np.ones(1),
            0.5 - u,
            2 * u,
            u / 3,
            1 / u,
            u**2,
            u**0.5,
            u * u,
            u + jnp.float32(1),
            u.replace_params(u.params),
        ):
            assert result.on_grid.dtype == jnp.float32
        assert isinstance(u, Continuous) or u(x).dtype == jnp.float32
    assert FourierSeries(values * 1j, domain)(x).dtype == jnp.complex64
    assert FourierSeries.from_grid(np.ones((8, 6), np.float32), domain).params.dtype == jnp.float32


# Along the axes: u = 0 at the walls, u' = 0 at the walls, and no walls.
MIXED = Domain((8, 6, 4), (0.5, 0.25, 1.0), (("neumann", "dirichlet"), "cell-neumann", "periodic"), origin=0)


def satisfying(domain, free_axes=()):
    """A field that satisfies the conditions of `MIXED` and varies along all axes."""

    def function(_, x):
        a, b, c = x * jnp.pi / jnp.asarray(domain.extent)
        return jnp.stack([jnp.cos(a / 2) * (2 + jnp.cos(b)), jnp.cos(a / 2) * (3 + jnp.cos(2 * b))]) * (
            2 + jnp.sin(2 * c)
        )

    return Continuous((), domain, function, free_axes)


NOTHING_LOST = {
    "u + u": lambda u: u + u,
    "u - u / 2": lambda u: u - u / 2,
    "u * u": lambda u: u * u,
    "-u": lambda u: -u,
    "+u": lambda u: +u,
    "multiples": lambda u: 2 * u * 3.0,
    "multiples by traceable numbers": lambda u: jnp.float32(2) * u / jnp.float32(3),
    "fractions": lambda u: u / 2,
    "one factor per channel": lambda u: np.array([2.0, 3.0]) * u / jnp.array([2.0, 4.0]),
    "powers": lambda u: u**2 + u**0.5 + u ** np.float32(1.5),
    "nothing added": lambda u: 0 + u - 0.0,
    "nothing minus": lambda u: 0 - u,
    "sum": lambda u: sum([u, u, u]),
}
ZERO_LOST = {
    "a number added": lambda u: u + 1,
    "from a number": lambda u: 1 - u,
    "one number per channel added": lambda u: u + np.array([1.0, 2.0]),
    "a number that may be zero": lambda u: u - jnp.float32(0),
    "a ratio": lambda u: u / u,
    "an inverse": lambda u: 1 / u,
    "an inverse power": lambda u: u**-1,
    "the zeroth power": lambda u: u**0,
    "an unknown power": lambda u: u ** jnp.float32(2),
    "a power of a number": lambda u: 2**u,
    "a power of itself": lambda u: u**u,
}
ALL_LOST = {
    "values added": lambda u: u + jnp.ones((8, 6, 4, 2)),
    "values multiplied": lambda u: np.ones((8, 6, 4, 1)) * u,
    "divided by values": lambda u: u / jnp.ones((8, 6, 4, 1)),
    "values of one axis": lambda u: u * jnp.arange(1.0, 9.0)[:, None, None, None],
    "subtracted from values": lambda u: jnp.ones((8, 6, 4, 2)) - u,
    "powers that vary": lambda u: u ** jnp.ones((8, 6, 4, 1)),
}
CASES = [
    pytest.param(function, lost, id=name)
    for functions, lost in ((NOTHING_LOST, ()), (ZERO_LOST, (0,)))
    for name, function in functions.items()
]
CASES_ON_GRID = [pytest.param(function, (0, 1), id=name) for name, function in ALL_LOST.items()]
CASES_ON_GRID += [pytest.param(lambda u: u * jnp.ones((1, 1, 1, 2)), (), id="numbers of shape (1, ..., C)")]


@pytest.mark.parametrize(("function", "lost"), CASES + CASES_ON_GRID)
def test_arithmetic_keeps_the_conditions_that_follow(function, lost):
    u = OnGrid(positive(8, 6, 4, 2), MIXED)
    for free in ((), (0,), (1,), (0, 1)):
        assert function(u.with_free_axes(free)).free_axes == tuple(sorted({*free, *lost}))


@pytest.mark.parametrize(("function", "lost"), CASES)
def test_conditions_that_arithmetic_keeps_hold_at_the_walls(function, lost, float64):
    """Of a function known everywhere, on the faces of the box."""
    result = function(satisfying(MIXED))
    assert result.free_axes == lost
    slopes = jax.jacfwd(result)
    for axis, wall, is_zero in ((0, 0, False), (0, 1, True), (1, 0, False), (1, 1, False)):
        if axis not in lost:
            point = jnp.asarray(MIXED.extent) * jnp.array([0.3, 0.4, 0.6]).at[axis].set(wall)
            np.testing.assert_allclose(result(point) if is_zero else slopes(point)[:, axis], 0, atol=1e-7)


def test_fields_keep_what_both_satisfy():
    u = OnGrid(positive(8, 6, 4, 1), MIXED)
    a, b = u.with_free_axes([0]), u.with_free_axes([1])
    for function in (operator.add, operator.sub, operator.mul):
        assert function(a, u).free_axes == function(u, a).free_axes == (0,)
        assert function(a, b).condition == ("free", "free", "periodic")
    assert (b / u).free_axes == (0, 1) and (a / u).free_axes == (0,)


def test_the_condition_is_that_of_the_domain_but_along_free_axes():
    u = OnGrid(positive(8, 6, 4, 1), MIXED, free_axes=[2, 1, 1])
    assert u.free_axes == (1,), "periodic axes have no walls"
    assert u.condition == (("neumann", "dirichlet"), "free", "periodic")
    assert u.with_free_axes(()).condition == MIXED.boundary_mode
    assert u.replace_params(2 * u.params).free_axes == (1,)
    assert u.free_axes_of_functions == {0, 1} and u.with_free_axes(()).free_axes_of_functions == {0}
    v = OnGrid(u.params, Domain((8, 6, 4), 1.0, ("cell-dirichlet", "dirichlet", "neumann")))
    assert v.free_axes_of_functions == {0, 1}


def fd(domain=BOX, **options):
    return FiniteDifferences(jnp.ones((*domain.N, 1)), domain, **options)


CONTINUOUS = Continuous((), BOX, lambda _, x: x[0])


@pytest.mark.parametrize("function", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        (FourierSeries(jnp.ones((8, 6, 1)), BOX), TypeError, "the same type, got FiniteDifferences and FourierSeries"),
        (OnGrid(jnp.ones((8, 6, 1)), BOX), TypeError, "the same type, got FiniteDifferences and OnGrid"),
        (CONTINUOUS, TypeError, "the same type, got FiniteDifferences and Continuous"),
        (fd(Domain((8, 6), 0.5)), ValueError, "the same domain, got Domain"),
        (fd(Domain((6, 8), (0.5, 0.25))), ValueError, "the same domain, got Domain"),
        (fd(Domain((8, 6), (0.5, 0.25), origin=0)), ValueError, "the same domain, got Domain"),
        (fd(Domain((8, 6), (0.5, 0.25), "neumann"), accuracy=4), ValueError, "the same domain, got Domain"),
        (fd(accuracy=4), ValueError, "the same accuracy, got 8 and 4"),
        (fd(ghosts="reflect"), ValueError, "the same ghosts, got 'polynomial' and 'reflect'"),
    ],
)
def test_fields_of_different_types_domains_or_accuracies_are_not_mixed(function, other, error, message):
    with pytest.raises(error, match=message):
        function(fd(), other)
    with pytest.raises(error, match="two fields must have the same"):
        function(other, fd())
    with pytest.raises(error, match=message):
        fd().check_alike(other)


@pytest.mark.parametrize("other", ["1", None, [1.0], {"a": 1.0}])
def test_a_field_does_not_combine_with_what_is_no_number(other):
    for function in OPERATIONS.values():
        for operands in ((fd(), other), (other, fd()), (CONTINUOUS, other)):
            with pytest.raises(TypeError, match=r"unsupported operand|can't multiply|can only concatenate"):
                function(*operands)


@pytest.mark.parametrize("N", [(6,), (6, 6), (2, 3, 6)], ids=str)
def test_values_of_the_shape_of_the_grid_are_for_all_channels(N):
    """Not for one channel each, although they could be broadcast to that."""
    u, values = OnGrid(positive(*N, 2), Domain(N, 1.0, "neumann")), positive(*N, seed=1)
    for result in (u * values, np.asarray(values) * u):
        np.testing.assert_allclose(result.params, u.params * values[..., None], rtol=1e-6)
        assert result.free_axes == tuple(range(len(N)))


@pytest.mark.parametrize("shape", [(5,), (6, 5), (6, 6, 5), (5, 1, 1, 1)], ids=str)
def test_other_arrays_are_not_broadcast_to_more_channels_or_fields(shape):
    u = OnGrid(positive(6, 6, 1), Domain((6, 6), 1.0))
    for function in OPERATIONS.values():
        for operands in ((u, jnp.ones(shape)), (np.ones(shape), u)):
            with pytest.raises(ValueError, match="an array must be broadcast to the shape"):
                function(*operands)


WALLS = Domain(12, 0.5, "dirichlet")


def wall_field(*batch):
    return FiniteDifferences(positive(*batch, 12, 1), WALLS, accuracy=4)


def test_equal_fields_are_traced_once():
    traces = []

    @jax.jit
    def double(u):
        traces.append(u)
        return 2 * u

    for scale in (1.0, 2.0):
        u = FiniteDifferences(scale * positive(12, 1), Domain([12], [0.5], ["Dirichlet"]), accuracy=4)
        result = double(u)
        assert type(result) is FiniteDifferences and result.accuracy == 4 and result.domain == WALLS
    assert len(traces) == 1
    double(u.with_free_axes([0]))
    assert len(traces) == 2


def test_the_gradient_by_a_field_is_a_field():
    u = wall_field().with_free_axes([0])
    g = jax.grad(lambda u: jnp.sum((u * u + 2 * u).on_grid))(u)
    assert type(g) is FiniteDifferences and g.accuracy == 4 and g.condition == ("free",) and g.domain == WALLS
    np.testing.assert_allclose(g.params, 2 * u.params + 2, rtol=1e-6)
    step = jax.tree.map(lambda p, q: p - 0.1 * q, u, g)
    np.testing.assert_allclose(step.params, (u - 0.1 * g).params, rtol=1e-6)


def test_a_batch_of_fields_is_mapped_over():
    batch = wall_field(3)
    mapped = jax.vmap(lambda u: u * u.on_grid.sum())(batch)
    assert type(mapped) is FiniteDifferences and mapped.params.shape == (3, 12, 1) and mapped.accuracy == 4
    for i in range(3):
        np.testing.assert_allclose(mapped[i].params, batch.params[i] * batch.params[i].sum(), rtol=1e-6)
    x = jnp.array([0.3])
    np.testing.assert_allclose(jax.vmap(lambda u: u(x))(batch), batch(x), rtol=1e-5)


def test_a_scan_needs_a_state_with_the_condition_that_it_started_with():
    u = wall_field()

    def free_step(u, _):
        return 0.5 * u + 0.1, None

    def step(u, _):
        new = u.replace_params(free_step(u, _)[0].params)
        return new, new

    with pytest.raises(TypeError, match="carry"):
        jax.lax.scan(free_step, u, length=3)
    last, history = jax.lax.scan(step, u, length=3)
    assert last.condition == ("dirichlet",) and last.accuracy == 4
    assert type(history) is FiniteDifferences and len(history) == 3
    np.testing.assert_array_equal(history[-1].params, last.params)
    np.testing.assert_allclose(last.params, u.params / 8 + 0.175, rtol=1e-6)
