"""UNO and its frame: published counts, grids of any size, skips across levels, and what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox import arch
from pdequinox.blocks import FNOBlockFactory
from pdequinox.compose import NeuralOperator
from pdequinox.conv import resample
from references import MODES

TINY = {"hidden_channels": 3, "lifting_channels": 4, "projection_channels": 5, "num_modes": (2, 2, 2)}
TINY |= {"block_channels": (4, 5, 3), "scalings": (0.5, 1, 2)}


def pdearena(hidden_channels):
    """PDEArena's UNO."""
    return {
        "hidden_channels": hidden_channels,
        "block_channels": [int(factor * hidden_channels) for factor in (1.5, 3, 6, 6, 3, 1.5, 1)],
        "num_modes": (18, 14, 6, 6, 6, 14, 18),
        "scalings": (3 / 4, 2 / 3, 1 / 2, 1, 2, 3 / 2, 4 / 3),
        "horizontal_skips": {5: 1, 6: 0, 7: -1},
        "horizontal_skip": "identity",
        "lifting_channels": hidden_channels // 2,
        "projection_channels": 4 * hidden_channels,
        "position_embedding": None,
        "activated": "everywhere",
        "use_channel_mlp": False,
        "use_bias": False,
        "use_skip_bias": True,
        "norm": "instance",
        "init": "uno",
    }


def varied(*shape):
    return np.random.default_rng(len(shape) + shape[-1]).standard_normal(shape)


@pytest.mark.parametrize(("hidden_channels", "count"), [(64, 110_116_451), (128, 440_454_339)])
def test_counts_of_pdearena(hidden_channels, count):
    network = eqx.filter_eval_shape(arch.UNO, 2, 12, 3, **pdearena(hidden_channels), key=KEY)
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) == count
    assert network.receptive_field == ((np.inf, np.inf),) * 2
    y = jax.eval_shape(lambda f, x: f(x), network, jax.ShapeDtypeStruct((12, 65, 128), jnp.float32))
    assert y.shape == (3, 65, 128)


def test_the_count_of_neuraloperator_s_darcy_example():
    """Measured: 64 channels, lifted by 256, n_modes 16, 8, 8, 8, 16, linear skips; complex numbers count as two."""
    network = eqx.filter_eval_shape(
        arch.UNO, 2, 1, 1, num_modes=((8, 9), (4, 5), (4, 5), (4, 5), (8, 9)), channel_mlp_skip="linear", key=KEY
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) == 2_706_625


@pytest.mark.parametrize("boundary_mode", MODES)
@pytest.mark.parametrize("num_points", [2, 3, 7, 8, 9, 63])
def test_any_grid_works(boundary_mode, num_points):
    network = eqx.filter_eval_shape(arch.UNO, 1, 2, 3, boundary_mode=boundary_mode, **TINY, key=KEY)
    shapes = jax.eval_shape(lambda f, x: f(x), network, jax.ShapeDtypeStruct((2, num_points), jnp.float32))
    assert shapes.shape == (3, num_points)


def test_axes_may_be_scaled_differently(float64):
    options = {**TINY, "num_modes": ((2, 1), 2, (1, 2)), "scalings": ((0.5, 1), 1, (2, 1))}
    network = filled(arch.UNO, 2, 2, 3, boundary_mode=("neumann", "periodic"), activation=jnp.tanh, **options)
    lifted = network.lifting(jnp.asarray(varied(2, 7, 4)))
    coarse = network.blocks[0](lifted, output_shape=(4, 4))
    joined = jnp.concatenate([network.blocks[1](coarse), network.horizontal_skips[0](coarse)])
    expected = network.projection(network.blocks[2](joined, output_shape=(7, 4)))
    np.testing.assert_allclose(apply(network, jnp.asarray(varied(2, 7, 4))), expected, atol=1e-12)


@pytest.mark.parametrize("boundary_mode", ["periodic", "cell-dirichlet"])
def test_blocks_go_down_and_up_and_join_across(boundary_mode, float64):
    """Step by step; the default skips of three blocks lead from the first to the last."""
    network = filled(arch.UNO, 1, 2, 3, boundary_mode=boundary_mode, activation=jnp.tanh, **TINY)
    first, second, third = network.blocks
    x = jnp.asarray(varied(2, 9))
    coarse = first(network.lifting(x), output_shape=(4,))
    across = network.horizontal_skips[0](coarse)
    joined = jnp.concatenate([second(coarse), across])
    expected = network.projection(third(joined, output_shape=(9,)))
    np.testing.assert_allclose(apply(network, x), expected, atol=1e-12)


def test_a_block_that_changes_the_grid_interpolates_what_goes_around(float64):
    (block, *_) = filled(arch.UNO, 1, 2, 3, boundary_mode="neumann", activation=jnp.tanh, **TINY).blocks
    x = jnp.asarray(varied(3, 9))
    around = resample(x, 5, "neumann")
    v = jnp.tanh(block.spectral_conv(x, output_shape=(5,)) + block.skip(around))
    expected = jnp.tanh(block.channel_mlp(v) + block.channel_mlp_skip(around))
    np.testing.assert_allclose(block(x, output_shape=(5,)), expected, atol=1e-12)


def test_skips_may_change_levels_and_reach_from_the_lifting_to_the_projection(float64):
    network = filled(
        NeuralOperator,
        1,
        2,
        3,
        channels=(4, 4, 4),
        block_factories=[FNOBlockFactory(num_modes=2)] * 2,
        scalings=(0.5, 2),
        horizontal_skips={1: -1, 2: -1},
        horizontal_skip="identity",
        position_embedding=None,
        activation=jnp.tanh,
        boundary_mode="periodic",
    )
    x = jnp.asarray(varied(2, 8))
    lifted = network.lifting(x)
    down = network.blocks[0](lifted, output_shape=(4,))
    up = network.blocks[1](jnp.concatenate([down, resample(lifted, 4)]), output_shape=(8,))
    np.testing.assert_allclose(apply(network, x), network.projection(jnp.concatenate([up, lifted])), atol=1e-12)


def test_where_the_activation_is_applied():
    for activated, expected in [
        ("between", [False, True, True, False]),
        ("everywhere", [True, True, True, True]),
        ("nowhere", [False, False, False, False]),
    ]:
        network = filled(arch.UNO, 1, 2, 3, activated=activated, **TINY)
        lifting = network.lifting.network.use_final_activation
        assert [lifting, *(block.use_activation for block in network.blocks)] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_modes": (2, 2)}, r"`num_modes` must have one entry per block \(3\), got \(2, 2\)"),
        ({"scalings": (0.5, 2)}, r"`scalings` must have one entry per block \(3\), got \(0\.5, 2\)"),
        ({"scalings": (0.5, 1, 1)}, r"`scalings` must be positive and return to the given grid, got \(0\.5, 1, 1\)"),
        ({"scalings": (-1, 1, -1)}, "`scalings` must be positive"),
        ({"horizontal_skips": {0: 1}}, r"`horizontal_skips` must lead from -1 .* got \{0: 1\}"),
        ({"horizontal_skips": {4: 1}}, r"a later block or 3 .* got \{4: 1\}"),
        ({"horizontal_skip": None}, r"`horizontal_skip` must name a skip, got None"),
        ({"activated": "always"}, "`activated` must be one of 'between', 'everywhere', 'nowhere', got 'always'"),
        ({"hidden_channels": 0}, "`hidden_channels` must be an integer of at least 1, got 0"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        arch.UNO(1, 2, 3, **{**TINY, **options}, key=KEY)


def test_the_frame_counts_its_channels():
    with pytest.raises(
        ValueError, match=r"`channels` must have one entry more than there are blocks \(2\), got \(4,\)"
    ):
        NeuralOperator(
            1,
            2,
            3,
            channels=(4,),
            block_factories=[FNOBlockFactory()],
            activation=jnp.tanh,
            boundary_mode="periodic",
            key=KEY,
        )
