"""The convolutional neural operator: activations that do not alias, counts, grids."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, filled, jit
from pdequinox import arch, blocks
from pdequinox.boundary import MODES, grid, resampled_size, resampling


def smooth_field(mode, num_waves=4):
    c = np.random.default_rng(0).standard_normal((num_waves + 1, 2))
    k = np.arange(num_waves + 1)[:, None]
    if mode == "periodic":
        return lambda x: c[:, 0] @ np.cos(2 * np.pi * k * x) + c[:, 1] @ np.sin(2 * np.pi * k * x)
    return lambda x: c[:, 0] @ (np.sin if "dirichlet" in mode else np.cos)(2 * np.pi * k * x)


def activated(activation, values):
    return np.asarray(activation(jnp.asarray(values)[None])[0])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("function", [jnp.tanh, jax.nn.gelu], ids=["tanh", "gelu"])
def test_activations_alias_five_times_less_or_better(mode, function, float64):
    """The truth: the activation of the function, not of 32 of its values, filtered, at the 32 points."""
    n, fine = 32, resampled_size(32, 1 / 16, mode)
    u = smooth_field(mode)
    truth = resampling(fine, n, mode) @ np.asarray(function(u(grid(fine, 1.0, mode))))
    band_limited = blocks.BandLimitedActivation(1, activation=function, boundary_mode=mode)
    values = u(grid(n, 1.0, mode))
    error, plain = (np.linalg.norm(activated(f, values) - truth) for f in (band_limited, function))
    assert error < 5e-3 * np.linalg.norm(truth) and error < plain / 5


def shifted(values, shift):
    """By the periodic band-limited interpolation, in points."""
    k = np.fft.rfftfreq(len(values), 1 / len(values))
    return np.fft.irfft(np.fft.rfft(values) * np.exp(2j * np.pi * k * shift / len(values)), len(values))


def test_activations_commute_three_times_better_with_shifts_by_parts_of_a_spacing(float64):
    n, u = 32, smooth_field("periodic")
    x = grid(n, 1.0, "periodic")

    def error(activation):
        return np.mean(
            [
                np.linalg.norm(activated(activation, u(x + s / n)) - shifted(activated(activation, u(x)), s))
                for s in (0.25, 0.5, 0.75)
            ]
        )

    band_limited, wide = (blocks.BandLimitedActivation(1, activation=jnp.tanh, filter_size=m) for m in (6, 24))
    assert error(band_limited) < error(jnp.tanh) / 3 and error(wide) < error(jnp.tanh) / 6


def test_an_activation_may_end_on_another_grid(float64):
    """On the way it is on the grid twice as fine as the finer one."""
    activation = blocks.BandLimitedActivation(2, activation=jnp.tanh, boundary_mode=("periodic", "dirichlet"))
    x = np.random.default_rng(0).standard_normal((2, 8, 7))
    axes = ((8, 16, 4, "periodic"), (7, 31, 15, "dirichlet"))
    (up_x, down_x), (up_y, down_y) = [(resampling(n, m, mode), resampling(m, k, mode)) for n, m, k, mode in axes]
    fine = np.tanh(np.einsum("ai,bj,cij->cab", up_x, up_y, x))
    y = activation(jnp.asarray(x), shape=(4, 15))
    np.testing.assert_allclose(y, np.einsum("ai,bj,cij->cab", down_x, down_y, fine), atol=1e-12)


def test_the_reach_of_an_activation_is_what_it_says(float64):
    activation = blocks.BandLimitedActivation(1, activation=jnp.tanh, filter_size=4)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, 24)))
    row = jax.jacobian(lambda x: activation(x)[0, 12])(x)[0]
    assert np.flatnonzero(np.abs(row) > 1e-12).tolist() == list(range(12 - 3, 12 + 4))
    assert activation.receptive_field == ((3.0, 3.0),)


def reference_count(d, c_in, c_out, levels, num_blocks, num_neck_blocks, multiplier):
    """The layers of the authors' code, one by one."""
    conv = lambda i, o: i * o * 3**d + o  # noqa: E731
    normed = lambda i, o: conv(i, o) + 2 * o  # noqa: E731
    features = [multiplier // 2, *(multiplier * 2**i for i in range(levels))]
    count = conv(c_in, 64) + conv(64, features[0]) + conv(2 * features[0], 64) + conv(64, c_out)
    for level, c in enumerate(features):
        is_neck = level == levels
        count += normed(c, c) + 2 * (num_neck_blocks if is_neck else num_blocks) * normed(c, c)
        if not is_neck:
            count += normed(c, features[level + 1])
        if level > 0:
            count += normed(c if is_neck else 2 * c, features[level - 1])
    return count


@pytest.mark.parametrize(("num_spatial_dims", "count"), [(1, 675_497), (2, 2_010_665), (3, 6_016_169)])
def test_parameters_of_the_defaults_are_the_reference_s(num_spatial_dims, count):
    network = eqx.filter_eval_shape(arch.CNO, num_spatial_dims, 1, 1, key=KEY)
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) == count
    assert reference_count(num_spatial_dims, 1, 1, 4, 4, 4, 16) == count


def test_parameters_of_other_options_are_the_reference_s():
    network = eqx.filter_eval_shape(
        arch.CNO, 2, 2, 3, hidden_channels=16, num_levels=3, num_blocks=1, num_neck_blocks=6, key=KEY
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) == reference_count(2, 2, 3, 3, 1, 6, 32)


@pytest.mark.parametrize(
    ("shape", "boundary_mode"),
    [
        ((31,), "dirichlet"),
        ((33,), "neumann"),
        ((2,), "periodic"),
        ((7, 6), (("dirichlet", "cell-neumann"), "periodic")),
        ((3, 5), "neumann"),
        ((5, 3, 6), ("periodic", "cell-dirichlet", "dirichlet")),
    ],
    ids=str,
)
def test_any_grid_is_taken(shape, boundary_mode):
    build = lambda key: arch.CNO(len(shape), 2, 3, hidden_channels=2, boundary_mode=boundary_mode, key=key)  # noqa: E731
    network = eqx.filter_eval_shape(build, KEY)
    y = eqx.filter_eval_shape(lambda f, x: f(x), network, jax.ShapeDtypeStruct((2, *shape), jnp.float32))
    assert y.shape == (3, *shape)


def test_a_network_of_smooth_fields_hardly_depends_on_the_grid(float64):
    """What the kernels see changes with the spacing; with kernels of one tap only aliasing is left."""

    def change(**options):
        network = filled(
            arch.CNO, 1, 1, 1, hidden_channels=4, num_levels=1, num_blocks=1, num_neck_blocks=1, kernel_size=1,
            norm="affine", activation=jnp.tanh, **options,
        )  # fmt: skip
        u = smooth_field("periodic", 2)
        coarse, fine = (np.asarray(network(jnp.asarray(u(grid(n, 1.0, "periodic")))[None])[0]) for n in (32, 64))
        return np.max(np.abs(fine[::2] - coarse)) / np.max(np.abs(coarse))

    assert change() < 0.02 and change(filter_size=12) < 0.01


def test_the_receptive_field_bounds_what_an_output_sees(float64):
    network = filled(
        arch.CNO, 1, 1, 1, hidden_channels=2, num_levels=1, num_blocks=0, num_neck_blocks=0, lifting_channels=3,
        filter_size=2, norm=None, activation=jnp.tanh,
    )  # fmt: skip
    ((left, right),) = network.receptive_field
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, 64)))
    for output in (31, 32):
        row = jit(jax.grad(lambda x, i=output: network(x)[0, i]))(x)[0]
        seen = np.flatnonzero(row) - output
        assert -left <= seen.min() <= 1 - left and right - 1 <= seen.max() <= right


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="`num_levels` must be an integer of at least 1, got 0"):
        arch.CNO(1, 2, 3, num_levels=0, key=KEY)
    with pytest.raises(ValueError, match="`num_blocks` must be an integer of at least 0, got -1"):
        arch.CNO(1, 2, 3, num_blocks=-1, key=KEY)
    with pytest.raises(ValueError, match="`filter_size` must be an integer of at least 2, got 1"):
        arch.CNO(1, 2, 3, filter_size=1, key=KEY)
    with pytest.raises(ValueError, match=r"`norm` must be one of .* got 'batch'"):
        arch.CNO(1, 2, 3, norm="batch", key=KEY)
    with pytest.raises(ValueError, match=r"at least 2 on a 'neumann' axis, got 1"):
        filled(arch.CNO, 1, 1, 1, hidden_channels=1, num_levels=1, boundary_mode="neumann")(jnp.ones((1, 1)))
