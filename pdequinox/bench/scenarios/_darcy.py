"""Flow through two materials, from the permeability to the pressure (Li et al., 2021)."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..._checks import check_integer, numbers_per_axis
from ...boundary import AxisMode, grid, normalize_boundary_mode, spacing
from ._scenario import Steady


@dataclasses.dataclass(frozen=True, kw_only=True)
class Darcy(Steady):
    r"""Darcy's equation, $-\nabla \cdot (a \nabla u) = 1$ with u = 0 at the walls: from the coefficient to the
    solution.

    The coefficient a is 12 where a sample of $\mathcal N(0, (-\Delta + 9)^{-2})$, with Neumann conditions, is positive
    or zero, and 3 elsewhere. The random field is a sum of `num_modes` cosines along each axis with random coefficients
    that do not depend on the grid: the same seed gives the same materials at every resolution. The constant is left
    out, as in the published program for these data.

    Finite volumes: one cell around each point, with the harmonic mean of the coefficient at its faces, and a sparse
    direct solver for each sample. The default grid is one of cell centres, where coefficient and solution are; the
    points of `boundary_mode="dirichlet"` will do as well.

    The solution is divided by its standard deviation over the training samples. So is the coefficient, after its mean
    has been subtracted: it does not vanish at the walls anyway.

    ??? cite "Source"
        Li et al., *Fourier Neural Operator for Parametric Partial Differential Equations* (2021), §5.2 and A.3.2, with
        1000 training and 100 test samples, solved at 421 x 421 points with the walls and thinned out to 85 x 85 and
        others. Their program takes the arithmetic mean at faces, and interpolates the coefficient by splines before.
    """

    num_spatial_dims: int = 2
    boundary_mode: Any = "cell-dirichlet"
    low: float = 3.0
    """The coefficient where the random field is negative; in [L]²."""
    high: float = 12.0
    """The coefficient elsewhere."""
    num_modes: Any = None
    """Cosines along each axis of the random field."""

    name: ClassVar[str] = "darcy"
    subtracts_means = (True, False)
    defaults_by_dimension: ClassVar[Mapping[str, tuple[Any, Any, Any]]] = {
        "num_points": (256, 64, 16),
        "num_train_samples": (512, 512, 128),
        "num_test_samples": (64, 64, 32),
        "num_modes": (256, 64, 16),
    }

    def __post_init__(self):
        super().__post_init__()
        modes = normalize_boundary_mode(self.boundary_mode, self.num_spatial_dims)
        if not all({*_ends(mode)} <= {"dirichlet", "cell-dirichlet"} for mode in modes):
            raise ValueError(
                f"`boundary_mode` must be 'dirichlet' or 'cell-dirichlet' for {self.name}, whose walls have u = 0, got "
                f"{self.boundary_mode!r}. Choose one of them, or the scenario 'poisson'."
            )
        for name in ("low", "high"):
            (value,) = numbers_per_axis(name, getattr(self, name), 1)
            if value <= 0:
                raise ValueError(f"`{name}` must be positive, got {value}. Give a coefficient of the equation.")
        check_integer("num_modes", self.num_modes, minimum=2)

    def sample_inputs(self, num_samples: int, seed: int) -> np.ndarray:
        return np.where(self.sample_fields(num_samples, seed) >= 0, self.high, self.low)[:, None]

    def sample_fields(self, num_samples: int, seed: int) -> np.ndarray:
        """The random fields at the points, of shape `(num_samples, *spatial)`."""
        waves = np.arange(self.num_modes)
        square = sum(
            np.meshgrid(*((np.pi * waves / extent) ** 2 for _, extent, _ in self._axes(self.shape)), indexing="ij")
        )
        noise = np.random.default_rng(seed).standard_normal((num_samples, *(self.num_modes,) * self.num_spatial_dims))
        fields = np.where(square > 0, 1 / (square + 9), 0) * noise
        for axis, (n, extent, mode) in enumerate(self._axes(self.shape), start=1):
            cosines = np.cos(np.pi * np.outer(grid(n, extent, mode), waves) / extent)
            cosines *= np.where(waves > 0, math.sqrt(2), 1) / math.sqrt(extent)
            fields = np.moveaxis(np.tensordot(cosines, fields, (1, axis)), 0, axis)
        return fields

    def solve(self, inputs: np.ndarray) -> np.ndarray:
        from scipy.sparse.linalg import splu

        coefficients = np.asarray(inputs, float)[:, 0]
        source = np.ones(math.prod(coefficients.shape[1:]))
        options = {"permc_spec": "MMD_AT_PLUS_A", "options": {"SymmetricMode": True}}
        solutions = [splu(self.matrix(coefficient), **options).solve(source) for coefficient in coefficients]
        return np.stack(solutions).reshape(inputs.shape)

    def coarse_inputs(self, inputs: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The geometric mean of the coefficient over each cell of the coarser grid."""
        logarithms = np.log(inputs)
        axes = zip(self._axes(inputs.shape[2:]), self._axes(shape), strict=True)
        for axis, (fine, coarse) in enumerate(axes, start=2):
            (left, right), (low, high) = self._cells(*fine), self._cells(*coarse)
            overlap = np.maximum(np.minimum(high[:, None], right) - np.maximum(low[:, None], left), 0)
            means = overlap / overlap.sum(axis=1, keepdims=True)
            logarithms = np.moveaxis(np.tensordot(means, logarithms, (1, axis)), 0, axis)
        return np.exp(logarithms)

    def matrix(self, coefficient: np.ndarray) -> Any:
        """The equation's left side for a coefficient of shape `spatial`, sparse, for fields in row-major order."""
        from scipy.sparse import coo_array

        index = np.arange(coefficient.size).reshape(coefficient.shape)
        diagonal, entries = np.zeros(coefficient.shape), []
        for axis, (n, extent, mode) in enumerate(self._axes(coefficient.shape)):
            h = spacing(n, extent, mode)
            lower, upper = [slice(None)] * index.ndim, [slice(None)] * index.ndim
            lower[axis], upper[axis] = slice(None, -1), slice(1, None)
            left, right = coefficient[tuple(lower)], coefficient[tuple(upper)]
            flux = 2 * left * right / (left + right) / h**2
            diagonal[tuple(lower)] += flux
            diagonal[tuple(upper)] += flux
            pairs = index[tuple(lower)].ravel(), index[tuple(upper)].ravel()
            entries += [(-flux.ravel(), *pairs), (-flux.ravel(), *pairs[::-1])]
            for point, end in zip(
                (0, n - 1), _ends(mode), strict=True
            ):  # to the wall, half a spacing from a cell's centre
                wall = [slice(None)] * index.ndim
                wall[axis] = slice(point, point + 1)
                diagonal[tuple(wall)] += coefficient[tuple(wall)] * (2 if end == "cell-dirichlet" else 1) / h**2
        entries.append((diagonal.ravel(), index.ravel(), index.ravel()))
        values, rows, columns = (np.concatenate(parts) for parts in zip(*entries, strict=True))
        return coo_array((values, (rows, columns)), shape=(index.size,) * 2).tocsc()

    def _axes(self, shape: tuple[int, ...]) -> list[tuple[int, float, AxisMode]]:
        extents = numbers_per_axis("domain_extent", self.domain_extent, self.num_spatial_dims)
        modes = normalize_boundary_mode(self.boundary_mode, self.num_spatial_dims)
        return list(zip(shape, extents, modes, strict=True))

    @staticmethod
    def _cells(num_points: int, extent: float, mode: AxisMode) -> tuple[np.ndarray, np.ndarray]:
        """Where the cell around each point begins and ends; the first and the last reach to the walls."""
        x = grid(num_points, extent, mode)
        faces = np.concatenate([[0], (x[1:] + x[:-1]) / 2, [extent]])
        return faces[:-1], faces[1:]


def _ends(mode: AxisMode) -> tuple[str, str]:
    return (mode, mode) if isinstance(mode, str) else mode
