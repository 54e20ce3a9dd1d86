r"""Every learnable linear map of this room is a derivative of one trilinear form, a primitive of JAX.

$$ T(x, w, y) = \sum_{e, b, i, o} \sum_{j, t} x_{e b i}(s j + d t - l)\, w_{e o i}(t)\, y_{e b o}(j), $$

with x zero outside of its grid. $\partial T / \partial y$ is a convolution (a cross-correlation, in truth),
$\partial T / \partial x$ a transposed one and $\partial T / \partial w$ the gradient by the kernel. The derivatives of
each are the two others. So three maps have to be computed well, and all else follows: reverse and forward mode of any
order, `vmap` over any operand, loops, `jax.shard_map`. (Not: meshes with explicit axes, `jax.experimental.jet`.) With
`lax.conv_general_dilated` the gradients, the batching and what becomes of them in a loop would be given, and slow (see
`_lowering.py`).

The index b counts samples. The axes e count independent maps: groups of channels, modes of a spectrum, members of an
ensemble. Without spatial axes the form is a product of matrices.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching
from jaxtyping import Array, Float

from .._primitive import alike, define
from ..boundary import lies_over_devices
from ._lowering import CHANNELS, Axis, lower, lower_on_cpu, others, shape_of


def convolve(
    x: Float[Array, "i ..."],
    weight: Float[Array, "o j ..."],
    *,
    zeros: Sequence[tuple[int, int]],
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Float[Array, "o ..."]:
    """Cross-correlation of `x`, extended by zeros, with `weight`, where it fits."""
    axes = tuple(
        Axis(points, taps, (low + points + high - d * (taps - 1) - 1) // s + 1, s, d, low)
        for points, taps, (low, high), s, d in zip(x.shape[1:], weight.shape[2:], zeros, stride, dilation, strict=True)
    )
    return _one_sample(form("y", axes, _sample(x, groups), _kernel(weight, groups)), len(axes))


def convolve_transposed(
    x: Float[Array, "i ..."],
    weight: Float[Array, "o j ..."],
    points: Sequence[int],
    *,
    windows: Sequence[tuple[int, int]],
    ghosts: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Float[Array, "o ..."]:
    """Transposed convolution of an input with so many `ghosts` to the left, to a grid of `points`.

    The fine point p sees the zero-stuffed coarse points at p + dilation * t - left for the taps t, where `windows`
    holds (left, right) per axis: the gradient, by its input, of a convolution with the flipped kernel.
    """
    axes = [
        Axis(fine, taps, coarse, s, d, right + s * low)
        for fine, coarse, taps, (_, right), low, s, d in zip(
            points, x.shape[1:], weight.shape[2:], windows, ghosts, stride, dilation, strict=True
        )
    ]
    kernel = lax.rev(weight, tuple(range(2, weight.ndim)))
    kernel = jnp.swapaxes(_kernel(kernel, groups), -len(axes) - 2, -len(axes) - 1)
    return _one_sample(form("x", tuple(axes), kernel, _sample(x, groups)), len(axes))


def mix_channels(x: Float[Array, "i ..."], weight: Float[Array, "o i"], precision: Any = None) -> Float[Array, "o ..."]:
    """One matrix for all points."""
    if lies_over_devices():
        # XLA splits the points if they keep their axes.
        return jnp.tensordot(weight, x, 1, precision=precision)
    points = Axis(x[0].size, 1, x[0].size)
    y = form("y", (points,), x.reshape(1, len(x), -1), weight[..., None], precision=precision)
    return y.reshape(-1, *x.shape[1:])


def same_window(kernel_size: int, dilation: int) -> tuple[int, int]:
    """How many points to the left and right of an output the kernel reaches, along one axis."""
    return dilation * ((kernel_size - 1) // 2), dilation * (kernel_size // 2)


def cell_window(kernel_size: int, stride: int, dilation: int) -> tuple[int, int]:
    """`same_window` on the fine grid, about the middle of the `stride` fine cells of a coarse cell."""
    reach = dilation * (kernel_size - 1)
    left = (reach + stride - 1) // 2
    return left, reach - left


def coarse_window(window: tuple[int, int], stride: int, surplus: int = 0) -> tuple[int, int]:
    """How many coarse points to the left and right of a coarse grid its fine points see, along one axis.

    `surplus` is how many more fine points there are than `stride` for each coarse one.
    """
    left, right = window
    return left // stride, max(0, (surplus + stride - 1 + right) // stride)


def form(result: str, axes: tuple[Axis, ...], a: Array, b: Array, *, precision: Any = None) -> Array:
    """The derivative of the trilinear form by one of its operands.

    **Arguments:**

    - `result`: Which one: "x", "w" or "y".
    - `axes`: The spatial axes.
    - `a`, `b`: The two others, in this order: x of shape `(*e, b, i, *points)`, w `(*e, o, i, *taps)`,
        y `(*e, b, o, *outputs)`.
    - `precision`: As for `jax.lax.dot_general`; JAX's default precision where the function is called, if `None`.
    """
    if precision is None:
        precision = getattr(jax.config, "jax_default_matmul_precision")  # noqa: B009 (not in its type)
    a, b = alike(a, b)
    return form_p.bind(a, b, result=result, axes=axes, precision=precision)


def _sample(x: Array, groups: int) -> Array:
    """One sample, `(channels, *spatial)`, as an operand."""
    return x[None] if groups == 1 else x.reshape(groups, 1, -1, *x.shape[1:])


def _kernel(weight: Array, groups: int) -> Array:
    return weight if groups == 1 else weight.reshape(groups, -1, *weight.shape[1:])


def _one_sample(y: Array, num_dims: int) -> Array:
    """An operand for one sample as `(channels, *spatial)`."""
    return y.reshape(-1, *y.shape[y.ndim - num_dims :])


form_p = Primitive("correlation_form")


def _transpose(wanted: int, cotangent: Any, a: Any, b: Any, *, result: str, **options: Any) -> Any:
    """The cotangent of operand `wanted`: the derivative of the form by it."""
    if isinstance(cotangent, ad.Zero):
        return ad.Zero((a, b)[wanted].aval)
    slots = others(result)
    given = {result: cotangent, slots[1 - wanted]: (b, a)[wanted]}
    first, second = (given[slot] for slot in others(slots[wanted]))
    return form(slots[wanted], a=first, b=second, **options)


ad.defbilinear(form_p, partial(_transpose, 0), partial(_transpose, 1))


def _batch(operands: Sequence[Any], dims: Sequence[int | None], *, result: str, axes: Any, precision: Any) -> Any:
    """A new axis of both operands counts maps; that of one operand joins the axis that it shares with the result."""
    apply = partial(form_p.bind, result=result, axes=axes, precision=precision)
    a, b = (x if dim is None else jnp.moveaxis(x, dim, 0) for x, dim in zip(operands, dims, strict=True))
    if None not in dims:
        return apply(a, b), 0
    which = dims.index(None) ^ 1
    slot, batched = others(result)[which], (a, b)[which]
    (shared,) = set(CHANNELS[slot]) & set(CHANNELS[result])
    # Counted from the end, because any number of axes may count maps.
    at = CHANNELS[slot].index(shared) - 2 - len(axes)
    batched = jnp.moveaxis(batched, 0, at - 1)
    shape = list(batched.shape)
    size, count = shape[at - 1], shape[at]
    shape[at - 1 : at + 1 or None] = [size * count]
    batched = batched.reshape(shape)
    y = apply(batched, b) if which == 0 else apply(a, batched)
    at = y.ndim + CHANNELS[result].index(shared) - 2 - len(axes)
    return y.reshape(*y.shape[:at], size, count, *y.shape[at + 1 :]), at


batching.primitive_batchers[form_p] = _batch
define(form_p, lambda a, b, *, result, axes, precision: shape_of(result, axes, a, b), lower, on_cpu=lower_on_cpu)
