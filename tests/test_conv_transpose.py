"""PhysicsConvTranspose against its definition: the kernel slides over the zero-stuffed extension."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox.conv import PhysicsConv, PhysicsConvTranspose
from references import MODES, PAIRS, transposed_convolution

SHAPES = {1: (5,), 2: (4, 3), 3: (2, 3, 4)}


def varied(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


def tuples(value, num_spatial_dims):
    return (value,) * num_spatial_dims if isinstance(value, int) else value


def check(
    num_spatial_dims, channels, boundary_mode, *, kernel_size=3, stride=2, output_padding=0, dilation=1, groups=1
):
    sizes = (num_spatial_dims, *channels, kernel_size, stride, output_padding, dilation, groups)
    layer = filled(PhysicsConvTranspose, *sizes, boundary_mode=boundary_mode)
    x = varied(channels[0], *SHAPES[num_spatial_dims])
    expected = transposed_convolution(
        x,
        np.asarray(layer.weight),
        np.asarray(layer.bias),
        [boundary_mode] * num_spatial_dims if isinstance(boundary_mode, str) else boundary_mode,
        tuples(stride, num_spatial_dims),
        tuples(dilation, num_spatial_dims),
        tuples(output_padding, num_spatial_dims),
        groups,
    )
    y = apply(layer, jnp.asarray(x))
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", (*MODES, *PAIRS[:2]), ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "stride": 1},
        {"kernel_size": 3, "stride": 2, "output_padding": 1},
        {"kernel_size": 5, "stride": 2},
        {"kernel_size": 2, "stride": 2, "output_padding": 1},
        {"kernel_size": 4, "stride": 2},
        {"kernel_size": 4, "stride": 1},
        {"kernel_size": 3, "stride": 3, "output_padding": 2, "dilation": 2},
        {"kernel_size": 4, "stride": 2, "dilation": 3, "output_padding": 1},
        {"kernel_size": 3, "stride": 1, "dilation": 2},
        {"kernel_size": 1, "stride": 3, "output_padding": 1},
        {"kernel_size": 13, "stride": 2},
    ],
    ids=str,
)
def test_the_kernel_slides_over_the_zero_stuffed_extension(mode, options, float64):
    check(1, (2, 3), (mode,), **options)


@pytest.mark.parametrize("mode", MODES)
def test_several_axes_with_their_own_sizes(mode, float64):
    check(2, (2, 3), mode, kernel_size=(3, 4), stride=(2, 1), output_padding=(1, 0), dilation=(1, 2))


def test_a_mode_for_each_axis_and_each_end(float64):
    check(2, (2, 3), ("periodic", "dirichlet"), kernel_size=5, stride=(3, 2), output_padding=(2, 0))
    check(2, (2, 3), (("cell-dirichlet", "neumann"), "cell-neumann"), kernel_size=(4, 3))
    check(3, (2, 3), ("neumann", "periodic", ("dirichlet", "cell-neumann")), stride=(1, 2, 3), output_padding=(0, 1, 2))


def test_groups_do_not_mix(float64):
    check(1, (4, 6), "neumann", groups=2, stride=3)
    check(2, (2, 4), ("periodic", "neumann"), groups=2, stride=(2, 3), kernel_size=(3, 2))


def test_output_padding_at_the_call_replaces_that_of_the_construction(float64):
    make = lambda output_padding: filled(  # noqa: E731
        PhysicsConvTranspose, 2, 2, 3, 3, (2, 3), output_padding, boundary_mode=("periodic", "neumann")
    )
    x = jnp.asarray(varied(2, 4, 5))
    for output_padding in [0, (1, 2), (0, 1), 1]:
        expected = make(output_padding)(x)
        np.testing.assert_array_equal(make((1, 1))(x, output_padding=output_padding), expected)
    assert make((1, 2))(x).shape == (3, 8, 15)
    assert make((1, 2))(x, output_padding=0).shape == (3, 7, 13)


@pytest.mark.parametrize("boundary_mode", MODES)
def test_shapes_are_those_of_0_1(boundary_mode):
    """(n - 1) stride + 1 + output_padding, whatever the kernel."""
    for kernel_size, stride, dilation in [(1, 1, 1), (2, 2, 1), (3, 2, 1), (4, 3, 2), (5, 1, 3), (5, 4, 1)]:
        sizes = (1, 2, 3, kernel_size, stride)
        layer = filled(PhysicsConvTranspose, *sizes, dilation=dilation, boundary_mode=boundary_mode)
        for num_points in (2, 5, 8):
            for output_padding in range(stride):
                x = jax.ShapeDtypeStruct((2, num_points), jnp.float32)
                y = jax.eval_shape(lambda u, layer=layer, p=output_padding: layer(u, output_padding=p), x)
                assert y.shape == (3, (num_points - 1) * stride + 1 + output_padding)


@pytest.mark.parametrize("num_points", [12, 13, 14, 15])
def test_some_output_padding_undoes_the_change_of_shape_of_a_strided_convolution(num_points):
    down = filled(PhysicsConv, 1, 2, 3, 3, 3, boundary_mode="neumann")
    up = filled(PhysicsConvTranspose, 1, 3, 2, 3, 3, boundary_mode="neumann")
    back = jax.eval_shape(lambda u: up(down(u), output_padding=(num_points - 1) % 3), jnp.ones((2, num_points)))
    assert back.shape == (2, num_points)


@pytest.mark.parametrize("mode", ["periodic", "dirichlet"])
def test_a_transposed_convolution_is_the_transpose_of_the_convolution_with_the_turned_kernel(mode, float64):
    """On a torus and behind zeros the extension commutes with transposition."""
    down = filled(PhysicsConv, 1, 2, 3, 5, 2, use_bias=False, boundary_mode=mode)
    up = filled(PhysicsConvTranspose, 1, 3, 2, 5, 2, 1, use_bias=False, boundary_mode=mode)
    up = eqx.tree_at(lambda c: c.weight, up, jnp.flip(down.weight, 2).swapaxes(0, 1))
    coarse, fine = varied(3, 6), varied(2, 12)
    refined, coarsened = apply(up, jnp.asarray(coarse)), apply(down, jnp.asarray(fine))
    assert np.vdot(refined, fine) == pytest.approx(np.vdot(coarse, coarsened), rel=1e-12)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 7])
def test_the_first_input_may_be_at_any_point_of_a_coarse_cell(kernel_size, float64):
    layer = filled(PhysicsConvTranspose, 1, 2, 3, kernel_size, 3, boundary_mode="periodic")
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 5)))
    whole = layer(x, output_padding=2)
    for start in range(3):
        shifted = layer(x, start=start, output_padding=2 - start)
        np.testing.assert_allclose(shifted, jnp.roll(whole, start, axis=1), rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match="`start` must be less than the stride"):
        layer(x, start=3)


@pytest.mark.parametrize("output_padding", [2, (0, 2), (5, 0)])
def test_output_padding_is_less_than_the_stride(output_padding):
    with pytest.raises(ValueError, match="`output_padding` must be less than the stride"):
        PhysicsConvTranspose(2, 2, 3, 3, 2, output_padding, key=KEY, boundary_mode="periodic")
    layer = filled(PhysicsConvTranspose, 2, 2, 3, 3, 2, 1, boundary_mode="periodic")
    with pytest.raises(ValueError, match="`output_padding` must be less than the stride"):
        layer(jnp.ones((2, 4, 4)), output_padding=output_padding)


def test_output_padding_is_not_negative_and_has_one_entry_per_axis():
    with pytest.raises(ValueError, match="`output_padding` must be an integer of at least 0, got -1"):
        PhysicsConvTranspose(1, 2, 3, 3, 2, -1, key=KEY, boundary_mode="periodic")
    layer = filled(PhysicsConvTranspose, 1, 2, 3, 3, 2, 1, boundary_mode="periodic")
    with pytest.raises(ValueError, match=r"`output_padding` must be one integer or one per axis \(1\)"):
        layer(jnp.ones((2, 4)), output_padding=(0, 1))


def test_two_taps_fill_the_two_cells_of_a_coarse_cell(float64):
    layer = filled(PhysicsConvTranspose, 1, 1, 1, 2, 2, 1, use_bias=False, alignment="cell", boundary_mode="dirichlet")
    layer = eqx.tree_at(lambda c: c.weight, layer, jnp.array([[[3.0, 2.0]]]))
    np.testing.assert_array_equal(layer(jnp.array([[1.0, 10.0, 100.0]]))[0], [2, 3, 20, 30, 200, 300])


@pytest.mark.parametrize("mode", ["periodic", "cell-dirichlet", "cell-neumann"])
def test_four_taps_interpolate_cells(mode, float64):
    """Three quarters of the nearest coarse cell, one of the next: exact for linear functions, and at walls by mode."""
    layer = filled(PhysicsConvTranspose, 1, 1, 1, 4, 2, 1, use_bias=False, alignment="cell", boundary_mode=mode)
    layer = eqx.tree_at(lambda c: c.weight, layer, jnp.array([[[0.25, 0.75, 0.75, 0.25]]]))
    coarse, fine = ((np.arange(n) + 0.5) / n for n in (6, 12))
    y = apply(layer, jnp.asarray(coarse[None]))[0]
    np.testing.assert_allclose(y[1:-1], fine[1:-1], rtol=1e-12)
    beyond = {"periodic": coarse[-1], "cell-dirichlet": -coarse[0], "cell-neumann": coarse[0]}[mode]
    assert y[0] == pytest.approx(0.75 * coarse[0] + 0.25 * beyond)


@pytest.mark.parametrize(("kernel_size", "stride"), [(2, 2), (4, 2), (6, 2), (3, 3), (4, 4), (2, 4)])
@pytest.mark.parametrize("mode", MODES)
def test_kernels_centred_in_cells_commute_with_the_reflection_of_all_cells(kernel_size, stride, mode, float64):
    """With the ends of the fine grid where those of the coarse one are, for cells; nodes see the same ghost values."""
    options = {"use_bias": False, "alignment": "cell", "boundary_mode": mode}
    layer = filled(PhysicsConvTranspose, 1, 2, 3, kernel_size, stride, stride - 1, **options)
    turned = eqx.tree_at(lambda c: c.weight, layer, jnp.flip(layer.weight, 2))
    x = varied(2, 5)
    y, of_reflected = apply(layer, jnp.asarray(x)), apply(turned, jnp.asarray(np.flip(x, 1)))
    assert y.shape == (3, 5 * stride)
    np.testing.assert_allclose(of_reflected, np.flip(y, 1), rtol=1e-12, atol=1e-12)


def test_an_alignment_that_the_kernel_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="`alignment` must be 'point' or 'cell', got 'node'"):
        PhysicsConvTranspose(1, 2, 3, 3, 2, alignment="node", boundary_mode="periodic", key=KEY)
    with pytest.raises(ValueError, match="`alignment` must be 'point' for a kernel that reaches over 3 points and a"):
        PhysicsConvTranspose(1, 2, 3, 3, 2, alignment="cell", boundary_mode="periodic", key=KEY)
