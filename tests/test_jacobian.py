"""The parameter Jacobian: models with known ones, all ways to compute it, all ways to select, every network."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from filled import KEY, filled, jit
from pdequinox import count_parameters
from pdequinox.jacobian import param_jacobian
from zoo import NUM_POINTS, ZOO

X = jnp.linspace(-1, 1, 7)


def features(x):
    return jnp.stack([jnp.ones_like(x), x, x**2, jnp.sin(x), jnp.exp(x)])


class Linear(eqx.Module):
    """Linear in its parameters, which are spread over two leaves; a number and a function among the leaves too."""

    first: jax.Array
    power: int
    function: object
    second: jax.Array

    def __call__(self, x):
        return jnp.concatenate([self.first, self.second.ravel()]) @ self.function(x)


MODEL = Linear(jnp.array([1.0, -2.0]), 3, features, jnp.array([[0.5, 4.0, 1.0]]))
on_points = lambda model: jax.vmap(model)(X)  # noqa: E731
at_point = lambda model, x: model(x)  # noqa: E731
modes = pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])


def mlp(key=KEY, out_size="scalar"):
    return eqx.nn.MLP(2, out_size, 6, 2, activation=jnp.tanh, key=key)


@modes
@pytest.mark.parametrize("chunk_size", [1, 2, 64, None])
def test_the_jacobian_of_a_linear_model_is_its_features(mode, chunk_size):
    wanted = features(X).T
    options = {"mode": mode, "chunk_size": chunk_size}
    np.testing.assert_allclose(param_jacobian(on_points, MODEL, **options), wanted, rtol=1e-6)
    np.testing.assert_allclose(param_jacobian(at_point, MODEL, inputs=X, **options), wanted, rtol=1e-6)


def test_columns_of_a_selection_are_columns_of_the_whole_in_the_order_of_the_leaves():
    whole = np.asarray(param_jacobian(on_points, MODEL))
    nothing = jax.tree.map(lambda _: False, MODEL)
    selections = (
        (lambda m: m.second, [2, 3, 4]),
        (lambda m: m.first, [0, 1]),
        (lambda m: (m.second, m.power, m.first), [0, 1, 2, 3, 4]),
        (lambda m: m, [0, 1, 2, 3, 4]),
        (eqx.tree_at(lambda m: m.second, nothing, True), [2, 3, 4]),
        (eqx.tree_at(lambda m: m.first, nothing, np.bool_(True)), [0, 1]),
        (True, [0, 1, 2, 3, 4]),
    )
    for where, columns in selections:
        np.testing.assert_array_equal(param_jacobian(on_points, MODEL, where=where), whole[:, columns])


def test_a_mask_of_a_network_is_a_mask_although_it_can_be_called():
    network = mlp()
    mask = eqx.tree_at(lambda m: m.layers[-1].weight, jax.tree.map(lambda _: False, network), True)
    by_mask = param_jacobian(at_point, network, inputs=jr.normal(KEY, (4, 2)), where=mask)
    by_function = param_jacobian(at_point, network, inputs=jr.normal(KEY, (4, 2)), where=lambda m: m.layers[-1].weight)
    assert callable(mask) and by_mask.shape == (4, 6)
    np.testing.assert_array_equal(by_mask, by_function)


@pytest.mark.parametrize("out_size", ["scalar", 3])
def test_all_ways_of_computing_it_agree_with_jaxs(out_size, float64):
    network, inputs = mlp(jr.key(1), out_size), jr.normal(KEY, (5, 2))
    f = lambda model: jax.vmap(model)(inputs)  # noqa: E731
    arrays, static = eqx.partition(network, eqx.is_array)
    combined = lambda arrays: eqx.combine(arrays, static)  # noqa: E731
    tree = jit(jax.jacrev(lambda arrays: f(combined(arrays))))(arrays)
    shape = (5,) if out_size == "scalar" else (5, 3)
    wanted = np.concatenate([np.reshape(leaf, (*shape, -1)) for leaf in jax.tree.leaves(tree)], axis=-1)
    for mode in ("forward", "reverse"):
        for chunk_size in (4, None):
            options = {"mode": mode, "chunk_size": chunk_size}
            for arguments in ({"f": f}, {"f": at_point, "inputs": inputs}):
                jacobian = jit(lambda arrays, a=arguments, o=options: param_jacobian(model=combined(arrays), **a, **o))
                np.testing.assert_allclose(jacobian(arrays), wanted, atol=1e-12)


def test_fields_are_flattened_and_inputs_may_be_any_pytree():
    scale = jnp.array([[2.0], [3.0]])
    inputs = {"u": jr.normal(KEY, (4, 2, 5)), "dt": jnp.arange(4.0)}
    f = lambda scale, x: x["dt"] * scale * x["u"]  # noqa: E731
    jacobian = param_jacobian(f, scale, inputs=inputs)
    assert jacobian.shape == (4, 10, 2)
    wanted = np.einsum("n,ncx,cp->ncxp", inputs["dt"], inputs["u"], np.eye(2)).reshape(4, 10, 2)
    np.testing.assert_allclose(jacobian, wanted, rtol=1e-6)
    at_once = lambda scale: jax.vmap(lambda x: f(scale, x))(inputs)  # noqa: E731
    np.testing.assert_allclose(param_jacobian(at_once, scale), wanted, rtol=1e-6)


def test_a_complex_array_has_a_column_for_each_real_and_each_imaginary_part():
    model = (jnp.array([1.0 + 2.0j, 3.0]), jnp.array(2.0))
    f = lambda model: jnp.stack([model[0].real[0] * model[1], 5 * model[0].imag[1], jnp.abs(model[0][0]) ** 2])  # noqa: E731
    for mode in ("forward", "reverse"):
        jacobian = param_jacobian(f, model, mode=mode)
        assert jacobian.shape[1] == count_parameters(model)
        np.testing.assert_allclose(jacobian, [[2, 0, 0, 0, 1], [0, 0, 0, 5, 0], [2, 0, 4, 0, 0]])


def test_auto_takes_reverse_mode_if_there_are_fewer_rows_than_columns():
    """Rows are all outputs, or those of one sample: 7 numbers of 3 samples here, against 10 or 30 parameters."""
    inputs = jnp.ones((3, 7))
    f = lambda p, x: jnp.sum(p) * x  # noqa: E731
    at_once = lambda p: jax.vmap(lambda x: f(p, x))(inputs)  # noqa: E731

    def program(mode, num_parameters, **arguments):
        jacobian = lambda p: param_jacobian(model=p, mode=mode, **arguments)  # noqa: E731
        return str(jax.make_jaxpr(jacobian)(jnp.ones(num_parameters)))

    for arguments, size, taken, other in (
        ({"f": at_once}, 30, "reverse", "forward"),
        ({"f": at_once}, 10, "forward", "reverse"),
        ({"f": f, "inputs": inputs}, 10, "reverse", "forward"),
        ({"f": f, "inputs": inputs}, 7, "forward", "reverse"),
    ):
        auto = program("auto", size, **arguments)
        assert auto == program(taken, size, **arguments) != program(other, size, **arguments)


def test_chunks_bound_the_memory():
    """Activations are 1000 numbers per sample: with chunks, no array holds them for all samples."""
    inputs, wide = jnp.ones((64, 2)), jr.normal(KEY, (1000, 3))
    f = lambda w, x: wide.T @ jnp.tanh(wide @ w * x[0])  # noqa: E731

    def memory(chunk_size):
        jacobian = jax.jit(lambda w: param_jacobian(f, w, inputs=inputs, chunk_size=chunk_size))
        return jacobian.lower(jnp.ones(3)).compile().memory_analysis().temp_size_in_bytes

    assert memory(4) < memory(None) / 8


def test_it_is_traced_differentiated_and_vmapped():
    network, inputs = mlp(), jr.normal(KEY, (3, 2))
    size = lambda model: jnp.sum(param_jacobian(at_point, model, inputs=inputs, chunk_size=2) ** 2)  # noqa: E731
    size, plain = eqx.filter_jit(size), size
    assert size(network) == pytest.approx(float(plain(network)), rel=1e-5)
    gradient = eqx.filter_jit(eqx.filter_grad(size))(network)
    direction = jax.tree.map(lambda leaf: jnp.ones_like(leaf) if eqx.is_array(leaf) else leaf, gradient)
    step = lambda h: eqx.apply_updates(network, jax.tree.map(lambda d: h * d, direction))  # noqa: E731
    wanted = (size(step(1e-2)) - size(step(-1e-2))) / 2e-2
    assert sum(map(jnp.sum, jax.tree.leaves(gradient))) == pytest.approx(float(wanted), rel=1e-2)
    stacked = jax.vmap(lambda p: param_jacobian(lambda p: p * X, p))(jnp.arange(3.0))
    assert stacked.shape == (3, 7, 1)


@pytest.mark.parametrize("name", ZOO)
def test_every_network_has_a_jacobian(name):
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="dirichlet")
    inputs = jax.ShapeDtypeStruct((3, 2, NUM_POINTS), jnp.float32)
    jacobian = jax.eval_shape(lambda network, x: param_jacobian(at_point, network, inputs=x), network, inputs)
    assert jacobian.shape == (3, 3 * NUM_POINTS, count_parameters(network))
    assert jacobian.dtype == jnp.float32


@pytest.mark.parametrize("name", ["ClassicFNO", "ConvNet"])
def test_the_jacobian_of_a_network_predicts_a_small_step(name, float64):
    network = jax.tree.map(lambda leaf: leaf.astype(float), filled(ZOO[name], 1, 2, 3, boundary_mode="neumann"))
    inputs = jr.normal(KEY, (2, 2, NUM_POINTS))
    leaves, structure = jax.tree.flatten(network)
    steps = [1e-6 * jr.normal(jr.key(k), leaf.shape) for k, leaf in enumerate(leaves)]
    moved = lambda sign: jax.tree.unflatten(structure, [a + sign * b for a, b in zip(leaves, steps, strict=True)])  # noqa: E731
    outputs = jit(lambda network: jax.vmap(network)(inputs))
    difference = (outputs(moved(1)) - outputs(moved(-1))) / 2
    jacobian = jit(lambda network: param_jacobian(at_point, network, inputs=inputs))(network)
    predicted = jacobian @ jnp.concatenate([step.ravel() for step in steps])
    np.testing.assert_allclose(predicted, difference.reshape(2, -1), atol=1e-11)


def test_single_precision_stays_single(float64):
    for mode in ("forward", "reverse"):
        assert param_jacobian(on_points, MODEL, mode=mode).dtype == jnp.float32


@pytest.mark.parametrize(
    "options, message",
    [
        ({"mode": "jacrev"}, r"`mode` must be 'auto', 'forward' or 'reverse', got 'jacrev'"),
        ({"chunk_size": 0}, r"`chunk_size` must be an integer of at least 1, got 0"),
        ({"where": lambda m: m.power}, r"`where` must select floating arrays of the model, got none"),
        ({"where": lambda m: ()}, r"`where` must select floating arrays of the model, got none"),
        ({"where": False}, r"`where` must select floating arrays of the model, got none"),
        ({"where": lambda m: X}, r"`where` must be a boolean pytree like the model, or a function"),
        ({"where": "first"}, r"`where` must be a boolean pytree like the model, .*got 'first'"),
        (
            {"where": jax.tree.map(lambda leaf: np.ones(2, bool), MODEL)},
            r"one boolean per array of the model",
        ),
        ({"where": lambda m: m.first.T}, r"`where` must return parts of the model as they are.*no attribute 'T'"),
        ({"where": (True, False)}, r"`where` must have the structure of the model"),
        ({"f": lambda m: jnp.sum(m.first)}, r"`f` must return shape \(N,\) or \(N, D\), got \(\)"),
        ({"f": lambda m: m.first * 1j}, r"`f` must return an array of real floating-point numbers"),
        ({"f": lambda m: (m.first, m.first)}, r"`f` must return an array of real floating-point numbers"),
        ({"f": lambda m: jnp.argsort(m.first)}, r"`f` must return an array of real floating-point numbers, got .*int"),
        ({"inputs": (X, X[1:])}, r"`inputs` must hold arrays with a common leading axis of samples.*\(7,\), \(6,\)"),
        ({"inputs": 1.0}, r"`inputs` must hold arrays with a common leading axis"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        param_jacobian(**{"f": on_points, "model": MODEL, **options})
