"""Fields on periodic domains whose derivatives are those of their Fourier series."""

from collections.abc import Collection
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from ._on_grid import OnGrid


class FourierSeries(OnGrid):
    """Values on a periodic grid, differentiated as the trigonometric polynomial through them."""

    def __init__(self, params: Any, domain: Any, free_axes: Collection[int] = ()):
        """**Arguments:**

        - `params`: The values, of shape `(*batch, *N, C)`.
        - `domain`: Where the points are; periodic along all axes.
        - `free_axes`: Without effect, as no axis has walls.

        **Raises:** `ValueError` as `OnGrid`, and for an axis that is not periodic.
        """
        super().__init__(params, domain, free_axes)
        for axis, mode in enumerate(domain.boundary_mode):
            if mode != "periodic":
                raise ValueError(
                    f"`domain` must be periodic along all axes for a Fourier series, got {mode!r} on axis {axis}. "
                    "Use `FiniteDifferences` there."
                )

    @property
    def wavenumbers(self) -> list[np.ndarray]:
        r"""The angular wave numbers of a transform along each axis: a list of `ndim` arrays, in 1/[L].

        For real fields $k = 2\pi m / (N \Delta x),\ m = 0 \dots \lfloor N/2 \rfloor$, of shape `(N // 2 + 1,)`;
        for complex ones all `N`, in the order of `jnp.fft.fft`.
        """
        return [_wavenumbers(n, h, self.is_complex) for n, h in zip(self.domain.N, self.domain.dx, strict=True)]

    @property
    def _freq_axis(self) -> list[np.ndarray]:
        """`wavenumbers`, by the name that the operator-params guide uses."""
        return self.wavenumbers

    def __call__(self, x: Any) -> Array:
        """The value at one point: the trigonometric polynomial through the values (its Nyquist mode a cosine).

        **Arguments:**

        - `x`: A point, of shape `(ndim,)`; use `jax.vmap(field)` for several.

        **Returns:** An array of shape `(*batch, C)`.
        """
        values, position = self.params, self._position(x)
        for axis, n in enumerate(self.domain.N):
            # The weights of the values: the inverse transform of a unit impulse, shifted to the point.
            phase = 2 * np.pi / n * np.arange(n // 2 + 1) * position[axis]
            weights = jnp.fft.irfft(jnp.exp(-1j * phase), n).astype(values.real.dtype)
            values = jnp.moveaxis(values, axis - self.domain.ndim - 1, -1)
            values = jnp.matmul(values, weights, precision=lax.Precision.HIGHEST)
        return values


@cache
def _wavenumbers(num_points: int, dx: float, is_complex: bool) -> np.ndarray:
    k = 2 * np.pi * (np.fft.fftfreq if is_complex else np.fft.rfftfreq)(num_points, dx)
    k.flags.writeable = False
    return k
