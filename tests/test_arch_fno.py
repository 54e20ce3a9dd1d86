"""FNO and TFNO: published counts, the mathematics of a block, padding, and what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox import arch
from pdequinox.blocks import ChannelMLPBlock, FNOBlock, make_skip
from pdequinox.conv import ChannelAffine, PointwiseLinearConv

# Li et al.'s code and PDEBench's: a linear lifting, no perceptrons in the blocks, 128 channels in the projection.
PLAIN = {
    "hidden_channels": 20,
    "lifting_ratio": None,
    "projection_ratio": 6.4,
    "use_channel_mlp": False,
    "use_bias": False,
    "use_skip_bias": True,
    "init": "uniform",
}
COUNTS = {
    "paper, FNO-2D": (arch.FNO, (2, 10, 1), {"num_modes": 8, "norm": "affine", **PLAIN}, 414_517),
    "paper, FNO-3D": (arch.FNO, (3, 10, 1), {"num_modes": 8, "norm": "affine", **PLAIN}, 6_558_537),
    "neuraloperator, n_modes (16, 16)": (arch.FNO, (2, 1, 1), {"num_modes": (8, 9)}, 4_769_473),
    "neuraloperator, n_modes (16,)": (arch.FNO, (1, 1, 1), {"num_modes": 9}, 345_665),
    "neuraloperator, TFNO": (arch.TFNO, (2, 1, 1), {"num_modes": (8, 9)}, 529_233),
    "The Well, FNO": (arch.FNO, (2, 44, 11), {"num_modes": (8, 9), "hidden_channels": 128}, 19_088_011),
    "The Well, TFNO": (arch.TFNO, (2, 44, 11), {"num_modes": (8, 9), "hidden_channels": 128}, 2_175_323),
    "PDEBench, FNO1d": (arch.FNO, (1, 10, 1), {"num_modes": 12, **PLAIN}, 43_137),
    "PDEBench, FNO2d": (arch.FNO, (2, 10, 1), {"num_modes": 12, **PLAIN}, 926_357),
    "PDEBench, FNO3d": (arch.FNO, (3, 50, 5), {"num_modes": 8, "norm": "affine", **PLAIN}, 6_559_853),
}


def varied(*shape):
    return np.random.default_rng(len(shape) + shape[-1]).standard_normal(shape)


@pytest.mark.parametrize("name", COUNTS)
def test_published_and_measured_counts(name):
    build, sizes, options, count = COUNTS[name]
    network = eqx.filter_eval_shape(build, *sizes, **options, key=KEY)
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) == count
    assert network.receptive_field == ((np.inf, np.inf),) * sizes[0]


def test_defaults_are_those_of_neuraloperator():
    network = eqx.filter_eval_shape(arch.FNO, 2, 1, 1, key=KEY)
    block = network.blocks[0]
    assert len(network.blocks) == 4 and [b.use_activation for b in network.blocks] == [True, True, True, False]
    assert isinstance(block.skip, PointwiseLinearConv) and block.skip.bias is None
    assert isinstance(block.channel_mlp_skip, ChannelAffine) and block.channel_mlp_skip.bias is None
    assert block.channel_mlp.layers[0].out_channels == 32 and block.spectral_conv.bias.shape == (64, 1, 1)
    assert network.lifting.network.layers[0].weight.shape == (128, 3, 1, 1)
    assert network.lifting.embedding == "grid" and network.projection.layers[0].out_channels == 128
    tensorised = eqx.filter_eval_shape(arch.TFNO, 2, 1, 1, key=KEY)
    assert tensorised.blocks[0].spectral_conv.factorization == "tucker"


def test_a_block_adds_its_skips_after_the_norms(float64):
    x = jnp.asarray(varied(4, 9))
    block = filled(FNOBlock, 1, 4, 4, num_modes=3, norm="group", activation=jnp.tanh)
    v = jnp.tanh(block.norm_1(block.spectral_conv(x)) + block.skip(x))
    y = jnp.tanh(block.norm_2(block.channel_mlp(v) + block.channel_mlp_skip(x)))
    np.testing.assert_allclose(apply(block, x), y, atol=1e-12)


def test_a_block_without_a_perceptron_is_normed_and_activated_once(float64):
    x = jnp.asarray(varied(2, 9))
    block = filled(FNOBlock, 1, 2, 3, num_modes=3, norm="group", use_channel_mlp=False, activation=jnp.tanh)
    assert block.norm_2 is None and block.channel_mlp is None
    y = jnp.tanh(block.norm_1(block.spectral_conv(x) + block.skip(x)))
    np.testing.assert_allclose(apply(block, x), y, atol=1e-12)


@pytest.mark.parametrize("boundary_mode", ["periodic", "dirichlet", "cell-neumann"])
def test_a_plain_fno_is_the_classic_one_between_perceptrons(boundary_mode, float64):
    """The same blocks: the last one without its activation."""
    network = filled(arch.FNO, 1, 2, 3, num_modes=3, boundary_mode=boundary_mode, **{**PLAIN, "hidden_channels": 4})
    classic = filled(
        arch.ClassicFNO, 1, 3, 3, hidden_channels=4, num_modes=3, num_blocks=4, boundary_mode=boundary_mode
    )
    for k, block in enumerate(network.blocks):
        classic = eqx.tree_at(lambda n, k=k: n.blocks[k].spectral_conv, classic, block.spectral_conv)
        classic = eqx.tree_at(lambda n, k=k: n.blocks[k].by_pass_conv, classic, block.skip)
    x = jnp.asarray(varied(2, 7))
    h = expected = network.lifting(x)
    for block in classic.blocks[:-1]:
        h = block(h)
    last = classic.blocks[-1]
    expected = network.projection(last.spectral_conv(h) + last.by_pass_conv(h))
    np.testing.assert_allclose(apply(network, x), expected, atol=1e-12)


def test_domain_padding_surrounds_the_lifted_field_with_zeros(float64):
    options = {"hidden_channels": 4, "num_modes": 2, "num_blocks": 1, "position_embedding": None}
    x = jnp.asarray(varied(2, 6, 5))
    for side, widths in [("both", [(0, 0), (0, 0), (2, 2)]), ("end", [(0, 0), (0, 0), (0, 2)])]:
        network = filled(arch.FNO, 2, 2, 3, domain_padding=(0, 0.4), padding_side=side, **options)
        h = network.blocks[0](jnp.pad(network.lifting(x), widths))
        low = widths[2][0]
        np.testing.assert_allclose(apply(network, x), network.projection(h[:, :, low : low + 5]), atol=1e-12)


def test_the_position_makes_a_network_see_where_it_is(float64):
    options = {"hidden_channels": 4, "num_modes": 2, "num_blocks": 1}
    x = jnp.asarray(varied(2, 8))
    for embedding, moves in [("grid", True), ("sinusoidal", True), (None, False)]:
        network = filled(arch.FNO, 1, 2, 3, position_embedding=embedding, **options)
        y, shifted = (np.asarray(apply(network, u)) for u in (x, jnp.roll(x, 1, 1)))
        assert (np.max(np.abs(shifted - np.roll(y, 1, 1))) > 1e-3) == moves


def test_all_blocks_may_be_activated_and_a_perceptron_s_last_layer_too(float64):
    options = {"hidden_channels": 4, "num_modes": 2, "num_blocks": 2, "use_activation": True}
    assert all(block.use_activation for block in filled(arch.FNO, 1, 2, 3, **options).blocks)
    plain, activated = (
        filled(ChannelMLPBlock, 1, 2, 3, use_final_activation=flag, activation=jnp.tanh) for flag in (False, True)
    )
    x = jnp.asarray(varied(2, 5))
    np.testing.assert_allclose(apply(activated, x), np.tanh(apply(plain, x)), atol=1e-12)


def test_a_preactivated_block_activates_its_input(float64):
    x = jnp.asarray(varied(4, 9))
    block = filled(FNOBlock, 1, 4, 4, num_modes=3, norm="group", use_preactivation=True, activation=jnp.tanh)
    w = block.norm_1(jnp.tanh(x))
    v = block.norm_2(jnp.tanh(block.spectral_conv(w) + block.skip(w)))
    np.testing.assert_allclose(apply(block, x), block.channel_mlp(v) + block.channel_mlp_skip(w), atol=1e-12)


def test_a_skip_that_cannot_change_the_channels_is_linear():
    for skip in ("soft-gating", "identity"):
        assert isinstance(make_skip(skip, 1, 2, 3, key=KEY), PointwiseLinearConv)
    assert make_skip(None, 1, 2, 2, key=KEY) is None
    assert isinstance(make_skip("identity", 1, 2, 2, key=KEY), eqx.nn.Identity)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip": "residual"}, "`skip` must be one of 'linear', 'soft-gating', 'identity', None, got 'residual'"),
        ({"norm": "batch"}, "`norm` must be one of"),
        ({"num_blocks": 0}, "`num_blocks` must be an integer of at least 1, got 0"),
        ({"hidden_channels": 0}, "`hidden_channels` must be an integer of at least 1, got 0"),
        ({"position_embedding": "rotary"}, "`embedding` must be one of 'grid', 'sinusoidal', got 'rotary'"),
        ({"domain_padding": -0.1}, r"`domain_padding` must be between 0 and 1, got -0\.1"),
        ({"domain_padding": (0.1,)}, r"`domain_padding` must be one finite number or one per axis \(2\)"),
        ({"padding_side": "left"}, "`padding_side` must be one of 'both', 'end', got 'left'"),
        ({"factorization": "svd"}, "`factorization` must be one of None, 'tucker', 'cp', 'tt', got 'svd'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        arch.FNO(2, 2, 3, **{"hidden_channels": 4, "num_modes": 2, "num_blocks": 1, **options}, key=KEY)


def test_a_misspelt_option_is_refused():
    with pytest.raises(TypeError, match="norms"):
        arch.FNO(2, 2, 3, norms="group", key=KEY)
    with pytest.raises(TypeError, match="norms"):
        arch.TFNO(2, 2, 3, norms="group", key=KEY)
