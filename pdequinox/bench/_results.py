"""What a study has found so far, as plain records."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._published import published_error
from ._run import Run
from ._store import Store

if TYPE_CHECKING:
    from ._tables import Table


@dataclasses.dataclass(frozen=True)
class Results:
    """The input of every table and report: nothing else is read, and nothing is computed anew."""

    runs: Sequence[dict[str, Any]]
    """One record per run, in the order in which they were asked for."""
    scenarios: Mapping[str, dict[str, Any]]
    """By identity: equation, baselines, solvers."""
    samples: Callable[[str], dict[str, np.ndarray]]
    """Fields of one test sample, by the identity of a run (`prediction`) or a scenario (`truth`, `inputs`); with
    `times`, the steps, where it evolves. Empty if there are none."""
    command: str = ""
    """By which the study was started."""
    seconds: float = 0.0

    def tables(self) -> "list[Table]":
        """What the command line prints."""
        from ._result_tables import make_tables

        return make_tables(self)


def gather(store: Store, runs: Sequence[Run] | None = None, *, command: str = "", seconds: float = 0.0) -> Results:
    """What there is in a folder.

    **Arguments:**

    - `store`: The folder.
    - `runs`: Those that were asked for: what is not finished has the status `"missing"`. `None` for all that are
        finished, whoever asked for them.
    - `command`, `seconds`: How it was started, and how long it took.
    """
    if runs is None:
        found = [store.result("runs", identity) for identity in store.identities("runs")]
        records: list[dict[str, Any]] = [
            record | {"published": published_error(record)} for record in found if record is not None
        ]
    else:
        records = [_record(store, run) for run in runs]
    identities = dict.fromkeys(record["scenario"]["id"] for record in records)
    scenarios = {identity: store.result("scenarios", identity) for identity in identities}

    def samples(identity: str) -> dict[str, np.ndarray]:
        return store.samples("scenarios" if identity in identities else "runs", identity)

    known = {identity: record for identity, record in scenarios.items() if record is not None}
    return Results(records, known, samples, command, seconds)


def _record(store: Store, run: Run) -> dict[str, Any]:
    """Of a run, under the label that it has now."""
    record = run.record()
    found = store.result("runs", run.identity) or {"status": "missing", "reason": "not computed yet"}
    return {**found, **record, "published": published_error(record)}
