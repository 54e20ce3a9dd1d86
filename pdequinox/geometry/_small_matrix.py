"""The inverse and the determinant of a small matrix by elimination: arithmetic that fuses, no LAPACK.

Not by `jnp.linalg`: programs with several of its batched calls were seen to hang on two CPU cores (jaxlib 0.10.2).
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array


@jax.custom_jvp
def inverse(a: Array) -> Array:
    """The inverse of a square matrix, real or complex; NaN if it is singular."""
    solution, pivots = _eliminated(a)
    return jnp.where(jnp.all(pivots != 0), solution, jnp.nan)


@inverse.defjvp
def _inverse_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    inv = inverse(*primals)
    return inv, -_matmul(_matmul(inv, tangents[0]), inv)


@jax.custom_jvp
def log_abs_det(a: Array) -> Array:
    r"""$\log |\det a|$ of a square matrix, real or complex."""
    return jnp.sum(jnp.log(jnp.abs(_eliminated(a)[1])))


@log_abs_det.defjvp
def _log_abs_det_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return log_abs_det(*primals), jnp.trace(_matmul(inverse(*primals), tangents[0])).real


def _eliminated(a: Array) -> tuple[Array, Array]:
    """The inverse and the pivots by Gauss-Jordan elimination with partial pivoting; finite if it is singular."""
    n = len(a)
    rows = jnp.concatenate([a, jnp.eye(n, dtype=a.dtype)], axis=1)
    is_free = jnp.ones(n, bool)
    order, pivots = [], []
    for column in range(n):
        size = jnp.where(is_free, jnp.abs(rows[:, column]), -1)
        chosen = jnp.arange(n) == jnp.argmax(size)
        row = jnp.sum(jnp.where(chosen[:, None], rows, 0), axis=0)
        pivot = row[column]
        row = row / jnp.where(pivot == 0, 1, pivot)
        rows = jnp.where(chosen[:, None], row, rows - rows[:, column, None] * row)
        is_free = is_free & ~chosen
        order.append(chosen)
        pivots.append(pivot)
    # Rows stay where they are until the end: row k of the inverse is the k-th that was chosen.
    solution = jnp.stack([jnp.sum(jnp.where(chosen[:, None], rows[:, n:], 0), axis=0) for chosen in order])
    return solution, jnp.stack(pivots)


def _matmul(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
