"""The Laplacian with a coefficient, in divergence form."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..boundary import by_shard
from ..fields import Continuous, Field, FiniteDifferences, FourierSeries, OnGrid
from ._differential import divergence, gradient
from ._operator import operator
from ._partial import entry, fourier_derivative, stencils, wavenumbers
from ._stencils import apply_stencil


def _params(u: Field, c: Any) -> Any:
    u, _ = _promoted(u, c)
    if isinstance(u, FiniteDifferences):
        return {
            "gradient": stencils(u, 1, 0.5),
            "interpolation": stencils(u, 0, 0.5),
            "divergence": stencils(u, 1, -0.5),
        }
    return wavenumbers(u) if isinstance(u, FourierSeries) else None


@operator(init_params=_params)
def heterog_laplacian(u: Continuous | FiniteDifferences | FourierSeries, c: Any, *, params: Any = None) -> Field:
    r"""The Laplacian with a coefficient, $\nabla \cdot (c \nabla u)$.

    Finite differences take the flux $c\,\partial_i u$ half-way between the points, the coefficient interpolated to
    there, and difference it back: compact, of order `accuracy`, conservative between points. At the walls `u` is
    extended by its condition and `c` by a polynomial alone, whatever its `free_axes`.

    **Arguments:**

    - `u`: One channel.
    - `c`: The coefficient: a field of the same type and domain with one channel.
    - `params`: `{"gradient", "interpolation", "divergence"}`, each a list with one staggered stencil per axis, for
        finite differences; `{"k_vec": [...]}` for Fourier series.

    **Returns:** A field with one channel, in [c] · [u]/[L]², free along non-periodic axes.

    **Raises:** `TypeError`, `ValueError` for fields that do not match, or with more channels.
    """
    if not isinstance(c, Field):
        raise TypeError(f"`c` must be a field like `u`, got {type(c).__name__}. For a number use `c * laplacian(u)`.")
    u.check_alike(c)
    if u.dims != 1 or c.dims != 1:
        raise ValueError(f"`u` and `c` must have one channel, got {u.dims} and {c.dims}. Use `get_component`.")
    u, c = _promoted(u, c)
    if isinstance(u, Continuous):
        return divergence(c * gradient(u, params=params))
    flux_difference: Callable = _spectral if isinstance(u, FourierSeries) else _staggered
    total = sum(flux_difference(u, c, axis, params) for axis in range(u.domain.ndim))
    return u.replace_params(total).with_free_axes(range(u.domain.ndim))


def _promoted(u: Any, c: Any) -> tuple[Any, Any]:
    """Both fields complex if one is."""
    if not isinstance(u, OnGrid) or not isinstance(c, OnGrid):
        return u, c
    dtype = jnp.promote_types(u.params.dtype, c.params.dtype)
    return u.replace_params(u.params.astype(dtype)), c.replace_params(c.params.astype(dtype))


def _spectral(u: FourierSeries, c: FourierSeries, axis: int, params: Any) -> Array:
    k = entry(params, axis, u.domain.ndim, "k_vec")
    flux = c.params * fourier_derivative(u, u.params, axis, 1, k)
    return fourier_derivative(u, flux, axis, 1, k)


def _staggered(u: FiniteDifferences, c: FiniteDifferences, axis: int, params: Any) -> Array:
    """The difference of the fluxes half-way to the neighbours along one axis."""

    def valid(name: str, values: Array, params: Any) -> Array:
        kernel = entry(params, axis, u.domain.ndim, name)
        if np.ndim(kernel) != u.domain.ndim:
            raise ValueError(
                f"`params` must hold one stencil per axis for `heterog_laplacian`, got shape {np.shape(kernel)} under "
                f"{name!r}. Stencils that differ from point to point need `local=False` here."
            )
        return apply_stencil(kernel, values, u.spatial_axes, lambda x, widths: x)

    # Both stencils reach half an accuracy, one after the other.
    widths = [(u.accuracy, u.accuracy) if other == axis else (0, 0) for other in range(u.domain.ndim)]
    degree = u.accuracy + 1
    free = c.with_free_axes(range(c.domain.ndim))

    def difference(values: tuple[Array, Array], params: Any) -> Array:
        slope = valid("gradient", u.padded(values[0], widths, degree), params)
        coefficient = valid("interpolation", free.padded(values[1], widths, degree), params)
        return valid("divergence", slope * coefficient, params)

    return by_shard(difference, (u.params, c.params), params, axes=u.spatial_axes)
