"""Losses of steppers: by hand over several steps, which steps carry gradients, and windows of trajectories."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from pdequinox.boundary import quadrature_weights
from pdequinox.train import mse, nrmse, rollout, supervised_loss, unrolled_loss, windows

KEY = jr.key(0)
TRAJECTORIES = jr.normal(KEY, (3, 5, 2, 6))
NETWORK = eqx.nn.Conv1d(2, 2, 3, padding="SAME", key=KEY)
WEIGHTS = quadrature_weights(6, 1.0, "neumann")


def test_one_step_is_the_supervised_loss_of_its_pairs():
    pairs = windows(TRAJECTORIES, 2)
    assert pairs.shape == (12, 2, 2, 6)
    for weights in (None, WEIGHTS):
        expected = supervised_loss(NETWORK, (pairs[:, 0], pairs[:, 1]), weights=weights)
        ours = jax.jit(unrolled_loss(1, weights=weights))
        np.testing.assert_allclose(ours(NETWORK, pairs), expected, rtol=1e-6)


@pytest.mark.parametrize("metric", [mse, nrmse])
def test_several_steps_are_compared_with_the_rollout(metric):
    predicted = jax.vmap(lambda state: rollout(NETWORK, state, 4))(TRAJECTORIES[:, 0])
    errors = [jnp.mean(metric(predicted[:, n], TRAJECTORIES[:, n + 1], weights=WEIGHTS)) for n in range(4)]
    options = {"metric": metric, "weights": WEIGHTS}
    supervised, pushed = (unrolled_loss(4, pushforward=p, **options)(NETWORK, TRAJECTORIES) for p in (False, True))
    assert supervised == pytest.approx(float(np.mean(errors)), rel=1e-5)
    assert pushed == pytest.approx(float(errors[-1]), rel=1e-5)


def test_a_perfect_stepper_has_no_loss():
    double = lambda u: 2 * u  # noqa: E731
    trajectories = jax.vmap(lambda u: rollout(double, u, 3, include_initial=True))(TRAJECTORIES[:, 0])
    for pushforward in (False, True):
        assert unrolled_loss(3, pushforward=pushforward)(double, trajectories) == 0


def test_gradients_go_through_all_steps_or_through_the_last():
    """For the stepper u -> a u from u = 1 to 0, the error after k steps is a^2k."""
    scale = lambda a: lambda u: a * u  # noqa: E731
    batch = jnp.zeros((1, 4, 1, 2)).at[:, 0].set(1.0)
    a = 0.9
    all_steps = jax.grad(lambda a: unrolled_loss(3)(scale(a), batch))(a)
    assert all_steps == pytest.approx((2 * a + 4 * a**3 + 6 * a**5) / 3, rel=1e-5)
    last_step = jax.grad(lambda a: unrolled_loss(3, pushforward=True)(scale(a), batch))(a)
    assert last_step == pytest.approx(2 * a * a**4, rel=1e-5)


def test_pushforward_of_one_step_is_one_step():
    pairs = windows(TRAJECTORIES, 2)
    one, pushed = (jax.value_and_grad(unrolled_loss(1, pushforward=p))(NETWORK, pairs) for p in (False, True))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(pushed), strict=True):
        np.testing.assert_array_equal(a, b)


def test_windows_are_all_pieces_in_order():
    trajectories = np.arange(10).reshape(2, 5)[..., None, None]
    pieces = windows(trajectories, 3)[..., 0, 0]
    np.testing.assert_array_equal(pieces, [[0, 1, 2], [1, 2, 3], [2, 3, 4], [5, 6, 7], [6, 7, 8], [7, 8, 9]])
    np.testing.assert_array_equal(windows(trajectories, 5), trajectories)


def test_losses_keep_single_precision(float64):
    assert unrolled_loss(2, weights=WEIGHTS)(NETWORK, TRAJECTORIES[:, :3]).dtype == jnp.float32


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: unrolled_loss(0), r"`num_steps` must be an integer of at least 1, got 0"),
        (
            lambda: unrolled_loss(3)(NETWORK, TRAJECTORIES),
            r"`trajectories` must have shape \(samples, 4, channels, \*spatial\), got \(3, 5, 2, 6\)\. .*windows",
        ),
        (lambda: unrolled_loss(2)(NETWORK, TRAJECTORIES[:, :, 0, 0][:2, :3][0]), r"`trajectories` must have shape"),
        (lambda: windows(TRAJECTORIES, 0), r"`length` must be an integer of at least 1, got 0"),
        (lambda: windows(TRAJECTORIES, 6), r"`trajectories` must have shape .* at least 6, got \(3, 5, 2, 6\)"),
        (lambda: windows(np.ones(5), 2), r"`trajectories` must have shape .*got \(5,\)"),
        (lambda: supervised_loss(NETWORK, (TRAJECTORIES[:, 0], TRAJECTORIES[:, 1, :1])), r"`prediction` must have"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
