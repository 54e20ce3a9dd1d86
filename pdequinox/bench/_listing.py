"""What `pdequinox bench list` shows."""

import inspect
from typing import Any

from ._options import option_names, write_value
from ._presets import PRESETS
from ._tables import Table
from .scenarios import SCENARIOS, Evolution, Steady


def scenario_tables(pattern: str = "") -> list[Table]:
    """The scenarios whose name contains a pattern, with the options of each if it is given; all of them with presets.

    **Raises:** `ValueError` if there is none.
    """
    chosen = {name: make for name, make in SCENARIOS.items() if pattern.lower() in name}
    if not chosen:
        raise ValueError(f"`pattern` must be a part of a scenario's name, got {pattern!r}. Leave it out to see all.")
    if pattern:
        return [_options_table(name, make) for name, make in chosen.items()]
    rows = [(name, _kind(make), _first_line(make)) for name, make in sorted(chosen.items())]
    scenarios = Table(
        "Scenarios",
        ("name", "kind", "what"),
        rows,
        (
            "Add -2d or -3d to a name for more dimensions, and options: burgers-2d:num_points=48. `pdequinox bench "
            "list NAME` shows a scenario's options, `pdequinox zoo` the networks.",
        ),
    )
    return [scenarios, Table("Presets", ("name", "what"), [(name, text) for name, (text, _) in PRESETS.items()])]


def _kind(make: Any) -> str:
    if isinstance(make, type):
        return "evolution" if issubclass(make, Evolution) else "steady" if issubclass(make, Steady) else "scenario"
    return "yours"


def _first_line(make: Any) -> str:
    return (inspect.getdoc(make) or "").partition("\n")[0]


def _options_table(name: str, make: Any) -> Table:
    """Each option and its default."""
    text = inspect.getdoc(make) or ""
    return Table(
        name, ("option", "default"), [(option, _default(make, option)) for option in option_names(make) or ()], (text,)
    )


def _default(make: Any, option: str) -> str:
    by_dimension = getattr(make, "defaults_by_dimension", {})
    if option in by_dimension:
        values = [write_value(value) for value in by_dimension[option]]
        return values[0] if len(set(values)) == 1 else f"{', '.join(values)} in 1D, 2D, 3D"
    default = inspect.signature(make).parameters[option].default
    if default is inspect.Parameter.empty:
        return "(needed)"
    return write_value(default)
