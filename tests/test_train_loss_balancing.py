"""Weights of losses: the papers' formulas step by step, sums, zeros, and runs under scan and vmap."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from pdequinox.train import GradientNormBalancing, ReLoBRaLo

KEY = jr.key(0)
LOSSES = np.exp(np.random.default_rng(0).standard_normal((30, 3))).astype(np.float32)


def run(rule, values, key=KEY):
    """The weights of all steps, by a scan; `values` are losses and norms alike."""

    def step(state, inputs):
        losses, key = inputs
        weights, state = rule.update(losses, state, key, losses)
        return state, weights

    return jax.lax.scan(step, rule.init(values.shape[1]), (values, jr.split(key, len(values))))[1]


def softmax(x):
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def test_relobralo_is_the_papers_formula():
    alpha, temperature, rho = 0.8, 0.7, 0.6
    ours = jax.jit(lambda values: run(ReLoBRaLo(alpha, temperature, rho), values))(LOSSES)
    weights, wanted = np.ones(3), []
    for t, (losses, key) in enumerate(zip(LOSSES, jr.split(KEY, len(LOSSES)), strict=True)):
        initial, previous = (3 * softmax(losses / (temperature * old)) for old in (LOSSES[0], LOSSES[max(t - 1, 0)]))
        keeps = bool(jr.bernoulli(key, rho))
        weights = alpha * (weights if keeps else initial) + (1 - alpha) * previous
        wanted.append(weights)
    np.testing.assert_allclose(ours, wanted, rtol=1e-4)
    np.testing.assert_allclose(ours.sum(axis=1), 3, rtol=1e-5)
    np.testing.assert_allclose(ours[0], 1, rtol=1e-6)


def test_losses_that_fall_at_one_rate_have_weights_of_one():
    values = np.float32(0.9) ** np.arange(20, dtype=np.float32)[:, None] * np.float32([1, 100, 1e-6])
    np.testing.assert_allclose(run(ReLoBRaLo(0.5, 1.0, 0.5), values), 1, rtol=1e-4)


def test_the_loss_that_falls_slowest_gets_the_most_weight():
    values = np.float32([1.0, 0.9, 0.8]) ** np.arange(20, dtype=np.float32)[:, None]
    weights = run(ReLoBRaLo(0.9, 0.1, 0.9), values)[-1]
    assert weights[0] > weights[1] > weights[2]


def test_relobralo_is_determined_by_the_key_and_uses_it():
    rule = ReLoBRaLo(0.9, 0.5, 0.5)
    np.testing.assert_array_equal(run(rule, LOSSES), run(rule, LOSSES))
    assert not np.allclose(run(rule, LOSSES), run(rule, LOSSES, jr.key(1)))
    for rho in (0.0, 1.0):
        rule = dataclasses.replace(rule, rho=rho)
        np.testing.assert_array_equal(run(rule, LOSSES), run(rule, LOSSES, jr.key(1)))


def test_losses_of_zero_or_beyond_all_bounds_give_finite_weights():
    values = np.float32([[1, 0, 1e-30], [0, 0, 1e30], [0, 1, 1e-38], [3e38, 3e38, 0]])
    weights = run(ReLoBRaLo(0.5, 0.1, 0.5), values)
    assert np.isfinite(weights).all()
    np.testing.assert_allclose(weights.sum(axis=1), 3, rtol=1e-5)
    np.testing.assert_allclose(run(ReLoBRaLo(0.5), 0 * values), 1, rtol=1e-6)


def test_gradient_norms_become_alike():
    norms = np.float32([0.1, 1.0, 10.0])
    weights = run(GradientNormBalancing(0.5), np.tile(norms, (40, 1)))
    np.testing.assert_allclose(weights[-1] * norms, norms.mean(), rtol=1e-5)
    np.testing.assert_allclose(weights[0], 0.5 + 0.5 * norms.mean() / norms, rtol=1e-6)
    np.testing.assert_allclose(run(GradientNormBalancing(), np.full((5, 3), 7.0, np.float32)), 1, rtol=1e-6)


def test_a_loss_without_gradient_keeps_its_weight():
    weights = run(GradientNormBalancing(0.5), np.float32([[1, 3, 2], [0, 3, 1], [0, 0, 0]]))
    assert weights[0, 0] == weights[1, 0] == weights[2, 0] == 1.5
    np.testing.assert_array_equal(weights[2], weights[1])


rules = pytest.mark.parametrize("rule", [ReLoBRaLo(0.9, 0.5, 0.5), GradientNormBalancing()], ids=repr)


@rules
def test_rules_are_mapped_over_runs(rule):
    keys = jr.split(KEY, 2)
    batched = jax.vmap(lambda values, key: run(rule, values, key))(np.stack([LOSSES, 2 * LOSSES[::-1]]), keys)
    np.testing.assert_allclose(batched[1], run(rule, 2 * LOSSES[::-1], keys[1]), rtol=1e-5)


@rules
def test_no_gradient_flows_through_the_weights(rule):
    def total(scale):
        losses = scale * LOSSES[1]
        _, state = rule.update(LOSSES[0], rule.init(3), KEY, LOSSES[0])
        weights, _ = rule.update(losses, state, KEY, losses)
        return jnp.sum(weights * losses), weights

    slope, weights = jax.grad(total, has_aux=True)(1.0)
    assert slope == pytest.approx(float(weights @ LOSSES[1]), rel=1e-6)


@rules
def test_the_state_keeps_its_dtypes_and_the_rule_its_name(rule, float64):
    state = rule.init(3)
    for dtype in (jnp.float32, jnp.bfloat16):
        losses = jnp.asarray(LOSSES[0], dtype)
        _, after = rule.update(losses, state, KEY, losses)
        assert [x.dtype for x in jax.tree.leaves(after)] == [x.dtype for x in jax.tree.leaves(state)]
    assert rule == dataclasses.replace(rule) and hash(rule) == hash(dataclasses.replace(rule))
    assert rule.needs_gradient_norms == isinstance(rule, GradientNormBalancing)
    assert "0x" not in repr(rule)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ReLoBRaLo(alpha=1.1), r"`alpha` must lie in \[0, 1\], got 1\.1"),
        (lambda: ReLoBRaLo(rho=-0.1), r"`rho` must lie in \[0, 1\], got -0\.1"),
        (lambda: ReLoBRaLo(temperature=0.0), r"`temperature` must be positive, got 0\.0"),
        (lambda: GradientNormBalancing(2), r"`alpha` must lie in \[0, 1\], got 2"),
        (lambda: ReLoBRaLo().init(0), r"`num_losses` must be an integer of at least 1, got 0"),
        (lambda: GradientNormBalancing().init(0), r"`num_losses` must be an integer of at least 1, got 0"),
        (
            lambda: ReLoBRaLo().update(LOSSES[0], ReLoBRaLo().init(2), KEY),
            r"`losses` must have shape \(2,\), one number per loss, got \(3,\)",
        ),
        (
            lambda: GradientNormBalancing().update(None, jnp.ones(2), KEY, LOSSES[0]),
            r"`gradient_norms` must have shape \(2,\)",
        ),
        (lambda: GradientNormBalancing().update(LOSSES[0], jnp.ones(3), KEY), r"`gradient_norms` must be given"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
