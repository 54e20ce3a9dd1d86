"""Ensembles: every member is trained as if it were alone."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from pdequinox import arch, combine_to_ensemble, extract_from_ensemble
from pdequinox.train import (
    Checkpoint,
    NonFiniteLossError,
    Tracker,
    cast,
    ensemble_loss,
    ensemble_optimizer,
    fit,
    shuffled,
    supervised_loss,
)

KEY = jr.key(0)
NUM_MEMBERS = 3
NETWORKS = {
    "MLP": lambda key: arch.MLP(1, 2, 3, num_points=16, width_size=8, depth=2, key=key),
    "ConvNet": lambda key: arch.ConvNet(1, 2, 3, hidden_channels=6, depth=2, boundary_mode="dirichlet", key=key),
    "ClassicFNO": lambda key: arch.ClassicFNO(1, 2, 3, hidden_channels=6, num_modes=4, num_blocks=1, key=key),
}
OPTIMIZERS = {"adam": optax.adam(1e-2), "clipped": optax.chain(optax.clip_by_global_norm(0.1), optax.adam(1e-2))}


class Line(eqx.Module):
    """A small model with all kinds of leaves."""

    weight: jax.Array
    shift: jax.Array
    order: jax.Array
    bias: None
    activation: object

    def __call__(self, x):
        return self.activation(jnp.sum(self.weight[self.order]) * x + self.shift)


def line(scale):
    return Line(scale * jnp.arange(1.0, 4.0), jnp.array(0.5 * scale), jnp.array([2, 0]), None, jnp.sin)


LINES = combine_to_ensemble([line(scale) for scale in (0.1, -0.2, 0.4)])
X = jnp.linspace(-1, 1, 7)
PAIRS = (X, X**2)


def loss_of_line(model, pairs):
    return jnp.mean((model(pairs[0]) - pairs[1]) ** 2)


def data():
    inputs = jr.normal(KEY, (12, 2, 16))
    return inputs, jnp.concatenate([inputs[:, :1] ** 2, jnp.roll(inputs, 1, axis=-1)], axis=1)


def train(model, loss, optimizer, num_steps=12, **options):
    options = {"batches": shuffled(data(), 5), "key": jr.key(1), "progress": False, **options}
    return fit(model, loss, optimizer, num_steps, **options)


def assert_close(ours, theirs, tolerance=2e-6):
    ours, theirs = (jax.tree.leaves(eqx.filter(tree, eqx.is_array)) for tree in (ours, theirs))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_members_take_the_steps_that_they_take_alone(name, optimizer):
    optimizer = OPTIMIZERS[optimizer]
    members = [NETWORKS[name](key) for key in jr.split(KEY)]
    ensemble = combine_to_ensemble(members)
    fitted, history = train(ensemble, ensemble_loss(supervised_loss), ensemble_optimizer(optimizer))
    total = 0
    for i, member in enumerate(members):
        alone, history_of_member = train(member, supervised_loss, optimizer)
        assert_close(extract_from_ensemble(fitted, i), alone)
        total += history_of_member.losses["total"]
    np.testing.assert_allclose(history.losses["total"], total, rtol=1e-5)


def test_clipping_without_members_of_their_own_takes_other_steps():
    """The test above can tell."""
    optimizer = optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(0.1))
    fitted = train(LINES, ensemble_loss(loss_of_line), optimizer, batches=[PAIRS]).model
    alone = train(line(-0.2), loss_of_line, optimizer, batches=[PAIRS]).model
    with pytest.raises(AssertionError):
        assert_close(extract_from_ensemble(fitted, 1), alone)


@pytest.mark.parametrize("own_batches", [False, True])
def test_a_checkpoint_resumes_to_the_same_bits(tmp_path, own_batches):
    def draw(key):
        x = jr.normal(key, (7,))
        return x, x**2

    options = {
        "batches": lambda key: jax.vmap(draw)(jr.split(key, NUM_MEMBERS)) if own_batches else draw(key),
        "trackers": {"losses": Tracker(eqx.filter_vmap(lambda model: loss_of_line(model, PAIRS)), 2)},
    }
    arguments = (ensemble_loss(loss_of_line, own_batches=own_batches), ensemble_optimizer(OPTIMIZERS["clipped"]))
    whole = train(LINES, *arguments, 6, **options)
    options["checkpoint"] = Checkpoint(tmp_path / "run.ckpt", 2)
    train(LINES, *arguments, 4, **options)
    resumed = train(LINES, *arguments, 6, **options)
    assert_close(resumed, whole, 0)
    steps, losses = resumed.history.trackers["losses"]
    assert steps.tolist() == [0, 2, 4, 6] and losses.shape == (4, NUM_MEMBERS)


def test_own_batches_are_those_of_the_members():
    own = (jnp.stack([X, 2 * X, 3 * X]), np.stack([X, X**2, X**3]))
    value, gradient = eqx.filter_value_and_grad(ensemble_loss(loss_of_line, own_batches=True))(LINES, own)
    expected = 0
    for i in range(NUM_MEMBERS):
        pairs = (own[0][i], own[1][i])
        loss, of_member = eqx.filter_value_and_grad(loss_of_line)(extract_from_ensemble(LINES, i), pairs)
        assert_close(extract_from_ensemble(gradient, i), of_member)
        expected += loss
    assert value == pytest.approx(float(expected))


@pytest.mark.parametrize("platform", ["cpu", "accelerator"])
@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_by_all_arguments_are_those_of_the_plain_sum(platform, order, float64, monkeypatch):
    if platform == "accelerator":
        monkeypatch.setattr(jax.lax, "platform_dependent", lambda *args, cpu, default: default(*args))
    arrays, static = eqx.partition(cast(LINES, jnp.float64), eqx.is_inexact_array)
    pairs = (jnp.linspace(-1, 1, 7), jnp.linspace(0, 2, 7))

    def plain(arrays, pairs):
        return sum(loss_of_line(extract_from_ensemble(eqx.combine(arrays, static), i), pairs) for i in range(3))

    def ours(arrays, pairs):
        return ensemble_loss(loss_of_line)(eqx.combine(arrays, static), pairs)

    def derivatives(function):
        if order == 1:
            return jax.value_and_grad(function, (0, 1))(arrays, pairs)
        direction = jax.tree.map(jnp.cos, (arrays, pairs))
        return jax.jvp(jax.grad(function, (0, 1)), (arrays, pairs), direction)

    for ours_, theirs in zip(*(jax.tree.leaves(derivatives(f)) for f in (ours, plain)), strict=True):
        np.testing.assert_allclose(ours_, theirs, rtol=1e-12, atol=1e-14)


def test_complex_parameters_have_the_gradients_of_the_plain_sum():
    models = {"z": jnp.array([[1 + 2j, 3 - 1j], [0.5j, -1.0]]), "x": jnp.array([2.0, 3.0])}
    loss = lambda model: jnp.sum(jnp.abs(model["z"] * model["x"]) ** 2) + jnp.sum(model["z"] ** 2).real  # noqa: E731
    assert_close(
        jax.grad(ensemble_loss(loss))(models), jax.grad(lambda models: jnp.sum(jax.vmap(loss)(models)))(models)
    )


def test_members_are_looped_over_on_a_cpu_and_mapped_elsewhere():
    gradient = jax.jit(jax.grad(lambda models: ensemble_loss(lambda model: jnp.sum(jnp.sin(model)))(models)))
    traced = gradient.trace(jnp.ones((3, 4)))
    loops = {name: "while" in traced.lower(lowering_platforms=(name,)).as_text() for name in ("cpu", "cuda", "tpu")}
    assert loops == {"cpu": True, "cuda": False, "tpu": False}


def test_frozen_arrays_stay_as_they_are():
    fitted = train(
        LINES,
        {"fit": ensemble_loss(loss_of_line)},
        {"weight": ensemble_optimizer(OPTIMIZERS["clipped"]), "shift": None},
        batches=[PAIRS],
    ).model
    np.testing.assert_array_equal(fitted.shift, LINES.shift)
    alone = train(line(-0.2), loss_of_line, {"weight": OPTIMIZERS["clipped"], "shift": None}, batches=[PAIRS]).model
    assert_close(extract_from_ensemble(fitted, 1), alone)


def test_a_loss_may_take_the_model_alone():
    loss = ensemble_loss(lambda model: (model - 2) ** 2)
    fitted = train(jnp.zeros(3), loss, ensemble_optimizer(optax.sgd(0.5)), 1, batches=None, key=None)
    np.testing.assert_allclose(fitted.model, 2)
    assert fitted.history.losses["total"] == pytest.approx(12)


def test_schedules_count_the_steps_of_every_member():
    optimizer = ensemble_optimizer(optax.sgd(optax.piecewise_constant_schedule(1.0, {1: 0.0})))
    fitted = train(jnp.zeros(3), ensemble_loss(lambda x: x), optimizer, 3, batches=None)
    np.testing.assert_array_equal(fitted.model, -1)


def test_a_member_that_diverges_ends_the_training():
    loss = ensemble_loss(lambda x: jnp.log(x))
    with pytest.raises(NonFiniteLossError, match="in step 0"):
        train(jnp.array([1.0, -1.0]), loss, ensemble_optimizer(optax.sgd(0.1)), batches=None)


def test_a_loss_must_be_a_function():
    with pytest.raises(ValueError, match=r"`loss` must be a function of one member, got \{'a': .*Wrap each"):
        ensemble_loss({"a": loss_of_line})


@pytest.mark.parametrize(
    ("model", "got"),
    [
        ({"a": jnp.ones((2, 3)), "b": jnp.ones(3)}, "leading axes of 2, 3 members"),
        ({"a": jnp.ones(2), "b": jnp.ones(())}, "leading axes of no, 2 members"),
        (jnp.ones(()), "leading axes of no members"),
        ({"a": 1.0}, "no arrays"),
    ],
)
def test_a_model_without_members_is_no_ensemble(model, got):
    with pytest.raises(ValueError, match=rf"`model` must be an ensemble, .* got {got}\. Make one"):
        ensemble_loss(lambda model: 0.0)(model)


@pytest.mark.parametrize(("batch", "got"), [((jnp.ones((2, 5)),), "leading axes of 2 members"), ((), "no arrays")])
def test_own_batches_need_the_axis_of_members(batch, got):
    loss = ensemble_loss(loss_of_line, own_batches=True)
    with pytest.raises(ValueError, match=rf"`batches` must have leading axes of 3 members .* got {got}\. Stack"):
        loss(LINES, *batch)


@pytest.mark.parametrize(
    ("loss", "got"),
    [(lambda x: x, r"shape \(2,\)"), (lambda x: (x[0], x), "tuple"), (lambda x: 1.0, "float")],
)
def test_a_member_has_one_number_for_its_loss(loss, got):
    with pytest.raises(ValueError, match=f"`loss` must return one real number for a member, got {got}. Take a mean"):
        ensemble_loss(loss)(jnp.ones((3, 2)))


def test_what_is_no_optimizer_is_refused():
    with pytest.raises(ValueError, match=r"`optimizer` must be an optax gradient transformation, got 0\.1"):
        ensemble_optimizer(0.1)


@pytest.mark.parametrize("optimizer", [optax.lbfgs(), optax.polyak_sgd()], ids=["lbfgs", "polyak"])
def test_optimizers_that_ask_for_the_loss_are_refused(optimizer):
    with pytest.raises(ValueError, match="`optimizer` must work with gradients alone in an ensemble"):
        train(jnp.ones(3), ensemble_loss(lambda x: x**2), ensemble_optimizer(optimizer), batches=None)


def test_other_errors_of_an_optimizer_are_its_own():
    def fail(*arguments):
        raise TypeError("broken")

    optimizer = ensemble_optimizer(optax.GradientTransformation(lambda params: (), fail))
    with pytest.raises(TypeError, match="broken"):
        optimizer.update(jnp.ones(3), (), None)
