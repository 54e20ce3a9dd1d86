"""The wavelet neural operator: Daubechies' filters, exact reconstruction, counts."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, filled, jit
from pdequinox import arch
from pdequinox.boundary import MODES, extension, pad
from pdequinox.conv import WaveletConv
from pdequinox.conv._wavelet_basis import daubechies, num_wavelets, wavelets

ENDS = [*MODES, ("dirichlet", "cell-neumann")]


def test_filters_are_those_of_daubechies_tables():
    root = np.sqrt(3)
    np.testing.assert_allclose(
        daubechies(2), np.array([1 + root, 3 + root, 3 - root, 1 - root]) / (4 * np.sqrt(2)), atol=1e-14
    )
    known = [0.23037781, 0.71484657, 0.63088077, -0.02798377, -0.18703481, 0.03084138, 0.03288301, -0.01059740]
    np.testing.assert_allclose(daubechies(4), known, atol=1e-8)


@pytest.mark.parametrize("p", range(1, 13))
def test_filters_are_orthonormal_to_their_even_shifts_and_their_wavelets_kill_polynomials(p):
    h = daubechies(p)
    for k in range(p):
        assert np.dot(h[2 * k :], h[: len(h) - 2 * k]) == pytest.approx(float(k == 0), abs=1e-12)
    t = np.linspace(-1, 1, 2 * p)
    g = h[::-1] * (-1.0) ** np.arange(2 * p)
    for power in range(p):
        assert abs(np.dot(g, t**power)) < 1e-10


@pytest.mark.parametrize("mode", ENDS, ids=str)
@pytest.mark.parametrize(("num_points", "p"), [(9, 3), (8, 1), (16, 6)])
def test_one_scale_s_functions_reconstruct_every_field(num_points, p, mode):
    analysis, synthesis = wavelets(num_points, 1, p, mode)
    np.testing.assert_allclose(synthesis[0] @ analysis[0] + synthesis[1] @ analysis[1], np.eye(num_points), atol=1e-12)


@pytest.mark.parametrize("mode", ENDS, ids=str)
def test_the_scaling_functions_of_a_scale_are_those_and_the_wavelets_of_the_next(mode):
    """The projections: V_2 = V_3 + W_3, where the field continues beyond the walls."""
    (coarse, coarse_back), (fine, fine_back) = (wavelets(20, levels, 4, mode) for levels in (3, 2))
    both = sum(back @ matrix for matrix, back in zip(coarse, coarse_back, strict=True))
    np.testing.assert_allclose(both, fine_back[0] @ fine[0], atol=1e-12)


def test_there_are_as_many_coefficients_as_after_filtering_level_by_level():
    for num_points in (1, 7, 86, 1024):
        for p in (1, 4, 6):
            count = num_points
            for levels in range(1, 9):
                count = (count + 2 * p - 1) // 2
                assert num_wavelets(num_points, levels, p) == count


@pytest.mark.parametrize("mode", ENDS, ids=str)
def test_the_extension_is_what_pad_does_to_mirror_images(mode, float64):
    x = np.random.default_rng(0).standard_normal(5)
    padded = pad(jnp.asarray(x)[None], [(7, 12)], (mode,), reflect=True)[0]
    np.testing.assert_array_equal(extension(5, 7, 12, mode) @ x, padded)


def test_weights_multiply_the_coefficients_of_each_kind(float64):
    modes, shape = ("neumann", "cell-dirichlet"), (9, 12)
    conv = filled(WaveletConv, 2, 2, 3, num_points=shape, num_levels=2, num_vanishing_moments=2, boundary_mode=modes)
    x = np.random.default_rng(0).standard_normal((2, *shape))
    (a, a_back), (b, b_back) = (wavelets(n, 2, 2, mode) for n, mode in zip(shape, modes, strict=True))
    weight = np.asarray(conv.weight).reshape(2, 2, *conv.weight.shape[1:])  # the last axis' kind varies slowest
    z = np.einsum("skx,tly,ixy->stikl", a, b, x)
    expected = np.einsum("sxk,tyl,tsoikl,stikl->oxy", a_back, b_back, weight, z)
    np.testing.assert_allclose(jit(lambda f, x: f(x))(conv, jnp.asarray(x)), expected, atol=1e-12)


def test_with_ones_for_weights_a_layer_is_a_projection_that_keeps_polynomials(float64):
    """Inside of the domain: cubes are in the span of the functions with four vanishing moments."""
    conv = filled(WaveletConv, 1, 1, 1, num_points=64, num_levels=2, num_vanishing_moments=4, boundary_mode="neumann")
    conv = eqx.tree_at(lambda c: c.weight, conv, jnp.ones_like(conv.weight))
    cube = jnp.linspace(-1, 1, 64)[None] ** 3
    np.testing.assert_allclose(conv(cube)[:, 24:-24], cube[:, 24:-24], atol=1e-10)


def reference_count(d, c_in, c_out, num_points, hidden, layers, levels, p):
    """The layers of the authors' code, one by one."""
    coefficients = num_points
    for _ in range(levels):
        coefficients = (coefficients + 2 * p - 1) // 2
    lifting = (c_in + d + 1) * hidden
    projection = (hidden + 1) * 128 + (128 + 1) * c_out
    return lifting + projection + layers * (2**d * coefficients**d * hidden**2 + hidden**2 + hidden)


@pytest.mark.parametrize(
    ("d", "num_points", "levels", "count"), [(2, 86, 4, 14_770_945), (1, 1024, 8, 484_033), (3, 16, 4, 174_482_241)]
)
def test_parameters_are_those_of_the_authors_code(d, num_points, levels, count):
    """In 2D that for Darcy's equation on 85 points with a padding of one, in 1D that for Burgers' equation."""
    build = lambda key: arch.WNO(d, 1, 1, num_points=num_points, num_levels=levels, key=key)  # noqa: E731
    network = eqx.filter_eval_shape(build, KEY)
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) == count
    assert reference_count(d, 1, 1, num_points, 64, 4, levels, 6) == count


def test_a_network_is_its_layers_in_turn(float64):
    network = filled(
        arch.WNO, 1, 2, 3, num_points=9, hidden_channels=4, num_layers=2, num_levels=1, num_vanishing_moments=2,
        boundary_mode=(("neumann", "dirichlet"),), activation=jnp.tanh,
    )  # fmt: skip
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 9)))
    v = network.lifting.network(jnp.concatenate([x, jnp.arange(9)[None] / 9]))
    for layer, activation in zip(network.blocks, (jnp.tanh, lambda v: v), strict=True):
        v = activation(layer.conv(v) + layer.by_pass_conv(v))
    np.testing.assert_allclose(jit(lambda f, x: f(x))(network, x), network.projection(v), atol=1e-12)
    assert network.receptive_field == ((6.0, 6.0),)


def test_weights_start_as_in_the_source_or_centred():
    build = lambda **options: WaveletConv(  # noqa: E731
        1, 8, 4, num_points=64, num_levels=1, boundary_mode="periodic", key=KEY, **options
    )
    tiny, centred = np.asarray(build().weight), np.asarray(build(centred_init=True).weight)
    assert 0 <= tiny.min() and tiny.max() <= 1 / 32 and tiny.mean() == pytest.approx(1 / 64, rel=0.05)
    assert abs(centred.mean()) < 0.03 and centred.std() == pytest.approx(8**-0.5, rel=0.05)


def test_wrong_options_and_other_grids_are_refused():
    network = filled(arch.WNO, 1, 2, 3, num_points=8, hidden_channels=2, num_levels=1, num_vanishing_moments=1)
    with pytest.raises(ValueError, match=r"\(2, 8\) .* got \(2, 9\).*pdequinox\.conv\.resample"):
        network.blocks[0].conv(jnp.ones((2, 9)))
    with pytest.raises(ValueError, match=r"made for, got \(2, 16\)"):
        network(jnp.ones((2, 16)))
    for option, match in [
        ({"num_points": (8, 8)}, r"`num_points` must be one integer or one per axis \(1\)"),
        ({"num_levels": 0}, "`num_levels` must be an integer of at least 1, got 0"),
        ({"num_layers": 0}, "`num_layers` must be an integer of at least 1, got 0"),
        ({"num_vanishing_moments": 13}, "`num_vanishing_moments` must be at most 12, got 13"),
        ({"position_embedding": "rotary"}, "`embedding` must be one of 'grid', 'sinusoidal', got 'rotary'"),
    ]:
        with pytest.raises(ValueError, match=match):
            arch.WNO(1, 2, 3, **({"num_points": 8} | option), key=KEY)
