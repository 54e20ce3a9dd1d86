"""Nonlinear equations on a periodic box, by their difficulties (APEBench; Koehler et al., 2024)."""

import dataclasses
from typing import Any, ClassVar

from ._periodic import Difficulties, NonlinearEvolution


@dataclasses.dataclass(frozen=True, kw_only=True)
class NonlinearDifficulties(Difficulties, NonlinearEvolution):
    """A nonlinear equation of one channel."""

    def substep(self, num_points: int, proportion: float) -> Any:
        from exponax.stepper.generic import NormalizedNonlinearStepper

        return NormalizedNonlinearStepper(
            self.num_spatial_dims,
            num_points,
            normalized_linear_coefficients=self.normalized_linear(proportion),
            normalized_nonlinear_coefficients=self.normalized_nonlinear(proportion),  # pyright: ignore[reportArgumentType]
            **self.scheme,
        )

    def convection_substep(self, num_points: int, proportion: float) -> Any:
        """For a vector that carries itself, in conservative form."""
        from exponax.stepper.generic import NormalizedConvectionStepper

        return NormalizedConvectionStepper(
            self.num_spatial_dims,
            num_points,
            normalized_linear_coefficients=self.normalized_linear(proportion),
            normalized_convection_scale=-self.normalized_convection(proportion),  # exponax has it on the left
            conservative=True,
            **self.scheme,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Burgers(NonlinearDifficulties):
    r"""Viscous Burgers: shocks form from smooth states and decay.

    $$ \partial_t u = \beta_1\, \tfrac12 \nabla \cdot (u \otimes u) + \alpha_2\, \Delta u,
    \qquad \beta_1 = \frac{\delta_1}{N D}, \quad \alpha_2 = \frac{\gamma_2}{2 N^2 D} $$

    for a vector u with one component per axis.
    """

    convection_delta: float = -1.5
    r"""$\delta_1$; negative moves positive values to the right; without unit."""
    diffusion_gamma: float = 1.5
    r"""$\gamma_2$; without unit."""

    name: ClassVar[str] = "burgers"
    bounded: ClassVar[str] = "'bounded-burgers'"

    @property
    def num_channels(self) -> int:
        return self.num_spatial_dims

    def substep(self, num_points: int, proportion: float) -> Any:
        return self.convection_substep(num_points, proportion)


@dataclasses.dataclass(frozen=True, kw_only=True)
class KortewegDeVries(NonlinearDifficulties):
    r"""Solitons: waves that travel and pass through one another. Hyper-diffusion removes the finest scales.

    $$ \partial_t u = \beta_1\, \tfrac12 \sum_i \partial_i u^2 + \alpha_3 \sum_i \partial_i^3 u
    + \alpha_4 \sum_i \partial_i^4 u, \qquad \beta_1 = \frac{\delta_1}{N D}, \quad
    \alpha_3 = \frac{\gamma_3}{4 N^3 D}, \quad \alpha_4 = \frac{\gamma_4}{8 N^4 D} $$

    with one channel in any dimension, as in APEBench. exponax (0.2) keeps only the real part of the coefficients of
    its Runge-Kutta methods, so that with dispersion all of them are of first order in the length of a substep. With one
    substep, as in APEBench, a state is off by about 1 % after a step, and soon far off; solitons need `num_substeps`.
    """

    convection_sc_delta: float = -2.0
    r"""$\delta_1$, of the single channel; without unit."""
    dispersion_gamma: float = -14.0
    r"""$\gamma_3$; without unit."""
    hyp_diffusion_gamma: float = -9.0
    r"""$\gamma_4$; negative damps; without unit."""

    name: ClassVar[str] = "kdv"


@dataclasses.dataclass(frozen=True, kw_only=True)
class KuramotoSivashinsky(NonlinearDifficulties):
    r"""Chaos from negative diffusion, which hyper-diffusion bounds (Kuramoto, 1978; Sivashinsky, 1977).

    $$ \partial_t u = \beta_1\, \tfrac12 \partial_x u^2 + \beta_2\, \tfrac12 |\nabla u|^2 + \alpha_2\, \Delta u
    + \alpha_4 \sum_i \partial_i^4 u $$

    $$ \beta_j = \frac{\delta_j}{N^j D}, \quad \alpha_2 = \frac{\gamma_2}{2 N^2 D}, \quad
    \alpha_4 = \frac{\gamma_4}{8 N^4 D} $$

    In 1D the default is the conservative form for a velocity, $\beta_2 = 0$, and in 2D and 3D the form for a flame
    front, $\beta_1 = 0$, whose mean is kept at zero. Their default difficulties are those of APEBench's `ks_cons` and
    `ks`. The first states come after 500 steps, when the initial ones are forgotten.
    """

    convection_delta: float | None = None
    r"""$\delta_1$, in 1D only: -1 there; without unit."""
    gradient_norm_delta: float | None = None
    r"""$\delta_2$: 0 in 1D, -6 otherwise; without unit."""
    diffusion_gamma: float | None = None
    r"""$\gamma_2$, negative to feed energy: -2 in 1D, -1.2 otherwise; without unit."""
    hyp_diffusion_gamma: float | None = None
    r"""$\gamma_4$, negative to damp: -18 in 1D, -15 otherwise; without unit."""
    num_warmup_steps: int = 500

    name: ClassVar[str] = "kuramoto-sivashinsky"
    defaults_by_dimension: ClassVar = {
        **NonlinearDifficulties.defaults_by_dimension,
        "convection_delta": (-1.0, 0.0, 0.0),
        "gradient_norm_delta": (0.0, -6.0, -6.0),
        "diffusion_gamma": (-2.0, -1.2, -1.2),
        "hyp_diffusion_gamma": (-18.0, -15.0, -15.0),
    }

    def __post_init__(self):
        super().__post_init__()
        if self.convection_delta and (self.num_spatial_dims > 1 or self.gradient_norm_delta):
            raise ValueError(
                "`convection_delta` must be 0 in 2D and 3D, and in 1D with a `gradient_norm_delta`, got "
                f"{self.convection_delta}. Set one of the two to 0."
            )

    def substep(self, num_points: int, proportion: float) -> Any:
        if self.convection_delta:
            return self.convection_substep(num_points, proportion)
        return super().substep(num_points, proportion)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FisherKPP(NonlinearDifficulties):
    r"""A population that spreads and saturates at $u = -\gamma_0 / \delta_0$ (Fisher, 1937; Kolmogorov et al., 1937).

    $$ \partial_t u = \gamma_0\, u + \delta_0\, u^2 + \alpha_2\, \Delta u,
    \qquad \alpha_2 = \frac{\gamma_2}{2 N^2 D} $$

    In APEBench, $\gamma_0$ counts once per axis, and the population in 2D grows to 2; here it is the same in any
    dimension.
    """

    quadratic_delta: float = -0.02
    r"""$\delta_0$; in 1 per step and per unit of u."""
    drag_gamma: float = 0.02
    r"""$\gamma_0$, positive for growth; in 1 per step."""
    diffusion_gamma: float = 0.2
    r"""$\gamma_2$; without unit."""
    ic_config: str = "clamp;0.0;1.0;fourier;5;false;false"

    name: ClassVar[str] = "fisher-kpp"
    bounded: ClassVar[str] = "'bounded-fisher-kpp'"
