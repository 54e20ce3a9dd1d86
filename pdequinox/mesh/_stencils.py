"""The stencils of derivatives on a mesh, one row of nodes and weights for each node."""

import functools
from collections.abc import Callable

import numpy as np

from ._fit import fit_quadratics, pairs_of
from ._rows import sum_entries
from ._simplex_mesh import SimplexMesh

AVERAGES = ("volume", "uniform", "inverse_distance")


def kept_with_mesh(function: Callable) -> Callable:
    """Compute once per mesh and further arguments; the arrays are read-only."""

    @functools.wraps(function)
    def kept(mesh: SimplexMesh, *args: str) -> tuple[np.ndarray, ...]:
        key = (function.__name__, *args)
        if key not in mesh._cache:
            mesh._cache[key] = arrays = function(mesh, *args)
            for array in arrays:
                array.flags.writeable = False
        return mesh._cache[key]

    return kept


@kept_with_mesh
def first_derivatives(mesh: SimplexMesh, method: str) -> tuple[np.ndarray, np.ndarray]:
    """The nodes `(num_points, k)` and weights `(num_points, k, ndim)` of the gradient."""
    if method == "lsq":
        indices, weights = _fitted(mesh)
        return indices, np.ascontiguousarray(weights[..., : mesh.ndim])
    shares = _shares(mesh, method)
    weights = shares[:, :, None, None] * mesh.barycentric_gradients[:, None]
    return sum_entries(*_corner_pairs(mesh), weights.reshape(-1, mesh.ndim), mesh.num_points)


@kept_with_mesh
def second_derivatives(mesh: SimplexMesh, method: str) -> tuple[np.ndarray, np.ndarray]:
    """The nodes `(num_points, k)` and weights `(num_points, k, ndim (ndim + 1) / 2)` of the second derivatives."""
    if method == "lsq":
        indices, weights = _fitted(mesh)
        return indices, np.ascontiguousarray(weights[..., mesh.ndim :])
    pairs = pairs_of(mesh.ndim)
    return _twice(
        mesh, method, lambda outer, inner: [(outer[a] * inner[b] + outer[b] * inner[a]) / 2 for a, b in pairs]
    )


@kept_with_mesh
def laplacian(mesh: SimplexMesh, method: str) -> tuple[np.ndarray, np.ndarray]:
    """The nodes `(num_points, k)` and weights `(num_points, k, 1)` of the Laplacian."""
    if method == "cotangent":
        indices, weights = stiffness_rows(mesh)
        return indices.copy(), -weights / mesh.node_volumes[:, None, None]
    if method == "lsq":
        indices, weights = _fitted(mesh)
        diagonal = [number for number, (a, b) in enumerate(pairs_of(mesh.ndim)) if a == b]
        return indices, weights[..., mesh.ndim :][..., diagonal].sum(axis=-1, keepdims=True)
    return _twice(mesh, method, lambda outer, inner: [sum(map(np.multiply, outer, inner))])


@kept_with_mesh
def stiffness_rows(mesh: SimplexMesh) -> tuple[np.ndarray, np.ndarray]:
    r"""The nodes `(num_points, k)` and weights `(num_points, k, 1)` of $\int \nabla\phi_i \cdot \nabla\phi_j$."""
    gradients = mesh.barycentric_gradients
    products = mesh.volumes[:, None, None] * np.einsum("tad,tbd->tab", gradients, gradients)
    return sum_entries(*_corner_pairs(mesh), products.reshape(-1, 1), mesh.num_points)


@kept_with_mesh
def mass_rows(mesh: SimplexMesh) -> tuple[np.ndarray, np.ndarray]:
    r"""The nodes and weights of $\int \phi_i \phi_j$, its mean with the lumped mass: $(1, 10, 1) h / 12$ in 1D."""
    num_corners = mesh.ndim + 1
    consistent = (1 + np.eye(num_corners)) / (num_corners + 1)
    local = (consistent + np.eye(num_corners)) / (2 * num_corners)
    products = mesh.volumes[:, None, None] * local
    return sum_entries(*_corner_pairs(mesh), products.reshape(-1, 1), mesh.num_points)


@kept_with_mesh
def _fitted(mesh: SimplexMesh) -> tuple[np.ndarray, np.ndarray]:
    return fit_quadratics(mesh)


def _corner_pairs(mesh: SimplexMesh) -> tuple[np.ndarray, np.ndarray]:
    """For each cell all pairs of its corners: the first corners, and the second ones."""
    num_corners = mesh.ndim + 1
    return np.repeat(mesh.cells, num_corners, axis=1).ravel(), np.tile(mesh.cells, num_corners).ravel()


def _shares(mesh: SimplexMesh, method: str) -> np.ndarray:
    """The weight of each cell in the average at each of its corners, of shape `(num_cells, ndim + 1)`; sums are 1."""
    corners = mesh.points[mesh.cells]
    if method == "volume":
        weights = np.repeat(mesh.volumes[:, None], mesh.ndim + 1, axis=1)
    elif method == "inverse_distance":
        weights = 1 / np.linalg.norm(corners - corners.mean(axis=1, keepdims=True), axis=-1)
    else:
        weights = np.ones(mesh.cells.shape)
    totals = np.bincount(mesh.cells.ravel(), weights.ravel())
    return weights / totals[mesh.cells]


def _twice(mesh: SimplexMesh, method: str, combine: Callable) -> tuple[np.ndarray, np.ndarray]:
    """The product of gradient stencils: `combine` gets lists with the weights of each derivative."""
    indices, weights = first_derivatives(mesh, method)
    is_entry = np.any(weights != 0, axis=-1)
    rows, first = np.nonzero(is_entry)
    # Each entry (row, middle) goes on to all the entries of the row `middle`.
    middle = indices[rows, first]
    which, second = np.nonzero(is_entry[middle])
    outer, inner = weights[rows[which], first[which]].T, weights[middle[which], second].T
    columns = indices[middle[which], second]
    return sum_entries(rows[which], columns, np.stack(combine(list(outer), list(inner)), axis=-1), mesh.num_points)
