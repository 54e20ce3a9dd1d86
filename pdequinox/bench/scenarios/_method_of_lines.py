"""Evolutions between walls: finite differences in space, an adaptive Runge-Kutta method in time."""

import abc
import dataclasses
import functools as ft
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from ..._checks import check_integer, per_axis
from ...boundary import AxisMode, spacing, vanishes_at_a_wall
from ...fields import Domain, FiniteDifferences
from ._scenario import Evolution

ACCURACY = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class MethodOfLines(Evolution):
    """A PDE with any homogeneous boundary modes, u = 0 or u' = 0 at each end of each axis, or periodic.

    Space: this package's finite differences of order 4, whose ghost values are those of the polynomial through the
    nearest points and the condition. Time: diffrax with the explicit method of Tsitouras (2011) of order 5 and adaptive
    steps, restarted at each `time_step`, all on the device. Where it does not reach the end of a step, the state
    becomes NaN. (Measured in float32 on 128 points: an implicit method with a dense Jacobian is hundreds of times
    slower, because round-off keeps Newton's method from a tight tolerance.)
    """

    boundary_mode: Any = "dirichlet"
    time_step: float
    """Between two states; in [T]."""
    tolerance: float = 1e-6
    """Of the error of a step of the solver, absolute and relative."""
    max_substeps: int = 4096
    """Steps of the solver in one `time_step`, beyond which the state becomes NaN."""
    initial_cutoff: int = 5
    """The largest wave number of initial states, in half waves per axis."""

    defaults_by_dimension: ClassVar[Mapping[str, tuple[Any, Any, Any]]] = {
        **Evolution.defaults_by_dimension,
        "num_points": (128, 32, 16),
    }
    positive: ClassVar[tuple[str, ...]] = ()
    """The coefficients that must be positive."""

    def __post_init__(self):
        super().__post_init__()
        check_integer("initial_cutoff", self.initial_cutoff)
        check_integer("max_substeps", self.max_substeps)
        for name in ("time_step", "tolerance", *self.positive):
            if getattr(self, name) <= 0:
                raise ValueError(f"`{name}` must be positive, got {getattr(self, name)}. Leave it out for the default.")
        self._check_shape("num_points", self.shape)

    @abc.abstractmethod
    def rate(self, u: FiniteDifferences) -> Array:
        """The time derivative of a state, of shape `(*spatial, channels)`; in [u]/[T]."""

    def state(self, series: Array) -> Array:
        """Initial states from random series of the same shape, `(samples, num_channels, *spatial)`."""
        return series

    def stepper(self, *, shape: tuple[int, ...] | None = None, proportion: Any = 1.0) -> Callable[[Array], Array]:
        import diffrax as dfx

        domain = self._domain(self.shape if shape is None else self._check_shape("shape", shape))
        term = dfx.ODETerm(lambda t, y, args: self.rate(FiniteDifferences(y, domain, accuracy=ACCURACY)))
        solver = dfx.Tsit5()
        controller = dfx.PIDController(rtol=self.tolerance, atol=self.tolerance)
        duration = proportion * self.time_step

        def step(u: Array) -> Array:
            # An error would be raised through a callback to the host.
            start = jnp.moveaxis(u, 0, -1)
            found = dfx.diffeqsolve(
                term,
                solver,
                0.0,
                duration,
                None,
                start,
                stepsize_controller=controller,
                max_steps=self.max_substeps,
                throw=False,
            )
            end = jnp.asarray(found.ys)[-1]
            return jnp.moveaxis(jnp.where(found.result == dfx.RESULTS.successful, end, jnp.nan), -1, 0)

        return step

    def initial_states(self, num_samples: int, *, key: PRNGKeyArray) -> Array:
        """Random states that satisfy the boundary condition: functions of space, the same on every grid.

        `state` of series with normal random coefficients in the eigenfunctions of the Laplacian up to
        `initial_cutoff`, scaled to maximum one (on a grid of eight points per half wave).
        """
        fine = np.linspace(0, 1, 8 * self.initial_cutoff + 1)
        samples = [self._functions(mode, fine) for mode in self._modes]
        on_grid = [
            self._functions(mode, axis / extent)
            for mode, axis, extent in zip(
                self._modes, self._domain(self.shape).spatial_axis, self._extents, strict=True
            )
        ]
        sizes = [len(functions) for functions in on_grid]
        # Drawn in float32, so that a run in double precision starts from the same state.
        coefficients = jr.normal(key, (num_samples, self.num_channels, *sizes), jnp.float32)
        axes = tuple(range(2, 2 + self.num_spatial_dims))
        largest = jnp.max(jnp.abs(_sum_of_products(coefficients, samples)), axis=axes, keepdims=True)
        return self.state(_sum_of_products(coefficients / largest, on_grid))

    def _check_shape(self, name: str, shape: Any) -> tuple[int, ...]:
        shape = per_axis(name, shape, self.num_spatial_dims)
        if min(shape) < ACCURACY + 2:
            raise ValueError(
                f"`{name}` must be at least {ACCURACY + 2} for differences of order {ACCURACY}, got {shape}. "
                "Refine the grid."
            )
        return shape

    def _domain(self, shape: tuple[int, ...]) -> Domain:
        axes = zip(shape, self._extents, self._modes, strict=True)
        return Domain(shape, tuple(spacing(n, extent, mode) for n, extent, mode in axes), self._modes, origin=0.0)

    def _functions(self, mode: AxisMode, x: Any) -> Array:
        """The eigenfunctions of an axis of length 1 at the points `x`, one per row."""
        x, cutoff = np.pi * np.asarray(x, float), self.initial_cutoff
        if mode == "periodic":
            waves = 2 * np.outer(np.arange(1, max(1, cutoff // 2) + 1), x)
            rows = np.concatenate([np.ones_like(x)[None], np.cos(waves), np.sin(waves)])
        else:
            left, right = map(vanishes_at_a_wall, (mode, mode) if isinstance(mode, str) else mode)
            first = 0.0 if (left, right) == (False, False) else 1.0 if left == right else 0.5
            waves = np.outer(np.arange(first, cutoff + 0.5), x)
            rows = np.sin(waves) if left else np.cos(waves)
        return jnp.asarray(rows)


def _sum_of_products(coefficients: Array, functions: list[Array]) -> Array:
    """From coefficients of shape `(..., *sizes)` to values of shape `(..., *points)`."""
    # Each product turns the first remaining axis of coefficients into the last one, of points.
    axis = -len(functions)
    multiply = ft.partial(jnp.tensordot, precision=jax.lax.Precision.HIGHEST)
    return ft.reduce(lambda values, rows: multiply(values, rows, axes=([axis], [0])), functions, coefficients)
