"""Arrays of points and cells: what is refused, how cells are oriented, and Delaunay's cells."""

from typing import Any

import numpy as np
from jax.core import Tracer

_FLAT = 1e-10
"""The smallest determinant of a cell whose longest edge is 1: below it, rounding decides where the corners are."""


def check_points(points: Any) -> np.ndarray:
    """A copy of `points` in float64, if they are the finite and different coordinates of some points."""
    _check_known("points", points)
    points = np.array(points, copy=True)
    if points.ndim != 2 or 0 in points.shape or points.dtype.kind not in "iuf":
        raise ValueError(
            f"`points` must be real numbers of shape (num_points, ndim), got {points.dtype} of shape {points.shape}. "
            "Use `points[:, None]` in 1D."
        )
    points = points.astype(np.float64) + 0.0  # -0 is 0
    if not np.all(np.isfinite(points)):
        number = np.flatnonzero(~np.isfinite(points).all(axis=1))[0]
        raise ValueError(f"`points` must be finite, got {points[number]} for point {number}. Correct it.")
    different, first = np.unique(points, axis=0, return_index=True)
    if len(different) < len(points):
        number = np.setdiff1d(np.arange(len(points)), first)[0]
        raise ValueError(
            f"`points` must all be different, got {points[number]} twice (point {number}). Merge repeated points."
        )
    return points


def check_cells(cells: Any, points: np.ndarray) -> np.ndarray:
    """A copy of `cells` in int32, if they are simplices of `points` that use all of them and are not flat."""
    _check_known("cells", cells)
    cells, (num_points, ndim) = np.asarray(cells), points.shape
    if cells.ndim != 2 or len(cells) == 0 or cells.shape[1] != ndim + 1 or cells.dtype.kind not in "iu":
        raise ValueError(
            f"`cells` must be integers of shape (num_cells, {ndim + 1}) for points in {ndim}D, got {cells.dtype} of "
            f"shape {cells.shape}. Points in a plane that have a third coordinate need `points[:, :2]`."
        )
    if cells.min() < 0 or cells.max() >= num_points:
        raise ValueError(
            f"`cells` must hold numbers of points, 0 to {num_points - 1}, got {cells.min()} to {cells.max()}. "
            "Count the points from 0."
        )
    cells = cells.astype(np.int32)
    unused = np.flatnonzero(np.bincount(cells.ravel(), minlength=num_points) == 0)
    if unused.size:
        raise ValueError(
            f"`cells` must use every point, got none with point {unused[0]} ({unused.size} such points). Drop them: "
            "`used, cells = np.unique(cells, return_inverse=True)` and `points[used]`."
        )
    flat = np.flatnonzero(np.abs(shape_determinants(points, cells)) < _FLAT)
    if flat.size:
        raise ValueError(
            f"`cells` must not be flat, got the points {cells[flat[0]].tolist()} for cell {flat[0]} ({flat.size} such "
            "cells). Leave flat cells out, or move their points."
        )
    return cells


def check_facets(cells: np.ndarray) -> None:
    """Refuse cells that overlap because they share a facet with two others, or are repeated."""
    facets, num_cells = facets_of(cells)
    if num_cells.max() > 2:
        shared = facets[np.argmax(num_cells)].tolist()
        raise ValueError(
            f"`cells` must share each facet between two cells at most, got {num_cells.max()} at the points {shared}. "
            "Remove cells that overlap."
        )
    if len(np.unique(np.sort(cells, axis=1), axis=0)) < len(cells):
        raise ValueError("`cells` must all be different, got some twice. Remove the repeated ones.")


def _check_known(name: str, value: Any) -> None:
    if isinstance(value, Tracer):
        raise ValueError(
            f"`{name}` must be known when tracing, got {value}. A mesh is static: make it outside of `jax.jit`."
        )


def edges_of(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The edges from the first corner of each cell to the others, of shape `(num_cells, ndim, ndim)`: in rows."""
    return points[cells[:, 1:]] - points[cells[:, :1]]


def shape_determinants(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The signed volumes of the cells times `ndim!`, scaled so that the longest edge of each cell is 1."""
    edges = edges_of(points, cells)
    between = edges[:, :, None] - edges[:, None]
    longest = np.sqrt(np.maximum((edges**2).sum(-1).max(1), (between**2).sum(-1).max((1, 2))))
    # Cells of one repeated point have no edge.
    return np.linalg.det(edges / np.where(longest > 0, longest, 1)[:, None, None])


def oriented(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The cells with two corners exchanged where that makes their volume positive."""
    negative = shape_determinants(points, cells) < 0
    return np.where(negative[:, None], np.concatenate([cells[:, :-2], cells[:, :-3:-1]], axis=1), cells)


def facets_of(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners of the facets of all cells, and for each of them how many cells have it."""
    facets = np.concatenate([np.delete(cells, corner, axis=1) for corner in range(cells.shape[1])])
    size = int(cells.max()) + 1
    keys = np.ravel_multi_index(tuple(np.sort(facets, axis=1).T), (size,) * facets.shape[1])
    _, numbers, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return facets, counts[numbers]


def delaunay(points: np.ndarray) -> np.ndarray:
    """The cells of the Delaunay mesh of `points`, without flat ones at the hull."""
    num_points, ndim = points.shape
    if num_points <= ndim:
        raise ValueError(f"`points` must be at least {ndim + 1} in {ndim}D, got {num_points}. Add points.")
    if ndim == 1:
        order = np.argsort(points[:, 0])
        return np.stack([order[:-1], order[1:]], axis=1)
    try:
        from scipy.spatial import Delaunay, QhullError
    except ImportError as error:
        raise ImportError(
            "`SimplexMesh.from_points` needs scipy, which is not installed. Install `pdequinox[bench]`, or give the "
            "cells: `SimplexMesh(points, cells)`."
        ) from error
    middle, size = points.mean(axis=0), np.ptp(points, axis=0).max()
    try:
        mesh = Delaunay((points - middle) / size)
    except QhullError as error:
        raise ValueError(
            f"`points` must span {ndim} dimensions, got {num_points} of which SciPy makes no cells. Add points beside "
            "the line or plane that they lie on."
        ) from error
    flat = np.abs(shape_determinants(points, mesh.simplices)) < _FLAT
    # From the hull inwards: neighbour -1 is the outside, here the last entry.
    outside = np.zeros(len(flat) + 1, bool)
    outside[-1] = True
    while np.any(found := flat & ~outside[:-1] & outside[mesh.neighbors].any(axis=1)):
        outside[:-1] |= found
    return mesh.simplices[~outside[:-1]]
