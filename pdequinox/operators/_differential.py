"""The differential operators: which derivatives add up to each channel of the result."""

import itertools
from collections.abc import Callable
from typing import Any, TypeAlias, TypeGuard

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._checks import check_axis, check_channels, check_integer
from ..fields import Continuous, FiniteDifferences, FourierSeries, OnGrid
from ._automatic_differentiation import (
    DerivedField,
    DerivedFunction,
    LaplacianAlong,
    PartialDerivative,
    Rule,
    hessian_of,
    jacobian_of,
)
from ._operator import operator
from ._partial import Term, evaluate_terms, per_axis_shift, stencils, wavenumbers
from ._schemes import AutomaticDifferentiation, resolve_scheme

Differentiable: TypeAlias = FiniteDifferences | FourierSeries | Continuous | Callable


def _params(u: Any, order: int, stagger: Any = 0.0) -> Any:
    """What derivatives of one order are computed with: a list of stencils, or wave numbers, or nothing."""
    if isinstance(u, FiniteDifferences):
        return stencils(u, order, stagger)
    return wavenumbers(u) if isinstance(u, FourierSeries) else None


def _first_params(u: Any, *, stagger: Any = 0.0, scheme: Any = None) -> Any:
    _check_scheme(u, scheme)
    return _params(u, 1, stagger)


def _second_params(u: Any, *, axes: Any = None, scheme: Any = None) -> Any:
    _check_scheme(u, scheme)
    return _params(u, 2)


def _both_params(u: Any, *, scheme: Any = None) -> Any:
    _check_scheme(u, scheme)
    if isinstance(u, FiniteDifferences):
        return {"gradient": stencils(u, 1), "laplacian": stencils(u, 2)}
    return _params(u, 2)


def _derivative_params(u: Any, axis: Any = 0, order: Any = 1, *, stagger: Any = 0.0) -> Any:
    _check_axis(u, "axis", axis)
    params = _params(u, check_integer("order", order), stagger)
    return params[axis] if isinstance(u, FiniteDifferences) else params


def _check_axis(u: Any, name: str, axis: Any) -> int:
    return check_axis(name, axis, u.domain.ndim) if isinstance(u, OnGrid | Continuous) else check_integer(name, axis, 0)


def _check_scheme(u: Any, scheme: Any) -> None:
    """Refuse a scheme for values on a grid, of which derivatives follow without one, and a wrong one elsewhere."""
    if not isinstance(u, OnGrid):
        resolve_scheme(AutomaticDifferentiation, scheme)
    elif scheme is not None:
        raise ValueError(
            f"`scheme` must be left out for {type(u).__name__}, whose derivatives are what it is named after, got "
            f"{scheme!r}. Schemes are for functions of a point and for meshes."
        )


def _on_grid(u: Any, scheme: Any = None) -> TypeGuard[OnGrid]:
    """Whether the field is one of values on a grid."""
    _check_scheme(u, scheme)
    return isinstance(u, OnGrid)


def _at_points(
    u: Any,
    derivatives: Callable,
    combine: Callable,
    params: Any,
    *,
    scheme: Any = None,
    stagger: Any = 0.0,
) -> Any:
    """An operator on a continuous field, or on a function of a point."""
    if params is not None:
        remedy = "Wrap a metric: `geometry.Metric(g)`." if callable(params) else "Leave it out."
        raise ValueError(
            f"`params` must be left out for a function of a point, whose derivatives are exact, got some. {remedy}"
        )
    scheme = resolve_scheme(AutomaticDifferentiation, scheme)
    if isinstance(u, Continuous):
        shifts = zip(per_axis_shift("stagger", stagger, u.domain), u.domain.dx, strict=True)
        rule = Rule(derivatives, combine, scheme, tuple(shift * h for shift, h in shifts))
        derived = u.update_fun_and_params(u.params, DerivedField(u.get_fun, rule))
        axes = range(u.domain.ndim)
        if isinstance(derivatives, PartialDerivative):
            axes = (derivatives.axis,)
        elif isinstance(derivatives, LaplacianAlong) and derivatives.axes is not None:
            axes = derivatives.axes
        return derived.with_free_axes({*u.free_axes, *axes})
    if np.any(stagger):
        raise ValueError(f"`stagger` must be left out for a function, which has no spacing, got {stagger}. Shift `x`.")
    return DerivedFunction(u, Rule(derivatives, combine, scheme))


def _all(derivatives: Array) -> Array:
    return derivatives


def _of_scalar(jacobian: Array) -> Array:
    check_channels("gradient", jacobian[..., 0].size, (1,), "Use `jacobian`.")
    return jacobian.ravel()


def _diagonal(jacobian: Array) -> Array:
    check_channels("diag_jacobian", jacobian[..., 0].size, jacobian.shape[-1:], "Give one component per axis.")
    return jnp.diagonal(jacobian.reshape(-1, jacobian.shape[-1]))


def _trace(jacobian: Array) -> Array:
    check_channels("divergence", jacobian[..., 0].size, jacobian.shape[-1:], "Give one component per axis.")
    return jnp.trace(jacobian.reshape(-1, jacobian.shape[-1]))


def _rotation(jacobian: Array) -> Array:
    terms = _curl_terms(jacobian[..., 0].size, jacobian.shape[-1])
    rows = jacobian.reshape(-1, jacobian.shape[-1])
    sums = [sum(sign * rows[channel, axis] for channel, (axis,), sign in entries) for entries in terms]
    return jnp.stack([jnp.asarray(entry) for entry in sums]) if len(sums) > 1 else jnp.asarray(sums[0])


def _curl_terms(channels: int, ndim: int) -> tuple[tuple[Term, ...], ...]:
    if ndim not in (2, 3):
        raise ValueError(f"`curl` must get a field in 2D or 3D, got one in {ndim}D. See `derivative`.")
    check_channels("curl", channels, (3,) if ndim == 3 else (1, 2), "Give one component per axis.")
    if ndim == 3:
        return tuple((Term(j, (i,)), Term(i, (j,), -1)) for i, j in ((1, 2), (2, 0), (0, 1)))
    return ((Term(1, (0,)), Term(0, (1,), -1)),) if channels == 2 else ((Term(0, (1,)),), (Term(0, (0,), -1),))


@operator(init_params=_derivative_params)
def derivative(u: Differentiable, axis: Any = 0, order: Any = 1, *, stagger: Any = 0.0, params: Any = None) -> Any:
    r"""The partial derivative $\partial^n u / \partial x_i^n$ of each channel.

    **Arguments:**

    - `u`: A field with any number of channels, or a function of a point.
    - `axis`: The axis $i$.
    - `order`: The order $n$.
    - `stagger`: Where to evaluate: at x + stagger dx along the axis.
    - `params`: One stencil, with entries along `axis`, for finite differences; `{"k_vec": [...]}` for Fourier series.

    **Returns:** A field with as many channels, in [u]/[L]^n, free along the axis. For a function, the function
    $\partial_i^n u(x)$ with values of the same shape.
    """
    axis, order = _check_axis(u, "axis", axis), check_integer("order", order)
    if not _on_grid(u):
        return _at_points(u, PartialDerivative(axis, order), _all, params, stagger=stagger)
    if isinstance(u, FiniteDifferences):
        if isinstance(params, list | tuple | dict):
            raise ValueError("`params` must be one stencil for a derivative, got several. Take that of the axis.")
        params = [params] * u.domain.ndim
    terms = tuple((Term(channel, (axis,) * order),) for channel in range(u.dims))
    return evaluate_terms(u, terms, params, stagger)


@operator(init_params=_first_params)
def gradient(u: Differentiable, *, stagger: Any = 0.0, scheme: Any = None, params: Any = None) -> Any:
    r"""The gradient of a scalar field, $(\nabla u)_i = \partial_i u$.

    **Arguments:**

    - `u`: A field with one channel, or a function of a point `x` of shape `(d,)` with values of shape `()` or `(1,)`.
    - `stagger`: Where to evaluate: $\partial_i u$ at $x + s_i \Delta x_i e_i$ for all discretisations; one number or
        one per axis. Not for functions, which have no spacing.
    - `scheme`: How to differentiate a continuous field or a function: see `parse_scheme`. Reverse mode by default for
        fewer values than coordinates, forward mode otherwise.
    - `params`: A list with one stencil per axis for finite differences, in the units of the field: divided by dx;
        `{"k_vec": [...]}` for Fourier series; an object that applies itself, such as `geometry.Metric`.

    **Returns:** A field with `ndim` channels, in [u]/[L], free along non-periodic axes. For a function, the function
    $\nabla u(x)$ with values of shape `(d,)`.

    **Raises:** `ValueError` for more channels: see `jacobian`; for a scheme that is not one of automatic
        differentiation, or given with a field on a grid.
    """
    if not _on_grid(u, scheme):
        return _at_points(u, jacobian_of, _of_scalar, params, scheme=scheme, stagger=stagger)
    check_channels("gradient", u.dims, (1,), "Use `jacobian`.")
    return evaluate_terms(u, tuple((Term(0, (axis,)),) for axis in range(u.domain.ndim)), params, stagger)


@operator(init_params=_first_params)
def jacobian(u: Differentiable, *, stagger: Any = 0.0, scheme: Any = None, params: Any = None) -> Any:
    r"""The Jacobian $\partial_i u_c$ of a field with C channels.

    **Arguments:** as for `gradient`, with any number of channels, or values of any shape.

    **Returns:** A field with C `ndim` channels, row by row: $\partial_i u_c$ is channel $c \cdot \text{ndim} + i$. For
    a function, one with values of shape `(*value, d)`.
    """
    if not _on_grid(u, scheme):
        return _at_points(u, jacobian_of, _all, params, scheme=scheme, stagger=stagger)
    entries = itertools.product(range(u.dims), range(u.domain.ndim))
    return evaluate_terms(u, tuple((Term(channel, (axis,)),) for channel, axis in entries), params, stagger)


@operator(init_params=_first_params)
def diag_jacobian(u: Differentiable, *, stagger: Any = 0.0, scheme: Any = None, params: Any = None) -> Any:
    r"""The diagonal of the Jacobian of a vector field, $\partial_i u_i$ (no sum).

    **Arguments:** as for `gradient`, with `ndim` channels, or values of shape `(d,)`.

    **Returns:** A field with `ndim` channels; for a function, one with values of shape `(d,)`.

    **Raises:** `ValueError` for another number of channels.
    """
    if not _on_grid(u, scheme):
        return _at_points(u, jacobian_of, _diagonal, params, scheme=scheme, stagger=stagger)
    check_channels("diag_jacobian", u.dims, (u.domain.ndim,), "Give one component per axis.")
    return evaluate_terms(u, tuple((Term(axis, (axis,)),) for axis in range(u.domain.ndim)), params, stagger)


@operator(init_params=_first_params)
def divergence(u: Differentiable, *, stagger: Any = 0.0, scheme: Any = None, params: Any = None) -> Any:
    r"""The divergence of a vector field, $\sum_i \partial_i u_i$.

    The divergence of a gradient is a Laplacian with stencils twice as wide. On bounded axes the gradient is free, and
    the order of convergence at the wall is one lower than `accuracy`, because its error is not smooth there: prefer
    `laplacian`, or `heterog_laplacian` with a coefficient.

    **Arguments:** as for `gradient`, with `ndim` channels, or values of shape `(d,)`.

    **Returns:** A field with one channel; for a function, one with values of shape `()`.

    **Raises:** `ValueError` for another number of channels.
    """
    if not _on_grid(u, scheme):
        return _at_points(u, jacobian_of, _trace, params, scheme=scheme, stagger=stagger)
    check_channels("divergence", u.dims, (u.domain.ndim,), "Give one component per axis.")
    return evaluate_terms(u, (tuple(Term(axis, (axis,)) for axis in range(u.domain.ndim)),), params, stagger)


@operator(init_params=_first_params)
def curl(u: Differentiable, *, stagger: Any = 0.0, scheme: Any = None, params: Any = None) -> Any:
    r"""The curl.

    | field | result |
    |---|---|
    | vector in 3D | $\partial_i u_j - \partial_j u_i$ for $(i, j) = (1, 2), (2, 0), (0, 1)$ |
    | vector in 2D | $\partial_0 u_1 - \partial_1 u_0$, one channel |
    | scalar in 2D (a stream function) | $\partial_1 u,\ -\partial_0 u$ |

    **Arguments:** as for `gradient`, with the channels of the table.

    **Returns:** A field with the channels of the table; for a function, one with values of shape `(3,)`, `()`, `(2,)`.

    **Raises:** `ValueError` for other channels, and in 1D.
    """
    if not _on_grid(u, scheme):
        return _at_points(u, jacobian_of, _rotation, params, scheme=scheme, stagger=stagger)
    return evaluate_terms(u, _curl_terms(u.dims, u.domain.ndim), params, stagger)


@operator(init_params=_second_params)
def laplacian(u: Differentiable, *, axes: Any = None, scheme: Any = None, params: Any = None) -> Any:
    r"""The Laplacian of each channel, $\sum_i \partial_i^2 u$ (in Cartesian coordinates the vector Laplacian too).

    Its eigenvalues in 1D have no positive real parts with any boundary mode, for accuracies 2 to 8. For Fourier series
    it keeps the Nyquist mode of an even number of points, which first derivatives drop: it equals
    `sum_over_dims(diag_jacobian(gradient(u)))` for all fields without that mode.

    **Arguments:**

    - `u`: A field with any number of channels, or a function of a point with values of any shape.
    - `axes`: The axes to sum over, such as `(0, 1)` for a function of two coordinates and time; all by default.
    - `scheme`: How to differentiate a continuous field or a function: see `parse_scheme`. Forward over forward by
        default, along one axis after the other: inside a training gradient 1.3 to 13 times faster than the trace
        of the Hessian, about as fast alone (`docs/guides/scheme_speed.py` measures it).
    - `params`: A list with one stencil per axis for finite differences, divided by dx**2; `{"k_vec": [...]}` for
        Fourier series; an object that applies itself, such as `geometry.Metric` for the Laplace-Beltrami operator.

    **Returns:** A field with as many channels, in [u]/[L]², free along non-periodic axes. For a function, one with
    values of the same shape.
    """
    if axes is not None:
        axes = tuple(_check_axis(u, "axes", axis) for axis in ((axes,) if np.ndim(axes) == 0 else axes))
        if not axes or len({*axes}) < len(axes):
            raise ValueError(f"`axes` must name some axes, each once, got {axes}. Leave it out for all.")
    if not _on_grid(u, scheme):
        return _at_points(u, LaplacianAlong(axes), _all, params, scheme=scheme)
    axes = range(u.domain.ndim) if axes is None else axes
    return evaluate_terms(u, tuple(tuple(Term(c, (axis, axis)) for axis in axes) for c in range(u.dims)), params)


@operator(init_params=_both_params)
def hessian(u: Differentiable, *, scheme: Any = None, params: Any = None) -> Any:
    r"""The second derivatives $\partial_i \partial_j u_c$.

    **Arguments:**

    - `u`: A field with any number of channels C, or a function of a point with values of any shape.
    - `scheme`: How to differentiate a continuous field or a function: see `parse_scheme`. Forward over reverse by
        default.
    - `params`: `{"gradient": [...], "laplacian": [...]}` with the stencils of these operators for finite differences,
        for mixed and for pure derivatives; `{"k_vec": [...]}` for Fourier series.

    **Returns:** A field with C `ndim`² channels, row by row: $\partial_i \partial_j u_c$ is channel
    $(c \cdot \text{ndim} + i) \cdot \text{ndim} + j$. For a function, one with values of shape `(*value, d, d)`.
    """
    if not _on_grid(u, scheme):
        return _at_points(u, hessian_of, _all, params, scheme=scheme)
    axes = range(u.domain.ndim)
    entries = itertools.product(range(u.dims), axes, axes)
    terms = tuple((Term(c, (min(i, j), max(i, j))),) for c, i, j in entries)
    return evaluate_terms(u, terms, params, keys=("gradient", "laplacian"))
