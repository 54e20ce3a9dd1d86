"""Transolver and its attention among slices."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox import arch
from pdequinox.blocks import PhysicsAttentionBlock
from test_zoo_symmetry import mirrored
from zoo import ZOO


def varied(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


def count(build, *args, **kwargs):
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter_eval_shape(build, *args, **kwargs, key=KEY)))


@pytest.mark.parametrize("num_spatial_dims", [1, 2, 3])
def test_parameters_are_those_of_the_source_without_its_placeholder(num_spatial_dims):
    """Counted layer by layer from the source: coordinates and input go in, each head has a temperature."""
    c, heads, slices, layers, d = 64, 4, 32, 3, 16
    linear = lambda a, b: a * b + b  # noqa: E731
    attention = heads + 2 * (3**num_spatial_dims * c * c + c) + linear(d, slices) + 3 * d * d + linear(c, c)
    block = 2 * 2 * c + attention + 2 * linear(c, c)
    expected = linear(2 + num_spatial_dims, 2 * c) + linear(2 * c, c) + layers * block + 2 * c + linear(c, 3)
    assert count(arch.Transolver, num_spatial_dims, 2, 3) == expected
    assert num_spatial_dims != 2 or expected == 272_943


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def weight_of(layer):
    return np.asarray(layer.weight).reshape(layer.out_channels, -1)


def normed(norm, x):
    y = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    return y * np.asarray(norm.weight)[:, None] + np.asarray(norm.bias)[:, None]


def test_the_block_is_that_of_a_loop_over_heads_and_slices(float64):
    heads, d, slices = 2, 3, 4
    build = partial(PhysicsAttentionBlock, 2, 6, 6, num_heads=heads, num_slices=slices, kernel_size=1)
    block = filled(build, activation=jnp.tanh, boundary_mode="neumann", temperature_range=(0.1, 5.0))
    block = eqx.tree_at(lambda b: b.temperature, block, jnp.array([-1.0, 0.7]))
    x = varied(6, 2, 5)
    flat = x.reshape(6, -1)
    n = normed(block.norm_1, flat)
    u, v = (weight_of(conv) @ n + np.reshape(conv.bias, (-1, 1)) for conv in (block.slice_conv, block.value_conv))
    out = np.zeros_like(v)
    for h, temperature in zip(range(heads), (0.1, 0.7), strict=True):
        mine = slice(h * d, (h + 1) * d)
        scores = weight_of(block.to_slices) @ u[mine] + np.reshape(block.to_slices.bias, (-1, 1))
        w = softmax(scores / temperature, 0)
        tokens = np.stack([(v[mine] * w[g]).sum(1) / (w[g].sum() + 1e-5) for g in range(slices)], axis=1)
        q, k, t = np.split(weight_of(block.qkv) @ tokens, 3)
        tokens = t @ softmax(q.T @ k / np.sqrt(d), 1).T
        out[mine] = tokens @ w
    flat = flat + weight_of(block.output) @ out + np.reshape(block.output.bias, (-1, 1))
    first, second = block.mlp.layers
    y = np.tanh(weight_of(first) @ normed(block.norm_2, flat) + np.reshape(first.bias, (-1, 1)))
    y = flat + weight_of(second) @ y + np.reshape(second.bias, (-1, 1))
    np.testing.assert_allclose(apply(block, jnp.asarray(x)), y.reshape(x.shape), atol=1e-11)


def test_weights_of_slices_add_up_to_one(float64):
    block = filled(PhysicsAttentionBlock, 1, 4, 4, num_heads=2, num_slices=5, boundary_mode="neumann")
    weights = np.asarray(block.slice_weights(jnp.asarray(varied(4, 7))))
    assert weights.shape == (5, 2, 7) and np.all(weights > 0)
    np.testing.assert_allclose(weights.sum(0), 1)


def test_one_slice_is_the_mean_of_all_points(float64):
    """Then the attention is a constant of each channel, whatever the grid."""
    block = filled(PhysicsAttentionBlock, 1, 4, 4, num_heads=2, num_slices=1, kernel_size=1, boundary_mode="neumann")
    x = varied(4, 6)
    y = jnp.asarray(np.repeat(x, 3, axis=1))
    coarse, fine = (np.asarray(apply(block, u)) for u in (jnp.asarray(x), y))
    np.testing.assert_allclose(fine, np.repeat(coarse, 3, axis=1), atol=1e-4)


def test_without_coordinates_symmetries_are_kept(float64):
    build = partial(ZOO["Transolver"], position=None, activation=jnp.tanh)
    network, x = filled(build, 1, 2, 3, boundary_mode="periodic"), varied(2, 9)
    y, shifted = (np.asarray(apply(network, jnp.asarray(u))) for u in (x, np.roll(x, 2, 1)))
    np.testing.assert_allclose(shifted, np.roll(y, 2, 1), atol=1e-10)
    for mode in ("dirichlet", "neumann", "cell-dirichlet", "cell-neumann"):
        network = filled(build, 1, 2, 3, boundary_mode=mode)
        y, of_reflected = (apply(network, jnp.asarray(x)), apply(mirrored(network, 0), jnp.asarray(x[:, ::-1])))
        np.testing.assert_allclose(of_reflected, np.asarray(y)[:, ::-1], atol=1e-10)


def test_with_sinusoidal_coordinates_the_input_has_twice_as_many_as_with_a_grid():
    first = {
        position: eqx.filter_eval_shape(partial(arch.Transolver, position=position), 2, 2, 3, key=KEY).lifting.layers[0]
        for position in ("grid", "sinusoidal", None)
    }
    assert [first[p].in_channels for p in ("grid", "sinusoidal", None)] == [4, 6, 2]


def test_initial_weights_are_those_of_the_source_or_uniform():
    network = arch.Transolver(1, 2, 3, num_blocks=1, key=KEY)
    for layer in (*network.lifting.layers, network.projection, network.blocks[0].to_slices, network.blocks[0].qkv):
        std = np.std(layer.weight)
        assert std == pytest.approx(0.02, rel=0.25)
        assert layer.bias is None or not np.any(layer.bias)
    assert np.all(network.blocks[0].temperature == 0.5)
    uniform = arch.Transolver(1, 2, 3, num_blocks=1, initial_std=None, key=KEY)
    assert np.max(np.abs(uniform.projection.weight)) == pytest.approx(1 / 8, rel=0.05)
    assert eqx.tree_equal(uniform.blocks[0].slice_conv, network.blocks[0].slice_conv)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_any_grid_will_do(dtype):
    for shape, mode in [((63,), "dirichlet"), ((7, 6), (("dirichlet", "neumann"), "periodic")), ((2,), "neumann")]:
        network = filled(ZOO["Transolver"], len(shape), 2, 3, boundary_mode=mode)
        network = jax.tree.map(lambda leaf: leaf.astype(dtype), network)
        y = jax.eval_shape(network, jax.ShapeDtypeStruct((2, *shape), dtype))
        assert y.shape == (3, *shape) and y.dtype == dtype


def test_wrong_options_are_refused():
    build = partial(arch.Transolver, 1, 2, 3, key=KEY)
    with pytest.raises(ValueError, match=r"`num_heads` must divide the number of channels \(64\), got 5"):
        build(num_heads=5)
    with pytest.raises(ValueError, match=r"`temperature_range` must be two positive numbers .* got \(5.0, 0.1\)"):
        build(temperature_range=(5.0, 0.1))
    with pytest.raises(ValueError, match="`embedding` must be one of 'grid', 'sinusoidal', got 'rotary'"):
        build(position="rotary")
    with pytest.raises(ValueError, match="`num_slices` must be an integer of at least 1, got 0"):
        build(num_slices=0)
    with pytest.raises(ValueError, match="`num_blocks` must be an integer of at least 1, got 0"):
        build(num_blocks=0)
