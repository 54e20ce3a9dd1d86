"""Self-attention over the points of a grid."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox import cast
from pdequinox.blocks import SelfAttentionBlock


def varied(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def by_hand(block, x, lines, over_queries=False):
    """The attention of one line of points after another, with loops over heads. `lines` are lists of points."""
    flat = x.reshape(len(x), -1)
    w = lambda layer: np.asarray(layer.weight).reshape(layer.out_channels, -1)  # noqa: E731
    qkv = w(block.qkv) @ flat + np.asarray(block.qkv.bias).reshape(-1, 1)
    heads = np.split(qkv, 3 * block.num_heads)
    q, k, v = (heads[i * block.num_heads : (i + 1) * block.num_heads] for i in range(3))
    y = np.zeros_like(np.concatenate(v))
    d = len(q[0])
    for h in range(block.num_heads):
        for points in lines:
            scores = q[h][:, points].T @ k[h][:, points] / np.sqrt(d)
            y[h * d : (h + 1) * d, points] += v[h][:, points] @ softmax(scores, 0 if over_queries else 1).T
    y = w(block.output) @ y + np.asarray(block.output.bias).reshape(-1, 1)
    return x + y.reshape(x.shape)


@pytest.mark.parametrize("softmax_over", ["keys", "queries"])
def test_attention_over_all_points_is_that_of_numpy(softmax_over, float64):
    block = filled(SelfAttentionBlock, 2, 4, 4, num_heads=2, norm=None, softmax_over=softmax_over)
    x = varied(4, 3, 5)
    expected = by_hand(block, x, [list(range(15))], softmax_over == "queries")
    np.testing.assert_allclose(apply(block, jnp.asarray(x)), expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(6,), (3, 5), (2, 3, 4)], ids=str)
def test_axial_attention_is_a_sum_over_the_lines_of_the_grid(shape, float64):
    block = filled(SelfAttentionBlock, len(shape), 4, 4, num_heads=2, head_channels=3, norm=None, over="axes")
    x, points = varied(4, *shape), np.arange(np.prod(shape)).reshape(shape)
    lines = [line for axis in range(len(shape)) for line in np.moveaxis(points, axis, -1).reshape(-1, shape[axis])]
    np.testing.assert_allclose(apply(block, jnp.asarray(x)), by_hand(block, x, lines), atol=1e-12)


def test_attention_commutes_with_permutations_of_the_points(float64):
    block = filled(SelfAttentionBlock, 1, 2, 6, num_heads=2, use_query_key_norm=True, mlp_channels=5, layer_scale=0.5)
    x, order = varied(2, 7), np.random.default_rng(0).permutation(7)
    y = np.asarray(apply(block, jnp.asarray(x)))
    np.testing.assert_allclose(apply(block, jnp.asarray(x[:, order])), y[:, order], atol=1e-12)


def test_a_norm_that_is_not_applied_is_counted_and_has_no_effect(float64):
    build = partial(SelfAttentionBlock, 1, 4, 4, softmax_over="queries", key=KEY)
    counted, absent = build(norm="group", apply_norm=False), build(norm=None)
    assert eqx.tree_equal(counted.qkv, absent.qkv) and counted.norm.weight.size == 4
    x = jnp.asarray(varied(4, 6))
    np.testing.assert_array_equal(apply(counted, x), apply(absent, x))


def test_parameters_of_pdearena_s_attention():
    """A group norm, one map to queries, keys and values, one back; 1,024 channels in the middle of its U-Nets."""
    block = eqx.filter_eval_shape(partial(SelfAttentionBlock, norm="group"), 2, 1024, 1024, key=KEY)
    count = sum(leaf.size for leaf in jax.tree.leaves(block))
    assert count == 2 * 1024 + (1024 + 1) * 3 * 1024 + (1024 + 1) * 1024 == 148_464_131 - 144_263_683


def test_layer_scale_and_perceptron_are_beside_the_attention(float64):
    block = filled(SelfAttentionBlock, 1, 4, 4, norm=None, mlp_channels=6, layer_scale=1e-6, use_norm_bias=False)
    bare = eqx.tree_at(
        lambda b: (b.mlp, b.scale), block, (None, None), is_leaf=lambda leaf: leaf is None or leaf is block.mlp
    )
    x = jnp.asarray(varied(4, 6))
    expected = x + block.scale(bare(x) - x + block.mlp(x))
    np.testing.assert_allclose(apply(block, x), expected, atol=1e-12)
    weight = SelfAttentionBlock(1, 4, 4, layer_scale=1e-6, key=KEY).scale.weight
    assert np.all(weight == 1e-6) and not weight.weak_type


@pytest.mark.parametrize("softmax_over", ["keys", "queries"])
def test_low_precision_keeps_its_dtype_and_is_close(softmax_over):
    block = filled(SelfAttentionBlock, 1, 4, 4, num_heads=2, softmax_over=softmax_over, use_query_key_norm=True)
    x = jnp.asarray(varied(4, 6), jnp.float32)
    with jax.numpy_dtype_promotion("strict"):
        low = apply(cast(block, jnp.bfloat16), x.astype(jnp.bfloat16))
    assert low.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(low, np.float32), apply(block, x), atol=0.1)


def test_wrong_options_are_refused():
    build = partial(SelfAttentionBlock, 1, 2, 5, key=KEY)
    with pytest.raises(ValueError, match=r"`num_heads` must divide the number of channels \(5\), got 2"):
        build(num_heads=2)
    with pytest.raises(ValueError, match="`over` must be one of 'points', 'axes', got 'axis'"):
        build(over="axis")
    with pytest.raises(ValueError, match="`softmax_over` must be one of 'keys', 'queries', got 'rows'"):
        build(softmax_over="rows")
    with pytest.raises(ValueError, match="`norm` must be one of"):
        build(norm="batch")
    with pytest.raises(ValueError, match="`head_channels` must be an integer of at least 1, got 0"):
        build(head_channels=0)
