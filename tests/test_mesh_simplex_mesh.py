"""Meshes: what they compute of their cells, against loops over cells, and what is refused. Meshes for other tests."""

import itertools
import math
import pickle
import sys

import jax
import numpy as np
import pytest

from pdequinox.mesh import SimplexMesh


def moved_grid(num_points, ndim, amount=0.3, seed=0):
    """A grid in the unit cube whose inner points are moved at random."""
    points = np.stack(np.meshgrid(*[np.linspace(0, 1, num_points)] * ndim, indexing="ij"), -1).reshape(-1, ndim)
    inside = np.all((points > 0) & (points < 1), axis=1)
    points[inside] += np.random.default_rng(seed).uniform(-amount, amount, (inside.sum(), ndim)) / (num_points - 1)
    return points


def kuhn_mesh(num_points, ndim, amount=0.3, seed=0):
    """A moved grid, each cube divided along the paths from its first to its last corner."""
    numbers = np.arange(num_points**ndim).reshape((num_points,) * ndim)
    first = np.stack(np.meshgrid(*[np.arange(num_points - 1)] * ndim, indexing="ij"), -1).reshape(-1, ndim)
    steps = np.eye(ndim, dtype=int)
    cells = []
    for path in itertools.permutations(range(ndim)):
        corners = [first + steps[list(path[:k])].sum(axis=0) for k in range(ndim + 1)]
        cells.append(np.stack([numbers[tuple(corner.T)] for corner in corners], axis=1))
    return SimplexMesh(moved_grid(num_points, ndim, amount, seed), np.concatenate(cells))


def sheared(mesh):
    """A mesh away from the origin, in a parallelepiped."""
    matrix = np.eye(mesh.ndim) + 0.4 * np.tri(mesh.ndim, k=-1) - 0.2 * np.tri(mesh.ndim, k=-1).T
    return SimplexMesh(mesh.points @ matrix + 3, mesh.cells)


MESHES = {
    "1D": SimplexMesh.from_points(np.random.default_rng(0).uniform(-1, 2, (12, 1))),
    "2D": sheared(SimplexMesh.from_points(moved_grid(7, 2))),
    "2D at random": SimplexMesh.from_points(np.random.default_rng(0).uniform(0, 1, (40, 2))),
    "3D": sheared(kuhn_mesh(4, 3, 0.25)),
}
meshes = pytest.mark.parametrize("mesh", MESHES.values(), ids=MESHES)
SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
HALVES = np.array([[0, 1, 2], [1, 2, 3]])


@meshes
def test_barycentric_gradients_are_those_of_the_coordinates(mesh):
    corners = mesh.points[mesh.cells]
    coordinates = np.einsum("tad,tbd->tab", mesh.barycentric_gradients, corners - corners[:, :1])
    coordinates[:, 0] += 1
    np.testing.assert_allclose(coordinates, np.broadcast_to(np.eye(mesh.ndim + 1), coordinates.shape), atol=1e-9)


@meshes
def test_cells_are_oriented_and_their_volumes_fill_the_domain(mesh):
    edges = mesh.points[mesh.cells[:, 1:]] - mesh.points[mesh.cells[:, :1]]
    np.testing.assert_allclose(np.linalg.det(edges) / math.factorial(mesh.ndim), mesh.volumes, rtol=1e-9)
    assert np.all(mesh.volumes > 0)
    again = SimplexMesh(mesh.points, mesh.cells[:, ::-1])
    np.testing.assert_allclose(again.volumes, mesh.volumes, rtol=1e-9)
    assert mesh.node_volumes.sum() == pytest.approx(mesh.volumes.sum())


def test_the_volume_is_that_of_the_box_and_the_lumped_mass_integrates_to_second_order():
    for ndim, volume in ((1, 1.0), (2, 1.0), (3, 1.0)):
        errors = []
        for n in (5, 9):
            mesh = kuhn_mesh(n, ndim, 0.0)
            assert mesh.volumes.sum() == pytest.approx(volume)
            errors.append(abs(np.sum(mesh.node_volumes * np.exp(mesh.points.sum(axis=1))) - (np.e - 1) ** ndim))
        assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


@meshes
def test_neighbours_and_boundary_are_those_of_loops_over_cells(mesh):
    around = [{number} for number in range(mesh.num_points)]
    facets = {}
    for cell in mesh.cells.tolist():
        for corner in cell:
            around[corner].update(cell)
            facet = frozenset(cell) - {corner}
            facets[facet] = facets.get(facet, 0) + 1
    assert [set(row) for row in mesh.neighbours.tolist()] == around
    outer = set().union(*(facet for facet, count in facets.items() if count == 1))
    assert set(np.flatnonzero(mesh.boundary).tolist()) == outer


@meshes
def test_the_boundary_of_a_convex_mesh_is_its_hull(mesh):
    if mesh.ndim == 1:
        assert set(mesh.points[mesh.boundary, 0]) == {mesh.points.min(), mesh.points.max()}
    else:
        from scipy.spatial import ConvexHull

        assert np.all(mesh.boundary[ConvexHull(mesh.points).vertices])


def test_a_mesh_is_static_and_equal_to_one_of_the_same_content():
    mesh, same, other = (SimplexMesh(SQUARE * scale, HALVES) for scale in (1, 1, 2))
    assert jax.tree.leaves(mesh) == []
    assert mesh == same and hash(mesh) == hash(same) and mesh is not same
    assert mesh != other and mesh != SimplexMesh(SQUARE, [[0, 1, 3], [0, 2, 3]]) and mesh != "mesh"
    assert pickle.loads(pickle.dumps(mesh)) == mesh
    assert repr(mesh) == "SimplexMesh(ndim=2, num_points=4, num_cells=2)"
    traces = []
    function = jax.jit(lambda mesh, x: traces.append(mesh) or x * mesh.num_cells)
    for argument in (mesh, same, other):
        function(argument, 1.0)
    assert traces == [mesh, other]


def test_a_mesh_has_copies_of_its_arrays_that_cannot_be_changed():
    points = SQUARE.copy()
    mesh = SimplexMesh(points, HALVES.astype(np.uint64))
    points[0] = 5
    np.testing.assert_array_equal(mesh.points, SQUARE)
    for array in (mesh.points, mesh.cells, mesh.volumes, mesh.boundary, mesh.neighbours, mesh.node_volumes):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(AttributeError):
        mesh.points = points
    assert (mesh.points.dtype, mesh.cells.dtype) == (np.float64, np.int32)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_delaunay_meshes_of_a_turned_square_have_no_slivers_at_the_sides(scale):
    turned = np.array([[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]])
    mesh = SimplexMesh.from_points(scale * moved_grid(17, 2) @ turned)
    assert mesh.num_cells == 2 * 16**2
    assert mesh.boundary.sum() == 4 * 16
    assert mesh.volumes.sum() == pytest.approx(scale**2)


def test_points_on_a_line_need_no_scipy_and_no_order(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.spatial", None)
    mesh = SimplexMesh.from_points([[2.0], [0.0], [1.0]])
    np.testing.assert_array_equal(mesh.cells, [[1, 2], [2, 0]])
    with pytest.raises(ImportError, match=r"`SimplexMesh.from_points` needs scipy.*Install `pdequinox\[bench\]`"):
        SimplexMesh.from_points(SQUARE)


def square(points=SQUARE, cells=HALVES):
    return lambda: SimplexMesh(np.asarray(points), np.asarray(cells))


CROWDED = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 2.0]])
REFUSED = {
    r"`points` must be real numbers of shape \(num_points, ndim\), got float64 of shape \(4,\)": square(SQUARE[:, 0]),
    r"`points` must be real numbers .* got complex128": square(SQUARE + 0j),
    r"`points` must be finite, got \[nan  0\.\] for point 1": square([[0, 0], [np.nan, 0], [0, 1], [1, 1]]),
    r"`points` must all be different, got \[0\. 0\.\] twice \(point 3\)": square([[0, 0], [1, 0], [0, 1], [-0.0, 0]]),
    r"`cells` must be integers of shape \(num_cells, 3\) for points in 2D, got int64 of shape \(2, 2\)": square(
        cells=HALVES[:, :2]
    ),
    r"`cells` must be integers .* got float64": square(cells=HALVES * 1.0),
    r"`cells` must be integers .* got int64 of shape \(0, 3\)": square(cells=HALVES[:0]),
    r"for points in 3D, .* third coordinate need `points\[:, :2\]`": square(np.c_[SQUARE, np.zeros(4)]),
    r"`cells` must hold numbers of points, 0 to 3, got 1 to 4. Count": square(cells=HALVES + 1),
    r"`cells` must hold numbers of points, 0 to 3, got -1 to 2": square(cells=HALVES - 1),
    r"`cells` must use every point, got none with point 3 \(1 such points\)": square(cells=HALVES[:1]),
    r"`cells` must not be flat, got the points \[0, 1, 1\] for cell 1 \(1 such": square(cells=[[0, 3, 2], [0, 1, 1]]),
    r"`cells` must not be flat, got the points \[1, 2, 3\] for cell 1": square([[0, 1], [1, 0], [2, 1e-12], [3, 0]]),
    r"`cells` must share each facet between two cells at most, got 3 at the points": square(
        CROWDED, [[0, 1, 2], [1, 2, 3], [1, 2, 4]]
    ),
    "`cells` must all be different, got some twice": square(SQUARE[:3], [[0, 1, 2], [2, 1, 0]]),
    "`points` must be known when tracing": lambda: jax.jit(lambda p: SimplexMesh(p, HALVES).volumes)(SQUARE),
    "`cells` must be known when tracing": lambda: jax.jit(lambda c: SimplexMesh(SQUARE, c).volumes)(HALVES),
    r"`points` must be at least 3 in 2D, got 2": lambda: SimplexMesh.from_points(SQUARE[:2]),
    r"`points` must span 2 dimensions, got 4": lambda: SimplexMesh.from_points(np.arange(8.0).reshape(4, 2)),
    r"`cells` must use every point, got none with point": lambda: SimplexMesh.from_points(
        np.r_[SQUARE, [[0.5, 1e-17]], [[0.5, 0]]]
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_no_mesh_is_refused(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_flatness_does_not_depend_on_the_scale(scale):
    thin = np.array([[0, 0], [1, 0], [0, 1e-6], [1, 1e-6]])
    assert SimplexMesh(thin * scale, HALVES).volumes == pytest.approx(scale**2 * 0.5e-6)
    with pytest.raises(ValueError, match="`cells` must not be flat"):
        SimplexMesh(thin * [scale, scale * 1e-6], HALVES)
