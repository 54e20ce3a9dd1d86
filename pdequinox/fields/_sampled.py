"""Fields given by their values at points, whatever the points are."""

import dataclasses
from collections.abc import Callable, Collection, Iterator
from numbers import Integral
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ._field import Field

Self = TypeVar("Self", bound="Sampled")


class Sampled(Field):
    """A field whose parameters are its values at the points of `domain`: what `OnGrid` and `mesh.NodalField` share.

    `params` has the shape `(*batch, *domain.N, C)`: channels last, and any leading axes (time, samples) in front.
    Operators treat leading axes as a batch; `field[i]` takes one entry of the first of them.
    """

    params: Array

    @classmethod
    def from_grid(cls: type[Self], grid_values: Any, domain: Any, **options: Any) -> Self:
        """The field with these values: of shape `(*batch, *N, C)`, or `N` for one channel.

        `options` are the further arguments of the class, such as `accuracy`.
        """
        values = jnp.asarray(grid_values)
        return cls(values[..., None] if values.shape == domain.N else values, domain, **options)

    @classmethod
    def empty(cls: type[Self], domain: Any, dims: int = 1, dtype: Any = None, **options: Any) -> Self:
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

    def __getitem__(self: Self, index: Any) -> Self:
        """The entries `index` of the leading axes; all else is kept.

        **Raises:** `IndexError` if there are no leading axes, or not as many.
        """
        num_leading = self.params.ndim - len(self.domain.N) - 1
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
        if self.params.ndim == len(self.domain.N) + 1:
            raise TypeError("a field without leading axes has no length. See `field.params.shape`.")
        return len(self.params)

    def __iter__(self) -> Iterator:
        """The entries of the first leading axis."""
        return map(self.__getitem__, range(len(self)))

    def _pointwise(self: Self, function: Callable, operands: tuple, free_axes: Collection[int]) -> Self:
        for operand in operands:
            if not isinstance(operand, Field) and not _is_broadcast(self._operand(operand), self.params.shape):
                raise ValueError(
                    f"an array must be broadcast to the shape {self.params.shape} of the field's values, got shape "
                    f"{np.shape(operand)}. Give it the shape of the points, {self.domain.N}, or use `replace_params`."
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
