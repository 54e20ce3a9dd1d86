"""A field: parameters, the domain they live on, and the conditions that the function satisfies at the walls."""

import dataclasses
import operator
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from ..boundary import AxisMode, vanishes_at_a_wall
from ._domain import Domain

_KEEP_WHAT_BOTH_SATISFY = (operator.add, operator.sub, operator.mul)

Self = TypeVar("Self", bound="Field")


class Field(eqx.Module):
    r"""A function on a domain, represented by `params`.

    **Conditions.** A field satisfies the condition of its domain's boundary mode along every axis but its `free_axes`,
    and what computes derivatives relies on it. A derivative is free along the non-periodic axes it was taken on.
    Arithmetic keeps a condition where it follows: sums and products of fields keep what both satisfy, multiples what
    the field satisfies, and other functions $f(u)$ keep $\partial_n u = 0$ but not $u = 0$. An array that varies in
    space is free (one of the shape `N` is for all channels). `replace_params` keeps the conditions of the original: a
    stepper ends with it, so that the state of a `jax.lax.scan` keeps its type.
    """

    __array_ufunc__ = None  # NumPy arrays leave arithmetic to the field.

    params: PyTree
    domain: Domain
    free_axes: tuple[int, ...] = eqx.field(static=True, default=())
    """The non-periodic axes along which the field is not known to satisfy its domain's condition."""

    def __init__(self, params: PyTree, domain: Any, free_axes: Collection[int] = ()):
        """**Arguments:**

        - `params`: The parameters of the representation, any pytree.
        - `domain`: Where the field lives.
        - `free_axes`: The axes along which the field does not satisfy the domain's condition (periodic ones are
            ignored), such as `range(domain.ndim)` for a coefficient or a force.

        **Raises:** `ValueError` for anything but a domain and for axes that it does not have.
        """
        if not isinstance(domain, Domain):
            raise ValueError(f"`domain` must be a Domain, got {domain!r}. Build one with `Domain(N, dx)`.")
        if not all(axis in range(domain.ndim) for axis in free_axes):
            raise ValueError(
                f"`free_axes` must lie between 0 and {domain.ndim - 1}, got {free_axes!r}. Count the axes from 0."
            )
        self.params = params
        self.domain = domain
        self.free_axes = tuple(sorted({int(a) for a in free_axes if domain.boundary_mode[int(a)] != "periodic"}))

    @property
    def condition(self) -> tuple[AxisMode, ...]:
        """The condition that the field satisfies, per axis: its domain's boundary mode, or `"free"`."""
        modes = enumerate(self.domain.boundary_mode)
        return tuple("free" if axis in self.free_axes else mode for axis, mode in modes)

    @property
    def on_grid(self) -> Array:
        """The values at the points of the domain, of shape `(*N, C)`."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its values are. Define `on_grid`.")

    @property
    def dims(self) -> int:
        """The number of channels C."""
        return self.on_grid.shape[-1]

    @property
    def is_complex(self) -> bool:
        """Whether the values are complex."""
        return jnp.issubdtype(jax.eval_shape(lambda u: u.on_grid, self).dtype, jnp.complexfloating)

    @property
    def is_real(self) -> bool:
        """Whether the values are real."""
        return not self.is_complex

    def replace_params(self: Self, params: PyTree) -> Self:
        """This field with other parameters and all else kept: the domain, the conditions, the accuracy."""
        return dataclasses.replace(self, params=params)

    def with_free_axes(self: Self, free_axes: Collection[int]) -> Self:
        """This field, taken to satisfy the domain's condition along all axes but `free_axes`."""
        return dataclasses.replace(self, free_axes=free_axes)

    @property
    def free_axes_of_functions(self) -> set[int]:
        """The axes along which $f(u)$ is free for any smooth $f$: where the normal derivative of u need not vanish."""
        modes = enumerate(self.domain.boundary_mode)
        return {*self.free_axes, *(axis for axis, mode in modes if vanishes_at_a_wall(mode))}

    def check_alike(self, other: Any) -> None:
        """Refuse a field of another type, domain or discretisation.

        **Raises:** `TypeError` for another type, `ValueError` for another domain, accuracy, ...
        """
        if type(self) is not type(other):
            raise TypeError(
                f"two fields must have the same type, got {type(self).__name__} and {type(other).__name__}. "
                "Convert one with `from_grid(field.on_grid, domain)`."
            )
        for field in dataclasses.fields(self):
            if field.name in ("params", "free_axes", "get_fun"):
                continue
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if mine != theirs:
                raise ValueError(
                    f"two fields must have the same {field.name}, got {mine!r} and {theirs!r}. "
                    "Bring them to one grid and discretisation first."
                )

    def _pointwise(self: Self, function: Callable, operands: tuple, free_axes: Collection[int]) -> Self:
        """`function` of the values of `operands`: fields like this one (this one among them), scalars and arrays."""
        raise NotImplementedError(f"{type(self).__name__} has no arithmetic. Define `_pointwise`.")

    def __add__(self: Self, other: Any) -> Self:
        return _arithmetic(operator.add, self, other)

    def __radd__(self: Self, other: Any) -> Self:
        return _arithmetic(operator.add, other, self)

    def __sub__(self: Self, other: Any) -> Self:
        return _arithmetic(operator.sub, self, other)

    def __rsub__(self: Self, other: Any) -> Self:
        return _arithmetic(operator.sub, other, self)

    def __mul__(self: Self, other: Any) -> Self:
        return _arithmetic(operator.mul, self, other)

    def __rmul__(self: Self, other: Any) -> Self:
        return _arithmetic(operator.mul, other, self)

    def __truediv__(self: Self, other: Any) -> Self:
        return _arithmetic(operator.truediv, self, other)

    def __rtruediv__(self: Self, other: Any) -> Self:
        return _arithmetic(operator.truediv, other, self)

    def __pow__(self: Self, other: Any) -> Self:
        return _arithmetic(operator.pow, self, other)

    def __rpow__(self: Self, other: Any) -> Self:
        return _arithmetic(operator.pow, other, self)

    def __neg__(self: Self) -> Self:
        return self._pointwise(operator.neg, (self,), self.free_axes)

    def __pos__(self: Self) -> Self:
        return self


def _arithmetic(function: Callable, left: Any, right: Any) -> Any:
    """`function(left, right)`, where one of the two is a field."""
    field, other = (left, right) if isinstance(left, Field) else (right, left)
    if isinstance(other, Field):
        field.check_alike(other)
    elif not eqx.is_array_like(other):
        return NotImplemented
    return field._pointwise(function, (left, right), _free_after(function, left, right))


def _free_after(function: Callable, left: Any, right: Any) -> set[int]:
    """The axes along which `function(left, right)` is free: the rules of `Field`."""
    fields = [operand for operand in (left, right) if isinstance(operand, Field)]
    free = {axis for field in fields for axis in field.free_axes}
    if len(fields) == 2:
        return free if function in _KEEP_WHAT_BOTH_SATISFY else free | fields[0].free_axes_of_functions
    other = right if fields[0] is left else left
    field = fields[0]
    domain = field.domain
    if np.shape(other) == domain.N or any(size > 1 for size in np.shape(other)[-1 - domain.ndim : -1]):
        return set(range(domain.ndim))
    if function is operator.mul or (function is operator.truediv and other is right):
        return free
    if not isinstance(other, jax.Array) and np.ndim(other) == 0:
        adds_nothing = function in (operator.add, operator.sub) and other == 0
        vanishes_with_the_field = function is operator.pow and other is right and np.real(other) > 0
        if adds_nothing or vanishes_with_the_field:
            return free
    return free | field.free_axes_of_functions
