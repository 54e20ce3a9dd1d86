"""What must be said about a study as a whole, before its numbers are believed."""

from collections.abc import Sequence
from typing import Any

from ._aggregate import Problem, make_problems
from ._problem_sheet import overlap_of_best
from ._protocol import FULL_STEPS
from ._results import Results
from ._tables import shortened

MOST_NAMED = 6


def make_remarks(results: Results) -> list[str]:
    """Short budgets, one seed alone, runs without a result, networks that cannot be told apart."""
    problems = make_problems(results)
    remarks = [*_unfinished(results.runs), *_short_budget(results.runs)]
    remarks += [
        f"There is nothing to compare with on {scenario['label']}: {scenario['reason']}"
        for scenario in results.scenarios.values()
        if scenario.get("reason")
    ]
    if any(run["status"] == "finished" for run in results.runs) and all(
        len(row.runs) < 2 for problem in problems for row in problem.rows
    ):
        remarks.append("One seed per network: how much of a difference is chance is not known. Add `--seeds 3`.")
    overlaps = [problem.scenario["label"] for problem in problems if overlap_of_best(problem)]
    if overlaps:
        remarks.append(f"The ranges of the first two overlap on {named(overlaps)}: do not rank them there.")
    return [*remarks, *_without_use(problems)]


def _unfinished(runs: Sequence[dict[str, Any]]) -> list[str]:
    remarks = []
    for status, words in (("missing", "Missing"), ("failed", "Failed"), ("diverged", "Diverged in training")):
        found = [run for run in runs if run["status"] == status]
        if found:
            labels = dict.fromkeys(f"{run['network']['label']} on {run['scenario']['label']}" for run in found)
            remarks.append(f"{words}: {len(found)} of {len(runs)} runs: {named(list(labels))}.")
    return remarks


def _short_budget(runs: Sequence[dict[str, Any]]) -> list[str]:
    """With what the full budget would cost at the pace that was measured."""
    short = [run for run in runs if run["training"].get("num_steps", FULL_STEPS) < FULL_STEPS]
    if not short:
        return []
    budgets = sorted({run["training"]["num_steps"] for run in short})
    paces = [run.get("ms_per_training_step") for run in short]
    minutes = sum(pace or 0 for pace in paces) * FULL_STEPS / 60e3
    cost = f": about {minutes:,.0f} minutes of one process at the pace of these runs" if all(paces) else ""
    steps = " and ".join(f"{steps:,}" for steps in budgets)
    return [
        f"This is a short training budget: {steps} instead of {FULL_STEPS:,} steps. All networks are under-trained, "
        f"those with group norms most: do not rank networks by it. The full budget is `--steps {FULL_STEPS}`{cost}."
    ]


def _without_use(problems: Sequence[Problem]) -> list[str]:
    """Networks that lose to no learning, and to a solver that costs as much."""
    rows = [(problem, row) for problem in problems for row in problem.ranked]
    by_baseline = sum(problem.loses_to_baseline(row) for problem, row in rows)
    by_solver = sum(problem.loses_to_solver(row) for problem, row in rows)
    remarks = []
    if by_baseline:
        remarks.append(f"{by_baseline} of {len(rows)} results (†) are no better than no learning at all.")
    if by_solver:
        remarks.append(
            f"{by_solver} of {len(rows)} results (‡) are no better than a solver that costs at most as much on this "
            "machine."
        )
    return remarks


def named(labels: Sequence[str]) -> str:
    """A list of names, not all of them if they are many, and each no longer than a line."""
    more = len(labels) - MOST_NAMED
    return ", ".join(shortened(label, 80) for label in labels[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def circumstances(results: Results) -> list[str]:
    """How long it took, and versions and hardware, each environment once."""
    seeds = sorted({run["seed"] for run in results.runs})
    trained = sum(run.get("training_seconds") or 0.0 for run in results.runs)
    lines = [
        f"{len(results.runs)} runs from seeds {', '.join(map(str, seeds))}; {_duration(trained)} of training, "
        f"{_duration(results.seconds)} for the last command."
    ]
    environments: dict[str, int] = {}
    for run in results.runs:
        if run.get("environment"):
            text = _environment_text(run["environment"])
            environments[text] = environments.get(text, 0) + 1
    if len(environments) > 1:
        lines.append("The runs are from different environments: their times are not comparable.")
        return lines + [f"{count} runs: {text}" for text, count in environments.items()]
    return lines + list(environments)


def _environment_text(environment: dict[str, Any]) -> str:
    known = {name: version for name, version in (environment.get("versions") or {}).items() if version}
    versions = ", ".join(f"{name} {version}" for name, version in known.items())
    devices = ", ".join(map(str, environment.get("devices") or ()))
    return (
        f"{environment.get('cpus')} CPUs ({devices}; {environment.get('platform')}), "
        f"Python {environment.get('python')}, {versions}."
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
