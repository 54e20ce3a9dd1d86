"""Linear maps that copy points of an axis, with derivatives in as little memory."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching
from jaxtyping import Array

from .._primitive import define


class Run(NamedTuple):
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


def _extend(x: Array, *, axes: tuple[int, ...], runs: tuple[tuple[Run, ...], ...]) -> Array:
    """Along each axis one run after the other."""
    for axis, parts in zip(axes, runs, strict=True):
        x = jnp.concatenate([_piece(x, run, axis % x.ndim) for run in parts], axis)
    return x


def _piece(x: Array, run: Run, axis: int) -> Array:
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


def _fold(y: Array, *, axes: tuple[int, ...], runs: tuple[tuple[Run, ...], ...], few: int = 0) -> Array:
    """Each point gets the sum of its copies, up to `few` ghosts of an axis one by one."""
    for axis, parts in reversed(list(zip(axes, runs, strict=True))):
        y = _folded(y, axis, parts, few)
    return y


def _folded(y: Array, axis: int, runs: tuple[Run, ...], few: int) -> Array:
    """Along one axis."""
    axis %= y.ndim
    starts = np.cumsum([0, *(run.length for run in runs)])
    copies = [(run, int(start)) for run, start in zip(runs, starts, strict=False) if run.sign]
    whole = Run(0, 1, _num_points(runs), 1)
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


def _plus_ghosts(x: Array, y: Array, ghosts: Sequence[tuple[Run, int]], axis: int) -> Array:
    index, zero = lax.broadcasted_iota(np.int32, x.shape, axis), lax.full_like(x, 0)
    for run, start in ghosts:
        for i in range(run.length):
            ghost = jnp.broadcast_to(lax.slice_in_dim(y, start + i, start + i + 1, axis=axis), x.shape)
            x += run.sign * lax.select(index == run.start + run.step * i, ghost, zero)
    return x


def _copies(y: Array, run: Run, start: int, low: int, high: int, axis: int) -> Array:
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


def _length(runs: tuple[Run, ...]) -> int:
    return sum(run.length for run in runs)


def _num_points(runs: tuple[Run, ...]) -> int:
    return max(run.points[1] for run in runs)


define(extend_p, partial(_shape_with, _length), _extend)
define(fold_p, partial(_shape_with, _num_points), _fold, on_cpu=partial(_fold, few=FEW))
ad.deflinear2(extend_p, lambda cotangent, _, **options: [fold_p.bind(cotangent, **options)])
ad.deflinear2(fold_p, lambda cotangent, _, **options: [extend_p.bind(cotangent, **options)])
batching.primitive_batchers[extend_p] = partial(_batch, extend_p)
batching.primitive_batchers[fold_p] = partial(_batch, fold_p)


def with_ends(x: Array, first: int, last: int, axis: int) -> tuple[Array, Array, Array]:
    """The `first` points of an axis, the array, and the `last` points: by these, where others need them, the derivative
    gets by without an array of full size for each."""
    n = x.shape[axis]
    runs = Run(0, 1, first, 1), Run(0, 1, n, 1), Run(n - last, 1, last, 1)
    kept = tuple(run for run in runs if run.length)
    parts = list(lax.split(extend_p.bind(x, axes=(axis - x.ndim,), runs=(kept,)), [run.length for run in kept], axis))
    before, whole, behind = (parts.pop(0) if run.length else lax.slice_in_dim(x, 0, 0, axis=axis) for run in runs)
    return before, whole, behind
