"""SpectralConv on periodic axes: the FFT formula, its symmetries and its behaviour between grids."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled, jit
from pdequinox.conv import SpectralConv
from references import MODES, PAIRS, spectral


def varied(*shape):
    return np.random.default_rng(len(shape) + shape[-1]).standard_normal(shape)


def complex_weights(layer):
    return np.asarray(layer.weights_real, float) + 1j * np.asarray(layer.weights_imag, float)


def with_weights(layer, weights):
    parts = (jnp.asarray(weights.real, layer.weights_real.dtype), jnp.asarray(weights.imag, layer.weights_real.dtype))
    return eqx.tree_at(lambda s: (s.weights_real, s.weights_imag), layer, parts)


def assert_close(actual, expected, tolerance):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.max(np.abs(expected)))


CASES = [
    ((8,), (3,)),
    ((9,), (4,)),
    ((8,), (5,)),
    ((7, 8), (3, 2)),
    ((8, 9), (4, 5)),
    ((6, 5, 4), (2, 1, 3)),
    ((5, 6, 7), (2, 3, 4)),
]


@pytest.mark.parametrize(("shape", "num_modes"), CASES)
def test_equals_the_fft_formula_in_float64(shape, num_modes, float64):
    layer = filled(SpectralConv, len(shape), 2, 3, num_modes)
    x = varied(2, *shape)
    expected = spectral(x, complex_weights(layer), ["periodic"] * len(shape))
    assert_close(apply(layer, jnp.asarray(x)), expected, 1e-12)


@pytest.mark.parametrize(("in_channels", "out_channels"), [(1, 4), (3, 1)])
def test_channel_counts_are_free(in_channels, out_channels, float64):
    layer = filled(SpectralConv, 2, in_channels, out_channels, 3)
    x = varied(in_channels, 8, 7)
    expected = spectral(x, complex_weights(layer), ["periodic"] * 2)
    assert_close(apply(layer, jnp.asarray(x)), expected, 1e-12)


@pytest.mark.parametrize(
    ("shape", "num_modes"), [((9,), (4,)), ((6, 5, 4), (2, 1, 3)), ((160,), (12,)), ((32, 32), (12, 12))]
)
def test_equals_the_fft_formula_in_float32(shape, num_modes):
    layer = filled(SpectralConv, len(shape), 2, 3, num_modes)
    x = varied(2, *shape).astype(np.float32)
    expected = spectral(x.astype(float), complex_weights(layer), ["periodic"] * len(shape))
    y = apply(layer, jnp.asarray(x))
    assert y.dtype == jnp.float32
    assert_close(y, expected, 1e-5)


def test_the_weights_are_those_of_the_seed():
    layer = SpectralConv(3, 2, 5, (2, 3, 4), key=KEY)
    assert layer.weights_real.shape == layer.weights_imag.shape == (4, 5, 2, 2, 3, 4)
    assert [leaf.shape for leaf in jax.tree.leaves(layer)] == [(4, 5, 2, 2, 3, 4)] * 2
    assert filled(SpectralConv, 2, 2, 5, 3).weights_real.shape == (2, 5, 2, 3, 3)
    scale = np.std(np.asarray(layer.weights_real)), np.std(np.asarray(layer.weights_imag))
    assert scale == pytest.approx((0.1, 0.1), rel=0.1)
    assert not np.array_equal(layer.weights_real, layer.weights_imag)


@pytest.mark.parametrize("mode", MODES)
def test_the_receptive_field_is_infinite(mode):
    assert filled(SpectralConv, 2, 2, 3, 4, boundary_mode=mode).receptive_field == ((np.inf, np.inf),) * 2


@pytest.mark.parametrize("shape", [(2, 2), (3, 4), (6, 3), (7, 6)])
def test_any_grid_carries_some_of_the_modes_of_any_layer(shape):
    layer = filled(SpectralConv, 2, 1, 2, (4, 3))
    x = varied(1, *shape).astype(np.float32)
    expected = spectral(x.astype(float), complex_weights(layer), ["periodic"] * 2)
    assert_close(apply(layer, jnp.asarray(x)), expected, 1e-5)


@pytest.mark.parametrize("shape", [(4, 4), (5, 6)])
def test_more_modes_than_the_grid_has_are_cropped_so_that_weights_keep_their_modes(shape, float64):
    """Index j of the negative block is mode -(m - j): what is left of it is its end."""
    size_0, size_1 = 6, 7
    large = filled(SpectralConv, 2, 2, 3, (size_0, size_1))
    weights = complex_weights(large)
    # The non-negative modes below Nyquist, and the negative ones down to it; the shorter block is led by zeros.
    num_positive, num_negative, num_last = (shape[0] + 1) // 2, shape[0] // 2, shape[1] // 2 + 1
    size = max(num_positive, num_negative)
    cropped = np.zeros((2, 3, 2, size, num_last), complex)
    cropped[0, :, :, :num_positive] = weights[0, :, :, :num_positive, :num_last]
    cropped[1, :, :, size - num_negative :] = weights[1, :, :, size_0 - num_negative :, :num_last]
    small = with_weights(filled(SpectralConv, 2, 2, 3, (size, num_last)), cropped)
    x = jnp.asarray(varied(2, *shape))
    np.testing.assert_allclose(apply(large, x), apply(small, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(4,), (5,), (5, 4), (4, 5)])
@pytest.mark.parametrize("boundary_mode", MODES)
def test_unit_weights_on_all_modes_are_the_identity(shape, boundary_mode, float64):
    """So no frequency is missing and none is counted twice, Nyquist and zero included."""
    layer = filled(SpectralConv, len(shape), 1, 1, 9, boundary_mode=boundary_mode)
    layer = with_weights(layer, np.ones(layer.weights_real.shape) + 0j)
    x = varied(1, *shape)
    np.testing.assert_allclose(apply(layer, jnp.asarray(x)), x, rtol=1e-11, atol=1e-11)


def test_nyquist_belongs_to_the_negative_block_and_counts_once_on_the_last_axis(float64):
    n, layer = 6, filled(SpectralConv, 2, 1, 1, (4, 4))
    zigzag = (-1.0) ** np.arange(n)
    along_first, along_last = np.tile(zigzag[:, None], (1, n))[None], np.tile(zigzag, (n, 1))[None]
    only = lambda corner, i, j: with_weights(  # noqa: E731
        layer, 2.0 * np.eye(2 * 16)[16 * corner + 4 * i + j].reshape(2, 1, 1, 4, 4) + 0j
    )
    np.testing.assert_allclose(apply(only(0, 3, 0), jnp.asarray(along_first)), 0, atol=1e-12)
    np.testing.assert_allclose(apply(only(1, 1, 0), jnp.asarray(along_first)), 2 * along_first, atol=1e-12)
    np.testing.assert_allclose(apply(only(0, 0, 3), jnp.asarray(along_last)), 2 * along_last, atol=1e-12)


@pytest.mark.parametrize(("shape", "finer", "num_modes"), [((9,), 3, 7), ((8, 10), 2, (3, 9)), ((8, 8, 8), 2, 2)])
def test_a_band_limited_field_gives_the_same_output_on_nested_grids(shape, finer, num_modes):
    ndim = len(shape)

    def sample(num_points):
        angles = np.meshgrid(*(2 * np.pi * np.arange(n) / n for n in num_points), indexing="ij")
        waves = [np.cos(sum((a + 1) * angle for a, angle in enumerate(angles)) + 0.4), 1 + np.sin(2 * angles[0])]
        waves.append(np.sin(angles[-1]) if ndim == 1 else np.cos(angles[0] - angles[-1] + 1))
        return jnp.asarray(np.stack([waves[0] + 2 * waves[1], waves[2] - waves[1]]), jnp.float32)

    layer = filled(SpectralConv, ndim, 2, 3, num_modes)
    coarse, fine = apply(layer, sample(shape)), apply(layer, sample([finer * n for n in shape]))
    assert_close(fine[(slice(None), *(slice(None, None, finer),) * ndim)], np.asarray(coarse), 1e-5)


@pytest.mark.parametrize(("shape", "shift"), [((9,), (2,)), ((4, 5, 6), (1, 2, 3))])
def test_shifts_of_a_periodic_field_shift_the_output(shape, shift, float64):
    layer, axes = filled(SpectralConv, len(shape), 2, 3, 3), tuple(range(1, len(shape) + 1))
    x = varied(2, *shape)
    # At Nyquist the output is a real part, which keeps shifts by whole points.
    shifted = apply(layer, jnp.asarray(np.roll(x, shift, axes)))
    np.testing.assert_allclose(shifted, np.roll(apply(layer, jnp.asarray(x)), shift, axes), atol=1e-12)


def test_only_periodic_axes_of_a_channel_are_equivariant(float64):
    layer = filled(SpectralConv, 2, 2, 3, 3, boundary_mode=("periodic", "dirichlet"))
    x = varied(2, 8, 7)
    y, along, across = (np.asarray(apply(layer, jnp.asarray(u))) for u in (x, np.roll(x, 3, 1), np.roll(x, 3, 2)))
    np.testing.assert_allclose(along, np.roll(y, 3, 1), atol=1e-12)
    assert np.max(np.abs(across - np.roll(y, 3, 2))) > 0.1


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("boundary_mode", ["periodic", "dirichlet"])
def test_low_precision_computes_in_float32(dtype, boundary_mode):
    """Rounded once at the end: as good as the float32 layer with the rounded weights and input."""
    layer = filled(SpectralConv, 1, 2, 3, 5, boundary_mode=boundary_mode)
    low = jax.tree.map(lambda leaf: leaf.astype(dtype), layer)
    again = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), low)
    x = jnp.asarray(varied(2, 64), dtype)
    y = apply(low, x)
    assert y.dtype == dtype
    assert np.array_equal(y, apply(again, x.astype(jnp.float32)).astype(dtype))
    gradient = jit(jax.grad(lambda args: jnp.sum(args[0](args[1]).astype(jnp.float32) ** 2)))((low, x))
    assert all(leaf.dtype == dtype and jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))


def test_the_layer_is_linear_and_differentiable(float64):
    layer = filled(SpectralConv, 2, 2, 3, (3, 2), boundary_mode=("periodic", "neumann"))
    x, y, w = varied(2, 6, 5), varied(2, 6, 5) ** 2, varied(3, 6, 5)
    of_x, of_y, of_both = (apply(layer, jnp.asarray(u)) for u in (x, y, 2 * x - y))
    np.testing.assert_allclose(of_both, 2 * of_x - of_y, atol=1e-11)
    transposed = jit(jax.grad(lambda u: jnp.vdot(w, layer(u))))(jnp.asarray(x))
    np.testing.assert_allclose(np.vdot(w, of_y), np.vdot(transposed, y), rtol=1e-11)


def test_the_transform_has_no_scatter_and_no_complex_numbers():
    """Truncated matrix products: nothing to fill in, and shards of the grid only share a sum."""
    layer = filled(SpectralConv, 2, 2, 3, 3)
    text = str(jax.make_jaxpr(lambda x: layer(x))(jnp.ones((2, 16, 16))))
    assert "correlation_form" in text and "scatter" not in text and "c64" not in text


def test_products_use_the_highest_precision():
    """Accelerators default to less: every product with a matrix asks for more."""
    layer = filled(SpectralConv, 1, 2, 3, 3, boundary_mode="dirichlet")
    text = str(jax.make_jaxpr(lambda x: layer(x))(jnp.ones((2, 16))))
    assert text.count("correlation_form[") == text.count("precision=HIGHEST") > 0


@pytest.mark.parametrize("num_modes", [0, -1, (3, 0)])
def test_bad_numbers_of_modes_are_refused(num_modes):
    with pytest.raises(ValueError, match="`num_modes` must be an integer of at least 1"):
        SpectralConv(2, 2, 3, num_modes, key=KEY)


@pytest.mark.parametrize("num_modes", [(3,), (3, 3, 3)])
def test_a_wrong_count_of_numbers_of_modes_is_refused(num_modes):
    with pytest.raises(ValueError, match=r"`num_modes` must be one integer or one per axis \(2\)"):
        SpectralConv(2, 2, 3, num_modes, key=KEY)


@pytest.mark.parametrize("pair", PAIRS[:4], ids=str)
@pytest.mark.parametrize("parity", ["mixed", "same"])
def test_mixed_ends_are_refused_by_name(pair, parity):
    with pytest.raises(ValueError, match=f"same at both ends .*{pair[0]}.*{pair[1]}.* on axis 1"):
        SpectralConv(2, 2, 3, 3, boundary_mode=("periodic", pair), parity=parity, key=KEY)


def test_wrong_modes_parities_and_channels_are_refused():
    with pytest.raises(ValueError, match="`boundary_mode` must be one of"):
        SpectralConv(1, 2, 3, 3, boundary_mode="sine", key=KEY)
    with pytest.raises(ValueError, match=r"one entry per axis \(1\)"):
        SpectralConv(1, 2, 3, 3, boundary_mode=("periodic", "dirichlet"), key=KEY)
    for mode in ("periodic", "dirichlet"):
        with pytest.raises(ValueError, match="`parity` must be 'mixed' or 'same', got 'even'"):
            SpectralConv(1, 2, 3, 3, boundary_mode=mode, parity="even", key=KEY)
    with pytest.raises(ValueError, match="`out_channels` must be an integer of at least 1, got 0"):
        SpectralConv(1, 2, 0, 3, key=KEY)


def test_wrong_inputs_are_refused():
    layer = filled(SpectralConv, 2, 2, 3, 3)
    with pytest.raises(ValueError, match=r"2 channels, got \(5, 2, 8, 8\).*jax.vmap"):
        layer(jnp.ones((5, 2, 8, 8)))
    with pytest.raises(ValueError, match=r"2 channels, got \(3, 8, 8\)"):
        layer(jnp.ones((3, 8, 8)))
    with pytest.raises(ValueError, match=r"dtype of the parameters \(float32\), got bfloat16"):
        layer(jnp.ones((2, 8, 8), jnp.bfloat16))
