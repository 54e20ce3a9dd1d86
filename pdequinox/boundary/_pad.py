"""Ghost values: a linear map of the values near the edge."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any, cast

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from .._checks import check_inexact
from .._exact import solve
from ._copies import Run, extend_p, with_ends
from ._modes import AxisMode, BoundaryMode, End, ends_of, normalize_boundary_mode
from ._shards import Shard, neighbours, shards_of, times_matrix, times_rows, with_neighbours


def pad(
    x: Array,
    widths: Sequence[tuple[int, int]],
    modes: BoundaryMode,
    axes: Sequence[int] | None = None,
    *,
    degree: int | None = None,
    reflect: bool = False,
) -> Array:
    """Extend `x` beyond the ends of its axes by ghost values that follow from the boundary mode.

    | mode | convolution (`degree=None`) | finite differences (`degree=q`) |
    |---|---|---|
    | `periodic` | the other end | the other end |
    | `dirichlet` | zeros | the polynomial of degree q through u = 0 at the wall and the q nearest points |
    | `neumann` | mirror image about the end point | the same with u' = 0 |
    | `cell-dirichlet` | mirror image about the wall, sign changed | as `dirichlet` |
    | `cell-neumann` | mirror image about the wall | as `neumann` |
    | `free` | not allowed | the polynomial of degree q through the q + 1 nearest points |

    `reflect=True` extends by mirror images about the walls instead, odd where u = 0 and even where u' = 0 (`free` axes
    by the polynomial). That is exact for functions with this symmetry, such as solutions of an equation that keeps it;
    for others the error of a second derivative at a wall with u = 0 does not vanish with the spacing.

    Mirror images continue across both walls, so that a width may exceed the number of points. A single Neumann
    point is extended by its own value.

    In a shard of a field that lies over several devices ([`pdequinox.boundary.by_shard`][]), the ghosts at its inner
    ends are the values of the neighbours, and those beyond the walls are as above.

    **Arguments:**

    - `x`: An array with the spatial axes `axes`.
    - `widths`: One `(low, high)` pair of ghost counts per axis.
    - `modes`: The boundary mode, as in `normalize_boundary_mode`.
    - `axes`: The spatial axes of `x`; all but the first (the channels) by default.
    - `degree`: The degree of the polynomial, or `None` for the ghosts of convolutions.
    - `reflect`: Whether walls with a known condition are mirrors.

    **Returns:** `x` with each axis longer by its two widths, in the dtype of `x`.

    **Raises:** `ValueError` for negative widths, a wrong number of them, an axis named twice, a wrong mode, integers
    where a polynomial is wanted, or fewer points than it needs.
    """
    axes = tuple(range(1, x.ndim)) if axes is None else tuple(axes)
    x, zeros = pad_nonzero(x, widths, modes, axes, degree=degree, reflect=reflect)
    if any(low or high for low, high in zeros):
        fill = [(0, 0, 0)] * x.ndim
        for axis, (low, high) in zip(axes, zeros, strict=True):
            fill[axis] = (low, high, 0)
        x = lax.pad(x, jnp.zeros((), x.dtype), fill)
    return x


def pad_nonzero(
    x: Array,
    widths: Sequence[tuple[int, int]],
    modes: BoundaryMode,
    axes: Sequence[int],
    *,
    degree: int | None = None,
    reflect: bool = False,
) -> tuple[Array, tuple[tuple[int, int], ...]]:
    """`pad`, but for the outermost ghosts that are zeros.

    **Arguments:** as for `pad`.

    **Returns:** The padded array, and how many zeros are missing at either end of each axis. A convolution adds these
    itself, without a copy.
    """
    axes = [axis % x.ndim for axis in axes]
    if len(set(axes)) < len(axes):
        raise ValueError(f"`axes` must be different axes, got {axes}. Name each once, with all its ghosts.")
    if np.shape(widths) != (len(axes), 2) or np.min(widths, initial=0) < 0:
        raise ValueError(
            f"`widths` must be one pair of non-negative numbers per axis ({len(axes)}), got {widths!r}. "
            "Crop with a slice instead of a negative width."
        )
    if degree is not None:
        x = check_inexact("x", x)
    zeros, copied = [], {}
    modes, shards = _modes_with_free(modes, len(axes), degree), shards_of(len(axes))
    for axis, (low, high), mode, shard in zip(axes, widths, modes, shards, strict=True):
        missing = (0, 0)
        if shard is not None:
            x = _between_shards(x, low, high, mode, axis, shard, degree, reflect)
        elif _is_mirrored(mode, degree, reflect):
            runs, missing = _runs(x.shape[axis], low, high, mode, reflect)
            if len(runs) > 1:
                copied[axis - x.ndim] = runs
        else:
            x = _extrapolate(x, low, high, mode, axis, cast(int, degree))
        zeros.append(missing)
    if copied:
        x = extend_p.bind(x, axes=tuple(copied), runs=tuple(copied.values()))
    return x, tuple(zeros)


def _modes_with_free(modes: Any, num_axes: int, degree: int | None) -> tuple[AxisMode, ...]:
    """`normalize_boundary_mode`, but "free" is a mode too where ghosts are polynomials."""
    entries = (modes,) * num_axes if isinstance(modes, str) else modes
    if not isinstance(entries, Sequence):
        return normalize_boundary_mode(modes, num_axes)
    free = [isinstance(entry, str) and entry.lower() == "free" for entry in entries]
    if degree is None and any(free):
        raise ValueError(
            "`modes` must not be 'free' for the ghosts of convolutions, got it without a `degree`. Give the degree of "
            "the polynomial, or a boundary mode."
        )
    stand_ins = ["neumann" if is_free else entry for is_free, entry in zip(free, entries, strict=True)]
    known = normalize_boundary_mode(stand_ins, num_axes)
    return tuple("free" if is_free else mode for is_free, mode in zip(free, known, strict=True))


@cache
def _runs(
    num_points: int, low: int, high: int, mode: AxisMode, reflect: bool
) -> tuple[tuple[Run, ...], tuple[int, int]]:
    """A padded axis as few runs of consecutive points, without the zeros at its ends, and how many these are."""
    interior = Run(0, 1, num_points, 1)
    sides = [[], []]
    for side, positions in zip(sides, (range(-low, 0), range(num_points, num_points + high)), strict=True):
        for index, sign in (_source(p, num_points, mode, reflect) for p in positions):
            last = side[-1] if side else None
            step = index - (last.start + last.step * (last.length - 1)) if last else 0
            if last and last.sign == sign and (last.length == 1 or last.step == step) and abs(step) <= 1:
                side[-1] = Run(last.start, step, last.length + 1, sign)
            else:
                side.append(Run(index, 0, 1, sign))
    runs = [*sides[0], interior, *sides[1]]
    zeros_low = runs.pop(0).length if runs[0].sign == 0 else 0
    zeros_high = runs.pop().length if runs[-1].sign == 0 else 0
    return tuple(runs), (zeros_low, zeros_high)


def _source(position: int, num_points: int, mode: AxisMode, reflect: bool) -> tuple[int, int]:
    """Which point, with which sign, stands at a position outside of `0 ... num_points - 1`; sign 0 is a zero."""
    ends = ends_of(mode)
    if ends is None:
        return position % num_points, 1
    left, right = ends
    if num_points == 1 and left.offset == right.offset == 0:
        return 0, 1
    sign = 1
    while not 0 <= position < num_points:
        end = left if position < 0 else right
        wall = -end.offset if position < 0 else num_points - 1 + end.offset
        sign *= end.parity if reflect else end.ghost_sign
        if sign == 0 or (position == wall and end.parity == -1):
            return 0, 0
        position = int(2 * wall) - position
    return position, sign


def extension(num_points: int, low: int, high: int, mode: AxisMode) -> np.ndarray:
    """What `pad` does with `reflect=True` to one axis, as a matrix of shape `(low + num_points + high, num_points)`, in
    double precision on the host.

    **Arguments:**

    - `num_points`: The number of degrees of freedom on the axis.
    - `low`, `high`: The numbers of ghosts.
    - `mode`: The axis' boundary mode: a string, or a (left, right) pair.
    """
    (mode,) = normalize_boundary_mode((mode,), 1)
    return _extension(num_points, low, high, mode, None, True)


def _extension(num_points: int, low: int, high: int, mode: AxisMode, degree: int | None, reflect: bool) -> np.ndarray:
    before, behind = _ghost_rows(num_points, low, high, mode, degree, reflect)
    return np.concatenate([before, np.eye(num_points), behind])


@lru_cache(maxsize=256)
def _ghost_rows(
    num_points: int, low: int, high: int, mode: Any, degree: int | None, reflect: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The ghosts at the two ends of an axis as matrices of shape `(width, num_points)`, read-only."""
    rows = np.zeros((low, num_points)), np.zeros((high, num_points))
    if _is_mirrored(mode, degree, reflect):
        positions = range(-low, 0), range(num_points, num_points + high)
        for matrix, ghosts in zip(rows, positions, strict=True):
            for row, position in enumerate(ghosts):
                index, sign = _source(position, num_points, mode, reflect)
                matrix[row, index] = sign
    else:
        left, right = (None, None) if mode == "free" else ends_of(mode) or (None, None)
        for matrix, end in zip(rows, (left, right), strict=True):
            if len(matrix):
                of_nearest = ghost_matrix(len(matrix), cast(int, degree), end)
                _check_enough(num_points, of_nearest.shape[1], degree, mode)
                matrix[:, : of_nearest.shape[1]] = of_nearest
        rows = rows[0][::-1], rows[1][:, ::-1]
    for matrix in rows:
        matrix.setflags(write=False)
    return rows


def _is_mirrored(mode: AxisMode, degree: int | None, reflect: bool) -> bool:
    """Whether ghosts are single points, changed in sign or not, or zeros."""
    return degree is None or mode == "periodic" or (reflect and mode != "free")


def _between_shards(
    x: Array, low: int, high: int, mode: AxisMode, axis: int, shard: Shard, degree: int | None, reflect: bool
) -> Array:
    """A shard with ghosts from its neighbours, and by the mode at the ends of the domain."""
    n = x.shape[axis]
    if mode == "periodic":
        return with_neighbours(x, low, high, axis, shard)
    rows = _ghost_rows(n * shard.count, low, high, mode, degree, reflect)
    nearest = [np.flip(matrix, 1) if side else matrix for side, matrix in enumerate(rows)]
    reach = [int(np.max(np.nonzero(matrix)[1], initial=-1)) + 1 for matrix in nearest]
    if max(low, high, *reach) > n:
        # Shards so small that a wall's ghosts, or what they are made of, lie in several.
        matrix = _extension(n * shard.count, low, high, mode, degree, reflect)
        every = np.stack([matrix[s * n : (s + 1) * n + low + high] for s in range(shard.count)])
        return times_rows(every, x, axis, shard)
    first, x, last = with_ends(x, max(high, reach[0]), max(low, reach[1]), axis)
    before, behind = neighbours(first, last, n, low, high, axis, shard, is_ring=False)
    index = lax.axis_index(shard.name)
    if reach[0]:  # else zeros, which no neighbour has sent already
        ghosts = times_matrix(rows[0][:, : reach[0]], lax.slice_in_dim(first, 0, reach[0], axis=axis), axis)
        before = jnp.where(index == 0, ghosts, before)
    if reach[1]:
        start = last.shape[axis] - reach[1]
        ghosts = times_matrix(rows[1][:, -reach[1] :], lax.slice_in_dim(last, start, None, axis=axis), axis)
        behind = jnp.where(index == shard.count - 1, ghosts, behind)
    return jnp.concatenate([before, x, behind], axis)


def _extrapolate(x: Array, low: int, high: int, mode: AxisMode, axis: int, degree: int) -> Array:
    """Ghosts from the polynomial through the nearest points and the condition at the wall."""
    left, right = (None, None) if mode == "free" else ends_of(mode) or (None, None)
    pieces = [x]
    for end, width, low_side in ((left, low, True), (right, high, False)):
        if width == 0:
            continue
        matrix = ghost_matrix(width, degree, end)
        num_needed = matrix.shape[1]
        _check_enough(x.shape[axis], num_needed, degree, mode, f" along axis {axis}")
        start = 0 if low_side else x.shape[axis] - num_needed
        edge = lax.slice_in_dim(x, start, start + num_needed, axis=axis)
        ghosts = times_matrix(matrix[::-1] if low_side else matrix[:, ::-1], edge, axis)
        pieces = [ghosts, *pieces] if low_side else [*pieces, ghosts]
    return jnp.concatenate(pieces, axis)


def _check_enough(num_points: int, num_needed: int, degree: int | None, mode: AxisMode, place: str = "") -> None:
    if num_points < num_needed:
        raise ValueError(
            f"`x` must have at least {num_needed} points{place} for ghosts of degree {degree} with "
            f"mode {mode!r}, got {num_points}. Lower the accuracy or refine the grid."
        )


@cache
def ghost_matrix(width: int, degree: int, end: End | None) -> np.ndarray:
    """The matrix G of polynomial ghosts at one end: `ghosts = G @ nearest points`, both counted from the wall.

    The powers of the distance t to the wall that satisfy the condition are all but t^0 (u = 0) or all but
    t^1 (u' = 0); without a condition (`end=None`) all powers are free. Solved exactly, in rational numbers.
    """
    if degree < 1:
        raise ValueError(f"`degree` must be at least 1, got {degree}. Use degree 1 for a linear extrapolation.")
    excluded = {None: None, -1: 0, +1: 1}[end.parity if end else None]
    powers = [p for p in range(degree + 1) if p != excluded]
    offset = end.offset if end else Fraction(0)
    nodes = [offset + j for j in range(len(powers))]
    ghosts = [offset - i for i in range(1, width + 1)]
    # G V = E with V[j, p] = nodes_j^p and E[i, p] = ghosts_i^p: solve V^T G^T = E^T.
    rows = [[t**p for t in nodes] + [t**p for t in ghosts] for p in powers]
    solution = solve(rows)
    return np.array([[float(value) for value in row] for row in solution]).T
