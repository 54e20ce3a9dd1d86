r"""Riemannian geometry from a metric `g(x)`: connection, curvature, covariant derivatives.

Indices are axes of arrays in the order in which they are written: $\Gamma^k_{ij}$ is `christoffel(g)(x)[k, i, j]`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ._point_function import PointFunction, as_function, as_metric, einsum, evaluated
from ._small_matrix import inverse, log_abs_det


def volume_element(g: Any) -> PointFunction:
    r"""The density of the volume, $\sqrt{|\det g|}$.

    **Arguments:**

    - `g`: The metric, as everywhere in this room: a function of a point `x` of shape `(n,)` that returns the symmetric
        matrix $g_{ij}$, of shape `(n, n)` (or its n² entries row by row, as a field with n² channels does). It may be
        indefinite. Parameters of a pytree (`jax.tree_util.Partial(metric, params)`, an `eqx.Module`, a `Continuous`
        field) are traced: new values do not compile anew. Those of a closure or a `functools.partial` are constants.

    **Returns:** A function of one point, here with values of shape `()`; use `jax.vmap` for several points and
    `jax.jit` for speed. It is a pytree with the parameters of `g`, and may itself be differentiated.

    **Raises:** `ValueError` if `g` is no function, or when evaluated, returns another shape or complex numbers.
    """
    return PointFunction(volume_element_at, as_metric(g))


def christoffel(g: Any) -> PointFunction:
    r"""The Christoffel symbols of the second kind.

    $$\Gamma^k_{ij} = \tfrac12 g^{kl}(\partial_i g_{lj} + \partial_j g_{li} - \partial_l g_{ij})$$

    **Arguments, raises:** as `volume_element`.

    **Returns:** A function of a point with values of shape `(n, n, n)`, in the order `[k, i, j]`.
    """
    return PointFunction(_christoffel, as_metric(g))


def riemann(g: Any) -> PointFunction:
    r"""The Riemann tensor.

    $$R^l{}_{kij} = \partial_i \Gamma^l_{jk} - \partial_j \Gamma^l_{ik}
    + \Gamma^l_{im}\Gamma^m_{jk} - \Gamma^l_{jm}\Gamma^m_{ik}$$

    With this sign, $[\nabla_i, \nabla_j] v^l = R^l{}_{kij} v^k$, and spheres have positive curvature. Computed from
    the first and second derivatives of the metric, so that its symmetries hold to rounding.

    **Arguments, raises:** as `volume_element`.

    **Returns:** A function of a point with values of shape `(n, n, n, n)`, in the order `[l, k, i, j]`.

    ??? cite "Source"
        Misner, Thorne, Wheeler, *Gravitation* (1973), chapter 8: their signs.
    """
    return PointFunction(_riemann, as_metric(g))


def ricci(g: Any) -> PointFunction:
    r"""The Ricci tensor, $R_{kj} = R^i{}_{kij}$.

    **Arguments, raises:** as `volume_element`.

    **Returns:** A function of a point with values of shape `(n, n)`.
    """
    return PointFunction(_ricci, as_metric(g))


def scalar_curvature(g: Any) -> PointFunction:
    r"""The scalar curvature, $R = g^{ij} R_{ij}$.

    It is $n(n-1)/a^2$ for the n-sphere of radius a, and twice the Gaussian curvature of a surface.

    **Arguments, raises:** as `volume_element`.

    **Returns:** A function of a point with values of shape `()`.
    """
    return PointFunction(_scalar_curvature, as_metric(g))


def kretschmann(g: Any) -> PointFunction:
    r"""The Kretschmann scalar, $R_{lkij} R^{lkij}$.

    **Arguments, raises:** as `volume_element`.

    **Returns:** A function of a point with values of shape `()`.
    """
    return PointFunction(_kretschmann, as_metric(g))


def covariant_derivative(g: Any, T: Any, variance: Any = "ud") -> PointFunction:
    r"""The covariant derivative of a tensor field with the Levi-Civita connection, $\nabla_m T^{i\dots}{}_{j\dots}$.

    $\nabla_m T^i{}_j = \partial_m T^i{}_j + \Gamma^i_{mk} T^k{}_j - \Gamma^k_{mj} T^i{}_k$, and so on for each index.

    **Arguments:**

    - `g`: The metric, as for `volume_element`.
    - `T`: The tensor: a function of a point with one axis of length n per index (or all entries row by row).
    - `variance`: One letter per index, `"u"` (up, contravariant) or `"d"` (down, covariant); `""` for a scalar.

    **Returns:** A function of a point with one more index, the derivative's, covariant and **last**: `[i, j, m]`.

    **Raises:** `ValueError` as `volume_element`, for other letters, and for values of another shape.
    """
    if not isinstance(variance, str) or set(variance) - set("ud"):
        raise ValueError(f"`variance` must have the letters 'u' and 'd' only, got {variance!r}. Give one per index.")
    return PointFunction(_covariant_derivative, as_metric(g), as_function("T", T), options=(variance,))


def laplace_beltrami(g: Any, f: Any) -> PointFunction:
    r"""The Laplace-Beltrami operator, $\Delta f = |g|^{-1/2}\,\partial_i(|g|^{1/2} g^{ij} \partial_j f)$.

    Evaluated as $g^{ij}(\partial_i \partial_j f - \Gamma^k_{ij} \partial_k f)$, its equal.

    **Arguments:**

    - `g`: The metric, as for `volume_element`.
    - `f`: A function of a point; an array of several functions is treated entry by entry.

    **Returns:** A function of a point with values shaped like those of `f`.

    **Raises:** `ValueError` as `volume_element`.
    """
    return PointFunction(laplace_beltrami_at, as_metric(g), as_function("f", f))


def volume_element_at(g: Callable, x: Array) -> Array:
    return jnp.exp(log_abs_det(g(x)) / 2)


def inverse_at(g: Callable, x: Array) -> Array:
    return inverse(g(x))


def _first_kind(g: Callable, x: Array) -> Array:
    """The Christoffel symbols with the first index lowered, `[k, i, j]`."""
    dg = jax.jacfwd(g)(x)
    return (jnp.einsum("kji->kij", dg) + dg - jnp.einsum("ijk->kij", dg)) / 2


def _christoffel(g: Callable, x: Array) -> Array:
    return einsum("kl,lij->kij", inverse_at(g, x), _first_kind(g, x))


def _lowered_riemann(g: Callable, x: Array, inv: Array) -> Array:
    """The Riemann tensor with all indices down: what is antisymmetric in the last two is built so."""
    first_kind = _first_kind(g, x)
    second = jnp.einsum("ljki->lkij", jax.jacfwd(jax.jacfwd(g))(x))
    products = einsum("mn,mlj,nki->lkij", inv, first_kind, first_kind)
    half = (second + jnp.einsum("klji->lkij", second)) / 2 + products
    return half - jnp.swapaxes(half, -1, -2)


def _riemann(g: Callable, x: Array) -> Array:
    inv = inverse_at(g, x)
    return einsum("lm,mkij->lkij", inv, _lowered_riemann(g, x, inv))


def _ricci(g: Callable, x: Array) -> Array:
    inv = inverse_at(g, x)
    return einsum("li,lkij->kj", inv, _lowered_riemann(g, x, inv))


def _scalar_curvature(g: Callable, x: Array) -> Array:
    inv = inverse_at(g, x)
    return einsum("li,kj,lkij->", inv, inv, _lowered_riemann(g, x, inv))


def _kretschmann(g: Callable, x: Array) -> Array:
    inv = inverse_at(g, x)
    raised = einsum("lm,kn,mnij->lkij", inv, inv, _lowered_riemann(g, x, inv))
    # R_lkij R^lkij = R^lk_ij R^ij_lk, by the symmetry of the two pairs.
    return einsum("lkij,ijlk->", raised, raised)


def _covariant_derivative(g: Callable, T: Callable, x: Array, variance: str) -> Array:
    def tensor(x: Array) -> Array:
        return evaluated("T", T, x, (x.size,) * len(variance))

    value, gamma = tensor(x), _christoffel(g, x)
    total = jax.jacfwd(tensor)(x)
    for axis, letter in enumerate(variance):
        first = jnp.moveaxis(value, axis, -1)
        term = einsum("...k,imk->...im", first, gamma) if letter == "u" else -einsum("...k,kmi->...im", first, gamma)
        total = total + jnp.moveaxis(term, -2, axis)
    return total


def laplacian_coefficients(g: Callable, x: Array) -> tuple[Array, Array]:
    r"""$g^{ij}$ and $g^{ij}\Gamma^k_{ij}$: what second and first derivatives enter the Laplacian with."""
    inv = inverse_at(g, x)
    return inv, einsum("kl,ij,lij->k", inv, inv, _first_kind(g, x))


def laplace_beltrami_at(g: Callable, f: Callable, x: Array) -> Array:
    inv, drift = laplacian_coefficients(g, x)
    first = jax.jacfwd(f)
    return einsum("...ij,ij->...", jax.jacfwd(first)(x), inv) - einsum("...k,k->...", first(x), drift)


def gradient_at(g: Callable, f: Callable, x: Array) -> Array:
    slopes = jax.jacfwd(lambda x: evaluated("field", f, x, ()))(x)
    return einsum("ij,j->i", inverse_at(g, x), slopes)


def divergence_at(g: Callable, F: Callable, x: Array) -> Array:
    value, slopes = evaluated("field", F, x, (x.size,)), jax.jacfwd(lambda x: evaluated("field", F, x, (x.size,)))(x)
    growth = einsum("ij,ijk->k", inverse_at(g, x), jax.jacfwd(g)(x)) / 2
    return jnp.trace(slopes) + einsum("k,k->", growth, value)
