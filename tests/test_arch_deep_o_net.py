"""The deep operator network: its branches, its trunk, and the encoder of fields."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox import arch, cast
from pdequinox.boundary import grid
from pdequinox.compose import FieldEncoder

tiny = {"num_basis": 4, "width_size": 8, "depth": 1}
convolutional = {**tiny, "hidden_channels": 4, "num_levels": 2}


def varied(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


def count(build, *args, **kwargs):
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter_eval_shape(build, *args, **kwargs, key=KEY)))


def test_parameters_are_those_of_two_perceptrons_and_a_bias():
    linear = lambda a, b: a * b + b  # noqa: E731
    hidden = 2 * linear(256, 256)
    trunk = linear(2, 256) + hidden + linear(256, 128)
    branch = linear(2 * 100, 256) + hidden + linear(256, 3 * 128)
    assert count(arch.DeepONet, 1, 2, 3, num_points=100) == branch + trunk + 3
    trunk = linear(3, 256) + hidden + linear(256, 128)
    branch = linear(2 * 8 * 5, 256) + hidden + linear(256, 3 * 128)
    sizes = {"num_points": (8, 5), "boundary_mode": ("periodic", "dirichlet")}
    assert count(arch.DeepONet, 2, 2, 3, **sizes) == branch + trunk + 3


def test_the_output_is_a_sum_of_basis_functions(float64):
    modes = ("periodic", ("dirichlet", "neumann"))
    network = filled(arch.DeepONet, 2, 2, 3, num_points=(4, 3), **tiny, activation=jnp.tanh, boundary_mode=modes)
    x = varied(2, 4, 3)
    perceptron = lambda mlp, u: (  # noqa: E731
        np.asarray(mlp.layers[1].weight)[..., 0]
        @ np.tanh(np.asarray(mlp.layers[0].weight)[..., 0] @ u + np.asarray(mlp.layers[0].bias)[:, 0])
        + np.asarray(mlp.layers[1].bias)[:, 0]
    )
    coefficients = perceptron(network.branch, x.reshape(-1)).reshape(3, 4)
    expected = np.empty((3, 4, 3))
    for i, s in enumerate(grid(4, 1.0, modes[0])):
        for j, t in enumerate(grid(3, 1.0, modes[1])):
            tau = np.tanh(perceptron(network.trunk, np.array([np.sin(2 * np.pi * s), np.cos(2 * np.pi * s), t])))
            expected[:, i, j] = coefficients @ tau + np.asarray(network.bias)
    np.testing.assert_allclose(apply(network, jnp.asarray(x)), expected, atol=1e-12)


@pytest.mark.parametrize("branch", ["mlp", "conv", "resnet"])
def test_points_of_the_grid_are_points_like_others(branch, float64):
    options = {**tiny, "num_points": 6} if branch == "mlp" else {**convolutional, "branch": branch}
    network = filled(arch.DeepONet, 1, 2, 3, **options, num_frequencies=2, boundary_mode="periodic")
    x = jnp.asarray(varied(2, 6))
    evaluate = jax.jit(lambda f, x, points: f.evaluate(x, points))
    points = jnp.asarray(grid(6, 1.0, "periodic"))[:, None]
    y = apply(network, x)
    np.testing.assert_allclose(evaluate(network, x, points), y, atol=1e-12)
    np.testing.assert_allclose(evaluate(network, x, points + 2), y, atol=1e-10)
    assert np.max(np.abs(evaluate(network, x, points + 0.3) - y)) > 1e-3


def test_an_operator_of_a_convolutional_branch_is_one_function_on_all_grids():
    """On a finer grid the trunk is the same function, whatever the branch makes of the field."""
    network = filled(arch.DeepONet, 1, 2, 3, **convolutional, branch="conv", boundary_mode="neumann")
    for shape in [(63,), (65,), (2,)]:
        assert jax.eval_shape(network, jax.ShapeDtypeStruct((2, *shape), jnp.float32)).shape == (3, *shape)
    x = jnp.asarray(varied(2, 9), jnp.float32)
    y = network.evaluate(x, grid(17, 1.0, "neumann")[:, None])
    np.testing.assert_allclose(y[:, ::2], network(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("branch", ["conv", "resnet"])
@pytest.mark.parametrize(
    ("mode", "dtype"), [("periodic", jnp.float32), (("dirichlet", "neumann"), jnp.float64), ("neumann", jnp.bfloat16)]
)
def test_every_leaf_of_the_other_branches_gets_a_gradient(branch, mode, dtype):
    with jax.enable_x64(dtype == jnp.float64):
        build = partial(arch.DeepONet, **convolutional, branch=branch, activation=jnp.tanh)
        network = cast(filled(build, 1, 2, 3, boundary_mode=(mode,)), dtype)
        x = jnp.asarray(varied(2, 7), dtype)
        with jax.numpy_dtype_promotion("strict"):
            gradient = jax.jit(jax.grad(lambda f, x: jnp.sum(jnp.sin(f(x)))))(network, x)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        values = np.asarray(leaf, np.float64)
        assert leaf.dtype == dtype and np.all(np.isfinite(values)) and np.any(values), jax.tree_util.keystr(path)


def test_a_convolutional_branch_knows_where_things_are(float64):
    """A bump that moves along a periodic axis moves the output; the mean alone would not see it."""
    encoder = filled(FieldEncoder, 1, 2, 5, hidden_channels=4, num_levels=2, boundary_mode="periodic")
    x = varied(2, 8)
    here, there = (np.asarray(apply(encoder, jnp.asarray(u))) for u in (x, np.roll(x, 4, 1)))
    assert here.shape == (5,) and np.max(np.abs(here - there)) > 1e-3
    with pytest.raises(ValueError, match=r"`x` must have shape \(channels, x\) with 2 channels, got \(3, 8\)"):
        encoder(jnp.ones((3, 8)))


def test_the_wall_factor_makes_the_output_zero_at_the_walls_where_u_is(float64):
    build = partial(arch.DeepONet, num_points=4, **tiny, use_wall_factor=True)
    x = jnp.asarray(varied(2, 4))
    for mode, zeros in [
        ("dirichlet", (True, True)),
        (("neumann", "cell-dirichlet"), (False, True)),
        ("neumann", (False, False)),
        ("periodic", (False, False)),
    ]:
        network = filled(build, 1, 2, 3, boundary_mode=(mode,))
        ends = np.asarray(network.evaluate(x, np.array([[0.0], [1.0]])))
        assert tuple(np.all(ends[:, i] == 0) for i in range(2)) == zeros
        assert np.all(network(x) != 0)


def test_wrong_options_are_refused():
    build = partial(arch.DeepONet, 1, 2, 3, key=KEY)
    with pytest.raises(ValueError, match="`branch` must be one of 'mlp', 'conv', 'resnet', got 'cnn'"):
        build(branch="cnn")
    with pytest.raises(ValueError, match=r'`num_points` must be given for `branch="mlp"` .* got None with \'mlp\''):
        build()
    with pytest.raises(ValueError, match=r"`num_points` must be given .* got 8 with 'conv'"):
        build(branch="conv", num_points=8)
    with pytest.raises(ValueError, match="`num_basis` must be an integer of at least 1, got 0"):
        build(num_points=8, num_basis=0)
    with pytest.raises(ValueError, match="`num_frequencies` must be an integer of at least 1, got 0"):
        build(num_points=8, num_frequencies=0)
    with pytest.raises(ValueError, match="`num_levels` must be an integer of at least 1, got 0"):
        build(branch="conv", num_levels=0)
    network = filled(arch.DeepONet, 2, 2, 3, num_points=(4, 6), **tiny)
    with pytest.raises(ValueError, match=r"\(2, 4, 6\) that the network was made for, got \(2, 6, 4\)"):
        network(jnp.ones((2, 6, 4)))
    with pytest.raises(ValueError, match=r"`points` must have the shape \(points, 2\), got \(5,\)"):
        network.evaluate(jnp.ones((2, 4, 6)), np.ones(5))
