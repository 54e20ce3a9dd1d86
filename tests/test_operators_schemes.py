"""Operators on functions of a point, and the schemes by which they and continuous fields are differentiated."""

import copy
import pickle
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pdequinox as pdeqx
from pdequinox.fields import Continuous, Domain, FiniteDifferences, bind, functional
from pdequinox.operators import (
    SCHEMES,
    AutomaticDifferentiation,
    FiniteDifference,
    curl,
    default_scheme,
    derivative,
    diag_jacobian,
    divergence,
    gradient,
    hessian,
    jacobian,
    laplacian,
    parse_scheme,
)

EXACT_SCHEMES = ["automatic_differentiation", *(name for name in SCHEMES if "-over-" in name)]
PAIRS = [
    ("automatic_differentiation:forward", AutomaticDifferentiation("forward", "forward")),
    ("automatic_differentiation:reverse", AutomaticDifferentiation("reverse", "reverse")),
    ("automatic_differentiation:fwd-over-fwd", AutomaticDifferentiation("forward", "forward")),
    ("automatic_differentiation:fwd-over-rev", AutomaticDifferentiation("reverse", "forward")),
    ("automatic_differentiation:rev-over-fwd", AutomaticDifferentiation("forward", "reverse")),
    ("automatic_differentiation:rev-over-rev", AutomaticDifferentiation("reverse", "reverse")),
]
X = np.array([0.3, -0.8, 1.1])


def scalar(x):
    """x^2 y sin(z) where there are as many coordinates."""
    x, y, *z = (*x, 1.0) if x.shape == (1,) else x
    return x**2 * y * (jnp.sin(z[0]) if z else 1.0)


def vector(x):
    """As many values as coordinates, each of all of them."""
    return jnp.stack([jnp.sin(k + 1.0 + x[k]) * jnp.prod(x) for k in range(x.size)])


def tensor(x):
    """Values of shape (2, 2): one row constant along the last axis."""
    return jnp.outer(jnp.array([1.0, 2.0]), jnp.stack([jnp.sum(x**3), x[0] ** 2]))


@pytest.mark.parametrize("scheme", EXACT_SCHEMES)
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_all_schemes_agree_with_derivatives_by_hand(ndim, scheme, float64):
    x = jnp.asarray(X[:ndim])
    a, b, c = (*X[:ndim], *(1.0, np.pi / 2)[ndim - 1 :])
    slope = np.array([2 * a * b * np.sin(c), a**2 * np.sin(c), a**2 * b * np.cos(c)])[:ndim]
    second = np.array(
        [
            [2 * b * np.sin(c), 2 * a * np.sin(c), 2 * a * b * np.cos(c)],
            [2 * a * np.sin(c), 0, a**2 * np.cos(c)],
            [2 * a * b * np.cos(c), a**2 * np.cos(c), -(a**2) * b * np.sin(c)],
        ]
    )[:ndim, :ndim]
    np.testing.assert_allclose(gradient(scalar, scheme=scheme)(x), slope, atol=1e-14)
    np.testing.assert_allclose(hessian(scalar, scheme=scheme)(x), second, atol=1e-14)
    np.testing.assert_allclose(laplacian(scalar, scheme=scheme)(x), np.trace(second), atol=1e-14)


@pytest.mark.parametrize("scheme", EXACT_SCHEMES)
def test_all_schemes_agree_for_vectors_and_tensors(scheme, float64):
    x = jnp.asarray(X)
    for function in (vector, tensor):
        for op in (jacobian, hessian, laplacian):
            value, expected = op(function, scheme=scheme)(x), op(function)(x)
            assert value.shape == expected.shape
            np.testing.assert_allclose(value, expected, atol=1e-10)
    for op in (divergence, curl, diag_jacobian):
        np.testing.assert_allclose(op(vector, scheme=scheme)(x), op(vector)(x), atol=1e-10)
    network = eqx.nn.MLP(3, "scalar", 8, 2, jnp.tanh, key=jax.random.PRNGKey(0))
    for op in (gradient, hessian, laplacian):
        np.testing.assert_allclose(op(network, scheme=scheme)(x), op(network)(x), atol=1e-10)


@pytest.mark.parametrize("scheme", EXACT_SCHEMES)
def test_all_schemes_agree_for_continuous_fields(scheme, float64):
    domain = Domain((4, 5, 3), 0.2, "dirichlet")
    u = Continuous(jnp.array(1.3), domain, lambda a, x: jnp.sin(a * x[0]) * x[1] ** 2 * jnp.exp(x[2]))
    v = gradient(u)
    for op, field in (
        (gradient, u),
        (jacobian, v),
        (divergence, v),
        (curl, v),
        (diag_jacobian, v),
        (laplacian, v),
        (hessian, v),
    ):
        options = {} if op in (laplacian, hessian) else {"stagger": (0.5, -0.25, 0.0)}
        result = op(field, scheme=scheme, **options)
        assert result.condition == ("free",) * 3
        np.testing.assert_allclose(result(X), op(field, **options)(X), atol=1e-10)


def test_channels_of_a_field_are_the_values_of_the_function_in_order(float64):
    domain = Domain((2, 3, 2), 0.3)
    field = Continuous(None, domain, lambda _, x: vector(x))
    x = jnp.asarray(X)
    for op in (jacobian, hessian, laplacian, divergence, curl, diag_jacobian):
        np.testing.assert_allclose(op(field)(x), jnp.ravel(op(vector)(x)), rtol=1e-13)
    np.testing.assert_allclose(derivative(field, 2, 3)(x), derivative(vector, 2, 3)(x), rtol=1e-13)


def test_identities_of_vector_calculus(float64):
    plane, space = jnp.asarray(X[:2]), jnp.asarray(X)
    assert divergence(lambda x: x)(plane) == 2
    assert curl(lambda x: jnp.stack([-x[1], x[0]]))(plane) == 2
    assert divergence(lambda x: x**2)(plane) == pytest.approx(2 * plane.sum())
    np.testing.assert_allclose(curl(gradient(scalar))(space), 0, atol=1e-14)
    np.testing.assert_allclose(divergence(curl(vector))(space), 0, atol=1e-14)
    np.testing.assert_allclose(divergence(curl(scalar))(plane), 0, atol=1e-14)
    np.testing.assert_allclose(divergence(gradient(scalar))(space), laplacian(scalar)(space), rtol=1e-12)


def test_a_stream_function_may_have_one_value_in_an_array(float64):
    x = jnp.asarray(X[:2])
    column = lambda x: scalar(x)[None]  # noqa: E731
    np.testing.assert_array_equal(gradient(column)(x), gradient(scalar)(x))
    np.testing.assert_array_equal(curl(column)(x), curl(scalar)(x))
    assert laplacian(column)(x).shape == (1,)


@pytest.mark.parametrize("ndim", [16, 17])
def test_the_laplacian_in_many_dimensions_is_the_trace_of_the_hessian(ndim, float64):
    x = jnp.linspace(-1.0, 1.0, ndim)
    function = lambda x: jnp.stack([jnp.sum(jnp.cos(x)) * x[3], jnp.prod(x[:3])])  # noqa: E731
    np.testing.assert_allclose(laplacian(function)(x), jnp.trace(hessian(function)(x), axis1=1, axis2=2), atol=1e-12)


def test_complex_values_are_differentiated_forward(float64):
    wave = lambda x: jnp.exp(1j * (x[0] + 2 * x[1]))  # noqa: E731
    x = jnp.asarray(X[:2])
    np.testing.assert_allclose(gradient(wave)(x), wave(x) * np.array([1j, 2j]), atol=1e-14)
    np.testing.assert_allclose(laplacian(wave)(x), -5 * wave(x), atol=1e-13)
    np.testing.assert_allclose(hessian(wave)(x), -wave(x) * np.outer([1, 2], [1, 2]), atol=1e-13)
    with pytest.raises(ValueError, match="`scheme` must be forward for complex values, got reverse and complex128"):
        gradient(wave, scheme="automatic_differentiation:reverse")(x)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_scheme_may_be_passed_as_a_string_or_as_what_it_means(first, second):
    assert parse_scheme(first) == parse_scheme(second) == second
    assert laplacian(scalar, scheme=first).rule == laplacian(scalar, scheme=second).rule


def test_each_scheme_uses_its_modes():
    def forward_only(x):
        return jax.lax.while_loop(lambda s: s[0] < 1, lambda s: (s[0] + 1, jnp.sum(x**3)), (0, x[0]))[1]

    def is_reverse(op, scheme):
        try:
            op(forward_only, scheme=scheme)(jnp.ones(3))
        except ValueError as error:
            assert "Reverse-mode" in str(error)
            return True
        return False

    prefix = "automatic_differentiation"
    assert not is_reverse(gradient, f"{prefix}:forward")
    assert not is_reverse(gradient, f"{prefix}:rev-over-fwd")
    assert is_reverse(gradient, f"{prefix}:fwd-over-rev")
    assert is_reverse(gradient, prefix)
    assert not is_reverse(laplacian, prefix)
    assert not is_reverse(hessian, f"{prefix}:fwd-over-fwd")
    for pair in ("fwd-over-rev", "rev-over-fwd", "rev-over-rev"):
        assert is_reverse(hessian, f"{prefix}:{pair}")
        assert is_reverse(laplacian, f"{prefix}:{pair}")


def test_the_default_scheme_counts_inside_the_block_alone():
    forward = AutomaticDifferentiation("forward", "forward")
    with default_scheme("automatic_differentiation:forward"):
        assert gradient(scalar).rule.scheme == forward
        with default_scheme("finite_difference:lsq"):
            assert laplacian(scalar).rule.scheme == forward
        with default_scheme(AutomaticDifferentiation("reverse")):
            assert hessian(scalar).rule.scheme.inner == "reverse"
        assert gradient(scalar, scheme="automatic_differentiation:reverse").rule.scheme.inner == "reverse"
    assert gradient(scalar).rule.scheme == AutomaticDifferentiation()
    with pytest.raises(ZeroDivisionError), default_scheme("automatic_differentiation:forward"):
        raise ZeroDivisionError
    assert gradient(scalar).rule.scheme == AutomaticDifferentiation()


@pytest.mark.parametrize("op", [gradient, hessian, laplacian])
def test_another_parameter_value_is_not_another_trace(op):
    network = eqx.nn.MLP(2, "scalar", 4, 1, jnp.tanh, key=jax.random.PRNGKey(0))
    traces = []

    @jax.jit
    def evaluate(u, x):
        traces.append(u)
        return op(u)(x)

    def scaled(factor):
        return jax.tree.map(lambda leaf: factor * leaf if eqx.is_array(leaf) else leaf, network)

    x = jnp.asarray(X[:2], jnp.float32)
    values = [evaluate(bind(*functional(scaled(factor))), x) for factor in (0.5, 1.0, 1.5, 2.0)]
    assert len(traces) == 1
    assert len({float(jnp.sum(value)) for value in values}) == 4
    derived = jax.jit(lambda v, x: v(x))(op(bind(*functional(network))), x)
    np.testing.assert_allclose(derived, values[1], rtol=1e-5, atol=1e-6)


def test_gradients_flow_to_the_parameters_of_a_bound_function(float64):
    power = lambda p, x: p["a"] * x[0] ** 4 + p["b"] * x[1]  # noqa: E731
    params = {"a": jnp.array(2.0), "b": jnp.array(3.0)}
    slope = jax.grad(lambda params: laplacian(bind(power, params))(jnp.asarray(X[:2])))(params)
    assert slope["a"] == pytest.approx(12 * X[0] ** 2)
    assert slope["b"] == 0


def test_functions_of_a_point_keep_float32_and_take_integers(float64):
    assert laplacian(lambda x: jnp.sum(x**3))(jnp.ones(2, jnp.float32)).dtype == jnp.float32
    assert gradient(lambda x: jnp.sum(x**3))([1, 2]).dtype == jnp.float64


def test_a_params_object_may_apply_itself():
    class Scaled(eqx.Module):
        factor: jax.Array

        def apply_operator(self, op, u, *args, **options):
            return self.factor * op(u, *args, **options)

    domain = Domain(8, 0.25)
    u = FiniteDifferences.from_grid(jnp.sin(jnp.pi * domain.grid), domain, accuracy=2)
    result = derivative(u, 0, order=2, params=Scaled(jnp.array(3.0)))
    np.testing.assert_allclose(result.params, 3 * derivative(u, 0, 2).params, rtol=1e-6)


def test_the_guides_list_of_implementations_is_what_a_fresh_import_prints():
    code = "from pdequinox.operators import get_implementations, gradient; print(get_implementations(gradient))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[('Continuous',), ('FiniteDifferences',), ('FourierSeries',)]"


GRID = FiniteDifferences(np.zeros((4, 1), np.float32), Domain(4, 1.0))
WRONG = {
    r"`scheme` must be one of 'automatic_differentiation',.*'finite_difference:cotangent', got 'banana'": (
        lambda: parse_scheme("banana")
    ),
    r"`scheme` must be one of .*':?finite_difference:uniform'.*got 'finite_difference:unifrom'": (
        lambda: parse_scheme("finite_difference:unifrom")
    ),
    r"`scheme` must be one of 'automatic_differentiation'.*rev-over-rev', got 'automatic_differentiation:fwd'": (
        lambda: gradient(scalar, scheme="automatic_differentiation:fwd")
    ),
    r"`scheme` must be one of .*got 3": lambda: laplacian(scalar, scheme=3),
    r"`scheme` must here be one of 'automatic_diff.*got 'finite_difference'": (
        lambda: hessian(scalar, scheme="finite_difference")
    ),
    r"`scheme` must be left out for FiniteDifferences.*got 'automatic_differentiation'": (
        lambda: laplacian(GRID, scheme="automatic_differentiation")
    ),
    r"`scheme` must be one of 'automatic_differentiation',.*got 'sine'": (
        lambda: gradient.default_params(scalar, scheme="sine")
    ),
    r"`inner` must be one of 'forward', 'reverse', None, got 'fwd'": lambda: AutomaticDifferentiation("fwd"),
    r"`method` must be one of 'volume', 'lsq'.*got 'area'": lambda: FiniteDifference("area"),
    r"`gradient` must get a field with 1 channels, got 3. Use `jacobian`": lambda: gradient(vector)(jnp.ones(3)),
    r"`axis` must be less than 2, got 5": lambda: derivative(scalar, 5)(jnp.ones(2)),
    r"`axes` must be less than 2, got 2": lambda: laplacian(scalar, axes=2)(jnp.ones(2)),
    r"`axes` must be less than 1, got 1": lambda: laplacian(GRID, axes=(0, 1)),
    r"`axes` must name some axes, each once, got \(0, 0\)": lambda: laplacian(scalar, axes=(0, 0)),
    r"`x` must be one point, real and of shape \(d,\), got complex64": lambda: gradient(scalar)(jnp.ones(2) * 1j),
    r"`params` must be left out for a function of a point.*Wrap a metric: `geometry.Metric": (
        lambda: laplacian(scalar, params=lambda x: jnp.eye(2))
    ),
    r"`divergence` must get a field with 3 channels, got 1": lambda: divergence(scalar)(jnp.ones(3)),
    r"`diag_jacobian` must get a field with 3 channels, got 4": lambda: diag_jacobian(tensor)(jnp.ones(3)),
    r"`curl` must get a field in 2D or 3D, got one in 1D": lambda: curl(vector)(jnp.ones(1)),
    r"`curl` must get a field with 3 channels, got 4": lambda: curl(tensor)(jnp.ones(3)),
    r"`stagger` must be left out for a function, which has no spacing, got 0.5": lambda: gradient(scalar, stagger=0.5),
    r"`params` must be left out for a function of a point": lambda: laplacian(scalar, params=[np.ones(3)]),
    r"`x` must be one point.*of shape \(5, 2\). Use `jax.vmap": lambda: laplacian(scalar)(jnp.ones((5, 2))),
    r"`axis` must be an integer of at least 0, got -1": lambda: derivative(scalar, -1),
    r"`module` must be callable, got float": lambda: functional(2.0),
    r"`module` must have floating arrays as parameters": lambda: functional(jnp.sin),
    r"`apply` must be a hashable function of \(params, x\), got MLP": (
        lambda: bind(eqx.nn.MLP(1, 1, 2, 1, key=jax.random.PRNGKey(0)), jnp.ones(1))
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_arguments_are_refused(message):
    with pytest.raises(ValueError, match=message):
        WRONG[message]()


def test_values_of_one_row_and_of_one_column_are_vectors_too(float64):
    x = jnp.asarray(X[:2])
    for shaped in (lambda x: x[:, None] ** 2, lambda x: x[None] ** 2):
        assert divergence(shaped)(x) == pytest.approx(2 * x.sum())
        np.testing.assert_allclose(diag_jacobian(shaped)(x), 2 * x)
    assert divergence(lambda x: x[0] ** 2)(x[:1]) == pytest.approx(2 * x[0])
    field = Continuous(None, Domain((4, 4), 0.25), lambda _, x: x**2)
    assert divergence(field).on_grid.shape == (4, 4, 1)


def test_the_laplacian_may_leave_out_an_axis_such_as_time(float64):
    heat = lambda x: jnp.exp(-2 * x[2]) * jnp.sin(x[0]) * jnp.sin(x[1])  # noqa: E731
    x = jnp.asarray(X)
    for scheme in EXACT_SCHEMES:
        spatial = laplacian(heat, axes=(0, 1), scheme=scheme)(x)
        assert spatial == pytest.approx(float(derivative(heat, 2)(x)), rel=1e-12)
    domain = Domain((8, 12), 0.3, ("periodic", "dirichlet"))
    u = FiniteDifferences.from_grid(jnp.asarray(np.random.default_rng(0).normal(size=(8, 12, 2))), domain)
    assert laplacian(u, axes=0).condition == ("periodic", "dirichlet")
    np.testing.assert_allclose(laplacian(u, axes=[1]).params, derivative(u, 1, 2).params, rtol=1e-12)
    continuous = Continuous(None, domain, lambda _, x: x[0] ** 2 * x[1] ** 3)
    assert laplacian(continuous, axes=0).condition == ("periodic", "dirichlet")
    np.testing.assert_allclose(laplacian(continuous, axes=1)(x[:2]), [6 * X[0] ** 2 * X[1]], rtol=1e-12)


def test_functions_with_integer_values_have_derivatives_of_zero():
    x = jnp.asarray(X, jnp.float32)
    np.testing.assert_array_equal(gradient(lambda x: 3)(x), [0, 0, 0])
    assert laplacian(lambda x: jnp.array([1, 2]))(x).tolist() == [0, 0]
    assert hessian(Continuous(None, Domain((2, 2, 2), 1.0), lambda _, x: 1)).on_grid.shape == (2, 2, 2, 9)


def test_the_result_may_be_compiled_as_it_is():
    network = eqx.nn.MLP(2, "scalar", 4, 1, jnp.tanh, key=jax.random.PRNGKey(0))
    x = jnp.asarray(X[:2], jnp.float32)
    derived = laplacian(network)
    np.testing.assert_allclose(jax.jit(derived)(x), derived(x), rtol=1e-5, atol=1e-6)
    assert derived == derived and derived != laplacian(network)


def test_classes_are_not_taken_for_functions_of_a_point():
    for kind in (FiniteDifferences, eqx.nn.MLP):
        with pytest.raises(TypeError, match="`gradient` must get one of"):
            gradient(kind)


def test_functional_is_equal_to_its_copies_and_knows_keys():
    class Noisy(eqx.Module):
        key: jax.Array
        scale: jax.Array

        def __call__(self, x):
            return self.scale * x + jax.random.normal(self.key)

    module = Noisy(jax.random.key(0), jnp.array(2.0))
    apply, params = functional(module)
    assert apply(params, 1.0) == module(1.0)
    assert apply != functional(Noisy(jax.random.key(1), jnp.array(2.0)))[0]
    network = pdeqx.arch.ConvNet(1, 1, 1, hidden_channels=2, depth=1, key=jax.random.PRNGKey(0))
    apply, _ = functional(network)
    assert copy.deepcopy(apply) == apply
    assert pickle.loads(pickle.dumps(apply)) == apply

    class Table(eqx.Module):
        index: jax.Array
        scale: jax.Array

        def __call__(self, x):
            return self.scale * x[self.index]

    with pytest.raises(ValueError, match=r"`module` must have no traced arrays.*outside of `jax.jit`"):
        eqx.filter_jit(lambda m: functional(m)[1].scale)(Table(jnp.array([1, 0]), jnp.array(2.0)))


def test_functional_calls_the_module_with_other_parameters():
    network = pdeqx.arch.ConvNet(1, 2, 3, hidden_channels=4, depth=1, key=jax.random.PRNGKey(0))
    apply, params = pdeqx.functional(network)
    x = jax.random.normal(jax.random.PRNGKey(1), (2, 9))
    np.testing.assert_array_equal(apply(params, x), network(x))
    assert apply == functional(jax.tree.map(lambda leaf: 2 * leaf, network))[0]
    assert hash(apply) == hash(functional(network)[0])
    assert apply != functional(eqx.nn.Linear(2, 3, key=jax.random.PRNGKey(0)))[0]
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(params))


def test_functional_holds_arrays_of_integers_by_their_contents():
    class Table(eqx.Module):
        index: jax.Array
        scale: jax.Array

        def __call__(self, x):
            return self.scale * x[self.index]

    table = Table(jnp.array([1, 0]), jnp.array(2.0))
    apply, params = functional(table)
    np.testing.assert_array_equal(apply(params, jnp.array([3.0, 4.0])), [8, 6])
    assert apply == functional(Table(jnp.array([1, 0]), jnp.array(5.0)))[0]
    assert apply != functional(Table(jnp.array([0, 1]), jnp.array(2.0)))[0]
