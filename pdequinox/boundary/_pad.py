"""Ghost values: a linear map of the values near the edge."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching
from jaxtyping import Array

from .._checks import check_inexact
from .._exact import solve
from .._primitive import define
from ._modes import AxisMode, BoundaryMode, End, ends_of, normalize_boundary_mode


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
    for axis, (low, high), mode in zip(axes, widths, _modes_with_free(modes, len(axes), degree), strict=True):
        missing = (0, 0)
        if degree is None or mode == "periodic" or (reflect and mode != "free"):
            runs, missing = _runs(x.shape[axis], low, high, mode, reflect)
            if len(runs) > 1:
                copied[axis - x.ndim] = runs
        else:
            x = _extrapolate(x, low, high, mode, axis, degree)
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


class _Run(NamedTuple):
    """Consecutive entries of a padded axis: `sign * x[start], x[start + step], ...`, `length` of them."""

    start: int
    step: int
    length: int
    sign: int

    @property
    def points(self) -> tuple[int, int]:
        """The first of its points, and the one behind the last."""
        ends = self.start, self.start + self.step * (self.length - 1)
        return min(ends), max(ends) + 1


# A linear map and its transpose, each a primitive of JAX. From slices and a concatenation JAX would make the sum of one
# array of full size per slice: 4 times slower in 3D, in several times the memory. Axes count from the end, where `vmap`
# adds none.

extend_p, fold_p = Primitive("extend"), Primitive("fold")


def _extend(x: Array, *, axes: tuple[int, ...], runs: tuple[tuple[_Run, ...], ...]) -> Array:
    """Along each axis one run after the other."""
    for axis, parts in zip(axes, runs, strict=True):
        x = jnp.concatenate([_piece(x, run, axis % x.ndim) for run in parts], axis)
    return x


def _piece(x: Array, run: _Run, axis: int) -> Array:
    start = run.start + min(0, run.step * (run.length - 1))
    count = 1 if run.step == 0 else run.length
    piece = lax.slice_in_dim(x, start, start + count, axis=axis)
    if run.step < 0:
        piece = lax.rev(piece, (axis,))
    if run.step == 0:
        shape = list(x.shape)
        shape[axis] = run.length
        piece = jnp.broadcast_to(piece, shape) if run.sign else jnp.zeros(shape, x.dtype)
    return piece if run.sign == 1 else run.sign * piece


FEW = 4
"""So many ghosts, zeros aside, are on a CPU added to an axis one by one, without further memory; more in sections."""


def _fold(y: Array, *, axes: tuple[int, ...], runs: tuple[tuple[_Run, ...], ...], few: int = 0) -> Array:
    """Each point gets the sum of its copies, up to `few` ghosts of an axis one by one."""
    for axis, parts in reversed(list(zip(axes, runs, strict=True))):
        y = _folded(y, axis, parts, few)
    return y


def _folded(y: Array, axis: int, runs: tuple[_Run, ...], few: int) -> Array:
    """Along one axis."""
    axis %= y.ndim
    starts = np.cumsum([0, *(run.length for run in runs)])
    copies = [(run, int(start)) for run, start in zip(runs, starts, strict=False) if run.sign]
    whole = _Run(0, 1, _num_points(runs), 1)
    ghosts = [copy for copy in copies if copy[0] != whole]
    if len(ghosts) == len(copies) - 1 and sum(run.length for run, _ in ghosts) <= few:
        (start,) = {start for run, start in copies if run == whole}
        return _plus_ghosts(lax.slice_in_dim(y, start, start + whole.length, axis=axis), y, ghosts, axis)

    # Between the ends of runs.
    def section(low: int, high: int) -> Array:
        parts = [
            _copies(y, run, start, low, high, axis)
            for run, start in copies
            if run.points[0] <= low and high <= run.points[1]
        ]
        return sum(parts[1:], parts[0])

    cuts = sorted({end for run, _ in copies for end in run.points})
    return jnp.concatenate([section(low, high) for low, high in pairwise(cuts)], axis)


def _plus_ghosts(x: Array, y: Array, ghosts: Sequence[tuple[_Run, int]], axis: int) -> Array:
    index, zero = lax.broadcasted_iota(np.int32, x.shape, axis), lax.full_like(x, 0)
    for run, start in ghosts:
        for i in range(run.length):
            ghost = jnp.broadcast_to(lax.slice_in_dim(y, start + i, start + i + 1, axis=axis), x.shape)
            x += run.sign * lax.select(index == run.start + run.step * i, ghost, zero)
    return x


def _copies(y: Array, run: _Run, start: int, low: int, high: int, axis: int) -> Array:
    """What a run that begins at `start` holds of the points `low ... high - 1`."""
    if run.step == 0:
        piece = jnp.sum(lax.slice_in_dim(y, start, start + run.length, axis=axis), axis, keepdims=True)
    elif run.step == 1:
        piece = lax.slice_in_dim(y, start + low - run.start, start + high - run.start, axis=axis)
    else:
        piece = lax.slice_in_dim(y, start + run.start - high + 1, start + run.start - low + 1, axis=axis)
        piece = lax.rev(piece, (axis,))
    return piece if run.sign == 1 else run.sign * piece


def _shape_with(length: Callable[..., int], x: Any, *, axes: Any, runs: Any) -> tuple[Any, ...]:
    shape = list(x.shape)
    for axis, parts in zip(axes, runs, strict=True):
        shape[axis] = length(parts)
    return tuple(shape)


def _batch(primitive: Primitive, operands: Sequence[Array], dims: Sequence[int], **options: Any) -> tuple[Array, int]:
    return primitive.bind(jnp.moveaxis(operands[0], dims[0], 0), **options), 0


def _length(runs: tuple[_Run, ...]) -> int:
    return sum(run.length for run in runs)


def _num_points(runs: tuple[_Run, ...]) -> int:
    return max(run.points[1] for run in runs)


define(extend_p, partial(_shape_with, _length), _extend)
define(fold_p, partial(_shape_with, _num_points), _fold, on_cpu=partial(_fold, few=FEW))
ad.deflinear2(extend_p, lambda cotangent, _, **options: [fold_p.bind(cotangent, **options)])
ad.deflinear2(fold_p, lambda cotangent, _, **options: [extend_p.bind(cotangent, **options)])
batching.primitive_batchers[extend_p] = partial(_batch, extend_p)
batching.primitive_batchers[fold_p] = partial(_batch, fold_p)


@cache
def _runs(
    num_points: int, low: int, high: int, mode: AxisMode, reflect: bool
) -> tuple[tuple[_Run, ...], tuple[int, int]]:
    """A padded axis as few runs of consecutive points, without the zeros at its ends, and how many these are."""
    interior = _Run(0, 1, num_points, 1)
    sides = [[], []]
    for side, positions in zip(sides, (range(-low, 0), range(num_points, num_points + high)), strict=True):
        for index, sign in (_source(p, num_points, mode, reflect) for p in positions):
            last = side[-1] if side else None
            step = index - (last.start + last.step * (last.length - 1)) if last else 0
            if last and last.sign == sign and (last.length == 1 or last.step == step) and abs(step) <= 1:
                side[-1] = _Run(last.start, step, last.length + 1, sign)
            else:
                side.append(_Run(index, 0, 1, sign))
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
    matrix = np.zeros((low + num_points + high, num_points))
    for row, position in enumerate(range(-low, num_points + high)):
        index, sign = _source(position, num_points, mode, True)
        matrix[row, index] = sign
    return matrix


def _extrapolate(x: Array, low: int, high: int, mode: AxisMode, axis: int, degree: int) -> Array:
    """Ghosts from the polynomial through the nearest points and the condition at the wall."""
    left, right = (None, None) if mode == "free" else ends_of(mode) or (None, None)
    pieces = [x]
    for end, width, low_side in ((left, low, True), (right, high, False)):
        if width == 0:
            continue
        matrix = ghost_matrix(width, degree, end)
        num_needed = matrix.shape[1]
        if x.shape[axis] < num_needed:
            raise ValueError(
                f"`x` must have at least {num_needed} points along axis {axis} for ghosts of degree {degree} with "
                f"mode {mode!r}, got {x.shape[axis]}. Lower the accuracy or refine the grid."
            )
        start = 0 if low_side else x.shape[axis] - num_needed
        edge = lax.slice_in_dim(x, start, start + num_needed, axis=axis)
        matrix = matrix[::-1] if low_side else matrix[:, ::-1]
        ghosts = jnp.moveaxis(
            jnp.tensordot(matrix.astype(x.dtype), edge, ((1,), (axis,)), precision=lax.Precision.HIGHEST), 0, axis
        )
        pieces = [ghosts, *pieces] if low_side else [*pieces, ghosts]
    return jnp.concatenate(pieces, axis)


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
