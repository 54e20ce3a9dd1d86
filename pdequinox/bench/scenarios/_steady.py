"""The equations of Poisson and Helmholtz between walls of every kind, by second differences and one factorisation."""

import dataclasses
import functools as ft
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..._checks import numbers_per_axis
from ...boundary import (
    AxisMode,
    extension,
    grid,
    quadrature_weights,
    spacing,
    vanishes_at_a_wall,
)
from ._scenario import Steady

RESONANCE = 1e-3
"""How near the square of a wave number may come to an eigenvalue, relative to itself."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Poisson(Steady):
    r"""Poisson's equation, $-\Delta u = f$: from the source to the solution, a linear map.

    Every boundary mode will do. If no wall has u = 0, the equation has a solution only for sources of mean zero, and it
    is known up to a constant: the mean of f is removed, and u has mean zero.

    Sources are samples of a Gaussian random field of mean zero and covariance $\exp(-\lvert x - y \rvert^2 / (2
    \ell^2))$; on a periodic axis the distance is a chord, $\sin(\pi \lvert x - y \rvert / L)\, L / \pi$. They are
    smooth, not zero at the walls, and no finite sum of sines. Solutions come from second-order differences on the grid
    of the boundary mode and a sparse direct solver (SuperLU) that factors the matrix once. Behind a wall stands the
    mirror image, odd or even.

    Sources and solutions are divided by their standard deviations over the training samples, and nothing is subtracted,
    so that the boundary condition stays.
    """

    num_spatial_dims: int = 2
    boundary_mode: Any = "dirichlet"
    length_scale: float = 0.1
    r"""The $\ell$ of the sources; in [L]."""

    name: ClassVar[str] = "poisson"
    defaults_by_dimension: ClassVar[Mapping[str, tuple[Any, Any, Any]]] = {
        "num_points": (127, 31, 15),
        "num_train_samples": (256, 256, 128),
        "num_test_samples": (64, 64, 32),
    }

    def __post_init__(self):
        super().__post_init__()
        (length_scale,) = numbers_per_axis("length_scale", self.length_scale, 1)
        if length_scale <= 0:
            raise ValueError(f"`length_scale` must be positive, got {self.length_scale}. Give a length such as 0.1.")

    @property
    def is_singular(self) -> bool:
        """Whether constants are solutions without a source."""
        return not any(vanishes_at_a_wall(mode) for mode in self._modes)

    def sample_inputs(self, num_samples: int, seed: int) -> np.ndarray:
        """Draw from the random field; its covariance is a product over the axes, and so is its square root."""
        fields = np.random.default_rng(seed).standard_normal((num_samples, *self.shape))
        for axis, (n, extent, mode) in enumerate(zip(self.shape, self._extents, self._modes, strict=True), start=1):
            fields = np.moveaxis(np.tensordot(self._root(n, extent, mode), fields, (1, axis)), 0, axis)
        if self.is_singular:
            means = np.tensordot(fields, self._mean_weights(self.shape), self.num_spatial_dims)
            fields -= means.reshape(-1, *(1,) * self.num_spatial_dims)
        return fields[:, None]

    def solve(self, inputs: np.ndarray) -> np.ndarray:
        from scipy.sparse import block_array, csc_array
        from scipy.sparse.linalg import splu

        shape: tuple[int, ...] = inputs.shape[2:]
        matrix, sources = self.matrix(shape), np.asarray(inputs, float).reshape(len(inputs), -1).T
        if self.is_singular:  # one more unknown, a constant in the source, for one more equation, a mean of zero
            matrix = block_array(
                [[matrix, np.ones((len(sources), 1))], [self._mean_weights(shape).reshape(1, -1), None]]
            )
            sources = np.concatenate([sources, np.zeros((1, len(inputs)))])
        solutions = splu(csc_array(matrix)).solve(sources)[: math.prod(shape)]
        return solutions.T.reshape(inputs.shape)

    def matrix(self, shape: tuple[int, ...]) -> Any:
        """The equation's left side on a grid, a sparse matrix for fields in row-major order."""
        from scipy.sparse import csr_array, eye_array, kron

        matrix, size = csr_array((1, 1)), 1
        for n, extent, mode in zip(shape, self._extents, self._modes, strict=True):
            second = csr_array(self.second_differences(n, extent, mode))
            matrix = kron(matrix, eye_array(n)) + kron(eye_array(size), second)
            size *= n
        return matrix

    @staticmethod
    def second_differences(num_points: int, extent: float, mode: AxisMode) -> np.ndarray:
        r"""The matrix of $-\partial_x^2$ on an axis."""
        extended = extension(num_points, 1, 1, mode)
        return (2 * extended[1:-1] - extended[:-2] - extended[2:]) / spacing(num_points, extent, mode) ** 2

    def _root(self, num_points: int, extent: float, mode: AxisMode) -> np.ndarray:
        """The square root of the covariance along an axis."""
        x = grid(num_points, extent, mode)
        distance = np.abs(x[:, None] - x)
        if mode == "periodic":
            distance = np.sin(np.pi * distance / extent) * extent / np.pi
        values, vectors = np.linalg.eigh(np.exp(-(distance**2) / (2 * self.length_scale**2)))
        return vectors * np.sqrt(np.maximum(values, 0))

    def _mean_weights(self, shape: tuple[int, ...]) -> np.ndarray:
        """By which a field is summed to its mean."""
        axes = (quadrature_weights(n, 1.0, mode) for n, mode in zip(shape, self._modes, strict=True))
        weights = ft.reduce(np.multiply.outer, axes)
        return weights / weights.sum()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Helmholtz(Poisson):
    r"""Helmholtz' equation, $-\Delta u - k^2 u = f$: from the source to a standing wave, a linear map.

    It is indefinite: the least eigenvalues of $-\Delta$ are smaller than $k^2$ and the others larger. At an eigenvalue
    there is no solution (resonance), and near one it is mostly that eigenfunction; a wave number whose square is within
    0.1 % of an eigenvalue of the matrix is refused. The default is between two of them for walls with u = 0. Sources,
    solver and units are as for Poisson's equation, but no mean is removed.
    """

    wave_number: Any = None
    """The $k$ of the equation; in 1/[L]."""

    name: ClassVar[str] = "helmholtz"
    defaults_by_dimension: ClassVar[Mapping[str, tuple[Any, Any, Any]]] = {
        **Poisson.defaults_by_dimension,
        "wave_number": (15.0, 15.0, 12.3),
    }

    def __post_init__(self):
        super().__post_init__()
        (wave_number,) = numbers_per_axis("wave_number", self.wave_number, 1)
        if wave_number <= 0:
            raise ValueError(
                f"`wave_number` must be positive, got {self.wave_number}. For zero, use the scenario 'poisson'."
            )
        self._refuse_resonance(wave_number**2)

    @property
    def is_singular(self) -> bool:
        return False

    def matrix(self, shape: tuple[int, ...]) -> Any:
        from scipy.sparse import eye_array

        return super().matrix(shape) - self.wave_number**2 * eye_array(math.prod(shape))

    def _refuse_resonance(self, square: float) -> None:
        axes = zip(self.shape, self._extents, self._modes, strict=True)
        values = np.unique(ft.reduce(np.add.outer, (_eigenvalues(*axis) for axis in axes)))
        if np.min(np.abs(values - square)) >= RESONANCE * square:
            return
        middles = (values[1:] + values[:-1]) / 2
        is_free = np.diff(values) / 2 >= 2 * RESONANCE * middles
        remedy = "Choose a smaller one."
        if np.any(is_free):
            nearest = middles[is_free][np.argmin(np.abs(middles[is_free] - square))]
            remedy = f"Choose {math.sqrt(nearest):.4g}, say."
        raise ValueError(
            f"`wave_number` must stay away from resonance, got {self.wave_number}, whose square is within "
            f"{100 * RESONANCE:g} % of an eigenvalue. {remedy}"
        )


@ft.lru_cache(maxsize=64)
def _eigenvalues(num_points: int, extent: float, mode: AxisMode) -> np.ndarray:
    return np.sort(np.linalg.eigvals(Poisson.second_differences(num_points, extent, mode)).real)
