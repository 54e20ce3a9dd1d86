"""Metrics computed by networks, positive definite by construction."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from .._checks import check_point
from ..operators import Operator
from ._metric import Metric
from ._point_function import as_function, einsum, evaluated, num_complex


class MetricNet(eqx.Module):
    r"""A Riemannian metric from a network, $g = L L^\top$ with a lower triangular $L$: positive definite.

    The network's values are the entries of $L$ row by row, those on the diagonal through softplus. It is a metric for
    the functions of this room, and `params` of the operators that take a `Metric`.
    """

    net: PyTree

    def __init__(self, net: Any):
        """**Arguments:**

        - `net`: A function of a point `x` of shape `(n,)` with values of shape `(n (n + 1) / 2,)`, such as an
            `eqx.nn.MLP` with a smooth activation: curvature is made of second derivatives.

        **Raises:** `ValueError` if `net` is no function.
        """
        self.net = as_function("net", net)

    def __call__(self, x: Any) -> Array:
        """The matrix $g_{ij}$ at a point, of shape `(n, n)`.

        **Raises:** `ValueError` if the network returns another number of values.
        """
        x = check_point(x)
        n = x.size
        lower = _lower_triangle(evaluated("net", self.net, x, (n * (n + 1) // 2,)), n)
        return einsum("ik,jk->ij", lower, lower)

    def apply_operator(self, op: Operator, field: Any, /, *args: Any, **options: Any) -> Any:
        """As `Metric.apply_operator`."""
        return Metric(self).apply_operator(op, field, *args, **options)


class HermitianMetricNet(eqx.Module):
    r"""A Hermitian metric from a network, $g = L L^\dagger$ with a lower triangular complex $L$: positive definite.

    The first n (n + 1) / 2 values of the network are the real parts of the entries of $L$ row by row, those on the
    diagonal through softplus; the others are the imaginary parts of the entries below the diagonal. It is a metric for
    the `kahler_*` functions; in general it is not Kähler (see `kahler_metric` for a learned potential, which is).
    """

    net: PyTree

    def __init__(self, net: Any):
        """**Arguments:**

        - `net`: A function of a point `p = [Re z, Im z]` of shape `(2n,)` with real values of shape `(n²,)`.

        **Raises:** `ValueError` if `net` is no function.
        """
        self.net = as_function("net", net)

    def __call__(self, x: Any) -> Array:
        r"""The matrix $g_{\mu\bar\nu}$ at a point, of shape `(n, n)`.

        **Raises:** `ValueError` for an odd number of coordinates, and if the network returns another number of values.
        """
        x = check_point(x)
        n = num_complex(x)
        values = evaluated("net", self.net, x, (n * n,))
        num_real = n * (n + 1) // 2
        lower = jax.lax.complex(_lower_triangle(values[:num_real], n), _strictly_lower(values[num_real:], n))
        return einsum("ik,jk->ij", lower, lower.conj())


def _lower_triangle(values: Array, n: int) -> Array:
    """The lower triangular matrix with these entries, row by row, and a positive diagonal."""
    rows, columns = np.tril_indices(n)
    values = jnp.where(rows == columns, jax.nn.softplus(values), values)
    return jnp.zeros((n, n), values.dtype).at[rows, columns].set(values)


def _strictly_lower(values: Array, n: int) -> Array:
    """The matrix with these entries below the diagonal, row by row."""
    return jnp.zeros((n, n), values.dtype).at[np.tril_indices(n, -1)].set(values)
