"""Networks as arguments of bare JAX and optax: values, gradients, batches, one update."""

import copy
import itertools
import pickle
import re
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import pdequinox
from filled import apply, filled, jit
from references import MODES
from zoo import NUM_POINTS, TRAITS, ZOO

by_name = pytest.mark.parametrize("name", ZOO)

# Every mode meets every dtype while networks and dimensions go by: one compilation each.
DTYPES = (jnp.float32, jnp.float64, jnp.bfloat16)
MIX = {1: ("neumann",), 2: ("periodic", "dirichlet"), 3: ("cell-neumann", "periodic", "dirichlet")}
COVER = itertools.cycle(itertools.product((*MODES, "mix", "ends"), DTYPES))
CASES = [(name, d, *next(COVER)) for name, d in itertools.product(ZOO, (1, 2, 3))]


def varied(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


def loss(network, x, target):
    return jnp.mean((network(x) - target) ** 2)


value_and_grad = jit(jax.value_and_grad(loss))


@pytest.mark.parametrize(("name", "num_spatial_dims", "mode", "dtype"), CASES)
def test_every_leaf_gets_a_finite_gradient_that_is_not_zero(name, num_spatial_dims, mode, dtype):
    if mode == "ends":
        mode = (("dirichlet", "neumann"),) * num_spatial_dims
    if mode == "mix" or (TRAITS[name].needs_basis and not isinstance(mode, str)):
        mode = MIX[num_spatial_dims]
    spatial = (NUM_POINTS,) * num_spatial_dims
    with jax.enable_x64(dtype == jnp.float64):
        # A smooth activation: a rectifier that is off everywhere passes no gradient.
        build = partial(ZOO[name], activation=jax.nn.gelu)
        network = pdequinox.cast(filled(build, num_spatial_dims, 2, 3, boundary_mode=mode), dtype)
        x, target = jnp.asarray(varied(2, *spatial), dtype), jnp.asarray(varied(3, *spatial), dtype)
        with jax.numpy_dtype_promotion("strict"):
            value, gradient = value_and_grad(network, x, target)
    assert value.dtype == dtype and 0 < float(value) < np.inf
    assert jax.tree.structure(gradient) == jax.tree.structure(network)
    leaves = jax.tree_util.tree_leaves_with_path(gradient)
    for (path, leaf), parameter in zip(leaves, jax.tree.leaves(network), strict=True):
        assert leaf.dtype == dtype and leaf.shape == parameter.shape
        values = np.asarray(leaf, np.float64)
        assert np.all(np.isfinite(values)), jax.tree_util.keystr(path)
        is_zero = not np.any(values)
        assert is_zero == (jax.tree_util.keystr(path) in TRAITS[name].without_gradient), jax.tree_util.keystr(path)


@by_name
def test_every_single_weight_gets_a_gradient(name, float64):
    """With a smooth activation; the imaginary part of the mean's weight has none, since a mean is real.

    Factors of weights are in tuples: each number of theirs belongs to several modes.
    """
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="periodic", activation=jnp.tanh)
    x, target = jnp.asarray(varied(2, NUM_POINTS)), jnp.asarray(varied(3, NUM_POINTS))
    _, gradient = value_and_grad(network, x, target)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        path, leaf = jax.tree_util.keystr(path), np.asarray(leaf)
        if path in TRAITS[name].without_gradient:
            continue
        if re.search(TRAITS[name].imaginary, path):
            assert not np.any(leaf[..., 0])
            leaf = leaf[..., 1:]
        if path in TRAITS[name].rows_without_gradient:
            rows = TRAITS[name].rows_without_gradient[path]
            assert np.max(np.abs(leaf[rows])) < 1e-12 * np.max(np.abs(leaf))
            leaf = np.delete(leaf, rows, axis=0)
        assert np.all(leaf != 0), path


@by_name
def test_the_gradient_is_that_of_finite_differences(name, float64):
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="periodic", activation=jnp.tanh)
    x, target = jnp.asarray(varied(2, NUM_POINTS)), jnp.asarray(varied(3, NUM_POINTS))
    direction = jax.tree.map(lambda leaf: np.cos(np.arange(leaf.size)).reshape(leaf.shape), network)
    gradient = value_and_grad(network, x, target)[1]
    slope = sum(np.sum(g * d) for g, d in zip(*map(jax.tree.leaves, (gradient, direction)), strict=True))
    step = 1e-5
    ahead, behind = (
        float(value_and_grad(jax.tree.map(lambda p, d, s=s: p + s * d, network, direction), x, target)[0])
        for s in (step, -step)
    )
    assert float(slope) == pytest.approx((ahead - behind) / (2 * step), rel=1e-6)


@by_name
def test_vmap_is_a_loop_over_samples(name):
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="dirichlet")
    batch = jnp.asarray(varied(4, 2, NUM_POINTS), jnp.float32)
    batched = jit(lambda network, batch: jax.vmap(network)(batch))(network, batch)
    one_by_one = np.stack([apply(network, x) for x in batch])
    np.testing.assert_allclose(batched, one_by_one, rtol=1e-4, atol=1e-5)


@by_name
def test_one_update_with_optax_changes_every_leaf_and_lowers_the_loss(name):
    """No filtering, no partitioning: the network itself is what JAX and optax are given."""
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="neumann", activation=jax.nn.gelu)
    optimizer = optax.adam(1e-3)
    state = optimizer.init(network)
    x, target = (jnp.asarray(varied(c, NUM_POINTS), jnp.float32) for c in (2, 3))

    @jit
    def step(network, state):
        value, gradient = jax.value_and_grad(loss)(network, x, target)
        updates, state = optimizer.update(gradient, state, network)
        return optax.apply_updates(network, updates), state, value

    updated, state, before = step(network, state)
    _, _, after = step(updated, state)
    assert after < before
    assert jax.tree.structure(updated) == jax.tree.structure(network)
    leaves = zip(jax.tree_util.tree_leaves_with_path(network), jax.tree.leaves(updated), strict=True)
    kept = {jax.tree_util.keystr(path) for (path, old), new in leaves if np.array_equal(old, new)}
    assert kept == set(TRAITS[name].without_gradient)


@by_name
def test_no_two_weights_start_equal(name):
    """A key that is used twice would make two kernels of the same shape equal."""
    network = ZOO[name](1, 2, 3, boundary_mode="periodic", key=jr.key(1))
    drawn = [np.asarray(leaf) for leaf in jax.tree.leaves(network) if np.unique(leaf).size > 1]
    assert len(drawn) > 3
    for first, second in itertools.combinations(drawn, 2):
        shared = min(first.size, second.size)
        assert first.shape != second.shape or np.all(first != second)
        # Not even up to their scale: the same bits with another fan-in.
        ratio = first.ravel()[:shared] / second.ravel()[:shared]
        assert shared < 3 or np.ptp(ratio) > 1e-3 * abs(ratio[0])


@by_name
def test_copies_and_pickles_of_a_network_are_the_network(name):
    """So they do not compile again: the tree is the same, activations included."""
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="neumann")
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert jax.tree.structure(other) == jax.tree.structure(network)
        assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (network, other)), strict=True))


@by_name
def test_another_key_gives_another_network(name):
    first, second = (jax.tree.leaves(ZOO[name](1, 2, 3, boundary_mode="periodic", key=jr.key(seed))) for seed in (1, 2))
    assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))


class ParametricReLU(eqx.Module):
    """An activation with a parameter."""

    slope: jax.Array

    def __call__(self, x):
        return jnp.where(x > 0, x, self.slope.astype(x.dtype) * x)


def slopes_of(tree):
    return [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree) if "slope" in jax.tree_util.keystr(path)]


@by_name
def test_an_activation_that_is_a_module_stays_dynamic(name):
    plain = filled(ZOO[name], 1, 2, 3, boundary_mode="neumann")
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="neumann", activation=ParametricReLU(jnp.array(0.1)))
    slopes = slopes_of(network)
    assert slopes and len(jax.tree.leaves(network)) == len(jax.tree.leaves(plain)) + len(slopes)


@pytest.mark.parametrize("name", ["ConvNet", "MLP", "ClassicFNO"])
def test_an_activation_that_is_a_module_is_trained(name):
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="neumann", activation=ParametricReLU(jnp.array(0.1)))
    x, target = (jnp.asarray(varied(c, NUM_POINTS), jnp.float32) for c in (2, 3))
    _, gradient = value_and_grad(network, x, target)
    assert all(np.any(slope) for slope in slopes_of(gradient))


@pytest.mark.parametrize("activation", [jax.nn.relu, jnp.tanh, lambda x: x**2], ids=["relu", "tanh", "lambda"])
@by_name
def test_a_plain_function_as_activation_is_static(name, activation):
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="neumann", activation=activation)
    assert len(jax.tree.leaves(network)) == len(jax.tree.leaves(filled(ZOO[name], 1, 2, 3, boundary_mode="neumann")))
