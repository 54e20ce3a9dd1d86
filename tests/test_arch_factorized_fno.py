"""FactorizedFNO: the transform along each axis, its weights, and the quirks of the published code."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox import arch, count_parameters
from pdequinox.conv import FactorizedSpectralConv, PointwiseLinearConv, SpectralConv, WeightNorm, with_weight_norm
from references import MODES


def varied(*shape):
    return np.random.default_rng(len(shape) + shape[-1]).standard_normal(shape)


def count(num_spatial_dims, in_channels, out_channels, **options):
    build = eqx.filter_eval_shape(
        arch.FactorizedFNO, num_spatial_dims, in_channels, out_channels, boundary_mode="periodic", **options, key=KEY
    )
    return sum(leaf.size for leaf in jax.tree.leaves(build))


def by_fft(layer, x):
    """One real FFT per axis, the lowest modes times their matrices, and back."""
    y = 0
    for axis, (real, imag) in enumerate(zip(layer.weights_real, layer.weights_imag, strict=True), start=1):
        weights = np.asarray(real) + 1j * np.asarray(imag)
        spectrum = np.moveaxis(np.fft.rfft(x, axis=axis, norm="ortho"), axis, -1)
        kept = min(weights.shape[-1], spectrum.shape[-1])
        mixed = np.zeros((len(weights), *spectrum.shape[1:]), complex)
        mixed[..., :kept] = np.einsum("oik,i...k->o...k", weights[..., :kept], spectrum[..., :kept])
        y = y + np.moveaxis(np.fft.irfft(mixed, n=x.shape[axis], axis=-1, norm="ortho"), -1, axis)
    return y


@pytest.mark.parametrize(
    ("shape", "num_modes"), [((8,), (3,)), ((8, 9), (3, 5)), ((5, 4, 7), (3, 1, 2)), ((4, 6), (9, 4))]
)
def test_a_layer_is_the_sum_of_a_real_fft_per_axis(shape, num_modes, float64):
    layer = filled(FactorizedSpectralConv, len(shape), 2, 3, num_modes)
    x = varied(2, *shape)
    np.testing.assert_allclose(apply(layer, jnp.asarray(x)), by_fft(layer, x), atol=1e-12)


@pytest.mark.parametrize("parity", ["mixed", "same"])
@pytest.mark.parametrize("mode", MODES[1:])
def test_along_each_axis_it_is_the_one_dimensional_spectral_layer(mode, parity, float64):
    layer = filled(FactorizedSpectralConv, 2, 2, 3, 3, boundary_mode=("periodic", mode), parity=parity)
    x = varied(2, 5, 6)
    expected = 0
    for axis, axis_mode in enumerate(("periodic", mode)):
        line = SpectralConv(1, 2, 3, 3, boundary_mode=axis_mode, parity=parity, key=KEY)
        parts = [part if part is None else part[None] for part in (layer.weights_real[axis], layer.weights_imag[axis])]
        line = eqx.tree_at(lambda s: [s.weights_real, s.weights_imag], line, parts, is_leaf=lambda leaf: leaf is None)
        expected = expected + jax.vmap(line, in_axes=2 - axis, out_axes=2 - axis)(jnp.asarray(x))
    np.testing.assert_allclose(apply(layer, jnp.asarray(x)), expected, atol=1e-12)


def test_with_parity_same_the_output_satisfies_the_condition(float64):
    """A sine is mapped to sines, whatever the weights: the values beyond the wall are the mirrored ones."""
    layer = filled(FactorizedSpectralConv, 1, 1, 1, 2, boundary_mode="dirichlet", parity="same")
    theta = np.pi * np.arange(1, 8) / 8
    y = apply(layer, jnp.asarray(np.sin(2 * theta)[None]))
    np.testing.assert_allclose(y, layer.weights_real[0][:, :, 1] * np.sin(2 * theta), atol=1e-12)


def test_the_number_of_parameters_is_the_formula_and_grows_linearly_with_the_dimension():
    """Width w, m modes, L blocks, factor f: 2 d w^2 m spectral weights, and a weight, a bias and a length per row."""
    w, m, f = 64, 16, 4
    feed_forward = 2 * f * w * w + 2 * (f * w + w)
    ends = (3 * w + 2 * w) + (128 * w + 2 * 128) + (128 + 2)
    for num_blocks in (4, 24):
        counts = [count(d, 3, 1, num_blocks=num_blocks) for d in (1, 2, 3)]
        assert counts == [2 * d * w * w * m + num_blocks * feed_forward + ends for d in (1, 2, 3)]
    assert count(2, 3, 1, num_blocks=24) == 1_072_834
    own = count(2, 3, 1, num_blocks=4, share_weights=False, use_weight_norm=False)
    lengths = 4 * (f * w + w) + w + 128 + 1
    assert own == count(2, 3, 1) + 3 * 2 * 2 * w * w * m - lengths
    bounded = filled(arch.FactorizedFNO, 2, 2, 3, hidden_channels=4, num_modes=3, boundary_mode="neumann")
    half = filled(arch.FactorizedFNO, 2, 2, 3, hidden_channels=4, num_modes=3, boundary_mode="neumann", parity="same")
    assert count_parameters(bounded) - count_parameters(half) == 2 * 16 * 3


def test_shared_weights_are_one_leaf_that_all_blocks_read(float64):
    shared = filled(arch.FactorizedFNO, 1, 2, 3, hidden_channels=4, num_modes=3, num_blocks=3)
    assert len(shared.spectral_convs) == 1
    own = filled(arch.FactorizedFNO, 1, 2, 3, hidden_channels=4, num_modes=3, num_blocks=3, share_weights=False)
    assert len(own.spectral_convs) == 3
    copied = eqx.tree_at(
        lambda n: (n.lifting, n.spectral_convs, n.feed_forwards, n.projection),
        own,
        (shared.lifting, shared.spectral_convs * 3, shared.feed_forwards, shared.projection),
    )
    x = jnp.asarray(varied(2, 8))
    np.testing.assert_array_equal(apply(shared, x), apply(copied, x))


def test_the_head_reads_the_sum_or_as_published_what_the_last_block_adds(float64):
    x = jnp.asarray(varied(2, 8))
    options = {"hidden_channels": 4, "num_modes": 3, "num_blocks": 2, "use_weight_norm": False}
    for is_ours in (True, False):
        heads = {"use_residual_head": is_ours, "use_projection_activation": is_ours}
        network = filled(arch.FactorizedFNO, 1, 2, 3, **options, **heads)
        (conv,) = network.spectral_convs
        z = network.lifting(x)
        for block in network.feed_forwards:
            w_1, w_2 = block.layers
            added = w_2(jax.nn.relu(w_1(conv(z))))
            z = z + added
        first, second = network.projection.layers
        expected = second(jax.nn.relu(first(z)) if is_ours else first(added))
        np.testing.assert_allclose(apply(network, x), expected, atol=1e-12)


def test_a_weight_norm_starts_as_the_plain_layer_and_separates_length_from_direction(float64):
    layer = PointwiseLinearConv(1, 2, 3, key=KEY)
    normed = with_weight_norm({"layer": layer})["layer"]
    x = jnp.asarray(varied(2, 5))
    np.testing.assert_allclose(apply(normed, x), layer(x), atol=1e-12)
    scaled = eqx.tree_at(lambda n: n.layer.weight, normed, 7 * normed.layer.weight)
    np.testing.assert_allclose(apply(scaled, x), layer(x), atol=1e-12)
    longer = eqx.tree_at(lambda n: n.scale, normed, 2 * normed.scale)
    np.testing.assert_allclose(apply(longer, x) - layer.bias, 2 * (layer(x) - layer.bias), atol=1e-12)
    assert isinstance(normed, WeightNorm) and normed.receptive_field == ((0.0, 0.0),)


def test_initial_spectral_weights_have_xavier_s_standard_deviation_times_the_gain():
    layer = FactorizedSpectralConv(2, 16, 48, 8, gain=0.5, key=KEY)
    for part in (*layer.weights_real, *layer.weights_imag):
        assert np.std(part) == pytest.approx(0.5 / np.sqrt(8 * 64), rel=0.05)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"`num_blocks` must be an integer of at least 1, got 0"):
        arch.FactorizedFNO(1, 2, 3, num_blocks=0, key=KEY)
    with pytest.raises(ValueError, match=r"`feed_forward_factor` must be an integer of at least 1, got 0"):
        arch.FactorizedFNO(1, 2, 3, feed_forward_factor=0, key=KEY)
    with pytest.raises(ValueError, match=r"`num_modes` must be one integer or one per axis \(2\)"):
        FactorizedSpectralConv(2, 2, 3, (1, 2, 3), key=KEY)
    with pytest.raises(ValueError, match=r"`parity` must be 'mixed' or 'same', got 'odd'"):
        FactorizedSpectralConv(1, 2, 3, 2, parity="odd", key=KEY)
    with pytest.raises(ValueError, match=r"same at both ends .* on axis 1"):
        FactorizedSpectralConv(2, 2, 3, 2, boundary_mode=("periodic", ("dirichlet", "neumann")), key=KEY)
    assert filled(arch.FactorizedFNO, 2, 2, 3, num_modes=3).receptive_field == ((np.inf, np.inf),) * 2
