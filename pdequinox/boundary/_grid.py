"""Where the degrees of freedom of each boundary mode are, and how to integrate over them."""

import numpy as np

from .._checks import check_integer
from ._modes import AxisMode, ends_of, normalize_boundary_mode


def spacing(num_points: int, extent: float, mode: AxisMode) -> float:
    """Distance between neighbouring points of `grid(num_points, extent, mode)`; in the unit of `extent`.

    **Arguments:**

    - `num_points`: The number of degrees of freedom on the axis.
    - `extent`: The length of the axis, from wall to wall (or of one period).
    - `mode`: The axis' boundary mode: a string, or a (left, right) pair.

    **Raises:** `ValueError` for too few points, a non-positive extent or an unknown mode.
    """
    (mode,) = normalize_boundary_mode((mode,), 1)
    if not extent > 0:
        raise ValueError(f"`extent` must be positive, got {extent}. Give the length of the axis.")
    return float(extent) / float(num_intervals(num_points, mode))


def num_intervals(num_points: int, mode: AxisMode) -> float:
    """The length of an axis in grid spacings (a multiple of one half)."""
    check_integer("num_points", num_points)
    ends = ends_of(mode)
    count = num_points if ends is None else num_points - 1 + ends[0].offset + ends[1].offset
    if count == 0:
        raise ValueError(f"`num_points` must be at least 2 on a {mode!r} axis, got {num_points}. Add points.")
    return float(count)


def grid(num_points: int, extent: float, mode: AxisMode) -> np.ndarray:
    r"""Positions of the degrees of freedom on an axis $[0, L]$, in float64.

    | mode | points | $x_j,\ j = 0 \dots N - 1$ |
    |---|---|---|
    | `periodic` | left end included, right end is its image | $jL/N$ |
    | `dirichlet` | interior (the ends are zero) | $(j + 1)L/(N + 1)$ |
    | `neumann` | both ends included | $jL/(N - 1)$ |
    | `cell-dirichlet`, `cell-neumann` | cell centres | $(j + 1/2)L/N$ |

    Two different ends: the spacing is such that each end keeps its own distance to its nearest point.

    **Arguments:** as for `spacing`.

    **Returns:** A NumPy array of shape `(num_points,)`.
    """
    h = spacing(num_points, extent, mode)
    (mode,) = normalize_boundary_mode((mode,), 1)
    ends = ends_of(mode)
    offset = 0.0 if ends is None else float(ends[0].offset)
    return (offset + np.arange(num_points)) * h


def coarse_start(num_points: int, mode: AxisMode) -> int:
    """The point that the first one of the coarser grid of every second point is at.

    The left wall is a wall of both grids: it is the point behind a Dirichlet wall's neighbour that stays, and of two
    cells, which become one, the right one stands for both. Periodic axes and Neumann ends keep the first point. So does
    an axis of one point, which is its own coarser grid.

    **Arguments:**

    - `num_points`: The number of degrees of freedom on the axis.
    - `mode`: The axis' boundary mode: a string, or a (left, right) pair.

    **Returns:** 0 or 1.

    **Raises:** `ValueError` for a number of points that is not a positive integer, and an unknown mode.
    """
    check_integer("num_points", num_points)
    (mode,) = normalize_boundary_mode((mode,), 1)
    ends = ends_of(mode)
    return int(ends is not None and ends[0].offset > 0 and num_points > 1)


def quadrature_weights(num_points: int, extent: float, mode: AxisMode, *, free: bool = False) -> np.ndarray:
    r"""Weights $w_j$ with $\int_0^L f\,dx \approx \sum_j w_j f(x_j)$ on `grid(num_points, extent, mode)`.

    The trapezoidal rule on nodes (a Neumann end counts half; a Dirichlet end is zero and has no point), the
    midpoint rule on cells. Of second order in general; of fourth order for the product of two fields that satisfy the
    mode's condition; of spectral accuracy for integrands whose even continuation across the walls is smooth.

    **Arguments:** as for `spacing`, and

    - `free`: Whether the integrand may be nonzero at a Dirichlet end. Its value there is then extrapolated from the
        two nearest points.

    **Returns:** A NumPy array of shape `(num_points,)`, in the unit of `extent`.
    """
    h = spacing(num_points, extent, mode)
    weights = np.full(num_points, h)
    (mode,) = normalize_boundary_mode((mode,), 1)
    for end, (first, second) in zip(ends_of(mode) or (), ((0, 1), (-1, -2)), strict=False):
        if end.offset == 0:
            weights[first] -= h / 2
        elif end.offset == 1 and free and num_points == 1:
            weights[first] += h / 2
        elif end.offset == 1 and free:
            weights[first] += h
            weights[second] -= h / 2
    return weights
