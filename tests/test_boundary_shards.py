"""Ghosts, matrices and sums in shards of an axis are those of the whole axis."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import jit
from meshes import mesh_of
from pdequinox.boundary import (
    MODES,
    by_shard,
    computed_by_shard,
    gather_shards,
    laid_over,
    lies_over_devices,
    own_part,
    pad,
    shard_shape,
    times_matrix_over_devices,
    whole_shape,
    without_layouts,
)
from pdequinox.conv import PhysicsConv

ENDS = (("dirichlet", "neumann"), ("cell-neumann", "cell-dirichlet"), ("neumann", "cell-dirichlet"))
WIDTHS = ((1, 1), (0, 2), (3, 0), (2, 5))
X = np.random.default_rng(0).standard_normal((2, 16, 3)).astype(np.float32)


def windows(padded, count, low, high):
    """What each shard of the first spatial axis should have, one behind the other."""
    n = X.shape[1] // count
    return np.concatenate([padded[:, s * n : (s + 1) * n + low + high] for s in range(count)], axis=1)


@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("options", [{}, {"reflect": True}, {"degree": 3}], ids=["conv", "mirror", "polynomial"])
def test_the_ghosts_of_a_shard_are_the_values_of_its_neighbours_or_those_of_the_mode(count, options):
    """Eight shards have two points each: ghosts, and what they are made of, then lie in several of them."""
    modes = [*MODES, *ENDS, *(["free"] if "degree" in options else [])]
    cases = list(product(modes, WIDTHS))

    def everywhere(x):
        return [pad(x, [widths, (1, 0)], (mode, "neumann"), **options) for mode, widths in cases]

    def spread(x):
        with laid_over(mesh_of(x=count), ("x", None)):
            return by_shard(everywhere, x)

    for (mode, (low, high)), whole, shards in zip(cases, jit(everywhere)(X), jit(spread)(X), strict=True):
        wanted = windows(np.asarray(whole), count, low, high)
        np.testing.assert_allclose(shards, wanted, rtol=1e-5, atol=1e-5, err_msg=f"{mode} {low} {high}")


def test_a_halo_may_go_around_a_periodic_axis_more_than_once():
    def spread(x):
        with laid_over(mesh_of(x=4), ("x", None)):
            return by_shard(lambda x: pad(x, [(19, 35), (0, 0)], "periodic"), x)

    wanted = windows(np.pad(X, [(0, 0), (19, 35), (0, 0)], mode="wrap"), 4, 19, 35)
    np.testing.assert_array_equal(jit(spread)(X), wanted)


def test_two_axes_may_lie_over_two_axes_of_a_mesh():
    conv = PhysicsConv(2, 2, 3, (3, 5), boundary_mode=("cell-dirichlet", "periodic"), key=jax.random.key(0))
    x = np.random.default_rng(1).standard_normal((2, 8, 12)).astype(np.float32)

    def spread(x):
        with laid_over(mesh_of(y=2, x=4), ("y", "x")):
            return conv(x)

    np.testing.assert_allclose(jit(spread)(x), conv(jnp.asarray(x)), atol=1e-5)


@pytest.mark.parametrize("kind", ["banded", "dense"])
def test_a_matrix_of_all_points_is_applied_by_its_own_rows(kind):
    matrix = np.random.default_rng(2).standard_normal((8, 16))
    if kind == "banded":
        matrix *= np.abs(2 * np.arange(8)[:, None] - np.arange(16)) % 14 < 3

    def spread(x):
        with laid_over(mesh_of(x=4), ("x", None)):
            return times_matrix_over_devices(matrix, x, 1)

    np.testing.assert_allclose(jit(spread)(X), np.einsum("mn,inj->imj", matrix, X), atol=1e-5)
    text = jit(spread).lower(X).compile().as_text()
    assert ("all-gather(" in text) == (kind == "dense") and ("collective-permute(" in text) == (kind == "banded")


def test_a_matrix_to_points_that_the_devices_do_not_divide_is_applied_too():
    matrix = np.random.default_rng(2).standard_normal((7, 16))

    def spread(x):
        with laid_over(mesh_of(x=4), ("x", None)):
            return times_matrix_over_devices(matrix, x, 1)

    np.testing.assert_allclose(jit(spread)(X), np.einsum("mn,inj->imj", matrix, X), atol=1e-5)


def test_a_shard_knows_the_whole_and_its_part_of_it():
    seen = []

    def local(x):
        seen.append((x.shape, whole_shape(x.shape[1:]), shard_shape((32, 5)), lies_over_devices()))
        every = gather_shards(x, 0, 1)
        return own_part(every, 0, 1) + own_part(np.arange(16.0, dtype=np.float32)[:, None], 0, 0)

    def spread(x):
        with laid_over(mesh_of(x=4), ("x", None)):
            assert lies_over_devices()
            return by_shard(local, x)

    np.testing.assert_array_equal(jit(spread)(X), X + np.arange(16, dtype=np.float32)[:, None])
    assert seen[0] == ((2, 4, 3), (16, 3), (8, 5), False)
    assert not lies_over_devices()


def test_without_a_layout_and_for_other_axes_nothing_is_split():
    shapes = []

    class Layer:
        @computed_by_shard
        def __call__(self, x):
            shapes.append(x.shape)
            return x

    layer = Layer()
    layer(X)
    with laid_over(mesh_of(x=4), ("x",)):
        layer(X)
    with laid_over(mesh_of(x=1), ("x", None)):
        layer(X)
    with without_layouts(), laid_over(mesh_of(x=4), ("x", None)):
        layer(X)
    assert shapes == [X.shape] * 4


def test_a_part_of_the_axes_cannot_be_padded_in_a_shard():
    def spread(x):
        with laid_over(mesh_of(x=4), ("x", None)):
            return by_shard(lambda x: pad(x, [(1, 1)], "periodic", [1]), x)

    with pytest.raises(ValueError, match="`axes` must be all 2 axes of space"):
        jit(spread)(X)


def test_a_polynomial_needs_its_points_in_all_shards_together():
    def spread(x):
        with laid_over(mesh_of(x=8), ("x", None)):
            return by_shard(lambda x: pad(x, [(1, 1), (0, 0)], ("dirichlet", "periodic"), degree=17), x)

    with pytest.raises(ValueError, match="at least 17 points"):
        jit(spread)(X)


@pytest.mark.parametrize(("num_points", "stride", "wanted"), [(18, 1, "multiple of 4"), (20, 2, "multiple of 8")])
def test_points_that_the_devices_do_not_divide_are_refused(num_points, stride, wanted):
    conv = PhysicsConv(1, 1, 1, 3, stride, boundary_mode="periodic", key=jax.random.key(0))
    with laid_over(mesh_of(x=4), ("x",)), pytest.raises(ValueError, match=wanted):
        jax.eval_shape(conv, jax.ShapeDtypeStruct((1, num_points), jnp.float32))
