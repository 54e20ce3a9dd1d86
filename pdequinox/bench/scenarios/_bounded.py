"""Heat, waves, convection and reactions between walls."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from ..._checks import numbers_per_axis
from ...fields import FiniteDifferences
from ...operators import get_component, jacobian, laplacian
from ._method_of_lines import MethodOfLines


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoundedHeat(MethodOfLines):
    r"""The heat equation.

    $$ \partial_t u = \alpha\, \Delta u $$

    Series of the modes of the boundary condition decay, each at its own rate.
    """

    diffusivity: float | None = None
    r"""$\alpha$; in [L]²/[T]."""
    time_step: float = 0.05

    name: ClassVar[str] = "bounded-heat"
    positive: ClassVar[tuple[str, ...]] = ("diffusivity",)
    defaults_by_dimension: ClassVar[Mapping[str, tuple[Any, Any, Any]]] = {
        **MethodOfLines.defaults_by_dimension,
        "diffusivity": (0.01, 0.005, 0.0033),
    }

    @property
    def num_channels(self) -> int:
        return 1

    def rate(self, u: FiniteDifferences) -> Array:
        return self.diffusivity * laplacian(u).params  # pyright: ignore[reportOptionalOperand]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoundedBurgers(MethodOfLines):
    r"""Burgers' equation for a velocity with one component per axis.

    $$ \partial_t u_i + \sum_j u_j\, \partial_j u_i = \nu\, \Delta u_i $$

    At `dirichlet` walls the fluid sticks: all components are zero. At `neumann` walls all have no normal derivative,
    and fluid passes; still $|u_i|$ stays below its initial maximum, for every boundary mode (Hopf's lemma).
    """

    viscosity: float | None = None
    r"""$\nu$; in [L]²/[T]."""
    time_step: float = 0.01

    name: ClassVar[str] = "bounded-burgers"
    positive: ClassVar[tuple[str, ...]] = ("viscosity",)
    defaults_by_dimension: ClassVar[Mapping[str, tuple[Any, Any, Any]]] = {
        **MethodOfLines.defaults_by_dimension,
        "viscosity": (0.01, 0.02, 0.04),
    }

    @property
    def num_channels(self) -> int:
        return self.num_spatial_dims

    def rate(self, u: FiniteDifferences) -> Array:
        dims = self.num_spatial_dims
        slopes = jacobian(u).params.reshape(*u.params.shape[:-1], dims, dims)
        convection = jnp.sum(slopes * u.params[..., None, :], axis=-1)
        return self.viscosity * laplacian(u).params - convection  # pyright: ignore[reportOptionalOperand]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoundedAllenCahn(MethodOfLines):
    r"""The Allen-Cahn equation (Allen, Cahn, 1979): two phases, u = 1 and u = -1, separate and grow coarser.

    $$ \partial_t u = \alpha\, \Delta u + r\, (u - u^3) $$

    Interfaces have the width $\sqrt{\alpha / r}$. At `neumann` walls, the default, they end at right angles; at
    `dirichlet` walls there is an interface everywhere. $|u| \le 1$ if it holds initially.
    """

    diffusivity: float | None = None
    r"""$\alpha$; in [L]²/[T]."""
    reactivity: float = 1.0
    """r; in 1/[T]."""
    time_step: float = 0.05
    boundary_mode: Any = "neumann"

    name: ClassVar[str] = "bounded-allen-cahn"
    positive: ClassVar[tuple[str, ...]] = ("diffusivity", "reactivity")
    defaults_by_dimension: ClassVar[Mapping[str, tuple[Any, Any, Any]]] = {
        **MethodOfLines.defaults_by_dimension,
        "diffusivity": (3e-3, 3e-3, 4e-3),
    }

    @property
    def num_channels(self) -> int:
        return 1

    def rate(self, u: FiniteDifferences) -> Array:
        reaction = self.reactivity * (u.params - u.params**3)
        return self.diffusivity * laplacian(u).params + reaction  # pyright: ignore[reportOptionalOperand]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoundedFisherKPP(MethodOfLines):
    r"""The equation of Fisher (1937) and Kolmogorov, Petrovsky and Piskunov (1937): a population spreads and grows.

    $$ \partial_t u = \alpha\, \Delta u + r\, u\, (1 - u) $$

    Fronts travel at the speed $2 \sqrt{\alpha r}$. At `dirichlet` walls, the default, the surroundings are deadly
    (Skellam, 1951), and a steady state with layers of the width $\sqrt{\alpha / r}$ is approached; at `neumann` walls
    it is u = 1. Initial states are not negative, and stay so: negative ones would blow up.
    """

    diffusivity: float | None = None
    r"""$\alpha$; in [L]²/[T]."""
    reactivity: float = 1.0
    """r; in 1/[T]."""
    initial_maximum: float = 0.1
    """Initial states are squares of series with this maximum."""
    time_step: float = 0.05

    name: ClassVar[str] = "bounded-fisher-kpp"
    positive: ClassVar[tuple[str, ...]] = ("diffusivity", "reactivity", "initial_maximum")
    defaults_by_dimension: ClassVar[Mapping[str, tuple[Any, Any, Any]]] = {
        **MethodOfLines.defaults_by_dimension,
        "diffusivity": (1e-3, 2e-3, 4e-3),
    }

    @property
    def num_channels(self) -> int:
        return 1

    def state(self, series: Array) -> Array:
        return self.initial_maximum * series**2

    def rate(self, u: FiniteDifferences) -> Array:
        reaction = self.reactivity * u.params * (1 - u.params)
        return self.diffusivity * laplacian(u).params + reaction  # pyright: ignore[reportOptionalOperand]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoundedWave(MethodOfLines):
    r"""The wave equation as a system of first order in time.

    $$ \partial_t u = v, \qquad \partial_t v = c^2\, \Delta u $$

    The channels are the displacement u and its velocity v, at rest initially; both satisfy the boundary condition.
    Nothing is damped.
    """

    speed: float = 0.1
    """c; in [L]/[T]."""
    time_step: float = 0.12

    name: ClassVar[str] = "bounded-wave"
    positive: ClassVar[tuple[str, ...]] = ("speed",)

    @property
    def num_channels(self) -> int:
        return 2

    def state(self, series: Array) -> Array:
        return series.at[:, 1].set(0)

    def rate(self, u: FiniteDifferences) -> Array:
        curvature = laplacian(get_component(u, 0)).params
        return jnp.concatenate([u.params[..., 1:], self.speed**2 * curvature], axis=-1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoundedGrayScott(MethodOfLines):
    r"""The model of Gray and Scott (1984) of a substance that feeds a catalyst (patterns: Pearson, 1993).

    $$ \partial_t a = \alpha_a\, \Delta a + (1 - a)\, b^2 - F a, \qquad
       \partial_t b = \alpha_b\, \Delta b + (1 - a)\, b^2 - (F + k)\, b $$

    The channels are what is missing of the substance, $a = 1 - u$, and the catalyst b: zero is the state at rest.
    `neumann` walls, the default, let nothing pass; `dirichlet` walls hold the state at rest, as a reservoir does.
    (u = 0 at a wall would be a sink of the substance.)
    """

    diffusivities: Any = None
    r"""$\alpha_a$ and $\alpha_b$; in [L]²/[T]."""
    feed_rate: float = 0.04
    """F; in 1/[T]."""
    kill_rate: float = 0.06
    """k; in 1/[T]."""
    initial_cutoff: int = 3
    initial_level: float | None = None
    """Initial spots are where the absolute value of a series with maximum one is above it."""
    time_step: float = 5.0
    boundary_mode: Any = "neumann"

    name: ClassVar[str] = "bounded-gray-scott"
    positive: ClassVar[tuple[str, ...]] = ("feed_rate", "kill_rate", "initial_level")
    defaults_by_dimension: ClassVar[Mapping[str, tuple[Any, Any, Any]]] = {
        **MethodOfLines.defaults_by_dimension,
        "num_points": (128, 48, 20),
        "num_train_samples": (50, 30, 10),
        "num_test_samples": (30, 15, 5),
        "diffusivities": ((8e-5, 4e-5), (3e-4, 1.5e-4), (8e-4, 4e-4)),
        "initial_level": (0.5, 0.4, 0.25),
    }

    def __post_init__(self):
        super().__post_init__()
        if min(numbers_per_axis("diffusivities", self.diffusivities, 2)) <= 0:
            raise ValueError(
                f"`diffusivities` must be positive, got {self.diffusivities}. Give one for a and one for b."
            )

    @property
    def num_channels(self) -> int:
        return 2

    def state(self, series: Array) -> Array:
        height = series[:, :1] ** 4
        spots = height / (height + self.initial_level**4)  # pyright: ignore[reportOptionalOperand]
        return jnp.concatenate([spots / 2, spots / 4], axis=1)

    def rate(self, u: FiniteDifferences) -> Array:
        missing, catalyst = u.params[..., 0], u.params[..., 1]
        reaction = (1 - missing) * catalyst**2
        losses = jnp.stack([self.feed_rate * missing, (self.feed_rate + self.kill_rate) * catalyst], axis=-1)
        return jnp.asarray(self.diffusivities) * laplacian(u).params + reaction[..., None] - losses
