"""The boundary modes: their names, and what holds at each end of an axis."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .._checks import check_integer

AxisMode: TypeAlias = str | tuple[str, str]
BoundaryMode: TypeAlias = str | Sequence[str | Sequence[str]]


class End(NamedTuple):
    """One end of a bounded axis."""

    offset: Fraction
    """Distance from the wall to the nearest degree of freedom, in grid spacings."""
    parity: int
    """Parity of the extension across the wall that satisfies the condition: -1 odd (u = 0), +1 even (u' = 0)."""
    ghost_sign: int
    """Sign of the mirror image that a convolution sees behind the wall; 0 where it sees zeros."""


_HALF = Fraction(1, 2)

_ENDS = {
    "dirichlet": End(Fraction(1), -1, 0),
    "neumann": End(Fraction(0), +1, +1),
    "cell-dirichlet": End(_HALF, -1, -1),
    "cell-neumann": End(_HALF, +1, +1),
}

MODES: tuple[str, ...] = ("periodic", *_ENDS)


def ends_of(mode: AxisMode) -> tuple[End, End] | None:
    """The two ends of an axis whose (normalised) mode is `mode`; `None` for a periodic axis, which has none."""
    if mode == "periodic":
        return None
    left, right = (mode, mode) if isinstance(mode, str) else mode
    return _ENDS[left], _ENDS[right]


def vanishes_at_a_wall(mode: AxisMode) -> bool:
    """Whether the condition of a (normalised) mode is u = 0 at one end of the axis at least."""
    return any(end.parity == -1 for end in ends_of(mode) or ())


def cells_of(mode: AxisMode) -> AxisMode:
    """The (normalised) mode of an axis of cells with the same conditions at its ends: of patches of points, say."""
    if isinstance(mode, str):
        return mode if mode == "periodic" or mode.startswith("cell-") else f"cell-{mode}"
    return str(cells_of(mode[0])), str(cells_of(mode[1]))


def normalize_boundary_mode(boundary_mode: Any, num_spatial_dims: int) -> tuple[AxisMode, ...]:
    """Validate a boundary mode and write it out, one entry per axis.

    **Arguments:**

    - `boundary_mode`: One of `MODES` for all axes, or a sequence with one entry per axis. An entry is one of
        `MODES`, or a pair of them: the left and the right end of that axis. Upper and lower case are alike.
    - `num_spatial_dims`: The number of axes.

    **Returns:** A tuple with one entry per axis: a string, or a pair of two different strings.

    **Raises:** `ValueError` for an unknown mode (naming the valid ones), a wrong number of entries, or an axis
    that is periodic at one end only.

    !!! example
        `normalize_boundary_mode("Periodic", 2)` is `("periodic", "periodic")`; a channel flow is
        `("periodic", "dirichlet")`; `(("dirichlet", "neumann"),)` is one axis with two different ends.
    """
    check_integer("num_spatial_dims", num_spatial_dims)
    if isinstance(boundary_mode, np.ndarray):
        boundary_mode = boundary_mode.tolist()
    if isinstance(boundary_mode, str) or not isinstance(boundary_mode, Sequence):
        return (_normalize_axis(boundary_mode),) * num_spatial_dims
    if len(boundary_mode) != num_spatial_dims:
        raise ValueError(
            f"`boundary_mode` must have one entry per axis ({num_spatial_dims}), got {boundary_mode!r}. Give one "
            "string for all axes or one entry for each; a pair of ends goes inside, as in (('dirichlet', 'neumann'),)."
        )
    return tuple(_normalize_axis(entry) for entry in boundary_mode)


def _normalize_axis(entry: Any) -> AxisMode:
    if isinstance(entry, Sequence) and not isinstance(entry, str):
        if len(entry) != 2:
            raise ValueError(
                f"`boundary_mode` must give an axis one mode or a (left, right) pair, got {tuple(entry)!r}. "
                "Name each end once."
            )
        left, right = (_normalize_name(end) for end in entry)
        if left == right:
            return left
        if "periodic" in (left, right):
            raise ValueError(
                f"`boundary_mode` must not be periodic at one end of an axis only, got {(left, right)!r}. "
                "Make both ends periodic or neither."
            )
        return left, right
    return _normalize_name(entry)


def _normalize_name(name: Any) -> str:
    normalized = name.lower() if isinstance(name, str) else ""
    if normalized not in MODES:
        raise ValueError(
            f"`boundary_mode` must be one of {', '.join(map(repr, MODES))}, got {name!r}. Check the spelling; "
            "inhomogeneous and Robin conditions are not supported yet."
        )
    return normalized
