r"""Complex coordinates: Wirtinger derivatives, and the geometry of Kähler metrics.

A point with n complex coordinates is the real vector `p = [Re z, Im z]` of shape `(2n,)`.
"""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array

from ._point_function import PointFunction, as_complex, as_function, einsum, evaluated, num_complex
from ._small_matrix import inverse, log_abs_det


def wirtinger(f: Any) -> PointFunction:
    r"""The holomorphic derivative, $\partial_\mu f = \tfrac12(\partial_{x^\mu} - i\,\partial_{y^\mu}) f$, $z = x + iy$.

    **Arguments:**

    - `f`: A function of a point `p = [Re z, Im z]`, of shape `(2n,)`, with real or complex values of any shape. Its
        parameters are traced, as those of a metric in `volume_element`.

    **Returns:** A function of a point with one more index of length n, **last**; complex.

    **Raises:** `ValueError` if `f` is no function, and when evaluated, at a point with an odd number of coordinates.
    """
    return PointFunction(_wirtinger, as_function("f", f))


def wirtinger_bar(f: Any) -> PointFunction:
    r"""The antiholomorphic derivative, $\partial_{\bar\mu} f = \tfrac12(\partial_{x^\mu} + i\,\partial_{y^\mu}) f$.

    **Arguments, returns, raises:** as `wirtinger`.
    """
    return PointFunction(_wirtinger_bar, as_function("f", f))


def ddbar(f: Any) -> PointFunction:
    r"""The mixed second derivatives, $\partial_\mu \partial_{\bar\nu} f$.

    **Arguments, raises:** as `wirtinger`.

    **Returns:** A function of a point with two more indices, **last**: `[..., mu, nubar]`. Hermitian for real `f`.
    """
    return wirtinger_bar(wirtinger(f))


def kahler_metric(potential: Any, reference: Any = None) -> PointFunction:
    r"""The metric of a Kähler potential, $g_{\mu\bar\nu} = \partial_\mu \partial_{\bar\nu} \varphi$.

    With a reference metric it is $g^{\text{ref}}_{\mu\bar\nu} + \partial_\mu \partial_{\bar\nu} \varphi$, in the Kähler
    class of the reference if $\varphi$ is a function on the whole manifold: the form of a learned correction.

    **Arguments:**

    - `potential`: The real potential $\varphi$, a function of a point `p = [Re z, Im z]` with one value.
    - `reference`: A Hermitian metric, or nothing.

    **Returns:** A Hermitian metric: a function of a point with complex values of shape `(n, n)`, `[mu, nubar]`.

    **Raises:** `ValueError` as `wirtinger`, and for a potential or a reference with another number of values.

    ??? cite "Source"
        Larfors, Lukas, Ruehle, Schneider, *Numerical metrics for complete intersection and Kreuzer-Skarke Calabi-Yau
        manifolds*, Machine Learning: Science and Technology 3 (2022), for the learned correction.
    """
    scalar = ddbar(PointFunction(_scalar, as_function("potential", potential)))
    return scalar if reference is None else PointFunction(_sum, _hermitian("reference", reference), scalar)


def kahler_christoffel(g: Any) -> PointFunction:
    r"""The Christoffel symbols of a Kähler metric.

    $$\Gamma^\lambda_{\mu\nu} = g^{\bar\kappa\lambda}\,\partial_\mu g_{\nu\bar\kappa}$$

    **Arguments:**

    - `g`: The metric: a function of a point `p = [Re z, Im z]` that returns the Hermitian matrix $g_{\mu\bar\nu}$,
        of shape `(n, n)` (or its n² entries row by row). Its parameters are traced, as in `volume_element`.

    **Returns:** A function of a point with complex values of shape `(n, n, n)`, in the order
    `[lambda, mu, nu]`. All other symbols are the conjugates of these, or zero.

    **Raises:** `ValueError` if `g` is no function, and when evaluated, for values of another shape.
    """
    return PointFunction(_christoffel, _hermitian("g", g))


def kahler_riemann(g: Any) -> PointFunction:
    r"""The Riemann tensor of a Kähler metric.

    $$R^\lambda{}_{\mu\nu\bar\kappa} = -\partial_{\bar\kappa} \Gamma^\lambda_{\mu\nu}$$

    **Arguments, raises:** as `kahler_christoffel`.

    **Returns:** A function of a point with complex values of shape `(n, n, n, n)`, in the order
    `[lambda, mu, nu, kappabar]`.
    """
    return PointFunction(_riemann, _hermitian("g", g))


def kahler_ricci(g: Any) -> PointFunction:
    r"""The Ricci tensor of a Kähler metric.

    $$R_{\mu\bar\nu} = R^\lambda{}_{\lambda\mu\bar\nu} = -\partial_\mu \partial_{\bar\nu} \log\det g$$

    **Arguments, raises:** as `kahler_christoffel`.

    **Returns:** A function of a point with complex values of shape `(n, n)`. The Fubini-Study metric
    $\partial\bar\partial \log(1 + |z|^2)$ has $R_{\mu\bar\nu} = (n + 1)\,g_{\mu\bar\nu}$.
    """
    return PointFunction(_ricci, _hermitian("g", g))


def kahler_scalar_curvature(g: Any) -> PointFunction:
    r"""The scalar curvature of a Kähler metric, $g^{\bar\nu\mu} R_{\mu\bar\nu}$.

    This is **half** of `scalar_curvature` of the real metric $ds^2 = 2\,g_{\mu\bar\nu}\,dz^\mu d\bar z^\nu$.

    **Arguments, raises:** as `kahler_christoffel`.

    **Returns:** A function of a point with real values of shape `()`. n(n + 1) for the Fubini-Study metric
    $\partial\bar\partial \log(1 + |z|^2)$; π times that with the normalisation
    $\tfrac1\pi \partial\bar\partial \log(1 + |z|^2)$.
    """
    return PointFunction(_scalar_curvature, _hermitian("g", g))


def _halves(f: Callable, p: Array) -> tuple[Array, Array]:
    """The derivatives by the real and by the imaginary parts."""
    n = num_complex(p)
    derivatives = as_complex(jax.jacfwd(f)(p))
    return derivatives[..., :n], derivatives[..., n:]


def _wirtinger(f: Callable, p: Array) -> Array:
    by_x, by_y = _halves(f, p)
    return (by_x - 1j * by_y) / 2


def _wirtinger_bar(f: Callable, p: Array) -> Array:
    by_x, by_y = _halves(f, p)
    return (by_x + 1j * by_y) / 2


def _hermitian(name: str, g: Any) -> PointFunction:
    """A Hermitian metric as a pytree that checks its values."""
    return PointFunction(_hermitian_value, as_function(name, g), options=(name,))


def _hermitian_value(g: Callable, p: Array, name: str) -> Array:
    n = num_complex(p)
    return as_complex(evaluated(name, g, p, (n, n)))


def _scalar(potential: Callable, p: Array) -> Array:
    return evaluated("potential", potential, p, ())


def _sum(f: Callable, g: Callable, p: Array) -> Array:
    return f(p) + g(p)


def _log_det(g: Callable, p: Array) -> Array:
    return log_abs_det(g(p))


def _christoffel(g: Callable, p: Array) -> Array:
    return einsum("kl,nkm->lmn", inverse(g(p)), _wirtinger(g, p))


def _riemann(g: Callable, p: Array) -> Array:
    return -_wirtinger_bar(PointFunction(_christoffel, g), p)


def _ricci(g: Callable, p: Array) -> Array:
    return -ddbar(PointFunction(_log_det, g))(p)


def _scalar_curvature(g: Callable, p: Array) -> Array:
    return einsum("nm,mn->", inverse(g(p)), _ricci(g, p)).real
