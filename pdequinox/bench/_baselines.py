"""What a learner must beat: nothing happening, and solvers that are cheaper than the reference."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._measures import judge_rollouts, judge_solutions
from ._run import snapshots, timed_calls
from ._store import Store, identity_of
from .scenarios import Evolution, Pairs, Scenario, Steady, Trajectories

FACTORS = (1, 2, 4, 8)
"""By how much the grids of the solvers are coarser; 1 is the reference itself."""
LEAST_POINTS = 8
"""Of an axis of a coarse grid."""


def describe_scenario(scenario: Scenario, data: Trajectories | Pairs, store: Store) -> None:
    """Write down what a scenario is, and how well it is predicted without learning.

    Left alone if that is done, or if another process is at it.
    """
    config = scenario.config
    identity = identity_of(config)
    with store.claim("scenarios", identity) as folder:
        if folder is None or store.result("scenarios", identity) is not None:
            return
        samples = {}
        try:
            found, samples = _without_learning(scenario, data)
            found["status"] = "finished"
        except Exception as error:  # no reason to know nothing of the networks
            found = {"status": "failed", "reason": f"{type(error).__name__}: {error}", "solvers": []}
        record = {
            "id": identity,
            "label": scenario.label,
            "kind": "evolution" if isinstance(scenario, Evolution) else "steady",
            "equation": type(scenario).__doc__,
            "config": config,
            **found,
        }
        store.finish(folder, record, samples)


def _without_learning(scenario: Scenario, data: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    if isinstance(scenario, Evolution):
        target = jnp.swapaxes(data.test, 0, 1)
        still = jnp.broadcast_to(target[0], target[1:].shape)
        found = {"persistence": judge_rollouts(still, target[1:], scenario), "solvers": []}
        samples = snapshots(target[:, 0], "truth")
    else:
        found = {"zero": judge_solutions(jnp.zeros_like(data.test_targets), data.test_targets, scenario), "solvers": []}
        samples = {"truth": np.asarray(data.test_targets[0]), "inputs": np.asarray(data.test_inputs[0])}
    judge: Any = _judge_stepper if isinstance(scenario, Evolution) else _judge_solver
    for factor in FACTORS if scenario.has_solver else ():
        shape = scenario.coarse_shape(factor)
        if factor > 1 and not (scenario.has_coarse_grids and min(shape) >= LEAST_POINTS):
            continue
        label = "reference" if factor == 1 else f"{'×'.join(map(str, shape))} points"
        what = {"label": label, "factor": factor, "shape": list(shape)}
        found["solvers"].append(what | judge(scenario, data, factor))
    return found, samples


def _judge_stepper(scenario: Evolution, data: Trajectories, factor: int) -> dict[str, Any]:
    """Of the reference, which made the data, the time alone."""
    target = jnp.swapaxes(data.test, 0, 1)
    stepper = scenario.coarse_stepper(factor=factor)
    states, cost = timed_calls(stepper, target[0], min(20, len(target) - 1) if factor == 1 else len(target) - 1)
    errors = None if factor == 1 else judge_rollouts(jnp.stack(states[1:]), target[1:], scenario)
    return {**cost, "errors": errors}


def _judge_solver(scenario: Steady, data: Pairs, factor: int) -> dict[str, Any]:
    inputs = np.asarray(data.test_inputs)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        outputs = jax.block_until_ready(scenario.coarse_solution(inputs, factor))
        seconds.append(time.perf_counter() - start)
    errors = None if factor == 1 else judge_solutions(jnp.asarray(outputs), data.test_targets, scenario)
    return {"ms_per_step": 1e3 * float(np.median(seconds)), "batch": len(inputs), "errors": errors}
