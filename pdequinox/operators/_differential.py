"""The differential operators: which partial derivatives add up to each channel of the result."""

import itertools
from typing import Any, TypeAlias

from .._checks import check_integer
from ..fields import Continuous, Field, FiniteDifferences, FourierSeries
from ._operator import operator
from ._partial import Term, evaluate_terms, stencils, wavenumbers

Differentiable: TypeAlias = Continuous | FiniteDifferences | FourierSeries


def _params(u: Field, order: int, stagger: Any = 0.0) -> Any:
    """What derivatives of one order are computed with: a list of stencils, or wave numbers, or nothing."""
    if isinstance(u, FiniteDifferences):
        return stencils(u, order, stagger)
    return wavenumbers(u) if isinstance(u, FourierSeries) else None


def _first_params(u: Field, *, stagger: Any = 0.0) -> Any:
    return _params(u, 1, stagger)


def _second_params(u: Field) -> Any:
    return _params(u, 2)


def _both_params(u: Field) -> Any:
    if isinstance(u, FiniteDifferences):
        return {"gradient": stencils(u, 1), "laplacian": stencils(u, 2)}
    return _second_params(u)


def _derivative_params(u: Field, axis: Any = 0, order: Any = 1, *, stagger: Any = 0.0) -> Any:
    _check_axis(u, axis)
    params = _params(u, check_integer("order", order), stagger)
    return params[axis] if isinstance(u, FiniteDifferences) else params


def _check_axis(u: Field, axis: Any) -> None:
    if check_integer("axis", axis, 0) >= u.domain.ndim:
        raise ValueError(f"`axis` must be less than {u.domain.ndim}, got {axis}. Count the axes from 0.")


def _check_channels(name: str, u: Field, valid: tuple[int, ...], remedy: str) -> None:
    if u.dims not in valid:
        expected = " or ".join(map(str, valid))
        raise ValueError(f"`{name}` must get a field with {expected} channels, got {u.dims}. {remedy}")


@operator(init_params=_derivative_params)
def derivative(u: Differentiable, axis: Any = 0, order: Any = 1, *, stagger: Any = 0.0, params: Any = None) -> Field:
    r"""The partial derivative $\partial^n u / \partial x_i^n$ of each channel.

    **Arguments:**

    - `u`: Any number of channels.
    - `axis`: The axis $i$.
    - `order`: The order $n$.
    - `stagger`: Where to evaluate: at x + stagger dx along the axis.
    - `params`: One stencil, with entries along `axis`, for finite differences; `{"k_vec": [...]}` for Fourier series.

    **Returns:** A field with as many channels, in [u]/[L]^n, free along the axis.
    """
    _check_axis(u, axis)
    terms = tuple((Term(channel, (int(axis),) * check_integer("order", order)),) for channel in range(u.dims))
    if isinstance(u, FiniteDifferences):
        if isinstance(params, list | tuple | dict):
            raise ValueError("`params` must be one stencil for a derivative, got several. Take that of the axis.")
        params = [params] * u.domain.ndim
    return evaluate_terms(u, terms, params, stagger)


@operator(init_params=_first_params)
def gradient(u: Differentiable, *, stagger: Any = 0.0, params: Any = None) -> Field:
    r"""The gradient of a scalar field, $(\nabla u)_i = \partial_i u$.

    **Arguments:**

    - `u`: One channel.
    - `stagger`: Component i is evaluated at $x + s_i \Delta x_i e_i$; one number $s$ or one per axis.
    - `params`: A list with one stencil per axis for finite differences, of the shapes (9, 1) and (1, 9) for accuracy 8
        in 2D, divided by dx; `{"k_vec": [...]}` for Fourier series. Given stencils are used as they are: `stagger`
        is in the default ones.

    **Returns:** A field with `ndim` channels, in [u]/[L], free along non-periodic axes.

    **Raises:** `ValueError` for more channels: see `jacobian`.
    """
    _check_channels("gradient", u, (1,), "Use `jacobian`.")
    return evaluate_terms(u, tuple((Term(0, (axis,)),) for axis in range(u.domain.ndim)), params, stagger)


@operator(init_params=_first_params)
def jacobian(u: Differentiable, *, stagger: Any = 0.0, params: Any = None) -> Field:
    r"""The Jacobian $\partial_i u_c$ of a field with C channels.

    **Arguments:** as for `gradient`, with any number of channels.

    **Returns:** A field with C `ndim` channels, row by row: $\partial_i u_c$ is channel $c \cdot \text{ndim} + i$.
    """
    entries = itertools.product(range(u.dims), range(u.domain.ndim))
    return evaluate_terms(u, tuple((Term(channel, (axis,)),) for channel, axis in entries), params, stagger)


@operator(init_params=_first_params)
def diag_jacobian(u: Differentiable, *, stagger: Any = 0.0, params: Any = None) -> Field:
    r"""The diagonal of the Jacobian of a vector field, $\partial_i u_i$ (no sum).

    **Arguments:** as for `gradient`, with `ndim` channels.

    **Returns:** A field with `ndim` channels.

    **Raises:** `ValueError` for another number of channels.
    """
    _check_channels("diag_jacobian", u, (u.domain.ndim,), "Give one component per axis.")
    return evaluate_terms(u, tuple((Term(axis, (axis,)),) for axis in range(u.domain.ndim)), params, stagger)


@operator(init_params=_first_params)
def divergence(u: Differentiable, *, stagger: Any = 0.0, params: Any = None) -> Field:
    r"""The divergence of a vector field, $\sum_i \partial_i u_i$.

    The divergence of a gradient is a Laplacian with stencils twice as wide. On bounded axes the gradient is free, and
    the order of convergence at the wall is one lower than `accuracy`, because its error is not smooth there: prefer
    `laplacian`, or `heterog_laplacian` with a coefficient.

    **Arguments:** as for `gradient`, with `ndim` channels.

    **Returns:** A field with one channel.

    **Raises:** `ValueError` for another number of channels.
    """
    _check_channels("divergence", u, (u.domain.ndim,), "Give one component per axis.")
    return evaluate_terms(u, (tuple(Term(axis, (axis,)) for axis in range(u.domain.ndim)),), params, stagger)


@operator(init_params=_first_params)
def curl(u: Differentiable, *, stagger: Any = 0.0, params: Any = None) -> Field:
    r"""The curl.

    | field | result |
    |---|---|
    | vector in 3D | $\partial_i u_j - \partial_j u_i$ for $(i, j) = (1, 2), (2, 0), (0, 1)$ |
    | vector in 2D | $\partial_0 u_1 - \partial_1 u_0$, one channel |
    | scalar in 2D (a stream function) | $\partial_1 u,\ -\partial_0 u$ |

    **Arguments:** as for `gradient`, with the channels of the table.

    **Raises:** `ValueError` for other channels, and in 1D.
    """
    ndim = u.domain.ndim
    if ndim == 1:
        raise ValueError("`curl` must get a field in 2D or 3D, got one in 1D. See `derivative`.")
    _check_channels("curl", u, (3,) if ndim == 3 else (1, 2), "Give one component per axis.")
    if ndim == 3:
        pairs = ((1, 2), (2, 0), (0, 1))
        terms = tuple((Term(j, (i,)), Term(i, (j,), -1)) for i, j in pairs)
    elif u.dims == 2:
        terms = ((Term(1, (0,)), Term(0, (1,), -1)),)
    else:
        terms = ((Term(0, (1,)),), (Term(0, (0,), -1),))
    return evaluate_terms(u, terms, params, stagger)


@operator(init_params=_second_params)
def laplacian(u: Differentiable, *, params: Any = None) -> Field:
    r"""The Laplacian of each channel, $\sum_i \partial_i^2 u$ (in Cartesian coordinates the vector Laplacian too).

    Its eigenvalues in 1D have no positive real parts with any boundary mode, for accuracies 2 to 8. For Fourier series
    it keeps the Nyquist mode of an even number of points, which first derivatives drop: it equals
    `sum_over_dims(diag_jacobian(gradient(u)))` for all fields without that mode.

    **Arguments:**

    - `u`: Any number of channels.
    - `params`: A list with one stencil per axis for finite differences, divided by dx**2; `{"k_vec": [...]}` for
        Fourier series.

    **Returns:** A field with as many channels, in [u]/[L]², free along non-periodic axes.
    """
    axes = range(u.domain.ndim)
    return evaluate_terms(u, tuple(tuple(Term(c, (axis, axis)) for axis in axes) for c in range(u.dims)), params)


@operator(init_params=_both_params)
def hessian(u: Differentiable, *, params: Any = None) -> Field:
    r"""The second derivatives $\partial_i \partial_j u_c$.

    **Arguments:**

    - `u`: Any number of channels C.
    - `params`: `{"gradient": [...], "laplacian": [...]}` with the stencils of these operators for finite differences,
        for mixed and for pure derivatives; `{"k_vec": [...]}` for Fourier series.

    **Returns:** A field with C `ndim`² channels, row by row: $\partial_i \partial_j u_c$ is channel
    $(c \cdot \text{ndim} + i) \cdot \text{ndim} + j$.
    """
    axes = range(u.domain.ndim)
    entries = itertools.product(range(u.dims), axes, axes)
    terms = tuple((Term(c, (min(i, j), max(i, j))),) for c, i, j in entries)
    return evaluate_terms(u, terms, params, keys=("gradient", "laplacian"))
