"""The axial vision transformer."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox import arch
from zoo import ZOO

tiny = partial(ZOO["AViT"], activation=jnp.tanh)


def varied(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


def test_parameters_are_those_of_the_well():
    for num_points, expected in [(256, 14_743_552), (128, 14_669_824), (64, 14_651_392)]:
        network = eqx.filter_eval_shape(arch.AViT, 2, 44, 11, num_points=num_points, key=KEY)
        assert sum(leaf.size for leaf in jax.tree.leaves(network)) == expected
    large = partial(arch.AViT, hidden_channels=768, num_heads=12, num_points=256)
    network = eqx.filter_eval_shape(large, 2, 44, 11, key=KEY)
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) == 58_534_912


def test_a_table_of_positions_fits_one_grid():
    network = filled(tiny, 2, 2, 3, num_points=(8, 5), boundary_mode="neumann")
    assert network.position_table.shape == (16, 4, 3) and network.position_map is None
    assert jax.eval_shape(network, jax.ShapeDtypeStruct((2, 8, 5), jnp.float32)).shape == (3, 8, 5)
    with pytest.raises(ValueError, match=r"\(2, 8, 5\) that the table .* got \(2, 8, 8\).*num_points=\(8, 8\)"):
        network(jnp.ones((2, 8, 8)))


@pytest.mark.parametrize(
    ("shape", "boundary_mode"),
    [((63,), "dirichlet"), ((7, 6), (("dirichlet", "neumann"), "periodic")), ((3,), "neumann"), ((1, 2), "periodic")],
    ids=str,
)
def test_any_grid_will_do_without_a_table(shape, boundary_mode):
    network = filled(tiny, len(shape), 2, 3, boundary_mode=boundary_mode)
    assert jax.eval_shape(network, jax.ShapeDtypeStruct((2, *shape), jnp.float32)).shape == (3, *shape)


def test_the_last_patch_is_filled_by_the_boundary_mode(float64):
    for mode, ghost in [("periodic", 0), ("neumann", 5), ("cell-neumann", 6)]:
        network = filled(tiny, 1, 2, 3, boundary_mode=mode)
        x = varied(2, 7)
        full = np.concatenate([x, x[:, ghost : ghost + 1]], axis=1)
        y, expected = (np.asarray(apply(network, jnp.asarray(u))) for u in (x, full))
        np.testing.assert_allclose(y, expected[:, :7], atol=1e-12)


def test_without_positions_patches_are_a_set_along_each_axis(float64):
    """Exchanging two patches exchanges them in the output; with positions it does not."""
    network = filled(tiny, 1, 2, 3, boundary_mode="periodic")
    blind = eqx.tree_at(lambda n: n.position_map.weight, network, jnp.zeros_like(network.position_map.weight))
    order = np.array([4, 5, 2, 3, 0, 1, 6, 7])
    x = varied(2, 8)
    y, z = (np.asarray(apply(blind, jnp.asarray(u))) for u in (x, x[:, order]))
    np.testing.assert_allclose(z, y[:, order], atol=1e-12)
    y, z = (np.asarray(apply(network, jnp.asarray(u))) for u in (x, x[:, order]))
    assert np.max(np.abs(z - y[:, order])) > 1e-3


def test_positions_of_a_periodic_axis_close_and_those_of_a_bounded_one_are_mirrored(float64):
    """The first wave of a periodic axis has its period; a wall's cosine changes sign under reflection."""
    x = varied(2, 16)
    for mode, same in [("periodic", True), ("cell-neumann", False)]:
        network = filled(tiny, 1, 2, 3, boundary_mode=mode)
        # Only the sine of the position; in the middle of the domain it is mirrored on a bounded axis.
        network = eqx.tree_at(lambda n: n.position_map.weight, network, replace_fn=lambda w: w.at[:, 1].set(0))
        y, z = (np.asarray(apply(network, jnp.asarray(u))) for u in (x, np.roll(x, 8, 1)))
        half_turn = eqx.tree_at(lambda n: n.position_map.weight, network, replace_fn=lambda w: -w)
        turned = np.asarray(apply(half_turn, jnp.asarray(np.roll(x, 8, 1))))
        assert np.allclose(turned, np.roll(y, 8, 1), atol=1e-10) == same
        assert np.max(np.abs(z - np.roll(y, 8, 1))) > 1e-3


def test_every_point_sees_every_other_in_two_blocks(float64):
    network = filled(tiny, 2, 2, 3, boundary_mode="dirichlet", num_blocks=2)
    assert network.receptive_field == ((np.inf, np.inf),) * 2
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(network(x)[:, 0, 0])))(jnp.asarray(varied(2, 4, 6)))
    assert np.all(np.asarray(gradient) != 0)


def test_wrong_options_are_refused():
    build = partial(arch.AViT, 1, 2, 3, key=KEY)
    with pytest.raises(ValueError, match="`hidden_channels` must be a multiple of 4, got 10"):
        build(hidden_channels=10)
    with pytest.raises(ValueError, match=r"`patch_sizes` must be a sequence with at least one entry, got \(\)"):
        build(patch_sizes=())
    with pytest.raises(ValueError, match=r"`num_heads` must divide the number of channels \(48\), got 5"):
        build(hidden_channels=48, num_heads=5)
    with pytest.raises(ValueError, match=r"`groups` must divide the number of channels \(4\), got 12"):
        build(hidden_channels=16, num_heads=2)
    with pytest.raises(ValueError, match="`num_blocks` must be an integer of at least 1"):
        build(num_blocks=0)
