"""The training loop: reaches known solutions, gives the same bits however it is run, changes nothing it is given."""

import io
import pickle
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from pdequinox.train import EarlyStopping, NonFiniteLossError, Tracker, cycling_dataloader, fit, shuffled
from pdequinox.train import supervised_loss as loss
from pdequinox.train._progress import Progress
from pdequinox.train._step import has_convolutions

KEY = jr.key(0)


def linear_data():
    inputs = jr.normal(KEY, (24, 2, 5))
    matrix = jnp.array([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.25]])
    noise = 0.1 * jr.normal(jr.key(1), (24, 3, 5))
    return inputs, jnp.einsum("oi,sin->son", matrix, inputs) + 0.7 + noise


@pytest.fixture(scope="module")
def problem():
    """A pointwise map of two channels to three, and noisy samples of one; (network, data)."""
    return eqx.nn.Conv1d(2, 3, 1, key=KEY), linear_data()


class Affine(eqx.Module):
    """The same map without a convolution."""

    weight: jax.Array
    bias: jax.Array

    def __call__(self, x):
        return self.weight @ x + self.bias[:, None]


AFFINE = Affine(jnp.array([[0.1, 0.2], [0.3, -0.4], [0.5, 0.6]]), jnp.array([0.1, -0.1, 0.2]))


def leaves_of(tree):
    return [np.array(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def assert_same_bits(ours, theirs):
    for a, b in zip(leaves_of(ours), leaves_of(theirs), strict=True):
        np.testing.assert_array_equal(a, b)


def run(model, num_steps, batch_size=8, data=None, optimizer=None, **options):
    batches = shuffled(linear_data() if data is None else data, batch_size)
    options = {"key": KEY, "progress": False, **options}
    return fit(model, loss, optimizer or optax.adam(0.01), num_steps, batches=batches, **options)


@pytest.mark.parametrize("optimizer, num_steps", [(optax.adam(0.1), 400), (optax.lbfgs(), 30)], ids=["adam", "lbfgs"])
def test_full_batches_reach_the_least_squares_solution(optimizer, num_steps):
    inputs, targets = linear_data()
    fitted, history = run(AFFINE, num_steps, 24, optimizer=optimizer)
    design = np.stack([*np.moveaxis(np.asarray(inputs), 1, 0).reshape(2, -1), np.ones(24 * 5)], axis=1)
    solution, *_ = np.linalg.lstsq(design, np.moveaxis(np.asarray(targets), 1, 2).reshape(-1, 3))
    np.testing.assert_allclose(fitted.weight, solution[:2].T, atol=1e-4)
    np.testing.assert_allclose(fitted.bias, solution[2], atol=1e-4)
    assert history.losses["total"].shape == (num_steps,)
    assert history.steps == num_steps
    assert history.losses["total"][0] == pytest.approx(float(loss(AFFINE, (inputs, targets))), rel=1e-5)


@pytest.mark.parametrize("num_steps", [7, 70])
def test_steps_are_those_of_a_hand_written_loop_over_cycling_dataloader(problem, num_steps):
    network, data = problem
    optimizer = optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(optax.linear_schedule(0.1, 0.01, 50), 0.9))
    fitted = run(network, num_steps, data=data, optimizer=optimizer)

    @jax.jit
    def step(network, state, batch):
        value, gradient = jax.value_and_grad(loss)(network, batch)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(network, updates), state, value

    expected, state, losses = network, optimizer.init(network), []
    for batch in cycling_dataloader(data, batch_size=8, num_steps=num_steps, key=KEY):
        expected, state, value = step(expected, state, batch)
        losses.append(value)
    np.testing.assert_allclose(fitted.history.losses["total"], losses, rtol=1e-4)
    for ours, theirs in zip(leaves_of(fitted.model), leaves_of(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_run_has_the_same_bits_in_any_number_of_calls_and_with_trackers():
    trackers = {"norm": Tracker(lambda model: jnp.sum(model.weight**2), 7), "model": lambda model: model}
    plain = run(AFFINE, 40, 7)
    for options in ({"steps_per_call": 3}, {"steps_per_call": 100}, {"trackers": trackers}):
        other = run(AFFINE, 40, 7, **options)
        assert_same_bits(other.model, plain.model)
        assert_same_bits(other.history.losses, plain.history.losses)
    shorter = run(AFFINE, 12, 7)
    np.testing.assert_array_equal(shorter.history.losses["total"], plain.history.losses["total"][:12])


def test_single_steps_from_python_have_the_same_bits_with_trackers_and_agree_with_the_loop(problem):
    network, data = problem
    trackers = {"bias": Tracker(lambda model: model.bias, 4)}
    plain = run(network, 10, 7, data)
    tracked = run(network, 10, 7, data, trackers=trackers)
    assert_same_bits(tracked.model, plain.model)
    looped = run(network, 10, 7, data, steps_per_call=4)
    np.testing.assert_allclose(looped.history.losses["total"], plain.history.losses["total"], rtol=1e-5)
    for ours, theirs in zip(leaves_of(looped.model), leaves_of(plain.model), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_trackers_are_evaluated_at_multiples_of_their_interval():
    inputs, targets = linear_data()
    trackers = {
        "loss": Tracker(lambda model: {"value": loss(model, (inputs, targets))}, 4),
        "bias": Tracker(lambda model: model.bias, 1),
        "never again": lambda model: 1.0,
    }
    fitted, history = run(AFFINE, 10, 24, trackers=trackers)
    steps, values = history.trackers["loss"]
    np.testing.assert_array_equal(steps, [0, 4, 8])
    np.testing.assert_allclose(values["value"], history.losses["total"][::4], rtol=1e-5)
    steps, values = history.trackers["bias"]
    np.testing.assert_array_equal(steps, np.arange(11))
    np.testing.assert_array_equal(values[0], AFFINE.bias)
    np.testing.assert_array_equal(values[-1], fitted.bias)
    np.testing.assert_array_equal(history.trackers["never again"][0], [0])


def test_key_decides_the_order_of_the_samples():
    losses = lambda key: run(AFFINE, 4, 4, key=key).history.losses["total"]  # noqa: E731
    np.testing.assert_array_equal(losses(KEY), losses(KEY))
    assert not np.allclose(losses(KEY), losses(jr.key(3)))
    np.testing.assert_array_equal(losses(jr.key(3)), losses(jr.PRNGKey(3)))


def test_batches_of_an_odd_size_use_every_sample_equally_often():
    count = lambda model, batch: jnp.sum(10.0 ** batch["digit"]) + 0 * model  # noqa: E731
    batches = shuffled({"digit": np.arange(5)}, 3)
    _, history = fit(jnp.array(0.0), count, optax.sgd(1.0), 5, batches=batches, key=KEY, progress=False)
    assert history.losses["total"].sum() == 3 * 11111


def test_drawn_batches_depend_on_the_key_and_the_step():
    draw = lambda key: jr.uniform(key, (3,))  # noqa: E731
    _, history = fit(
        jnp.array(2.0),
        lambda model, x: jnp.sum(x) + 0 * model,
        optax.sgd(1.0),
        5,
        batches=draw,
        key=KEY,
        progress=False,
    )
    expected = [jnp.sum(draw(jr.fold_in(KEY, step))) for step in range(5)]
    np.testing.assert_allclose(history.losses["total"], expected, rtol=1e-6)


def test_a_loader_starts_again_and_an_iterator_that_ends_is_refused():
    def losses(batches, num_steps):
        value = lambda model, x: jnp.sum(x) + 0 * model  # noqa: E731
        return fit(jnp.array(1.0), value, optax.sgd(1.0), num_steps, batches=batches, progress=False).history.losses

    loader = [np.array([1.0]), np.array([2.0, 3.0])]
    np.testing.assert_array_equal(losses(loader, 5)["total"], [1, 5, 1, 5, 1])
    np.testing.assert_array_equal(losses(iter(loader), 2)["total"], [1, 5])
    with pytest.raises(ValueError, match=r"`batches` must hold a batch for every step, .* ended after 2 batches"):
        losses(iter(loader), 3)


def test_only_floating_arrays_are_trained_and_all_else_is_kept():
    class Scaled(eqx.Module):
        scale: jax.Array
        phase: jax.Array
        count: jax.Array
        activation: object
        name: str = eqx.field(static=True)

        def __call__(self, x):
            return self.activation(self.scale * x) * jnp.cos(jnp.angle(self.phase)) + 0 * self.count

    network = Scaled(jnp.array(0.5), jnp.array(1.0 + 0.5j), jnp.array([3]), jnp.tanh, "scaled")
    inputs = jr.normal(KEY, (8, 2, 4))
    fitted = run(network, 300, 8, (inputs, jnp.tanh(2 * inputs)), optax.adam(0.05)).model
    assert fitted.scale == pytest.approx(2.0, abs=1e-2)
    assert jnp.angle(fitted.phase) == pytest.approx(0.0, abs=1e-2)
    assert fitted.count == network.count
    assert (fitted.activation, fitted.name) == (jnp.tanh, "scaled")


def test_complex_parameters_descend():
    target = 2.0 - 3.0j
    distance = lambda model: jnp.abs(model["value"] - target) ** 2  # noqa: E731
    fitted, history = fit({"value": jnp.array(0j)}, distance, optax.sgd(0.2), 50, ema=0.5, progress=False)
    assert fitted["value"] == pytest.approx(target, abs=1e-4)
    assert history.ema_model["value"] == pytest.approx(target, abs=1e-3)


QUADRATICS = {"a": lambda m: jnp.sum((m["x"] - 1) ** 2), "b": lambda m: 10 * jnp.sum((m["y"] + 2) ** 2)}
START = {"x": jnp.array([3.0, 0.5]), "y": jnp.array(1.0)}


def test_named_losses_are_summed_with_their_weights():
    weights = {"a": 0.5, "b": 2.0}
    model, history = fit(START, QUADRATICS, optax.sgd(0.01), 3, loss_weights=weights, progress=False)
    x, y = START["x"], START["y"]
    for step in range(3):
        assert history.losses["a"][step] == pytest.approx(float(jnp.sum((x - 1) ** 2)))
        assert history.losses["b"][step] == pytest.approx(float(10 * (y + 2) ** 2))
        x, y = x - 0.01 * 0.5 * 2 * (x - 1), y - 0.01 * 2.0 * 20 * (y + 2)
    np.testing.assert_allclose(history.losses["total"], 0.5 * history.losses["a"] + 2 * history.losses["b"], rtol=1e-6)
    np.testing.assert_allclose(model["x"], x, rtol=1e-6)
    np.testing.assert_allclose(model["y"], y, rtol=1e-6)
    assert history.weights is None


class Inverse(NamedTuple):
    """Weights inversely proportional to the losses or to the norms of their gradients."""

    needs_gradient_norms: bool

    def init(self, num_losses):
        return jnp.zeros(num_losses)

    def update(self, losses, state, key, gradient_norms):
        jr.uniform(key)
        weights = 1 / (gradient_norms if self.needs_gradient_norms else losses)
        return weights, state + weights


@pytest.mark.parametrize("by_norm", [False, True])
def test_balanced_losses_have_the_weights_of_their_rule(by_norm):
    model, history = fit(
        START, QUADRATICS, optax.sgd(0.1), 2, balance=Inverse(by_norm), key=KEY, loss_weights=None, progress=False
    )
    x, y = START["x"], START["y"]
    for step in range(2):
        gradients = {"a": 2 * (x - 1), "b": 20 * (y + 2)}
        for name, gradient in gradients.items():
            size = jnp.linalg.norm(gradient) if by_norm else history.losses[name][step]
            assert history.weights[name][step] == pytest.approx(1 / float(size), rel=1e-5)
        x = x - 0.1 * history.weights["a"][step] * gradients["a"]
        y = y - 0.1 * history.weights["b"][step] * gradients["b"]
    np.testing.assert_allclose(model["x"], x, rtol=1e-5)
    np.testing.assert_allclose(model["y"], y, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_norms_of_gradients_neither_overflow_nor_vanish(scale):
    """The squares of these do in single precision."""
    losses = {"a": lambda m: scale * jnp.sum(m["x"]), "b": lambda m: scale * 2 * m["y"]}
    _, history = fit(START, losses, optax.set_to_zero(), 1, balance=Inverse(True), key=KEY, progress=False)
    np.testing.assert_allclose(history.weights["a"], 1 / (scale * 2**0.5), rtol=1e-5)
    np.testing.assert_allclose(history.weights["b"], 1 / (scale * 2), rtol=1e-5)


def test_each_part_has_its_optimizer_and_frozen_parts_keep_their_bits():
    model, _ = fit(START, QUADRATICS, {"x": optax.sgd(0.1), "y": None}, 4, progress=False)
    np.testing.assert_allclose(model["x"], 1 + (START["x"] - 1) * 0.8**4, rtol=1e-6)
    np.testing.assert_array_equal(model["y"], START["y"])
    same, _ = fit(START, QUADRATICS, {"x": optax.sgd(0.1)}, 4, where=lambda m: m["x"], progress=False)
    assert_same_bits(same, model)
    both, _ = fit(START, QUADRATICS, {"x": optax.lbfgs(), "y": optax.adam(0.1)}, 80, progress=False)
    np.testing.assert_allclose(both["x"], 1.0, atol=1e-4)
    np.testing.assert_allclose(both["y"], -2.0, atol=0.1)
    parts = fit(AFFINE, lambda m: jnp.sum(m.weight**2 + 1), {"weight": optax.sgd(0.1), "bias": None}, 1, progress=False)
    np.testing.assert_allclose(parts.model.weight, 0.8 * AFFINE.weight, rtol=1e-6)


@pytest.mark.parametrize(
    "where",
    [lambda m: (m["a"].bias, m["b"]), {"a": Affine(False, True), "b": True}],  # pyright: ignore[reportArgumentType]
    ids=["function", "booleans"],
)
def test_only_what_is_selected_is_trained(where):
    model = {"a": AFFINE, "b": AFFINE}
    value = lambda m: sum(jnp.sum((leaf - 3) ** 2) for leaf in jax.tree.leaves(m))  # noqa: E731
    fitted, _ = fit(model, value, optax.sgd(0.25), 1, where=where, progress=False)
    np.testing.assert_array_equal(fitted["a"].weight, AFFINE.weight)
    for ours, before in [(fitted["a"].bias, AFFINE.bias), (fitted["b"].weight, AFFINE.weight)]:
        np.testing.assert_allclose(ours, before + (3 - before) / 2, rtol=1e-6)


def test_the_moving_average_is_corrected_for_its_start():
    decay, trackers = 0.8, {"x": Tracker(lambda m: m["x"], 1)}
    _, history = fit(START, QUADRATICS, optax.sgd(0.1), 6, ema=decay, trackers=trackers, progress=False)
    after = history.trackers["x"][1][1:]
    weights = decay ** np.arange(5, -1, -1)
    np.testing.assert_allclose(history.ema_model["x"], weights @ after / weights.sum(), rtol=1e-5)


def test_early_stopping_returns_the_best_model():
    """A constant step of one: 5, 4, ..., 0, -1, ...; the distance to 2.2 is lowest after three steps."""
    trackers = {"distance": Tracker(lambda m: jnp.abs(m - 2.2), 1), "model": Tracker(lambda m: m, 1)}
    rule = EarlyStopping("distance", patience=2)
    model, history = fit(
        jnp.array(5.0), lambda m: m, optax.sgd(1.0), 50, trackers=trackers, early_stopping=rule, progress=False
    )
    assert model == 2.0
    assert history.best_step == 3
    assert history.steps == 5
    np.testing.assert_array_equal(history.trackers["model"][1], [5, 4, 3, 2, 1, 0])
    rule = EarlyStopping("distance", patience=2, min_delta=1.5)
    model, history = fit(
        jnp.array(5.0), lambda m: m, optax.sgd(1.0), 50, trackers=trackers, early_stopping=rule, progress=False
    )
    assert (model, history.best_step, history.steps) == (3.0, 2, 4)


@pytest.mark.parametrize("steps_per_call", ["auto", 4, 1])
def test_nan_stops_the_run_before_the_step_that_has_it(steps_per_call):
    """The model doubles in every step; the square root fails beyond 100."""
    grow = lambda m: -0.5 * m**2 + jnp.sqrt(100.0 - jax.lax.stop_gradient(m)) * 0  # noqa: E731
    trackers = {"model": Tracker(lambda m: m, 2)}
    with pytest.raises(NonFiniteLossError, match=r"in step 7, where total = nan\. Lower the learning rate") as info:
        fit(jnp.array(1.0), grow, optax.sgd(1.0), 40, trackers=trackers, steps_per_call=steps_per_call, progress=False)
    error = info.value
    assert (error.step, float(error.model)) == (7, 128.0)
    assert np.isnan(error.losses["total"])
    np.testing.assert_array_equal(error.history.losses["total"], -0.5 * 4.0 ** np.arange(7))
    np.testing.assert_array_equal(error.history.trackers["model"][0], [0, 2, 4, 6])


def test_an_infinite_gradient_or_update_stops_the_run():
    with pytest.raises(NonFiniteLossError, match=r"got one that is not in step 0, where total = 0"):
        fit(jnp.array(0.0), jnp.sqrt, optax.sgd(1.0), 5, progress=False)
    with pytest.raises(NonFiniteLossError, match=r"in step 1, where") as info:
        fit(jnp.array(1e30), lambda m: m**1.0, optax.sgd(-jnp.finfo(jnp.float32).max), 5, progress=False, ema=0.5)
    assert info.value.history.ema_model is not None


def test_the_error_of_a_run_passes_between_processes():
    with pytest.raises(NonFiniteLossError) as info:
        fit(jnp.array(0.0), jnp.sqrt, optax.sgd(1.0), 5, progress=False)
    copy = pickle.loads(pickle.dumps(info.value))
    assert (str(copy), copy.step, copy.losses) == (str(info.value), 0, {"total": 0.0})


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_moving_average_of_a_constant_is_the_constant_in_low_precision_too(dtype):
    for decay, num_steps in ((0.999, 1000), (0.99, 300), (0.99999, 1), (0.9999999, 3)):
        model = jnp.ones(2, dtype)
        _, history = fit(model, lambda m: 0 * jnp.sum(m), optax.sgd(1.0), num_steps, ema=decay, progress=False)
        assert history.ema_model.dtype == model.dtype
        np.testing.assert_allclose(history.ema_model.astype(np.float32), 1, rtol=1e-3)


def test_weakly_typed_parameters_are_trained_in_the_dtype_that_they_have():
    data = jnp.ones(4, jnp.bfloat16)
    loss = lambda m: jnp.mean((m - data) ** 2)  # noqa: E731
    _, history = fit(jnp.asarray(0.0), loss, optax.sgd(0.1), 3, trackers={"loss": Tracker(loss, 1)}, progress=False)
    assert history.losses["total"].dtype == history.trackers["loss"][1].dtype == np.float32


def test_a_progress_function_sees_the_steps_done_and_their_last_loss():
    seen = []
    _, history = run(AFFINE, 7, 6, steps_per_call=3, progress=lambda step, value: seen.append((step, value)))
    # The first call and the last step; those between within a fifth of a second are left out.
    assert seen[-1] == (7, pytest.approx(history.losses["total"][6]))
    assert {step for step, _ in seen} <= {3, 6, 7}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_a_line_on_a_terminal_and_ten_lines_elsewhere():
    file, terminal = io.StringIO(), Terminal()
    for stream in (file, terminal):
        progress = Progress(0, 2000, stream)
        for step in range(1, 2001):
            progress(step, 0.5 / step)
        progress.close()
    lines = file.getvalue().splitlines()
    assert [line.split("/")[0] for line in lines] == [f"{step:,}" for step in range(200, 2001, 200)]
    assert "2,000/2,000  loss 2.500e-04" in lines[-1]
    assert lines[-1].endswith("0:00 left")
    shown = terminal.getvalue()
    assert shown.count("\n") == 1
    assert shown.startswith("\r1/2,000  loss 5.000e-01\r")
    assert "steps/s" in shown.split("\r")[-1]


def test_progress_is_written_to_the_standard_error_stream(capsys):
    run(AFFINE, 7, 6, progress=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "7/7  loss" in printed.err.splitlines()[-1]


def test_an_interrupted_fit_leaves_its_inputs_alone(problem):
    network, data = problem
    before = leaves_of((network, data))

    def interrupt(step, value):
        if step >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(network, 9, 6, data, optax.adam(1.0), progress=interrupt)
    assert_same_bits((network, data), before)


def test_convolutions_are_found_inside_of_other_functions():
    x = jnp.ones((1, 2, 8))
    convolve = lambda w: jax.lax.conv(x, w, (1,), "SAME")  # noqa: E731
    w = jnp.ones((2, 2, 3))
    scanned = lambda w: jax.lax.scan(lambda carry, w: (carry, convolve(w)), 0.0, w[None])  # noqa: E731
    for function in (jax.jit(jax.checkpoint(convolve)), jax.grad(lambda w: jnp.sum(convolve(w))), scanned):
        assert has_convolutions(jax.make_jaxpr(function)(w).jaxpr)
    assert not has_convolutions(jax.make_jaxpr(jax.jit(lambda w: w @ w.mT))(w).jaxpr)


def test_float32_stays_float32_under_x64(float64):
    model, history = fit(
        {k: v.astype(jnp.float32) for k, v in START.items()},
        QUADRATICS,
        optax.adam(optax.cosine_decay_schedule(0.1, 5)),
        5,
        balance=Inverse(False),
        key=KEY,
        ema=0.9,
        progress=False,
    )
    assert {leaf.dtype for leaf in jax.tree.leaves((model, history.ema_model))} == {jnp.dtype("float32")}
    assert history.losses["total"].dtype == np.float32


def refuse(model, *_):
    raise AssertionError("a step was taken")


SGD = optax.sgd(0.1)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_steps": 0}, r"`num_steps` must be an integer of at least 1, got 0"),
        ({"steps_per_call": 0}, r"`steps_per_call` must be an integer of at least 1, got 0"),
        ({"steps_per_call": "fast"}, r"`steps_per_call` must be 'auto' or an integer, got 'fast'"),
        ({"optimizer": 1e-3}, r"`optimizer` must be an optax gradient transformation, got 0.001"),
        ({"optimizer": {"x": SGD, "y": 3}}, r"`optimizer\['y'\]` must be an optax gradient transformation, got 3"),
        ({"optimizer": {"x": SGD}}, r"`optimizer` must name every part of the model \(x, y\), got none for 'y'"),
        ({"optimizer": {"x": SGD, "z": SGD}}, r"must name parts of the model that are trained \(x, y\), got 'z'"),
        ({"optimizer": {"x": None, "y": None}}, r"`optimizer` must hold an optimizer for one part at least"),
        ({"model": jnp.sin}, r"`model` must hold floating arrays, got"),
        ({"model": {"n": jnp.array(3)}}, r"`model` must hold floating arrays, got"),
        ({"where": {"x": False, "y": False}}, r"`where` must select floating arrays of the model, got none"),
        ({"where": {"x": True}}, r"`where` must have the structure of the model"),
        (
            {"where": 3},
            r"`where` must be a boolean pytree like the model, or a function from the model to parts of it, got 3",
        ),
        ({"loss": 3}, r"`loss` must be a function or a dict of names and functions, got 3"),
        ({"loss": {"total": refuse}}, r"`loss` must have strings other than 'total' for names, got 'total'"),
        ({"loss": lambda m: m["x"]}, r"`loss` must return one real number, got shape \(2,\) of float32 for 'loss'"),
        ({"loss": {"a": lambda m: m["y"] > 0}}, r"`loss` must return one real number, got shape \(\) of bool for 'a'"),
        ({"loss_weights": {"a": 1.0}}, r"`loss` must be a dict of names and functions for `loss_weights`"),
        (
            {"loss": {"a": refuse}, "loss_weights": {"b": 1}},
            r"`loss_weights` must be a dict with a number for each of a",
        ),
        (
            {"loss": {"a": refuse}, "loss_weights": {"a": 1}, "balance": Inverse(False)},
            r"`loss_weights` must be None with `balance`",
        ),
        ({"key": 3}, r"`key` must be a JAX random key, got 3"),
        (
            {"loss": {"a": refuse}, "balance": "norms", "key": KEY},
            r"`balance` must be a rule for the weights, got 'norms'",
        ),
        ({"loss": {"a": refuse}, "balance": Inverse(False)}, r"`key` must be a JAX random key for `balance`, got None"),
        ({"batches": shuffled(jnp.ones(3), 2)}, r"`key` must be a JAX random key for shuffled batches, got None"),
        ({"batches": jnp.ones((6, 2))}, r"`batches` must be batches, not data, got ArrayImpl. Use `shuffled"),
        ({"batches": (jnp.ones(3), jnp.ones(3))}, r"`batches` must be batches, not data, got tuple"),
        ({"batches": {"x": jnp.ones(3)}}, r"`batches` must be batches, not data, got dict"),
        ({"loss": lambda m: (jnp.sum(m["x"]), 1)}, r"`loss` must return one real number, got tuple.*`trackers`"),
        ({"trackers": {1: jnp.sum}, "loss": lambda m: m["y"]}, r"`trackers` must have strings for names, got 1"),
        ({"batches": jr.uniform}, r"`key` must be a JAX random key for batches that are drawn, got None"),
        (
            {"batches": 3},
            r"`batches` must be `shuffled\(data, batch_size\)`, a function of a key or an iterable, got 3",
        ),
        (
            {"batches": [1.0], "steps_per_call": 2, "loss": lambda m, b: m["y"]},
            r"`steps_per_call` must be 'auto' or 1 for batches from an iterable, got 2",
        ),
        ({"ema": 1.0}, r"`ema` must be a number between 0 and 1, got 1.0"),
        ({"ema": True}, r"`ema` must be a number between 0 and 1, got True"),
        ({"trackers": [jnp.sum], "loss": lambda m: m["y"]}, r"`trackers` must be a dict of names and functions"),
        ({"early_stopping": 3, "loss": lambda m: m["y"]}, r"`early_stopping` must be an EarlyStopping, got 3"),
        (
            {"early_stopping": EarlyStopping("x", 1), "trackers": {"x": lambda m: m["x"]}, "loss": lambda m: m["y"]},
            r"`monitor` must be the name of a tracker of one real number, got 'x' with the trackers \['x'\]",
        ),
        (
            {"early_stopping": EarlyStopping("z", 1), "loss": lambda m: m["y"]},
            r"`monitor` must be the name of a tracker of one real number, got 'z'",
        ),
        ({"progress": 3, "loss": lambda m: m["y"]}, r"`progress` must be True, False or a function of \(step, loss\)"),
    ],
)
def test_bad_arguments_are_refused_before_any_step(changes, message):
    arguments = {"model": START, "loss": refuse, "optimizer": SGD, "num_steps": 2}
    with pytest.raises(ValueError, match=message):
        fit(**{**arguments, **changes})


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: shuffled((jnp.ones((3, 1)), jnp.ones((4, 1))), 2),
            r"`data` must hold arrays with a common leading axis",
        ),
        (lambda: shuffled(jnp.array(1.0), 1), r"common leading axis of samples, got the shapes \[\(\)\]"),
        (lambda: shuffled(jnp.ones((0, 2)), 1), r"common leading axis"),
        (lambda: shuffled((), 1), r"common leading axis"),
        (lambda: shuffled(jnp.ones(24), 25), r"`batch_size` must be at most the number of samples \(24\), got 25"),
        (lambda: shuffled(jnp.ones(24), -2), r"`batch_size` must be an integer of at least 1, got -2"),
        (lambda: Tracker(3), r"`function` must be a function of the model, got 3"),  # pyright: ignore
        (lambda: Tracker(jnp.sum, 0), r"`every` must be an integer of at least 1, got 0"),
        (lambda: EarlyStopping("x", 0), r"`patience` must be an integer of at least 1, got 0"),
        (lambda: EarlyStopping("x", 1, -1.0), r"`min_delta` must be a number of at least 0, got -1.0"),
    ],
)
def test_bad_options_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_supervised_loss_refuses_to_broadcast():
    with pytest.raises(ValueError, match=r"`prediction` must have the shape of `target`"):
        loss(lambda x: x, (jnp.ones((4, 1, 8)), jnp.ones((4, 3, 8))))
