"""Axes that lie over the devices of a mesh: where a shard ends, the neighbouring device is one more boundary.

A network that is called within `laid_over` sees whole arrays, which XLA splits over the devices. What is known here
better than to XLA is computed `by_shard`: in a `jax.shard_map`, where each device sees its own points alone. There
ghosts come from the neighbours (`pad`), sums over all points are added up (`sum_over_shards`), and a matrix of all
points is used by its own rows or columns (`own_part`). On one device, and without a layout, all of these do nothing.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, PyTree

from .._primitive import vary
from ._copies import with_ends


class Shard(NamedTuple):
    """How an axis of space lies over an axis of a device mesh: in `count` equal parts."""

    name: str
    count: int


class _Layout(NamedTuple):
    mesh: Mesh
    shards: tuple[Shard | None, ...]
    """One per axis of space; `None` for an axis that every device has the whole of."""
    is_inside: bool = False
    """Whether arrays are shards, and not whole."""


_layout: ContextVar[_Layout | None] = ContextVar("_layout", default=None)
_is_ignored: ContextVar[bool] = ContextVar("_is_ignored", default=False)


@contextmanager
def laid_over(mesh: Mesh, names: Sequence[str | None]) -> Iterator[None]:
    """Within: axis i of space lies over the axis `names[i]` of a device mesh, in as many equal parts as it has devices.

    For [`pdequinox.parallel.space_sharded`][], which checks the arguments. Like all that is traced once, it is seen
    where a function is traced; `jax.jit` and `jax.checkpoint` within keep the traces of each layout apart.
    """
    shards = tuple(Shard(name, mesh.shape[name]) if name and mesh.shape[name] > 1 else None for name in names)
    if _is_ignored.get() or not any(shards):
        yield
        return
    token = _layout.set(_Layout(mesh, shards))
    # What JAX attaches to operations is part of the key of its traces. It must be the same in all processes.
    devices = [device.id for device in mesh.devices.flat]
    key = hashlib.sha256(repr((names, mesh.axis_names, mesh.axis_sizes, devices)).encode()).hexdigest()
    try:
        with set_xla_metadata(pdequinox_layout=key[:16]):
            yield
    finally:
        _layout.reset(token)


@contextmanager
def without_layouts() -> Iterator[None]:
    """Within, `laid_over` does nothing: what is traced is the same for any number of devices."""
    token = _is_ignored.set(True)
    try:
        with set_xla_metadata(pdequinox_layout="none"):  # a key of its own
            yield
    finally:
        _is_ignored.reset(token)


def layouts_are_ignored() -> bool:
    """Whether this is within `without_layouts`."""
    return _is_ignored.get()


def lies_over_devices() -> bool:
    """Whether whole arrays are split by XLA: whether this is within `laid_over`, and not `by_shard`."""
    layout = _layout.get()
    return layout is not None and not layout.is_inside


def refuse_devices(name: str, num_values: int) -> None:
    """For a network that joins all values of a field to one vector.

    **Raises:** `ValueError` if the field lies over several devices.
    """
    if lies_over_devices():
        raise ValueError(
            f"`network` must see points or sums over points to lie over several devices, got {name}, which makes one "
            f"vector of all {num_values} values of a field. Use a convolutional or spectral network, or spread the "
            "batch and not space."
        )


def by_shard(
    function: Callable[..., Any],
    parts: Any,
    *whole: Any,
    axes: Sequence[int] | None = None,
) -> Any:
    """`function(parts, *whole)`, computed by each device for its own points.

    Arrays with another number of spatial axes than the layout has are left to XLA, as they are.

    **Arguments:**

    - `function`: From arrays with the spatial axes `axes` to arrays with the same ones.
    - `parts`: These arrays; `function` gets the shards of a device.
    - `whole`: What every device needs the whole of, such as the weights of a layer. Anything that holds traced arrays
        must be handed over here.
    - `axes`: The spatial axes of the arrays, all but the first by default. Negative ones count from each array's end.

    **Raises:** `ValueError` for a number of points that the devices do not divide.
    """
    layout = _layout.get()
    arrays = jax.tree.leaves(parts)
    axes = range(1, arrays[0].ndim) if axes is None else axes
    if layout is None or layout.is_inside or len(axes) != len(layout.shards):
        return function(parts, *whole)
    _check_divided([arrays[0].shape[axis] for axis in axes], layout.shards)
    # The result has the leading axes of the array that has most, or the axes in front of the first one's.
    leading = max(arrays, key=lambda array: array.ndim) if axes[0] < 0 else arrays[0]
    specs = jax.tree.map(lambda array: _spec(array, axes, layout.shards), parts)
    dynamic, static = eqx.partition(whole, eqx.is_array)

    def of_a_shard(parts: PyTree, dynamic: PyTree) -> Any:
        token = _layout.set(layout._replace(is_inside=True))
        try:
            return function(parts, *eqx.combine(dynamic, static))
        finally:
            _layout.reset(token)

    return jax.shard_map(
        of_a_shard,
        mesh=layout.mesh,
        in_specs=(specs, PartitionSpec()),
        out_specs=_spec(leading, axes, layout.shards),
        axis_names={shard.name for shard in layout.shards if shard},
    )(parts, dynamic)


def computed_by_shard(call: Callable[..., Any]) -> Callable[..., Any]:
    """A layer's `__call__`, by shard."""

    @wraps(call)
    def wrapped(self: Any, x: Any, *args: Any, **options: Any) -> Any:
        if not lies_over_devices():
            return call(self, x, *args, **options)
        function = lambda x, self, args, options: call(self, x, *args, **options)  # noqa: E731
        return by_shard(function, x, self, args, options)

    return wrapped


def check_coarsened(num_points: Sequence[int], stride: Sequence[int], name: str = "x") -> None:
    """Refuse a grid, of all shards together, of which every `stride`-th point would not be in every shard alike."""
    _check_divided(num_points, shards_of(len(num_points)), stride, name)


def _check_divided(
    num_points: Sequence[int], shards: Sequence[Shard | None], stride: Sequence[int] | None = None, name: str = "x"
) -> None:
    for axis, (n, shard) in enumerate(zip(num_points, shards, strict=True)):
        step = 1 if stride is None else stride[axis]
        if shard is not None and n % (shard.count * step):
            wanted = f"{shard.count} devices" + (f" times the stride {step}" if step > 1 else "")
            if name == "output_padding":
                remedy = f"Use `output_padding={step - 1}`, less where `start` is."
            else:
                remedy = f"Use fewer devices or, for k coarser grids of every second point, {shard.count} * 2^k points."
            raise ValueError(
                f"`{name}` must give a multiple of {shard.count * step} points ({wanted}) along spatial axis {axis}, "
                f"which lies over mesh axis {shard.name!r}, got {n}. {remedy}"
            )


def shards_of(num_axes: int) -> tuple[Shard | None, ...]:
    """How the spatial axes of a shard lie over the devices; `None` for all of them where arrays are whole.

    **Raises:** `ValueError` in a shard of another number of axes.
    """
    layout = _layout.get()
    if layout is None or not layout.is_inside:
        return (None,) * num_axes
    if num_axes != len(layout.shards):
        raise ValueError(
            f"`axes` must be all {len(layout.shards)} axes of space where each device has its own points, got "
            f"{num_axes}. Name the others too, with widths of zero."
        )
    return layout.shards


def whole_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The number of points of all shards together, per spatial axis, where that of this one is `shape`."""
    return tuple(n * (shard.count if shard else 1) for n, shard in zip(shape, shards_of(len(shape)), strict=True))


def shard_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The number of points of a shard, per spatial axis, where that of all together is `shape`.

    **Raises:** `ValueError` if the devices do not divide it.
    """
    shards = shards_of(len(shape))
    _check_divided(shape, shards)
    return tuple(n // (shard.count if shard else 1) for n, shard in zip(shape, shards, strict=True))


def sum_over_shards(tree: Any, axes: Sequence[int]) -> Any:
    """The sums of what the shards along these spatial axes hold each: arrays of one shape, in one message."""
    names = _names_along(axes)
    return _stacked(lambda x: lax.psum(x, names), tree) if names else tree


def share_among_shards(tree: Any, axes: Sequence[int]) -> Any:
    """What is alike in all shards along these axes, from where on it is not: the derivative is one sum over them."""
    names = _names_along(axes)
    return _stacked(lambda x: vary(x, names), tree) if names else tree


def mean_over_shards(tree: Any, axes: Sequence[int]) -> Any:
    """The means of what the shards along these spatial axes hold each: arrays of one shape, in one message."""
    names = _names_along(axes)
    return _stacked(lambda x: lax.pmean(x, names), tree) if names else tree


def is_split(axes: Sequence[int]) -> bool:
    """Whether this is in a shard of several along these spatial axes."""
    return bool(_names_along(axes))


def own_part(matrix: Any, axis: int, dim: int) -> Any:
    """Of a matrix whose axis `dim` counts all points along a spatial axis, what belongs to the points of the shard."""
    shard = _shard_along(axis)
    if shard is None:
        return matrix
    size = matrix.shape[dim] // shard.count
    return lax.dynamic_slice_in_dim(jnp.asarray(matrix), lax.axis_index(shard.name) * size, size, dim)


def gather_shards(x: Array, axis: int, dim: int) -> Array:
    """An array whose axis `dim` counts the points along a spatial axis, with those of all shards along it."""
    shard = _shard_along(axis)
    return x if shard is None else lax.all_gather(x, shard.name, axis=dim, tiled=True)


def _names_along(axes: Sequence[int]) -> tuple[str, ...]:
    return tuple(shard.name for axis in axes if (shard := _shard_along(axis)))


def _stacked(function: Callable[[Array], Array], tree: Any) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, list(function(jnp.stack(leaves))))


def _shard_along(axis: int) -> Shard | None:
    layout = _layout.get()
    return layout.shards[axis] if layout is not None and layout.is_inside else None


def neighbours(
    first: Array, last: Array, num_points: int, low: int, high: int, axis: int, shard: Shard, *, is_ring: bool
) -> tuple[Array, Array]:
    """The `low` points in front of a shard and the `high` points behind it, from as many shards as they lie in.

    In front of the first and behind the last shard are those of the other end (`is_ring`), or zeros. A shard has
    `num_points`, and sends of its `first` and `last` ones.
    """

    def side(edge: Array, width: int, sign: int) -> Array:
        pieces = []
        for hop in range(1, -(-width // num_points) + 1):
            size = min(num_points, width - (hop - 1) * num_points)
            start = edge.shape[axis] - size if sign > 0 else 0
            moves = [(i, i + sign * hop) for i in range(shard.count)]
            pairs = [(i, j % shard.count) for i, j in moves if is_ring or 0 <= j < shard.count]
            sent = lax.slice_in_dim(edge, start, start + size, axis=axis)
            pieces.append(lax.ppermute(sent, shard.name, pairs))
        return jnp.concatenate(pieces[::-sign], axis) if pieces else lax.slice_in_dim(edge, 0, 0, axis=axis)

    return side(last, low, 1), side(first, high, -1)


def with_neighbours(x: Array, low: int, high: int, axis: int, shard: Shard) -> Array:
    """A shard of a ring with the `low` points in front of it and the `high` points behind it."""
    n = x.shape[axis]
    first, x, last = with_ends(x, min(n, high), min(n, low), axis)
    before, behind = neighbours(first, last, n, low, high, axis, shard, is_ring=True)
    return jnp.concatenate([before, x, behind], axis)


def times_rows(rows: np.ndarray, x: Array, axis: int, shard: Shard) -> Array:
    """A linear map of all points along an axis of a sharded array, where the shard s wants the outputs `rows[s]`.

    Only those points are fetched that a shard needs, by hops from neighbours, if they are few; else all.

    **Arguments:**

    - `rows`: Matrices of shape `(shards, outputs, points)`, in double precision on the host.
    """
    count, _, num_points = rows.shape
    n = num_points // count
    # Distances to the own points, around the ring: entries beyond a wall are zero.
    needed = [np.flatnonzero(np.any(matrix != 0, axis=0)) - s * n for s, matrix in enumerate(rows)]
    half = (num_points - n) // 2
    wrapped = [(points + half) % num_points - half for points in needed]
    low = max((-int(points.min(initial=0)) for points in wrapped), default=0)
    high = max((int(points.max(initial=0)) - (n - 1) for points in wrapped), default=0)
    low, high = max(low, 0), max(high, 0)
    if low + n + high < num_points:
        seen = with_neighbours(x, low, high, axis, shard)
        columns = [(s * n - low + np.arange(low + n + high)) % num_points for s in range(count)]
        rows = np.stack([matrix[:, points] for matrix, points in zip(rows, columns, strict=True)])
    else:
        seen = lax.all_gather(x, shard.name, axis=axis, tiled=True)
    own = lax.dynamic_index_in_dim(jnp.asarray(rows, x.dtype), lax.axis_index(shard.name), 0, keepdims=False)
    return times_matrix(own, seen, axis)


def times_matrix(matrix: Any, x: Array, axis: int) -> Array:
    """`matrix` times one axis of an array, in the highest precision."""
    y = jnp.tensordot(jnp.asarray(matrix, x.dtype), x, ((1,), (axis,)), precision=lax.Precision.HIGHEST)
    return jnp.moveaxis(y, 0, axis)


def times_matrix_over_devices(matrix: np.ndarray, x: Array, axis: int) -> Array:
    """`matrix` times one axis of a whole channel-first array that lies over devices.

    If they do not divide the points before or after it, every device holds all of them along this axis.
    """
    layout = _layout.get()
    shards = layout.shards if layout is not None and len(layout.shards) == x.ndim - 1 else (None,) * (x.ndim - 1)
    sizes = (*x.shape[1:axis], *matrix.shape, *x.shape[axis + 1 :])
    counts = [shard.count if shard else 1 for shard in (*shards[:axis], *shards[axis - 1 :])]
    shard = shards[axis - 1]
    if shard is None or any(n % count for n, count in zip(sizes, counts, strict=True)):
        return times_matrix(matrix, x, axis)
    rows = matrix.reshape(shard.count, -1, matrix.shape[1])
    return by_shard(lambda x: times_rows(rows, x, axis, shard), x)


def _spec(array: Array, axes: Sequence[int], shards: Sequence[Shard | None]) -> PartitionSpec:
    entries: list[str | None] = [None] * array.ndim
    for axis, shard in zip(axes, shards, strict=True):
        entries[axis] = shard.name if shard else None
    return PartitionSpec(*entries)
