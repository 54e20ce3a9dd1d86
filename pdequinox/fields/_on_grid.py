"""Fields given by their values at the points of the domain."""

from collections.abc import Collection
from typing import Any, ClassVar, TypeVar

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from .._checks import check_inexact
from ..boundary import pad
from ._sampled import Sampled

Self = TypeVar("Self", bound="OnGrid")


class OnGrid(Sampled):
    """A field whose parameters are its values at the points of the domain.

    `params` has the shape `(*batch, *N, C)`: channels last, and any leading axes (time, samples) in front. Operators
    treat leading axes as a batch; `field[i]` takes one entry of the first of them.
    """

    params: Array
    _num_interpolation_points: ClassVar[int] = 2

    def __init__(self, params: Any, domain: Any, free_axes: Collection[int] = ()):
        """**Arguments:**

        - `params`: The values, floating-point or complex, of shape `(*batch, *N, C)`.
        - `domain`: Where the points are.
        - `free_axes`: The axes along which the field does not satisfy the domain's condition.

        **Raises:** `ValueError` for integers and for another shape than the domain's.
        """
        super().__init__(check_inexact("params", params), domain, free_axes)  # pyright: ignore[reportArgumentType]
        shape = self.params.shape
        if shape[-1 - domain.ndim : -1] != domain.N or shape[-1] == 0:
            sizes = ", ".join(map(str, domain.N))
            raise ValueError(
                f"`params` must have shape (*batch, {sizes}, channels), got {shape}. "
                "`from_grid` adds the channel axis to values without one; channel-first arrays need `jnp.moveaxis`."
            )

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The axes of `params` that are spatial: negative numbers, whatever the batch."""
        return tuple(range(-1 - self.domain.ndim, -1))

    def __call__(self, x: Any) -> Array:
        """The value at one point, by multilinear interpolation.

        Ghost values are as for finite differences, so that u = 0 holds at the walls of a field that satisfies it.

        **Arguments:**

        - `x`: A point, of shape `(ndim,)`; use `jax.vmap(field)` for several.

        **Returns:** An array of shape `(*batch, C)`. Periodic axes wrap; beyond a wall the polynomial of the nearest
        points continues.
        """
        num_points, position = self._num_interpolation_points, self._position(x)
        width = num_points // 2
        values = self._padded(self.params, width)
        for axis in range(self.domain.ndim):
            n, coordinate = self.domain.N[axis], position[axis]
            if self.domain.boundary_mode[axis] == "periodic":
                coordinate = jnp.mod(coordinate, n)
            first = jnp.clip(jnp.floor(coordinate).astype(int) - width + 1, -width, n + width - num_points)
            values = jnp.moveaxis(values, axis - self.domain.ndim - 1, -1)
            window = lax.dynamic_slice_in_dim(values, first + width, num_points, axis=-1)
            weights = _lagrange(coordinate - first, num_points).astype(values.dtype)
            values = jnp.matmul(window, weights, precision=lax.Precision.HIGHEST)
        return values

    def _position(self, x: Any) -> Array:
        """The point `x` in spacings from the first point of the grid."""
        x = jnp.asarray(x)
        if x.shape != (self.domain.ndim,):
            raise ValueError(
                f"`x` must have shape ({self.domain.ndim},), got {x.shape}. Use `jax.vmap(field)` for several points."
            )
        first = jnp.stack([axis[0] for axis in self.domain.spatial_axis])
        return (x - first) / jnp.asarray(self.domain.dx)

    def _padded(self, values: Array, width: int) -> Array:
        """`values` with `width` ghosts at each end of each axis, for interpolation between `2 width` points."""
        widths = [(width, width)] * self.domain.ndim
        return pad(values, widths, self.condition, self.spatial_axes, degree=2 * width - 1)


def _lagrange(t: Array, num_points: int) -> Array:
    """The weights at the points 0, 1, ... of the polynomial through them, evaluated at `t`."""
    others = np.array([[k for k in range(num_points) if k != j] for j in range(num_points)])
    return jnp.prod((t - others) / (np.arange(num_points)[:, None] - others), axis=1)
