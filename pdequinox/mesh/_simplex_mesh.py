"""A mesh of simplices: segments, triangles, tetrahedra."""

import dataclasses
import functools
import hashlib
import math
from typing import Any, TypeVar

import jax
import numpy as np
import wadler_lindig as wl

from ._cells import check_cells, check_facets, check_points, delaunay, edges_of, facets_of, oriented
from ._rows import sum_entries

Self = TypeVar("Self", bound="SimplexMesh")


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, init=False, eq=False, repr=False)
class SimplexMesh:
    r"""Points in d dimensions and the simplices between them: segments, triangles, tetrahedra.

    On each cell with the corners $p_0, \dots, p_d$ lie the barycentric coordinates $\lambda_a$, linear functions with
    $\lambda_a(p_b) = \delta_{ab}$; their gradients are the columns of an inverse matrix of edges, in any dimension.

    A static pytree: it has no leaves, is hashable, and two meshes are equal if their points and cells are. All arrays
    are NumPy's, in float64 and read-only. What operators need of a mesh is computed once and kept with it.
    """

    points: np.ndarray
    """The coordinates of the points, of shape `(num_points, ndim)`; in [L]."""
    cells: np.ndarray
    """The corners of the cells, of shape `(num_cells, ndim + 1)`, in an order that makes the volume positive."""
    _digest: bytes
    _cache: dict

    def __init__(self, points: Any, cells: Any):
        """**Arguments:**

        - `points`: The coordinates, of shape `(num_points, ndim)`.
        - `cells`: For each cell the numbers of its `ndim + 1` points, counted from 0, in any order: `simplices` of
            `scipy.spatial.Delaunay`, or `mesh.cells_dict["triangle"]` of meshio (with `mesh.points[:, :2]`).

        **Raises:** `ValueError` for other shapes, coordinates that are not finite, points that are repeated or belong
        to no cell, numbers of points that do not exist, cells that are flat or repeated, facets of more than two
        cells, and for arrays that `jax.jit` traces: a mesh is static.
        """
        points = check_points(points)
        cells = oriented(points, check_cells(cells, points))
        check_facets(cells)
        digest = hashlib.sha256(repr((points.shape, cells.shape)).encode() + points.tobytes() + cells.tobytes())
        values = {"points": _read_only(points), "cells": _read_only(cells), "_digest": digest.digest(), "_cache": {}}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_points(cls: type[Self], points: Any) -> Self:
        """The Delaunay mesh of the convex hull of `points`; in 1D the segments between neighbours.

        Flat cells at the hull, which rounding makes of points on one straight side, are left out. In 3D regular grids
        have flat cells inside too, which are refused: move their points a little, or give the cells.

        **Arguments:**

        - `points`: The coordinates, of shape `(num_points, ndim)`.

        **Raises:** `ImportError` without SciPy (in 1D it is not needed), `ValueError` for fewer than `ndim + 1` points,
        points on one line or plane, and as the class.
        """
        points = check_points(points)
        return cls(points, delaunay(points))

    @property
    def ndim(self) -> int:
        """The number of spatial dimensions d."""
        return self.points.shape[1]

    @property
    def num_points(self) -> int:
        """The number of points."""
        return len(self.points)

    @property
    def num_cells(self) -> int:
        """The number of cells."""
        return len(self.cells)

    @property
    def N(self) -> tuple[int]:
        """`(num_points,)`: the shape of one channel of a field, as for a `Domain`."""
        return (self.num_points,)

    @functools.cached_property
    def volumes(self) -> np.ndarray:
        """The lengths, areas or volumes of the cells, of shape `(num_cells,)`; in [L]^ndim."""
        return _read_only(np.abs(np.linalg.det(edges_of(self.points, self.cells))) / math.factorial(self.ndim))

    @functools.cached_property
    def barycentric_gradients(self) -> np.ndarray:
        """The gradients of the barycentric coordinates, of shape `(num_cells, ndim + 1, ndim)`; in 1/[L]."""
        others = np.linalg.inv(edges_of(self.points, self.cells)).swapaxes(1, 2)
        return _read_only(np.concatenate([-others.sum(axis=1, keepdims=True), others], axis=1))

    @functools.cached_property
    def node_volumes(self) -> np.ndarray:
        """The lumped mass: for each point the integral of its hat function, of shape `(num_points,)`; in [L]^ndim.

        They are quadrature weights of second order and sum to the volume of the mesh.
        """
        shares = np.repeat(self.volumes / (self.ndim + 1), self.ndim + 1)
        return _read_only(np.bincount(self.cells.ravel(), shares, self.num_points))

    @functools.cached_property
    def boundary(self) -> np.ndarray:
        """Whether each point lies on a facet of only one cell, of shape `(num_points,)`."""
        facets, num_cells = facets_of(self.cells)
        mask = np.zeros(self.num_points, bool)
        mask[facets[num_cells == 1]] = True
        return _read_only(mask)

    @functools.cached_property
    def neighbours(self) -> np.ndarray:
        """The points that share a cell with each point, itself among them; rows are filled up with the point itself."""
        corners = self.ndim + 1
        rows, columns = np.repeat(self.cells, corners, axis=1).ravel(), np.tile(self.cells, corners).ravel()
        return _read_only(sum_entries(rows, columns, np.zeros(rows.size), self.num_points)[0])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SimplexMesh) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    def __repr__(self) -> str:
        return f"SimplexMesh(ndim={self.ndim}, num_points={self.num_points}, num_cells={self.num_cells})"

    def __pdoc__(self, **kwargs) -> wl.AbstractDoc:
        """What is printed where the mesh is a part of something: not its arrays."""
        del kwargs
        return wl.TextDoc(repr(self))

    def __reduce__(self) -> tuple:
        return type(self), (self.points, self.cells)


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
