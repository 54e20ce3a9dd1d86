"""Checkpoints: an interrupted training goes on to the same bits, and refuses the file of another one."""

import os
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from pdequinox.train import (
    Checkpoint,
    EarlyStopping,
    NonFiniteLossError,
    ReLoBRaLo,
    Tracker,
    _checkpoint,
    fit,
    load,
    save,
    shuffled,
)

KEY = jr.key(0)
DATA = (jr.normal(KEY, (24, 2)), jr.normal(jr.key(1), (24, 3)))
NETWORK = eqx.nn.MLP(2, 3, 4, 1, key=KEY)


def network_loss(model, batch):
    inputs, targets = batch
    return jnp.mean((jax.vmap(model)(inputs) - targets) ** 2)


class Interrupt(Exception):
    pass


def interrupt_at(step):
    def progress(now, loss):
        if now >= step:
            raise Interrupt

    return progress


def assert_same_bits(ours, theirs):
    ours, theirs = (jax.tree.leaves(eqx.filter(tree, eqx.is_array)) for tree in (ours, theirs))
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def assert_same_run(ours, theirs):
    assert_same_bits(ours.model, theirs.model)
    for a, b in [
        (ours.history.losses, theirs.history.losses),
        (ours.history.weights, theirs.history.weights),
        (ours.history.trackers, theirs.history.trackers),
    ]:
        jax.tree.map(np.testing.assert_array_equal, a, b)
    assert_same_bits(ours.history.ema_model, theirs.history.ema_model)
    assert ours.history.best_step == theirs.history.best_step


def everything(key):
    """A run with all that a checkpoint holds, as a function of the options that differ."""
    model = {"net": NETWORK, "scale": jnp.array(1.5), "count": jnp.arange(3), "noise": jnp.array(1 + 2j)}
    losses = {
        "data": lambda m, batch: network_loss(lambda x: m["scale"] * m["net"](x), batch),
        "decay": lambda m, batch: jnp.abs(m["noise"]) ** 2 + m["scale"] ** 2 + 0 * m["count"].sum(),
    }
    trackers = {
        "error": Tracker(lambda m: network_loss(m["net"], DATA), 3),
        "scale": Tracker(lambda m: {"scale": m["scale"], "net": m["net"].layers[0].weight}, 7),
    }
    optimizers = {"net": optax.adam(optax.cosine_decay_schedule(0.02, 40)), "scale": optax.sgd(0.1), "noise": None}

    def run(num_steps=40, **options):
        return fit(
            model,
            losses,
            optimizers,
            num_steps,
            batches=shuffled(DATA, 7),
            key=key,
            trackers=trackers,
            balance=ReLoBRaLo(),
            ema=0.9,
            early_stopping=EarlyStopping("error", 100),
            **{"progress": False, **options},
        )

    return run


@pytest.mark.parametrize("key", [jr.key(2), jr.PRNGKey(2)], ids=["typed", "raw"])
def test_an_interrupted_run_ends_with_the_bits_of_an_uninterrupted_one(key, tmp_path):
    run, path = everything(key), tmp_path / "run.ckpt"
    whole = run()
    for step in (12, 25):
        with pytest.raises(Interrupt):
            run(checkpoint=Checkpoint(path, 5), progress=interrupt_at(step))
    resumed = run(checkpoint=Checkpoint(path, 5))
    assert_same_run(resumed, whole)
    assert_same_run(run(checkpoint=Checkpoint(path, 5), progress=interrupt_at(0)), whole)  # finished: no step is taken
    assert_same_run(run(53, checkpoint=path), run(53))
    assert os.listdir(tmp_path) == ["run.ckpt"]
    assert load(path, like=resumed.model)["noise"] == 1 + 2j


def test_a_checkpoint_is_written_after_some_time_whatever_the_step(tmp_path):
    run, path = everything(jr.key(2)), tmp_path / "run.ckpt"
    with pytest.raises(Interrupt):
        run(checkpoint=Checkpoint(path, 1000, seconds=3600), progress=interrupt_at(12))
    assert not path.exists()
    with pytest.raises(Interrupt):
        run(checkpoint=Checkpoint(path, 1000, seconds=1e-9), progress=interrupt_at(12))
    assert path.exists()
    assert_same_run(run(checkpoint=Checkpoint(path, 1000)), run())


@pytest.mark.parametrize("seconds", [0, -1.0, "60"])
def test_the_time_between_checkpoints_is_positive(seconds):
    with pytest.raises(ValueError, match="`seconds` must be a positive number or None"):
        Checkpoint("run.ckpt", seconds=seconds)


def convolve(model, batch):
    return jnp.mean(jax.vmap(model)(batch) ** 2)


CONV = eqx.nn.Conv1d(1, 1, 3, key=KEY)
SOURCES = {
    "none": (jnp.ones(3), lambda m: jnp.sum(jnp.cosh(m)), lambda: None),
    "drawn": (jnp.ones(3), lambda m, x: jnp.sum((m - x) ** 2), lambda: lambda key: jr.normal(key, (3,))),
    "loader": (jnp.ones(3), lambda m, x: jnp.sum((m - x) ** 2), lambda: [np.float32(i) for i in range(5)]),
    "iterator": (jnp.ones(3), lambda m, x: jnp.sum((m - x) ** 2), lambda: iter(np.arange(100.0, dtype=np.float32))),
    "convolution": (CONV, convolve, lambda: shuffled(jr.normal(KEY, (9, 1, 8)), 4)),
}


@pytest.mark.parametrize("name", SOURCES)
def test_batches_of_every_kind_go_on_where_they_stopped(name, tmp_path):
    model, loss, make_batches = SOURCES[name]

    def run(**options):
        options = {"key": KEY, "progress": False, **options}
        return fit(model, loss, optax.adam(0.1), 20, batches=make_batches(), **options)

    whole, checkpoint = run(), Checkpoint(tmp_path / "run.ckpt", 3)
    with pytest.raises(Interrupt):
        run(checkpoint=checkpoint, progress=interrupt_at(8))
    assert checkpoint.path.exists()
    assert_same_run(run(checkpoint=checkpoint), whole)


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    def run(num_steps):
        return fit(
            jnp.array(5.0),
            lambda m: m,
            optax.sgd(1.0),
            num_steps,
            trackers={"distance": Tracker(lambda m: jnp.abs(m - 2.2), 1)},
            early_stopping=EarlyStopping("distance", 2),
            checkpoint=tmp_path / "run.ckpt",
            progress=False,
        )

    first, again = run(50), run(60)
    assert_same_run(first, again)
    assert (again.model, again.history.best_step, again.history.steps) == (2.0, 3, 5)


def test_a_run_that_fails_leaves_its_last_checkpoint(tmp_path):
    path = tmp_path / "run.ckpt"
    grow = lambda m: -0.5 * m**2 + jnp.sqrt(100.0 - jax.lax.stop_gradient(m)) * 0  # noqa: E731
    for _ in range(2):
        with pytest.raises(NonFiniteLossError) as info:
            fit(jnp.array(1.0), grow, optax.sgd(1.0), 40, checkpoint=Checkpoint(path, 3), progress=False)
        assert info.value.step == 7
        assert info.value.history.steps == 7
        assert load(path, like=jnp.array(0.0)) == 64.0


SHIFT = np.array([0.0, 1.0], np.float32)
SIMPLE = {"model": {"x": jnp.ones(2), "n": jnp.arange(3)}, "loss": lambda m: jnp.sum(m["x"] ** 2), "num_steps": 6}
OTHERS = [
    (
        {"num_steps": 3},
        r"`num_steps` must be at least the step that the checkpoint '.*ckpt' has reached \(6\), got 3",
    ),
    (
        {"model": {"x": jnp.ones(3), "n": jnp.arange(3)}},
        r"which differs in the initial model\. Give another path",
    ),
    ({"model": {"x": 2 * jnp.ones(2), "n": jnp.arange(3)}}, r"which differs in the initial model\. Give another path"),
    ({"model": {"x": jnp.ones(2), "n": jnp.arange(2)}}, r"differs in the losses, as JAX .* traces them"),
    ({"model": {"x": jnp.ones(2), "n": jnp.arange(3) + 1}}, r"another frozen array `model\['n'\]`"),
    (
        {"optimizer": optax.sgd(0.1)},
        r"`checkpoint` must be of this training, .* expected no array at \['state'\].o",
    ),
    ({"trackers": {"x": lambda m: m["x"]}}, r"differs in the trackers \({} in the file, {'x': 100} here\)"),
    ({"key": jr.key(1)}, r"differs in the key \(\[0, 0\] in the file, \[0, 1\] here\)"),
    ({"ema": 0.5}, r"differs in the moving average \(None in the file, 0.5 here\)"),
    ({"loss": {"a": SIMPLE["loss"]}}, r"differs in the losses \(\[\] in the file, \['a'\] here\)"),
    ({"loss": lambda m: jnp.sum((m["x"] - 50) ** 2)}, r"differs in the losses, as JAX [\d.]+ traces them\. Give"),
    ({"loss": lambda m: jnp.sum((m["x"] - SHIFT) ** 2)}, r"differs in the losses, as JAX"),
    ({"model": {"x": jnp.array([1.0, 1.001]), "n": jnp.arange(3)}}, r"differs in the initial model"),
    ({"where": lambda m: ()}, r"`where` must select floating arrays"),
    ({"batches": [1.0], "loss": lambda m, _: jnp.sum(m["x"])}, r"differs in the batches \(\['none'\] in the file"),
]


def test_the_checkpoint_of_other_data_or_of_other_trained_parts_is_refused(tmp_path):
    def run(factor=1.0, where=None, ema=0.9999):
        return fit(
            {"a": jnp.zeros(3), "b": jnp.ones(3)},
            lambda m, batch: jnp.mean((m["a"] + m["b"] - batch) ** 2),
            optax.sgd(0.1),
            4,
            batches=shuffled(factor * np.ones((6, 3), np.float32), 2),
            key=KEY,
            where=where,
            ema=ema,
            checkpoint=tmp_path / "run.ckpt",
            progress=False,
        )

    run()
    for changes, name in (
        ({"factor": 7.0}, "the data"),
        ({"where": lambda m: m["a"]}, "what is trained"),
        ({"ema": 0.99995}, r"the moving average \(0.9999 in the file, 0.99995 here\)"),
    ):
        with pytest.raises(ValueError, match=f"differs in {name}"):
            run(**changes)


def test_the_optimizer_of_a_checkpoint_may_have_other_numbers(tmp_path):
    run = lambda rate, n: fit(  # noqa: E731
        **{**SIMPLE, "num_steps": n}, optimizer=optax.sgd(rate), checkpoint=tmp_path / "run.ckpt", progress=False
    )
    run(0.1, 2)
    np.testing.assert_allclose(run(0.25, 3).model["x"], 0.8**2 * 0.5 * np.ones(2), rtol=1e-6)


def test_the_checkpoint_of_another_training_is_refused(tmp_path):
    def run(**changes):
        arguments = {"optimizer": optax.adam(0.1), "key": KEY, "checkpoint": tmp_path / "run.ckpt", "progress": False}
        return fit(**{**SIMPLE, **arguments, **changes})

    run()
    before = (tmp_path / "run.ckpt").read_bytes()
    for changes, message in OTHERS:
        with pytest.raises(ValueError, match=message):
            run(**changes)
    assert (tmp_path / "run.ckpt").read_bytes() == before
    (tmp_path / "run.ckpt").write_bytes(before[:-5])
    with pytest.raises(ValueError, match=r"`path` must be a file that pdequinox wrote, got '.*ckpt', one that cannot"):
        run()
    save(tmp_path / "run.ckpt", NETWORK)
    with pytest.raises(ValueError, match=r"one that holds a network, not a checkpoint"):
        run()
    with pytest.raises(ValueError, match=r"`checkpoint` must lie in a folder that exists, got '.*nowhere"):
        run(checkpoint=tmp_path / "nowhere" / "run.ckpt")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Checkpoint(3), r"`path` must be the name of a file, got 3"),
        (lambda: Checkpoint("run.ckpt", 0), r"`every` must be an integer of at least 1, got 0"),
    ],
)
def test_bad_options_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


SCRIPT = """
import os, signal, sys, time
import jax, jax.numpy as jnp, jax.random as jr, optax
from pdequinox.train import Checkpoint, Tracker, fit, shuffled

def run(checkpoint):
    data = jr.normal(jr.key(0), (50, 3))
    loss = lambda m, batch: jnp.mean((jnp.tanh(batch @ m["a"]) @ m["b"] - batch) ** 2)
    model = {"a": jr.normal(jr.key(1), (3, 100)), "b": jr.normal(jr.key(2), (100, 3))}
    trackers = {"size": Tracker(lambda m: jnp.sum(m["a"] ** 2), 1000)}
    options = {"batches": shuffled(data, 8), "trackers": trackers, "key": jr.key(3), "checkpoint": checkpoint}
    return fit(model, loss, optax.adam(1e-3), 5000, **options, progress=False)

def written(path):
    return os.stat(path).st_mtime_ns if os.path.exists(path) else 0

if __name__ == "__main__":
    path, *delays = sys.argv[1:]
    for delay in map(float, delays):
        before = written(path)
        child = os.fork()
        if not child:
            run(Checkpoint(path, 1))
            os._exit(0)
        while written(path) == before:
            time.sleep(0.002)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
"""


def test_several_processes_write_at_steps_and_not_by_their_clocks(tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    checkpoint = Checkpoint(tmp_path / "run.ckpt", seconds=1)
    with pytest.raises(ValueError, match="`seconds` must be None for several processes"):
        fit(jnp.ones(()), lambda x: x**2, optax.sgd(0.1), 1, checkpoint=checkpoint, progress=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the killed processes are forks")
def test_a_run_that_is_killed_at_any_moment_goes_on_to_the_same_bits(tmp_path):
    """It writes a checkpoint after every step, so that most kills hit it while it writes."""
    script, path = tmp_path / "killed.py", tmp_path / "run.ckpt"
    script.write_text(SCRIPT)
    delays = np.random.default_rng(0).uniform(0.01, 0.1, 3)
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, script, path, *map(str, delays)], env=environment, check=True, timeout=120)
    namespace = {"__name__": "killed"}
    exec(compile(SCRIPT, "killed.py", "exec"), namespace)
    assert_same_run(namespace["run"](path), namespace["run"](None))


def test_checkpoints_are_written_at_multiples_of_their_interval_and_at_the_end(tmp_path, monkeypatch):
    path, seen = tmp_path / "run.ckpt", []
    write = _checkpoint.write_tensors
    monkeypatch.setattr(_checkpoint, "write_tensors", lambda *args: (seen.append(args[2]["step"]), write(*args)))
    for num_steps in (6, 13):
        fit(jnp.ones(()), jnp.square, optax.sgd(0.1), num_steps, checkpoint=Checkpoint(path, 4), progress=False)
    assert seen == [4, 6, 8, 12, 13]
