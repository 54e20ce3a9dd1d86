"""The benchmark from Python, for networks and problems that have no name."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ._extras import require
from ._networks import Network
from ._results import Results, gather
from ._store import Store
from ._study import blocks_of, runs_of
from ._work import work


def compare(
    networks: Mapping[str, Any] | Sequence[Any] | None,
    scenarios: Any,
    *,
    folder: str | os.PathLike = "pdequinox-bench",
    report: bool = True,
    **options: Any,
) -> Results:
    """Train networks on problems, and compare them.

    !!! example
        ```python
        results = compare({"mine": make_net, "FNO": "FNO;12;18;4;gelu"}, "burgers", steps=1000, seeds=2)
        ```

    What is finished in `folder` is not computed again, and what was interrupted goes on, as with
    `pdequinox bench run`. The runs are computed in this process, one after the other.

    **Arguments:**

    - `networks`: Labels and what they stand for: a function
        `make(num_spatial_dims, in_channels, out_channels, *, boundary_mode, key)` (the convention of `arch`) that
        returns a map of one sample, or a text as on the command line. Or a sequence of texts; or `None` for the
        default.
    - `scenarios`: A scenario, its name with options, or a sequence of these.
    - `folder`: Where runs and report are kept.
    - `report`: Whether to write the report.
    - `options`: `steps`, `train`, `batch_size`, `task`, `coarse`, `mode`, `seeds`, `match_parameters`, `vary`, as in a
        study's file.

    **Returns:** The records of the runs and of the scenarios, with `results.tables()` to look at.

    **Raises:** `ValueError` for what does not fit together, `ImportError` without the extra `bench`. A training that
    fails is a result: see `status` and `reason` in its record.
    """
    require("diffrax", "exponax", "filelock", "safetensors", "scipy")
    if isinstance(networks, Mapping):
        networks = [_labelled(label, made) for label, made in networks.items()]
    is_several = isinstance(scenarios, Sequence) and not isinstance(scenarios, str)
    runs = runs_of(blocks_of(scenarios if is_several else [scenarios], networks, **options))
    store = Store(Path(folder))
    start = time.perf_counter()
    work(runs, store)
    results = gather(store, runs, command="pdequinox.bench.compare(...)", seconds=time.perf_counter() - start)
    if report:
        from ._report import write_report

        require("matplotlib")
        write_report(results, store.root)
    return results


def _labelled(label: str, made: str | Mapping[str, Any] | Callable[..., Any]) -> Network:
    if callable(made):
        return Network.of(label, made)
    if isinstance(made, str):
        return Network.parse({"label": label, "name": made})
    return Network.parse({"label": label, **made})
