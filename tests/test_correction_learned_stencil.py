"""Stencils that a network makes: consistent whatever the network does."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from filled import KEY
from pdequinox import Domain, FiniteDifferences, FourierSeries
from pdequinox.arch import ConvNet
from pdequinox.correction import learned_stencil
from pdequinox.operators import (
    derivative,
    divergence,
    gradient,
    hessian,
    heterog_laplacian,
    laplacian,
    shift_operator,
    sum_over_dims,
)

NETWORK = partial(ConvNet, hidden_channels=4, depth=1)
LINE = Domain(16, 1 / 16, origin=0.0)
CHANNEL = Domain((12, 10), (0.1, 0.2), ("periodic", "dirichlet"), origin=0.0)


def field(domain=CHANNEL, channels=1, accuracy=4):
    return FiniteDifferences(jax.random.normal(jax.random.key(2), (*domain.N, channels)), domain, accuracy=accuracy)


def polynomial(degree, accuracy=4):
    """On an axis with walls but without a condition, where the ghosts of a polynomial are its values."""
    line = Domain(16, 1 / 16, "neumann", origin=0.0)
    x = line.spatial_axis[0]
    return x, FiniteDifferences.from_grid(x**degree, line, accuracy=accuracy, free_axes=(0,))


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize(
    ("op", "derived", "order"),
    [(partial(derivative, order=1), 1, 1), (derivative, 1, 3), (laplacian, 2, 1), (laplacian, 2, 2)],
)
def test_polynomials_up_to_the_kept_order_are_exact_for_random_networks(op, derived, order, local, float64):
    op = getattr(op, "func", op)
    learned = learned_stencil(op, NETWORK, order=order, local=local)
    for degree in range(derived + order):
        x, u = polynomial(degree)
        network = learned.default_params(u, key=KEY)
        expected = np.prod(np.arange(degree, degree - derived, -1)) * x ** max(degree - derived, 0)
        np.testing.assert_allclose(learned(u, params=network).params[:, 0], expected, atol=1e-9)
    x, u = polynomial(derived + order)
    network = learned.default_params(u, key=KEY)
    assert np.max(np.abs(learned(u, params=network).params - op(u).params)) > 1e-6


def test_the_order_of_convergence_is_the_one_that_was_kept_whatever_the_network_is(float64):
    def error(num_points):
        u = FiniteDifferences.from_grid(
            jnp.sin(2 * jnp.pi * jnp.arange(num_points) / num_points), Domain(num_points, 1 / num_points), accuracy=4
        )
        op = learned_stencil(derivative, NETWORK, order=1, local=False)
        coarse_params = op.default_params(u, key=KEY)
        exact = 2 * jnp.pi * jnp.cos(2 * jnp.pi * jnp.arange(num_points) / num_points)
        return np.max(np.abs(op(u, params=coarse_params).params[:, 0] - exact))

    assert np.log2(error(64) / error(128)) == pytest.approx(1, abs=0.1)


def test_without_an_order_the_stencil_is_free():
    u = field(LINE).replace_params(jnp.ones((16, 1)))
    consistent, free = (learned_stencil(derivative, NETWORK, order=order) for order in (1, None))
    network = consistent.default_params(u, key=KEY)
    np.testing.assert_allclose(consistent(u, params=network).params, 0, atol=1e-5)
    assert np.max(np.abs(free(u, params=free.default_params(u, key=KEY)).params)) > 0.01


@pytest.mark.parametrize(
    ("op", "channels", "num_directions"),
    [(derivative, 1, 5 - 2), (gradient, 1, 2 * (5 - 2)), (divergence, 2, 2 * (5 - 2)), (laplacian, 3, 2 * (5 - 3))],
)
def test_the_network_has_one_output_per_free_direction(op, channels, num_directions):
    made = []

    def make_network(*sizes, boundary_mode, key):
        made.append((sizes, boundary_mode))
        return NETWORK(*sizes, boundary_mode=boundary_mode, key=key)

    u = field(channels=channels)
    learned = learned_stencil(op, make_network)
    network = learned.default_params(u, key=KEY)
    assert made == [((2, channels, num_directions), ("periodic", "dirichlet"))]
    assert learned(u, params=network).params.shape == op(u).params.shape


def test_a_network_of_zeros_gives_the_default_stencils():
    for op in (gradient, hessian):
        u = field()
        count = {gradient: 6, hessian: 10}[op]
        learned = learned_stencil(op, NETWORK)
        zeros = lambda x, count=count: jnp.zeros((count, *x.shape[1:]))  # noqa: E731
        np.testing.assert_allclose(learned(u, params=zeros).params, op(u).params, rtol=1e-5, atol=1e-4)


def test_each_point_has_its_own_stencil_or_all_have_the_mean():
    """A network that is nonzero at one point changes the result there, or everywhere."""
    u = field(LINE)
    at_point_5 = lambda x: jnp.zeros((3, 16)).at[:, 5].set(1.0)  # noqa: E731
    changed = [
        np.nonzero(
            np.abs(
                learned_stencil(derivative, NETWORK, local=local)(u, params=at_point_5).params - derivative(u).params
            )
            > 1e-5
        )[0]
        for local in (True, False)
    ]
    assert list(changed[0]) == [5] and len(changed[1]) == 16


@pytest.mark.parametrize("local", [True, False])
def test_batches_and_training(local):
    u = field(CHANNEL)
    learned = learned_stencil(gradient, NETWORK, local=local)
    network = learned.default_params(u, key=KEY)
    batch = u.replace_params(jnp.stack([u.params, 2 * u.params]))
    np.testing.assert_allclose(
        learned(batch, params=network).params[1], learned(batch[1], params=network).params, rtol=1e-4, atol=1e-4
    )
    optax.adam(1e-3).init(network)
    slope = jax.jit(jax.grad(lambda network: jnp.mean(learned(u, params=network).params ** 2)))(network)
    assert all(np.any(leaf != 0) for leaf in jax.tree.leaves(slope))


def test_a_shift_with_a_learned_stencil_keeps_constants():
    u = field(LINE).replace_params(jnp.full((16, 1), 3.0))
    learned = learned_stencil(shift_operator, NETWORK)
    network = learned.default_params(u, 0.25 / 16, key=KEY)
    np.testing.assert_allclose(learned(u, 0.25 / 16, params=network).params, 3.0, rtol=1e-5)


def test_what_has_no_stencils_to_learn_is_refused():
    with pytest.raises(ValueError, match="`order` must be an integer of at least 1, got 0"):
        learned_stencil(gradient, NETWORK, order=0)
    with pytest.raises(ValueError, match=r"`order` must leave freedom to stencils with 3 entries .* of order 2, got 1"):
        learned_stencil(laplacian, NETWORK).default_params(field(LINE, accuracy=2), key=KEY)
    with pytest.raises(TypeError, match="must get one of FiniteDifferences, got FourierSeries"):
        learned_stencil(gradient, NETWORK).default_params(FourierSeries(jnp.ones((16, 1)), LINE), key=KEY)
    with pytest.raises(ValueError, match="`params` must be a network with 3 output channels, got 4"):
        learned_stencil(derivative, NETWORK)(field(LINE), params=lambda x: jnp.zeros((4, 16)))
    with pytest.raises(ValueError, match="`base_operator` must have stencils as parameters, got `sum_over_dims`"):
        learned_stencil(sum_over_dims, NETWORK).default_params(field(LINE), key=KEY)
    with pytest.raises(ValueError, match="`params` must hold one stencil per axis for `heterog_laplacian`"):
        op = learned_stencil(heterog_laplacian, NETWORK)
        op(field(), field(), params=op.default_params(field(), field(), key=KEY))
