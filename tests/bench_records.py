"""Records of a study that nobody computed: plausible numbers of every kind of run, for tests of reports."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pdequinox.bench._aggregate import Problem, make_problems
from pdequinox.bench._results import Results
from pdequinox.bench._store import identity_of

NETWORKS = {"Res;26;8;relu": 0.012, "UNet;12;2;relu": 0.062, "FNO;12;18;4;gelu": 0.068}
"""Labels, and about the error that they get."""
HOSTILE = '<img src=x onerror="alert(1)">|`*&\'"</script>'
"""A label that must not become HTML or Markdown."""
REASONS = {
    "diverged": "the loss is not finite at step 17",
    "failed": "MemoryError: out of memory",
    "missing": "not computed yet",
}
EQUATION = r"""The equation.

    $$ \partial_t u = \nu\, \partial_x^2 u $$

    With $\nu < 1$, and `code`.
    """
TIMES = {1: list(range(13)), 2: [0, 1, 2, 5, 12], 3: [0, 5, 12]}
NUM_STEPS = 12


def scenario(label: str = "burgers-1d", kind: str = "evolution", num_spatial_dims: int = 1, **options: Any) -> dict:
    """What a run says of its scenario."""
    config = {"name": label.partition("-")[0], "num_spatial_dims": num_spatial_dims, "num_points": 16, **options}
    return {"id": f"s-{label}-{'-'.join(map(str, options.values()))}", "label": label, "kind": kind, "config": config}


def evolution_errors(scale: float, *, rate: float = 0.2, lost_from: int | None = None) -> dict[str, Any]:
    """Errors that grow exponentially, and are not finite from a step on."""
    steps = np.arange(NUM_STEPS)
    curve = [None if lost_from and i + 1 >= lost_from else float(scale * math.exp(rate * i)) for i in steps]
    mean = None if lost_from else float(np.exp(np.mean(np.log(np.array(curve, float)))))
    parts = (0.9, 0.4, 0.1)
    bands = [[None if value is None else part * value for value in curve] for part in parts]
    return {
        "nrmse": curve,
        "nrmse_geometric_mean": mean,
        "mean_horizon": NUM_STEPS,
        "bands": {"edges": [5, 13], "nrmse": bands},
        "correlation_time": None if lost_from else float(NUM_STEPS),
        "num_unstable": 3 if lost_from else 0,
        "num_rollouts": 5,
        "first_unstable_step": lost_from,
    }


def steady_errors(scale: float) -> dict[str, Any]:
    bands = {"edges": [5, 13], "relative_l2": [scale, 0.5 * scale, 0.2 * scale]}
    return {"relative_l2": scale, "relative_l2_worst": 3 * scale, "bands": bands}


def run(
    of: dict[str, Any],
    label: str = "Res;26;8;relu",
    *,
    error: float | None = 0.012,
    seed: int = 0,
    status: str = "finished",
    num_steps: int = 10_000,
    ms_per_step: float = 2.0,
    published: float | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """The record of one run. An error of `None` is a rollout that blows up."""
    record = {
        "id": identity_of([of["id"], label, seed, num_steps]),
        "status": status,
        "reason": None,
        "scenario": of,
        "network": {"label": label, "architecture": "ClassicResNet", "options": {"hidden_channels": 26}},
        "task": {"label": "predict", "name": "predict"},
        "training": {"label": f"one-step, {num_steps:,} steps", "num_steps": num_steps, "method": "one-step"},
        "seed": seed,
        "environment": {
            "versions": {"pdequinox": "0.2.0", "jax": "0.10.2", "scipy": None},
            "python": "3.11.7",
            "platform": "Linux-6.1",
            "devices": ["cpu"],
            "cpus": 2,
        },
        "published": published,
        "errors": None,
    }
    if status == "finished":
        if of["kind"] == "steady":
            errors = steady_errors(error if error is not None else math.inf)
        else:
            errors = evolution_errors(error or 0.5, lost_from=None if error is not None else 6)
        record |= {
            "parameters": 32_943,
            "receptive_field": [[16.0, 16.0]] * of["config"]["num_spatial_dims"],
            "measured_receptive_field": [[None, None]] if "UNet" in label else None,
            "training_seconds": 210.0 + 5 * seed,
            "ms_per_training_step": 21.0,
            "last_loss": 1e-6,
            "num_steps_taken": num_steps,
            "ms_per_step": ms_per_step,
            "batch": 30,
            "memory_bytes_per_step": 123_456,
            "errors": errors,
        }
    else:
        record["reason"] = REASONS[status]
    return record | fields


def empty_run(of: dict[str, Any], label: str = "Null", seed: int = 0) -> dict[str, Any]:
    """A finished run of which nothing is known."""
    record = run(of, label, seed=seed)
    kept = ("id", "status", "scenario", "network", "task", "training", "seed")
    return {name: value if name in kept else None for name, value in record.items()}


def scenario_record(of: dict[str, Any], *, solvers: bool = True) -> dict[str, Any]:
    """The baselines of a scenario."""
    is_steady = of["kind"] == "steady"
    errors = steady_errors if is_steady else evolution_errors
    coarse = [
        {"label": "8 points", "factor": 2, "shape": [8], "ms_per_step": 0.3, "batch": 30, "errors": errors(0.05)},
        {"label": "4 points", "factor": 4, "shape": [4], "ms_per_step": 0.1, "batch": 30, "errors": errors(0.2)},
    ]
    reference = {"label": "reference", "factor": 1, "shape": [16], "ms_per_step": 5.0, "batch": 30, "errors": None}
    return {
        **of,
        "equation": EQUATION,
        "zero" if is_steady else "persistence": errors(1.0 if is_steady else 0.4),
        "solvers": [reference, *coarse] if solvers else [],
        "data_seconds": 3.1,
    }


def field(num_spatial_dims: int, phase: float, num_channels: int = 2, num_points: int = 16) -> np.ndarray:
    """A wave of shape `(channels, *spatial)`."""
    grid = np.meshgrid(*[np.linspace(0, 1, num_points, endpoint=False)] * num_spatial_dims, indexing="ij")
    wave = sum(np.sin(2 * np.pi * (axis + phase)) for axis in grid)
    return np.stack([wave, 0.5 * wave][:num_channels])


def make_samples(runs: Sequence[Mapping[str, Any]]) -> Any:
    """Fields of every finished run and scenario: predictions are a little late."""
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for record in runs:
        of = record["scenario"]
        dims = of["config"]["num_spatial_dims"]
        late = 0.01 * (record["seed"] + 1)
        if of["kind"] == "steady":
            arrays[of["id"]] = {"truth": field(dims, 0.0), "inputs": field(dims, 0.25, 1)}
            predicted = {"prediction": field(dims, late)}
        else:
            times = np.array(TIMES[dims])
            arrays[of["id"]] = {"truth": np.stack([field(dims, t / 20) for t in times]), "times": times}
            predicted = {"prediction": np.stack([field(dims, t / 20 - late * t / 5) for t in times]), "times": times}
        if record["status"] == "finished" and record.get("errors"):
            arrays[record["id"]] = predicted
    return lambda identity: arrays.get(identity, {})


def results(runs: Sequence[dict[str, Any]], **options: Any) -> Results:
    """All that a report reads."""
    scenarios = {record["scenario"]["id"]: scenario_record(record["scenario"]) for record in runs}
    command = "pdequinox bench run --scenario burgers --arch 'Res;26;8;relu' --seeds 3"
    return Results(runs, scenarios, make_samples(runs), command, 1234.5, **options)


def problem(*runs: dict[str, Any], solvers: bool = True) -> Problem:
    """Runs on one scenario side by side, with its baselines."""
    scenarios = {runs[0]["scenario"]["id"]: scenario_record(runs[0]["scenario"], solvers=solvers)}
    (found,) = make_problems(Results(runs, scenarios, make_samples(runs)))
    return found


def study() -> list[dict[str, Any]]:
    """Every kind of run: evolutions and steady problems in one, two and three dimensions, seeds, failures."""
    burgers = scenario()
    runs = [
        run(burgers, label, error=error * (1 + 0.2 * seed), seed=seed, published=error, ms_per_step=1 + 10 * error)
        for label, error in NETWORKS.items()
        for seed in range(2)
    ]
    runs += [
        run(burgers, "Blow;1", error=None),
        run(burgers, "Dil;2;32;2;relu", status="diverged", num_steps_taken=17),
        run(burgers, "Dil;2;32;2;relu", seed=1, error=0.08),
        run(burgers, HOSTILE, status="failed"),
        run(burgers, "Late", status="missing"),
        empty_run(burgers),
    ]
    others = [scenario("heat-2d", "evolution", 2), scenario("heat-3d", "evolution", 3)]
    others += [scenario(f"poisson-{dims}d", "steady", dims) for dims in (1, 2, 3)]
    runs += [run(other, label, error=3 * error) for other in others for label, error in list(NETWORKS.items())[:2]]
    swept = [scenario(f"sweep-1d:num_points={points}", num_points=points) for points in (8, 16, 32)]
    return runs + [
        run(of, label, error=error / i, num_steps=500)
        for i, of in enumerate(swept, 1)
        for label, error in NETWORKS.items()
    ]
