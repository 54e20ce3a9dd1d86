"""Patterns on a periodic box, in physical units (APEBench; Koehler et al., 2024)."""

import dataclasses
import math
from typing import Any, ClassVar

from ._periodic import PhysicalEvolution


@dataclasses.dataclass(frozen=True, kw_only=True)
class GrayScott(PhysicalEvolution):
    r"""Two substances react: spots grow, split and fill the box (Gray, Scott, 1984; Pearson, 1993).

    $$ \partial_t u = \nu_1\, \Delta u + f\, (1 - u) - u v^2, \qquad
    \partial_t v = \nu_2\, \Delta v - (f + k)\, v + u v^2 $$

    The initial state is a blob of v in a hole of u. `feed_rate` and `kill_rate` select the pattern: the default pair is
    Pearson's type theta. APEBench has it in 2D and 3D; the solver takes 1D as well.
    """

    num_spatial_dims: int = 2
    dt: float = 10.0
    num_substeps: int = 10
    feed_rate: float = 0.04
    """f; in 1/[T]."""
    kill_rate: float = 0.06
    """k; in 1/[T]."""
    diffusivity_1: float = 2e-5
    r"""$\nu_1$; in [L]²/[T]."""
    diffusivity_2: float = 1e-5
    r"""$\nu_2$; in [L]²/[T]."""
    dealiasing_fraction: float = 1 / 2
    ic_config: str = "gray_scott_blobs"

    name: ClassVar[str] = "gray-scott"
    bounded: ClassVar[str] = "'bounded-gray-scott'"
    coefficients: ClassVar[tuple[str, ...]] = ("feed_rate", "kill_rate", "diffusivity_1", "diffusivity_2")
    own_states: ClassVar[tuple[str, ...]] = ("gray_scott_blobs",)

    @property
    def num_channels(self) -> int:
        return 2

    def state_generators(self) -> tuple[Any, ...]:
        import exponax as ex

        if self.ic_config not in self.own_states:
            return super().state_generators()
        blobs = ex.ic.RandomGaussianBlobs
        return blobs(self.num_spatial_dims, one_complement=True), blobs(self.num_spatial_dims)

    def substep(self, num_points: int, proportion: float) -> Any:
        from exponax.stepper.reaction import GrayScott as Stepper

        return self.physical_stepper(Stepper, num_points, proportion)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SwiftHohenberg(PhysicalEvolution):
    r"""Stripes and spots of one wavelength, as in convection cells (Swift, Hohenberg, 1977).

    $$ \partial_t u = r\, u - (k + \Delta)^2 u + \sum_i c_i u^i $$

    APEBench has it in 2D and 3D; the solver takes 1D as well.
    """

    num_spatial_dims: int = 2
    domain_extent: Any = 10 * math.pi
    dt: float = 0.1
    num_substeps: int = 5
    reactivity: float = 0.7
    """r; in 1/[T]."""
    critical_number: float = 1.0
    r"""k, the square of the wave number of the pattern; in 1/[L]², where the unit of time is [L]⁴."""
    polynomial_coefficients: tuple[float, ...] = (0.0, 0.0, 1.0, -1.0)
    r"""$c_i$; in $1/([T] [u]^{i-1})$."""
    dealiasing_fraction: float = 1 / 2

    name: ClassVar[str] = "swift-hohenberg"
    coefficients: ClassVar[tuple[str, ...]] = ("reactivity", "critical_number", "polynomial_coefficients")

    def substep(self, num_points: int, proportion: float) -> Any:
        from exponax.stepper.reaction import SwiftHohenberg as Stepper

        return self.physical_stepper(Stepper, num_points, proportion)
