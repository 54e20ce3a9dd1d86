"""Interpolation by the basis of the boundary mode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from pdequinox.boundary import grid
from pdequinox.conv import resample
from references import MODES

FINE = {"periodic": lambda n: 2 * n, "dirichlet": lambda n: 2 * n + 1, "neumann": lambda n: 2 * n - 1}


def varied(*shape):
    return np.random.default_rng(len(shape) + shape[-1]).standard_normal(shape)


@pytest.mark.parametrize("before", [1, 4, 7, 8])
@pytest.mark.parametrize("after", [1, 2, 3, 6, 8, 13, 16])
def test_a_periodic_axis_is_resampled_as_scipy_does(before, after, float64):
    x = varied(2, before)
    np.testing.assert_allclose(resample(jnp.asarray(x), after), signal.resample(x, after, axis=1), atol=1e-13)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("before", "after"), [(6, 9), (9, 6), (5, 12), (12, 5)])
def test_the_modes_of_both_grids_are_kept_exactly(mode, before, after, float64):
    def sample(num_points):
        x = grid(num_points, 1.0, mode)
        if mode == "periodic":
            return 1 + np.sin(2 * np.pi * x) - 3 * np.cos(4 * np.pi * x)
        if "neumann" in mode:
            return 2 + np.cos(np.pi * x) - np.cos(4 * np.pi * x)
        return np.sin(np.pi * x) + 2 * np.sin(4 * np.pi * x)

    y = resample(jnp.asarray(sample(before))[None], after, mode)
    np.testing.assert_allclose(y[0], sample(after), atol=1e-13)


@pytest.mark.parametrize("mode", FINE)
@pytest.mark.parametrize("num_points", [4, 5])
def test_shared_points_keep_the_values_of_any_field(mode, num_points, float64):
    x = varied(1, num_points)
    fine = resample(jnp.asarray(x), FINE[mode](num_points), mode)
    np.testing.assert_allclose(fine[:, int(mode == "dirichlet") :: 2], x, atol=1e-13)


@pytest.mark.parametrize("mode", MODES)
def test_there_and_back_again_is_the_identity(mode, float64):
    x = varied(2, 6)
    np.testing.assert_allclose(resample(resample(jnp.asarray(x), 9, mode), 6, mode), x, atol=1e-13)


def test_axes_are_resampled_by_their_own_modes(float64):
    x = varied(2, 4, 5, 6)
    modes = ("periodic", "dirichlet", "cell-neumann")
    y = jax.jit(lambda x: resample(x, (6, 5, 3), modes))(jnp.asarray(x))
    expected = np.stack([resample(jnp.asarray(line[None]), 6, "periodic")[0] for line in x.reshape(2, 4, -1)[0].T], 1)
    first = np.moveaxis(expected.reshape(6, 5, 6), -1, -1)
    lines = [resample(jnp.asarray(line[None]), 3, "cell-neumann")[0] for line in first.reshape(-1, 6)]
    np.testing.assert_allclose(y[0], np.stack(lines).reshape(6, 5, 3), atol=1e-13)


def test_the_dtype_is_kept_and_half_precision_sums_in_float32():
    x = jnp.asarray(varied(2, 64), jnp.bfloat16)
    y = resample(x, 96, "neumann")
    assert y.dtype == jnp.bfloat16
    assert np.array_equal(y, resample(x.astype(jnp.float32), 96, "neumann").astype(jnp.bfloat16))


def test_wrong_arguments_are_refused():
    x = jnp.ones((2, 4, 5))
    with pytest.raises(ValueError, match=r"`shape` must be one integer or one per axis \(2\), got \(3,\)"):
        resample(x, (3,))
    with pytest.raises(ValueError, match=r"same at both ends of an axis .* on axis 1"):
        resample(x, 3, ("periodic", ("dirichlet", "neumann")))
    with pytest.raises(ValueError, match="`x` must hold floating-point numbers, got int32"):
        resample(jnp.ones((2, 4), jnp.int32), 3)
