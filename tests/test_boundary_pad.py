"""Ghost values of convolutions, compared with the boundary's extension index by index."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdequinox.boundary import _copies, _pad, pad
from references import MODES, PAIRS, extension_at, extension_matrix, padded

AXIS_MODES = (*MODES, *PAIRS)


def varied(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


@pytest.mark.parametrize("mode", AXIS_MODES, ids=str)
def test_pad_is_the_extension_for_every_width_up_to_beyond_the_number_of_points(mode, float64):
    for num_points in (1, 2, 5):
        x = varied(2, num_points)
        for low, high in [(0, 0), (1, 0), (2, num_points + 1), (3 * num_points + 2, num_points)]:
            expected = padded(x, [(low, high)], [mode], [1])
            np.testing.assert_array_equal(pad(jnp.asarray(x), [(low, high)], (mode,)), expected)


def test_the_ghosts_of_each_mode_are_these():
    x, zeros = jnp.array([[1.0, 2.0, 4.0]]), jnp.zeros((1, 2))
    for mode, low, high in [
        ("periodic", [2, 4], [1, 2]),
        ("neumann", [4, 2], [2, 1]),
        ("cell-neumann", [2, 1], [4, 2]),
        ("cell-dirichlet", [-2, -1], [-4, -2]),
    ]:
        np.testing.assert_array_equal(pad(x, [(2, 2)], mode)[0], [*low, 1, 2, 4, *high])
    np.testing.assert_array_equal(pad(x, [(2, 2)], "dirichlet"), jnp.concatenate([zeros, x, zeros], 1))
    np.testing.assert_array_equal(pad(x, [(2, 2)], (("dirichlet", "neumann"),))[0], [0, 0, 1, 2, 4, 2, 1])
    np.testing.assert_array_equal(pad(x, [(2, 2)], (("cell-dirichlet", "dirichlet"),))[0], [-2, -1, 1, 2, 4, 0, 0])


def test_mirror_images_continue_across_both_walls():
    x = jnp.array([[1.0, 2.0]])
    np.testing.assert_array_equal(pad(x, [(0, 5)], "periodic")[0], [1, 2, 1, 2, 1, 2, 1])
    np.testing.assert_array_equal(pad(x, [(0, 5)], "neumann")[0], [1, 2, 1, 2, 1, 2, 1])
    np.testing.assert_array_equal(pad(x, [(0, 5)], "cell-neumann")[0], [1, 2, 2, 1, 1, 2, 2])
    np.testing.assert_array_equal(pad(x, [(0, 5)], "cell-dirichlet")[0], [1, 2, -2, -1, 1, 2, -2])


@pytest.mark.parametrize("mode", ["neumann", "periodic", "cell-neumann"])
def test_a_single_point_extends_constantly(mode):
    np.testing.assert_array_equal(pad(jnp.array([[3.0]]), [(2, 3)], mode), jnp.full((1, 6), 3.0))


def test_a_single_cell_between_two_zero_walls_alternates():
    np.testing.assert_array_equal(pad(jnp.array([[3.0]]), [(2, 2)], "cell-dirichlet")[0], [3, -3, 3, -3, 3])


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_pad_agrees_with_the_extension_on_any_axis_of_any_array(data):
    ndim = data.draw(st.integers(1, 3))
    shape = data.draw(st.lists(st.integers(1, 4), min_size=ndim, max_size=ndim))
    axes = data.draw(st.permutations(range(ndim)))[: data.draw(st.integers(1, ndim))]
    modes = [data.draw(st.sampled_from(AXIS_MODES)) for _ in axes]
    widths = [data.draw(st.tuples(st.integers(0, 6), st.integers(0, 6))) for _ in axes]
    x = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(pad(jnp.asarray(x), widths, modes, axes), padded(x, widths, modes, axes))


def test_the_order_of_several_axes_does_not_matter(float64):
    x = jnp.asarray(varied(2, 3, 4, 5))
    modes, widths = (("cell-dirichlet", "neumann"), "periodic", "cell-neumann"), [(4, 2), (1, 6), (3, 3)]
    at_once = pad(x, widths, modes)
    for order in itertools.permutations(range(3)):
        one_by_one = x
        for a in order:
            one_by_one = pad(one_by_one, [widths[a]], (modes[a],), [a + 1])
        np.testing.assert_array_equal(one_by_one, at_once)


def test_all_but_the_first_axis_are_spatial_by_default():
    x = jnp.asarray(varied(2, 3, 4))
    np.testing.assert_array_equal(
        pad(x, [(1, 2), (2, 0)], ("neumann", "periodic")), pad(x, [(1, 2), (2, 0)], ("neumann", "periodic"), [1, 2])
    )
    assert pad(x, [(1, 1)] * 3, "periodic", [0, 1, 2]).shape == (4, 5, 6)
    np.testing.assert_array_equal(pad(x, [(1, 1)], "periodic", [-1]), pad(x, [(1, 1)], "periodic", [2]))


@pytest.mark.parametrize(("low", "high"), [(1, 1), (0, 2), (3, 1), (3, 6)])
@pytest.mark.parametrize("mode", AXIS_MODES, ids=str)
def test_pad_is_linear_and_its_gradient_is_its_transpose(mode, low, high, float64):
    num_points = 4
    x, y = jnp.asarray(varied(2, num_points)), jnp.asarray(varied(2, num_points + low + high))
    value, transpose = jax.vjp(lambda u: pad(u, [(low, high)], (mode,)), x)
    matrix = extension_matrix(num_points, low, high, mode)
    np.testing.assert_allclose(value, x @ matrix.T, rtol=1e-14)
    np.testing.assert_allclose(transpose(y)[0], y @ matrix, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("platform", "selects"), [("cpu", True), ("cuda", False)])
def test_only_a_cpu_adds_ghosts_one_by_one(platform, selects):
    gradient = jax.jit(jax.grad(lambda u: jnp.sum(pad(u, [(1, 1)], "periodic") ** 2)))
    text = gradient.trace(jnp.ones((2, 5))).lower(lowering_platforms=(platform,)).as_text()
    assert ("stablehlo.select" in text) == selects


@pytest.mark.parametrize("mode", AXIS_MODES, ids=str)
@pytest.mark.parametrize(("low", "high"), [(1, 1), (0, 2), (3, 1)])
def test_both_ways_to_fold_agree(mode, low, high, float64):
    runs, missing = _pad._runs(4, low, high, _pad.normalize_boundary_mode((mode,), 1)[0], False)
    y = jnp.asarray(varied(2, 4 + low + high - sum(missing)))
    ways = [_copies._fold(y, axes=(-1,), runs=(runs,), few=few) for few in (0, _copies.FEW)]
    np.testing.assert_allclose(*ways, rtol=1e-14)


def test_the_gradient_of_several_axes_is_the_transpose_too(float64):
    modes, widths, shape = ("cell-dirichlet", "periodic", "neumann"), [(1, 2), (3, 3), (0, 1)], (4, 3, 5)
    x = jnp.asarray(varied(2, *shape))
    matrices = [extension_matrix(n, *width, mode) for n, width, mode in zip(shape, widths, modes, strict=True)]
    value, transpose = jax.vjp(lambda u: pad(u, widths, modes), x)
    np.testing.assert_allclose(value, np.einsum("cxyz,ax,by,dz->cabd", x, *matrices), rtol=1e-13, atol=1e-14)
    y = jnp.asarray(varied(*value.shape))
    wanted = np.einsum("cabd,ax,by,dz->cxyz", y, *matrices)
    np.testing.assert_allclose(transpose(y)[0], wanted, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32, jnp.int32])
def test_pad_keeps_the_dtype(dtype):
    x = jnp.asarray([[1, 2, 4]], dtype)
    for mode in (*MODES, ("cell-dirichlet", "neumann")):
        padded_x = pad(x, [(4, 4)], (mode,))
        assert padded_x.dtype == dtype
        np.testing.assert_array_equal(padded_x.astype(float), padded(np.array(x, float), [(4, 4)], [mode], [1]))


def test_pad_refuses_bad_arguments():
    x = jnp.ones((2, 3, 4))
    with pytest.raises(ValueError, match=r"`widths` must be one pair of non-negative numbers per axis \(2\)"):
        pad(x, [(1, 1)], "periodic")
    with pytest.raises(ValueError, match="`widths` must be one pair of non-negative"):
        pad(x, [(1, 1), (0, -1)], "periodic")
    with pytest.raises(ValueError, match="`boundary_mode` must be one of"):
        pad(x, [(1, 1), (1, 1)], "wrap")
    with pytest.raises(ValueError, match="`modes` must not be 'free' for the ghosts of convolutions"):
        pad(x, [(1, 1), (1, 1)], ("periodic", "free"))
    with pytest.raises(ValueError, match=r"one entry per axis \(2\)"):
        pad(x, [(1, 1), (1, 1)], ("periodic",))
    with pytest.raises(ValueError, match=r"`axes` must be different axes, got \[1, 1\]"):
        pad(x, [(1, 1), (1, 1)], "periodic", [1, -2])


def test_the_reference_extension_satisfies_the_conditions_that_define_it():
    """The oracle itself: parity about each wall, zeros behind a Dirichlet node."""
    for num_points, index in itertools.product((1, 2, 5), range(-12, 13)):
        at = lambda i, mode, n=num_points: extension_at(i, n, mode)  # noqa: E731
        assert at(index, "periodic") == at(index + num_points, "periodic")
        assert at(index, "neumann") == at(-index, "neumann")
        assert at(index, "cell-neumann") == at(-1 - index, "cell-neumann")
        sign, source = at(index, "cell-dirichlet")
        assert at(-1 - index, "cell-dirichlet") == (-sign, source)
