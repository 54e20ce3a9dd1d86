"""The command `pdequinox`: the main job, the table of networks, and their speed."""

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ._burgers import Burgers
from ._experiment import FULL_STEPS, Experiment
from ._extras import require
from ._job import Results, run, version_of
from ._networks import Contender, canonical
from ._poisson import Poisson
from ._speed_cli import INTERRUPTED, LOG_WIDTH, add_speed_parser, run_speed
from ._zoo import DEFAULT_POINTS, presets_table, zoo, zoo_of_presets, zoo_table

if TYPE_CHECKING:
    from rich.console import Console


def main(argv: Sequence[str] | None = None, *, experiments: Sequence[Experiment] | None = None) -> int:
    """Run the command line.

    **Arguments:**

    - `argv`: The arguments, `sys.argv[1:]` by default.
    - `experiments`: What `pdequinox bench` runs; Burgers and Poisson in full size by default.

    **Returns:** The exit status: 0, or 130 after Ctrl-C.

    **Raises:** `SystemExit` for arguments that are refused (status 2), `ImportError` without the extra `bench`.
    """
    experiments = (Burgers(), Poisson()) if experiments is None else tuple(experiments)
    parser = make_parser(experiments)
    arguments = parser.parse_args(argv)
    if arguments.command == "zoo":
        return show_zoo(arguments.dims, arguments.points, arguments.pattern)
    if arguments.command == "speed":
        try:
            return run_speed(arguments, argv)
        except ValueError as error:
            parser.error(str(error))
    require("exponax", "matplotlib", "rich", "scipy")
    try:
        experiments = select_contenders(experiments, arguments.arch)
        check_folder(arguments.out)
    except ValueError as error:
        parser.error(str(error))
    if arguments.steps is not None:
        experiments = [dataclasses.replace(experiment, num_steps=arguments.steps) for experiment in experiments]
    return run_bench(experiments, seed=arguments.seed, folder=arguments.out)


def make_parser(experiments: Sequence[Experiment]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pdequinox", description="Neural PDE architectures, compared.")
    parser.add_argument("--version", action="version", version=f"pdequinox {version_of('pdequinox')}")
    commands = parser.add_subparsers(dest="command", required=True)
    steps = ", ".join(f"{experiment.num_steps} for {experiment.key}" for experiment in experiments)
    bench = commands.add_parser(
        "bench",
        help="train and compare networks on 1D Burgers and 2D Poisson",
        description="Train neural emulators of two PDEs, compare them in tables, and write a report with pictures.",
    )
    bench.add_argument(
        "--steps",
        type=positive_integer,
        metavar="N",
        help=f"training steps per network (default: {steps}; published values: {FULL_STEPS})",
    )
    bench.add_argument(
        "--seed",
        type=seed_number,
        default=0,
        metavar="S",
        help="seed of the initial parameters and of the order of the batches (default: 0; data have fixed seeds)",
    )
    bench.add_argument(
        "--out",
        type=Path,
        default=Path("pdequinox-bench"),
        metavar="DIR",
        help="folder for results.json, report.md and the pictures (default: ./pdequinox-bench)",
    )
    bench.add_argument(
        "--arch",
        action="append",
        metavar="NAME[,NAME]",
        help=f"only these networks: {', '.join(names_of(experiments))}; or one in APEBench's notation for Burgers, "
        "such as 'MoRes;26;8;relu'. May be repeated",
    )
    table = commands.add_parser(
        "zoo",
        help="list all architectures and presets with parameters, receptive field and FLOPs",
        description="List all architectures with their default options, one channel in and out, and all presets with "
        "the dimensions and channels that they were published with.",
    )
    table.add_argument("pattern", nargs="?", default="", help="only those whose name contains this, such as 'unet'")
    table.add_argument(
        "--dims", type=int, choices=tuple(DEFAULT_POINTS), default=1, help="spatial dimensions (default: 1)"
    )
    table.add_argument(
        "--points",
        type=positive_integer,
        metavar="N",
        help=f"grid points per axis (default: {', '.join(f'{n} in {dims}D' for dims, n in DEFAULT_POINTS.items())})",
    )
    add_speed_parser(commands, positive_integer)
    return parser


def positive_integer(text: str) -> int:
    return integer(text, 1, 10**9)


def seed_number(text: str) -> int:
    return integer(text, 0, 2**32 - 1)


def integer(text: str, least: int, most: int) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not (is_number and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(
            f"must be an integer from {least} to {most}, got {text[:40]!r}. Write it in digits, such as 1000."
        )
    return int(text)


def names_of(experiments: Sequence[Experiment]) -> list[str]:
    return [contender.name for experiment in experiments for contender in experiment.contenders]


def select_contenders(experiments: Sequence[Experiment], arch: Sequence[str] | None) -> list[Experiment]:
    """The experiments with the contenders that `--arch` names; those without any are left out."""
    if arch is None:
        return list(experiments)
    names = [name.strip() for entry in arch for name in entry.split(",")]
    names = [canonical(name) if ";" in name else name for name in names]
    known = {name.lower() for name in names_of(experiments)}
    for name in names:
        if ";" not in name and name.lower() not in known:
            raise ValueError(
                f"`--arch` must be among {', '.join(names_of(experiments))}, got {name!r}. "
                "Or write a network for Burgers as APEBench does: 'MoRes;26;8;relu'."
            )
    asked = [name.lower() for name in names]
    selected = []
    for experiment in experiments:
        contenders = {c.name: c for c in experiment.contenders if c.name.lower() in asked}
        if isinstance(experiment, Burgers):
            tabled = {c.description: c for c in experiment.contenders}
            custom = [tabled.get(name, Contender(name, name)) for name in names if ";" in name]
            contenders |= {contender.name: contender for contender in custom}
        selected.append(dataclasses.replace(experiment, contenders=tuple(contenders.values())))
    return [experiment for experiment in selected if experiment.contenders]


def check_folder(folder: Path) -> None:
    """Refuse an output folder before the work that it is for."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"`--out` must be a folder that can be written to, got {str(folder)!r} ({error.strerror}). "
            "Give another one."
        ) from error


def run_bench(experiments: Sequence[Experiment], *, seed: int, folder: Path) -> int:
    """Run the experiments under a progress bar, print the tables, write the files."""
    from rich.console import Console

    from ._report import make_remarks, make_tables, write_report

    console = Console() if sys.stdout.isatty() else Console(width=LOG_WIDTH)
    results = run_with_progress(experiments, seed=seed, console=console)
    for table in make_tables(results):
        console.print(table.to_rich())
        for note in table.notes:
            console.print(note, style="dim", highlight=False)
        console.print()
    for remark in make_remarks(results):
        console.print(remark, highlight=False)
    if results.is_empty:
        console.print("No network was finished; nothing was written.")
    else:
        files = write_report(results, folder)
        console.print(f"Wrote {', '.join(files)} to {folder.resolve()}", highlight=False)
    if isinstance(results.stopped_by, KeyboardInterrupt):
        return INTERRUPTED
    if results.stopped_by is not None:
        raise results.stopped_by
    return 0


def run_with_progress(experiments: Sequence[Experiment], *, seed: int, console: "Console") -> Results:
    """One bar per network."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, console=console) as progress:
        tasks = {
            (experiment.key, contender.name): progress.add_task(
                f"{experiment.key} {contender.name}", total=1.0, start=False, state="waiting"
            )
            for experiment in experiments
            for contender in experiment.contenders
        }

        def report(experiment: Experiment, contender: Contender, state: str, done: float) -> None:
            task = tasks[experiment.key, contender.name]
            progress.start_task(task)
            progress.update(task, completed=done, state=state)

        return run(experiments, seed=seed, report=report)


def show_zoo(num_spatial_dims: int, num_points: int | None, pattern: str) -> int:
    """Print the tables of networks and presets."""
    require("rich")
    from rich.console import Console

    console = Console()
    points = DEFAULT_POINTS[num_spatial_dims] if num_points is None else num_points
    tables = (
        zoo_table(zoo(num_spatial_dims, points, pattern=pattern), num_spatial_dims, points),
        presets_table(zoo_of_presets(num_points, pattern=pattern)),
    )
    shown = [table for table in tables if table.rows]
    for table in shown:
        console.print(table.to_rich())
    for note in shown[-1].notes if shown else (f"No network has {pattern!r} in its name.",):
        console.print(note, style="dim", highlight=False)
    return 0
