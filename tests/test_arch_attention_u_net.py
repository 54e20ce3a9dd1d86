"""The U-Net with gated skips, and the hook that it hangs on."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox import arch
from pdequinox.blocks import AttentionGate
from pdequinox.compose import Hierarchical


def varied(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


def count(build, *args, **kwargs):
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter_eval_shape(build, *args, **kwargs, key=KEY)))


def test_a_gate_is_that_of_numpy(float64):
    gate = filled(AttentionGate, 1, 4, 3, activation=jnp.tanh)
    skip, signal = varied(4, 6), varied(3, 6)
    matrix = lambda layer: np.asarray(layer.weight)[..., 0]  # noqa: E731
    hidden = np.tanh(matrix(gate.from_skip) @ skip + matrix(gate.from_gate) @ signal + np.asarray(gate.from_gate.bias))
    alpha = 1 / (1 + np.exp(-(matrix(gate.to_gate) @ hidden + np.asarray(gate.to_gate.bias))))
    assert hidden.shape == (2, 6) and alpha.shape == (1, 6)
    np.testing.assert_allclose(gate(jnp.asarray(skip), jnp.asarray(signal)), alpha * skip, atol=1e-12)
    assert gate.receptive_field == ((0.0, 0.0),)


def test_a_gate_has_one_hidden_channel_at_least():
    assert AttentionGate(1, 1, 3, key=KEY).to_gate.in_channels == 1
    assert AttentionGate(1, 8, 3, hidden_channels=5, key=KEY).to_gate.in_channels == 5
    with pytest.raises(ValueError, match="`in_channels` must be an integer of at least 1, got 0"):
        AttentionGate(1, 0, 3, key=KEY)


@pytest.mark.parametrize("num_spatial_dims", [1, 2, 3])
def test_parameters_are_those_of_the_classic_u_net_and_of_the_gates(num_spatial_dims):
    c, levels = 12, 2
    gates = sum((w // 2) * w + (w // 2) * w + w // 2 + w // 2 + 1 for w in (c, 2 * c))
    sizes = {"hidden_channels": c, "num_levels": levels}
    classic = count(arch.ClassicUNet, num_spatial_dims, 1, 1, **sizes)
    assert classic == {1: 27_193, 2: 79_969, 3: 238_297}[num_spatial_dims]
    assert count(arch.AttentionUNet, num_spatial_dims, 1, 1, **sizes) == classic + gates


def test_the_classic_weights_come_first_and_open_gates_leave_the_classic_u_net(float64):
    build = {"hidden_channels": 4, "num_levels": 2, "boundary_mode": "dirichlet", "activation": jnp.tanh}
    network = filled(arch.AttentionUNet, 1, 2, 3, **build)
    classic = filled(arch.ClassicUNet, 1, 2, 3, **build)
    first = jax.tree.leaves(network)[: len(jax.tree.leaves(classic))]
    assert all(np.array_equal(a, b) for a, b in zip(first, jax.tree.leaves(classic), strict=True))
    opened = eqx.tree_at(lambda n: [g.to_gate.bias for g in n.skip_blocks], network, replace_fn=lambda b: b + 1e3)
    x = jnp.asarray(varied(2, 9))
    np.testing.assert_allclose(apply(opened, x), apply(classic, x), atol=1e-12)
    assert np.max(np.abs(apply(network, x) - apply(classic, x))) > 1e-3


def test_a_skip_factory_sees_skips_and_what_comes_from_below_on_the_same_grid():
    seen = []

    def factory(num_spatial_dims, skip_channels, below_channels, *, activation, boundary_mode, key):
        del num_spatial_dims, activation, boundary_mode, key

        def only_below(skip, below):
            seen.append((skip.shape, below.shape))
            assert len(skip) == skip_channels and len(below) == below_channels
            return 0 * skip

        return only_below

    options = {"hidden_channels": 4, "num_levels": 2, "num_blocks": 1, "activation": jnp.tanh, "key": KEY}
    options |= {"channel_multipliers": (3, 5), "boundary_mode": "neumann", "skip_factory": factory}
    network = eqx.filter_eval_shape(Hierarchical, 2, 2, 3, **options)
    x = jax.ShapeDtypeStruct((2, 7, 10), jnp.float32)
    assert eqx.filter_eval_shape(lambda f, x: f(x), network, x).shape == (3, 7, 10)
    assert seen == [((12, 4, 5), (10, 4, 5)), ((4, 7, 10), (6, 7, 10))]


def test_without_a_skip_factory_nothing_changes():
    """Neither the leaves nor the keys of the networks that had none."""
    keys = []

    def factory(num_spatial_dims, c_in, c_out, *, activation, boundary_mode, key):
        del num_spatial_dims, c_in, c_out, activation, boundary_mode
        keys.append(key)
        return eqx.nn.Identity()

    names = ("lifting", "down_sampling", "left_arc", "up_sampling", "right_arc", "projection")
    options = {"hidden_channels": 4, "num_levels": 1, "num_blocks": 1, "activation": jnp.tanh, "key": KEY}
    network = Hierarchical(
        1, 2, 3, boundary_mode="neumann", **options, **{f"{name}_factory": factory for name in names}
    )
    assert network.skip_blocks == () and not jax.tree.leaves(network)
    assert np.array_equal(jr.key_data(jnp.stack(keys)), jr.key_data(jr.split(KEY, 6)))


@pytest.mark.parametrize(
    ("shape", "boundary_mode"),
    [((63,), "dirichlet"), ((7, 6), (("dirichlet", "neumann"), "periodic")), ((3, 5), "neumann"), ((2,), "periodic")],
    ids=str,
)
def test_any_grid_will_do(shape, boundary_mode):
    network = filled(arch.AttentionUNet, len(shape), 2, 3, hidden_channels=4, num_levels=2, boundary_mode=boundary_mode)
    y = jax.eval_shape(network, jax.ShapeDtypeStruct((2, *shape), jnp.float32))
    assert y.shape == (3, *shape)
