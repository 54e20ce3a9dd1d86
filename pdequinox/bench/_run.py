"""One network, trained on one scenario from one seed, and judged: the unit of a study."""

import dataclasses
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from .. import train
from ._environment import describe_environment
from ._measures import finite_or_none, judge_rollouts, judge_solutions
from ._networks import Network
from ._protocol import Task, Training
from ._store import PROGRESS, Store, identity_of, read_json, write_json
from .scenarios import Evolution, Pairs, Scenario, Trajectories, make_scenario, plain

CHECKPOINT, NETWORK, TRAINED = "checkpoint.safetensors", "network.safetensors", "trained.json"
SECONDS_BETWEEN_CHECKPOINTS = 30
MOST_POINTS_OF_A_JACOBIAN = 2048
SNAPSHOTS = (0, 1, 2, 5, 10, 20, 50, 100)
"""The steps whose fields are kept for pictures in two and three dimensions, with the last one."""

Report = Callable[[str, float], None]
"""Called with a few words on the state, and the part of the work that is done."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What defines a result, but for the machine."""

    scenario: Scenario
    network: Network
    task: Task = dataclasses.field(default_factory=Task)
    training: Training = dataclasses.field(default_factory=Training)
    seed: int = 0

    def __post_init__(self):
        self.task.check(self.scenario)
        self.training.check(self.scenario)

    @property
    def config(self) -> dict[str, Any]:
        """As plain values. The label of the network is left out: it changes no number."""
        return {
            "scenario": self.scenario.config,
            "network": self.network.config,
            "task": self.task.config,
            "training": self.training.config,
            "seed": self.seed,
        }

    @property
    def written(self) -> dict[str, Any]:
        """As another process can read it."""
        network = {"label": self.network.label, **self.network.config}
        return self.config | {"scenario": self.scenario.written, "network": network}

    @classmethod
    def from_written(cls, written: dict[str, Any]) -> "Run":
        """The inverse of `written`."""
        return cls(
            make_scenario(written["scenario"]),
            Network.parse(written["network"]),
            Task(**written["task"]),
            Training(**written["training"]),
            written["seed"],
        )

    @property
    def identity(self) -> str:
        """The name of its folder."""
        return identity_of(self.config)

    @property
    def setting(self) -> tuple[int, int, int]:
        """What the network is built for: dimensions, channels in and out."""
        return self.scenario.num_spatial_dims, self.scenario.in_channels, self.scenario.out_channels

    def record(self) -> dict[str, Any]:
        """What a table says of it before anything is computed."""
        scenario = self.scenario
        return {
            "id": self.identity,
            "scenario": {
                "id": identity_of(scenario.config),
                "label": scenario.label,
                "kind": "evolution" if isinstance(scenario, Evolution) else "steady",
                "config": scenario.config,
            },
            "network": {
                "label": self.network.label,
                "architecture": self.network.architecture,
                "options": plain(dict(self.network.options)),
            },
            "task": {"label": self.task.label, **self.task.config},
            "training": {"label": self.training.label, **self.training.config},
            "seed": self.seed,
        }


def execute(
    run: Run, data_of: Callable[[Scenario], Any], store: Store, report: Report = lambda state, done: None
) -> None:
    """Train and judge, or go on where another process stopped, and write down the result.

    A training that diverges, and any error, are results too. A run that is finished, or that another process works
    on, is left alone. Ctrl-C ends it; what there is stays for the next time.
    """
    with store.claim("runs", run.identity) as folder:
        if folder is None or store.result("runs", run.identity) is not None:
            return
        write_json(folder / "config.json", run.config)
        record, samples = run.record(), {}
        try:
            report("making the data", 0.0)
            found, samples = _train_and_judge(run, data_of(run.scenario), folder, report)
            record |= {"status": "finished", "reason": None, **found}
        except train.NonFiniteLossError as error:
            record |= {"status": "diverged", "reason": str(error).partition(". ")[0], "num_steps_taken": error.step}
        except Exception as error:
            (folder / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
            record |= {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
        store.finish(folder, {**record, "environment": describe_environment()}, samples)
        if record["status"] == "finished":
            (folder / CHECKPOINT).unlink(missing_ok=True)


def _train_and_judge(
    run: Run, data: Trajectories | Pairs, folder: Path, report: Report
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    init_key, batch_key = jr.split(jr.PRNGKey(run.seed))
    report("building", 0.0)
    scenario = run.scenario
    network = run.network.build(run.setting, scenario.shape, scenario.boundary_mode, key=init_key)
    model = run.task.assemble(network, scenario)
    trained = read_json(folder / TRAINED)
    if trained is None:
        model, trained = _train(run, model, data, folder, batch_key, report)
        train.save(folder / NETWORK, model if run.task.name == "predict" else model.network, arrays_only=True)
        write_json(folder / TRAINED, trained)
    else:
        model = run.task.assemble(train.load(folder / NETWORK, like=network), scenario)
    report("testing", 1.0)
    judge: Any = _judge_steady if isinstance(data, Pairs) else _judge_evolution
    found, samples = judge(model, data, scenario)
    size = {"parameters": train.count_parameters(network), **_receptive_fields(network, model, run)}
    return {**size, **trained, **found}, samples


def _train(run: Run, model: Any, data: Any, folder: Path, key: Any, report: Report) -> tuple[Any, dict[str, Any]]:
    """Train, or go on from the checkpoint."""
    training = run.training
    loss, samples = training.loss_and_samples(data, run.scenario.weights)
    earlier = read_json(folder / PROGRESS) or {}
    before = 0.0
    start = written = time.perf_counter()
    marks: list[tuple[int, float]] = []

    def progress(step: int, loss: float) -> None:
        nonlocal before, written
        now = time.perf_counter()
        if not marks and earlier and (folder / CHECKPOINT).exists():
            # The checkpoint is older than the last word on the progress.
            before = earlier["seconds"] * min(1.0, step / earlier["step"])
        marks.append((step, now))
        report(f"step {step:,} of {training.num_steps:,}, loss {loss:.1e}", step / training.num_steps)
        if now - written > 1 or step == training.num_steps:
            written = now
            ms = _ms_per_step(marks) or earlier.get("ms_per_training_step")
            write_json(
                folder / PROGRESS,
                {"step": step, "seconds": before + now - start, "ms_per_training_step": ms},
            )

    report("compiling", 0.0)
    fitted = train.fit(
        model,
        loss,
        training.optimizer(),
        training.num_steps,
        batches=train.shuffled(samples, min(training.batch_size, len(jax.tree.leaves(samples)[0]))),
        key=key,
        checkpoint=train.Checkpoint(folder / CHECKPOINT, every=training.num_steps, seconds=SECONDS_BETWEEN_CHECKPOINTS),
        progress=progress,
    )
    losses = np.asarray(fitted.history.losses["total"])
    return fitted.model, {
        "training_seconds": before + time.perf_counter() - start,
        "ms_per_training_step": _ms_per_step(marks) or earlier.get("ms_per_training_step"),
        "last_loss": finite_or_none(np.mean(losses[-max(1, training.num_steps // 20) :])),
        "num_steps_taken": training.num_steps,
    }


def _ms_per_step(marks: list[tuple[int, float]]) -> float | None:
    """After the first call, which compiles; `None` if there are none after it."""
    if len(marks) < 2:
        return None
    (first_step, first_time), (last_step, last_time) = marks[0], marks[-1]
    return 1e3 * (last_time - first_time) / (last_step - first_step) if last_step > first_step else None


def _judge_evolution(model: Any, data: Trajectories, scenario: Evolution) -> tuple[dict[str, Any], dict]:
    num_steps = data.test.shape[1] - 1
    target = jnp.swapaxes(data.test, 0, 1)
    states, cost = timed_calls(model, target[0], num_steps)
    prediction = jnp.stack(states)
    errors = judge_rollouts(prediction[1:], target[1:], scenario)
    return {**cost, "errors": errors}, snapshots(prediction[:, 0], "prediction")


def _judge_steady(model: Any, data: Pairs, scenario: Scenario) -> tuple[dict[str, Any], dict]:
    outputs, cost = timed_calls(model, data.test_inputs, 10, feed_back=False)
    errors = judge_solutions(outputs[-1], data.test_targets, scenario)
    return {**cost, "errors": errors}, {"prediction": np.asarray(outputs[-1][0])}


def snapshots(trajectory: Array, name: str) -> dict[str, np.ndarray]:
    """A trajectory of shape `(times, channels, *spatial)` for pictures, and its steps: all in 1D, else a few."""
    last = len(trajectory) - 1
    times = np.arange(last + 1) if trajectory.ndim == 3 else np.array([*(t for t in SNAPSHOTS if t < last), last])
    return {name: np.asarray(trajectory[times]), "times": times}


def timed_calls(
    model: Callable, states: Array, num_calls: int, *, feed_back: bool = True
) -> tuple[list[Array], dict[str, Any]]:
    """Apply a map of one sample to a batch and to its own output, `num_calls` times, one by one from Python.

    **Returns:** All states with the first, and what a call costs: the median time, the temporary memory, the batch.
    """
    arrays, static = eqx.partition(model, eqx.is_array)
    apply = jax.jit(lambda arrays, states: jax.vmap(eqx.combine(arrays, static))(states))
    compiled = apply.lower(arrays, states).compile()
    analysis = compiled.memory_analysis()
    jax.block_until_ready(compiled(arrays, states))
    all_states, seconds = [states], []
    for _ in range(num_calls):
        start = time.perf_counter()
        all_states.append(jax.block_until_ready(compiled(arrays, all_states[-1] if feed_back else states)))
        seconds.append(time.perf_counter() - start)
    return all_states, {
        "ms_per_step": 1e3 * float(np.median(seconds)),
        "batch": len(states),
        "memory_bytes_per_step": None if analysis is None else int(analysis.temp_size_in_bytes),
    }


def _receptive_fields(network: Any, model: Any, run: Run) -> dict[str, Any]:
    """Points to either side per axis: as the convolutions add up, and as the Jacobian of the trained model says."""
    shape = (run.scenario.in_channels, *run.scenario.shape)
    nominal = getattr(network, "receptive_field", None)
    measured = None
    if run.task.name == "predict" and np.prod(shape) <= MOST_POINTS_OF_A_JACOBIAN:
        measured = train.measured_receptive_field(model, shape, key=jr.PRNGKey(0))
    as_plain = lambda field: None if field is None else [[finite_or_none(reach) for reach in axis] for axis in field]  # noqa: E731
    return {"receptive_field": as_plain(nominal), "measured_receptive_field": as_plain(measured)}
