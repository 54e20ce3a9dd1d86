"""Fields given by a function of a point."""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray, PyTree

from .._plain_function import is_hashable, with_static_functions
from ._domain import Domain
from ._field import Field

Self = TypeVar("Self", bound="Continuous")


class Continuous(Field):
    """A field that a function computes at any point, from parameters: `u(x) = get_fun(params, x)`.

    `params` is any pytree: an array, a dictionary of them, an `eqx.Module`. A field rebuilt with new parameters and the
    same function is not traced again by `jax.jit`, nor are its derivatives.
    """

    get_fun: Callable[[PyTree, Array], Any] = eqx.field(static=True, kw_only=True)

    def __init__(
        self,
        params: PyTree,
        domain: Any,
        get_fun: Any,
        free_axes: Collection[int] = (),
    ):
        """**Arguments:**

        - `params`: The parameters. Functions among their leaves (the activation of an `eqx.nn.MLP`) become static.
        - `domain`: The box, and the grid of `on_grid`.
        - `get_fun`: Called as `get_fun(params, x)` with `x` of shape `(ndim,)`; returns shape `(C,)`, or `()` for one
            channel.
        - `free_axes`: The axes along which the field does not satisfy the domain's condition. Derivatives are exact
            whatever it is; it matters for fields that are made from this one.

        **Raises:** `ValueError` for a `get_fun` that cannot be called or hashed.
        """
        super().__init__(with_static_functions(params), domain, free_axes)
        if not callable(get_fun) or not is_hashable(get_fun):
            raise ValueError(
                "`get_fun` must be a hashable function of (params, x), got something else. Pass a plain function and "
                "put arrays and modules into `params`, as in `Continuous(net, domain, lambda net, x: net(x))`."
            )
        self.get_fun = get_fun

    @classmethod
    def from_function(
        cls: type[Self],
        domain: Any,
        init_fun: Callable[[PRNGKeyArray, Domain], PyTree],
        get_field: Callable[[PyTree, Array], Any],
        seed: PRNGKeyArray,
    ) -> Self:
        """The field with the parameters `init_fun(seed, domain)` and the function `get_field`."""
        return cls(init_fun(seed, domain), domain, get_field)

    def update_fun_and_params(self: Self, params: PyTree, get_fun: Callable[[PyTree, Array], Any]) -> Self:
        """This field with another function of other parameters."""
        return dataclasses.replace(self, params=with_static_functions(params), get_fun=get_fun)

    def __call__(self, x: Any) -> Array:
        """The value at one point.

        **Arguments:**

        - `x`: A point, of shape `(ndim,)`; use `jax.vmap(field)` for several.

        **Returns:** An array of shape `(C,)`.

        **Raises:** `ValueError` if `x` or the value of `get_fun` has another shape.
        """
        x = jnp.asarray(x)
        x = x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(self.dtype)
        if x.shape != (self.domain.ndim,):
            raise ValueError(
                f"`x` must have shape ({self.domain.ndim},), got {x.shape}. Use `jax.vmap(field)` for several points."
            )
        value = jnp.asarray(self.get_fun(self.params, x))
        if value.ndim > 1:
            raise ValueError(f"`get_fun` must return shape (C,) or (), got {value.shape}. Flatten its value.")
        return jnp.atleast_1d(value)

    @property
    def dtype(self) -> Any:
        """The floating dtype of the parameters, in which points are given to the function."""
        leaves = [leaf for leaf in jax.tree.leaves(self.params) if eqx.is_inexact_array(leaf)]
        return jnp.finfo(jnp.result_type(*leaves)).dtype if leaves else jnp.result_type(float)

    @property
    def on_grid(self) -> Array:
        """The values at the points of the domain, of shape `(*N, C)`."""
        function = self
        for _ in range(self.domain.ndim):
            function = jax.vmap(function)
        return function(self.domain.grid.astype(self.dtype))

    @property
    def dims(self) -> int:
        """The number of channels C."""
        x = jax.ShapeDtypeStruct((self.domain.ndim,), self.dtype)
        return jax.eval_shape(lambda u, x: u(x), self, x).shape[0]

    def _pointwise(self: Self, function: Callable, operands: tuple, free_axes: Collection[int]) -> Self:
        params, parts = [], []
        for operand in operands:
            if isinstance(operand, np.ndarray | np.generic) and operand.ndim == 0:
                operand = operand.item()
            if isinstance(operand, Continuous):
                params.append(operand.params)
                parts.append(operand.get_fun)
            elif isinstance(operand, bool | int | float | complex):
                params.append(None)
                parts.append(_Constant(operand))
            else:
                if jnp.shape(operand) not in ((), (1,), (self.dims,)):
                    raise ValueError(
                        f"a continuous field must be combined with numbers or arrays of shape ({self.dims},), got "
                        f"shape {jnp.shape(operand)}. Convert it with `FiniteDifferences.from_grid(u.on_grid, domain)`."
                    )
                params.append(self._constant(operand))
                parts.append(_parameter)
        get_fun = _Pointwise(function, tuple(parts))
        return dataclasses.replace(self, params=tuple(params), get_fun=get_fun, free_axes=free_axes)

    def _constant(self, array: Any) -> Array:
        """An array as a parameter: in the precision of this field if it is NumPy's, and never in a lower one."""
        if isinstance(array, np.ndarray):
            return jnp.asarray(
                array, jnp.promote_types(self.dtype, jnp.complex64) if np.iscomplexobj(array) else self.dtype
            )
        return jnp.asarray(array, jnp.result_type(array, self.dtype))


def _parameter(params: PyTree, x: Array) -> Any:
    """A constant array: a parameter of the field."""
    return params


@dataclasses.dataclass(frozen=True)
class _Constant:
    """A Python number: static, so that exponents stay what they are."""

    value: Any

    def __call__(self, params: None, x: Array) -> Any:
        return self.value


@dataclasses.dataclass(frozen=True)
class _Pointwise:
    """A function of the values of fields and of constants. Equal for equal parts, so that nothing is traced twice."""

    function: Callable
    parts: tuple[Callable, ...]

    def __call__(self, params: Sequence[PyTree], x: Array) -> Array:
        return self.function(*(part(p, x) for part, p in zip(self.parts, params, strict=True)))
