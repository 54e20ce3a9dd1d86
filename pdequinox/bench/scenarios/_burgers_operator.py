"""Burgers' equation as one map, from the initial state to the state at time one (Li et al., 2021)."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..._checks import check_integer, numbers_per_axis
from ...boundary import grid, normalize_boundary_mode
from ._scenario import Steady


@dataclasses.dataclass(frozen=True, kw_only=True)
class BurgersOperator(Steady):
    r"""Burgers' equation, $\partial_t u + \partial_x(u^2 / 2) = \nu\, \partial_x^2 u$, periodic: from $u(\cdot, 0)$ to
    $u(\cdot, 1)$.

    Initial states are samples of $\mathcal N(0, 625 (-\Delta + 25)^{-2})$, as 256 waves with random coefficients that
    do not depend on the grid: the same seed gives the same functions, and the same solutions, at every resolution. The
    constant is left out, as in the published program for these data. The first wave decays to 2 % until time one: the
    map is smoothing, and near to a linear one; a smaller `diffusivity` makes it harder.

    Data are solved on a fine grid by Fourier series with the 2/3 rule and the classical Runge-Kutta method, diffusion
    by an integrating factor, in double precision, and then evaluated at the points.

    ??? cite "Source"
        Li et al., *Fourier Neural Operator for Parametric Partial Differential Equations* (2021), §5.1 and A.3.1, with
        1000 training and 200 test samples at 256 to 8192 points. Ours are fewer.
    """

    diffusivity: float = 0.1
    r"""The $\nu$ of the equation; in [L]²/[T]."""
    end_time: float = 1.0
    """When the solution is asked for; in [T]."""
    num_fine_points: int = 1024
    """Of the grid that the data are solved on."""
    num_substeps: int = 400
    """Time steps on the fine grid; on coarser ones fewer, in proportion."""

    name: ClassVar[str] = "burgers-operator"
    num_waves: ClassVar[int] = 256
    defaults_by_dimension: ClassVar[Mapping[str, tuple[Any, Any, Any]]] = {
        "num_points": (256, 256, 256),
        "num_train_samples": (512, 512, 512),
        "num_test_samples": (64, 64, 64),
    }

    def __post_init__(self):
        super().__post_init__()
        if self.num_spatial_dims != 1:
            raise ValueError(
                f"`num_spatial_dims` must be 1 for {self.name}, got {self.num_spatial_dims}. In more dimensions there "
                "is 'burgers', an evolution."
            )
        if normalize_boundary_mode(self.boundary_mode, 1) != ("periodic",):
            raise ValueError(
                f"`boundary_mode` must be 'periodic' for {self.name}, got {self.boundary_mode!r}. Between walls there "
                "is 'bounded-burgers', an evolution."
            )
        for name in ("diffusivity", "end_time"):
            (value,) = numbers_per_axis(name, getattr(self, name), 1)
            if value <= 0:
                raise ValueError(f"`{name}` must be positive, got {value}. Give a number such as 0.1.")
        check_integer("num_fine_points", self.num_fine_points, minimum=2 * self.num_waves + 1)
        check_integer("num_substeps", self.num_substeps)

    def sample_inputs(self, num_samples: int, seed: int) -> np.ndarray:
        return self._at_points(self.sample_coefficients(num_samples, seed))[:, None]

    def make_pairs(self, num_samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        waves = self.sample_coefficients(num_samples, seed)
        fine = np.fft.irfft(waves, self.num_fine_points, norm="forward")
        solutions = np.fft.rfft(self.solve(fine[:, None])[:, 0], norm="forward")
        return self._at_points(waves)[:, None], self._at_points(solutions)[:, None]

    def solve(self, inputs: np.ndarray) -> np.ndarray:
        n = inputs.shape[-1]
        num_steps = max(1, math.ceil(self.num_substeps * n / self.num_fine_points))
        step = self.end_time / num_steps
        wave_number = 2 * np.pi * np.arange(n // 2 + 1) / self._extent
        is_kept = np.arange(n // 2 + 1) < n / 3
        decay = np.exp(-self.diffusivity * wave_number**2 * step / 2)

        def advection(waves: np.ndarray) -> np.ndarray:
            return -0.5j * wave_number * is_kept * np.fft.rfft(np.fft.irfft(waves, n) ** 2)

        u = np.fft.rfft(np.asarray(inputs, float)) * is_kept
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is seen later
            for _ in range(num_steps):  # classical Runge-Kutta for what diffusion leaves
                first = advection(u)
                second = advection(decay * (u + step / 2 * first))
                third = advection(decay * u + step / 2 * second)
                fourth = advection(decay**2 * u + step * decay * third)
                u = decay**2 * u + step / 6 * (decay**2 * first + 2 * decay * (second + third) + fourth)
        return np.fft.irfft(u, n)

    def coarse_inputs(self, inputs: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """On another grid, and of mean zero as the functions are: the mean over few points is an alias, which would not
        decay."""
        coarse = super().coarse_inputs(inputs, shape)
        return coarse - np.mean(coarse, axis=-1, keepdims=True)

    def sample_coefficients(self, num_samples: int, seed: int) -> np.ndarray:
        """Fourier coefficients of random functions, those of waves 0, 1, ..., `num_waves`."""
        noise = np.random.default_rng(seed).standard_normal((num_samples, self.num_waves, 2))
        wave_number = 2 * np.pi * np.arange(1, self.num_waves + 1) / self._extent
        deviation = 25 / (wave_number**2 + 25) / math.sqrt(2 * self._extent)
        waves = deviation * (noise[..., 0] - 1j * noise[..., 1])
        return np.concatenate([np.zeros((num_samples, 1)), waves], axis=1)

    def _at_points(self, waves: np.ndarray) -> np.ndarray:
        """A series of waves 0, 1, ... at the points of the grid."""
        x = grid(self.shape[0], self._extent, "periodic")
        phase = 2j * np.pi * np.outer(np.arange(waves.shape[1]), x) / self._extent
        return 2 * np.real(waves[:, 1:] @ np.exp(phase[1:])) + np.real(waves[:, :1])

    @property
    def _extent(self) -> float:
        return numbers_per_axis("domain_extent", self.domain_extent, 1)[0]
