"""Flows in the periodic plane by their vorticity, in physical units (APEBench; Koehler et al., 2024)."""

import dataclasses
import math
from typing import Any, ClassVar

from ._periodic import PhysicalEvolution


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecayingTurbulence(PhysicalEvolution):
    r"""Vortices merge and decay.

    $$ \partial_t \omega + v \cdot \nabla \omega = \nu\, \Delta \omega, \qquad
    v = (\partial_2 \psi, -\partial_1 \psi), \quad \Delta \psi = \omega $$

    with $\omega$ positive where the fluid turns clockwise, as in exponax.
    """

    num_spatial_dims: int = 2
    dt: float = 0.1
    diffusivity: float = 1e-4
    r"""$\nu$; in [L]²/[T]."""

    name: ClassVar[str] = "decaying-turbulence"
    dimensions: ClassVar[tuple[int, ...]] = (2,)
    coefficients: ClassVar[tuple[str, ...]] = ("diffusivity",)

    def substep(self, num_points: int, proportion: float) -> Any:
        from exponax.stepper import NavierStokesVorticity

        return self.physical_stepper(NavierStokesVorticity, num_points, proportion)


@dataclasses.dataclass(frozen=True, kw_only=True)
class KolmogorovFlow(PhysicalEvolution):
    r"""Turbulence driven by a sinusoidal force (Kolmogorov, 1959; Chandler, Kerswell, 2013).

    $$ \partial_t \omega + v \cdot \nabla \omega = \nu\, \Delta \omega + \lambda\, \omega
    - k \gamma \cos \frac{2 \pi k x_2}{L} $$

    with v as in decaying turbulence; on the default extent, the force is the curl of $\gamma \sin k x_2$ along the
    first axis. The first states come after 500 steps, when the flow is turbulent. On 64 points ten substeps are enough,
    and four are not: ours; APEBench takes 20 on 160 points.
    """

    num_spatial_dims: int = 2
    domain_extent: Any = 2 * math.pi
    dt: float = 0.1
    num_substeps: int = 10
    num_warmup_steps: int = 500
    diffusivity: float = 1e-2
    r"""$\nu$, 1/Re at the default extent; in [L]²/[T]."""
    injection_mode: int = 4
    """k, the mode of the force along the second axis."""
    injection_scale: float = 1.0
    r"""$\gamma$, the strength of the force; in 1/[T]²."""
    drag: float = -0.1
    r"""$\lambda$, negative to damp; in 1/[T]."""

    name: ClassVar[str] = "kolmogorov-flow"
    dimensions: ClassVar[tuple[int, ...]] = (2,)
    coefficients: ClassVar[tuple[str, ...]] = ("diffusivity", "injection_mode", "injection_scale", "drag")

    def substep(self, num_points: int, proportion: float) -> Any:
        from exponax.stepper import KolmogorovFlowVorticity

        return self.physical_stepper(KolmogorovFlowVorticity, num_points, proportion)
