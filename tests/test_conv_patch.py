"""Patches: every point in one patch, any grid size, one map for all."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox.boundary import pad
from pdequinox.conv import PatchConv, PatchConvTranspose
from references import MODES


def varied(*shape):
    return np.random.default_rng(len(shape) + shape[-1]).standard_normal(shape)


@pytest.mark.parametrize(("shape", "patch"), [((8,), (4,)), ((4, 9), (2, 3)), ((2, 4, 6), (2, 1, 3))])
def test_patches_are_mapped_one_by_one(shape, patch, float64):
    down = filled(PatchConv, len(shape), 2, 3, patch, boundary_mode="periodic")
    up = filled(PatchConvTranspose, len(shape), 2, 3, patch, boundary_mode="periodic")
    x = varied(2, *shape)
    coarse = tuple(n // p for n, p in zip(shape, patch, strict=True))
    y, z = np.zeros((3, *coarse)), np.zeros((3, *(n * p for n, p in zip(shape, patch, strict=True))))
    for index in np.ndindex(*coarse):
        window = tuple(slice(j * p, j * p + p) for j, p in zip(index, patch, strict=True))
        y[(slice(None), *index)] = np.tensordot(down.weight, x[(slice(None), *window)], 1 + len(shape))
    for index in np.ndindex(*shape):
        window = tuple(slice(j * p, j * p + p) for j, p in zip(index, patch, strict=True))
        z[(slice(None), *window)] = np.einsum("oi...,i->o...", up.weight, x[(slice(None), *index)])
    np.testing.assert_allclose(apply(down, jnp.asarray(x)), y + down.bias, atol=1e-12)
    np.testing.assert_allclose(apply(up, jnp.asarray(x)), z + up.bias, atol=1e-12)


@pytest.mark.parametrize("mode", [*MODES, ("dirichlet", "neumann")])
def test_other_sizes_are_extended_to_the_right_by_the_boundary_mode(mode, float64):
    layer = filled(PatchConv, 1, 2, 3, 4, boundary_mode=(mode,))
    x = jnp.asarray(varied(2, 10))
    np.testing.assert_allclose(apply(layer, x), apply(layer, pad(x, [(0, 2)], (mode,))), atol=1e-12)


def test_patches_overlap_in_nothing_and_a_transposed_map_is_the_transpose(float64):
    down = filled(PatchConv, 2, 2, 3, (2, 4), use_bias=False, boundary_mode="neumann")
    up = filled(PatchConvTranspose, 2, 3, 2, (2, 4), use_bias=False, boundary_mode="neumann")
    up = eqx.tree_at(lambda layer: layer.weight, up, jnp.swapaxes(down.weight, 0, 1))
    x, y = jnp.asarray(varied(2, 4, 8)), jnp.asarray(varied(3, 2, 2))
    np.testing.assert_allclose(jnp.vdot(y, apply(down, x)), jnp.vdot(apply(up, y), x), rtol=1e-12)


def test_initial_values_have_the_reference_s_limits():
    down = PatchConv(2, 3, 64, 4, boundary_mode="periodic", key=KEY)
    up = PatchConvTranspose(2, 64, 3, 4, boundary_mode="periodic", key=KEY)
    for layer in (down, up):
        assert np.max(np.abs(layer.weight)) == pytest.approx((3 * 16) ** -0.5, rel=1e-2)
        assert 0 < np.max(np.abs(layer.bias)) <= (3 * 16) ** -0.5
    zero = PatchConv(1, 2, 3, 4, boundary_mode="periodic", zero_bias_init=True, key=KEY)
    assert not np.any(zero.bias)


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match=r"`patch_size` must be one integer or one per axis \(2\)"):
        PatchConv(2, 2, 3, (4,), boundary_mode="periodic", key=KEY)
    layer = filled(PatchConvTranspose, 1, 2, 3, 4, boundary_mode="periodic")
    with pytest.raises(ValueError, match="with 2 channels"):
        layer(jnp.ones((3, 4)))
    assert layer.receptive_field == ((3.0, 0.0),)
    assert jax.eval_shape(layer, jax.ShapeDtypeStruct((2, 3), jnp.float32)).shape == (3, 12)
