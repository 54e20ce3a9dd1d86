"""Which runs there are: products of scenarios, networks, protocols and seeds; presets; files."""

import dataclasses
import itertools
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._checks import check_integer
from ._match import count, match_parameters
from ._networks import Network
from ._options import bind_options
from ._protocol import Task, Training
from ._run import Run
from .scenarios import Scenario, make_scenario

APEBENCH_1D = ("Conv;34;10;relu", "Res;26;8;relu", "UNet;12;2;relu", "Dil;2;32;2;relu", "FNO;12;18;4;gelu")
"""The networks that APEBench compares in one dimension, of about 30,000 parameters each."""
DEFAULT_PARAMETERS = 30_000


@dataclasses.dataclass(frozen=True)
class Block:
    """All combinations of these."""

    scenarios: Sequence[Scenario]
    networks: Sequence[Network]
    trainings: Sequence[Training] = (Training(),)
    tasks: Sequence[Task] = (Task(),)
    seeds: Sequence[int] = (0,)
    num_parameters: int | None = None
    """To which the widths of the networks are scaled."""

    def runs(self) -> list[Run]:
        """Seed by seed, so that a first answer is there early."""
        networks = {
            (i, j): self._matched(network, scenario)
            for i, scenario in enumerate(self.scenarios)
            for j, network in enumerate(self.networks)
        }
        places = itertools.product(range(len(self.scenarios)), self.tasks, self.trainings, range(len(self.networks)))
        return [
            Run(self.scenarios[i], networks[i, j], task, training, seed)
            for seed, (i, task, training, j) in itertools.product(self.seeds, places)
        ]

    def _matched(self, network: Network, scenario: Scenario) -> Network:
        if self.num_parameters is None:
            return network
        setting = scenario.num_spatial_dims, scenario.in_channels, scenario.out_channels
        where = setting, scenario.shape, scenario.boundary_mode
        try:
            count(network, *where)
        except ValueError:
            return network  # cannot be built, as its run will say
        return match_parameters(network, self.num_parameters, *where)


def runs_of(blocks: Sequence[Block]) -> list[Run]:
    """The runs of all blocks, each once."""
    runs = [run for block in blocks for run in block.runs()]
    return list({run.identity: run for run in runs}.values())


def default_networks(scenario: Scenario) -> tuple[list[Network], int | None]:
    """APEBench's five, with their kind for a label; beyond one dimension scaled to the size that they have there.

    The FNO has fewer modes then, or there were no parameters left for its channels.
    """
    texts = {text.partition(";")[0]: text for text in APEBENCH_1D}
    num_dims = scenario.num_spatial_dims
    texts["FNO"] = texts["FNO"].replace(";12;", f";{(12, 5, 3)[num_dims - 1]};")
    networks = [Network.parse({"label": label, "name": text}) for label, text in texts.items()]
    return networks, None if num_dims == 1 else DEFAULT_PARAMETERS


_KEYS = (
    "scenarios",
    "networks",
    "steps",
    "train",
    "batch_size",
    "task",
    "coarse",
    "mode",
    "seeds",
    "match_parameters",
    "vary",
)


def read_study(path: Path) -> list[Block]:
    """A TOML file of `[[study]]` tables, each one block.

    ```toml
    [[study]]
    scenarios = ["burgers", { name = "advection", advection_gamma = 10.5 }]
    networks = ["Res;26;8;relu", { name = "ClassicFNO", hidden_channels = 18, label = "FNO" }]
    steps = 2000
    seeds = 2
    ```

    The keys are the options of `pdequinox bench run`: `scenarios`, `networks`, `steps`, `train`, `batch_size`, `task`,
    `coarse`, `mode`, `seeds`, `match_parameters`, and `vary`, a table of a scenario's field and its values.

    **Raises:** `ValueError` that names the file and the key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"`study` must be a TOML file, got {str(path)!r} ({error}). Correct it.") from error
    tables = content.get("study")
    if not isinstance(tables, list) or not tables or set(content) != {"study"}:
        raise ValueError(
            f"`study` must be a file of [[study]] tables, got {', '.join(content) or 'nothing'} in {str(path)!r}. "
            "Begin with [[study]]."
        )
    blocks = []
    for number, table in enumerate(tables, start=1):
        try:
            blocks += blocks_of(**_checked(table))
        except ValueError as error:
            raise ValueError(f"Table {number} of {str(path)!r}: {error}") from error
    return blocks


def _checked(table: Mapping[str, Any]) -> dict[str, Any]:
    for key in table:
        if key not in _KEYS:
            raise ValueError(f"`{key}` must be one of {', '.join(_KEYS)}. Check the spelling.")
    return dict(table)


def blocks_of(
    scenarios: Any = None,
    networks: Any = None,
    *,
    steps: Any = None,
    train: Any = "one-step",
    batch_size: Any = 20,
    task: Any = "predict",
    coarse: Any = None,
    mode: Any = "sequential",
    seeds: Any = 1,
    match_parameters: Any = None,
    vary: Any = None,
) -> list[Block]:
    """Blocks from what a user writes, on the command line or in a file: one per scenario.

    **Arguments:**

    - `scenarios`: Names with options, such as `"burgers-2d:num_points=64"`, mappings with a `name`, or scenarios.
    - `networks`: As [`pdequinox.bench.Network.parse`][] reads them; APEBench's five by default.
    - `steps`: The number of training steps, 10,000 by default.
    - `train`: The method, or several: `"one-step"`, `"unrolled-5"`, `"pushforward-5"`.
    - `batch_size`: Of the training.
    - `task`: `"predict"` or `"correct"`.
    - `coarse`: For `"correct"`, the coarse solver: `"proportion=0.5"`, `"factor=2"`, or both.
    - `mode`: For `"correct"`, how solver and network are combined.
    - `seeds`: How many, from 0; or which.
    - `match_parameters`: The number of parameters to which all networks are scaled.
    - `vary`: A field of the scenarios and the values that it takes, such as `{"num_train_samples": [10, 20, 50]}`.

    **Raises:** `ValueError` that names the argument.
    """
    for name, value in (("scenarios", scenarios), ("networks", networks)):
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        if not is_list and (name == "scenarios" or value is not None):
            raise ValueError(f"`{name}` must be a list of {name}, got {value!r}. Put it in brackets.")
    if isinstance(seeds, int):
        seeds = range(check_integer("seeds", seeds))
    if match_parameters is not None:
        check_integer("match_parameters", match_parameters)
    training = {} if steps is None else {"num_steps": steps}
    methods = (train,) if isinstance(train, str) else train
    trainings = [Training(method=method, batch_size=batch_size, **training) for method in methods]
    for name, value, default in (("coarse", coarse, None), ("mode", mode, "sequential")):
        if task != "correct" and value != default:
            raise ValueError(f"`{name}` must be left out unless `task` is 'correct', got {value!r}. Add `task`.")
    tasks = [Task(task, mode=mode, **_coarse(coarse)) if task == "correct" else Task(task)]
    blocks = []
    for written in scenarios:
        varied = _varied(written, vary or {})
        chosen, size = default_networks(varied[0]) if networks is None else ([*map(Network.parse, networks)], None)
        blocks.append(Block(varied, chosen, trainings, tasks, tuple(seeds), match_parameters or size))
    return blocks


def _coarse(written: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """The options of a coarse solver."""
    from ._options import parse_options

    options = parse_options(f"coarse:{written}")[1] if isinstance(written, str) else dict(written or {})
    for name in options:
        if name not in ("proportion", "factor"):
            raise ValueError(f"`coarse` must have the options proportion and factor, got {name!r}. Check the spelling.")
    return options


def _varied(written: Any, vary: Mapping[str, Sequence[Any]]) -> list[Scenario]:
    """A scenario with all combinations of the values of its options."""
    changes = [dict(zip(vary, values, strict=True)) for values in itertools.product(*vary.values())]
    if not isinstance(written, Scenario):
        written = make_scenario(written).written
        return [make_scenario({**written, **change}) for change in changes]
    bind_options(type(written), vary, f"`vary` of {written.name}")
    return [dataclasses.replace(written, **change) for change in changes]
