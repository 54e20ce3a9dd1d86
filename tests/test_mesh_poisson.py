"""The weak form: the matrix, solutions of second order, derivatives by everything, and the accuracy that docs quote."""

import functools
import importlib.util
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.mesh import NodalField, SimplexMesh, poisson, stiffness
from pdequinox.operators import laplacian
from test_mesh_simplex_mesh import MESHES, kuhn_mesh, meshes, moved_grid

DOCS = Path(__file__).parents[1] / "docs"


def dense(params):
    """Padded rows as a matrix."""
    indices, weights = params["indices"], params["weights"][..., 0]
    matrix = np.zeros((len(indices), len(indices)))
    np.add.at(matrix, (np.arange(len(indices))[:, None], indices), weights)
    return matrix


def relative_error(values, exact):
    return np.linalg.norm(values - exact) / np.linalg.norm(exact)


def test_complex_boundary_values_are_continued_inside(float64):
    mesh = MESHES["2D"]
    u = NodalField.from_function(lambda x: x[0] - 2 * x[1], mesh)
    np.testing.assert_allclose(poisson(u * 0, u * 1j).params, 1j * u.params, atol=1e-8)


@meshes
def test_the_stiffness_is_symmetric_positive_semidefinite_and_exact_for_linear_functions(mesh):
    matrix = dense(stiffness(mesh))
    size = np.abs(matrix).max()
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-13 * size)
    values = np.linalg.eigvalsh(matrix)
    assert abs(values[0]) < 1e-12 * size < values[1] * 1e-3
    slope = np.arange(1.0, mesh.ndim + 1)
    linear = mesh.points @ slope
    assert linear @ matrix @ linear == pytest.approx(mesh.volumes.sum() * slope @ slope)


def test_the_stiffness_in_2d_has_the_cotangents_of_the_opposite_angles():
    mesh = MESHES["2D"]
    expected = np.zeros((mesh.num_points, mesh.num_points))
    for cell in mesh.cells:
        for corner in range(3):
            i, j = cell[corner - 2], cell[corner - 1]
            a, b = mesh.points[i] - mesh.points[cell[corner]], mesh.points[j] - mesh.points[cell[corner]]
            cotangent = (a @ b) / abs(a[0] * b[1] - a[1] * b[0])
            expected[[i, j, i, j], [j, i, i, j]] += np.array([-0.5, -0.5, 0.5, 0.5]) * cotangent
    np.testing.assert_allclose(dense(stiffness(mesh)), expected, atol=1e-12)


@meshes
def test_the_cotangent_laplacian_is_the_stiffness_over_the_lumped_mass(mesh):
    u = NodalField(np.ones((mesh.num_points, 1)), mesh)
    matrix = dense(laplacian.default_params(u, scheme="finite_difference:cotangent"))
    np.testing.assert_allclose(matrix * mesh.node_volumes[:, None], -dense(stiffness(mesh)), atol=1e-12)


def wave(x):
    return jnp.sin(jnp.pi * x[0]) * jnp.prod(jnp.cos(jnp.pi * x[1:]))


def poisson_error(mesh, boundary=None):
    """With the exact values at the boundary."""
    u = NodalField.from_function(wave, mesh)
    solution = np.asarray(jax.jit(lambda u: poisson(mesh.ndim * jnp.pi**2 * u, u, fixed=boundary))(u).params)
    inside = ~mesh.boundary
    return relative_error(solution[inside], np.asarray(u.params)[inside])


def test_the_solution_converges_at_second_order_on_irregular_meshes(float64):
    """Below the errors of the reference on the same meshes."""
    errors = [poisson_error(SimplexMesh.from_points(moved_grid(n, 2, 0.35))) for n in (17, 33, 65)]
    assert np.all(np.array(errors) < [3.8e-3, 9.4e-4, 2.3e-4])
    assert np.all(np.log2(np.divide(errors[:-1], errors[1:])) > 1.9)


def test_the_solution_converges_in_1d_and_3d(float64):
    """In 1D on uniform meshes at fourth order."""
    line = [poisson_error(kuhn_mesh(n, 1, 0.0)) for n in (9, 17)]
    assert np.log2(line[0] / line[1]) == pytest.approx(4, abs=0.1)
    cube = [poisson_error(kuhn_mesh(n, 3, 0.2)) for n in (5, 9)]
    assert np.log2(cube[0] / cube[1]) > 1.7


def test_what_is_not_fixed_at_the_boundary_has_the_natural_condition(float64):
    """The derivative of the cosine vanishes at y = 0 and y = 1."""
    errors = []
    for n in (9, 17):
        mesh = SimplexMesh.from_points(moved_grid(n, 2))
        errors.append(poisson_error(mesh, (mesh.points[:, 0] == 0) | (mesh.points[:, 0] == 1)))
    assert np.log2(errors[0] / errors[1]) > 1.8


@meshes
def test_harmonic_linear_functions_are_solved_exactly(mesh, float64):
    """Channels and leading axes are systems of their own."""
    slope = np.arange(1.0, mesh.ndim + 1)
    linear = mesh.points @ slope
    u = NodalField(np.stack([np.stack([linear, 1e6 * linear], 1), np.stack([1 - linear, linear**0], 1)]), mesh)
    solution = poisson(0 * u, u)
    np.testing.assert_allclose(solution.params, u.params, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(poisson(0 * u, 2.5).params, np.full(u.params.shape, 2.5), rtol=1e-7)


MESH = SimplexMesh.from_points(moved_grid(9, 2))
FORCE = NodalField.from_function(lambda x: jnp.exp(x[0]) * (1 + x[1]), MESH)


def test_the_solution_solves_the_linear_system(float64):
    force = NodalField(np.asarray(FORCE.params, float), MESH)
    matrix, inside = dense(stiffness(MESH)), ~MESH.boundary
    solution = np.asarray(poisson(force, 0.5).params)[:, 0]
    corners = MESH.points[MESH.cells]
    shares = (np.ones((3, 3)) + np.eye(3)) / 24 + np.eye(3) / 6
    load = np.zeros(MESH.num_points)
    for cell, (a, b, c) in zip(MESH.cells, corners, strict=True):
        area = abs(np.cross([*(b - a), 0], [*(c - a), 0])[2]) / 2
        load[cell] += area * shares @ np.asarray(force.params)[cell, 0]
    np.testing.assert_allclose((matrix @ solution)[inside], load[inside], atol=1e-9)
    np.testing.assert_allclose(solution[~inside], 0.5)


def test_derivatives_by_force_boundary_and_conductivity_are_those_of_differences(float64):
    params = jax.tree.map(jnp.asarray, stiffness(MESH))
    arguments = (np.asarray(FORCE.params, float), 0.3, 1.7)

    @jax.jit
    def energy(force, boundary, conductivity):
        given = {**params, "weights": conductivity * params["weights"]}
        solution = poisson(NodalField(force, MESH), boundary, params=given)
        return jnp.sum(solution.params**2)

    slopes = jax.grad(energy, argnums=(0, 1, 2))(*arguments)
    step = 1e-4
    moved = np.cos(np.arange(MESH.num_points))[:, None]
    for number, direction in enumerate((moved, 1.0, 1.0)):
        ends = [
            energy(*(a + sign * step * direction if k == number else a for k, a in enumerate(arguments)))
            for sign in (1, -1)
        ]
        difference = float(ends[0] - ends[1]) / (2 * step)
        assert np.sum(slopes[number] * direction) == pytest.approx(difference, rel=1e-5)


def test_single_precision_is_kept_and_enough(float64):
    solution = poisson(NodalField(np.asarray(FORCE.params, np.float32), MESH))
    double = poisson(NodalField(np.asarray(FORCE.params, np.float64), MESH))
    assert (solution.params.dtype, double.params.dtype) == (jnp.float32, jnp.float64)
    assert relative_error(np.asarray(solution.params), np.asarray(double.params)) < 1e-5


def test_the_iteration_ends_at_the_tolerance_or_the_last_step(float64):
    force = NodalField(np.asarray(FORCE.params, np.float64), MESH)
    exact = poisson(force).params
    errors = [
        relative_error(np.asarray(poisson(force, **options).params), exact)
        for options in ({"tolerance": 1e-4}, {"tolerance": 1e-2}, {"max_steps": 2})
    ]
    assert 1e-9 < errors[0] < errors[1] < 0.1 < errors[2]


REFUSED = {
    r"`fixed` must be a mask of shape \(81,\) with at least one node, got bool of shape \(80,\)": lambda: poisson(
        FORCE, fixed=MESH.boundary[1:]
    ),
    "`fixed` must be a mask .* got int64": lambda: poisson(FORCE, fixed=np.arange(81)),
    r"`fixed` must be a mask .* got bool of shape \(81,\) with 0": lambda: poisson(FORCE, fixed=np.zeros(81, bool)),
    "`fixed` must be known when tracing": lambda: jax.jit(lambda m: poisson(FORCE, fixed=m))(MESH.boundary),
    "`tolerance` must be a positive number, known when tracing, got 0": lambda: poisson(FORCE, tolerance=0),
    "`max_steps` must be an integer of at least 1, got 0": lambda: poisson(FORCE, max_steps=0),
    "two fields must have the same domain": lambda: poisson(
        FORCE, NodalField(FORCE.params, SimplexMesh(MESH.points * 2, MESH.cells))
    ),
    "`params` of `poisson` must be a dictionary": lambda: poisson(FORCE, params=np.eye(81)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_refused(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


@functools.cache
def guide():
    spec = importlib.util.spec_from_file_location("mesh_accuracy", DOCS / "guides" / "mesh_accuracy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_errors_in_the_docs_are_those_of_the_script():
    """Checked on the coarsest mesh, and one solution."""
    rows = re.findall(
        r"^\| (\w+) \| `finite_difference(.*?)` \| (\S+), .*? \| (\S+),", (DOCS / "api" / "mesh.md").read_text(), re.M
    )
    mesh = SimplexMesh.from_points(guide().jittered_points(guide().SIZES[0]))
    errors = guide().derivative_errors(mesh)
    assert [row[:2] for row in rows] == list(errors)
    for name, method, *written in rows:
        assert [float(value) for value in written] == pytest.approx(errors[name, method], rel=0.1)
    (written,) = re.findall(r"relative error inside: (\S+),", (DOCS / "api" / "mesh.md").read_text())
    assert float(written) == pytest.approx(guide().poisson_error(mesh), rel=0.1)
