"""The command `pdequinox speed`."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..boundary import MODES
from ._extras import require
from ._speed import TOLERANCES, TORCH, SpeedResults, speed
from ._speed_cases import CASES, DEFAULT_BATCH, DEFAULT_CHANNELS, DEFAULT_POINTS, SIZES
from ._speed_report import speed_tables, write_files

INTERRUPTED = 130
LOG_WIDTH = 120


def add_speed_parser(commands: Any, positive_integer: Callable[[str], int]) -> argparse.ArgumentParser:
    """The options of `speed`, under those of the program."""
    parser = commands.add_parser(
        "speed",
        help="time layers and networks, alone or against another version or torch",
        description="Time forward pass and gradient of layers and networks on one core, with compile time, memory and "
        "the part of the rate of a matrix product; alone, or against others with the same weights.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"what to measure (default: all layers, and the networks of 0.1): {', '.join(CASES)}",
    )
    parser.add_argument(
        "--dims", type=listed(int), default=[2], metavar="D[,D]", help="spatial dimensions, 1, 2, 3 (default: 2)"
    )
    parser.add_argument(
        "--mode",
        type=listed(str),
        default=["periodic"],
        metavar="MODE[,MODE]",
        help=f"boundary modes: {', '.join(MODES)} (default: periodic)",
    )
    for option, size, text in (
        ("--points", "N", f"grid points per axis (default: {per_dimension(DEFAULT_POINTS)})"),
        ("--batch", "B", f"samples (default: {per_dimension(DEFAULT_BATCH)})"),
        (
            "--channels",
            "C",
            f"channels of layers (default: {DEFAULT_CHANNELS}) and hidden ones of networks (their own)",
        ),
    ):
        parser.add_argument(option, type=positive_integer, metavar=size, help=text)
    parser.add_argument(
        "--modes", type=positive_integer, default=12, metavar="M", help="modes of spectral layers (default: 12)"
    )
    parser.add_argument("--dtype", choices=tuple(TOLERANCES), default="float32", help="default: float32")
    parser.add_argument(
        "--rounds", type=positive_integer, default=7, metavar="R", help="how often each is timed (default: 7)"
    )
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar=f"DIR|{TORCH}",
        help="compare with torch, or with the pdequinox of a folder made by `pip install --no-deps --target DIR "
        "pdequinox==0.1.2`. May be repeated",
    )
    parser.add_argument("--wall", action="store_true", help="wall time on all cores, not process time on one")
    parser.add_argument("--grow", choices=SIZES, help="how cost grows with this size, over a factor of 16")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write all numbers here, the tables to FILE.md")
    return parser


def listed(kind: type) -> Callable[[str], list]:
    """A type for comma-separated lists."""

    def parse(text: str) -> list:
        return [kind(part.strip()) for part in text.split(",")]

    parse.__name__ = "list"
    return parse


def per_dimension(numbers: dict[int, int]) -> str:
    return ", ".join(f"{number} in {dims}D" for dims, number in numbers.items())


def run_speed(arguments: argparse.Namespace, argv: Sequence[str] | None) -> int:
    """Measure under a progress bar, print the tables, write the file.

    **Returns:** The exit status: 0, or 130 after Ctrl-C.

    **Raises:** `ValueError` for arguments that are refused.
    """
    require("rich")
    if arguments.out is not None:
        check_file(arguments.out)
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=LOG_WIDTH)
    results = with_progress(arguments, console)
    record = {"command": shlex.join(["pdequinox", *(sys.argv[1:] if argv is None else argv)]), **results.record}
    for table in speed_tables(record):
        console.print(table.to_rich())
        for note in table.notes:
            console.print(note, style="dim", highlight=False, markup=False)
        console.print()
    if results.stopped_by is not None:
        missing = f" Missing: {'; '.join(record['missing'])}." if record["missing"] else ""
        console.print(f"Stopped early.{missing}", highlight=False, markup=False)
    if arguments.out is not None and record["cases"]:
        files = write_files(record, arguments.out.resolve())
        console.print(f"Wrote {', '.join(map(str, files))}", highlight=False, markup=False)
    if isinstance(results.stopped_by, KeyboardInterrupt):
        return INTERRUPTED
    if results.stopped_by is not None:
        raise results.stopped_by
    return 0


def with_progress(arguments: argparse.Namespace, console: Any) -> SpeedResults:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        BarColumn(bar_width=24), TimeElapsedColumn(), TextColumn("{task.description}"), console=console
    ) as progress:
        task = progress.add_task("starting", total=1.0)
        return speed(
            arguments.names or None,
            num_spatial_dims=arguments.dims,
            num_points=arguments.points,
            batch_size=arguments.batch,
            num_channels=arguments.channels,
            num_modes=arguments.modes,
            dtype=arguments.dtype,
            boundary_mode=arguments.mode,
            num_rounds=arguments.rounds,
            against=arguments.against,
            wall=arguments.wall,
            grow=arguments.grow,
            report=lambda state, done: progress.update(task, description=state, completed=done),
        )


def check_file(file: Path) -> None:
    """Refuse an output file before the work that it is for."""
    folder = file.parent
    if file.suffix == ".md" or file.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(
            f"`--out` must be a JSON file in a folder that can be written to, got {str(file)!r}. Give another one."
        )
