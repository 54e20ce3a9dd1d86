"""A U with a skip from every block: what is joined to what, any grid, and what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox.blocks import ClassicSpectralBlockFactory, LinearConvBlockFactory, ModernResBlock, ModernResBlockFactory
from pdequinox.compose import MultiSkipHierarchical

SIZES = {"hidden_channels": 2, "num_levels": 2, "num_blocks": 2, "activation": jnp.tanh}


def build(*args, **options):
    return filled(MultiSkipHierarchical, *args, **{**SIZES, "boundary_mode": "periodic", **options})


def test_every_output_on_the_way_down_is_joined_to_an_input_on_the_way_up(float64):
    network = build(1, 2, 3, channel_multipliers=(2, 6), left_arc_factory=LinearConvBlockFactory())
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 8)))
    (a, b), (c, d), (e, f) = network.left_arc_blocks
    u = network.lifting(x)
    v = a(u)
    w = b(v)
    p = network.down_sampling_blocks[0](w)
    q = c(p)
    r = d(q)
    s = network.down_sampling_blocks[1](r)
    t = e(s)
    y = f(t)
    skips = [u, v, w], [p, q, r], [s, t, y]
    for block in network.bottom_blocks:
        y = block(y)
    for level in (2, 1, 0):
        for block, skip in zip(network.right_arc_blocks[level], reversed(skips[level]), strict=True):
            y = block(jnp.concatenate([y, skip]))
        if level:
            y = network.up_sampling_blocks[level - 1](y)
    np.testing.assert_allclose(apply(network, x), network.projection(y), atol=1e-12)
    assert [layer.shape[0] for layer in (u, v, p, q, s, t)] == [2, 2, 2, 4, 4, 12]


@pytest.mark.parametrize("shape", [(7,), (5, 6), (3, 4, 5)], ids=str)
def test_any_grid_works(shape):
    network = eqx.filter_eval_shape(
        MultiSkipHierarchical,
        len(shape),
        2,
        3,
        **SIZES,
        boundary_mode=(("dirichlet", "neumann"),) * len(shape),
        key=KEY,
    )
    y = jax.eval_shape(lambda f, x: f(x), network, jax.ShapeDtypeStruct((2, *shape), jnp.float32))
    assert y.shape == (3, *shape)


def test_each_grid_may_have_blocks_of_its_own():
    factories = [ClassicSpectralBlockFactory(2), ModernResBlockFactory(5), ModernResBlock]
    network = eqx.filter_eval_shape(
        MultiSkipHierarchical, 1, 2, 3, **SIZES, left_arc_factory=factories, boundary_mode="neumann", key=KEY
    )
    (spectral, _), (wide, _), (narrow, _) = network.left_arc_blocks
    assert spectral.spectral_conv.num_modes == (2,)
    assert (wide.conv_1.kernel_size, narrow.conv_1.kernel_size) == ((5,), (3,))


def test_the_receptive_field_adds_up_the_convolutions_of_all_grids():
    """Two ends of 1, 5 blocks of 2 and 1 down on the finest grid; 5 + 2 blocks of 2 and 1 or 2 up on the coarse one."""
    network = eqx.filter_eval_shape(
        MultiSkipHierarchical, 1, 2, 3, **{**SIZES, "num_levels": 1}, boundary_mode="periodic", key=KEY
    )
    assert network.receptive_field == ((2 + 10 + 1 + 2 * (10 + 4 + 1), 2 + 10 + 1 + 2 * (10 + 4 + 2)),)


def test_wrong_numbers_of_multipliers_and_factories_are_refused():
    with pytest.raises(ValueError, match=r"`channel_multipliers` must have one entry per level \(2\), got \(2,\)"):
        build(1, 2, 3, channel_multipliers=(2,))
    with pytest.raises(ValueError, match="must be one factory or one for each of the 3 grids, got 2"):
        build(1, 2, 3, left_arc_factory=[ModernResBlock] * 2)
    with pytest.raises(ValueError, match="`num_blocks` must be an integer of at least 1, got 0"):
        build(1, 2, 3, num_blocks=0)
    with pytest.raises(ValueError, match=r"2 channels, got \(3, 8\)"):
        build(1, 2, 3)(jnp.ones((3, 8)))
