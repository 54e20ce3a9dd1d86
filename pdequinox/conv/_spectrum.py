"""Truncated transforms as matrix products, and the product of a spectrum with a matrix per mode.

A spectrum has its channels in front, then one axis of modes per axis of the grid: first the wave numbers of
non-negative sign and, on "full" axes, those of negative sign behind them. Each axis is transformed in its place by
one matrix for all points. So no step has a case for a boundary mode.

Complex numbers are pairs of real arrays. Where both signs of a wave number are wanted, cosine and sine sums are taken
once and added up with both signs: half the products of two complex transforms.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import TypeAlias, cast

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ..boundary import Basis, SignBlock, own_part, share_among_shards, sum_over_shards
from ._correlation import form
from ._lowering import Axis

Part: TypeAlias = Array | None
"""The real or the imaginary part of something; `None` if it is known to be zero."""
Pair: TypeAlias = tuple[Part, Part]

HIGHEST = lax.Precision.HIGHEST


def analyze(
    x: Float[Array, "i ..."], bases: Sequence[Basis], num_modes: Sequence[int], space: Sequence[int] | None = None
) -> Pair:
    """From points to the coefficients of the modes, along the axes `space`: all that there are, by default.

    A shard adds up its own points; the one sum over all shards is that of the modes.
    """
    space = range(len(bases)) if space is None else space
    z: Pair = (x, None)
    for axis in range(len(bases), 0, -1):
        basis, count = bases[axis - 1], num_modes[axis - 1]
        cosine, sine = _sums(basis.analysis, z, axis, space[axis - 1])
        signs = [_add(cosine, _times_i(sine))]
        if len(basis.blocks) == 2:
            signs.append(_add(cosine, _negative(_times_i(sine))))
        signs = [
            _map(partial(_to_weights, block=block, num_modes=count, axis=axis), sign)
            for sign, block in zip(signs, basis.blocks, strict=True)
        ]
        z = signs[0] if len(signs) == 1 else _map(lambda *parts, axis=axis: jnp.concatenate(parts, axis), *signs)
    return sum_over_shards(z, space)


def synthesize(z: Pair, bases: Sequence[Basis], space: Sequence[int] | None = None) -> Float[Array, "o ..."]:
    """From the coefficients of the modes to the real field at the points, of the shard."""
    space = range(len(bases)) if space is None else space
    z = share_among_shards(z, space)
    for axis, basis in enumerate(bases, start=1):
        own = partial(own_part, axis=space[axis - 1], dim=0)
        cosine, sine = np.real(basis.synthesis), np.imag(basis.synthesis)
        signs = [z]
        if len(basis.blocks) == 2:
            signs = [_map(lambda part, sign=sign, axis=axis: jnp.split(part, 2, axis)[sign], z) for sign in (0, 1)]
        signs = [
            _map(partial(_from_weights, block=block, num_waves=len(basis.analysis), axis=axis), sign)
            for sign, block in zip(signs, basis.blocks, strict=True)
        ]
        if len(signs) == 2:
            plus, minus = signs
            even, odd = _add(plus, minus), _times_i(_add(plus, _negative(minus)))
            both = _map(lambda *parts, axis=axis: jnp.concatenate(parts, axis), even, odd)
            z = _product(own(np.concatenate([cosine, sine], axis=1)), both, axis)
        elif np.iscomplexobj(basis.synthesis):
            # The coefficients of the other sign are the complex conjugates: what remains is the real part.
            parts = [part for part in signs[0] if part is not None]
            matrix = np.concatenate([cosine, -sine][: len(parts)], axis=1)
            z = _product(own(matrix), (jnp.concatenate(parts, axis), None), axis)
        else:
            z = _product(own(cosine), signs[0], axis)
    return cast(Array, z[0])


def mix(weights: Pair, z: Pair, bases: Sequence[Basis]) -> Pair:
    """The product of each mode's coefficients with its matrix over the channels.

    Two real matrix products per mode, of the parts of `z` as rows with either part of the weights, which have the
    shape `(corners, o, i, *num_modes)`.
    """
    parts = [part for part in z if part is not None]
    rows = _corners_first(jnp.stack(parts), bases)

    def product(weight: Float[Array, "g o i ..."]) -> Array:
        return form("y", (), rows, jnp.moveaxis(weight.reshape(*weight.shape[:3], -1), -1, 1), precision=HIGHEST)

    products = _map(product, weights)
    by_real, *by_imag = (_map(lambda both, part=part: both[:, :, part], products) for part in range(len(parts)))
    mixed = [part for part in (_add(by_real, _times_i(by_imag[0])) if by_imag else by_real) if part is not None]
    real, *imag = _channels_first(jnp.stack(mixed, axis=2), parts[0].shape[1:], bases)
    return real, imag[0] if imag else None


def multiply(a: Pair, b: Pair, by: Callable[[Array, Array], Array] = jnp.multiply) -> Pair:
    """The product of two complex arrays, from a product of real ones: bilinear, elementwise by default."""
    by_real, by_imag = (_map(lambda part, of=of: by(of, part), b) if of is not None else (None, None) for of in a)
    return _add(by_real, _times_i(by_imag))


def by_corners(weights: Float[Array, "i o ..."], bases: Sequence[Basis]) -> Float[Array, "corners o i ..."]:
    """Matrices that lie like spectra, both signs of a wave number on one axis, as `mix` takes them."""
    signs, modes, split = _order(weights.shape[2:], bases)
    x = weights.reshape(*weights.shape[:2], *split)
    x = x.transpose(*(axis + 2 for axis in signs), 1, 0, *(axis + 2 for axis in modes))
    return x.reshape(2 ** len(signs), *x.shape[len(signs) :])


def _corners_first(parts: Float[Array, "p i ..."], bases: Sequence[Basis]) -> Float[Array, "corners modes p i"]:
    """Spectra in the order of the weights: the sign of the first full axis varies fastest among the corners."""
    signs, modes, split = _order(parts.shape[2:], bases)
    x = parts.reshape(*parts.shape[:2], *split)
    x = x.transpose(*(axis + 2 for axis in (*signs, *modes)), 0, 1)
    return x.reshape(2 ** len(signs), -1, *parts.shape[:2])


def _channels_first(
    x: Float[Array, "corners modes p o"], sizes: Sequence[int], bases: Sequence[Basis]
) -> Float[Array, "p o ..."]:
    """The reverse of `_corners_first`, to spectra with these numbers of modes per axis."""
    signs, modes, split = _order(sizes, bases)
    order = (*signs, *modes)
    x = x.reshape(*(split[axis] for axis in order), *x.shape[2:])
    x = x.transpose(len(order), len(order) + 1, *np.argsort(order))
    return x.reshape(*x.shape[:2], *sizes)


def _order(sizes: Sequence[int], bases: Sequence[Basis]) -> tuple[list[int], list[int], list[int]]:
    """The axes of signs, last first, those of magnitudes, and the sizes of both as they lie in a spectrum."""
    signs, modes, split = [], [], []
    for size, basis in zip(sizes, bases, strict=True):
        if len(basis.blocks) == 2:
            signs.insert(0, len(split))
            split.append(2)
        modes.append(len(split))
        split.append(size // len(basis.blocks))
    return signs, modes, split


def _to_weights(part: Array, block: SignBlock, num_modes: int, axis: int) -> Array:
    """The coefficients of ascending wave numbers in the order of a block's weights, zero where the grid has no mode."""
    count = block.stop - block.start
    part = lax.slice_in_dim(part, block.offset, block.offset + count, axis=axis)
    return _pad_axis(jnp.flip(part, axis) if block.descending else part, block.start, num_modes, axis)


def _from_weights(part: Array, block: SignBlock, num_waves: int, axis: int) -> Array:
    """The reverse of `_to_weights`."""
    part = lax.slice_in_dim(part, block.start, block.stop, axis=axis)
    return _pad_axis(jnp.flip(part, axis) if block.descending else part, block.offset, num_waves, axis)


def _pad_axis(part: Array, low: int, size: int, axis: int) -> Array:
    fill = [(0, 0, 0)] * part.ndim
    fill[axis] = (low, size - low - part.shape[axis], 0)
    return lax.pad(part, jnp.zeros((), part.dtype), fill)


def _sums(matrix: np.ndarray, z: Pair, axis: int, space: int) -> tuple[Pair, Pair]:
    """The real and the imaginary part of `matrix` times real arrays along one axis: `space` of the grid's."""
    if not np.iscomplexobj(matrix):
        return _product(own_part(matrix, space, 1), z, axis), (None, None)
    both = _product(own_part(np.concatenate([np.real(matrix), np.imag(matrix)]), space, 1), z, axis)
    real, imag = (_map(lambda part, which=which: jnp.split(part, 2, axis)[which], both) for which in (0, 1))
    return real, imag


def _product(matrix: np.ndarray | Array, z: Pair, axis: int) -> Pair:
    """`matrix` times one axis, in its place: one matrix for all points of the axes behind it."""
    real, imag = z
    if real is not None and imag is not None and axis < real.ndim - 1:
        # As one product: two cost up to twice as much, and what was cut in two before is not joined, but left whole.
        real, imag = jnp.split(cast(Array, _product(matrix, (jnp.concatenate([real, imag], -1), None), axis)[0]), 2, -1)
        return real, imag

    return _map(lambda part: along_axis(matrix, part, axis), z)


def along_axis(matrix: np.ndarray | Array, x: Array, axis: int) -> Array:
    """`matrix` times one axis of an array, in its place."""
    before, size, behind = prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :])
    w, points = jnp.asarray(matrix, x.dtype), () if behind == 1 else (Axis(behind, 1, behind),)
    rows = x.reshape(before, size, *(axis.points for axis in points))
    y = form("y", points, rows, w.reshape(*w.shape, *(axis.taps for axis in points)), precision=HIGHEST)
    return y.reshape(*x.shape[:axis], len(matrix), *x.shape[axis + 1 :])


def _map(function: Callable[..., Array], *pairs: Pair) -> Pair:
    """Apply a linear function to the parts that are not zero."""
    real, imag = (
        None if any(part is None for part in parts) else function(*parts) for parts in zip(*pairs, strict=True)
    )
    return real, imag


def _add(a: Pair, b: Pair) -> Pair:
    real, imag = (p if q is None else q if p is None else p + q for p, q in zip(a, b, strict=True))
    return real, imag


def _negative(z: Pair) -> Pair:
    return _map(lambda part: -part, z)


def _times_i(z: Pair) -> Pair:
    real, imag = z
    return None if imag is None else -imag, real
