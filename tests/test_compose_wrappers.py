"""Wrappers that make something else of any network: positions, history, residuals, units, less memory."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pdequinox
from filled import KEY, apply, filled, jit
from pdequinox import boundary
from pdequinox.compose import (
    History,
    MixedPrecision,
    OutputScaling,
    PositionEmbedding,
    Rematerialized,
    ResidualPrediction,
    conditioned,
    num_position_channels,
    position_channels,
)
from pdequinox.train import rollout
from references import MODES
from zoo import ZOO

WITHOUT_BLOCKS = {"ConvNet", "MLP"}


def varied(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


@pytest.mark.parametrize("mode", MODES)
def test_positions_are_the_points_of_the_grid(mode):
    channels = position_channels((5, 4), (mode, "periodic"))
    assert channels.shape == (num_position_channels(2), 5, 4)
    np.testing.assert_array_equal(channels[0], np.repeat(boundary.grid(5, 1.0, mode)[:, None], 4, 1))
    np.testing.assert_array_equal(channels[1], np.tile([0, 0.25, 0.5, 0.75], (5, 1)))


def test_sinusoidal_positions_are_smooth_where_the_axis_is_periodic_and_one_to_one_where_it_is_not():
    channels = position_channels((8, 7), ("periodic", "dirichlet"), "sinusoidal", 2)
    assert channels.shape == (num_position_channels(2, "sinusoidal", 2), 8, 7) == (8, 8, 7)
    x, y = np.arange(8) / 8, (np.arange(7) + 1) / 8
    np.testing.assert_allclose(
        channels[:4, :, 0], [f(k * x) for k in 2 * np.pi * np.array([1, 2]) for f in (np.sin, np.cos)]
    )
    np.testing.assert_allclose(channels[4:, 0], [f(k * y) for k in np.pi * np.array([1, 2]) for f in (np.sin, np.cos)])
    assert np.all(np.diff(channels[5, 0]) < 0)


def test_a_position_embedding_puts_positions_behind_the_channels():
    seen = []
    wrapper = PositionEmbedding(lambda x, *more: seen.append((x, more)) or x[:3], 1, boundary_mode="neumann")
    x = jnp.asarray(varied(3, 5), jnp.float32)
    np.testing.assert_array_equal(wrapper(x, "more"), x)
    ((inputs, more),) = seen
    assert more == ("more",) and inputs.dtype == x.dtype
    np.testing.assert_array_equal(inputs, np.concatenate([x, np.linspace(0, 1, 5)[None]]).astype(np.float32))


def test_wrong_embeddings_are_refused():
    with pytest.raises(ValueError, match="`embedding` must be one of 'grid', 'sinusoidal', got 'fourier'"):
        PositionEmbedding(jnp.sin, 1, embedding="fourier")
    with pytest.raises(ValueError, match="`num_frequencies` must be an integer of at least 1, got 0"):
        position_channels((4,), "periodic", "sinusoidal", 0)
    with pytest.raises(ValueError, match=r"\(channels, \*spatial\) with 2 spatial axes, got \(4, 8\)"):
        PositionEmbedding(jnp.sin, 2)(jnp.ones((4, 8)))


def test_history_is_channels_with_the_oldest_first():
    network = History(lambda x: x[:2] + 10 * x[2:4], 2)
    past = jnp.asarray(varied(2, 2, 5))
    np.testing.assert_array_equal(network(past), past[0] + 10 * past[1])
    with pytest.raises(ValueError, match=r"`past` must have the shape \(2, channels, \*spatial\), got \(3, 2, 5\)"):
        network(jnp.ones((3, 2, 5)))
    with pytest.raises(ValueError, match="`num_steps` must be an integer of at least 1, got 0"):
        History(jnp.sin, 0)


def test_a_window_of_history_rolls_out(float64):
    """The leapfrog u'' = -u as a network of two steps: u_{n+1} = 2 cos(h) u_n - u_{n-1} has the solution cos(h n)."""
    step = History(lambda x: 2 * np.cos(0.1) * x[1:] - x[:1], 2)
    past = jnp.cos(0.1 * jnp.arange(2.0)).reshape(2, 1, 1)
    trajectory = rollout(step.advance, past, 50)[:, -1, 0, 0]
    np.testing.assert_allclose(trajectory, np.cos(0.1 * np.arange(2, 52)), atol=1e-12)


def test_a_residual_is_added_to_the_newest_channels():
    x = jnp.asarray(varied(4, 5))
    np.testing.assert_array_equal(ResidualPrediction(lambda x: 2 * x[:2])(x), x[2:] + 2 * x[:2])
    for network in (lambda x: jnp.concatenate([x, x]), lambda x: x[:, ::2]):
        with pytest.raises(ValueError, match=r"return at most the 4 channels .* got \(\d, \d\) from \(4, 5\)"):
            ResidualPrediction(network)(x)


def test_outputs_are_scaled_per_channel_and_the_scale_is_trained():
    x = jnp.asarray(varied(2, 5), jnp.float32)
    wrapper = OutputScaling(filled(ZOO["ConvNet"], 1, 2, 3), 3, initial_scale=0.5)
    np.testing.assert_allclose(wrapper(x), 0.5 * wrapper.network(x), rtol=1e-6)
    gradient = jax.grad(lambda f: jnp.sum(f(x) ** 2))(wrapper)
    assert np.all(gradient.scale.weight != 0)


def gradient_of(network, x):
    return jit(jax.grad(lambda network, x: jnp.mean(network(x) ** 2)))(network, x)


@pytest.mark.parametrize("remat", ["blocks", "network"])
@pytest.mark.parametrize("name", ["ModernUNet", "ClassicFNO"])
def test_recomputed_gradients_are_the_same(name, remat, float64):
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="dirichlet", activation=jnp.tanh)
    wrapper = Rematerialized(network, remat)
    assert eqx.tree_equal(wrapper.network, network)
    x = jnp.asarray(varied(2, 9))
    np.testing.assert_allclose(apply(wrapper, x), apply(network, x), rtol=1e-12)
    for ours, plain in zip(*map(jax.tree.leaves, (gradient_of(wrapper, x), gradient_of(network, x))), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-9, atol=1e-12)


def test_blocks_that_are_recomputed_keep_nothing_but_their_input():
    """What the backward pass is handed, as JAX counts it: the residuals of a block are its inputs."""
    network = filled(ZOO["ModernResNet"], 1, 2, 3, boundary_mode="periodic", activation=jnp.tanh)
    x = jnp.ones((2, 64))

    def kept(network):
        _, pullback = jax.eval_shape(lambda n: jax.vjp(lambda n: n(x), n), network)
        return sum(leaf.size for leaf in jax.tree.leaves(pullback) if 64 in leaf.shape)

    plain, blocks, whole = kept(network), kept(Rematerialized(network)), kept(Rematerialized(network, "network"))
    assert whole < blocks < plain / 2


@pytest.mark.parametrize(
    ("name", "remat"), [(n, r) for n in ZOO for r in ("blocks", "network") if r == "network" or n not in WITHOUT_BLOCKS]
)
def test_every_network_of_the_zoo_computes_in_a_shorter_format_and_can_be_recomputed(name, remat):
    network = eqx.filter_eval_shape(ZOO[name], 1, 2, 3, boundary_mode="dirichlet", key=KEY)
    x = jax.ShapeDtypeStruct((2, 8), jnp.float32)
    wrapper = Rematerialized(MixedPrecision(network), remat)
    with jax.numpy_dtype_promotion("strict"):
        value, gradient = jax.eval_shape(jax.value_and_grad(lambda network, x: jnp.mean(network(x) ** 2)), wrapper, x)
    assert value.dtype == jnp.float32
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(gradient))


def test_a_shorter_format_is_close_and_used():
    network = filled(ZOO["ClassicUNet"], 1, 2, 3, boundary_mode="neumann", activation=jnp.tanh)
    x = jnp.asarray(varied(2, 16), jnp.float32)
    short, full = apply(MixedPrecision(network), x), apply(network, x)
    assert short.dtype == jnp.float32
    assert 1e-4 < np.linalg.norm(short - full) / np.linalg.norm(full) < 3e-2
    assert "bf16" in str(jax.make_jaxpr(MixedPrecision(network))(x))


def test_wrong_parts_and_formats_are_refused():
    with pytest.raises(ValueError, match="`remat` must be one of 'blocks', 'network', got 'layers'"):
        Rematerialized(jnp.sin, "layers")
    with pytest.raises(
        ValueError, match=r"`remat` must be 'network' for a network without blocks, got 'blocks' for MLP"
    ):
        Rematerialized(filled(ZOO["MLP"], 1, 2, 3))
    with pytest.raises(ValueError, match=r"`compute_dtype` must be a real floating type, got 'int8'"):
        MixedPrecision(jnp.sin, "int8")
    for wrong in (None, "bf16"):
        with pytest.raises(ValueError, match=rf"`compute_dtype` must be a real floating type, got {wrong!r}"):
            MixedPrecision(jnp.sin, wrong)
    with pytest.raises(ValueError, match="`x` must hold floating-point numbers, got int32"):
        MixedPrecision(jnp.sin)(jnp.arange(3))


def test_any_function_can_be_recomputed():
    x = jnp.asarray(varied(8), jnp.float32)
    for network in (eqx.nn.MLP(8, 8, 8, 1, key=KEY), lambda x: 2 * x):
        np.testing.assert_allclose(Rematerialized(network, "network")(x), network(x), rtol=1e-6)


def test_scalars_keep_their_precision_beside_a_shorter_format():
    network = filled(ZOO["ModernResNet"], 1, 2, 3, activation=jnp.tanh)
    wrapped = conditioned(network, scales=1.0, key=KEY)
    wrapped = eqx.tree_at(lambda n: n.head.weight, wrapped, 0.1 + 0 * wrapped.head.weight)
    x = jnp.asarray(varied(2, 8), jnp.float32)
    first, second = (MixedPrecision(wrapped)(x, s) for s in (5.0, 5.01))
    assert np.any(first != second)


def test_wrappers_take_networks_of_other_dtypes():
    network = pdequinox.cast(filled(ZOO["ModernResNet"], 1, 2, 3), jnp.bfloat16)
    x = jnp.asarray(varied(2, 8), jnp.bfloat16)
    for method in ("adaptive_norm", "film", "added_embedding"):
        y = OutputScaling(conditioned(network, method=method, key=KEY), 3)(x, 0.3)
        assert y.dtype == jnp.bfloat16 and np.array_equal(y, network(x))
