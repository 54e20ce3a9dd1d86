"""A field at another place."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from ..fields import Continuous, Field, FiniteDifferences, FourierSeries
from ._operator import operator
from ._partial import apply, entry, fourier_shift, per_axis_shift, stencils, wavenumbers


def _shift_params(u: Field, dx: Any) -> Any:
    if isinstance(u, FourierSeries):
        return wavenumbers(u)
    shifts = [distance / h for distance, h in zip(per_axis_shift("dx", dx, u.domain), u.domain.dx, strict=True)]
    return stencils(u, 0, shifts) if isinstance(u, FiniteDifferences) else None


@operator(init_params=_shift_params)
def shift_operator(u: Continuous | FiniteDifferences | FourierSeries, dx: Any, *, params: Any = None) -> Field:
    r"""The field $v(x) = u(x + \Delta)$: a bump moves against `dx`.

    Exact for continuous fields, by the Fourier series on periodic grids (its Nyquist mode a cosine), by interpolation
    of order `accuracy` for finite differences.

    **Arguments:**

    - `u`: Any number of channels.
    - `dx`: The distance $\Delta$, one number or one per axis; in [L].
    - `params`: A list with one stencil per axis for finite differences; `{"k_vec": [...]}` for Fourier series.

    **Returns:** A field with as many channels, free along the bounded axes along which it was shifted.

    **Raises:** `ValueError` for a finite-difference shift by more than half a stencil towards a wall.
    """
    distances = per_axis_shift("dx", dx, u.domain)
    shifted = _shifted(u, distances, params)
    return shifted.with_free_axes({*u.free_axes, *(axis for axis, distance in enumerate(distances) if distance)})


def _shifted(u: Any, distances: tuple[float, ...], params: Any) -> Any:
    if isinstance(u, Continuous):
        return u.update_fun_and_params(u.params, _Shifted(u.get_fun, distances))
    values = u.params
    for axis, distance in enumerate(distances):
        if isinstance(u, FourierSeries):
            values = fourier_shift(u, values, axis, distance, entry(params, axis, u.domain.ndim, "k_vec"))
            continue
        values = apply(u, values, entry(params, axis, u.domain.ndim), order=0)
    return u.replace_params(values)


@dataclasses.dataclass(frozen=True)
class _Shifted:
    get_fun: Callable
    distances: tuple[float, ...]

    def __call__(self, params: Any, x: Array) -> Array:
        return self.get_fun(params, x + jnp.asarray(self.distances, x.dtype))
