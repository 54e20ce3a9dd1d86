"""The command `pdequinox`: the benchmark, the table of networks, and their speed."""

import argparse
import sys
from collections.abc import Sequence

from ._bench_cli import add_bench_parser, run_bench_command, with_action
from ._environment import version_of
from ._extras import require
from ._speed_cli import add_speed_parser, run_speed
from ._zoo import DEFAULT_POINTS, presets_table, zoo, zoo_of_presets, zoo_table


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    **Arguments:**

    - `argv`: The arguments, `sys.argv[1:]` by default.

    **Returns:** The exit status: 0; 130 after Ctrl-C; 1 if a process ended early.

    **Raises:** `SystemExit` for arguments that are refused (status 2), `ImportError` without the extra `bench`.
    """
    argv = sys.argv[1:] if argv is None else argv
    parser = make_parser()
    arguments = parser.parse_args(with_action(argv))
    try:
        if arguments.command == "zoo":
            return show_zoo(arguments.dims, arguments.points, arguments.pattern)
        if arguments.command == "speed":
            return run_speed(arguments, argv)
        return run_bench_command(arguments, argv)
    except ValueError as error:
        parser.error(str(error))


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pdequinox", description="Neural PDE architectures, compared.")
    parser.add_argument("--version", action="version", version=f"pdequinox {version_of('pdequinox')}")
    commands = parser.add_subparsers(dest="command", required=True)
    add_bench_parser(commands, positive_integer, seed_number)
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
