"""Operators that act on values, not on derivatives: those of all fields that have arithmetic."""

import dataclasses
from collections.abc import Callable, Collection
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from .._checks import check_integer
from ..boundary import quadrature_weights
from ..fields import Continuous, Field, OnGrid
from ._operator import operator


@operator
def get_component(u: Field, dim: Any, *, params: Any = None) -> Field:
    """The channel `dim` of a field, as a field with one channel. Keeps the conditions.

    **Raises:** `ValueError` for a channel that the field does not have.
    """
    _no_params(params)
    if check_integer("dim", dim, 0) >= u.dims:
        raise ValueError(f"`dim` must be less than the number of channels ({u.dims}), got {dim}. Count from 0.")
    return _on_channels(u, _Component(int(dim)))


@operator
def sum_over_dims(u: Field, *, params: Any = None) -> Field:
    """The sum of the channels of a field, as a field with one channel. Keeps the conditions."""
    _no_params(params)
    return _on_channels(u, _sum)


@dataclasses.dataclass(frozen=True)
class _Component:
    dim: int

    def __call__(self, values: Array) -> Array:
        return values[..., self.dim, None]


def _sum(values: Array) -> Array:
    return jnp.sum(values, axis=-1, keepdims=True)


@operator
def inverse(u: Field, *, params: Any = None) -> Field:
    """The multiplicative inverse 1 / u of each channel. Keeps vanishing normal derivatives only."""
    _no_params(params)
    return 1 / u


@operator
def compose(u: Field, *, params: Any = None) -> Callable[[Callable], Field]:
    """A function of the values: `compose(u)(jnp.exp)` is the field exp(u).

    **Returns:** A function of a function of arrays (it is given `(*batch, *N, C)`, or `(C,)` at a point). The result
    keeps vanishing normal derivatives, but not u = 0.
    """
    _no_params(params)

    def composed(function: Callable[[Array], Array]) -> Field:
        return _on_channels(u, function, u.free_axes_of_functions)

    return composed


@operator
def functional(u: Field, *, params: Any = None) -> Callable[[Callable], Any]:
    """A function of all values on the grid: `functional(u)(jnp.sum)`. For continuous fields the grid of the domain."""
    _no_params(params)
    return lambda function: function(u.on_grid)


def _on_channels(u: Any, function: Callable[[Array], Array], free_axes: Collection[int] | None = None) -> Any:
    """The field of `function(values)`."""
    return u._pointwise(function, (u,), u.free_axes if free_axes is None else free_axes)


@operator
def dot_product(u: Continuous | OnGrid, v: Any, *, quadrature: bool = True, params: Any = None) -> Array:
    r"""The inner product $\int \sum_c \overline{u_c} v_c\,dx$.

    Integrated with the quadrature weights of the grid: of second order, of fourth if both fields satisfy the condition
    at the walls, of spectral accuracy if their odd or even continuations are smooth. See `boundary.quadrature_weights`.
    Continuous fields are evaluated on the grid.

    **Arguments:**

    - `u`, `v`: Fields of one type and domain, with as many channels.
    - `quadrature`: `False` for the plain sum over points.

    **Returns:** A number, or one per entry of the leading axes; in [u] · [v] · [L]^ndim, without the length for the
    plain sum.

    **Raises:** `TypeError`, `ValueError` for fields that do not match.
    """
    _no_params(params)
    u.check_alike(v)
    if u.dims != v.dims:
        raise ValueError(f"`v` must have as many channels as `u` ({u.dims}), got {v.dims}. Select components.")
    integrand = jnp.sum(jnp.conj(u.on_grid) * v.on_grid, axis=-1)
    domain = u.domain
    # The product vanishes at a wall where one of the two does.
    free = set(u.free_axes) & set(v.free_axes)
    axes = zip(domain.N, domain.extent, domain.boundary_mode, strict=True)
    for axis, (n, extent, mode) in enumerate(axes):
        weights = quadrature_weights(n, extent, mode, free=axis in free) if quadrature else np.ones(n)
        # The leftmost spatial axis that is still there.
        integrand = jnp.moveaxis(integrand, axis - domain.ndim, -1)
        integrand = jnp.matmul(integrand, jnp.asarray(weights, integrand.dtype), precision=lax.Precision.HIGHEST)
    return integrand


def _no_params(params: Any) -> None:
    if params is not None:
        raise ValueError("`params` must be left out for an operator that has none, got some.")
