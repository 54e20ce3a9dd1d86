"""A network, operator or stepper whose fields lie over the devices of a mesh."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jax.core import Tracer
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from .._plain_function import with_static_functions
from ..boundary import laid_over, layouts_are_ignored
from ._place import check_mesh, place_fields


class SpaceSharded(eqx.Module):
    """A map of fields, computed by many devices. Made by `space_sharded`."""

    network: Callable[..., Any]
    """The map itself, for `train.save`, and for whatever else it has; its arrays are the leaves."""
    mesh: Mesh = eqx.field(static=True)
    axes: tuple[str | None, ...] = eqx.field(static=True)

    def __call__(self, *args: Any, **options: Any) -> Any:
        """What the map makes of the arguments. Positional ones that are fields, or arrays of shape
        `(channels, *spatial)`, are spread; keywords, such as the `params` of an operator, are not.

        **Raises:** `ValueError` if no argument is a field with as many axes as the layout, for a number of points that
        the devices do not divide, on this grid or on one that the map goes to, and for a perceptron of all values.
        """
        if layouts_are_ignored():
            return self.network(*args, **options)
        args, count = place_fields(args, self.mesh, self.axes)
        if count == 0:
            raise ValueError(
                f"`axes` must have one entry per spatial axis of the argument, got {self.axes!r} and no field, nor an "
                f"array of {len(self.axes) + 1} axes (channels and space). Use `jax.vmap` for a batch."
            )
        return _call(_whole_on(self, self.mesh), args, options)


def space_sharded(network: Any, mesh: Any, axes: Any) -> SpaceSharded:
    """The same map, computed by the devices of a mesh, of which each holds its own points of every field.

    It gives the same numbers up to rounding, and takes `jax.jit`, `jax.grad`, `jax.vmap` and `jax.lax.scan` as before.
    Convolutions and finite differences fetch the ghosts of a shard from its neighbours; spectral layers, group norms
    and the Transolver's slices are sums over all shards. What else there is, is split by XLA, and gathered where it
    must be: attention among all points, interpolation by a basis, a Fourier series along an axis. A batch is plain
    `jax.vmap` (without `spmd_axis_name`), and lies over further axes of the mesh if the batch that is passed does
    ([`pdequinox.parallel.place`][]).

    **Arguments:**

    - `network`: Any map of one channel-first array or of one field: a network of `arch`, one of `correction`, an
        operator, a stepper, a plain function.
    - `mesh`: The devices: `jax.make_mesh((2, 4), ("data", "x"), axis_types=(jax.sharding.AxisType.Auto,) * 2)`.
    - `axes`: For each spatial axis the axis of the mesh that it lies over, or `None`: `("x", None)`.

    **Returns:** A module with the arrays of `network` as its leaves: an argument of `jax.jit`, `jax.grad`, `fit`.

    **Raises:** `ValueError` for a network that cannot be called, and as [`pdequinox.parallel.sharding`][].
    """
    if not callable(network):
        raise ValueError(f"`network` must be a function of a field, got {network!r}. Pass a module or a function.")
    return SpaceSharded(with_static_functions(network), mesh, check_mesh(mesh, axes))


@eqx.filter_jit
def _call(sharded: SpaceSharded, args: tuple, options: dict) -> Any:
    try:
        with laid_over(sharded.mesh, sharded.axes):
            return place_fields(sharded.network(*args, **options), sharded.mesh, sharded.axes)[0]
    except ValueError:
        # If it is wrong on one device as well, the error there speaks of whole arrays.
        eqx.filter_eval_shape(sharded.network, *args, **options)
        raise


def _whole_on(tree: PyTree, mesh: Mesh) -> PyTree:
    """Every device gets the whole of arrays that are bound to other devices, such as those of another mesh."""

    def placed(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array) or isinstance(leaf, Tracer) or not leaf.committed:
            return leaf
        if leaf.sharding.device_set == set(mesh.devices.flat):
            return leaf
        return jax.device_put(leaf, NamedSharding(mesh, PartitionSpec()))

    return jax.tree.map(placed, tree)
