"""A Riemannian metric as the parameters of a differential operator."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from .._checks import check_point
from ..fields import Continuous, Field, OnGrid
from ..operators import Operator, divergence, gradient, hessian, jacobian, laplacian
from ._curvature import (
    divergence_at,
    gradient_at,
    inverse_at,
    laplace_beltrami_at,
    laplacian_coefficients,
    volume_element_at,
)
from ._point_function import PointFunction, as_function, einsum, metric_value

_AT_A_POINT = {divergence: divergence_at, gradient: gradient_at, laplacian: laplace_beltrami_at}


class Metric(eqx.Module):
    r"""A metric as `params` of `gradient`, `divergence` and `laplacian`: these operators in curvilinear coordinates.

    | operator | result with `params=Metric(g)` |
    |---|---|
    | `gradient` | $g^{ij} \partial_j u$, the components of a vector (index up) |
    | `divergence` | $\lvert g\rvert^{-1/2}\,\partial_i(\lvert g\rvert^{1/2} u^i)$ |
    | `laplacian` | $g^{ij}(\partial_i \partial_j u - \Gamma^k_{ij} \partial_k u)$ of each channel: Laplace-Beltrami |

    `u` is a `Continuous` field, a function of a point, or a field on a grid with derivatives (`FiniteDifferences`,
    `FourierSeries`); its domain is that of the coordinates. Derivatives of the field are those of its type, derivatives
    of the metric are exact. On a grid the Laplacian with $g_{ij} = \delta_{ij}$ is that of `laplacian(u)`; the
    divergence of the gradient is its conservative form, with wider stencils. Results are free along bounded axes.

    The metric is a pytree with the parameters of `g`: `jax.grad` by it trains a metric network.

    !!! example
        ```python
        polar = Metric(lambda x: jnp.diag(jnp.stack([jnp.ones_like(x[0]), x[0] ** 2])))
        laplacian(u, params=polar)
        ```
    """

    function: PyTree
    """What computes the metric."""

    def __init__(self, g: Any):
        """**Arguments:**

        - `g`: The metric: a function of a point `x` of shape `(n,)` with values of shape `(n, n)`, symmetric.

        **Raises:** `ValueError` if `g` is no function.
        """
        self.function = as_function("g", g)

    def __call__(self, x: Any) -> Array:
        """The matrix $g_{ij}$ at a point.

        **Raises:** `ValueError` if `g` returns another shape or complex numbers.
        """
        return metric_value(self.function, check_point(x))

    def apply_operator(self, op: Operator, field: Any, /, *args: Any, **options: Any) -> Any:
        """What `op(field, params=self)` is.

        **Arguments:**

        - `op`: `gradient`, `divergence` or `laplacian`.
        - `field`: A field or a function of a point. A gradient needs one channel, a divergence as many as coordinates.

        **Raises:** `ValueError` for other operators, for further arguments of the operator, for another number of
            channels; `TypeError` for a field without derivatives.
        """
        if op not in _AT_A_POINT:
            raise ValueError(
                f"`params` must not be a Metric for `{op}`, which has no form for one. It is defined for "
                f"{', '.join(sorted(map(str, _AT_A_POINT)))}."
            )
        if args or options:
            raise ValueError(
                f"`{op}` must get no further arguments with a Metric, got {[*args, *options]}. Leave them out."
            )
        if isinstance(field, OnGrid):
            return self._on_grid(op, field)
        if isinstance(field, Continuous):
            self._check_channels(op, field)
            result = field.update_fun_and_params((self, field.params), _OfContinuous(_AT_A_POINT[op], field.get_fun))
            return result.with_free_axes(range(field.domain.ndim))
        if isinstance(field, Field):
            raise TypeError(
                f"`{op}` with a Metric must get a Continuous field, one on a grid, or a function of a point, got "
                f"{type(field).__name__}. Convert it."
            )
        return PointFunction(_AT_A_POINT[op], self, as_function("field", field))

    def _check_channels(self, op: Operator, u: Any) -> None:
        wanted = {gradient: 1, divergence: u.domain.ndim}.get(op, u.dims)
        if u.dims != wanted:
            raise ValueError(
                f"`{op}` must get a field with {wanted} channels, got {u.dims}. Select them with `get_component`."
            )

    def _on_grid(self, op: Operator, u: Any) -> Any:
        if op is gradient:
            slopes = gradient(u)
            return slopes.replace_params(einsum("...ij,...j->...i", self._at_points(inverse_at, u), slopes.params))
        if op is divergence:
            volume = self._at_points(volume_element_at, u)[..., None]
            return divergence(u * volume) / volume
        inv, drift = self._at_points(laplacian_coefficients, u)
        n = u.domain.ndim
        second, first = hessian(u), jacobian(u)
        value = einsum("...cij,...ij->...c", second.params.reshape(*u.params.shape, n, n), inv)
        value = value - einsum("...ck,...k->...c", first.params.reshape(*u.params.shape, n), drift)
        return second.replace_params(value)

    def _at_points(self, function: Callable, u: OnGrid) -> Any:
        """`function(metric, x)` at the points of the grid, in the dtype of the field's values."""
        mapped = lambda x: function(self, x)  # noqa: E731
        for _ in range(u.domain.ndim):
            mapped = jax.vmap(mapped)
        values = mapped(u.domain.grid.astype(jnp.finfo(u.params.dtype).dtype))
        return jax.tree.map(lambda value: value.astype(u.params.dtype), values)


@dataclasses.dataclass(frozen=True)
class _OfContinuous:
    """An operator of the function of a field. Equal for equal parts, so that nothing is traced twice."""

    evaluate: Callable
    get_fun: Callable

    def __call__(self, params: tuple[PyTree, PyTree], x: Array) -> Array:
        metric, own = params
        return self.evaluate(metric, lambda x: jnp.atleast_1d(jnp.asarray(self.get_fun(own, x))), x)
