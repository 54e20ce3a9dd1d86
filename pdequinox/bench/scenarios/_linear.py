"""Linear equations on a periodic box, whose solutions are exact (APEBench; Koehler et al., 2024)."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

from jaxtyping import Array

from ._periodic import Difficulties


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinearEvolution(Difficulties):
    """A linear equation, solved exactly for the modes of the grid."""

    def make_stepper(self, num_points: int, proportion: float) -> Callable[[Array], Array]:
        from exponax.stepper.generic import NormalizedLinearStepper

        return NormalizedLinearStepper(
            self.num_spatial_dims,
            num_points,
            normalized_linear_coefficients=self.normalized_linear(proportion),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Advection(LinearEvolution):
    r"""Transport with the same speed along all axes.

    $$ \partial_t u = \alpha_1 \sum_i \partial_i u, \qquad \alpha_1 = \frac{\gamma_1}{N D} $$

    A step moves the state by $-\gamma_1 / D$ points along every axis. APEBench's default moves it by four points in 1D.
    """

    advection_gamma: float = -4.0
    r"""$\gamma_1$, the Courant number times -1; without unit."""

    name: ClassVar[str] = "advection"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Diffusion(LinearEvolution):
    r"""The heat equation.

    $$ \partial_t u = \alpha_2\, \Delta u, \qquad \alpha_2 = \frac{\gamma_2}{2 N^2 D} $$
    """

    diffusion_gamma: float = 4.0
    r"""$\gamma_2$; without unit."""

    name: ClassVar[str] = "diffusion"
    bounded: ClassVar[str] = "'bounded-heat'"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdvectionDiffusion(LinearEvolution):
    r"""Transport with the same speed along all axes, and diffusion.

    $$ \partial_t u = \alpha_1 \sum_i \partial_i u + \alpha_2\, \Delta u,
    \qquad \alpha_1 = \frac{\gamma_1}{N D}, \quad \alpha_2 = \frac{\gamma_2}{2 N^2 D} $$
    """

    advection_gamma: float = -4.0
    r"""$\gamma_1$; without unit."""
    diffusion_gamma: float = 4.0
    r"""$\gamma_2$; without unit."""

    name: ClassVar[str] = "advection-diffusion"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dispersion(LinearEvolution):
    r"""Waves whose speed grows with the square of their wave number.

    $$ \partial_t u = \alpha_3 \sum_i \partial_i^3 u, \qquad \alpha_3 = \frac{\gamma_3}{4 N^3 D} $$
    """

    dispersion_gamma: float = 4.0
    r"""$\gamma_3$; without unit."""

    name: ClassVar[str] = "dispersion"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperDiffusion(LinearEvolution):
    r"""Damping with the fourth power of the wave number, axis by axis.

    $$ \partial_t u = \alpha_4 \sum_i \partial_i^4 u, \qquad \alpha_4 = \frac{\gamma_4}{8 N^4 D} $$
    """

    hyp_diffusion_gamma: float = -4.0
    r"""$\gamma_4$; negative damps; without unit."""

    name: ClassVar[str] = "hyper-diffusion"
