"""Initial states that are made where they are needed."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..fields import Domain
from ._place import sharding


def sample(function: Callable[[Array], Any], domain: Domain, mesh: Any, axes: Any) -> Array:
    """A function of a point at all points of a domain, each device computing its own: no array is whole anywhere.

    **Arguments:**

    - `function`: From a point, of shape `(ndim,)`, to a number or to the channels, of shape `(C,)`.
    - `domain`: Where the points are.
    - `mesh`, `axes`: As in [`pdequinox.parallel.sharding`][].

    **Returns:** An array of shape `(C, *N)`. As a field: `OnGrid(jnp.moveaxis(u, 0, -1), domain)`.

    **Raises:** `ValueError` as there, and for another number of axes.
    """
    target = sharding(mesh, axes)
    if len(axes) != domain.ndim:
        raise ValueError(
            f"`axes` must have one entry per axis of the domain ({domain.ndim}), got {tuple(axes)!r}. Use `None` for "
            "an axis that is not split."
        )

    for axis, (n, name) in enumerate(zip(domain.N, target.spec[1:], strict=True)):
        if name is not None and n % mesh.shape[name]:
            raise ValueError(
                f"`domain` must have a multiple of {mesh.shape[name]} points along axis {axis}, for as many devices on "
                f"the mesh axis {name!r}, got {n}. Change the grid or the mesh."
            )

    def values() -> Array:
        coordinates = jnp.meshgrid(*domain.spatial_axis, indexing="ij")
        at_point = lambda *x: jnp.atleast_1d(function(jnp.stack(x)))  # noqa: E731
        for _ in range(domain.ndim):
            at_point = jax.vmap(at_point)
        return jnp.moveaxis(at_point(*coordinates), -1, 0)

    return jax.jit(values, out_shardings=target)()
