"""Ghost values by mirror images: odd where u = 0 and even where u' = 0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.boundary import pad, pad_nonzero
from references import MODES, OFFSETS, PAIRS, ends

AXIS_MODES = (*MODES[1:], *PAIRS)


def waves(num_points, mode, low=0, high=0):
    """All sines or cosines that the grid resolves, one per column, at its points and beyond."""
    left, right = ends(mode)
    position = OFFSETS[left] + np.arange(-low, num_points + high)
    length = num_points - 1 + OFFSETS[left] + OFFSETS[right]
    is_odd = ["dirichlet" in end for end in (left, right)]
    first = 0.5 if is_odd[0] != is_odd[1] else float(is_odd[0])
    angle = np.pi / length * np.outer(position, first + np.arange(num_points))
    return np.sin(angle) if is_odd[0] else np.cos(angle)


def mirrored(x, low, high, mode):
    """The extension of the waves that add up to the values: it has their symmetry about both walls."""
    n = x.shape[-1]
    return x @ np.linalg.solve(waves(n, mode), np.eye(n)).T @ waves(n, mode, low, high).T


@pytest.mark.parametrize("mode", AXIS_MODES, ids=str)
@pytest.mark.parametrize(("low", "high"), [(1, 0), (2, 3), (11, 9)], ids=str)
def test_mirror_images_continue_sines_and_cosines_across_both_walls(mode, low, high, float64):
    x = jax.random.normal(jax.random.key(0), (2, 4))
    extended = pad(x, [(low, high)], (mode,), reflect=True)
    np.testing.assert_allclose(extended, mirrored(np.asarray(x), low, high, mode), atol=1e-12)


@pytest.mark.parametrize("mode", AXIS_MODES, ids=str)
def test_a_degree_does_not_matter_at_walls_that_are_mirrors(mode):
    x = jax.random.normal(jax.random.key(0), (2, 3))
    expected = pad(x, [(2, 3)], (mode,), reflect=True)
    np.testing.assert_array_equal(pad(x, [(2, 3)], (mode,), degree=9, reflect=True), expected)


def test_known_mirror_images():
    x = jnp.array([[2, 3, 7]])
    extended = {mode: pad(x, [(3, 2)], mode, reflect=True)[0].tolist() for mode in MODES}
    assert extended == {
        "periodic": [2, 3, 7, 2, 3, 7, 2, 3],
        "dirichlet": [-3, -2, 0, 2, 3, 7, 0, -7],
        "neumann": [3, 7, 3, 2, 3, 7, 3, 2],
        "cell-dirichlet": [-7, -3, -2, 2, 3, 7, -7, -3],
        "cell-neumann": [7, 3, 2, 2, 3, 7, 7, 3],
    }
    assert pad(x, [(3, 2)], "dirichlet")[0].tolist() == [0, 0, 0, 2, 3, 7, 0, 0]


def test_several_axes_are_mirrored_one_after_the_other(float64):
    x = jax.random.normal(jax.random.key(0), (4, 5, 2))
    extended = pad(x, [(2, 1), (1, 3)], ("dirichlet", ("cell-dirichlet", "neumann")), (0, 1), reflect=True)
    along_first = np.moveaxis(mirrored(np.moveaxis(np.asarray(x), 0, -1), 2, 1, "dirichlet"), -1, 0)
    expected = np.moveaxis(mirrored(np.moveaxis(along_first, 1, -1), 1, 3, ("cell-dirichlet", "neumann")), -1, 1)
    np.testing.assert_allclose(extended, expected, atol=1e-12)


def test_a_free_wall_is_no_mirror(float64):
    x = jax.random.normal(jax.random.key(0), (2, 5, 5))
    extended = pad(x, [(2, 2), (2, 2)], ("free", "dirichlet"), degree=3, reflect=True)
    polynomial = pad(x, [(2, 2)], ("free",), [1], degree=3)
    np.testing.assert_allclose(extended, pad(polynomial, [(2, 2)], ("dirichlet",), [2], reflect=True), atol=1e-12)
    with pytest.raises(ValueError, match="`modes` must not be 'free' for the ghosts of convolutions"):
        pad(x, [(2, 2), (2, 2)], ("free", "dirichlet"), reflect=True)


def test_mirror_images_keep_the_dtype(float64):
    for dtype in (jnp.float32, jnp.bfloat16, jnp.complex64, jnp.int32):
        assert pad(jnp.ones((2, 4), dtype), [(2, 2)], "dirichlet", reflect=True).dtype == dtype


@pytest.mark.parametrize("mode", ["dirichlet", "cell-dirichlet", ("neumann", "dirichlet")], ids=str)
@pytest.mark.parametrize("width", [1, 2])
def test_zeros_at_the_outside_are_left_to_the_caller_and_no_others(mode, width):
    x = jax.random.normal(jax.random.key(0), (2, 4)) + 5
    extended, ((low, high),) = pad_nonzero(x, [(width, width)], (mode,), [1], reflect=True)
    assert (low, high) == tuple(int(end == "dirichlet" and width == 1) for end in ends(mode))
    complete = jnp.pad(extended, ((0, 0), (low, high)))
    np.testing.assert_array_equal(complete, pad(x, [(width, width)], (mode,), reflect=True))


def test_mirror_images_are_wrong_where_even_derivatives_do_not_vanish(float64):
    """Why polynomials are the default: the second difference of x (1 - x) / 2 should be -1 at the wall too."""
    num_points = 19
    h = 1 / (num_points + 1)
    x = h * (1 + np.arange(num_points))
    weights = np.array([-1, 16, -30, 16, -1]) / (12 * h**2)

    def second_difference(**options):
        u = pad(jnp.asarray(x * (1 - x) / 2)[None], [(2, 2)], "dirichlet", **options)[0]
        return np.asarray(sum(c * u[i : i + num_points] for i, c in enumerate(weights)))

    np.testing.assert_allclose(second_difference(degree=5), -1, rtol=1e-10)
    errors = np.abs(second_difference(reflect=True) + 1)
    assert errors[0] > 0.05 and np.max(errors[1:-1]) < 1e-10
