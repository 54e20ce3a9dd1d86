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
    check_mesh(mesh, axes, batch)
    lead = () if batch is None else (batch,)
    return NamedSharding(mesh, PartitionSpec(*lead, None, *axes))


def place(tree: PyTree, mesh: Any, axes: Any, *, batch: str | None = None) -> PyTree:
    """Lay arrays and fields over the devices of a mesh: each gets its own points.

    Within a function that is traced this is a `jax.lax.with_sharding_constraint`, else a `jax.device_put`.

    **Arguments:**

    - `tree`: A pytree of arrays of shape `(channels, *spatial)` and of fields; with `batch` of arrays of shape
        `(samples, channels, *spatial)`, and of fields with an axis of samples in front.
    - `mesh`, `axes`, `batch`: As in [`pdequinox.parallel.sharding`][].

    **Returns:** The same tree.

    **Raises:** `ValueError` as there, for an array of another number of axes, and for points or samples that the
    devices do not divide.
    """
    check_mesh(mesh, axes, batch)
    return _placed(tree, mesh, tuple(axes), batch, others=False)


def place_fields(tree: PyTree, mesh: Mesh, axes: tuple[str | None, ...]) -> PyTree:
    """The same for what a network takes and returns: arrays of another number of axes are no fields."""
    return _placed(tree, mesh, axes, None, others=True)


def _placed(tree: PyTree, mesh: Mesh, axes: tuple[str | None, ...], batch: str | None, others: bool) -> PyTree:
    if layouts_are_ignored():
        return tree

    def laid(leaf: Any) -> Any:
        if isinstance(leaf, OnGrid):
            lead = leaf.params.ndim - leaf.domain.ndim - 1
            return dataclasses.replace(leaf, params=put(leaf.params, (*_lead(lead, batch), *axes, None), len(axes)))
        if not eqx.is_array_like(leaf):
            return leaf
        ndim = len(axes) + (1 if batch is None else 2)
        if getattr(leaf, "ndim", 0) != ndim:
            if others:
                return leaf
            shape = "(channels, *spatial)" if batch is None else "(samples, channels, *spatial)"
            raise ValueError(
                f"`tree` must hold arrays of shape {shape} with {len(axes)} spatial axes, got shape "
                f"{getattr(leaf, 'shape', ())}. Add an axis, or change `axes` or `batch`."
            )
        return put(leaf, (*_lead(ndim - len(axes) - 1, batch), None, *axes), len(axes))

    def put(array: Any, names: tuple[str | None, ...], num_axes: int) -> Array:
        if len(names) != array.ndim:
            raise ValueError(
                f"`axes` must name a mesh axis, or None, for each spatial axis of a field, got {axes!r} for shape "
                f"{array.shape}. Write `axes=({', '.join(['None'] * (array.ndim - 1))})` and put in the names."
            )
        for axis, name in enumerate(names):
            if name is not None and array.shape[axis] % mesh.shape[name]:
                raise ValueError(
                    f"`tree` must have a multiple of {mesh.shape[name]} entries along the axis that lies over the "
                    f"{mesh.shape[name]} devices of {name!r}, got shape {array.shape}. Change the grid or the mesh."
                )
        target = NamedSharding(mesh, PartitionSpec(*names))
        if isinstance(array, Tracer):
            return jax.lax.with_sharding_constraint(array, target)
        return jax.device_put(array, target)

    # Modules other than fields hold parameters.
    return jax.tree.map(laid, tree, is_leaf=lambda node: isinstance(node, eqx.Module))


def _lead(count: int, batch: str | None) -> tuple[str | None, ...]:
    """Names for the axes in front of a field."""
    return (batch, *(None,) * (count - 1)) if count else ()


def check_mesh(mesh: Any, axes: Any, batch: Any = None) -> None:
    if not isinstance(mesh, Mesh):
        raise ValueError(f"`mesh` must be a jax.sharding.Mesh, got {mesh!r}. Make one with `jax.make_mesh`.")
    if any(kind != AxisType.Auto for kind in mesh.axis_types):
        raise ValueError(
            f"`mesh` must have axes of the type Auto, got {mesh.axis_types}. Write `jax.make_mesh({mesh.axis_sizes}, "
            f"{mesh.axis_names}, axis_types=(jax.sharding.AxisType.Auto,) * {len(mesh.axis_names)})`."
        )
    if isinstance(axes, str) or not isinstance(axes, Sequence):
        raise ValueError(f"`axes` must have one entry per spatial axis, got {axes!r}. Write `axes=({axes!r}, None)`.")
    names = [name for name in (*axes, batch) if name is not None]
    for name in names:
        if name not in mesh.axis_names or names.count(name) > 1:
            raise ValueError(
                f"`axes` and `batch` must name different axes of the mesh, which has {', '.join(mesh.axis_names)}, got "
                f"{name!r} in {tuple(axes)!r} and {batch!r}. Use `None` for an axis that is not split."
            )
