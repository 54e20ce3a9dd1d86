"""Fields given by their values at the points of a mesh."""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from .._checks import check_inexact
from ..boundary import AxisMode
from ..fields import Sampled
from ._simplex_mesh import SimplexMesh

Self = TypeVar("Self", bound="NodalField")


class NodalField(Sampled):
    r"""A field on a mesh, linear on each cell: $u(x) = \sum_i u_i \phi_i(x)$ with the hat functions $\phi_i$.

    `params` are the values at the points, of shape `(*batch, num_points, C)`: channels last, and any leading axes
    (time, samples) in front, which operators treat as a batch. No condition is known of it: arithmetic is that of the
    values.

    !!! example
        ```python
        mesh = SimplexMesh.from_points(points)
        u = NodalField.from_function(lambda x: jnp.sin(x[0]) * x[1], mesh)
        laplacian(u, scheme="finite_difference:lsq")
        ```
    """

    params: Array
    domain: SimplexMesh  # pyright: ignore[reportIncompatibleVariableOverride]
    """The mesh."""

    def __init__(self, params: Any, domain: Any, free_axes: Collection[int] = ()):
        """**Arguments:**

        - `params`: The values, floating-point or complex, of shape `(*batch, num_points, C)`.
        - `domain`: The mesh.
        - `free_axes`: Must be empty; here because every field has it.

        **Raises:** `ValueError` for anything but a mesh, for integers, and for another shape than the mesh's.
        """
        if not isinstance(domain, SimplexMesh):
            raise ValueError(
                f"`domain` must be a SimplexMesh, got {domain!r}. Build one with `SimplexMesh(points, cells)`."
            )
        if free_axes:
            raise ValueError(f"`free_axes` must be empty on a mesh, got {free_axes!r}. No condition is known there.")
        self.params = check_inexact("params", params)
        self.domain = domain
        self.free_axes = ()
        shape = self.params.shape
        if len(shape) < 2 or shape[-2] != domain.num_points or shape[-1] == 0:
            raise ValueError(
                f"`params` must have shape (*batch, {domain.num_points}, channels), got {shape}. "
                "`from_grid` adds the channel axis to values without one."
            )

    @classmethod
    def from_function(cls: type[Self], function: Callable[[Array], Any], mesh: SimplexMesh, dtype: Any = None) -> Self:
        """The field with the values of a function at the points.

        **Arguments:**

        - `function`: Called with one point, of shape `(ndim,)`; returns shape `(C,)`, or `()` for one channel.
        - `mesh`: Where the points are.
        - `dtype`: Of the points that the function gets; JAX's default floating dtype if left out.

        **Raises:** `ValueError` for values of another rank.
        """
        points = jnp.asarray(mesh.points, jnp.result_type(float) if dtype is None else dtype)
        values = jax.vmap(function)(points)
        if values.ndim > 2:
            raise ValueError(f"`function` must return shape (C,) or (), got {values.shape[1:]}. Flatten its value.")
        return cls.from_grid(values, mesh)

    @property
    def mesh(self) -> SimplexMesh:
        """The mesh, which is the field's `domain`."""
        return self.domain

    @property
    def condition(self) -> tuple[AxisMode, ...]:
        """`"free"` along every axis: no condition is known."""
        return ("free",) * self.domain.ndim

    @property
    def free_axes_of_functions(self) -> set[int]:
        """None: on a mesh conditions are not kept."""
        return set()

    def __call__(self, x: Any) -> Array:
        """The value at one point, by linear interpolation in the cell that contains it.

        All cells are searched, which costs `num_cells` small products per point. Outside of the mesh the linear
        function of a cell nearby continues.

        **Arguments:**

        - `x`: A point, of shape `(ndim,)`; use `jax.vmap(field)` for several.

        **Returns:** An array of shape `(*batch, C)`.

        **Raises:** `ValueError` if `x` has another shape.
        """
        x, mesh = jnp.asarray(x), self.domain
        if x.shape != (mesh.ndim,):
            raise ValueError(
                f"`x` must have shape ({mesh.ndim},), got {x.shape}. Use `jax.vmap(field)` for several points."
            )
        dtype = x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else jnp.result_type(float)
        centres = mesh.points[mesh.cells].mean(axis=1)
        coordinates = 1 / (mesh.ndim + 1) + jnp.einsum(
            "tad,td->ta",
            jnp.asarray(mesh.barycentric_gradients, dtype),
            x - jnp.asarray(centres, dtype),
            precision=lax.Precision.HIGHEST,
        )
        # Inside of a cell no coordinate is negative.
        cell = jnp.argmax(jnp.min(lax.stop_gradient(coordinates), axis=1))
        corners = self.params[..., jnp.asarray(mesh.cells)[cell], :]
        return jnp.sum(corners * coordinates[cell][:, None].astype(self.params.dtype), axis=-2)

    def _pointwise(self: Self, function: Callable, operands: tuple, free_axes: Collection[int]) -> Self:
        del free_axes  # no condition is known anyway
        return super()._pointwise(function, operands, ())
