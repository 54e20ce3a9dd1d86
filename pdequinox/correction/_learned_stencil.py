"""An operator whose stencils a network generates from the field (Bar-Sinai et al., 2019)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._checks import check_integer
from ..fields import FiniteDifferences
from ..operators import Operator, operator
from ._on_field import network_for, on_field, required_key


def learned_stencil(
    base_operator: Operator, make_network: Callable, *, order: int | None = 1, local: bool = True
) -> Operator:
    r"""The operator with stencils that a network makes from the field: $K(u) = K_0 + \delta K(u)$.

    $K_0$ are the default stencils, $\delta K$ comes from the network. The deviation is confined to the directions that
    leave the moments $\sum_m K_m m^p$ alone, $p = 0 \dots d + \text{order} - 1$ for a derivative of order $d$: whatever
    the network returns, the stencils are exact for polynomials up to that degree (to rounding), hence accurate to
    `order` at least (where the grid resolves the field).

    The parameters of the operator are the network: `default_params(u, key=...)` makes one, `op(u, params=network)` uses
    it.

    **Arguments:**

    - `base_operator`: An operator whose default parameters are stencils along one axis each: `gradient`, `derivative`,
        `divergence`, `laplacian`, ... on `FiniteDifferences`.
    - `make_network`: Called as `make_network(num_spatial_dims, in_channels, out_channels, *, boundary_mode, key)`, the
        convention of `arch`; gets the values of the field, channels first, and returns one channel per free direction.
    - `order`: The order of accuracy that is kept; `None` for none (the deviation is then any stencil).
    - `local`: Whether each point has stencils of its own (not for `heterog_laplacian`). `False` takes the mean over the
        points: one set of stencils for the field, as in the operator-params guide.

    **Returns:** An operator on `FiniteDifferences`.

    **Raises:** `ValueError` if `order` is not a positive integer or `None`; when called, for an operator without
    stencils, or with stencils too short for the order.

    ??? cite "Source"
        Bar-Sinai, Hoyer, Hickey and Brenner, *Learning data-driven discretizations for partial differential
        equations*, PNAS 116 (2019). There the coefficients themselves satisfy the constraint; here their deviation
        from the standard ones does, which is the same set of stencils.
    """
    if order is not None:
        check_integer("order", order)

    def init_params(u: FiniteDifferences, *args: Any, key: Any = None, **options: Any) -> Any:
        key = required_key(key)
        stencils = jax.tree.leaves(base_operator.default_params(u, *args, **options))
        if not stencils:
            raise ValueError(f"`base_operator` must have stencils as parameters, got `{base_operator}` without any.")
        num_directions = sum(_free_directions(stencil, order).shape[1] for stencil in stencils)
        return network_for(make_network, u, u.dims, num_directions, key)

    def evaluate(u: FiniteDifferences, *args: Any, params: Any = None, **options: Any) -> Any:
        stencils, structure = jax.tree.flatten(base_operator.default_params(u, *args, **options))
        coordinates = on_field(params)(u).params
        if not local:
            coordinates = jnp.mean(coordinates, axis=u.spatial_axes, keepdims=True)
        learned, used = [], 0
        for stencil in stencils:
            directions = _free_directions(stencil, order)
            own = coordinates[..., used : used + directions.shape[1]]
            used += directions.shape[1]
            deviation = jnp.matmul(own, jnp.asarray(directions.T, own.dtype), precision=jax.lax.Precision.HIGHEST)
            learned.append(_with_deviation(stencil, deviation))
        if used != coordinates.shape[-1]:
            raise ValueError(
                f"`params` must be a network with {used} output channels, got {coordinates.shape[-1]}. Make one with "
                "`default_params(u, key=...)`."
            )
        return base_operator(u, *args, params=jax.tree.unflatten(structure, learned), **options)

    evaluate.__name__ = evaluate.__qualname__ = f"learned_{base_operator}"
    return operator(evaluate, init_params=init_params)


def _free_directions(stencil: Any, order: int | None) -> np.ndarray:
    """An orthonormal basis of the deviations that keep the moments, as columns, in units of the largest entry."""
    taps = np.asarray(stencil).reshape(-1) if np.size(stencil) == max(np.shape(stencil), default=0) else np.zeros(0)
    if taps.size < 2:
        raise ValueError(
            f"`base_operator` must have stencils along one axis as parameters, got shape {np.shape(stencil)}. "
            "Use it on `FiniteDifferences`."
        )
    scale = np.max(np.abs(taps))
    if order is None:
        return scale * np.eye(taps.size)
    positions = (np.arange(taps.size) - (taps.size - 1) // 2) / (taps.size // 2)
    moments = positions ** np.arange(taps.size)[:, None]
    # The order of the derivative is that of the first moment that does not vanish.
    derivative = int(np.argmax(np.abs(moments @ taps) > 1e-8 * scale))
    num_kept = derivative + order
    if num_kept >= taps.size:
        raise ValueError(
            f"`order` must leave freedom to stencils with {taps.size} entries for a derivative of order {derivative}, "
            f"got {order}: all their moments are fixed. Lower it, or raise the accuracy of the field."
        )
    return scale * np.linalg.svd(moments[:num_kept])[2][num_kept:].T


def _with_deviation(stencil: Any, deviation: Array) -> Array:
    """The stencil plus one deviation, or one per point: `(*N, taps)` to the shape `(*N, 1, ..., taps, ..., 1)`."""
    lead = deviation.shape[:-1]
    return jnp.asarray(stencil, deviation.dtype) + deviation.reshape(*lead, *np.shape(stencil))
