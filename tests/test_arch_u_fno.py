"""UFNO: the count of the published code, and what its U-Nets add."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox import arch
from pdequinox.blocks import ClassicResBlockFactory, ClassicSpectralBlock, LinearConvBlock, StridedUNetBlock
from pdequinox.compose import Sequential

TINY = {"hidden_channels": 2, "num_modes": 2, "num_blocks": 1, "num_u_net_blocks": 1, "projection_channels": 2}


def varied(*shape):
    return np.random.default_rng(len(shape) + shape[-1]).standard_normal(shape)


def sizes(build, *args, **options):
    network = eqx.filter_eval_shape(build, *args, **options, key=KEY)
    leaves = jax.tree_util.tree_leaves_with_path(network)
    return {jax.tree_util.keystr(path): leaf.size for path, leaf in leaves}


def test_the_count_is_that_of_the_published_code():
    """33,097,829 with complex numbers counted once: width w, 6 layers, 3 of them with a U-Net."""
    w = 36
    fourier = 6 * (4 * w**2 * 10**3 + w**2 + w)
    convolutions = 5 * (27 * w**2 + 2 * w) + (64 * w**2 + w) + 2 * (64 * 2 * w**2 + w) + (27 * 2 * w**2 + w)
    assert fourier + 3 * convolutions + (12 * w + w) + (w * 128 + 128) + (128 + 1) == 33_097_829
    counted = sizes(arch.UFNO, 3, 12, 1)
    spectral = sum(size for path, size in counted.items() if "weights_imag" in path)
    assert spectral == 6 * 4 * 36**2 * 10**3
    assert sum(counted.values()) - spectral == 33_097_829
    assert sum(sizes(arch.UFNO, 3, 12, 1, norm="affine").values()) == sum(counted.values())


def test_without_u_net_layers_it_is_the_fourier_neural_operator():
    counted = sizes(arch.UFNO, 2, 3, 1, hidden_channels=8, num_modes=4, num_blocks=2, num_u_net_blocks=0)
    fno = sizes(arch.ClassicFNO, 2, 3, 1, hidden_channels=8, num_modes=4, num_blocks=2)
    assert sum(counted.values()) == sum(fno.values()) - (8 + 1) + (8 * 128 + 128) + (128 + 1)


def test_the_u_net_is_convolutions_with_one_skip_per_grid(float64):
    """Recomposed from its layers on 13 points: coarse grids of 7, 4 and 2."""
    block = filled(StridedUNetBlock, 1, 2, 3, norm="affine", activation=jnp.tanh, boundary_mode="neumann")
    x = jnp.asarray(varied(2, 13))
    (d_1, d_2, d_3), (c_2, c_3), (u_3, u_2, u_1) = block.down_convs, block.coarse_convs, block.up_convs
    (n_1, n_2, n_3), (m_2, m_3) = block.down_norms, block.coarse_norms
    first = jnp.tanh(n_1(d_1(x)))
    second = jnp.tanh(m_2(c_2(jnp.tanh(n_2(d_2(first))))))
    third = jnp.tanh(m_3(c_3(jnp.tanh(n_3(d_3(second))))))
    assert (first.shape, second.shape, third.shape) == ((3, 7), (3, 4), (3, 2))
    y = jnp.concatenate([second, jnp.tanh(u_3(third, output_padding=1))])
    y = jnp.concatenate([first, jnp.tanh(u_2(y, output_padding=0))])
    y = jnp.concatenate([x, jnp.tanh(u_1(y, output_padding=0))])
    np.testing.assert_allclose(apply(block, x), block.final_conv(y), atol=1e-12)
    assert block.down_convs[0].bias is None and block.up_convs[0].bias is not None
    assert block.receptive_field == ((27.0, 34.0),)


@pytest.mark.parametrize(
    ("shape", "boundary_mode"),
    [((63,), "dirichlet"), ((65,), "neumann"), ((10, 7), ("periodic", "cell-neumann")), ((3,), "periodic")],
    ids=str,
)
def test_any_grid_works(shape, boundary_mode):
    network = filled(arch.UFNO, len(shape), 2, 3, **TINY, boundary_mode=boundary_mode)
    x = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    assert jax.eval_shape(lambda f, x: f(x), network, x).shape == (3, *shape)
    ends = (("dirichlet", "neumann"),) * len(shape)
    block = filled(StridedUNetBlock, len(shape), 2, 3, boundary_mode=ends)
    assert jax.eval_shape(lambda f, x: f(x), block, x).shape == (3, *shape)


def test_a_branch_is_added_before_the_activation_and_has_its_own(float64):
    build = partial(ClassicSpectralBlock, 1, 2, 3, num_modes=2, activation=jnp.tanh, branch_factory=StridedUNetBlock)
    block = filled(build, branch_activation=jnp.sin)
    x = jnp.asarray(varied(2, 9))
    expected = jnp.tanh(block.spectral_conv(x) + block.by_pass_conv(x) + block.branch(x))
    np.testing.assert_allclose(apply(block, x), expected, atol=1e-12)
    assert block.branch.activation.function is jnp.sin
    assert eqx.filter_eval_shape(build, key=KEY).branch.activation.function is jnp.tanh


def test_the_other_layers_of_a_block_start_as_without_a_branch():
    plain, branched = (
        ClassicSpectralBlock(1, 2, 3, num_modes=2, branch_factory=factory, key=KEY)
        for factory in (None, LinearConvBlock)
    )
    ours = jax.tree.leaves(eqx.tree_at(lambda b: b.branch, branched, None))
    assert all(np.array_equal(a, b) for a, b in zip(ours, jax.tree.leaves(plain), strict=True))
    drawn = np.ravel(branched.branch.conv.weight)
    assert not np.any(np.isin(drawn, np.ravel(plain.by_pass_conv.weight)))


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"`num_u_net_blocks` must be an integer of at least 0, got -1"):
        arch.UFNO(1, 2, 3, num_u_net_blocks=-1, key=KEY)
    with pytest.raises(ValueError, match=r"`num_blocks` must be an integer of at least 0, got -1"):
        arch.UFNO(1, 2, 3, num_blocks=-1, key=KEY)
    with pytest.raises(ValueError, match=r"`num_levels` must be an integer of at least 1, got 0"):
        StridedUNetBlock(1, 2, 3, num_levels=0, boundary_mode="periodic", key=KEY)
    with pytest.raises(ValueError, match=r"`norm` must be one of .*, got 'batch'"):
        arch.UFNO(1, 2, 3, norm="batch", key=KEY)
    with pytest.raises(ValueError, match=r"`block_factory` must be one factory or one per block \(2\), got 3 of them"):
        Sequential(
            1,
            2,
            3,
            hidden_channels=4,
            num_blocks=2,
            activation=jnp.tanh,
            boundary_mode="periodic",
            block_factory=[ClassicResBlockFactory()] * 3,
            key=KEY,
        )
