"""Derivatives of the quadratic polynomial that fits the values around each node."""

import numpy as np

from ._rows import union_of_rows
from ._simplex_mesh import SimplexMesh

_CHUNK = 4096
_LIMITS = {2: 50.0, 3: 100.0, 4: 1e3, 5: 1e4, 6: 1e6}
"""The largest condition number that is accepted after so many rings. Two rings have up to about 30, inside and at a
wall, wherever their points are."""
_NEAR = 0.01
"""Nodes nearer than this fraction of an edge count as if they were that far away."""


def pairs_of(ndim: int) -> list[tuple[int, int]]:
    """The second derivatives in the order of the stencils: (0, 0), (0, 1), ..., (1, 1), ..."""
    return [(a, b) for a in range(ndim) for b in range(a, ndim)]


def fit_quadratics(mesh: SimplexMesh) -> tuple[np.ndarray, np.ndarray]:
    r"""The weights of the first and second derivatives at each node of a fitted quadratic polynomial.

    Node i is given the polynomial q with $q(p_i) = u_i$ that minimises $\sum_j (q(p_j) - u_j)^2 / r_{ij}^6$ over the
    nodes of two rings of cells. The weights make the neglected cubic terms, which grow as $r^3$, count alike. Distances
    are those in which the cells nearby are round on average, so that affine maps of the mesh change nothing. Rings are
    added where the nodes do not determine q well, as at some corners.

    **Returns:** The nodes of each stencil, `(num_points, k)`, and the weights `(num_points, k, m)` of the
    $m = d + d(d+1)/2$ derivatives: $\partial_a$, then $\partial_a \partial_b$ for $a \le b$.

    **Raises:** `ValueError` if the nodes of six rings do not determine a quadratic polynomial.
    """
    frames = _frames(mesh)
    remaining = np.arange(mesh.num_points, dtype=np.int32)
    nodes = mesh.neighbours
    parts = []
    for limit in _LIMITS.values():
        nodes = _next_ring(mesh, remaining, nodes)
        weights, condition = _fit_in_chunks(mesh, frames, remaining, nodes)
        done = condition < limit
        parts.append((remaining[done], nodes[done], weights[done]))
        remaining, nodes = remaining[~done], nodes[~done]
        if not remaining.size:
            return _joined(parts, mesh.num_points)
    raise ValueError(
        f"a mesh must have points that determine a quadratic polynomial around each, got too few around point "
        f'{remaining[0]} at {mesh.points[remaining[0]]}. Refine the mesh, or use a scheme other than "lsq".'
    )


def _chunks(size: int) -> list[slice]:
    """Slices that bound the memory of arrays with an entry per stencil entry and monomial."""
    return [slice(start, start + _CHUNK) for start in range(0, size, _CHUNK)]


def _next_ring(mesh: SimplexMesh, own: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """The nodes that share a cell with one of `nodes`, rows filled up with `own`."""
    rings = [union_of_rows(mesh.neighbours[nodes[c]].reshape(len(own[c]), -1), own[c]) for c in _chunks(len(own))]
    width = max(ring.shape[1] for ring in rings)
    filled = np.repeat(own[:, None], width, axis=1)
    for ring, c in zip(rings, _chunks(len(own)), strict=True):
        filled[c, : ring.shape[1]] = ring
    return filled


def _joined(parts: list[tuple], num_points: int) -> tuple[np.ndarray, np.ndarray]:
    """The stencils of all nodes, from parts for some of them with rows of different lengths."""
    width = max(nodes.shape[1] for _, nodes, _ in parts)
    indices = np.repeat(np.arange(num_points, dtype=np.int32)[:, None], width, axis=1)
    weights = np.zeros((num_points, width, parts[0][2].shape[-1]))
    for own, nodes, part in parts:
        indices[own, : nodes.shape[1]] = nodes
        weights[own, : nodes.shape[1]] = part
    return indices, weights


def _frames(mesh: SimplexMesh) -> np.ndarray:
    r"""For each node the matrix A of coordinates $A (x - p_i)$ in which the cells of two rings are round on average."""
    corners = mesh.points[mesh.cells]
    edges = corners[:, :, None] - corners[:, None]
    moments = np.einsum("tabi,tabj->tij", edges, edges, optimize=True) / (mesh.ndim + 1)
    for _ in range(2):
        at_nodes = np.zeros((mesh.num_points, mesh.ndim, mesh.ndim))
        np.add.at(at_nodes, mesh.cells, moments[:, None])
        at_nodes /= np.bincount(mesh.cells.ravel())[:, None, None]
        moments = at_nodes[mesh.cells].mean(axis=1)
    return np.linalg.inv(np.linalg.cholesky(at_nodes))


def _fit_in_chunks(mesh: SimplexMesh, frames: np.ndarray, own: np.ndarray, nodes: np.ndarray) -> tuple:
    fits = [_fit(mesh.points[nodes[c]] - mesh.points[own[c], None], frames[own[c]]) for c in _chunks(len(own))]
    return tuple(np.concatenate(parts) for parts in zip(*fits, strict=True))


def _fit(offsets: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weights of the derivatives of one fit per row, and how well the points determine it.

    `offsets` are those of the points from the node, of shape `(rows, k, ndim)`; zeros are the node itself.
    """
    ndim = offsets.shape[-1]
    local = np.einsum("rab,rkb->rka", frames, offsets)
    pairs = pairs_of(ndim)
    columns = [local[..., a] for a in range(ndim)]
    columns += [local[..., a] * local[..., b] / (2 if a == b else 1) for a, b in pairs]
    monomials = np.stack(columns, axis=-1)
    is_node = np.all(offsets == 0, axis=-1, keepdims=True)
    importance = np.where(is_node, 0, 1 / np.maximum(np.linalg.norm(local, axis=-1, keepdims=True), _NEAR) ** 3)
    inverse = np.linalg.pinv(monomials * importance).swapaxes(1, 2) * importance
    # Back from the frame: the gradient is A^T g, the second derivatives are A^T H A.
    first = np.einsum("rka,rai->rki", inverse[..., :ndim], frames)
    matrix = np.empty((*inverse.shape[:2], ndim, ndim))
    for number, (a, b) in enumerate(pairs):
        matrix[..., a, b] = matrix[..., b, a] = inverse[..., ndim + number]
    matrix = np.einsum("rkab,rai,rbj->rkij", matrix, frames, frames, optimize=True)
    second = np.stack([matrix[..., a, b] for a, b in pairs], axis=-1)
    weights = np.concatenate([first, second], axis=-1)
    # The node's own weight, at the first of its places: the row sums are zero.
    weights[np.arange(len(weights)), np.argmax(is_node[..., 0], axis=1)] = -weights.sum(axis=1)
    return weights, _condition(monomials)


def _condition(monomials: np.ndarray) -> np.ndarray:
    """The condition numbers of matrices of shape `(rows, k, m)`, their columns scaled to one length."""
    lengths = np.linalg.norm(monomials, axis=1, keepdims=True)
    values = np.linalg.svd(monomials / np.where(lengths > 0, lengths, 1), compute_uv=False)
    smallest = values[:, -1] if monomials.shape[1] >= monomials.shape[2] else np.zeros(len(values))
    return np.divide(values[:, 0], smallest, where=smallest > 0, out=np.full(len(values), np.inf))
