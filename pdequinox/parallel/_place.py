"""Fields as arrays whose axes lie over the axes of a device mesh."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
from jax.core import Tracer
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from ..boundary import layouts_are_ignored
from ..fields import OnGrid


def sharding(mesh: Any, axes: Any, *, batch: str | None = None) -> NamedSharding:
    """The sharding of channel-first arrays of shape `(channels, *spatial)`, or of batches of them.

    For what makes or takes arrays by their sharding: `jax.device_put`, `jax.make_array_from_callback` (a file of which
    each device reads its own part), `jax.jit(..., out_shardings=...)`.

    **Arguments:**

    - `mesh`: The devices.
    - `axes`: For each spatial axis the axis of the mesh that it lies over, or `None`.
    - `batch`: With it, arrays have the shape `(samples, channels, *spatial)`, and the samples lie over this axis.

    **Raises:** `ValueError` for an axis that the mesh does not have, one that is named twice, and a mesh whose axes are
    not all of the type `Auto`.
    """
    axes = check_mesh(mesh, axes, batch)
    lead = () if batch is None else (batch,)
    return NamedSharding(mesh, PartitionSpec(*lead, None, *axes))


def place(tree: PyTree, mesh: Any, axes: Any, *, batch: str | None = None) -> PyTree:
    """Lay arrays and fields over the devices of a mesh: each gets its own points.

    Within a function that is traced this is a `jax.lax.with_sharding_constraint`, else a `jax.device_put`.

    **Samples.** Of a set that batches are cut from at random, every part of the mesh should hold all samples (at its
    own points): `place(data, mesh, axes)`. The batch lies over devices: `place(batch, mesh, axes, batch="data")` in the
    loss. If the set did, each batch would be sent around.

    **Arguments:**

    - `tree`: A pytree of arrays of shape `(channels, *spatial)` or `(samples, channels, *spatial)`, and of fields.
    - `mesh`, `axes`, `batch`: As in [`pdequinox.parallel.sharding`][].

    **Returns:** The same tree.

    **Raises:** `ValueError` as there, for an array of another number of axes, and for points or samples that the
    devices do not divide.
    """
    axes = check_mesh(mesh, axes, batch)
    return tree if layouts_are_ignored() else _placed(tree, mesh, axes, batch, is_strict=True)[0]


def place_fields(tree: PyTree, mesh: Mesh, axes: tuple[str | None, ...]) -> tuple[PyTree, int]:
    """The same for what a network takes and returns, where arrays of another number of axes are no fields; and how many
    there are."""
    return _placed(tree, mesh, axes, None, is_strict=False)


def _placed(
    tree: PyTree, mesh: Mesh, axes: tuple[str | None, ...], batch: str | None, is_strict: bool
) -> tuple[PyTree, int]:
    name, count, least = "tree" if is_strict else "args", 0, len(axes) + (1 if batch is None else 2)
    allowed = range(least, len(axes) + 3) if is_strict else (least,)

    def laid(leaf: Any) -> Any:
        if isinstance(leaf, OnGrid):
            lead = leaf.params.ndim - leaf.domain.ndim - 1
            return dataclasses.replace(leaf, params=put(leaf.params, leaf.domain.ndim, (*_lead(lead, batch), *axes)))
        if not eqx.is_array_like(leaf) or not (is_strict or getattr(leaf, "ndim", 0) in allowed):
            return leaf
        if getattr(leaf, "ndim", 0) not in allowed:
            raise ValueError(
                f"`tree` must hold arrays of shape (channels, *spatial) or (samples, channels, *spatial), the latter "
                f"for a `batch`, with {len(axes)} spatial axes, got shape {getattr(leaf, 'shape', ())}. Add an axis, "
                "or change `axes` or `batch`."
            )
        return put(leaf, len(axes), (*_lead(leaf.ndim - len(axes) - 1, batch), None, *axes))

    def put(array: Any, num_axes: int, names: tuple[str | None, ...]) -> Array:
        nonlocal count
        count += 1
        if num_axes != len(axes):
            raise ValueError(
                f"`axes` must name a mesh axis, or None, for each spatial axis of a field, got {axes!r} for a field "
                f"with {num_axes}. Write `axes=({', '.join(['None'] * num_axes)})` and put in the names."
            )
        for axis, mesh_axis in enumerate(names):
            if mesh_axis is not None and array.shape[axis] % mesh.shape[mesh_axis]:
                spatial = axis - (len(names) - num_axes)
                what = "samples" if mesh_axis == batch else f"points along spatial axis {spatial}"
                raise ValueError(
                    f"`{name}` must have a multiple of {mesh.shape[mesh_axis]} {what}, for as many devices on the mesh "
                    f"axis {mesh_axis!r}, got shape {array.shape}. Change the grid or the mesh."
                )
        target = NamedSharding(mesh, PartitionSpec(*names))
        if isinstance(array, Tracer):
            return jax.lax.with_sharding_constraint(array, target)
        return jax.device_put(array, target)

    # Modules other than fields hold parameters.
    placed = jax.tree.map(laid, tree, is_leaf=lambda node: isinstance(node, eqx.Module))
    return placed, count


def _lead(count: int, batch: str | None) -> tuple[str | None, ...]:
    """Names for the axes in front of a field."""
    return (batch, *(None,) * (count - 1)) if count else ()


def check_mesh(mesh: Any, axes: Any, batch: Any = None) -> tuple[str | None, ...]:
    """The axes as a tuple, if they are of this mesh."""
    if not isinstance(mesh, Mesh):
        raise ValueError(f"`mesh` must be a jax.sharding.Mesh, got {mesh!r}. Make one with `jax.make_mesh`.")
    if any(kind != AxisType.Auto for kind in mesh.axis_types):
        raise ValueError(
            f"`mesh` must have axes of the type Auto, got {mesh.axis_types}. Write `jax.make_mesh({mesh.axis_sizes}, "
            f"{mesh.axis_names}, axis_types=(jax.sharding.AxisType.Auto,) * {len(mesh.axis_names)})`."
        )
    if isinstance(axes, str) or not isinstance(axes, Sequence | PartitionSpec):
        raise ValueError(f"`axes` must have one entry per spatial axis, got {axes!r}. Write `axes=({axes!r}, None)`.")
    names = [name for name in (*axes, batch) if name is not None]
    for name in names:
        if name not in mesh.axis_names or names.count(name) > 1:
            raise ValueError(
                f"`axes` and `batch` must name different axes of the mesh, which has {', '.join(mesh.axis_names)}, got "
                f"{name!r} in {tuple(axes)!r} and {batch!r}. Use `None` for an axis that is not split."
            )
    return tuple(axes)
