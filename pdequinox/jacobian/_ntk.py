"""The neural tangent kernel (Jacot et al., 2018): the Gram matrix of a parameter Jacobian."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ._param_jacobian import param_jacobian


class KernelSpectrum(NamedTuple):
    """What `ntk_spectrum` returns."""

    eigenvalues: Array
    """The eigenvalues of the kernel in descending order, one per output: shape `(N,)`, or `(N D,)`."""
    condition_number: Array
    """The largest eigenvalue divided by the smallest one that counts; infinite for a kernel of zeros."""
    effective_rank: Array
    """The number of eigenvalues that matter: between 1 and their number; 0 for a kernel of zeros."""


def ntk(f: Callable, model: PyTree, **options: Any) -> Float[Array, "m m"]:
    r"""The tangent kernel $K = J J^T$ of a model at its current parameters.

    Gradient flow on $\frac{1}{2} \lVert y - t \rVert^2$ changes the outputs by $\dot y = -K (y - t)$: errors along
    an eigenvector decay at the rate of its eigenvalue.

    **Arguments:**

    - `f`: As for `param_jacobian`: `f(model)`, or `f(model, x)` with `inputs`.
    - `model`: A network or any pytree.
    - `options`: Further arguments of `param_jacobian`: `inputs`, `where`, `mode`, `chunk_size`.

    **Returns:** A symmetric matrix of shape `(N, N)`, or `(N D, N D)` with the D outputs of a sample side by side:
        reshape it to `(N, D, N, D)` to see them.

    **Raises:** `ValueError` as `param_jacobian`.

    ??? cite "Source"
        Jacot et al., *Neural Tangent Kernel: Convergence and Generalization in Neural Networks*, NeurIPS 2018,
        arXiv:1806.07572. Ours is the empirical kernel of one network of finite width.
    """
    rows = _rows(param_jacobian(f, model, **options))
    return _gram(rows, rows)


def ntk_spectrum(jacobian: Array, *, rcond: Any = None) -> KernelSpectrum:
    r"""Eigenvalues, condition number and effective rank of the tangent kernel $J J^T$.

    Takes the Jacobian, because the squares of its singular values are the eigenvalues to full precision, while those
    of the computed kernel are wrong below $\epsilon \lambda_1$ and can be negative.

    $$ \text{condition number} = \frac{\lambda_1}{\min \{\lambda_i > r \lambda_1\}},
       \qquad \text{effective rank} = \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2} $$

    **Arguments:**

    - `jacobian`: From `param_jacobian`, of shape `(N, P)` or `(N, D, P)`.
    - `rcond`: The number $r$: eigenvalues up to $r \lambda_1$ count as zero in the condition number. The default is
        $(\max(N D, P)\, \epsilon)^2$, the rounding error of the singular values.

    **Returns:** A `KernelSpectrum(eigenvalues, condition_number, effective_rank)`.

    **Raises:** `ValueError` for a Jacobian of another rank, or an `rcond` that is not in [0, 1).
    """
    rows = _rows(jnp.asarray(jacobian))
    rows = rows.astype(jnp.promote_types(rows.dtype, jnp.float32))
    rcond = (max(rows.shape) * float(jnp.finfo(rows.dtype).eps)) ** 2 if rcond is None else rcond
    if not 0 <= rcond < 1:
        raise ValueError(f"`rcond` must lie in [0, 1), got {rcond}. It is relative to the largest eigenvalue.")
    singular = jnp.linalg.svd(rows, compute_uv=False)
    is_zero = singular[0] == 0
    relative = (singular / jnp.where(is_zero, 1, singular[0])) ** 2
    smallest = jnp.min(jnp.where(relative <= rcond, jnp.inf, relative))  # NaN stays NaN
    condition_number = jnp.where(is_zero, jnp.inf, 1 / smallest)
    effective_rank = jnp.sum(relative) ** 2 / jnp.where(is_zero, 1, jnp.sum(relative**2))
    return KernelSpectrum(jnp.pad(singular**2, (0, len(rows) - len(singular))), condition_number, effective_rank)


def ntk_regularizer(f: Callable, model: PyTree, target: Any, *, stop: Any = "none", **options: Any) -> Array:
    r"""A loss that draws the tangent kernel to a given one: the mean of $(K - T)^2$ over the entries.

    Its value does not depend on `stop`, its gradient does. With `"none"`, $K = J J^T$: the gradient of the loss.
    With `"one_sided"`, $K = J\, \bar J^T$ where $\bar J$ is $J$ held constant: exactly half the gradient if $T$ is
    symmetric, another direction if not. Holding both sides constant would leave no gradient at all, so it is not
    offered. Either way this differentiates $J$, so it costs a second derivative.

    **Arguments:**

    - `f`: As for `ntk`.
    - `model`: A network or any pytree.
    - `target`: The matrix $T$, of the shape of the kernel.
    - `stop`: `"none"` or `"one_sided"`.
    - `options`: Further arguments of `param_jacobian`: `inputs`, `where`, `mode`, `chunk_size`.

    **Returns:** A number.

    **Raises:** `ValueError` for another `stop`, a `target` of another shape, and as `param_jacobian`.
    """
    if stop not in ("none", "one_sided"):
        raise ValueError(
            f"`stop` must be 'none' or 'one_sided', got {stop!r}. With both sides stopped there is no gradient."
        )
    rows = _rows(param_jacobian(f, model, **options))
    kernel = _gram(rows, jax.lax.stop_gradient(rows) if stop == "one_sided" else rows)
    target = jnp.asarray(target, kernel.dtype)
    if jnp.shape(target) != kernel.shape:
        raise ValueError(
            f"`target` must have the shape of the kernel, {kernel.shape}, got {jnp.shape(target)}. It is not broadcast."
        )
    return jnp.mean((kernel - target) ** 2)


def _rows(jacobian: Array) -> Array:
    if jacobian.ndim not in (2, 3):
        raise ValueError(f"`jacobian` must have shape (N, P) or (N, D, P), got {jacobian.shape}. See `param_jacobian`.")
    return jacobian.reshape(-1, jacobian.shape[-1])


def _gram(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST)
