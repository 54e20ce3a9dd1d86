"""Derivatives on meshes: exactness, independence of the mesh's scale, orders of convergence, and their parameters."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.mesh import NodalField, SimplexMesh
from pdequinox.operators import (
    FiniteDifference,
    curl,
    default_scheme,
    divergence,
    gradient,
    hessian,
    jacobian,
    laplacian,
)
from test_mesh_simplex_mesh import MESHES, kuhn_mesh, meshes, moved_grid

AVERAGES = ("volume", "uniform", "inverse_distance")
METHODS = {
    gradient: (*AVERAGES, "lsq"),
    laplacian: (*AVERAGES, "lsq", "cotangent"),
    hessian: (*AVERAGES, "lsq"),
}
COMBINATIONS = [(op, method) for op, methods in METHODS.items() for method in methods]
combinations = pytest.mark.parametrize(("op", "method"), COMBINATIONS, ids=lambda value: str(value))


def stencils(op, mesh, method):
    """The default parameters."""
    params = op.default_params(NodalField(np.zeros((mesh.num_points, 1)), mesh), scheme=FiniteDifference(method))
    return params["indices"], params["weights"]


def applied(op, mesh, method, values):
    """What an operator does with the values at the points, in NumPy."""
    indices, weights = stencils(op, mesh, method)
    return np.einsum("nkm,nk->nm", weights, values[indices])


def second_derivatives(matrix):
    """The upper triangle in the order of the stencils."""
    return matrix[np.triu_indices(len(matrix))]


def relative_error(values, exact):
    return np.linalg.norm(values - exact) / np.linalg.norm(exact)


@meshes
@combinations
def test_row_sums_are_zero_and_linear_functions_have_their_derivatives(mesh, op, method):
    """At the boundary too; but the cotangent Laplacian there is that with the natural condition."""
    _, weights = stencils(op, mesh, method)
    size = np.abs(weights).sum(axis=1).max()
    assert np.abs(weights.sum(axis=1)).max() <= 1e-13 * size
    slope = np.arange(1.0, mesh.ndim + 1)
    result = applied(op, mesh, method, mesh.points @ slope - 2)
    exact = slope if op is gradient else 0
    inside = ~mesh.boundary if method == "cotangent" else slice(None)
    np.testing.assert_allclose(result[inside], np.zeros_like(result[inside]) + exact, atol=1e-12 * size)


@meshes
@pytest.mark.parametrize("op", METHODS, ids=str)
def test_least_squares_is_exact_for_quadratic_functions_everywhere(mesh, op):
    slope = np.arange(1.0, mesh.ndim + 1)
    matrix = np.random.default_rng(2).uniform(-1, 1, (mesh.ndim, mesh.ndim))
    matrix = matrix + matrix.T
    values = 0.5 * np.einsum("na,ab,nb->n", mesh.points, matrix, mesh.points) + mesh.points @ slope
    exact = {gradient: mesh.points @ matrix + slope, laplacian: np.trace(matrix), hessian: second_derivatives(matrix)}
    result = applied(op, mesh, "lsq", values)
    size = np.abs(stencils(op, mesh, "lsq")[1]).sum(axis=1).max()
    np.testing.assert_allclose(result, np.zeros_like(result) + exact[op], atol=1e-12 * size)


@meshes
@pytest.mark.parametrize("method", AVERAGES)
def test_averages_are_those_of_loops_over_cells(mesh, method):
    values = np.sin(mesh.points.sum(axis=1))
    sums, totals = np.zeros((mesh.num_points, mesh.ndim)), np.zeros(mesh.num_points)
    for cell in mesh.cells:
        corners = mesh.points[cell]
        edges = corners[1:] - corners[0]
        slope = np.linalg.solve(edges, values[cell[1:]] - values[cell[0]])
        for node in cell:
            weight = {
                "volume": abs(np.linalg.det(edges)),
                "uniform": 1.0,
                "inverse_distance": 1 / np.linalg.norm(mesh.points[node] - corners.mean(axis=0)),
            }[method]
            sums[node] += weight * slope
            totals[node] += weight
    np.testing.assert_allclose(applied(gradient, mesh, method, values), sums / totals[:, None], atol=1e-8)


@meshes
@pytest.mark.parametrize("method", AVERAGES)
def test_second_derivatives_of_averages_are_gradients_of_gradients(mesh, method):
    values = np.cos(mesh.points @ np.arange(1, mesh.ndim + 1))
    first = applied(gradient, mesh, method, values)
    twice = np.stack([applied(gradient, mesh, method, column) for column in first.T], axis=1)
    size = np.abs(stencils(hessian, mesh, method)[1]).sum(axis=1).max()
    expected = np.stack([second_derivatives((matrix + matrix.T) / 2) for matrix in twice])
    np.testing.assert_allclose(applied(hessian, mesh, method, values), expected, atol=1e-12 * size)
    traces = np.trace(twice, axis1=1, axis2=2)
    np.testing.assert_allclose(applied(laplacian, mesh, method, values)[:, 0], traces, atol=1e-12 * size)


def test_in_1d_the_averages_are_known_formulas():
    """Volumes give the central difference, distances the one of second order (Fornberg), cotangents that of u''."""
    x = MESHES["1D"].points[:, 0]
    mesh = SimplexMesh.from_points(np.sort(x)[:, None])
    x, u = mesh.points[:, 0], np.exp(mesh.points[:, 0])
    h, slopes = np.diff(x), np.diff(u) / np.diff(x)
    before, after = h[:-1], h[1:]
    known = {
        "volume": (u[2:] - u[:-2]) / (x[2:] - x[:-2]),
        "uniform": (slopes[:-1] + slopes[1:]) / 2,
        "inverse_distance": (after * slopes[:-1] + before * slopes[1:]) / (before + after),
    }
    for method, expected in known.items():
        np.testing.assert_allclose(applied(gradient, mesh, method, u)[1:-1, 0], expected, rtol=1e-10)
    expected = 2 * np.diff(slopes) / (before + after)
    np.testing.assert_allclose(applied(laplacian, mesh, "cotangent", u)[1:-1, 0], expected, rtol=1e-8)


@pytest.mark.parametrize("mesh", [MESHES["1D"], MESHES["2D"], MESHES["3D"]], ids=["1D", "2D", "3D"])
@pytest.mark.parametrize("op", METHODS, ids=str)
def test_no_two_schemes_are_the_same(mesh, op):
    values = np.sin(mesh.points.sum(axis=1))
    results = [applied(op, mesh, method, values) for method in METHODS[op]]
    for one, other in itertools.combinations(results, 2):
        assert relative_error(one, other) > 1e-3


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@combinations
def test_the_scale_of_the_mesh_changes_nothing(scale, op, method):
    mesh = MESHES["2D"]
    other = SimplexMesh(mesh.points * scale, mesh.cells)
    (indices, weights), (same, scaled) = stencils(op, mesh, method), stencils(op, other, method)
    np.testing.assert_array_equal(indices, same)
    order = 1 if op is gradient else 2
    np.testing.assert_allclose(scaled * scale**order, weights, rtol=1e-6, atol=1e-9 * np.abs(weights).max())


def test_least_squares_follows_affine_maps():
    """Boundary layers: a mesh 10,000 times thinner has the stencils of the mesh that it was."""
    mesh = MESHES["2D"]
    thin = SimplexMesh(mesh.points * [1, 1e-4], mesh.cells)
    (indices, weights), (same, thinned) = stencils(gradient, mesh, "lsq"), stencils(gradient, thin, "lsq")
    np.testing.assert_array_equal(indices, same)
    np.testing.assert_allclose(thinned * [1, 1e-4], weights, rtol=1e-5, atol=1e-8 * np.abs(weights).max())


def wave(mesh):
    """sin(pi x) cos(pi y) ..., its gradient and its Laplacian."""
    sines, cosines = np.sin(np.pi * mesh.points), np.cos(np.pi * mesh.points)
    factors = np.where(np.arange(mesh.ndim) == 0, sines, cosines)
    slopes = np.where(np.arange(mesh.ndim) == 0, cosines, -sines)
    parts = [np.where(np.arange(mesh.ndim) == axis, slopes, factors).prod(axis=1) for axis in range(mesh.ndim)]
    values = factors.prod(axis=1)
    return values, {gradient: np.pi * np.stack(parts, 1), laplacian: -mesh.ndim * np.pi**2 * values[:, None]}


@functools.cache
def errors(op, method, ndim, sizes, make=lambda n, ndim: SimplexMesh.from_points(moved_grid(n, ndim, 0.35))):
    """Relative errors inside, and at the boundary."""
    result = []
    for n in sizes:
        mesh = make(n, ndim)
        values, exact = wave(mesh)
        derivative = applied(op, mesh, method, values)
        result.append([relative_error(derivative[at], exact[op][at]) for at in (~mesh.boundary, mesh.boundary)])
    return np.array(result)


@pytest.mark.parametrize("method", METHODS[gradient])
def test_gradients_converge_on_irregular_meshes(method):
    order = 2 if method == "lsq" else 1
    ratios = np.log2(errors(gradient, method, 2, (17, 33))[0] / errors(gradient, method, 2, (17, 33))[1])
    assert np.all(ratios > order - 0.15)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_least_squares_laplacian_converges_on_irregular_meshes(ndim):
    sizes, make = ((7, 13), kuhn_mesh) if ndim == 3 else ((17, 33), None)
    inside, boundary = np.log2(np.divide(*errors(laplacian, "lsq", ndim, sizes, *([make] if make else []))))
    assert inside > 0.9 and (boundary > 0.9 or ndim == 1)  # u = 0 at the ends


def test_the_accuracy_of_the_issue_is_met_at_65_points_per_side():
    assert errors(gradient, "lsq", 2, (65,))[0, 0] < 1.3e-3
    assert errors(laplacian, "lsq", 2, (65,))[0, 0] < 7.5e-3


@pytest.mark.parametrize("method", ["volume", "uniform", "inverse_distance", "cotangent"])
def test_other_laplacians_converge_on_regular_meshes_only(method):
    """That cotangents do not on irregular ones is why `poisson` is in weak form."""
    regular = errors(laplacian, method, 2, (9, 17), lambda n, ndim: kuhn_mesh(n, ndim, 0.0))
    irregular = errors(laplacian, method, 2, (17, 33))
    assert regular[1, 0] < 0.6 * regular[0, 0]
    assert irregular[1, 0] > 0.7 * irregular[0, 0]


def test_at_the_boundary_the_cotangent_laplacian_has_the_natural_condition():
    """It keeps the integral of any function and converges at the sides if the normal derivative vanishes there."""
    errors = []
    for n in (9, 17):
        mesh = kuhn_mesh(n, 2, 0.0)
        values = np.prod(np.cos(np.pi * mesh.points), axis=1)
        result = applied(laplacian, mesh, "cotangent", values)[:, 0]
        corners = np.all((mesh.points == 0) | (mesh.points == 1), axis=1)
        errors.append(relative_error(result[~corners], -2 * np.pi**2 * values[~corners]))
    assert np.log2(errors[0] / errors[1]) > 1.9
    for mesh in MESHES.values():
        flow = mesh.node_volumes * applied(laplacian, mesh, "cotangent", np.exp(mesh.points[:, 0]))[:, 0]
        assert abs(flow.sum()) < 1e-12 * np.abs(flow).sum()


def l_shape(spacing):
    """Nearly equilateral triangles: points moved to the middle of their neighbours."""
    from scipy.spatial import Delaunay

    grid = moved_grid(round(1 / spacing) + 1, 2, 0.0)
    in_notch = lambda p: np.all(p > 0.5 + 1e-9, axis=1)  # noqa: E731
    walls = np.any((grid == 0) | (grid == 1), axis=1) | (np.any(grid == 0.5, axis=1) & np.all(grid >= 0.5, axis=1))
    walls = grid[walls & ~in_notch(grid)]
    rows = np.arange(0.75 * spacing, 1 - spacing / 2, spacing * np.sqrt(0.75))
    columns = np.arange(0.6 * spacing, 1 - spacing / 2, spacing)
    inner = np.array([(x + spacing / 2 * (k % 2), y) for k, y in enumerate(rows) for x in columns])
    inner = inner[~np.all(inner > 0.5 - spacing / 2, axis=1) & (inner[:, 0] < 1 - spacing / 3)]
    points = np.concatenate([walls, inner])
    for _ in range(10):
        cells = Delaunay(points).simplices
        mesh = SimplexMesh(points, cells[~in_notch(points[cells].mean(axis=1))])
        others = mesh.neighbours != np.arange(mesh.num_points)[:, None]
        middles = np.sum(points[mesh.neighbours] * others[..., None], axis=1) / others.sum(axis=1)[:, None]
        points = np.concatenate([walls, middles[len(walls) :]])
    return mesh


@functools.cache
def l_shape_errors(op, method, spacing):
    return errors(op, method, 2, (spacing,), lambda spacing, ndim: l_shape(spacing))[0, 0]


def test_errors_on_an_l_shape_are_below_those_that_the_original_allows():
    """The tolerances of jNO's tests on the same domain with a mesh of Gmsh."""
    bounds = {
        gradient: {"volume": 0.015, "uniform": 0.025, "inverse_distance": 0.025, "lsq": 0.025},
        laplacian: {"volume": 0.1, "cotangent": 0.1, "lsq": 0.18},
    }
    for op, methods in bounds.items():
        for method, bound in methods.items():
            assert l_shape_errors(op, method, 0.05) < bound
    assert np.log2(l_shape_errors(gradient, "volume", 0.1) / l_shape_errors(gradient, "volume", 0.05)) > 1.5
    assert np.log2(l_shape_errors(laplacian, "volume", 0.1) / l_shape_errors(laplacian, "volume", 0.05)) > 0.6


MESH = MESHES["2D"]
VECTOR = NodalField(np.random.default_rng(0).uniform(1, 2, (MESH.num_points, 2)).astype(np.float32), MESH)
SCALAR = NodalField(VECTOR.params[:, :1], MESH)


def test_operators_apply_their_stencils_to_every_channel(float64):
    u = NodalField(np.asarray(VECTOR.params, float), MESH)
    slopes = np.stack([applied(gradient, MESH, "volume", column) for column in np.asarray(u.params).T], axis=1)
    upper = np.stack([applied(hessian, MESH, "lsq", column) for column in np.asarray(u.params).T], axis=1)
    cases = (
        (jacobian(u), slopes.reshape(-1, 4)),
        (divergence(u), np.trace(slopes, axis1=1, axis2=2)[:, None]),
        (curl(u), (slopes[:, 1, 0] - slopes[:, 0, 1])[:, None]),
        (curl(NodalField(u.params[:, :1], MESH)), np.stack([slopes[:, 0, 1], -slopes[:, 0, 0]], axis=1)),
        (gradient(NodalField(u.params[:, :1], MESH), scheme="finite_difference"), slopes[:, 0]),
        (hessian(u, scheme="finite_difference:lsq"), upper[:, :, [0, 1, 1, 2]].reshape(-1, 8)),
        (
            laplacian(u, scheme="finite_difference:cotangent"),
            np.stack([applied(laplacian, MESH, "cotangent", column)[:, 0] for column in np.asarray(u.params).T], 1),
        ),
    )
    for result, expected in cases:
        assert type(result) is NodalField and result.domain == MESH
        np.testing.assert_allclose(result.params, expected, rtol=1e-10, atol=1e-9)


def test_curl_in_3d_is_that_of_a_rotation(float64):
    mesh = MESHES["3D"]
    u = NodalField.from_function(lambda x: jnp.stack([x[1] - x[2], 2 * x[2], 3 * x[0]]), mesh)
    np.testing.assert_allclose(curl(u).params, np.broadcast_to([-2.0, -4.0, -1.0], u.params.shape), atol=1e-9)


def test_the_default_scheme_is_that_of_the_context():
    with default_scheme("finite_difference:lsq"):
        inner = gradient.default_params(SCALAR)
    np.testing.assert_array_equal(inner["weights"], stencils(gradient, MESH, "lsq")[1])
    np.testing.assert_array_equal(gradient.default_params(SCALAR)["weights"], stencils(gradient, MESH, "volume")[1])


def test_leading_axes_complex_values_and_vmap_are_one_batch():
    both = NodalField(jnp.stack([VECTOR.params, -2 * VECTOR.params]), MESH)
    single = laplacian(VECTOR).params
    for result in (laplacian(both), jax.vmap(laplacian)(both)):
        np.testing.assert_allclose(result.params, jnp.stack([single, -2 * single]), rtol=1e-4, atol=1e-4)
    complexes = laplacian(NodalField(VECTOR.params * (1 + 2j), MESH)).params
    np.testing.assert_allclose(complexes, single * (1 + 2j), rtol=1e-4, atol=1e-4)


def test_single_and_half_precision_are_kept(float64):
    for dtype in (jnp.float32, jnp.bfloat16):
        u = NodalField(VECTOR.params.astype(dtype), MESH)
        for op in (jacobian, divergence, laplacian, hessian):
            assert op(u).params.dtype == dtype
            assert op(u, params=jax.tree.map(jnp.asarray, op.default_params(u))).params.dtype == dtype


def test_default_parameters_are_computed_once_and_cannot_be_changed():
    first, second = (laplacian.default_params(VECTOR, scheme="finite_difference:lsq") for _ in range(2))
    assert first["weights"] is second["weights"] and first is not second
    assert (first["indices"].dtype, first["weights"].dtype) == (np.int32, np.float64)
    with pytest.raises(ValueError, match="read-only"):
        first["weights"][0] = 0


def test_parameters_can_be_learned():
    """The weights of another scheme are found by gradient descent; whole params are differentiated with allow_int."""
    goal, start = (gradient.default_params(SCALAR, scheme=FiniteDifference(m)) for m in ("volume", "uniform"))
    np.testing.assert_array_equal(goal["indices"], start["indices"])
    fields = NodalField(np.random.default_rng(0).standard_normal((40, MESH.num_points, 1)).astype(np.float32), MESH)
    wanted = gradient(fields, params=goal).params

    def loss(weights):
        return jnp.mean((gradient(fields, params={**start, "weights": weights}).params - wanted) ** 2)

    step = jax.jit(lambda weights: weights - 0.15 * MESH.num_points * jax.grad(loss)(weights))
    weights = first = jnp.asarray(start["weights"], jnp.float32)
    for _ in range(300):
        weights = step(weights)
    assert loss(weights) < 1e-2 * loss(first)
    whole = jax.grad(lambda params: jnp.sum(laplacian(VECTOR, params=params).params ** 2), allow_int=True)
    slopes = whole(jax.tree.map(jnp.asarray, laplacian.default_params(VECTOR)))
    assert np.all(np.isfinite(slopes["weights"])) and np.any(slopes["weights"] != 0)


def test_few_points_are_enough_where_they_determine_a_quadratic_polynomial():
    six = SimplexMesh.from_points([[0, 0], [2, 0], [0, 2], [1, 0], [0, 1], [1.1, 1.2]])
    values = six.points[:, 0] * six.points[:, 1]
    np.testing.assert_allclose(applied(hessian, six, "lsq", values), np.tile([0.0, 1.0, 0.0], (6, 1)), atol=1e-10)
    five = SimplexMesh.from_points([[0, 0], [2, 0], [0, 2], [1, -0.1], [-0.1, 1]])
    for op in METHODS:
        with pytest.raises(
            ValueError, match=r"a mesh must have points that determine a quadratic .* around point 0 at"
        ):
            stencils(op, five, "lsq")


def test_rings_are_added_where_two_do_not_determine_the_polynomial_well():
    mesh = SimplexMesh.from_points(np.random.default_rng(42).uniform(0, 1, (9, 2)).round(2))
    indices, weights = stencils(laplacian, mesh, "lsq")
    reach = [set(np.unique(mesh.neighbours[row]).tolist()) for row in mesh.neighbours]
    used = [set(row[np.any(entries != 0, axis=-1)].tolist()) for row, entries in zip(indices, weights, strict=True)]
    assert 0 < sum(not nodes <= ring for nodes, ring in zip(used, reach, strict=True)) < mesh.num_points / 2
    np.testing.assert_allclose(applied(laplacian, mesh, "lsq", mesh.points[:, 0] ** 2), 2, rtol=1e-9)


LINE = NodalField(np.ones((MESHES["1D"].num_points, 1), np.float32), MESHES["1D"])
PARAMS = gradient.default_params(SCALAR)
REFUSED = {
    r"`scheme` of `gradient` on a mesh in 2D must be one of 'finite_difference', 'finite_difference:uniform', "
    r"'finite_difference:inverse_distance', 'finite_difference:lsq', got 'finite_difference:cotangent'": lambda: (
        gradient(SCALAR, scheme="finite_difference:cotangent")
    ),
    "`scheme` of `jacobian` on a mesh in 2D must": lambda: jacobian(VECTOR, scheme=FiniteDifference("cotangent")),
    "`scheme` of `divergence` on a mesh": lambda: divergence(VECTOR, scheme=FiniteDifference("cotangent")),
    "`scheme` of `curl` on a mesh": lambda: curl(VECTOR, scheme=FiniteDifference("cotangent")),
    "`scheme` of `hessian` on a mesh in 1D must be": lambda: hessian(LINE, scheme=FiniteDifference("cotangent")),
    "`scheme` must be one of .*'finite_difference:lsq'.*, got 'finite_difference:unifrom'": lambda: gradient(
        SCALAR, scheme="finite_difference:unifrom"
    ),
    "`scheme` must here be one of 'finite_difference',.*got 'automatic_differentiation'": lambda: laplacian(
        SCALAR, scheme="automatic_differentiation"
    ),
    "`gradient` must get a field with 1 channels, got 2. Use `jacobian`": lambda: gradient(VECTOR),
    "`divergence` must get a field with 2 channels, got 1": lambda: divergence(SCALAR),
    "`curl` must get a field with 1 or 2 channels, got 3": lambda: curl(NodalField(np.ones((49, 3)), MESH)),
    "`curl` must get a field in 2D or 3D, got one in 1D": lambda: curl(LINE),
    "`params` of `gradient` must be a dictionary with `indices` and `weights`, got": lambda: gradient(
        SCALAR, params=[np.ones(3)]
    ),
    r"`params` of `laplacian` must have `weights` of shape \(49, \d+, 1\), got \(49, \d+, 2\)": lambda: laplacian(
        SCALAR, params=PARAMS
    ),
    r"`params` of `gradient` must have integer `indices` of shape \(49, k\), got int32 of shape \(12,": lambda: (
        gradient(SCALAR, params=gradient.default_params(LINE))
    ),
    r"must have integer `indices` of shape \(49, k\), got float": lambda: gradient(
        SCALAR, params={**PARAMS, "indices": PARAMS["indices"] * 1.0}
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_refused(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


def test_a_scheme_beside_parameters_is_refused():
    with pytest.raises(ValueError, match="`scheme` must be left out beside `params` of `gradient`, which it makes"):
        gradient(SCALAR, params=PARAMS, scheme="finite_difference")


def test_complex_weights_make_a_complex_field():
    params = laplacian.default_params(SCALAR)
    turned = laplacian(SCALAR, params={**params, "weights": params["weights"] * 1j})
    assert turned.params.dtype == jnp.complex64
    np.testing.assert_allclose(turned.params, 1j * laplacian(SCALAR).params, rtol=1e-6)


def test_points_that_the_mesh_does_not_have_are_refused():
    params = laplacian.default_params(SCALAR)
    with pytest.raises(ValueError, match=r"`params` of `laplacian` must have `indices` from 0 to \d+, got 1000"):
        laplacian(SCALAR, params={**params, "indices": params["indices"] + 1000})
