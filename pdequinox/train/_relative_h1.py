"""The relative error in the Sobolev norm: of values and of slopes."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..boundary import quadrature_weights
from ..fields import Domain, FiniteDifferences
from ..operators import jacobian
from ._metrics import checked_pair


def relative_h1(
    prediction: ArrayLike, target: ArrayLike, domain: Domain, *, accuracy: Any = 4
) -> Float[Array, " samples"]:
    r"""Distance of each sample from the target in the $H^1$ norm, relative to the target's norm.

    $$ \frac{\lVert p - t \rVert}{\lVert t \rVert}, \qquad
       \lVert u \rVert^2 = \sum_{c=1}^{C} \int \left( u_c^2 + |\nabla u_c|^2 \right) dx $$

    It weighs an error by its wave number, so it sees wiggles that the $L^2$ norm does not. The unit of length
    matters: in that of the domain, values and slopes count alike at a wave number of one radian per unit. Derivatives
    are finite differences and integrals use the quadrature weights of the grid; at walls both are those of fields that
    satisfy the domain's condition.

    **Arguments:**

    - `prediction`: The fields $p$, of shape `(samples, channels, *domain.N)`; in [u].
    - `target`: The fields $t$ they should be, of the same shape; in [u].
    - `domain`: Where the points are.
    - `accuracy`: The order of the finite differences, even.

    **Returns:** One number per sample, without unit; not finite where `target` is zero throughout.

    **Raises:** `ValueError` if the shapes differ or are not those of the domain, and as `FiniteDifferences`.
    """
    prediction, target = checked_pair(prediction, target)
    if target.shape[2:] != domain.N:
        raise ValueError(
            f"`target` must have the shape (samples, channels, *domain.N) with N = {domain.N}, got {target.shape}. "
            "Pass the domain that the data live on."
        )
    squared_norm = jax.vmap(partial(_squared_norm, domain=domain, accuracy=accuracy))
    return jnp.sqrt(squared_norm(prediction - target) / squared_norm(target))


def _squared_norm(values: Float[Array, "channels *spatial"], domain: Domain, accuracy: int) -> Float[Array, ""]:
    values = jnp.moveaxis(values, 0, -1)
    slopes = jacobian(FiniteDifferences(values, domain, accuracy)).params.reshape(*values.shape, domain.ndim)
    terms = [(values, None), *((slopes[..., axis], axis) for axis in range(domain.ndim))]
    return sum(jnp.sum(term**2 * _weights(domain, axis, values.dtype)) for term, axis in terms)  # pyright: ignore[reportReturnType]


def _weights(domain: Domain, derivative_axis: int | None, dtype: Any) -> Array:
    """Quadrature weights for a square; along the axis of a derivative it does not vanish where the field does."""
    axes = zip(domain.N, domain.extent, domain.boundary_mode, strict=True)
    weights = np.ones(1)
    for axis, (n, extent, mode) in enumerate(axes):
        weights = weights[..., None] * quadrature_weights(n, extent, mode, free=axis == derivative_axis)
    return jnp.asarray(weights[0][..., None], dtype)
