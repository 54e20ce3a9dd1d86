"""The U-Net of ConvNeXt blocks, its patches and its norms."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled, jit
from pdequinox import arch, conv
from pdequinox.blocks import ConvNeXtBlock

tiny = partial(arch.ConvNeXtUNet, hidden_channels=4, num_levels=2, num_blocks=1, num_neck_blocks=0, kernel_size=3)


def varied(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


def count(build, *args, **kwargs):
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter_eval_shape(build, *args, **kwargs, key=KEY)))


def test_parameters_are_those_of_the_well():
    assert count(arch.ConvNeXtUNet, 2, 44, 11) == 18_588_581
    small = {"hidden_channels": 32, "num_blocks": 1}
    assert count(arch.ConvNeXtUNet, 2, 44, 11, **small) == 7_277_291
    assert count(arch.ConvNeXtUNet, 3, 4, 3, **small) == 9_234_019


def test_layer_scales_start_tiny_so_that_blocks_start_as_the_identity():
    block = ConvNeXtBlock(1, 3, 3, boundary_mode="neumann", key=KEY)
    x = jnp.asarray(varied(3, 9), jnp.float32)
    np.testing.assert_allclose(apply(block, x), x, atol=1e-5)
    assert np.all(block.scale.weight == np.float32(1e-6))


def test_a_block_is_a_convolution_per_channel_a_norm_and_a_perceptron(float64):
    block = filled(ConvNeXtBlock, 1, 3, 3, kernel_size=5, boundary_mode="dirichlet", activation=jnp.tanh)
    x = varied(3, 9)
    taps = np.asarray(block.conv.weight)[:, 0]
    y = np.stack([np.correlate(np.pad(u, 2), w, "valid") for u, w in zip(x, taps, strict=True)])
    y = y + np.asarray(block.conv.bias)
    y = (y - y.mean(0)) / np.sqrt(y.var(0) + 1e-6)
    y = y * np.asarray(block.norm.weight)[:, None] + np.asarray(block.norm.bias)[:, None]
    first, second = block.mlp.layers
    y = np.tanh(np.asarray(first.weight)[..., 0] @ y + np.asarray(first.bias))
    y = np.asarray(second.weight)[..., 0] @ y + np.asarray(second.bias)
    np.testing.assert_allclose(
        apply(block, jnp.asarray(x)), x + np.asarray(block.scale.weight)[:, None] * y, atol=1e-12
    )


@pytest.mark.parametrize("scale", [None, 1e-6])
def test_a_block_without_a_layer_scale_has_no_such_parameter(scale):
    assert count(ConvNeXtBlock, 1, 3, 3, layer_scale=scale, boundary_mode="neumann") == 24 + 6 + 48 + 39 + 3 * bool(
        scale
    )


@pytest.mark.parametrize("shape", [(12,), (6, 4)], ids=str)
def test_patches_become_points_and_points_patches(shape, float64):
    size = (3, 2)[: len(shape)]
    down = filled(conv.PatchConv, len(shape), 2, 3, size, boundary_mode="periodic")
    up = filled(conv.PatchConvTranspose, len(shape), 3, 2, size, boundary_mode="periodic")
    x = varied(2, *shape)
    y = np.asarray(apply(down, jnp.asarray(x)))
    z = np.asarray(apply(up, jnp.asarray(y)))
    for j in np.ndindex(y.shape[1:]):
        patch = (slice(None), *(slice(s * i, s * i + s) for i, s in zip(j, size, strict=True)))
        expected = np.tensordot(down.weight, x[patch], len(shape) + 1) + np.ravel(down.bias)
        np.testing.assert_allclose(y[(slice(None), *j)], expected, atol=1e-12)
        expected = np.tensordot(up.weight, y[(slice(None), *j)], (1, 0)) + np.asarray(up.bias)
        np.testing.assert_allclose(z[patch], expected, atol=1e-12)


def test_a_last_patch_is_filled_by_the_boundary_mode(float64):
    for mode, ghost in [("periodic", 0), ("neumann", 3), ("cell-neumann", 4), ("dirichlet", None)]:
        down = filled(conv.PatchConv, 1, 2, 3, 2, boundary_mode=mode)
        x = varied(2, 5)
        full = np.concatenate([x, np.zeros((2, 1)) if ghost is None else x[:, ghost : ghost + 1]], axis=1)
        np.testing.assert_allclose(apply(down, jnp.asarray(x)), apply(down, jnp.asarray(full)), atol=1e-12)
    assert down.receptive_field == ((0.0, 1.0),)
    assert filled(conv.PatchConvTranspose, 1, 2, 3, 4, boundary_mode="neumann").receptive_field == ((3.0, 0.0),)


def test_initial_values_of_patches_are_those_of_pytorch():
    down = conv.PatchConv(2, 8, 32, 4, boundary_mode="neumann", key=KEY)
    up = conv.PatchConvTranspose(2, 32, 8, 4, boundary_mode="neumann", key=KEY)
    for layer in (down, up):
        limit = (8 * 16) ** -0.5
        assert 0.99 * limit < np.max(np.abs(layer.weight)) <= limit * (1 + 1e-6)


def test_a_norm_without_the_mean_divides_by_the_root_of_the_mean_square(float64):
    norm = conv.LayerNorm(3, use_mean=False)
    norm = eqx.tree_at(lambda n: (n.weight, n.bias), norm, (jnp.arange(1.0, 4), jnp.arange(3.0)))
    x = varied(3, 5)
    expected = x / np.sqrt(np.mean(x**2, axis=0) + 1e-5)
    expected = expected * np.asarray(norm.weight)[:, None] + np.asarray(norm.bias)[:, None]
    np.testing.assert_allclose(apply(norm, jnp.asarray(x)), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "boundary_mode"),
    [((63,), "dirichlet"), ((7, 6), (("dirichlet", "neumann"), "periodic")), ((3,), "neumann"), ((1, 2), "periodic")],
    ids=str,
)
def test_any_grid_will_do(shape, boundary_mode):
    network = filled(tiny, len(shape), 2, 3, boundary_mode=boundary_mode)
    y = jax.eval_shape(network, jax.ShapeDtypeStruct((2, *shape), jnp.float32))
    assert y.shape == (3, *shape)


def test_every_leaf_of_several_levels_gets_a_gradient_on_an_odd_grid():
    network = filled(tiny, 1, 2, 3, boundary_mode="cell-dirichlet", num_neck_blocks=1)
    x = jnp.asarray(varied(2, 7), jnp.float32)
    gradient = jit(jax.grad(lambda f, x: jnp.sum(jnp.sin(f(x)))))(network, x)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.all(np.isfinite(leaf)) and np.any(leaf), jax.tree_util.keystr(path)


def test_receptive_fields_bound_what_an_output_sees(float64):
    network = filled(tiny, 1, 2, 3, boundary_mode="dirichlet", activation=jnp.tanh)
    ((left, right),) = network.receptive_field
    sees = jit(lambda x: jax.grad(lambda x: jnp.sum(network(x)[:, 40]))(x))(jnp.asarray(varied(2, 80)))
    (seen,) = np.nonzero(np.any(np.asarray(sees) != 0, axis=0))
    assert 40 - left <= seen[0] < seen[-1] <= 40 + right
    # Convolutions of the finest level, patches, the middle level with its way up, patches, the coarsest.
    assert left == right == (2 + 1) + 1 + 2 * 2 + 2 * 1 + 4 * 1


def test_wrong_options_are_refused():
    build = partial(arch.ConvNeXtUNet, 1, 2, 3, key=KEY)
    with pytest.raises(ValueError, match="`resampling_norm` must be one of 'layer', 'rms', got 'l2'"):
        build(resampling_norm="l2")
    with pytest.raises(ValueError, match="`num_levels` must be an integer of at least 1, got 0"):
        build(num_levels=0)
    with pytest.raises(ValueError, match="`num_neck_blocks` must be an integer of at least 0, got -1"):
        build(num_neck_blocks=-1)
    with pytest.raises(ValueError, match="`expansion` must be an integer of at least 1, got 0"):
        build(expansion=0)
