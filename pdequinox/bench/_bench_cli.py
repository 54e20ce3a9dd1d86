"""The command `pdequinox bench`: run studies, list what there is, write reports, compare two runs."""

import argparse
import contextlib
import os
import shlex
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._extras import require
from ._networks import Network
from ._options import parse_options, split_list
from ._plugins import execute_plugins
from ._presets import PRESETS
from ._run import Run
from ._store import Store
from ._study import Block, blocks_of, read_study, runs_of
from ._tables import Table

if TYPE_CHECKING:
    from rich.console import Console

ACTIONS = ("run", "list", "report", "compare")
INTERRUPTED = 130
LOG_WIDTH = 120
DEFAULT_FOLDER = Path("pdequinox-bench")


def with_action(argv: Sequence[str]) -> list[str]:
    """`pdequinox bench --steps 100` is `pdequinox bench run --steps 100`."""
    if list(argv[:1]) != ["bench"] or (argv[1:] and argv[1] in (*ACTIONS, "-h", "--help")):
        return list(argv)
    return ["bench", "run", *argv[1:]]


def add_bench_parser(
    commands: Any, positive_integer: Callable[[str], int], seed_number: Callable[[str], int]
) -> argparse.ArgumentParser:
    """The options of `bench`, under those of the program."""
    bench = commands.add_parser(
        "bench",
        help="train networks on PDEs, and compare them",
        description="Train networks on PDEs and compare them. Without an action: run.",
    )
    actions = bench.add_subparsers(dest="action", required=True)
    run = actions.add_parser(
        "run",
        help="train and compare (the default)",
        description="Train all networks on all scenarios from all seeds, compare them in tables, and write a report. "
        "What is finished in the folder is not computed again; what was interrupted goes on.",
    )
    group = run.add_argument_group("what is compared")
    presets = "; ".join(f"{name}: {text}" for name, (text, _) in PRESETS.items())
    group.add_argument("--preset", choices=tuple(PRESETS), help=f"a study by name (default: quick). {presets}")
    group.add_argument("--study", type=Path, metavar="FILE", help="a study in a TOML file of [[study]] tables")
    group.add_argument(
        "--scenario",
        action="append",
        metavar="NAME[:OPTION=VALUE,...]",
        help="a problem, such as burgers, bounded-heat-2d:num_points=48 or arrays:path=data.npz,boundary_mode=neumann. "
        "May be repeated. `pdequinox bench list` shows all",
    )
    group.add_argument(
        "--arch",
        action="append",
        metavar="NAME[:OPTION=VALUE,...][,NAME...]",
        help="networks: of the zoo (ClassicUNet:hidden_channels=12), a preset (pdearena/Unetmod-64), in APEBench's "
        "notation ('Res;26;8;relu'), with a label in front (mine=ClassicFNO:num_modes=8). May be repeated "
        "(default: APEBench's five)",
    )
    group.add_argument(
        "--match-parameters",
        type=positive_integer,
        metavar="N",
        help="scale the width of every network to about N parameters",
    )
    group.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="FIELD=[VALUE,...]",
        help="a field of the scenarios and the values that it takes, such as num_train_samples=[10,20,50] or "
        "num_points=[64,128]. May be repeated",
    )
    group = run.add_argument_group("training")
    group.add_argument("--steps", type=positive_integer, metavar="N", help="training steps (default: 10000)")
    seeds = group.add_mutually_exclusive_group()
    seeds.add_argument(
        "--seeds", type=positive_integer, metavar="K", help="train from K seeds, 0 to K - 1 (default: 1)"
    )
    seeds.add_argument("--seed", type=seed_number, action="append", metavar="S", help="this seed. May be repeated")
    group.add_argument(
        "--train",
        action="append",
        metavar="METHOD",
        help="one-step, unrolled-K or pushforward-K (default: one-step). May be repeated",
    )
    group.add_argument("--batch-size", type=positive_integer, metavar="B", help="samples per step (default: 20)")
    group.add_argument("--task", choices=("predict", "correct"), help="default: predict")
    group.add_argument(
        "--coarse",
        metavar="OPTION=VALUE",
        help="for --task correct, the solver to correct: proportion=0.5 (of the step) or factor=2 (a coarser grid)",
    )
    group.add_argument(
        "--mode",
        choices=("sequential", "parallel", "sequential_with_bypass"),
        help="for --task correct, how solver and network are combined (default: sequential)",
    )
    group = run.add_argument_group("how it is run")
    group.add_argument(
        "--out",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="DIR",
        help=f"folder for runs and report (default: ./{DEFAULT_FOLDER}). Several commands may share it",
    )
    group.add_argument(
        "--jobs", type=positive_integer, metavar="J", help="processes (default: one per CPU core; one on accelerators)"
    )
    group.add_argument("--retry-failed", action="store_true", help="try again what failed before")
    group.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="FILE",
        help="a Python file that is executed first, with scenarios of your own. May be repeated",
    )
    listing = actions.add_parser("list", help="list scenarios and presets", description="List what can be compared.")
    listing.add_argument("pattern", nargs="?", default="", help="only scenarios with this in their name, with options")
    listing.add_argument("--plugin", action="append", default=[], metavar="FILE", help="as for run")
    report = actions.add_parser(
        "report", help="write the report of a folder anew", description="Write the report of all runs of a folder."
    )
    report.add_argument("folder", type=Path, nargs="?", default=DEFAULT_FOLDER, metavar="DIR")
    compare = actions.add_parser(
        "compare", help="two runs side by side", description="What differs between two runs, and their results."
    )
    compare.add_argument("runs", nargs=2, metavar="RUN", help="a run's folder, or the beginning of its name in --out")
    compare.add_argument("--out", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="folder of the runs")
    return bench


def run_bench_command(arguments: argparse.Namespace, argv: Sequence[str]) -> int:
    """Carry out what the parser has read.

    **Raises:** `ValueError` for arguments that do not fit together.
    """
    require("diffrax", "exponax", "filelock", "matplotlib", "rich", "safetensors", "scipy")
    if arguments.action == "list":
        return show_scenarios(arguments.pattern, arguments.plugin)
    if arguments.action == "report":
        return write_again(arguments.folder)
    if arguments.action == "compare":
        first, second = arguments.runs
        return show_comparison(first, second, arguments.out)
    execute_plugins(arguments.plugin)
    runs = runs_of(blocks_from(arguments))
    check_folder(arguments.out)
    return run_study(
        runs,
        arguments.out,
        command=shlex.join(["pdequinox", *argv]),
        num_jobs=arguments.jobs,
        plugins=arguments.plugin,
        retry_failed=arguments.retry_failed,
    )


def blocks_from(arguments: argparse.Namespace) -> list[Block]:
    """The blocks that the options of `run` describe."""
    chosen = [name for name in ("preset", "study", "scenario") if getattr(arguments, name) is not None]
    if len(chosen) > 1:
        raise ValueError(f"`--{chosen[0]}` must stand alone, got `--{chosen[1]}` too. Leave one of them out.")
    seeds = arguments.seed or arguments.seeds
    if chosen == ["scenario"]:
        networks = None
        if arguments.arch is not None:
            networks = [text for entry in arguments.arch for text in split_list(entry, starts=Network.is_labelled)]
        options = {
            "steps": arguments.steps,
            "train": arguments.train,
            "batch_size": arguments.batch_size,
            "task": arguments.task,
            "coarse": arguments.coarse,
            "mode": arguments.mode,
            "seeds": seeds,
            "match_parameters": arguments.match_parameters,
            "vary": variation(arguments.vary) or None,
        }
        return blocks_of(arguments.scenario, networks, **{k: v for k, v in options.items() if v is not None})
    others = ("arch", "match_parameters", "train", "batch_size", "task", "coarse", "mode", "vary")
    given = [name for name in others if getattr(arguments, name)]
    if chosen == ["study"]:
        given += [name for name in ("steps", "seeds", "seed") if getattr(arguments, name)]
    if given:
        name = given[0].replace("_", "-")
        raise ValueError(f"`--{name}` must go with `--scenario`, got none. Add `--scenario burgers`, say.")
    if chosen == ["study"]:
        return read_study(arguments.study)
    if arguments.seed:
        raise ValueError("`--seed` must go with `--scenario`, got a preset. Use `--seeds`.")
    _, blocks = PRESETS[arguments.preset or "quick"]
    return blocks(arguments.steps, arguments.seeds)


def variation(texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Fields and their values, as in `num_points=[64,128]`."""
    found: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        for name, values in parse_options(f"vary:{text}")[1].items():
            if not isinstance(values, tuple) or not values or name in found:
                raise ValueError(
                    f"`--vary` must have the form FIELD=[VALUE,...], once for each field, got {text!r}. Put all values "
                    "in one pair of brackets."
                )
            found[name] = values
    return found


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


def run_study(
    runs: Sequence[Run],
    folder: Path,
    *,
    command: str,
    num_jobs: int | None = None,
    plugins: Sequence[str] = (),
    retry_failed: bool = False,
) -> int:
    """Do what is not done yet, under a progress bar; print the tables, write the report."""
    import jax

    from ._stopwatch import one_core
    from ._watch import watching
    from ._work import use_compilation_cache, work, work_in_processes

    store, console = Store(folder), make_console()
    if retry_failed:
        store.forget_failures()
    num_open = sum(store.result("runs", run.identity) is None for run in runs)
    in_this_process = num_jobs == 1 or jax.default_backend() != "cpu"
    num_jobs = max(1, min(num_jobs or default_jobs(), num_open))
    console.print(f"{len(runs)} runs, {num_open} to do, in {folder.resolve()}", highlight=False, markup=False)
    status = 0
    start = time.perf_counter()
    try:
        with ended_by_sigterm(), watching(runs, store, num_jobs, console) as watch:
            if not num_open:
                pass
            elif in_this_process:
                use_compilation_cache()
                with one_core() if jax.default_backend() == "cpu" else contextlib.nullcontext():
                    work(runs, store, watch.say)
                watch.look()
            else:
                failures = work_in_processes(runs, store, num_jobs, plugins, watch.look)
                if failures:
                    console.print(f"{len(failures)} processes ended early; their logs are in the folder.")
                    status = 1
    except KeyboardInterrupt:
        console.print("Stopped. The same command goes on from here.")
        status = INTERRUPTED
    show_and_write(store, runs, command=command, seconds=time.perf_counter() - start, console=console)
    return status


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def default_jobs() -> int:
    """As many as there are cores; one where an accelerator does the work."""
    import jax

    if jax.default_backend() != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def show_and_write(
    store: Store, runs: Sequence[Run] | None, *, command: str, seconds: float, console: "Console"
) -> None:
    """Tables on the terminal, and the report's files."""
    from ._report import make_remarks, make_tables, write_report
    from ._results import gather

    results = gather(store, runs, command=command, seconds=seconds)
    for table in make_tables(results):
        show_table(table, console)
        console.print()
    for remark in make_remarks(results):
        console.print(remark, highlight=False, markup=False)
    if any(run["status"] == "finished" for run in results.runs):
        files = write_report(results, store.root)
        page = (store.root / "report.html").resolve()
        console.print(f"Wrote {page} and {len(files) - 1} files beside it.", highlight=False, markup=False)
    else:
        console.print("No run was finished; no report was written.")


def write_again(folder: Path) -> int:
    """The report of what is finished in a folder."""
    from ._store import read_json

    earlier = read_json(folder / "results.json") or {}
    if not (folder / "runs").is_dir():
        raise ValueError(f"`DIR` must be a folder of `pdequinox bench run`, got {str(folder)!r}. Check the path.")
    command = earlier.get("command", f"pdequinox bench report {folder}")
    show_and_write(Store(folder), None, command=command, seconds=earlier.get("seconds", 0.0), console=make_console())
    return 0


def show_scenarios(pattern: str, plugins: Sequence[str]) -> int:
    """What there is to compare on, and with what."""
    from ._listing import scenario_tables

    execute_plugins(plugins)
    console = make_console()
    for table in scenario_tables(pattern):
        show_table(table, console)
    return 0


def show_comparison(first: str, second: str, folder: Path) -> int:
    """Two runs side by side."""
    from ._report import comparison_table

    table = comparison_table(*(find_run(written, folder) for written in (first, second)))
    show_table(table, make_console())
    return 0


def find_run(written: str, folder: Path) -> dict[str, Any]:
    """The record of a run, by its folder or the beginning of its name."""
    path = Path(written)
    if path.is_dir() and path.parent.name == "runs":
        store, names = Store(path.parent.parent), [path.name]
    else:
        store = Store(folder)
        names = [name for name in store.identities("runs") if name.startswith(written)]
    results = [result for name in names if (result := store.result("runs", name)) is not None]
    if len(results) != 1:
        raise ValueError(
            f"`RUN` must be the folder of one finished run, or the beginning of its name in {str(folder)!r}, got "
            f"{written!r}, of which there are {len(results)}. `report.html` lists the names."
        )
    return results[0]


def show_table(table: Table, console: "Console") -> None:
    """A table with its notes, which may hold brackets."""
    console.print(table.to_rich())
    for note in table.notes:
        console.print(note, style="dim", highlight=False, markup=False)


def make_console() -> "Console":
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=LOG_WIDTH)
