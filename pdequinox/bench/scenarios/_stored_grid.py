"""The grid of stored fields: which boundary modes its coordinates fit, and every r-th of its points."""

from typing import Any, NamedTuple

import numpy as np

from ...boundary import MODES, AxisMode, grid, normalize_boundary_mode, spacing

TOLERANCE = 1e-2
"""Of coordinates in single precision, in units of the spacing."""


class Thinning(NamedTuple):
    """How a coarser grid is made of an axis: what is read, and of how many cells means are taken then."""

    read: slice
    block: int


def settle_modes(boundary_mode: Any, said: tuple[str | None, ...], what: str) -> tuple[AxisMode, ...]:
    """The boundary mode of each axis, from what the user and the file say.

    **Arguments:**

    - `boundary_mode`: The user's, or `None`.
    - `said`: What the file says of each axis: `"periodic"`, another word for its ends, or `None`.
    - `what`: What is read, for the message.

    **Raises:** `ValueError` if neither says it, or both and not the same.
    """
    if boundary_mode is None:
        for axis, word in enumerate(said):
            if word != "periodic":
                raise ValueError(
                    f"`boundary_mode` must be given for {what}, got None: {_why(word, axis)} "
                    f"Choose from {', '.join(map(repr, MODES))}, one for all axes or one for each."
                )
        return normalize_boundary_mode(said, len(said))
    modes = normalize_boundary_mode(boundary_mode, len(said))
    for axis, (word, mode) in enumerate(zip(said, modes, strict=True)):
        if word is not None and (word == "periodic") != (mode == "periodic"):
            raise ValueError(
                f"`boundary_mode` must agree with {what}, where axis {axis} is {word}, got {mode!r}. "
                + (
                    "Make that axis periodic."
                    if word == "periodic"
                    else "Choose a mode with walls, 'cell-neumann', say."
                )
            )
    return modes


def _why(word: str | None, axis: int) -> str:
    if word is None:
        return f"the file does not say what holds at the ends of axis {axis}."
    if "open" in word:
        return (
            f"the ends of axis {axis} are {word}, which is no condition for a field. If a gradient of zero will do, "
            "say so by 'cell-neumann'."
        )
    return (
        f"the ends of axis {axis} are {word}, which does not tell u = 0 from u' = 0, and need not be alike for all "
        "fields."
    )


def check_coordinates(x: np.ndarray, mode: AxisMode, axis: int) -> float:
    """The spacing of coordinates, if they are uniform and their ends are where those of a boundary mode are.

    Where an end of the domain is, coordinates do not say. But it is a round number often: if it were for points of one
    kind only (on the wall, half a spacing away, one spacing away), they are of that kind.

    **Raises:** `ValueError` for coordinates that do not ascend uniformly, or of another kind.
    """
    x = np.asarray(x, float).ravel()
    steps = np.diff(x)
    h = float(np.mean(steps))
    if not h > 0 or np.max(np.abs(steps - h)) > TOLERANCE * h:
        raise ValueError(
            f"`path` must hold coordinates that ascend uniformly, got {np.array2string(x, threshold=6)} on axis "
            f"{axis}. Interpolate the fields to a uniform grid."
        )
    if mode == "periodic":
        return h
    for end, point, outward in zip(_ends(mode), (x[0], x[-1]), (-1, 1), strict=True):
        shown = [offset for offset in _NAMES if _is_round(point + outward * offset * h, h)]
        if shown and _offset(end) not in shown:
            fitting = " or ".join(_NAMES[offset] for offset in shown)
            raise ValueError(
                f"`boundary_mode` must fit the points of axis {axis}, which end at {point:g} with a spacing of {h:g}, "
                f"got {end!r}. Such points are those of {fitting}."
            )
    return h


_NAMES = {0.0: "'neumann' (on the wall)", 0.5: "'cell-dirichlet' and 'cell-neumann'", 1.0: "'dirichlet'"}


def _is_round(value: float, h: float) -> bool:
    unit = 0.5 if h < 0.2 else 1.0
    return bool(abs(value / unit - round(value / unit)) * unit < TOLERANCE * h)


def thin(num_points: int, mode: AxisMode, factor: int, axis: int) -> Thinning:
    """Every `factor`-th point, those that the coarser grid of the same boundary mode has; of cells, means of as many.

    **Raises:** `ValueError` if there is no such grid.
    """
    if factor == 1:
        return Thinning(slice(0, num_points), 1)
    if all(end.startswith("cell-") for end in _ends(mode)) and num_points % factor == 0:
        return Thinning(slice(0, num_points), factor)
    intervals = 1 / spacing(num_points, 1.0, mode)
    start = grid(num_points, 1.0, mode)[0] * intervals * (factor - 1)
    count = num_points if mode == "periodic" else num_points - 1
    rest = intervals / factor - (intervals - count)
    if any(abs(number - round(number)) > 1e-6 for number in (start, rest)) or rest < 1:
        raise ValueError(
            f"`reduced_resolution` must give a coarser grid with the same ends, got {factor} for the {num_points} "
            f"points of axis {axis} with mode {mode!r}. Choose a divisor of its {intervals:g} intervals."
        )
    return Thinning(slice(round(start), num_points, factor), 1)


def thinned(num_points: int, thinning: Thinning) -> int:
    return len(range(num_points)[thinning.read]) // thinning.block


def block_means(fields: np.ndarray, blocks: tuple[int, ...]) -> np.ndarray:
    """Means over blocks of the last axes."""
    leading = fields.ndim - len(blocks)
    for axis, block in enumerate(blocks, start=leading):
        if block > 1:
            shape = (*fields.shape[:axis], fields.shape[axis] // block, block, *fields.shape[axis + 1 :])
            fields = fields.reshape(shape).mean(axis=axis + 1)
    return fields


def _ends(mode: AxisMode) -> tuple[str, str]:
    return (mode, mode) if isinstance(mode, str) else mode


def _offset(end: str) -> float:
    """The distance from the wall to the nearest point, in spacings."""
    return 0.5 if end.startswith("cell-") else float(end == "dirichlet")
