"""What the scenarios on a periodic box share: exponax as solver, and APEBench's difficulties (Koehler et al., 2024)."""

import abc
import dataclasses
import math
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array

from ..._checks import check_integer, numbers_per_axis, per_axis
from ...boundary import normalize_boundary_mode
from ._fourier_states import FourierStates


@dataclasses.dataclass(frozen=True, kw_only=True)
class PeriodicEvolution(FourierStates):
    """A PDE on a periodic cube, solved by exponax with Fourier series in space (Koehler et al., 2024)."""

    dimensions: ClassVar[tuple[int, ...]] = (1, 2, 3)
    """In which the equation exists."""
    bounded: ClassVar[str] = "a scenario whose name starts with 'bounded'"
    """What has walls instead."""

    def __post_init__(self):
        super().__post_init__()
        if self.num_spatial_dims not in self.dimensions:
            raise ValueError(
                f"`num_spatial_dims` must be {' or '.join(map(str, self.dimensions))} for {self.name}, got "
                f"{self.num_spatial_dims}. Leave it out."
            )
        if set(normalize_boundary_mode(self.boundary_mode, self.num_spatial_dims)) != {"periodic"}:
            raise ValueError(
                f"`boundary_mode` must be 'periodic' for {self.name}, which is solved with Fourier series, got "
                f"{self.boundary_mode!r}. Use {self.bounded}."
            )
        self._points_of_cube("num_points", self.num_points)
        if len(set(numbers_per_axis("domain_extent", self.domain_extent, self.num_spatial_dims))) > 1:
            raise ValueError(
                f"`domain_extent` must be the same along all axes for {self.name}, got {self.domain_extent}. Give one "
                "number."
            )

    @property
    def num_channels(self) -> int:
        return 1

    def stepper(self, *, shape: tuple[int, ...] | None = None, proportion: Any = 1.0) -> Callable[[Array], Array]:
        return self.make_stepper(self._points_of_cube("shape", self.shape if shape is None else shape), proportion)

    @abc.abstractmethod
    def make_stepper(self, num_points: int, proportion: float) -> Callable[[Array], Array]:
        """A part of a time step on a grid with as many points along each axis."""

    def _points_of_cube(self, name: str, value: Any) -> int:
        points = per_axis(name, value, self.num_spatial_dims, minimum=2)
        if len(set(points)) > 1:
            raise ValueError(
                f"`{name}` must be the same along all axes for {self.name}, as exponax solves on cubes, got {value}. "
                "Give one number."
            )
        return points[0]


@dataclasses.dataclass(frozen=True, kw_only=True)
class NonlinearEvolution(PeriodicEvolution):
    """A nonlinear equation, solved in time by exponential Runge-Kutta methods (Cox, Matthews, 2002)."""

    num_substeps: int = 1
    """Steps of the solver in one time step."""
    order: int = 2
    """Of the Runge-Kutta method, 1 to 4."""
    dealiasing_fraction: float = 2 / 3
    """How much of the spectrum enters products: 2/3 is exact for squares, 1/2 for cubes."""

    def __post_init__(self):
        super().__post_init__()
        check_integer("num_substeps", self.num_substeps)
        if self.order not in (1, 2, 3, 4):
            raise ValueError(f"`order` must be 1, 2, 3 or 4, got {self.order!r}. Choose 2, unless steps are large.")
        if not 0 < self.dealiasing_fraction <= 1:
            raise ValueError(
                f"`dealiasing_fraction` must be above 0 and at most 1, got {self.dealiasing_fraction}. Choose 2/3."
            )

    @property
    def scheme(self) -> dict[str, Any]:
        """Options that all of exponax's steppers take."""
        return {"order": self.order, "dealiasing_fraction": self.dealiasing_fraction}

    def make_stepper(self, num_points: int, proportion: float) -> Callable[[Array], Array]:
        import exponax as ex

        step = self.substep(num_points, proportion / self.num_substeps)
        return step if self.num_substeps == 1 else ex.RepeatedStepper(step, self.num_substeps)

    @abc.abstractmethod
    def substep(self, num_points: int, proportion: float) -> Any:
        """An exponax stepper for a part of a time step."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difficulties(PeriodicEvolution):
    r"""An equation whose coefficients are given as difficulties, which say how hard a step is on this grid.

    $$ \partial_t u = \sum_j \alpha_j \sum_i \partial_i^j u + \dots, \qquad
    \alpha_j = \frac{\gamma_j}{2^{j-1} N^j D}, \quad \alpha_0 = \gamma_0, \quad
    \beta_j = \frac{\delta_j}{N^j D}, \quad \beta_0 = \delta_0 $$

    on the unit cube of dimension D with a time step of 1, on N points per axis. $|\gamma_1|$ is the Courant number;
    explicit differences would be stable up to about 1. Nonlinear terms are $\beta_0 u^2$,
    $\beta_1 \tfrac12 \nabla \cdot (u \otimes u)$, or $\beta_1 \tfrac12 \sum_i \partial_i u^2$ with one channel, and
    $\beta_2 \tfrac12 |\nabla u|^2$. All stand on the right-hand side, as in APEBench. One thing differs: $\gamma_0 u$
    is added once, not once per axis. On other grids $\alpha$ and $\beta$ stay what they are on the scenario's own.
    """

    gammas: ClassVar[tuple[str, ...]] = (
        "drag_gamma",
        "advection_gamma",
        "diffusion_gamma",
        "dispersion_gamma",
        "hyp_diffusion_gamma",
    )
    """Fields with the difficulties of derivatives of order 0, 1, ...; zero where a class has none."""
    deltas: ClassVar[tuple[str, ...]] = ("quadratic_delta", "convection_sc_delta", "gradient_norm_delta")
    """Fields with the difficulties of nonlinear terms with 0, 1, 2 derivatives."""

    def __post_init__(self):
        super().__post_init__()
        for name in (*self.gammas, *self.deltas, "convection_delta"):
            value = getattr(self, name, 0.0)
            if not isinstance(value, Real) or not math.isfinite(value):
                raise ValueError(f"`{name}` must be a finite number, got {value!r}. Change its value.")
        if set(numbers_per_axis("domain_extent", self.domain_extent, self.num_spatial_dims)) != {1.0}:
            raise ValueError(
                f"`domain_extent` must be 1 for {self.name}, whose coefficients are difficulties, got "
                f"{self.domain_extent}. Leave it out."
            )

    def normalized_linear(self, proportion: float) -> tuple[float, ...]:
        r"""The coefficients $\alpha_j$ of a part of a time step."""
        from exponax.stepper.generic import extract_normalized_coefficients_from_difficulty as normalize

        gammas = [getattr(self, name, 0.0) * proportion for name in self.gammas]
        gammas[0] /= self.num_spatial_dims  # exponax adds this term once per axis
        return normalize(tuple(gammas), num_spatial_dims=self.num_spatial_dims, num_points=self.shape[0])

    def normalized_nonlinear(self, proportion: float) -> tuple[float, ...]:
        r"""The coefficients $\beta_j$ of a part of a time step."""
        return tuple(self._beta(name, order, proportion) for order, name in enumerate(self.deltas))

    def normalized_convection(self, proportion: float) -> float:
        r"""The coefficient $\beta_1$ of the convection of a vector, for a part of a time step."""
        return self._beta("convection_delta", 1, proportion)

    def _beta(self, name: str, order: int, proportion: float) -> float:
        delta = getattr(self, name, 0.0) * proportion
        return delta / (self.shape[0] ** order * self.num_spatial_dims) if order else delta


@dataclasses.dataclass(frozen=True, kw_only=True)
class PhysicalEvolution(NonlinearEvolution):
    """An equation with physical coefficients, a domain extent and a time step."""

    dt: float = 0.1
    """The time step; in [T]. A proportion of the step is a shorter one."""

    coefficients: ClassVar[tuple[str, ...]] = ()
    """Fields that exponax's stepper takes under the same names."""

    def __post_init__(self):
        super().__post_init__()
        for name in ("dt", *self.coefficients):
            values = np.atleast_1d(getattr(self, name))
            if values.dtype.kind not in "iuf" or not np.all(np.isfinite(values)):
                raise ValueError(f"`{name}` must be finite, got {getattr(self, name)!r}. Change its value.")
        if self.dt <= 0:
            raise ValueError(f"`dt` must be positive, got {self.dt}. Give the length of a time step.")

    def physical_stepper(self, make: Callable[..., Any], num_points: int, proportion: float) -> Any:
        """A stepper of exponax for a part of a time step."""
        extent, *_ = numbers_per_axis("domain_extent", self.domain_extent, self.num_spatial_dims)
        coefficients = {name: getattr(self, name) for name in self.coefficients}
        return make(self.num_spatial_dims, extent, num_points, self.dt * proportion, **coefficients, **self.scheme)
