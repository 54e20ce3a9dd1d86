"""Fields given by a function: of arrays, dictionaries and networks; derived fields; how often they are traced."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pdequinox.fields import Continuous, Domain
from pdequinox.operators import gradient, laplacian

BOX = Domain((4, 3), (0.5, 0.25), ("neumann", "cell-dirichlet"), origin=(1.0, -2.0))


def wave(params, x):
    """Three channels."""
    return params["amplitude"] * jnp.sin(params["wave"] @ x)


def wave_params(seed=0):
    keys = jax.random.split(jax.random.key(seed))
    return {"amplitude": jax.random.normal(keys[0], (3,)), "wave": jax.random.normal(keys[1], (3, 2))}


def network(seed=0, out_size=3):
    return eqx.nn.MLP(2, out_size, 8, 1, key=jax.random.key(seed))


def evaluate(network, x):
    return network(x)


def scalar(network, x):
    return network(x)[0]


def loss(u):
    return jnp.sum(u.on_grid**2)


@pytest.mark.parametrize(
    ("params", "get_fun", "dims"),
    [
        (wave_params(), wave, 3),
        (jax.tree.map(np.asarray, wave_params()), wave, 3),
        (network(), evaluate, 3),
        (network(), scalar, 1),
        (jnp.array([[1.0, 2.0]]), lambda matrix, x: matrix @ x, 1),
        ((), lambda _, x: x[0] * x[1] ** 2, 1),
        (2.0, lambda scale, x: jnp.array([scale, x[1]]), 2),
        (jnp.array([1.0 + 2.0j]), lambda scale, x: scale * x[0], 1),
    ],
    ids=["dict", "dict of NumPy arrays", "network", "scalar of a network", "array", "nothing", "number", "complex"],
)
def test_values_are_those_of_the_function_at_the_points(params, get_fun, dims):
    u = Continuous(params, BOX, get_fun)
    values = u.on_grid
    assert u.dims == dims and values.shape == (4, 3, dims)
    assert u.is_complex == jnp.iscomplexobj(values)
    for i, j in ((0, 0), (3, 1), (2, 2)):
        x = BOX.grid[i, j]
        expected = np.reshape(get_fun(params, x), (dims,))
        np.testing.assert_allclose(values[i, j], expected, rtol=1e-5)
        np.testing.assert_allclose(u(x), expected, rtol=1e-5)
    assert u(np.array([1.0, 2.0])).shape == (dims,) and jax.vmap(u)(jnp.ones((5, 2))).shape == (5, dims)


def test_one_dimension_and_three():
    u = Continuous(jnp.array(2.0), Domain(5, 0.5), lambda p, x: p * x)
    np.testing.assert_allclose(u.on_grid[:, 0], 2 * u.domain.spatial_axis[0])
    v = Continuous(jnp.array([1.0, 10.0, 100.0]), Domain((2, 3, 4), 1.0, origin=0), lambda p, x: p @ x)
    np.testing.assert_allclose(v.on_grid[1, 2, 3], [321.0])


def test_a_network_as_parameters_passes_through_bare_transformations():
    """Its activation is a function, which `jax.jit`, `jax.grad` and optax do not take as a leaf."""
    net = network()
    u = Continuous(net, BOX, evaluate)
    value, gradient_field = jax.jit(jax.value_and_grad(loss))(u)
    assert type(gradient_field) is Continuous and gradient_field.domain == BOX
    expected, expected_gradient = eqx.filter_value_and_grad(lambda net: loss(Continuous(net, BOX, evaluate)))(net)
    assert value == pytest.approx(float(expected))
    for layer, expected_layer in zip(gradient_field.params.layers, expected_gradient.layers, strict=True):
        np.testing.assert_allclose(layer.weight, expected_layer.weight, rtol=1e-4, atol=1e-6)
    optimizer = optax.sgd(1e-3)
    updates, _ = optimizer.update(gradient_field, optimizer.init(u))
    assert loss(optax.apply_updates(u, updates)) < value
    assert isinstance(u.replace_params(network(1)).params.layers[0], eqx.nn.Linear)


def test_a_batch_of_parameters_is_mapped_over():
    nets = eqx.filter_vmap(lambda key: eqx.nn.MLP(2, 3, 8, 1, key=key))(jax.random.split(jax.random.key(0), 4))
    batch = Continuous(nets, BOX, evaluate)
    values = jax.vmap(lambda u: u.on_grid)(batch)
    first = jax.tree.map(lambda leaf: leaf[0], batch)
    np.testing.assert_allclose(values[0], first.on_grid, rtol=1e-5)
    assert values.shape == (4, 4, 3, 3)


def test_a_field_made_from_functions_of_a_seed():
    def init(seed, domain):
        return jax.random.normal(seed, (domain.ndim,))

    key = jax.random.key(3)
    u = Continuous.from_function(BOX, init, lambda p, x: p @ x, key)
    np.testing.assert_array_equal(u.params, jax.random.normal(key, (2,)))
    assert u.domain == BOX and u.dims == 1


def test_functions_and_parameters_are_replaced_and_all_else_is_kept():
    u = Continuous(wave_params(), BOX, wave, free_axes=[1])
    other = u.replace_params(wave_params(1))
    assert other.get_fun is wave and other.free_axes == (1,)
    np.testing.assert_array_equal(other.on_grid, Continuous(wave_params(1), BOX, wave).on_grid)
    other = u.update_fun_and_params(network(), evaluate)
    assert other.free_axes == (1,) and other.domain == BOX
    np.testing.assert_array_equal(other.on_grid, Continuous(network(), BOX, evaluate).on_grid)
    assert jax.jit(loss)(other) == pytest.approx(float(loss(other)))


DERIVED = {
    "u": lambda u: u,
    "2 * u + u": lambda u: 2 * u + u,
    "-u / 3": lambda u: -u / 3,
    "u ** 2": lambda u: u**2,
    "2 ** u": lambda u: 2**u,
    "integers": lambda u: np.array([1, 2, 3]) * u + jnp.array([2]),
    "array": lambda u: jnp.array([1.0, 2.0, 3.0]) * u - np.array([0.5, 1.0, 1.5]),
    "u * u - 1 / (u + 5)": lambda u: u * u - 1 / (u + 5),
}


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_arithmetic_is_point_by_point(derive):
    u = Continuous(wave_params(), BOX, wave)
    derived = derive(u)
    assert type(derived) is Continuous and derived.dims == 3
    np.testing.assert_allclose(derived.on_grid, derive(u.on_grid), rtol=1e-5, atol=1e-6)
    x = jnp.array([0.3, 0.7])
    np.testing.assert_allclose(derived(x), derive(u(x)), rtol=1e-5, atol=1e-6)


def test_fields_with_different_functions_combine():
    u, v = Continuous(wave_params(), BOX, wave), Continuous(network(), BOX, scalar)
    np.testing.assert_allclose((u * v).on_grid, u.on_grid * v.on_grid, rtol=1e-5, atol=1e-6)
    assert (u.with_free_axes([0]) + v).free_axes == (0,)


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_the_gradient_by_a_derived_field_is_a_field_like_it(derive):
    derived = derive(Continuous(wave_params(), BOX, wave))
    g = jax.grad(loss)(derived)
    assert jax.tree.structure(g) == jax.tree.structure(derived)
    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(g))


def test_the_gradient_by_parameters_flows_through_derived_fields():
    g = jax.grad(lambda p: loss(2 * Continuous(p, BOX, wave)))(wave_params())
    expected = jax.grad(lambda p: 4 * loss(Continuous(p, BOX, wave)))(wave_params())
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), g, expected)


TRACED_ONCE = {
    **DERIVED,
    "gradient": lambda u: gradient(u * np.array([1.0])),
    "gradient of a sum": lambda u: gradient(2 * u + u),
    "laplacian of a square": lambda u: laplacian(u**2),
    "derivatives combined": lambda u: gradient(u) * u - 0.5 * gradient(u),
}
del TRACED_ONCE["array"], TRACED_ONCE["integers"]


@pytest.mark.parametrize("derive", TRACED_ONCE.values(), ids=TRACED_ONCE)
def test_fields_rebuilt_with_new_parameters_are_not_traced_again(derive):
    traces = []

    @jax.jit
    def total(u):
        traces.append(u)
        return jnp.sum(u.on_grid)

    totals = {float(total(derive(Continuous(network(seed, 1), BOX, evaluate)))) for seed in range(3)}
    assert len(traces) == 1 and len(totals) == 3


def test_other_functions_and_domains_are_traced_again():
    traces = []

    @jax.jit
    def total(u):
        traces.append(u)
        return jnp.sum(u.on_grid)

    u = Continuous(network(), BOX, evaluate)
    for other in (
        u,
        Continuous(network(), BOX, scalar),
        u + u,
        u * u,
        u**2,
        u**3,
        Continuous(network(), Domain((4, 3), 1.0), evaluate),
    ):
        total(other)
    assert len(traces) == 7


def test_a_function_is_evaluated_in_the_precision_of_its_parameters(float64):
    for dtype, expected in ((jnp.float32, jnp.float32), (jnp.complex64, jnp.complex64), (jnp.float64, jnp.float64)):
        for cast in (jnp.asarray, np.asarray):
            u = Continuous({"scale": cast(2.0, dtype)}, BOX, lambda p, x: p["scale"] * x)
            assert u.on_grid.dtype == (u + 1).on_grid.dtype == (2 * u).on_grid.dtype == expected
    assert Continuous((), BOX, lambda _, x: x).on_grid.dtype == jnp.float64


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Continuous((), (4, 3), scalar), r"`domain` must be a Domain, got \(4, 3\)"),
        (lambda: Continuous((), BOX, 3.0), r"`get_fun` must be a hashable function of \(params, x\)"),
        (
            lambda: Continuous((), BOX, network()),
            r"`get_fun` must be a hashable function .* put arrays and modules into",
        ),
        (lambda: Continuous((), BOX, scalar, free_axes=[2]), r"`free_axes` must lie between 0 and 1, got \[2\]"),
        (lambda: Continuous(network(), BOX, scalar)(jnp.ones(3)), r"`x` must have shape \(2,\), got \(3,\)"),
        (lambda: Continuous(network(), BOX, scalar)(1.0), r"`x` must have shape \(2,\), got \(\)"),
        (
            lambda: Continuous(jnp.ones((1, 3)), BOX, lambda p, x: p).on_grid,
            r"return shape \(C,\) or \(\), got \(1, 3\)",
        ),
        (lambda: Continuous((), BOX, lambda _, x: x) + jnp.ones((4, 3, 2)), "must be combined with numbers or arrays"),
    ],
)
def test_wrong_functions_points_and_operands_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
