"""Band-limited interpolation between grids: known functions, filters, symmetry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import jit
from pdequinox.boundary import MODES, grid, resampled_size, resampling
from pdequinox.conv import filtered_resample

ENDS = [*MODES, ("dirichlet", "neumann"), ("cell-neumann", "dirichlet"), ("neumann", "cell-dirichlet")]


def wave(mode, number):
    """A function that satisfies the condition of the mode at both ends of [0, 1]."""
    if mode == "periodic":
        return lambda x: np.sin(2 * np.pi * number * x + 0.3)
    left, right = (mode, mode) if isinstance(mode, str) else mode
    function = np.sin if "dirichlet" in left else np.cos
    half = 0.5 if ("dirichlet" in left) != ("dirichlet" in right) else 0
    return lambda x: function((number - half) * np.pi * x)


@pytest.mark.parametrize("mode", ENDS, ids=str)
@pytest.mark.parametrize(("filter_size", "tolerance"), [(6, 2.5e-3), (12, 2e-4), (24, 1e-5)])
def test_slow_waves_keep_their_values_on_every_other_grid(mode, filter_size, tolerance):
    u = wave(mode, 3)
    for num_outputs in (81, 64, 41, 20):
        y = resampling(40, num_outputs, mode, filter_size) @ u(grid(40, 1.0, mode))
        np.testing.assert_allclose(y, u(grid(num_outputs, 1.0, mode)), atol=tolerance)


@pytest.mark.parametrize("mode", MODES)
def test_what_the_coarser_grid_does_not_carry_is_filtered_out(mode):
    fast = wave(mode, 38 if mode == "periodic" else 76)(grid(80, 1.0, mode))
    coarse = resampled_size(80, 2, mode)
    assert np.max(np.abs(resampling(80, coarse, mode) @ fast)) < 5e-3
    assert np.max(np.abs(resampling(80, coarse, mode, 24) @ fast)) < 2e-5


def test_constants_stay_constant_unless_the_walls_are_zero():
    for mode in ENDS:
        rows = np.sum(resampling(9, 14, mode), axis=1)
        assert np.allclose(rows, 1) == ("dirichlet" not in str(mode))


@pytest.mark.parametrize(
    ("mode", "fine", "coarse"),
    [
        ("periodic", 16, 8),
        ("dirichlet", 15, 7),
        ("neumann", 17, 9),
        ("cell-dirichlet", 16, 8),
        ("cell-neumann", 16, 8),
        (("dirichlet", "neumann"), 16, 8),
    ],
    ids=str,
)
def test_grids_of_twice_the_spacing_have_the_points_that_fit_the_box(mode, fine, coarse):
    assert resampled_size(fine, 2, mode) == coarse and resampled_size(coarse, 0.5, mode) == fine
    if "cell" not in str(mode):
        np.testing.assert_allclose(
            grid(coarse, 1.0, mode), grid(fine, 1.0, mode)[1 if "dirichlet" in str(mode) else 0 :: 2]
        )
        shared = slice(1 if "dirichlet" in str(mode) else 0, None, 2)
        np.testing.assert_allclose(resampling(coarse, fine, mode)[shared], np.eye(coarse), atol=1e-12)


def test_other_sizes_have_the_next_finer_grid_and_one_point_remains_one():
    assert [resampled_size(n, 2, "dirichlet") for n in (1, 2, 8)] == [1, 1, 4]
    assert [resampled_size(n, 2, "periodic") for n in (1, 7, 9)] == [1, 4, 5]
    assert [resampled_size(n, 2, "neumann") for n in (2, 3, 8)] == [2, 2, 5]


@pytest.mark.parametrize("mode", [*MODES[1:], ("dirichlet", "cell-neumann")], ids=str)
def test_both_ends_of_an_axis_are_treated_alike(mode):
    turned = mode if isinstance(mode, str) else mode[::-1]
    for num_outputs in (5, 9, 18):
        np.testing.assert_allclose(
            resampling(9, num_outputs, mode)[::-1, ::-1], resampling(9, num_outputs, turned), atol=1e-14
        )


def test_fields_are_resampled_along_each_axis_in_their_dtype(float64):
    modes = ("periodic", ("dirichlet", "neumann"), "cell-neumann")
    x = np.random.default_rng(0).standard_normal((2, 6, 5, 4))
    expected = np.einsum(
        "ai,bj,cijk->cabk", resampling(6, 12, modes[0]), resampling(5, 3, modes[1]), x
    )  # the last axis keeps its points
    y = jit(lambda x: filtered_resample(x, (12, 3, 4), modes))(jnp.asarray(x))
    np.testing.assert_allclose(y, expected, atol=1e-12)
    assert jax.eval_shape(
        lambda x: filtered_resample(x, 7, modes), jnp.asarray(x, jnp.bfloat16)
    ) == jax.ShapeDtypeStruct((2, 7, 7, 7), jnp.bfloat16)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="`factor` must be positive, got 0"):
        resampled_size(8, 0, "periodic")
    with pytest.raises(ValueError, match=r"`num_points` must be at least 2 on a 'neumann' axis, got 1"):
        resampled_size(1, 2, "neumann")
    with pytest.raises(ValueError, match="`filter_size` must be an integer of at least 1, got 0"):
        resampling(8, 4, "periodic", 0)
    with pytest.raises(ValueError, match=r"`shape` must be one integer or one per axis \(1\), got \(3, 4\)"):
        filtered_resample(jnp.ones((2, 8)), (3, 4), "periodic")
    with pytest.raises(ValueError, match="`x` must hold floating-point numbers, got int32"):
        filtered_resample(jnp.ones((2, 8), int), 4, "periodic")
