"""Speed as tables and as a file."""

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ._speed import DEFAULT, KEPT, OURS, PASSES
from ._staging import staged
from ._tables import NOTHING, Table

SIZE_NAMES = {"points": "num_points", "channels": "num_channels", "modes": "num_modes", "batch": "batch_size"}


def write_files(record: dict[str, Any], file: Path) -> list[Path]:
    """Replace `file`, and a Markdown file beside it with the tables, as a whole."""
    tables = file.with_name(f"{file.stem}.md")
    with staged(file.parent) as stage:
        text = json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False)
        (stage / file.name).write_text(text + "\n", encoding="utf-8")
        sections = ["# Speed", f"`{record['command']}`", *(table.to_markdown() for table in speed_tables(record))]
        (stage / tables.name).write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    return [file, tables]


def speed_tables(record: dict[str, Any]) -> list[Table]:
    """Per dimension and mode: our numbers, and one table per contestant; or how cost grows."""
    grow = record["options"]["grow"]
    tables = []
    for _, group in itertools.groupby(record["cases"], lambda case: (case["num_spatial_dims"], case["boundary_mode"])):
        cases = list(group)
        if grow is None:
            tables.append(own_table(record, cases))
            tables += [ratio_table(record, cases, label) for label in record["contestants"][1:]]
        else:
            tables += [
                growth_table(record, cases, grow, label, setting)
                for label in record["contestants"]
                for setting in record["settings"]
            ]
    return tables


def own_table(record: dict[str, Any], cases: list[dict[str, Any]]) -> Table:
    """What our layers and networks cost."""
    rows = []
    for case, name in itertools.product(cases, PASSES):
        entry = case["passes"][name]
        facts = entry["contestants"].get(OURS, {})
        times = facts.get("times", {})
        first = times.get(DEFAULT, {})
        rows.append(
            (
                f"{case['name']} {name}",
                significant(first.get("ms")),
                significant(times.get(KEPT, {}).get("ms")),
                significant(first.get("ms_per_sample")),
                significant(entry["gflop"]),
                percent(first.get("of_matmul")),
                significant(facts.get("compile_seconds")),
                significant(facts.get("temp_mb")),
            )
        )
    columns = ("", "ms", "pages\nkept", "ms /\nsample", "GFLOP", "of\nmatmul", "compile\ns", "temp\nMB")
    rates = [case["matmul_gflops"][DEFAULT] for case in cases if "matmul_gflops" in case]
    notes = [circumstances(record)]
    if KEPT not in record["settings"]:
        notes.append("pages kept: not timed; this comes last, and needs a CPU and glibc.")
    if rates:
        notes.append(
            f"of matmul: the part of the rate of a product of float32 matrices, timed in the same rounds "
            f"({min(rates):.0f} to {max(rates):.0f} GFLOP/s)."
        )
    return Table(heading(record, cases), columns, rows, (*notes, *refusals(cases, OURS)))


def ratio_table(record: dict[str, Any], cases: list[dict[str, Any]], label: str) -> Table:
    """What a contestant takes, relative to us."""
    rows = []
    for case, name in itertools.product(cases, PASSES):
        facts = case["passes"][name]["contestants"].get(label, {})
        rows.append(
            (
                f"{case['name']} {name}",
                significant(facts.get("times", {}).get(DEFAULT, {}).get("ms")),
                exponent(facts.get("error")) + ("" if facts.get("agrees", True) else " differs"),
                *(with_spread(facts.get("ratios", {}).get(setting)) for setting in (DEFAULT, KEPT)),
                significant(facts.get("compile_seconds_ratio")),
                significant(facts.get("temp_mb_ratio")),
            )
        )
    columns = ("", "ms", "error", "time\nratio", "pages\nkept", "compile\nratio", "temp\nratio")
    notes = (
        f"Ratios: {label} / ours, so above 1 we are faster or smaller; the median over the rounds, and in brackets how "
        "far its quartiles are apart. error: the largest difference, relative to the largest value.",
        *refusals(cases, label),
    )
    return Table(f"{label} / ours. {heading(record, cases)}", columns, rows, notes)


def growth_table(record: dict[str, Any], cases: list[dict[str, Any]], grow: str, label: str, setting: str) -> Table:
    """Times at growing sizes, and times per FLOP relative to the first size."""
    size = SIZE_NAMES[grow]
    rows = []
    for name, group in itertools.groupby(cases, lambda case: case["name"]):
        steps = list(group)
        for pass_name in PASSES:
            entries = [step["passes"][pass_name] for step in steps]
            times = [
                entry["contestants"].get(label, {}).get("times", {}).get(setting, {}).get("ms") for entry in entries
            ]
            costs = [
                ms / entry["gflop"] if ms and entry["gflop"] else None for ms, entry in zip(times, entries, strict=True)
            ]
            rows.append((f"{name} {pass_name}", *map(significant, times)))
            rows.append(("  per FLOP", *(significant(c / costs[0]) if c and costs[0] else NOTHING for c in costs)))
    sizes = next((list(group) for _, group in itertools.groupby(cases, lambda case: case["name"])), [])
    columns = ("ms", *(f"{step[size]}\n{grow}" for step in sizes), *[""] * (5 - len(sizes)))
    notes = ("per FLOP: the time per FLOP, relative to that at the first size.", circumstances(record))
    title = f"{label}, growing {grow}, allocator: {setting}. {heading(record, cases, without=size)}"
    return Table(title, columns, rows, (*notes, *refusals(cases, label)))


def heading(record: dict[str, Any], cases: list[dict[str, Any]], without: str = "") -> str:
    case = cases[0]
    grid = " × ".join([str(case["num_points"])] * case["num_spatial_dims"])
    parts = {
        "num_points": f"{grid} points" if without != "num_points" else f"{case['num_spatial_dims']}D",
        "batch_size": f"{case['batch_size']} samples",
        "boundary_mode": case["boundary_mode"],
        "dtype": record["options"]["dtype"],
    }
    return ", ".join(text for name, text in parts.items() if name != without or name == "num_points")


def circumstances(record: dict[str, Any]) -> str:
    options = record["options"]
    clock = "processor time" if options["clock"] == "process" else "wall time"
    cores = "on one core" if options["one_core"] else "on all cores"
    return f"{clock.capitalize()} {cores}, median of {options['num_rounds']} rounds."


def refusals(cases: Iterable[dict[str, Any]], label: str) -> list[str]:
    """Why there are no numbers."""
    reasons: dict[str, list[str]] = {}
    for case in cases:
        if label in case["refused"]:
            reasons.setdefault(case["refused"][label], []).append(case["name"])
    return [f"{', '.join(dict.fromkeys(names))}: {reason}" for reason, names in reasons.items()]


def significant(value: float | None) -> str:
    """Three digits."""
    if value is None:
        return NOTHING
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"


def exponent(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:.0e}" if value else "0"


def percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.0f}%"


def with_spread(ratio: dict[str, float] | None) -> str:
    return NOTHING if ratio is None else f"{ratio['ratio']:.2f} ({ratio['ratio_spread']:.2f})"
