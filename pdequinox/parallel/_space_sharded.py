"""A network, operator or stepper whose fields lie over the devices of a mesh."""

from collections.abc import Callable
from math import prod
from typing import Any

import equinox as eqx
import jax
from jax.sharding import Mesh
from jaxtyping import PyTree

from .._jaxpr import equations
from .._plain_function import with_static_functions
from ..boundary import laid_over, layouts_are_ignored
from ..fields import OnGrid
from ._place import check_mesh, place_fields


class SpaceSharded(eqx.Module):
    """A map of fields, computed by many devices. Made by `space_sharded`."""

    network: Callable[..., Any]
    """The map; its arrays are the leaves."""
    mesh: Mesh = eqx.field(static=True)
    axes: tuple[str | None, ...] = eqx.field(static=True)

    def __call__(self, *args: Any, **options: Any) -> Any:
        """What the map makes of the arguments. Positional ones that are fields, or arrays of shape
        `(channels, *spatial)`, are spread; keywords, such as the `params` of an operator, are not.

        **Raises:** `ValueError` for a number of points that the devices do not divide, on this grid or on one that the
        map goes to, and for a map that joins all values of a field to one vector, as a perceptron does.
        """
        if layouts_are_ignored():
            return self.network(*args, **options)
        return _call(self, args, options)


def space_sharded(network: Any, mesh: Any, axes: Any) -> SpaceSharded:
    """The same map, computed by the devices of a mesh, of which each holds its own points of every field.

    It gives the same numbers up to rounding, and takes `jax.jit`, `jax.grad`, `jax.vmap` and `jax.lax.scan` as before.
    Convolutions and finite differences fetch the ghosts of a shard from its neighbours, spectral layers and group norms
    sum over all shards; what else there is, attention among it, is split by XLA. A batch is `jax.vmap`, and lies over
    further axes of the mesh if the batch that is passed does ([`pdequinox.parallel.place`][]).

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
    check_mesh(mesh, axes)
    return SpaceSharded(with_static_functions(network), mesh, tuple(axes))


@eqx.filter_jit
def _call(sharded: SpaceSharded, args: tuple, options: dict) -> Any:
    _check_is_local(sharded.network, args, options, len(sharded.axes))
    with laid_over(sharded.mesh, sharded.axes):
        args = place_fields(args, sharded.mesh, sharded.axes)
        return place_fields(sharded.network(*args, **options), sharded.mesh, sharded.axes)


def _check_is_local(network: Any, args: tuple, options: dict, num_axes: int) -> None:
    """Refuse a network that flattens a field. Traced for whole arrays, so that its own errors speak first."""
    grids = {
        leaf.domain.N if isinstance(leaf, OnGrid) else leaf.shape[1:]
        for leaf in jax.tree.leaves(args, is_leaf=lambda node: isinstance(node, eqx.Module))
        if isinstance(leaf, OnGrid) or getattr(leaf, "ndim", 0) == num_axes + 1
    }
    dynamic, static = eqx.partition((network, args, options), eqx.is_array)

    def whole(dynamic: PyTree) -> PyTree:
        network, args, options = eqx.combine(dynamic, static)
        return eqx.filter(network(*args, **options), eqx.is_array)

    for equation in equations(jax.make_jaxpr(whole)(dynamic).jaxpr):
        if equation.primitive.name != "reshape":
            continue
        before, after = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
        flat = (*before[: -num_axes - 1], prod(before[-num_axes - 1 :]))
        if before[-num_axes:] in grids and len(before) > num_axes and after in (flat, (*flat, 1)):
            raise ValueError(
                f"`network` must see points or sums over points to lie over several devices, got "
                f"{type(network).__name__}, which makes one vector of all {flat[-1]} values of a field of shape "
                f"{before}. Use a convolutional or spectral network, or spread the batch and not space."
            )
