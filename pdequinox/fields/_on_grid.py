"""Fields given by their values at the points of the domain."""

import dataclasses
from collections.abc import Callable, Collection, Iterator
from numbers import Integral
from typing import Any, ClassVar, TypeVar

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from .._checks import check_inexact
from ..boundary import pad
from ._domain import Domain
from ._field import Field

Self = TypeVar("Self", bound="OnGrid")


class OnGrid(Field):
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
        super().__init__(check_inexact("params", params), domain, free_axes)
        shape = self.params.shape
        if shape[-1 - domain.ndim : -1] != domain.N or shape[-1] == 0:
            sizes = ", ".join(map(str, domain.N))
            raise ValueError(
                f"`params` must have shape (*batch, {sizes}, channels), got {shape}. "
                "`from_grid` adds the channel axis to values without one; channel-first arrays need `jnp.moveaxis`."
            )

    @classmethod
    def from_grid(cls: type[Self], grid_values: Any, domain: Domain, **options: Any) -> Self:
        """The field with these values: of shape `(*batch, *N, C)`, or `N` for one channel.

        `options` are the further arguments of the class, such as `accuracy`.
        """
        values = jnp.asarray(grid_values)
        return cls(values[..., None] if values.shape == domain.N else values, domain, **options)

    @classmethod
    def empty(cls: type[Self], domain: Domain, dims: int = 1, dtype: Any = None, **options: Any) -> Self:
        """The field of zeros with `dims` channels."""
        return cls(jnp.zeros((*domain.N, dims), dtype), domain, **options)

    @property
    def on_grid(self) -> Array:
        """The values at the points of the domain, of shape `(*batch, *N, C)`."""
        return self.params

    @property
    def dims(self) -> int:
        """The number of channels C."""
        return self.params.shape[-1]

    @property
    def is_complex(self) -> bool:
        """Whether the values are complex."""
        return jnp.issubdtype(self.params.dtype, jnp.complexfloating)

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The axes of `params` that are spatial: negative numbers, whatever the batch."""
        return tuple(range(-1 - self.domain.ndim, -1))

    def __getitem__(self: Self, index: Any) -> Self:
        """The entries `index` of the leading axes; all else is kept.

        **Raises:** `IndexError` if there are no leading axes, or not as many.
        """
        num_leading = self.params.ndim - self.domain.ndim - 1
        indices = index if isinstance(index, tuple) else (index,)
        if len(indices) > num_leading or any(i is None or i is Ellipsis for i in indices):
            raise IndexError(
                f"the index must be one into {num_leading} leading axes, got {index!r}. Index `field.params` for "
                "points and channels, or use `get_component`."
            )
        for axis, (entry, size) in enumerate(zip(indices, self.params.shape, strict=False)):
            if isinstance(entry, Integral) and not -size <= int(entry) < size:
                raise IndexError(f"the index must lie within the {size} entries of axis {axis}, got {entry}.")
        return self.replace_params(self.params[index])

    def __len__(self) -> int:
        """The number of entries of the first leading axis."""
        if self.params.ndim == self.domain.ndim + 1:
            raise TypeError("a field without leading axes has no length. See `field.params.shape`.")
        return len(self.params)

    def __iter__(self) -> Iterator:
        """The entries of the first leading axis."""
        return map(self.__getitem__, range(len(self)))

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

    def _pointwise(self: Self, function: Callable, operands: tuple, free_axes: Collection[int]) -> Self:
        for operand in operands:
            if not isinstance(operand, Field) and not _is_broadcast(self._operand(operand), self.params.shape):
                raise ValueError(
                    f"an array must be broadcast to the shape {self.params.shape} of the field's values, got shape "
                    f"{np.shape(operand)}. Give it the shape of the grid, {self.domain.N}, or use `replace_params`."
                )
        values = function(*map(self._operand, operands))
        return dataclasses.replace(self, params=values, free_axes=free_axes)

    def _operand(self, operand: Any) -> Any:
        """The values of a field; an array or number in the precision of this field, with its channel axis."""
        if isinstance(operand, Field):
            return operand.params
        if isinstance(operand, np.ndarray | np.generic) and np.issubdtype(operand.dtype, np.inexact):
            real = jnp.finfo(self.params.dtype).dtype
            operand = np.asarray(operand, jnp.promote_types(real, jnp.complex64) if np.iscomplexobj(operand) else real)
        return jnp.asarray(operand)[..., None] if np.shape(operand) == self.domain.N else operand


def _is_broadcast(operand: Any, shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(np.shape(operand), shape) == shape
    except ValueError:
        return False


def _lagrange(t: Array, num_points: int) -> Array:
    """The weights at the points 0, 1, ... of the polynomial through them, evaluated at `t`."""
    others = np.array([[k for k in range(num_points) if k != j] for j in range(num_points)])
    return jnp.prod((t - others) / (np.arange(num_points)[:, None] - others), axis=1)
