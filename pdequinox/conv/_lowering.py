"""How the three maps of `_correlation` are computed: every choice of formulation stands here, with its measured reason.

On accelerators all is left to XLA (`lower`). The rest is for CPUs (`lower_on_cpu`), where XLA's convolutions have a
fast path and others, four to fifty times slower (one core of a Zen 4, jax 0.10; `pdequinox speed` measures):

- In a loop XLA does not bring convolutions into the layout that the fast path needs. So all are written in this
  layout, channels last: in a `lax.scan` 9 times faster, elsewhere the same.
- Most convolutions, and products of the matrices of modes, are calls that XLA does not merge with what stands around.
  Gradients of U-Nets so take 0.9 times the time, three quarters of the memory in 2D and 0.6 in 3D. Merged are forward
  passes with small kernels in 1D and 2D: by themselves they would take 1.1 times the time. `_stands_apart` decides.
- A 2D convolution without window padding goes through a workspace as large as its input times the number of taps,
  which is paged in anew at every call if it exceeds 32 MB. With padding it does not. So pad by one more output, and
  drop that: 4 times faster.
- Such a convolution, and the gradient by its kernel, takes samples of more than 256 KB one after the other, which then
  stay in the processor's cache: a ResNet of 64 x 64 points 1.2 times faster. The gradient's workspace remains small.
- 3D convolutions have no fast path. A loop over the planes of the result adds up 2D ones, in little memory: 4 times
  faster; with dilation 20 times, the gradient by the input of a strided one 50 times.
- One matrix for all points is a batch of products with that matrix: 2 to 5 times faster than one product.
- The matrices of a spectrum's modes lie with the modes last. For up to 4 samples, or 8 with large weights, they are
  multiplied in this order, as loops over one channel: 2 to 5 times faster than products with reordered matrices.
- Several maps, as `vmap` over weights makes them, are looped over: a grouped convolution is 1.5 to 5 times slower, its
  gradient by the kernel 35 to 145 times. But where each has one channel, in 2D, the loop takes 1.5 times as long.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array


class Axis(NamedTuple):
    """A spatial axis: the output j sees the points stride * j + dilation * t - low for the taps t."""

    points: int
    taps: int
    outputs: int
    stride: int = 1
    dilation: int = 1
    low: int = 0

    @property
    def is_pointwise(self) -> bool:
        return self.taps == self.stride == 1 and self.low == 0 and self.points == self.outputs

    @property
    def reach(self) -> int:
        """How many points the kernel covers."""
        return self.dilation * (self.taps - 1) + 1

    @property
    def padding(self) -> tuple[int, int]:
        """The zeros to the left and right of the points that the outputs need; negative for points not needed."""
        return self.low, self.stride * (self.outputs - 1) + self.reach - self.low - self.points


CHANNELS = {"x": "bi", "w": "oi", "y": "bo"}
"""What the two axes of an operand count that stand between those of e and the spatial ones."""

SIZE = {"x": "points", "w": "taps", "y": "outputs"}
"""Which of its sizes an operand has along a spatial axis."""


def others(result: str) -> str:
    """The two operands that a map takes, in their order."""
    return "xwy".replace(result, "")


def shape_of(result: str, axes: Sequence[Axis], a: Any, b: Any) -> tuple[Any, ...]:
    """The shape of a map's result; in an export some sizes may be symbols.

    **Raises:** `TypeError` if the operands `a` and `b` do not fit each other, or the axes.
    """
    maps = a.shape[: a.ndim - 2 - len(axes)]
    sizes = {}
    for slot, operand in zip(others(result), (a, b), strict=True):
        sizes |= zip(CHANNELS[slot], operand.shape[len(maps) :], strict=False)
    shapes = {
        slot: (*maps, *(sizes[name] for name in names), *(getattr(axis, SIZE[slot]) for axis in axes))
        for slot, names in CHANNELS.items()
    }
    if [a.shape, b.shape] != [shapes[slot] for slot in others(result)] or a.dtype != b.dtype:
        raise TypeError(f"The operands of a correlation must fit each other, got {a} and {b} for {axes}.")
    return shapes[result]


def accumulation_dtype(dtype: jnp.dtype) -> jnp.dtype:
    """The dtype of sums over the grid: float32 for half precision, else the same."""
    return jnp.dtype(jnp.float32) if jnp.finfo(dtype).bits < 32 else dtype


def _lower(
    a: Array,
    b: Array,
    result: str,
    axes: tuple[Axis, ...],
    precision: Any,
    *,
    matrices: Callable[..., Array],
    one_matrix: Callable[..., Array],
    convolution: Callable[..., Array],
) -> Array:
    """By the kind of the map: a matrix each, one matrix for all points (which are one axis then), or a convolution."""
    shape = shape_of(result, axes, a, b)
    if 0 in (*a.shape, *b.shape, *shape):
        return jnp.zeros(shape, a.dtype)
    if not axes:
        return matrices(a, b, result, precision)
    if all(axis.is_pointwise for axis in axes):
        a, b = (_flat(array, len(axes), slot) for array, slot in zip((a, b), others(result), strict=True))
        return one_matrix(a, b, result, precision).reshape(shape)
    return convolution(a, b, result, axes, shape, precision)


# Everywhere


def lower(a: Array, b: Array, *, result: str, axes: tuple[Axis, ...], precision: Any) -> Array:
    """Products of matrices, or XLA's convolution with groups and its transposes."""
    how = {"matrices": _product, "one_matrix": _contraction, "convolution": _grouped_convolution}
    return _lower(a, b, result, axes, precision, **how)


def _contraction(a: Array, b: Array, result: str, precision: Any) -> Array:
    equation = {"y": "...bip,...oi->...bop", "x": "...oi,...bop->...bip", "w": "...bip,...bop->...oi"}[result]
    return jnp.einsum(equation, a, b, precision=precision)


def _grouped_convolution(
    a: Array, b: Array, result: str, axes: tuple[Axis, ...], shape: tuple[Any, ...], precision: Any
) -> Array:
    first_channels = len(shape) - 2 - len(axes)

    def convolution(x: Array, w: Array) -> Array:
        maps = w.shape[:first_channels]
        x, w = (array.reshape(-1, *array.shape[first_channels:]) for array in (x, w))
        y = lax.conv_general_dilated(
            jnp.moveaxis(x, 0, 1).reshape(x.shape[1], -1, *x.shape[3:]),
            w.reshape(-1, *w.shape[2:]),
            [axis.stride for axis in axes],
            [axis.padding for axis in axes],
            rhs_dilation=[axis.dilation for axis in axes],
            feature_group_count=w.shape[0],
            precision=precision,
        )
        y = y.reshape(y.shape[0], w.shape[0], -1, *y.shape[2:])
        return jnp.moveaxis(y, 1, 0).reshape(*maps, y.shape[0], *y.shape[2:])

    if result == "y":
        return convolution(a, b)
    linear = (lambda x: convolution(x, a)) if result == "x" else (lambda w: convolution(a, w))
    return jax.linear_transpose(linear, jax.ShapeDtypeStruct(shape, b.dtype))(b)[0]


def _product(a: Array, b: Array, result: str, precision: Any) -> Array:
    """Without spatial axes: products of matrices."""
    left, right = (b, a) if result == "x" else (a, _transposed(b)) if result == "y" else (_transposed(b), a)
    return jnp.matmul(left, right, precision=precision)


def _flat(array: Array, num_dims: int, slot: str) -> Array:
    """Points as one axis, and no axis for the single tap of a kernel."""
    lead = array.shape[: array.ndim - num_dims]
    return array.reshape(lead) if slot == "w" else array.reshape(*lead, -1)


def _transposed(matrix: Array) -> Array:
    return jnp.swapaxes(matrix, -1, -2)


# On a CPU

SAMPLE = 2**16
"""Entries of a sample, the input or the output, above which 2D convolutions are faster sample by sample: 256 KB."""

LARGE = 2**22
"""Entries of modes' matrices that, twice, do not fit into the memory that the allocator keeps between calls: 32 MB."""


def _apart(function: Callable[..., Array]) -> Callable[..., Array]:
    """`function` of two arrays and options, as a call that XLA does not merge with what stands around it."""

    @partial(jax.jit, static_argnums=2)
    @wraps(function)
    def body(a: Array, b: Array, options: tuple[Any, ...]) -> Array:
        # The mark is on the call, not on what stands in it.
        with set_xla_metadata(inlineable=None):
            return function(a, b, *options)

    @wraps(function)
    def call(a: Array, b: Array, *options: Any) -> Array:
        with set_xla_metadata(inlineable="false"):
            return body(a, b, options)

    return call


def lower_on_cpu(a: Array, b: Array, *, result: str, axes: tuple[Axis, ...], precision: Any) -> Array:
    """Every map by itself, in the fast path."""
    how = {"matrices": _matrix_per_map, "one_matrix": _one_matrix, "convolution": _each_convolution}
    return _lower(a, b, result, axes, precision, **how)


def _each_convolution(
    a: Array, b: Array, result: str, axes: tuple[Axis, ...], shape: tuple[Any, ...], precision: Any
) -> Array:
    """One map after the other, in full precision whatever is asked for."""
    dtype, num_maps = a.dtype, len(shape) - 2 - len(axes)
    w_shape = {"y": b.shape, "x": a.shape, "w": shape}[result]
    if num_maps and len(axes) == 2 and result != "w" and w_shape[num_maps : num_maps + 2] == (1, 1):
        return _grouped_convolution(a, b, result, axes, shape, precision)
    a, b = (array.astype(accumulation_dtype(dtype)) for array in (a, b))
    if num_maps == 0:
        one = _one_convolution_apart if _stands_apart(a, b, result, axes, shape) else _one_convolution
        return one(a, b, result, axes).astype(dtype)
    a, b = (array.reshape(-1, *array.shape[num_maps:]) for array in (a, b))
    y = lax.map(lambda operands: _one_convolution_apart(*operands, result, axes), (a, b))
    return y.reshape(shape).astype(dtype)


def _stands_apart(a: Array, b: Array, result: str, axes: tuple[Axis, ...], shape: Sequence[Any]) -> bool:
    """Whether a convolution is a call of its own: not in a forward pass with a kernel smaller than a sample."""
    if len(axes) > 2 or result == "w":
        return True
    if result == "x":
        # With strides this is, for the most part, the forward pass of a transposed convolution, else a gradient.
        return all(axis.stride == 1 for axis in axes) or a.size > math.prod(b.shape[1:])
    return b.size > math.prod(a.shape[1:]) or _is_better_by_samples(axes, a.shape, shape)


def _matrix_per_map(a: Array, b: Array, result: str, precision: Any) -> Array:
    """Each map is a matrix: the modes of a spectrum."""
    if result == "w" or a.ndim == 2:
        return _product_apart(a, b, result, precision)
    w, samples, contracted = (b, a, 1) if result == "y" else (a, b, 0)
    num_samples = samples.shape[-2]
    # In an export the number may be a symbol.
    if not isinstance(num_samples, int) or num_samples > (8 if w.size > LARGE else 4):
        return _product_apart(a, b, result, precision)

    # The modes are the last axis of a layer's weights, and stay it: nothing is reordered.
    w, samples = (jnp.moveaxis(array, -3, -1) for array in (w, samples))
    row_shape = (w.shape[-2 - contracted], w.shape[-1])

    def accumulate(operands: tuple[Array, Array]) -> Array:
        w, samples = operands

        def add(k: Array, total: Array) -> Array:
            row = lax.dynamic_index_in_dim(samples, k, 1)
            return total + row * lax.dynamic_index_in_dim(w, k, contracted, keepdims=False)

        return lax.fori_loop(0, w.shape[contracted], add, jnp.zeros((samples.shape[0], *row_shape), w.dtype))

    if w.ndim == 3:
        return jnp.moveaxis(accumulate((w, samples)), -1, -3)
    rows = lax.map(accumulate, tuple(array.reshape(-1, *array.shape[-3:]) for array in (w, samples)))
    return jnp.moveaxis(rows.reshape(*w.shape[:-3], *rows.shape[1:]), -1, -3)


_product_apart = _apart(_product)


def _one_matrix(a: Array, b: Array, result: str, precision: Any) -> Array:
    """The same matrix for all points, which are one axis."""
    matmul = partial(jnp.matmul, precision=precision)
    if result == "w":
        return jnp.sum(matmul(b, _transposed(a)), axis=-3)
    w, samples = (b, a) if result == "y" else (_transposed(a), b)
    return matmul(jnp.broadcast_to(w[..., None, :, :], (*samples.shape[:-2], *w.shape[-2:])), samples)


def _one_convolution(a: Array, b: Array, result: str, axes: tuple[Axis, ...]) -> Array:
    return {"y": _convolution, "x": _transposed_convolution, "w": _kernel_gradient}[result](axes, a, b)


_one_convolution_apart = _apart(_one_convolution)


def _convolution(axes: Sequence[Axis], x: Array, w: Array) -> Array:
    return _outputs(axes, x, jnp.moveaxis(w, (0, 1), (-1, -2)))


def _transposed_convolution(axes: Sequence[Axis], w: Array, y: Array) -> Array:
    return _points(axes, lax.rev(jnp.moveaxis(w, (0, 1), (-2, -1)), tuple(range(len(axes)))), y)


def _kernel_gradient(axes: Sequence[Axis], x: Array, y: Array) -> Array:
    return jnp.moveaxis(_taps(axes, x, y), (-1, 0), (0, 1))


# The three maps, with kernels as the fast path wants them. It takes two spatial axes; a loop runs over the others.


def _outputs(axes: Sequence[Axis], x: Array, w: Array) -> Array:
    """From `(b, i, *points)` and `(*taps, i, o)` to `(b, o, *outputs)`."""
    shape = (x.shape[0], w.shape[-1], *(axis.outputs for axis in axes))
    if _is_better_by_samples(axes, x.shape, shape):
        return _by_planes(lambda sample, _: _outputs(axes, _sample(x, sample), w), shape, x, step=shape[2])
    if len(axes) <= 2:
        padding, stride, dilation = ([n.padding for n in axes], [n.stride for n in axes], [n.dilation for n in axes])
        return _channels_first(_in_fast_path(_channels_last(x), w, padding, stride, dilation=dilation))
    first, *rest = axes

    def plane(sample: Array, j: Array) -> Array:
        seen = [_plane(x, sample, first.stride * j + first.dilation * t - first.low) for t in range(first.taps)]
        return _sum([_outputs(rest, x, w[t]) for t, x in enumerate(seen)])[:, :, None]

    return _by_planes(plane, shape, x)


def _points(axes: Sequence[Axis], w: Array, y: Array) -> Array:
    """From the flipped kernel `(*taps, o, i)` and `(b, o, *outputs)` to `(b, i, *points)`."""
    shape = (y.shape[0], w.shape[-1], *(axis.points for axis in axes))
    if len(axes) <= 2:
        low = [axis.reach - 1 - axis.low for axis in axes]
        high = [axis.points - 1 + axis.low - axis.stride * (axis.outputs - 1) for axis in axes]
        x = _in_fast_path(
            _channels_last(y),
            w,
            [(max(n, 0), max(m, 0)) for n, m in zip(low, high, strict=True)],
            [1] * len(axes),
            input_dilation=[axis.stride for axis in axes],
            dilation=[axis.dilation for axis in axes],
        )
        return _channels_first(_cropped(x, [(min(n, 0), min(m, 0)) for n, m in zip(low, high, strict=True)]))
    # The points stride * m + residue - low see the outputs m - (dilation * t - residue) / stride.
    first, *rest = axes
    start, stop = first.low // first.stride, (first.low + first.points - 1) // first.stride + 1
    shape = (*shape[:2], first.stride * (stop - start), *shape[3:])

    def planes(sample: Array, m: Array) -> Array:
        terms = [[] for _ in range(first.stride)]
        for t in range(first.taps):
            back, residue = divmod(first.dilation * t, first.stride)
            terms[residue].append(_points(rest, w[first.taps - 1 - t], _plane(y, sample, start + m - back)))
        zero = jnp.zeros((1, *shape[1:2], *shape[3:]), y.dtype)
        return jnp.stack([_sum(plane) if plane else zero for plane in terms], axis=2)

    x = _by_planes(planes, shape, y, step=first.stride)
    skipped = first.low - first.stride * start
    return lax.slice_in_dim(x, skipped, skipped + first.points, axis=2)


def _taps(axes: Sequence[Axis], x: Array, y: Array) -> Array:
    """From `(b, i, *points)` and `(b, o, *outputs)` to `(i, *taps, o)`."""
    by_samples = _is_better_by_samples(axes, x.shape, y.shape)
    if len(axes) <= 2 and not by_samples:
        padding, stride, dilation = ([n.padding for n in axes], [n.stride for n in axes], [n.dilation for n in axes])
        return _in_fast_path(
            jnp.moveaxis(x, 0, -1), jnp.moveaxis(y, (0, 1), (-2, -1)), padding, dilation, dilation=stride
        )
    zero = jnp.zeros((x.shape[1], *(axis.taps for axis in axes), y.shape[1]), y.dtype)
    if by_samples:
        return lax.fori_loop(0, x.shape[0], lambda i, taps: taps + _taps(axes, _sample(x, i), _sample(y, i)), zero)
    first, *rest = axes

    def add_plane(i: Array, taps: Array) -> Array:
        sample, j = i // first.outputs, i % first.outputs
        seen = [_plane(x, sample, first.stride * j + first.dilation * t - first.low) for t in range(first.taps)]
        by = _plane(y, sample, j)
        return taps + jnp.stack([_taps(rest, x, by) for x in seen], axis=1)

    return lax.fori_loop(0, x.shape[0] * first.outputs, add_plane, zero)


def _in_fast_path(
    x: Array,
    w: Array,
    padding: Sequence[tuple[int, int]],
    stride: Sequence[int],
    *,
    input_dilation: Sequence[int] | None = None,
    dilation: Sequence[int],
) -> Array:
    """From `(b, *points, i)` and `(*taps, i, o)` to `(b, *outputs, o)`; negative padding crops."""
    x = _cropped(x, [(min(low, 0), min(high, 0)) for low, high in padding])
    padding = [(max(low, 0), max(high, 0)) for low, high in padding]
    one_more = _lays_out_windows(padding, x.shape[-1])
    if one_more:
        padding[0] = (stride[0], 0)
    axes = "HW"[: len(padding)]
    y = lax.conv_general_dilated(
        x,
        w,
        stride,
        padding,
        lhs_dilation=input_dilation,
        rhs_dilation=dilation,
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
    )
    return y[:, 1:] if one_more else y


def _is_better_by_samples(axes: Sequence[Axis], x_shape: Sequence[Any], y_shape: Sequence[Any]) -> bool:
    """Whether the forward pass lays out windows of large samples. The gradient by the kernel goes the same way."""
    if x_shape[0] == 1 or not _lays_out_windows([axis.padding for axis in axes], x_shape[1]):
        return False
    return max(math.prod(x_shape[1:]), math.prod(y_shape[1:])) > SAMPLE


def _lays_out_windows(padding: Sequence[tuple[int, int]], num_channels: int) -> bool:
    """Whether XLA lays out all windows of a convolution in memory."""
    return len(padding) == 2 and not any(low > 0 or high > 0 for low, high in padding) and num_channels > 16


def _by_planes(
    planes: Callable[[Array, Array], Array], shape: tuple[Any, ...], operand: Array, *, step: int = 1
) -> Array:
    """An array `(b, channels, *spatial)`, of which `planes(sample, j)` are the planes from `step * j` on."""
    count = shape[2] // step

    def write(i: Array, array: Array) -> Array:
        sample, j = i // count, i % count
        start = [jnp.zeros_like(i)] * len(shape)
        start[0], start[2] = sample, step * j
        return lax.dynamic_update_slice(array, planes(sample, j), start)

    # All of it is overwritten. Zeros would be one array, kept for all such loops and copied for each.
    anything = jnp.broadcast_to(operand[(0,) * operand.ndim], shape)
    return lax.fori_loop(0, shape[0] * count, write, anything)


def _sample(array: Array, index: Array) -> Array:
    return lax.dynamic_slice_in_dim(array, index, 1)


def _plane(array: Array, sample: Array, index: Array) -> Array:
    """One sample, `(1, channels, *spatial)`, at one index along its first spatial axis; zeros outside of the grid."""
    plane = lax.dynamic_index_in_dim(_sample(array, sample), index, axis=2, keepdims=False)
    return jnp.where((index >= 0) & (index < array.shape[2]), plane, jnp.zeros((), array.dtype))


def _sum(terms: Sequence[Array]) -> Array:
    return sum(terms[1:], terms[0])


def _channels_last(array: Array) -> Array:
    return jnp.moveaxis(array, 1, -1)


def _channels_first(array: Array) -> Array:
    return jnp.moveaxis(array, -1, 1)


def _cropped(array: Array, widths: Sequence[tuple[int, int]]) -> Array:
    """Crop the spatial axes by widths that are not positive. By slices: `lax.pad` may get negative widths wrong."""
    starts = [0, *(-low for low, _ in widths), 0]
    stops = [size + high for size, high in zip(array.shape, [0, *(high for _, high in widths), 0], strict=True)]
    return lax.slice(array, starts, stops)
