"""AFNO: the perceptron on orthonormal coefficients, position embeddings between grids, and the network around them."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft

from filled import KEY, apply, filled, jit
from pdequinox import arch
from pdequinox.blocks import AFNOBlock
from pdequinox.boundary import grid
from pdequinox.conv import LearnedField, SpectralMixer

TINY = {"hidden_channels": 4, "num_blocks": 1, "patch_size": 4, "num_groups": 2, "mlp_factor": 1}


def varied(*shape):
    return np.random.default_rng(len(shape) + shape[-1]).standard_normal(shape)


def shrunk(z, threshold):
    return np.sign(z) * np.maximum(np.abs(z) - threshold, 0)


def perceptron(mixer, z):
    """Complex, in loops over the groups; tanh and shrinkage of both parts."""
    size = mixer.channels // mixer.num_groups
    parts = z.reshape(mixer.num_groups, size, -1)
    first, second = (np.asarray(r) + 1j * np.asarray(i) for r, i in zip(mixer.real, mixer.imag, strict=True))
    result = np.zeros_like(parts, complex)
    for group in range(mixer.num_groups):
        hidden = first[group] @ parts[group]
        result[group] = second[group] @ (np.tanh(hidden.real) + 1j * np.tanh(hidden.imag))
    result = shrunk(result.real, mixer.threshold) + 1j * shrunk(result.imag, mixer.threshold)
    return result.reshape(z.shape)


@pytest.mark.parametrize("shape", [(8,), (7,), (4, 6), (5, 3), (2, 3, 4), (1, 4)], ids=str)
def test_on_periodic_axes_it_is_the_real_fft(shape, float64):
    mixer = filled(SpectralMixer, len(shape), 4, num_groups=2, threshold=0.1)
    x, axes = varied(4, *shape), range(1, 1 + len(shape))
    z = np.fft.rfftn(x, axes=axes, norm="ortho")
    expected = np.fft.irfftn(perceptron(mixer, z), s=shape, axes=axes, norm="ortho")
    actual = eqx.filter_jit(mixer)(jnp.asarray(x), jnp.tanh)
    np.testing.assert_allclose(actual, expected, atol=1e-12)


@pytest.mark.parametrize("mode", ["dirichlet", "neumann", "cell-dirichlet", "cell-neumann"])
def test_on_bounded_axes_it_is_the_sine_or_cosine_transform_of_cells(mode, float64):
    mixer = filled(SpectralMixer, 2, 4, num_groups=2, threshold=0.1, boundary_mode=mode)
    forward, back = (scipy.fft.dstn, scipy.fft.idstn) if "dirichlet" in mode else (scipy.fft.dctn, scipy.fft.idctn)
    x = varied(4, 5, 6)
    z = forward(x, axes=(1, 2), norm="ortho").astype(complex)
    expected = back(perceptron(mixer, z).real, axes=(1, 2), norm="ortho")
    np.testing.assert_allclose(eqx.filter_jit(mixer)(jnp.asarray(x), jnp.tanh), expected, atol=1e-12)


def test_axes_may_differ(float64):
    mixer = filled(SpectralMixer, 2, 4, threshold=0.1, num_groups=1, boundary_mode=("cell-neumann", "periodic"))
    x = varied(4, 5, 6)
    z = np.fft.rfft(scipy.fft.dct(x, axis=1, norm="ortho"), axis=2, norm="ortho")
    expected = np.fft.irfft(perceptron(mixer, z), n=6, axis=2, norm="ortho")
    expected = scipy.fft.idct(expected, axis=1, norm="ortho")
    np.testing.assert_allclose(eqx.filter_jit(mixer)(jnp.asarray(x), jnp.tanh), expected, atol=1e-12)


def test_a_fraction_of_the_modes_is_the_lowest_ones(float64):
    mixer = filled(SpectralMixer, 1, 4, num_groups=1, threshold=0.0, mode_fraction=0.5)
    x = varied(4, 12)
    z = perceptron(mixer, np.fft.rfft(x, norm="ortho"))
    z[:, 3:] = 0
    expected = np.fft.irfft(z, n=12, norm="ortho")
    np.testing.assert_allclose(eqx.filter_jit(mixer)(jnp.asarray(x), jnp.tanh), expected, atol=1e-12)


@pytest.mark.parametrize("mode", ["periodic", "cell-dirichlet", "cell-neumann"])
@pytest.mark.parametrize(("old", "new"), [(6, 9), (9, 6), (5, 8), (7, 7)])
def test_a_learned_field_is_interpolated_by_the_modes_of_both_grids(mode, old, new, float64):
    def smooth(n):
        x = grid(n, 1.0, mode)
        waves = {"periodic": lambda k: np.cos(2 * np.pi * k * x + 1), "cell-dirichlet": lambda k: np.sin(np.pi * k * x)}
        wave = waves.get(mode, lambda k: np.cos(np.pi * k * x))
        return np.stack([wave(2), wave(1) - 3 * wave(2)])

    field = LearnedField(1, 2, old, boundary_mode=mode, key=KEY)
    field = eqx.tree_at(lambda f: f.values, field, jnp.asarray(smooth(old)))
    x = varied(2, new)
    np.testing.assert_allclose(apply(field, jnp.asarray(x)), x + smooth(new), atol=1e-12)
    assert field.receptive_field == ((0.0, 0.0),)


def test_a_block_has_two_skips_or_one(float64):
    x = jnp.asarray(varied(4, 6))
    for use_double_skip in (True, False):
        block = filled(AFNOBlock, 1, 4, 4, num_groups=2, use_double_skip=use_double_skip, activation=jnp.tanh)
        mixed = block.mixer(block.norm_1(x), jnp.tanh)
        inner = mixed + x if use_double_skip else mixed
        expected = block.mlp(block.norm_2(inner)) + (inner if use_double_skip else x)
        np.testing.assert_allclose(apply(block, x), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "boundary_mode"),
    [((63,), "dirichlet"), ((65,), "neumann"), ((10, 7), ("periodic", "cell-neumann")), ((3,), "periodic")],
    ids=str,
)
def test_any_grid_works_with_a_position_embedding_of_another(shape, boundary_mode):
    network = filled(arch.AFNO, len(shape), 2, 3, **TINY, num_points=32, boundary_mode=boundary_mode)
    x = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    assert jax.eval_shape(lambda f, x: f(x), network, x).shape == (3, *shape)


def test_a_grid_that_is_no_multiple_of_the_patch_is_extended_and_cropped(float64):
    network = filled(arch.AFNO, 1, 2, 3, **TINY, boundary_mode="cell-neumann")
    x = varied(2, 10)
    extended = np.concatenate([x, x[:, -1:-3:-1]], axis=1)
    np.testing.assert_allclose(
        apply(network, jnp.asarray(x)), apply(network, jnp.asarray(extended))[:, :10], atol=1e-12
    )


def test_the_count_is_that_of_the_well():
    """44 to 11 channels on 256 x 256 points; without the embedding, one vector per patch less."""
    counts = []
    for num_points in (256, (256, 256), None):
        network = eqx.filter_eval_shape(arch.AFNO, 2, 44, 11, num_points=num_points, key=KEY)
        counts.append(sum(leaf.size for leaf in jax.tree.leaves(network)))
    assert counts == [19_340_939, 19_340_939, 19_340_939 - 32 * 32 * 384]


def test_by_default_there_are_eight_groups_or_as_many_as_divide_the_channels():
    for hidden_channels, num_groups in ((384, 8), (12, 4), (3, 1)):
        options = {"hidden_channels": hidden_channels, "num_blocks": 1}
        network = eqx.filter_eval_shape(arch.AFNO, 1, 2, 3, **options, key=KEY)
        assert network.blocks[0].mixer.num_groups == num_groups


def test_initial_values_are_those_of_the_reference():
    build = partial(arch.AFNO, 1, 2, 3, hidden_channels=64, num_blocks=1, num_points=512)
    network = jit(lambda key: build(key=key))(KEY)
    (block,) = network.blocks
    for weight in (*block.mixer.real, *block.mixer.imag):
        assert np.std(weight) == pytest.approx(0.02 / np.sqrt(2), rel=0.1)
    for layer in block.mlp.layers:
        assert np.std(layer.weight) == pytest.approx(0.02, rel=0.05) and not np.any(layer.bias)
    assert np.std(network.position.values) == pytest.approx(0.02, rel=0.05)


def test_a_larger_initial_scale_keeps_the_size_and_the_published_one_cuts_most_coefficients():
    x = jnp.asarray(varied(96, 64), jnp.float32)
    kept = {}
    for scale in (0.02, 48**-0.5):
        mixer = SpectralMixer(1, 96, num_groups=2, initial_scale=scale, key=KEY)
        y = apply(mixer, x)
        kept[scale] = np.mean(np.abs(np.fft.rfft(y, norm="ortho").real) > 1e-5)
    assert kept[0.02] < 0.2 and kept[48**-0.5] > 0.9
    assert 0.3 < float(jnp.std(y)) < 1


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"`num_groups` must divide the number of channels \(4\), got 3"):
        SpectralMixer(1, 4, num_groups=3, key=KEY)
    with pytest.raises(ValueError, match=r"`threshold` must not be negative, got -0\.1"):
        arch.AFNO(1, 2, 3, **TINY, threshold=-0.1, key=KEY)
    for fraction in (0.0, 1.5):
        with pytest.raises(ValueError, match=rf"`mode_fraction` must be in \(0, 1\], got {fraction}"):
            SpectralMixer(1, 8, mode_fraction=fraction, key=KEY)
    with pytest.raises(ValueError, match=r"same at both ends"):
        SpectralMixer(1, 8, boundary_mode=(("dirichlet", "neumann"),), key=KEY)
    with pytest.raises(ValueError, match=r"same at both ends"):
        LearnedField(1, 8, 4, boundary_mode=(("dirichlet", "neumann"),), key=KEY)
    with pytest.raises(ValueError, match=r"`num_points` must be one integer or one per axis \(2\)"):
        arch.AFNO(2, 2, 3, **TINY, num_points=(4,), key=KEY)
    with pytest.raises(ValueError, match=r"`mlp_factor` must be an integer of at least 1, got 0"):
        AFNOBlock(1, 4, 4, mlp_factor=0, key=KEY)
