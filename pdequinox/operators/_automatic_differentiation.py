"""Derivatives of functions of a point, in the modes of a scheme."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._checks import check_axis, check_point
from .._plain_function import with_static_functions
from ._schemes import AutomaticDifferentiation

_JACOBIANS = {"forward": jax.jacfwd, "reverse": jax.jacrev}
_UNROLLED = 16
"""Up to so many directions are written out: faster than a batch of them, but longer to compile."""


def jacobian_of(function: Callable, x: Float[Array, " d"], scheme: AutomaticDifferentiation) -> Array:
    """The first derivatives, of shape `(*value, d)`.

    Without a mode: forward for at least as many values as coordinates, and for complex ones; else reverse.
    """
    value = jax.eval_shape(function, x)
    fallback = "forward" if value.size >= x.size or _is_complex(value) else "reverse"
    return _jacobian(scheme.inner or fallback, function, x)(x)


def hessian_of(function: Callable, x: Float[Array, " d"], scheme: AutomaticDifferentiation) -> Array:
    """The second derivatives, of shape `(*value, d, d)`.

    Without a mode: forward over reverse; for complex values forward over forward.
    """
    inner = scheme.inner or ("forward" if _is_complex(jax.eval_shape(function, x)) else "reverse")
    return _jacobian(scheme.outer or "forward", _jacobian(inner, function, x), x)(x)


@dataclasses.dataclass(frozen=True)
class LaplacianAlong:
    r"""The sum of the second derivatives $f''(x)(e_i, e_i)$ along some axes, or all; shaped like the value.

    Each is a second derivative along one direction, so that no mixed derivative is computed. Forward over forward
    without a mode. Reverse over reverse has no such direction: it is the trace of the Hessian.
    """

    axes: tuple[int, ...] | None

    def __call__(self, function: Callable, x: Float[Array, " d"], scheme: AutomaticDifferentiation) -> Array:
        axes = np.arange(x.size) if self.axes is None else np.array(self.axes)
        check_axis("axes", max(axes), x.size)
        outer, inner = scheme.outer or "forward", scheme.inner or "forward"
        if outer == inner == "reverse":
            return jnp.sum(hessian_of(function, x, scheme)[..., axes, axes], axis=-1)

        def second(direction: Array) -> Array:
            if outer == inner:
                return _along(_along(function, direction), direction)(x)
            if outer == "forward":
                return _along(_jacobian(inner, function, x), direction)(x) @ direction
            return _jacobian(outer, _along(function, direction), x)(x) @ direction

        directions = jnp.eye(x.size, dtype=x.dtype)[axes]
        if len(axes) <= _UNROLLED:
            return sum(map(second, directions[1:]), second(directions[0]))
        return jnp.sum(jax.vmap(second)(directions), axis=0)


def _jacobian(mode: str, function: Callable, x: Array) -> Callable:
    value = jax.eval_shape(function, x)
    if mode == "reverse" and _is_complex(value):
        raise ValueError(f"`scheme` must be forward for complex values, got reverse and {value.dtype}. Change it.")
    return _JACOBIANS[mode](function)


def _is_complex(value: Any) -> bool:
    return jnp.issubdtype(value.dtype, jnp.complexfloating)


def _along(function: Callable, direction: Array) -> Callable[[Array], Array]:
    return lambda x: jax.jvp(function, (x,), (direction,))[1]


@dataclasses.dataclass(frozen=True)
class PartialDerivative:
    """The derivative of some order along one axis, shaped like the value; in forward mode, whatever the scheme."""

    axis: int
    order: int

    def __call__(self, function: Callable, x: Float[Array, " d"], scheme: AutomaticDifferentiation) -> Array:
        check_axis("axis", self.axis, x.size)
        direction = jnp.zeros_like(x).at[self.axis].set(1)
        for _ in range(self.order):
            function = _along(function, direction)
        return function(x)


@dataclasses.dataclass(frozen=True)
class Rule:
    """What an operator is at a point. Equal for equal parts, so that nothing is traced twice."""

    derivatives: Callable[[Callable, Array, AutomaticDifferentiation], Array]
    """`jacobian_of`, `hessian_of`, a `LaplacianAlong` or a `PartialDerivative`."""
    combine: Callable[[Array], Array]
    """From these derivatives to the value of the operator."""
    scheme: AutomaticDifferentiation
    offsets: tuple[float, ...] = ()
    """Where to evaluate the derivatives along each axis: at x + offset."""

    def __call__(self, function: Callable, x: Array) -> Array:
        if not any(self.offsets):
            return self.combine(self.derivatives(function, x, self.scheme))
        if isinstance(self.derivatives, PartialDerivative):
            x = x.at[self.derivatives.axis].add(self.offsets[self.derivatives.axis])
            return self.combine(self.derivatives(function, x, self.scheme))
        columns = [
            self.derivatives(function, x.at[axis].add(offset), self.scheme)[..., axis]
            for axis, offset in enumerate(self.offsets)
        ]
        return self.combine(jnp.stack(columns, axis=-1))


@dataclasses.dataclass(frozen=True)
class DerivedField:
    """The `get_fun` of a continuous field that an operator returns."""

    get_fun: Callable
    rule: Rule

    def __call__(self, params: PyTree, x: Array) -> Array:
        return self.rule(lambda x: jnp.atleast_1d(_inexact(self.get_fun(params, x), x)), x).ravel()


class DerivedFunction(eqx.Module):
    """The function of a point that an operator returns for a function of a point.

    A pytree with the leaves of the function, so that `jax.jit` takes it as an argument: new parameters are not a new
    trace. It may also be what is compiled, as in `jax.jit(laplacian(f))(x)`: then its parameters are constants, and it
    is equal to itself alone.
    """

    __hash__ = object.__hash__
    __eq__ = object.__eq__

    function: PyTree
    rule: Rule = eqx.field(static=True)

    def __init__(self, function: Any, rule: Rule):
        self.function = with_static_functions(function)
        self.rule = rule

    def __call__(self, x: Any) -> Array:
        """The value at a point `x` of shape `(d,)`; use `jax.vmap` for several.

        **Raises:** `ValueError` for another shape.
        """
        x = check_point(x)
        return self.rule(lambda x: _inexact(self.function(x), x), x)


def _inexact(value: Any, x: Array) -> Array:
    """The value of a function, integers in the precision of the point."""
    value = jnp.asarray(value)
    return value if jnp.issubdtype(value.dtype, jnp.inexact) else value.astype(x.dtype)
