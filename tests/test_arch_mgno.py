"""The multigrid neural operator: with the weights of a textbook its cycle solves Poisson's equation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, filled, jit
from pdequinox import arch
from pdequinox.boundary import coarse_start, grid
from pdequinox.conv import MultigridConv


def textbook(num_spatial_dims, num_levels, boundary_mode, restriction, prolongation, omega):
    """A V(2, 2) cycle for minus the Laplacian on a grid of spacing one: damped Jacobi, rediscretised operators."""
    conv = filled(
        MultigridConv, num_spatial_dims, 1, 1, num_iterations=((2, 2),) * num_levels, use_residual=True,
        prolongation_size=len(prolongation), boundary_mode=boundary_mode,
    )  # fmt: skip
    identity = np.zeros((3,) * num_spatial_dims)
    identity[(1,) * num_spatial_dims] = 1
    laplacian = 2 * num_spatial_dims * identity
    for axis in range(num_spatial_dims):
        laplacian -= np.roll(identity, 1, axis) + np.roll(identity, -1, axis)

    def outer(taps):
        kernel = np.ones(())
        for _ in range(num_spatial_dims):
            kernel = np.multiply.outer(kernel, taps)
        return kernel

    def weights(path, leaf):
        names = [getattr(entry, "name", getattr(entry, "idx", None)) for entry in path]
        level = names[1]
        kernel = {
            "operators": laplacian / 4**level,
            "state_restrictions": 0 * identity,
            "source_restrictions": outer(restriction),
            "prolongations": outer(prolongation),
        }.get(names[0])
        if kernel is None:
            is_operator = names[3] == 0
            kernel = laplacian / 4**level if is_operator else omega * 4**level / (2 * num_spatial_dims) * identity
        return jnp.asarray(kernel[None, None], leaf.dtype).reshape(leaf.shape)

    return jax.tree_util.tree_map_with_path(weights, conv)


def rate(num_spatial_dims, num_points, num_levels, boundary_mode, *stencils):
    """The factor by which cycles reduce the residual, in the long run."""
    cycle = textbook(num_spatial_dims, num_levels, boundary_mode, *stencils)
    operator = cycle.post_smoothings[0][0][0]
    f = jnp.asarray(np.random.default_rng(0).standard_normal((1, *(num_points,) * num_spatial_dims)))

    @jit
    def norms(cycle, operator, f):
        def step(residual, _):
            residual = residual - operator(cycle(residual))
            return residual, jnp.linalg.norm(residual)

        return jax.lax.scan(step, f, length=8)[1]

    norms = np.asarray(norms(cycle, operator, f))
    return (norms[7] / norms[3]) ** (1 / 4)


POINTS = ((0.25, 0.5, 0.25), (0.5, 1.0, 0.5))
CELLS = ((0.5, 0.5, 0.0), (0.25, 0.75, 0.75, 0.25))


@pytest.mark.parametrize(
    ("num_points", "num_levels", "mode"),
    [(31, 5, "dirichlet"), (63, 6, "dirichlet"), (16, 5, (("dirichlet", "neumann"),))],
    ids=str,
)
def test_a_cycle_with_textbook_weights_solves_poisson_s_equation_in_1d(num_points, num_levels, mode, float64):
    """Down to one point."""
    restriction, prolongation = POINTS
    assert rate(1, num_points, num_levels, mode, restriction, prolongation, 2 / 3) < 0.1


def test_as_many_cycles_are_needed_on_every_grid_in_2d(float64):
    """Two grids have the rate 0.6^4 = 0.13 (Trottenberg, Oosterlee and Schueller, Multigrid, 2001, section 2.2)."""
    restriction, prolongation = POINTS
    rates = [rate(2, n, k, "dirichlet", restriction, prolongation, 4 / 5) for n, k in ((15, 4), (31, 5))]
    assert max(rates) < 0.2 and np.ptp(rates) < 0.02


def test_four_taps_interpolate_between_cells(float64):
    restriction, prolongation = CELLS
    assert rate(1, 16, 5, "cell-dirichlet", restriction, prolongation, 2 / 3) < 0.3


def test_without_the_coarse_grids_the_residual_hardly_shrinks(float64):
    """So it is the transfer between the grids that the rates above are owed to."""
    restriction, prolongation = POINTS
    assert rate(1, 63, 1, "dirichlet", restriction, prolongation, 2 / 3) > 0.9


@pytest.mark.parametrize(
    ("mode", "fine", "coarse"),
    [
        ("periodic", 16, 8),
        ("dirichlet", 15, 7),
        ("neumann", 17, 9),
        (("dirichlet", "neumann"), 16, 8),
        (("neumann", "dirichlet"), 16, 8),
    ],
    ids=str,
)
def test_the_coarse_points_are_the_grid_of_twice_the_spacing(mode, fine, coarse):
    np.testing.assert_allclose(grid(fine, 1.0, mode)[coarse_start(fine, mode) :: 2], grid(coarse, 1.0, mode))


def test_of_two_cells_the_right_one_stands_for_both_and_one_point_stays():
    assert coarse_start(8, "cell-neumann") == coarse_start(8, ("cell-dirichlet", "neumann")) == 1
    assert coarse_start(1, "dirichlet") == 0
    with pytest.raises(ValueError, match="`num_points` must be an integer of at least 1, got 0"):
        coarse_start(0, "periodic")


@pytest.mark.parametrize("use_residual", [False, True])
def test_a_cycle_is_linear(use_residual, float64):
    conv = filled(
        MultigridConv, 2, 2, 3, num_iterations=(1, (0, 2), (1, 1)), use_residual=use_residual,
        boundary_mode=("periodic", ("dirichlet", "cell-neumann")),
    )  # fmt: skip
    u, v = (jnp.asarray(np.random.default_rng(seed).standard_normal((2, 6, 5))) for seed in (0, 1))
    of_u, of_v, of_both = jit(lambda f, u, v: (f(u), f(v), f(2 * u - 3 * v)))(conv, u, v)
    np.testing.assert_allclose(of_both, 2 * of_u - 3 * of_v, atol=1e-9 * np.max(np.abs(of_both)))
    assert np.max(np.abs(of_u)) > 0


def reference_count(d, c_in, c_out, layers, channels, num_iterations):
    """The layers of the authors' code, one by one."""

    def cycle(f, u):
        count = 0
        for level, (pre, post) in enumerate(num_iterations):
            count += (2 * (pre + post) - (level == 0)) * f * u * 3**d
            if level < len(num_iterations) - 1:
                count += (u * u + f * f) * 3**d + u * u * 4**d
        return count + f * u + u

    return cycle(c_in, channels) + (layers - 1) * cycle(channels, channels) + channels * c_out


@pytest.mark.parametrize(("num_spatial_dims", "count"), [(1, 201_564), (2, 645_828), (3, 2_116_860)])
def test_parameters_of_the_defaults_are_the_reference_s(num_spatial_dims, count):
    network = eqx.filter_eval_shape(arch.MgNO, num_spatial_dims, 1, 1, key=KEY)
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) == count
    assert reference_count(num_spatial_dims, 1, 1, 5, 24, [(1, 0), (1, 0), (1, 0), (2, 0), (2, 0)]) == count


def test_a_layer_adds_the_cycle_and_a_pointwise_map(float64):
    network = filled(arch.MgNO, 1, 2, 3, hidden_channels=4, num_layers=1, num_iterations=(1, 1), activation=jnp.tanh)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 7)))
    layer = network.lifting
    hidden = jnp.tanh(layer.conv(x) + layer.by_pass_conv(x))
    np.testing.assert_allclose(network(x), network.projection(hidden), atol=1e-12)
    assert network.blocks == () and network.projection.conv.bias is None


@pytest.mark.parametrize(
    ("shape", "boundary_mode"),
    [
        ((1,), "cell-dirichlet"),
        ((2,), "dirichlet"),
        ((33,), "neumann"),
        ((7, 6), (("dirichlet", "cell-neumann"), "periodic")),
        ((3, 5), "neumann"),
        ((5, 3, 6), ("periodic", "cell-dirichlet", ("neumann", "dirichlet"))),
    ],
    ids=str,
)
def test_any_grid_is_taken(shape, boundary_mode):
    build = lambda key: arch.MgNO(len(shape), 2, 3, num_layers=1, boundary_mode=boundary_mode, key=key)  # noqa: E731
    y = eqx.filter_eval_shape(lambda key, x: build(key)(x), KEY, jax.ShapeDtypeStruct((2, *shape), jnp.float32))
    assert y.shape == (3, *shape)


def test_the_receptive_field_is_the_sum_over_levels():
    conv = eqx.filter_eval_shape(MultigridConv, 1, 1, 1, num_iterations=(1, (1, 1)), prolongation_size=3,
                                 boundary_mode="periodic", key=KEY)  # fmt: skip
    # Finest: one smoother and two changes of the grid; coarse: two operators and two smoothers.
    assert conv.receptive_field == ((3.0 + 2 * 4, 3.0 + 2 * 4),)


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="`num_layers` must be an integer of at least 1, got 0"):
        arch.MgNO(1, 2, 3, num_layers=0, key=KEY)
    for wrong in ((), 3, ((1, 2, 3),)):
        with pytest.raises(ValueError, match="`num_iterations` must have a number or a pair of numbers for each level"):
            arch.MgNO(1, 2, 3, num_iterations=wrong, key=KEY)
    with pytest.raises(ValueError, match=r"`num_iterations` must begin with at least one smoothing, got \(0, 1\)"):
        arch.MgNO(1, 2, 3, num_iterations=(0, 1), key=KEY)
    with pytest.raises(ValueError, match="`num_iterations` must be an integer of at least 0, got -1"):
        arch.MgNO(1, 2, 3, num_iterations=(1, (1, -1)), key=KEY)
