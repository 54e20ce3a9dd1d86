"""PhysicsConv against a loop over every output point, and against derivatives that are known."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox.boundary import grid, spacing
from pdequinox.conv import PhysicsConv, PhysicsConvTranspose, PointwiseLinearConv
from references import MODES, PAIRS, convolution, ends

SHAPES = {1: (7,), 2: (5, 6), 3: (3, 4, 5)}


def varied(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


def tuples(value, num_spatial_dims):
    return (value,) * num_spatial_dims if isinstance(value, int) else value


def check(num_spatial_dims, in_channels, out_channels, boundary_mode, *, kernel_size=3, stride=1, dilation=1, **kwargs):
    sizes = (num_spatial_dims, in_channels, out_channels, kernel_size, stride, dilation)
    layer = filled(PhysicsConv, *sizes, boundary_mode=boundary_mode, **kwargs)
    x = varied(in_channels, *SHAPES[num_spatial_dims])
    expected = convolution(
        x,
        np.asarray(layer.weight),
        None if layer.bias is None else np.asarray(layer.bias),
        [boundary_mode] * num_spatial_dims if isinstance(boundary_mode, str) else boundary_mode,
        tuples(stride, num_spatial_dims),
        tuples(dilation, num_spatial_dims),
        kwargs.get("groups", 1),
    )
    np.testing.assert_allclose(apply(layer, jnp.asarray(x)), expected, rtol=1e-12, atol=1e-12)
    assert expected.shape[1:] == tuple(
        -(-n // s) for n, s in zip(x.shape[1:], tuples(stride, num_spatial_dims), strict=True)
    )


@pytest.mark.parametrize("mode", (*MODES, *PAIRS[:3]), ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 1},
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2},
        {"kernel_size": 4, "stride": 3},
        {"kernel_size": 5, "dilation": 2},
        {"kernel_size": 4, "dilation": 3, "stride": 2},
        {"kernel_size": 11, "dilation": 2},
    ],
    ids=str,
)
def test_a_convolution_is_a_sum_over_taps_of_the_extended_field(mode, options, float64):
    check(1, 2, 3, (mode,), **options)


@pytest.mark.parametrize("mode", (*MODES, *PAIRS[:3]), ids=str)
def test_the_first_output_may_be_at_any_point(mode, float64):
    for kernel_size, dilation, start in ((1, 1, 1), (2, 1, 1), (3, 1, 2), (4, 2, 1), (5, 1, 2)):
        every = filled(PhysicsConv, 1, 2, 3, kernel_size, 1, dilation, boundary_mode=(mode,))
        some = filled(PhysicsConv, 1, 2, 3, kernel_size, 3, dilation, boundary_mode=(mode,))
        x = jnp.asarray(varied(2, 11))
        np.testing.assert_allclose(some(x, start=start), every(x)[:, start::3], rtol=1e-12, atol=1e-12)
    for wrong in (-1, 3):
        with pytest.raises(ValueError, match="`start` must be"):
            some(x, start=wrong)


@pytest.mark.parametrize("mode", MODES)
def test_the_same_mode_on_two_axes(mode, float64):
    check(2, 2, 3, mode, kernel_size=(3, 4), stride=(2, 1), dilation=(1, 2))


def test_a_mode_for_each_axis_and_each_end(float64):
    check(2, 2, 3, ("periodic", "dirichlet"), kernel_size=5, use_bias=False)
    check(2, 2, 3, (("dirichlet", "cell-neumann"), "periodic"), kernel_size=(4, 3))
    check(3, 2, 3, ("neumann", ("cell-dirichlet", "neumann"), "cell-neumann"), kernel_size=(3, 2, 3), stride=(1, 2, 1))


def test_groups_do_not_mix(float64):
    check(1, 4, 6, "neumann", groups=2)
    check(2, 2, 4, ("periodic", "neumann"), groups=2, kernel_size=(3, 2))


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (2, 1), (3, 1), (3, 4), (4, 1), (4, 3), (5, 2)])
@pytest.mark.parametrize("conv", [PhysicsConv, PhysicsConvTranspose])
def test_receptive_fields_are_those_of_0_1(conv, kernel_size, dilation):
    layer = filled(conv, 2, 2, 3, (kernel_size, 3), dilation=(dilation, 1), boundary_mode="periodic")
    field = layer.receptive_field
    assert field == ((((kernel_size - 1) // 2) * dilation, (kernel_size // 2) * dilation), (1.0, 1.0))
    assert all(isinstance(side, float) for pair in field for side in pair)


def wave_of(mode, extent):
    """A function that satisfies the mode's condition, its wave number, and the sign-free derivative's parts."""
    if mode == "periodic":
        wave = 4 * np.pi / extent
        return wave, lambda x: np.sin(wave * x + 0.3), lambda x: np.cos(wave * x + 0.3)
    left, right = ("dirichlet" in end for end in ends(mode))
    wave = np.pi * (1.5 if left != right else 2) / extent
    if left:
        return wave, lambda x: np.sin(wave * x), lambda x: np.cos(wave * x)
    return wave, lambda x: np.cos(wave * x), lambda x: -np.sin(wave * x)


def stencil_conv(stencil, modes):
    """A convolution of one channel whose kernel is the stencil."""
    stencil = jnp.asarray(stencil)
    conv = filled(PhysicsConv, stencil.ndim, 1, 1, 3, use_bias=False, boundary_mode=modes)
    return eqx.tree_at(lambda c: c.weight, conv, stencil[None, None])


@pytest.mark.parametrize("mode", (*MODES, ("dirichlet", "neumann"), ("cell-neumann", "dirichlet")), ids=str)
def test_a_three_point_stencil_is_the_known_derivative(mode, float64):
    """A wave with the boundary's symmetry is an eigenfunction of both stencils, with known eigenvalues."""
    extent, errors = 3.0, []
    for num_points in (24, 48):
        x, h = grid(num_points, extent, mode), spacing(num_points, extent, mode)
        wave, function, slope = wave_of(mode, extent)
        u = jnp.asarray(function(x))[None]
        second = apply(stencil_conv([1 / h**2, -2 / h**2, 1 / h**2], (mode,)), u)[0]
        first = apply(stencil_conv([-0.5 / h, 0.0, 0.5 / h], (mode,)), u)[0]
        eigenvalue = (2 * np.sin(wave * h / 2) / h) ** 2
        np.testing.assert_allclose(second, -eigenvalue * function(x), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(first, np.sin(wave * h) / (wave * h) * wave * slope(x), rtol=1e-9, atol=1e-9)
        errors.append((np.max(np.abs(second + wave**2 * function(x))), h))
    (coarse, h_coarse), (fine, h_fine) = errors
    assert np.log(coarse / fine) / np.log(h_coarse / h_fine) == pytest.approx(2, abs=0.1)


def test_a_two_dimensional_stencil_sees_the_mode_of_each_axis(float64):
    modes, shape = ("periodic", ("dirichlet", "neumann")), (12, 10)
    x, y = (grid(n, 1.0, m) for n, m in zip(shape, modes, strict=True))
    h_x, h_y = (spacing(n, 1.0, m) for n, m in zip(shape, modes, strict=True))
    u = np.cos(2 * np.pi * x)[:, None] * np.sin(1.5 * np.pi * y)
    stencil = np.zeros((3, 3))
    stencil[:, 1] += np.array([1, -2, 1]) / h_x**2
    stencil[1, :] += np.array([1, -2, 1]) / h_y**2
    eigenvalue = (2 * np.sin(np.pi * h_x) / h_x) ** 2 + (2 * np.sin(0.75 * np.pi * h_y) / h_y) ** 2
    np.testing.assert_allclose(
        apply(stencil_conv(stencil, modes), jnp.asarray(u)[None])[0], -eigenvalue * u, rtol=1e-9, atol=1e-8
    )


@pytest.mark.parametrize("num_spatial_dims", [1, 2, 3])
@pytest.mark.parametrize("in_channels", [1, 2])
def test_a_pointwise_convolution_is_one_matrix_for_all_points(num_spatial_dims, in_channels, float64):
    layer = filled(PointwiseLinearConv, num_spatial_dims, in_channels, 3)
    assert layer.weight.shape == (3, in_channels) + (1,) * num_spatial_dims
    assert layer.bias.shape == (3,) + (1,) * num_spatial_dims
    x = varied(in_channels, *SHAPES[num_spatial_dims])
    expected = np.einsum("oi,i...->o...", np.asarray(layer.weight).reshape(3, in_channels), x) + layer.bias
    np.testing.assert_allclose(apply(layer, jnp.asarray(x)), expected, rtol=1e-12, atol=1e-13)
    assert layer.receptive_field == ((0.0, 0.0),) * num_spatial_dims


@pytest.mark.parametrize("conv", [PhysicsConv, PhysicsConvTranspose])
def test_parameters_are_shaped_and_drawn_as_in_equinox(conv):
    layer = conv(2, 4, 6, (3, 5), groups=2, key=KEY, boundary_mode="periodic")
    assert layer.weight.shape == (6, 2, 3, 5) and layer.bias.shape == (6, 1, 1)
    limit = (2 * 15) ** -0.5
    assert 0.9 * limit < jnp.max(jnp.abs(layer.weight)) <= limit and 0 < jnp.max(jnp.abs(layer.bias)) <= limit
    reference = eqx.nn.Conv(2, 4, 6, (3, 5), groups=2, key=KEY)
    assert np.array_equal(layer.weight, reference.weight) and np.array_equal(layer.bias, reference.bias)


@pytest.mark.parametrize("conv", [PhysicsConv, PhysicsConvTranspose, PointwiseLinearConv])
def test_the_bias_can_be_left_out_or_start_at_zero(conv):
    arguments = (1, 2, 3) if conv is PointwiseLinearConv else (1, 2, 3, 3)
    mode = {} if conv is PointwiseLinearConv else {"boundary_mode": "periodic"}
    zero = conv(*arguments, zero_bias_init=True, key=KEY, **mode)
    assert np.array_equal(zero.bias, jnp.zeros((3, 1)))
    without = conv(*arguments, use_bias=False, zero_bias_init=True, key=KEY, **mode)
    assert without.bias is None
    assert np.array_equal(without.weight, conv(*arguments, key=KEY, **mode).weight)
    x = jnp.asarray(varied(2, 7), jnp.float32)
    assert np.array_equal(zero(x), without(x))


LAYERS = [
    PhysicsConv(1, 2, 3, 3, key=KEY, boundary_mode="neumann"),
    PhysicsConvTranspose(1, 2, 3, 3, 2, key=KEY, boundary_mode="neumann"),
    PointwiseLinearConv(1, 2, 3, key=KEY),
]
by_name = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)


@by_name
def test_another_dtype_is_refused_and_cast_is_named(layer):
    for dtype in (jnp.bfloat16, jnp.float16, jnp.int32):
        with pytest.raises(ValueError, match=r"dtype of the parameters \(float32\).*pdequinox.cast"):
            layer(jnp.ones((2, 7), dtype))


@by_name
def test_another_shape_is_refused_and_vmap_is_named(layer):
    for shape in [(7,), (3, 7), (2, 7, 7), (5, 2, 7)]:
        with pytest.raises(ValueError, match=r"`jax\.vmap") as caught:
            layer(jnp.ones(shape))
        assert str(shape) in str(caught.value) and "2 channels" in str(caught.value)


@by_name
def test_low_precision_stays_low(layer):
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), layer)
    y = low(jnp.asarray(varied(2, 7), jnp.bfloat16))
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(y.astype(float), layer(jnp.asarray(varied(2, 7), jnp.float32)), atol=0.05)


@by_name
def test_layers_ignore_a_key_as_equinox_layers_do(layer):
    x = jnp.ones((2, 7))
    assert np.array_equal(layer(x, key=KEY), layer(x))


@pytest.mark.parametrize("conv", [PhysicsConv, PhysicsConvTranspose])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": (3, 3, 3)}, r"`kernel_size` must be one integer or one per axis \(2\)"),
        ({"kernel_size": 0}, "`kernel_size` must be an integer of at least 1, got 0"),
        ({"stride": 0}, "`stride` must be an integer of at least 1, got 0"),
        ({"dilation": (1, -1)}, "`dilation` must be an integer of at least 1, got -1"),
        ({"groups": 2}, r"`out_channels` must be divisible by `groups` \(2\), got 3"),
        ({"groups": 3}, r"`in_channels` must be divisible by `groups` \(3\), got 2"),
        ({"boundary_mode": "circular"}, "`boundary_mode` must be one of 'periodic'"),
        ({"boundary_mode": ("periodic",)}, r"`boundary_mode` must have one entry per axis \(2\)"),
        ({"in_channels": 0}, "`in_channels` must be an integer of at least 1, got 0"),
        ({"out_channels": True}, "`out_channels` must be an integer"),
        ({"num_spatial_dims": 0}, "`num_spatial_dims` must be an integer of at least 1, got 0"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_arguments_are_refused_at_construction(conv, arguments, message):
    good = dict(num_spatial_dims=2, in_channels=2, out_channels=3, kernel_size=3, boundary_mode="periodic", key=KEY)
    with pytest.raises(ValueError, match=message):
        conv(**{**good, **arguments})


def test_a_pointwise_convolution_refuses_bad_arguments():
    with pytest.raises(ValueError, match="`in_channels` must be an integer of at least 1"):
        PointwiseLinearConv(1, 0, 3, key=KEY)
