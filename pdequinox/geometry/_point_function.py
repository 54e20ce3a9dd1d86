"""Functions of a point that are made from others: pytrees, so that what they are made from can be traced."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, PyTree

from .._checks import check_point
from .._plain_function import with_static_functions
from ..fields import Continuous, Field, FourierSeries

einsum = partial(jnp.einsum, precision=lax.Precision.HIGHEST)


class PointFunction(eqx.Module):
    """`x -> evaluate(*parts, x, *options)`: a pytree with the parameters of its parts as leaves.

    It passes through `jax.jit` as an argument, and is not traced again when only the parameters differ. As what is
    compiled, `jax.jit(ricci(g))`, its parameters are constants, and it is equal to itself alone.
    """

    __hash__ = object.__hash__
    __eq__ = object.__eq__

    evaluate: Callable = eqx.field(static=True)
    parts: tuple[PyTree, ...]
    options: tuple = eqx.field(static=True)

    def __init__(self, evaluate: Callable, *parts: PyTree, options: tuple = ()):
        self.evaluate = evaluate
        self.parts = parts
        self.options = options

    def __call__(self, x: Any) -> Array:
        return self.evaluate(*self.parts, check_point(x), *self.options)


def as_function(name: str, function: Any) -> Any:
    """A function of a point as a pytree; one without parameters is static."""
    if not callable(function):
        raise ValueError(
            f"`{name}` must be a function of a point, got {type(function).__name__}. Write a constant one as "
            "`lambda x: value`."
        )
    if isinstance(function, Field) and not isinstance(function, Continuous | FourierSeries):
        raise ValueError(
            f"`{name}` must be a smooth function of a point, got {type(function).__name__}, which is interpolated "
            "between points. Use `FourierSeries` or `Continuous`."
        )
    return with_static_functions(function)


def evaluated(name: str, function: Callable, x: Array, shape: tuple[int, ...]) -> Array:
    """The value of a function at a point, with this shape; the channels of a field are its entries row by row."""
    value = jnp.asarray(function(x))
    size = math.prod(shape)
    if value.shape not in (shape, (size,)):
        raise ValueError(
            f"`{name}` must return shape {shape} or ({size},) at a point with {x.size} coordinates, got {value.shape}. "
            "Check the number of dimensions."
        )
    value = value if jnp.issubdtype(value.dtype, jnp.inexact) else value.astype(x.dtype)
    return value.reshape(shape)


def num_complex(p: Array) -> int:
    """The number of complex coordinates of `p = [Re z, Im z]`."""
    if p.size % 2:
        raise ValueError(f"`x` must be [Re z, Im z], of even length, got {p.size} coordinates. Stack both parts.")
    return p.size // 2


def as_complex(values: Array) -> Array:
    """Real or complex values as complex ones of their precision."""
    if jnp.issubdtype(values.dtype, jnp.complexfloating):
        return values
    values = values.astype(jnp.promote_types(values.dtype, jnp.float32))  # there is nothing smaller than complex64
    return lax.complex(values, jnp.zeros_like(values))


def metric_value(g: Callable, x: Array) -> Array:
    """The matrix $g_{ij}$ at a point: real, one row per coordinate."""
    value = evaluated("g", g, x, (x.size, x.size))
    if jnp.issubdtype(value.dtype, jnp.complexfloating):
        raise ValueError(f"`g` must return real numbers, got {value.dtype}. See `kahler_*` for Hermitian metrics.")
    return value


def as_metric(g: Any) -> PointFunction:
    """A metric as a pytree that checks its values."""
    return PointFunction(metric_value, as_function("g", g))
