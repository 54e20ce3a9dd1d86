"""Networks that depend on scalars, without being edited."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from filled import KEY, filled, jit
from pdequinox import arch, blocks, conv
from pdequinox.compose import (
    History,
    MixedPrecision,
    OutputScaling,
    PositionEmbedding,
    Rematerialized,
    ResidualPrediction,
    conditioned,
    num_position_channels,
)
from zoo import ZOO

METHODS = ["adaptive_norm", "film", "added_embedding"]
by_method = pytest.mark.parametrize("method", METHODS)


def varied(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


def awake(network):
    """The head's zeros replaced, so that the scalars have an effect."""
    weight = jnp.asarray(varied(*network.head.weight.shape), network.head.weight.dtype)
    return eqx.tree_at(lambda n: n.head.weight, network, 0.1 * weight)


def network_with_norms(**options):
    return filled(ZOO["ModernResNet"], 1, 2, 3, boundary_mode="neumann", activation=jnp.tanh, **options)


@by_method
def test_a_conditioned_network_starts_as_the_network_and_keeps_its_leaves(method):
    network = network_with_norms()
    wrapped = conditioned(network, 2, method=method, key=KEY)
    assert eqx.tree_equal(wrapped.network, network)
    x = jnp.asarray(varied(2, 8), jnp.float32)
    np.testing.assert_allclose(wrapped(x, jnp.array([0.3, 2.0])), network(x), rtol=1e-6, atol=1e-6)


@by_method
def test_scalars_have_an_effect_that_is_trained(method):
    wrapped = awake(conditioned(network_with_norms(), 2, method=method, num_frequencies=3, key=KEY))
    x = jnp.asarray(varied(2, 8), jnp.float32)
    loss = lambda network, scalars: jnp.sum(jnp.sin(network(x, scalars)))  # noqa: E731
    values = [float(loss(wrapped, jnp.array(s))) for s in ([0.3, 2.0], [0.4, 2.0], [0.3, 2.5])]
    assert len({round(value, 4) for value in values}) == 3
    gradient = jax.grad(loss)(wrapped, jnp.array([0.3, 2.0]))
    optax.adam(1e-3).init(wrapped)
    assert all(np.any(leaf) for leaf in jax.tree.leaves(gradient))


def test_an_adaptive_norm_scales_and_shifts_behind_the_norm(float64):
    norm = eqx.tree_at(
        lambda n: (n.weight, n.bias), conv.GroupNorm(1, 4), (jnp.asarray(varied(4)), jnp.asarray(varied(1, 4)[0]))
    )
    wrapped = awake(conditioned(norm, method="adaptive_norm", num_frequencies=0, embedding_size=3, key=KEY))
    x = jnp.asarray(varied(4, 5))
    scale, shift = jnp.split(wrapped.head(wrapped.embedding(jnp.array([0.7]))), 2)
    np.testing.assert_allclose(wrapped(x, 0.7), (1 + scale[:, None]) * norm(x) + shift[:, None], rtol=1e-12)


@pytest.mark.parametrize("method", ["film", "added_embedding"])
def test_films_and_embeddings_change_the_output_of_a_linear_layer(method, float64):
    layer = filled(conv.PhysicsConv, 1, 2, 3, 3, boundary_mode="dirichlet")
    wrapped = awake(conditioned(layer, method=method, scales=2.0, num_frequencies=2, embedding_size=3, key=KEY))
    x = jnp.asarray(varied(2, 5))
    features = np.array([0.35, np.sin(0.35), np.sin(0.7), np.cos(0.35), np.cos(0.7)])
    change = wrapped.head(wrapped.embedding(jnp.asarray(features)))
    scale, shift = jnp.split(change, 2) if method == "film" else (jnp.zeros(3), change)
    np.testing.assert_allclose(wrapped(x, 0.7), (1 + scale[:, None]) * layer(x) + shift[:, None], rtol=1e-12)


@pytest.mark.parametrize("name", ZOO)
def test_every_network_of_the_zoo_can_be_conditioned(name):
    network = eqx.filter_eval_shape(ZOO[name], 2, 2, 3, boundary_mode="dirichlet", key=KEY)
    wrapped = eqx.filter_eval_shape(lambda n: conditioned(n, 3, method="film", key=KEY), network)
    y = jax.eval_shape(lambda n, x, s: n(x, s), wrapped, jnp.ones((2, 8, 8)), jnp.ones(3))
    assert y.shape == (3, 8, 8)


@by_method
def test_a_batch_has_scalars_of_its_own(method):
    wrapped = awake(conditioned(network_with_norms(), 1, method=method, key=KEY))
    xs, scalars = jnp.asarray(varied(3, 2, 8), jnp.float32), jnp.array([[0.1], [0.5], [0.9]])
    batched = jit(jax.vmap(lambda n, x, s: n(x, s), (None, 0, 0)))(wrapped, xs, scalars)
    one_by_one = [wrapped(x, s) for x, s in zip(xs, scalars, strict=True)]
    np.testing.assert_allclose(batched, np.stack(one_by_one), rtol=1e-4, atol=1e-5)


def test_all_wrappers_compose():
    """History of two steps, with positions, conditioned, in blocks of less memory, as a scaled change of the state."""
    channels = 2 * 2 + num_position_channels(2, "sinusoidal")
    network = filled(arch.ModernUNet, 2, channels, 2, hidden_channels=4, num_levels=1, boundary_mode="neumann")
    inner = PositionEmbedding(network, 2, embedding="sinusoidal", boundary_mode="neumann")
    inner = awake(conditioned(MixedPrecision(Rematerialized(inner), "float32"), 2, key=KEY))
    stepper = History(ResidualPrediction(OutputScaling(inner, 2, initial_scale=0.1)), 2)
    past = jnp.asarray(varied(2, 2, 8, 8), jnp.float32)
    scalars = jnp.array([1.0, 3.0])
    y = jit(lambda f, past, s: f(past, s))(stepper, past, scalars)
    expected = past[1] + 0.1 * inner(jnp.concatenate([past[0], past[1]]), scalars)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    assert eqx.tree_equal(inner.network.network.network.network, network)
    optax.adam(1e-3).init(stepper)
    np.testing.assert_allclose(stepper.advance(past, scalars), np.stack([past[1], y]), rtol=1e-4, atol=1e-5)


def test_what_cannot_be_conditioned_is_refused():
    plain = filled(ZOO["ConvNet"], 1, 2, 3)
    with pytest.raises(ValueError, match="`network` must have norms for the method 'adaptive_norm', got ConvNet"):
        conditioned(plain, key=KEY)
    without_bias = filled(blocks.LinearConvBlock, 1, 2, 3, use_bias=False, boundary_mode="periodic")
    with pytest.raises(ValueError, match="`network` must have layers with a bias for the method 'film'"):
        conditioned(without_bias, method="film", key=KEY)
    with pytest.raises(
        ValueError, match="`method` must be one of 'adaptive_norm', 'film', 'added_embedding', got 'ada'"
    ):
        conditioned(plain, method="ada", key=KEY)
    for scales in (0.0, float("nan"), (1.0, 2.0, 3.0)):
        with pytest.raises(ValueError, match=r"one finite number other than zero, or one per scalar \(2\)"):
            conditioned(plain, 2, method="film", scales=scales, key=KEY)
    wrapped = conditioned(plain, 2, method="film", key=KEY)
    for scalars in (1.0, jnp.ones(3), jnp.ones((5, 2))):
        with pytest.raises(ValueError, match=r"`scalars` must have the shape \(2,\), got"):
            wrapped(jnp.ones((2, 8)), scalars)
