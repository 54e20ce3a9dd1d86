"""The neural operator with local kernels: what they converge to, counts, options."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, filled, jit
from pdequinox import arch
from pdequinox.boundary import MODES, grid
from pdequinox.conv import DifferentialConv, LocalIntegralConv

ENDS = [*MODES, ("dirichlet", "neumann"), ("cell-neumann", "dirichlet")]


def wave(mode):
    """A function that satisfies the condition of the mode at both ends of [0, 1], and its derivative."""
    left, right = (mode, mode) if isinstance(mode, str) else mode
    k = (2 if mode == "periodic" else 1.5 if ("dirichlet" in left) != ("dirichlet" in right) else 2) * np.pi
    if "dirichlet" in left:
        return lambda x: np.sin(k * x), lambda x: k * np.cos(k * x)
    return lambda x: np.cos(k * x), lambda x: -k * np.sin(k * x)


def errors(build, limit, sizes):
    """The largest error on grids of these sizes."""
    return [np.max(np.abs(np.asarray(build(n)) - limit(n))) for n in sizes]


@pytest.mark.parametrize("mode", ENDS, ids=str)
def test_differences_become_derivatives_in_1d(mode, float64):
    """Of first order for any kernel; the limit's coefficient is the kernel's first moment."""
    conv = filled(DifferentialConv, 1, 1, 1, 4, num_reference_points=16, boundary_mode=(mode,))
    taps = np.asarray(conv.weight[0, 0])
    u, derivative = wave(mode)
    moment = np.sum((taps - taps.mean()) * np.arange(-1, 3))
    first, second, third = errors(
        lambda n: conv(jnp.asarray(u(grid(n, 1.0, mode)))[None])[0],
        lambda n: moment / 16 * derivative(grid(n, 1.0, mode)),
        (40, 80, 160),
    )
    assert np.log2(first / second) == pytest.approx(1, abs=0.15)
    assert np.log2(second / third) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("mode", MODES)
def test_odd_kernels_are_of_second_order(mode, float64):
    conv = filled(DifferentialConv, 1, 1, 1, 5, num_reference_points=16, boundary_mode=mode)
    conv = eqx.tree_at(lambda c: c.weight, conv, jnp.asarray([[[0.3, -0.7, 0.0, 0.7, -0.3]]]) + 2.0)
    u, derivative = wave(mode)
    first, second = errors(
        lambda n: conv(jnp.asarray(u(grid(n, 1.0, mode)))[None])[0],
        lambda n: (2 * 0.7 - 4 * 0.3) / 16 * derivative(grid(n, 1.0, mode)),
        (80, 160),
    )
    assert np.log2(first / second) == pytest.approx(2, abs=0.1)


def test_differences_become_directional_derivatives_in_2d(float64):
    modes = ("periodic", "neumann")
    conv = filled(DifferentialConv, 2, 1, 1, num_reference_points=1, boundary_mode=modes)
    kernel = np.asarray(conv.weight[0, 0])
    kernel = kernel - kernel.mean()
    moments = [np.sum(kernel * np.arange(-1, 2)[:, None]), np.sum(kernel * np.arange(-1, 2)[None])]
    (u, du), (v, dv) = map(wave, modes)

    def on(n):
        return grid(n, 1.0, modes[0])[:, None], grid(n + 1, 1.0, modes[1])[None]

    def limit(n):
        x, y = on(n)
        return moments[0] * du(x) * v(y) + moments[1] * u(x) * dv(y)

    coarse, fine = errors(lambda n: conv(jnp.asarray(u(on(n)[0]) * v(on(n)[1]))[None])[0], limit, (40, 80))
    assert np.log2(coarse / fine) == pytest.approx(1, abs=0.15)


def test_constants_have_no_differences_and_groups_do_not_mix(float64):
    conv = filled(DifferentialConv, 2, 2, 4, groups=2, boundary_mode="cell-neumann")
    np.testing.assert_allclose(conv(jnp.ones((2, 5, 6))), 0, atol=1e-13)
    x = np.random.default_rng(0).standard_normal((2, 5, 6))
    first, changed = conv(jnp.asarray(x)), conv(jnp.asarray(x * np.array([1, 2])[:, None, None]))
    np.testing.assert_allclose(changed, first * np.array([1, 1, 2, 2])[:, None, None], atol=1e-12)


def integral_1d(weights, radius, num_rings, u, x):
    """By quadrature with 4001 points, function by function."""
    z = np.linspace(-radius, radius, 4001)
    kernel = 0
    for k, weight in zip(range(-num_rings, num_rings + 1), weights, strict=True):
        hat = np.maximum(0, 1 - np.abs(z * (num_rings + 1) / radius - k))
        if k == 0:
            hat = np.maximum(0, 1 - np.abs(z) * (num_rings + 1) / radius)
        hat = np.where(np.sign(z) * np.sign(k) < 0, 0, hat)
        kernel = kernel + weight * hat / np.sum(hat)
    return u(x[:, None] + z) @ kernel


@pytest.mark.parametrize("mode", ENDS, ids=str)
@pytest.mark.parametrize("num_rings", [1, 2])
def test_sums_become_integrals_in_1d(mode, num_rings, float64):
    """Behind walls the function of the test goes on as its own mirror image."""
    radius = 0.21
    conv = filled(LocalIntegralConv, 1, 1, 1, radius=radius, num_rings=num_rings, use_bias=False, boundary_mode=(mode,))
    u, _ = wave(mode)
    coarse, fine = errors(
        lambda n: conv(jnp.asarray(u(grid(n, 1.0, mode)))[None])[0],
        lambda n: integral_1d(np.asarray(conv.weight[0, 0]), radius, num_rings, u, grid(n, 1.0, mode)),
        (32, 256),
    )
    assert coarse < 0.1 and fine < 1e-3


def test_sums_become_integrals_in_2d(float64):
    """On grids whose spacings differ from axis to axis."""
    conv = filled(LocalIntegralConv, 2, 1, 1, radius=0.3, boundary_mode="periodic")
    u = lambda x, y: np.sin(2 * np.pi * x + 1) * np.cos(2 * np.pi * y)  # noqa: E731
    value = {}
    for shape in ((20, 10), (40, 40), (60, 80), (120, 120)):
        x, y = (grid(n, 1.0, "periodic") for n in shape)
        value[shape] = np.asarray(conv(jnp.asarray(u(x[:, None], y[None]))[None])[0])[
            :: shape[0] // 20, :: shape[1] // 10
        ]
    differences = [np.max(np.abs(v - value[120, 120])) for v in value.values()]
    assert differences[0] < 0.1 and differences[1] < 0.02 and differences[2] < 0.005


def test_each_function_of_a_kernel_has_the_integral_one_and_its_direction(float64):
    conv = filled(LocalIntegralConv, 2, 1, 1, radius=0.3, use_bias=False, boundary_mode="periodic")
    ones, x = jnp.ones((1, 20, 20)), grid(20, 1.0, "periodic") - 0.5
    moments = []
    for k in range(5):
        alone = eqx.tree_at(lambda c: c.weight, conv, jnp.zeros((1, 1, 5)).at[..., k].set(1.0))
        np.testing.assert_allclose(alone(ones), 1, atol=1e-12)
        linear = [np.broadcast_to(x[:, None], (20, 20)), np.broadcast_to(x[None], (20, 20))]
        moments.append([float(alone(jnp.asarray(u)[None])[0, 10, 10]) for u in linear])
    signs = np.sign(np.round(moments, 12))
    np.testing.assert_array_equal(signs, [[-1, 0], [0, -1], [0, 0], [0, 1], [1, 0]])


def reference_count(d, c_in, c_out, hidden, modes, layers=4):
    """The layers of `neuralop`'s, one by one; its `n_modes` are twice ours but on the last axis."""
    lifting = 2 * hidden * (c_in + d + 1) + hidden * (2 * hidden + 1)
    projection = 2 * hidden * (hidden + 1) + c_out * (2 * hidden + 1)
    spectral = 2 * hidden**2 * 2 ** (d - 1) * np.prod(modes) + hidden
    return lifting + projection + layers * (spectral + hidden**2 * (1 + 3**d + 1 + 2 * d) + hidden)


def test_parameters_are_those_of_neuralop_for_16_modes():
    """Counted there with `n_modes=(16, 16), hidden_channels=64, default_in_shape=(64, 64)`."""
    build = lambda **options: eqx.filter_eval_shape(arch.LocalNO, 2, 1, 1, num_modes=(8, 9), **options, key=KEY)  # noqa: E731
    size = lambda network: sum(leaf.size for leaf in jax.tree.leaves(network))  # noqa: E731
    assert size(build()) == reference_count(2, 1, 1, 64, (8, 9)) == 4_982_081
    assert size(build(use_integral=False)) == 4_899_905
    assert size(build(use_differential=False)) == 4_834_625
    assert size(eqx.filter_eval_shape(arch.LocalNO, 3, 2, 3, hidden_channels=8, num_modes=(2, 3, 4), key=KEY)) == (
        reference_count(3, 2, 3, 8, (2, 3, 4))
    )


def test_a_network_is_its_layers_in_turn(float64):
    network = filled(
        arch.LocalNO, 1, 2, 3, hidden_channels=4, num_modes=3, num_layers=2, radius=0.3, mix_derivatives=False,
        boundary_mode="neumann", activation=jnp.tanh,
    )  # fmt: skip
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 9)))
    v = network.lifting.network(jnp.concatenate([x, jnp.linspace(0, 1, 9)[None]]))
    for layer, activation in zip(network.blocks, (jnp.tanh, lambda v: v), strict=True):
        v = activation(
            layer.spectral_conv(v) + layer.differential_conv(v) + layer.integral_conv(v) + layer.by_pass_conv(v)
        )
    np.testing.assert_allclose(jit(lambda f, x: f(x))(network, x), network.projection(v), atol=1e-12)
    assert network.blocks[0].differential_conv.weight.shape == (4, 1, 3)


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match=r"`radius` must be in \(0, 0.5\], got 0.6"):
        arch.LocalNO(1, 2, 3, radius=0.6, key=KEY)
    with pytest.raises(ValueError, match="`kernel_size` must be at least 2 on one axis, got 1"):
        arch.LocalNO(1, 2, 3, kernel_size=1, key=KEY)
    with pytest.raises(ValueError, match="`num_layers` must be an integer of at least 1, got 0"):
        arch.LocalNO(1, 2, 3, num_layers=0, key=KEY)
    with pytest.raises(ValueError, match="`num_reference_points` must be an integer of at least 1, got 0"):
        arch.LocalNO(1, 2, 3, num_reference_points=0, key=KEY)
    with pytest.raises(ValueError, match="`embedding` must be one of 'grid', 'sinusoidal', got 'rotary'"):
        arch.LocalNO(1, 2, 3, position_embedding="rotary", key=KEY)
