"""Shifts and reflections: what a network that knows its boundary commutes with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import apply, filled, jit
from pdequinox import arch
from references import MODES
from zoo import TRAITS, ZOO

SHIFTED = sorted(name for name in ZOO if TRAITS[name].shift is not None)
MIRRORED = sorted(name for name in ZOO if TRAITS[name].centre is not None)


def varied(*shape):
    return np.random.default_rng(len(shape) + shape[-1]).standard_normal(shape)


def outputs(network, *inputs):
    return [np.asarray(apply(network, jnp.asarray(x))) for x in inputs]


def mirrored(network, axis):
    """The network that sees space reflected along one axis: every kernel is turned around.

    A kernel's leaf is (out, in, *kernel); biases and norms have no axis to turn. The weights of a spectral layer in
    one dimension turn into their complex conjugates.
    """

    def mirror(path, leaf):
        if "weights_imag" in jax.tree_util.keystr(path):
            return -leaf
        if "weights_real" in jax.tree_util.keystr(path) or leaf.ndim <= 2 + axis:
            return leaf
        return jnp.flip(leaf, 2 + axis)

    return jax.tree_util.tree_map_with_path(mirror, network)


@pytest.mark.parametrize("name", SHIFTED)
def test_a_periodic_network_commutes_with_shifts_by_the_product_of_its_strides(name, float64):
    stride = TRAITS[name].shift
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="periodic", activation=jnp.tanh)
    x = varied(2, 8)
    y, shifted = outputs(network, x, np.roll(x, stride, 1))
    np.testing.assert_allclose(shifted, np.roll(y, stride, 1), atol=1e-10)
    if stride > 1:
        y, shifted = outputs(network, x, np.roll(x, stride // 2, 1))
        assert np.max(np.abs(shifted - np.roll(y, stride // 2, 1))) > TRAITS[name].broken_by


@pytest.mark.parametrize("name", ["ConvNet", "ClassicUNet", "ClassicFNO"])
def test_shifts_are_a_symmetry_of_the_periodic_axes_only(name, float64):
    stride = TRAITS[name].shift
    modes = ("periodic", "dirichlet")
    network = filled(ZOO[name], 2, 2, 3, boundary_mode=modes, activation=jnp.tanh)
    x = varied(2, 8, 8)
    y, along, across = outputs(network, x, np.roll(x, stride, 1), np.roll(x, stride, 2))
    np.testing.assert_allclose(along, np.roll(y, stride, 1), atol=1e-10)
    assert np.max(np.abs(across - np.roll(y, stride, 2))) > 1e-3


@pytest.mark.parametrize("name", MIRRORED)
def test_a_periodic_network_commutes_with_reflections(name, float64):
    """x -> -x keeps the point 0, which all coarse grids share, or the wall between two cells that all share.

    The sizes are multiples of the strides' product.
    """
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="periodic", activation=jnp.tanh)
    reflect = lambda u: np.roll(np.flip(u, 1), TRAITS[name].centre == "point", 1)  # noqa: E731
    x = varied(2, 8)
    (y,), (of_reflected, unturned) = (
        outputs(network, x),
        (apply(net, jnp.asarray(reflect(x))) for net in (mirrored(network, 0), network)),
    )
    np.testing.assert_allclose(of_reflected, reflect(y), atol=1e-10)
    assert np.max(np.abs(unturned - reflect(y))) > 1e-3


@pytest.mark.parametrize("name", MIRRORED)
def test_a_bounded_network_commutes_with_the_reflection_of_the_domain(name, float64):
    """The ends of every grid of the hierarchy are grid points (P m + 1 points, where P is the product of strides) or
    walls of cells (P m points)."""
    for mode in ("dirichlet", "cell-neumann") if TRAITS[name].shift != 1 else MODES[1:]:
        network = filled(ZOO[name], 1, 2, 3, boundary_mode=mode, activation=jnp.tanh)
        x = varied(2, 9 if TRAITS[name].centre == "point" else 8)
        (y,), (of_reflected,) = outputs(network, x), outputs(mirrored(network, 0), np.flip(x, 1))
        np.testing.assert_allclose(of_reflected, np.flip(y, 1), atol=1e-10)


def test_a_reflection_exchanges_the_two_ends(float64):
    build = lambda *ends: filled(ZOO["ModernResNet"], 1, 2, 3, boundary_mode=(ends,))  # noqa: E731
    x = varied(2, 7)
    (y,) = outputs(build("dirichlet", "cell-neumann"), x)
    (of_reflected,) = outputs(mirrored(build("cell-neumann", "dirichlet"), 0), np.flip(x, 1))
    (same_ends,) = outputs(mirrored(build("dirichlet", "cell-neumann"), 0), np.flip(x, 1))
    np.testing.assert_allclose(of_reflected, np.flip(y, 1), atol=1e-10)
    assert np.max(np.abs(same_ends - np.flip(y, 1))) > 1e-3


@pytest.mark.parametrize("name", ["ClassicResNet", "ModernUNet"])
@pytest.mark.parametrize("axis", [0, 1])
def test_reflections_along_one_axis_of_a_plane(name, axis, float64):
    network = filled(ZOO[name], 2, 2, 3, boundary_mode=("neumann", "dirichlet"), activation=jnp.tanh)
    x = varied(2, 5, 9)
    (y,), (of_reflected,) = outputs(network, x), outputs(mirrored(network, axis), np.flip(x, 1 + axis))
    np.testing.assert_allclose(of_reflected, np.flip(y, 1 + axis), atol=1e-10)


@pytest.mark.parametrize(
    "axes_swapped", [ZOO["ClassicResNet"], ZOO["ClassicUNet"]], ids=["ClassicResNet", "ClassicUNet"]
)
def test_exchanging_the_axes_exchanges_their_modes(axes_swapped, float64):
    modes = ("periodic", "cell-dirichlet")
    x = varied(2, 8, 4)
    (y,) = outputs(filled(axes_swapped, 2, 2, 3, boundary_mode=modes), x)
    turned = jax.tree.map(
        lambda leaf: jnp.swapaxes(leaf, 2, 3) if leaf.ndim == 4 else leaf,
        filled(axes_swapped, 2, 2, 3, boundary_mode=modes[::-1]),
    )
    (of_turned,) = outputs(turned, np.swapaxes(x, 1, 2))
    np.testing.assert_allclose(of_turned, np.swapaxes(y, 1, 2), atol=1e-10)


def test_even_kernels_also_shift_by_one_point_per_layer(float64):
    """Of an even number of taps one more lies to the right; the mirrored kernel would need it on the left.

    So each layer of a mirrored network is one point late. Reflections are a symmetry of a periodic network in a line
    up to that shift, and of none with skip connections, which are not late.
    """
    depth = 2
    network = filled(arch.ConvNet, 1, 2, 3, hidden_channels=4, depth=depth, kernel_size=4)
    x = varied(2, 9)
    (y,), (of_reflected,) = outputs(network, x), outputs(mirrored(network, 0), np.flip(x, 1))
    np.testing.assert_allclose(np.roll(of_reflected, depth + 1, 1), np.flip(y, 1), atol=1e-10)
    residual = filled(arch.ClassicResNet, 1, 2, 3, hidden_channels=4, num_blocks=1, kernel_size=4)
    (y,), (of_reflected,) = outputs(residual, x), outputs(mirrored(residual, 0), np.flip(x, 1))
    assert all(np.max(np.abs(np.roll(of_reflected, s, 1) - np.flip(y, 1))) > 1e-3 for s in range(9))


@pytest.mark.parametrize("name", ["ClassicUNet", "ModernUNet"])
@pytest.mark.parametrize(
    ("shape", "boundary_mode"),
    [
        ((63,), "dirichlet"),
        ((65,), "neumann"),
        ((62,), "cell-neumann"),
        ((50, 49), "periodic"),
        ((7, 6), (("dirichlet", "neumann"), "periodic")),
        ((3, 5), "neumann"),
        ((2,), "periodic"),
        ((5, 3, 6), ("periodic", "cell-dirichlet", "dirichlet")),
    ],
    ids=str,
)
def test_u_nets_take_any_grid(name, shape, boundary_mode):
    network = filled(ZOO[name], len(shape), 2, 3, boundary_mode=boundary_mode)
    y = jax.eval_shape(network, jax.ShapeDtypeStruct((2, *shape), jnp.float32))
    assert y.shape == (3, *shape)


@pytest.mark.parametrize("shape", [(63,), (65,)], ids=str)
def test_odd_grids_give_finite_values_that_depend_on_every_point(shape, float64):
    network = filled(ZOO["ClassicUNet"], len(shape), 2, 3, boundary_mode="dirichlet", activation=jnp.tanh)
    x = jnp.asarray(varied(2, *shape))
    weights = varied(3, *shape)
    y, gradient = jit(lambda f, x: (f(x), jax.grad(lambda u: jnp.vdot(weights, f(u)))(x)))(network, x)
    assert y.shape == (3, *shape) and np.all(np.isfinite(y)) and np.all(np.asarray(gradient) != 0)


@pytest.mark.parametrize("name", ["ClassicUNet", "ModernUNet"])
def test_four_more_points_do_not_change_the_far_end(name, float64):
    """Without norms a U-net is local: its coarse grids start at the same point whatever the size."""
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="dirichlet", use_norm=False, activation=jnp.tanh)
    ((_, reach),) = network.receptive_field
    num_points = int(reach) + 12
    x = varied(2, num_points + 4)
    (long,), (short,) = outputs(network, x), outputs(network, x[:, :num_points])
    np.testing.assert_allclose(long[:, :4], short[:, :4], rtol=1e-12, atol=1e-12)
    assert np.max(np.abs(long[:, num_points - 1] - short[:, -1])) > 1e-6
