"""Explicit time steps, and whether they are stable."""

import math
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from .._checks import check_integer
from .._plain_function import with_static_functions
from ..fields import Field


class StabilityWarning(UserWarning):
    """An explicit step amplifies what the equation does not."""


class ExplicitStepper(eqx.Module):
    r"""One step of an explicit Runge-Kutta method for $u_t = F(u)$, autonomous, as a map from state to state.

    The state is a field, an array, or anything with arithmetic. A field keeps its type and conditions from step to
    step, though its time derivative is free at the walls: it passes through `jax.lax.scan`.
    """

    rhs: Callable[[Any], Any]
    dt: float = eqx.field(static=True)
    num_substeps: int = eqx.field(static=True)
    order: ClassVar[int]

    def __init__(self, rhs: Any, dt: Any, *, num_substeps: int = 1, example: PyTree | None = None):
        r"""**Arguments:**

        - `rhs`: The right-hand side $F$, a function of the state. A module's arrays are parameters of the stepper.
        - `dt`: The time step $\Delta t$.
        - `num_substeps`: Into how many equal steps $\Delta t$ is divided.
        - `example`: A state for which the stability of the step is checked now: see `check_stability`.

        **Raises:** `ValueError` if `rhs` cannot be called or `dt` is not a positive number.
        """
        if not callable(rhs):
            raise ValueError(f"`rhs` must be a function of the state, got {rhs!r}. Pass `lambda u: laplacian(u)`, say.")
        if isinstance(dt, Tracer) or not (np.ndim(dt) == 0 and math.isfinite(dt) and dt > 0):
            raise ValueError(f"`dt` must be a positive number, known when tracing, got {dt!r}. Give the time step.")
        self.rhs = with_static_functions(rhs)
        self.dt = float(dt)
        self.num_substeps = check_integer("num_substeps", num_substeps)
        if example is not None:
            self.check_stability(example)

    def __call__(self, state: Any) -> Any:
        """The state after `dt`."""
        h = self.dt / self.num_substeps
        if self.num_substeps == 1:
            return self._substep(state, h)
        return jax.lax.fori_loop(0, self.num_substeps, lambda _, state: self._substep(state, h), state)

    def _substep(self, state: Any, h: float) -> Any:
        raise NotImplementedError("Define `_substep` in a subclass.")

    def check_stability(self, state: PyTree, *, tolerance: float = 1e-3, num_iterations: int = 40) -> float:
        r"""How much more a step amplifies a small disturbance of `state` than the equation does; 1 or less is stable.

        The outer eigenvalues $\lambda$ of $\partial F / \partial u$ are estimated by the Arnoldi method. With
        $z = \lambda\,\Delta t$, a method of order p multiplies a mode by $R(z) = \sum_{k \le p} z^k / k!$, the equation
        by $e^z$; the result is the maximum of $|R(z)| / \max(1, |e^z|)$, so that growth which the equation has itself
        does not count. Meant to be called once, outside of `jax.jit`.

        **Arguments:**

        - `state`: The state to linearise about.
        - `tolerance`: What is allowed above 1 before a warning.
        - `num_iterations`: The dimension of the Krylov space; each costs one evaluation of the linearised $F$.

        **Warns:** `StabilityWarning`, with a time step that would be stable if there is one.

        **Returns:** The amplification of one substep.
        """
        eigenvalues = _ritz_values(self.rhs, state, num_iterations)
        h = self.dt / self.num_substeps
        amplification = self._amplification(eigenvalues * h)
        if not amplification <= 1 + tolerance:
            # Steps down to |z| = 1/20: what is unstable there, is so for all steps.
            largest = max(1.0, float(np.max(np.abs(eigenvalues))) * h * 20)
            fractions = 0.98 ** np.arange(1, np.log(largest) / -np.log(0.98)) if np.isfinite(largest) else []
            stable = (f for f in fractions if self._amplification(eigenvalues * h * f) <= 1 + 1e-4)
            remedy = next(
                (f"A step of {_floor(self.dt * f):g} would be stable." for f in stable), "No step would be stable."
            )
            warnings.warn(
                f"a step of {type(self).__name__} with dt = {self.dt:g} multiplies a disturbance by "
                f"{amplification:.3g} where the equation does not. {remedy}",
                StabilityWarning,
                stacklevel=2,
            )
        return amplification

    def _amplification(self, z: np.ndarray) -> float:
        if not np.all(np.isfinite(z)):
            return math.inf
        factors = sum(z**k / math.factorial(k) for k in range(self.order + 1))
        return float(np.max(np.abs(factors) / np.maximum(1, np.exp(np.real(z)))))


class Euler(ExplicitStepper):
    r"""The explicit Euler method, $u_{n+1} = u_n + \Delta t\,F(u_n)$; of first order.

    Stable for real $-2 \le \lambda \Delta t \le 0$; never for waves (imaginary $\lambda$).
    """

    order = 1

    def _substep(self, state: Any, h: float) -> Any:
        return _advance(state, h, self.rhs(state))


class RK4(ExplicitStepper):
    r"""The classical Runge-Kutta method; of fourth order, with four evaluations of $F$ (Kutta, 1901).

    Stable for real $-2.785 \le \lambda \Delta t \le 0$ and imaginary $|\lambda| \Delta t \le 2.828$.
    """

    order = 4

    def _substep(self, state: Any, h: float) -> Any:
        k1 = self.rhs(state)
        k2 = self.rhs(_advance(state, h / 2, k1))
        k3 = self.rhs(_advance(state, h / 2, k2))
        k4 = self.rhs(_advance(state, h, k3))
        return _advance(state, h / 6, k1 + 2 * k2 + 2 * k3 + k4)


def _floor(value: float) -> float:
    """Rounded down to two digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.floor(value / unit) * unit


def _advance(state: Any, h: float, rate: Any) -> Any:
    """`state + h * rate`, with the conditions of the state."""
    result = state + h * rate
    return state.replace_params(result.params) if isinstance(state, Field) else result


def _ritz_values(rhs: Callable[[Any], Any], state: PyTree, num_iterations: int) -> np.ndarray:
    """Estimates of the outer eigenvalues of the Jacobian of `rhs` (Arnoldi, 1951)."""
    values, unravel = ravel_pytree(state)
    is_complex = jnp.iscomplexobj(values)
    # Complex states as real vectors: `rhs` need not be complex differentiable.
    as_real = lambda z: jnp.concatenate([z.real, z.imag]) if is_complex else z  # noqa: E731
    as_state = lambda v: unravel(jax.lax.complex(*jnp.split(v, 2)) if is_complex else v)  # noqa: E731
    product = jax.jit(lambda v: jax.jvp(lambda v: as_real(ravel_pytree(rhs(as_state(v)))[0]), (flat,), (v,))[1])
    flat = as_real(values)
    n = flat.size
    start = np.asarray(jr.normal(jr.PRNGKey(0), (n,)), dtype=float)
    basis = [start / np.linalg.norm(start)]
    hessenberg = np.zeros((num_iterations + 1, num_iterations))
    for j in range(num := min(num_iterations, n)):
        vector = np.asarray(product(jnp.asarray(basis[j], flat.dtype)), dtype=float)
        if not np.all(np.isfinite(vector)):
            return np.array([np.inf])
        for _ in range(2):  # once more, against rounding errors
            for i, other in enumerate(basis):
                overlap = other @ vector
                hessenberg[i, j] += overlap
                vector = vector - overlap * other
        hessenberg[j + 1, j] = norm = np.linalg.norm(vector)
        if norm <= 1e-6 * np.linalg.norm(hessenberg[: j + 1, j]):
            num = j + 1
            break
        basis.append(vector / norm)
    return np.linalg.eigvals(hessenberg[:num, :num])
