"""Fields on a mesh: values, arithmetic, interpolation, and passage through transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.fields import Domain, OnGrid
from pdequinox.mesh import NodalField, SimplexMesh
from pdequinox.operators import (
    RK4,
    compose,
    dot_product,
    functional,
    get_component,
    inverse,
    laplacian,
    sum_over_dims,
)
from test_mesh_simplex_mesh import MESHES, kuhn_mesh, meshes

MESH = MESHES["2D"]
VALUES = np.random.default_rng(0).uniform(1, 2, (MESH.num_points, 3)).astype(np.float32)


def test_a_field_has_the_values_of_a_function_at_the_points():
    u = NodalField.from_function(lambda x: jnp.stack([x[0], x[1], x[0] * x[1]]), MESH)
    x, y = MESH.points.T
    np.testing.assert_allclose(u.on_grid, np.stack([x, y, x * y], axis=1), rtol=1e-6)
    assert (u.dims, u.mesh, u.domain, u.condition, u.is_real) == (3, MESH, MESH, ("free", "free"), True)
    assert NodalField.from_function(lambda x: x[0], MESH).params.shape == (MESH.num_points, 1)
    assert NodalField.from_grid(x.astype(np.float32), MESH).params.shape == (MESH.num_points, 1)


def test_values_of_functions_have_the_precision_that_is_asked_for(float64):
    for dtype, expected in ((None, jnp.float64), (jnp.float32, jnp.float32)):
        assert NodalField.from_function(jnp.sum, MESH, dtype).params.dtype == expected


def test_arithmetic_is_that_of_the_values():
    u, v = NodalField(VALUES, MESH), NodalField(VALUES[:, ::-1], MESH)
    along = np.arange(MESH.num_points)
    cases = (
        (u + v, VALUES + VALUES[:, ::-1]),
        (u * v - u / v, VALUES * VALUES[:, ::-1] - VALUES / VALUES[:, ::-1]),
        (2 - u**2, 2 - VALUES**2),
        (-u * along, -VALUES * along[:, None]),
        (u + VALUES[0], VALUES + VALUES[0]),
        (+u / 2.0, VALUES / 2),
    )
    for result, wanted in cases:
        assert type(result) is NodalField and result.domain == MESH
        np.testing.assert_allclose(result.params, wanted, rtol=1e-5)


def test_operators_on_values_take_nodal_fields():
    u = NodalField(VALUES, MESH)
    cases = (
        (get_component(u, 2), VALUES[:, 2:]),
        (sum_over_dims(u), VALUES.sum(axis=1, keepdims=True)),
        (inverse(u), 1 / VALUES),
        (compose(u)(jnp.exp), np.exp(VALUES)),
    )
    for result, wanted in cases:
        assert type(result) is NodalField
        np.testing.assert_allclose(result.params, wanted, rtol=1e-6)
    assert functional(u)(jnp.max) == VALUES.max()


@meshes
def test_the_inner_product_integrates_linear_functions_exactly(mesh, float64):
    one = NodalField(np.ones((2, mesh.num_points, 1)), mesh)
    u = NodalField.from_function(lambda x: x[:1] - 2, mesh)
    centres = mesh.points[mesh.cells].mean(axis=1)
    expected = mesh.volumes @ (centres[:, 0] - 2)
    np.testing.assert_allclose(dot_product(one, one * u), [expected] * 2, rtol=1e-12)
    np.testing.assert_allclose(dot_product(u, 1j * u), 1j * np.sum(mesh.node_volumes * u.params[:, 0] ** 2), rtol=1e-12)
    np.testing.assert_allclose(dot_product(u, u, quadrature=False), np.sum(u.params**2), rtol=1e-12)
    with pytest.raises(ValueError, match=r"`v` must have as many channels as `u` \(1\), got 2"):
        dot_product(u, NodalField(np.ones((mesh.num_points, 2)), mesh))
    with pytest.raises(ValueError, match=r"`params` must be left out for an operator that has none"):
        dot_product(u, u, params=1.0)


def test_arithmetic_keeps_single_precision(float64):
    u = NodalField(VALUES, MESH)
    for result in (u * 2.0, u + np.ones(3), u * np.ones(MESH.num_points), u - np.float64(2), u(np.ones(2))):
        assert getattr(result, "params", result).dtype == jnp.float32


@meshes
def test_linear_functions_are_interpolated_exactly_also_outside(mesh, float64):
    slope = np.arange(1.0, mesh.ndim + 1)
    u = NodalField.from_function(lambda x: jnp.stack([x @ slope - 1, -(x @ slope)]), mesh)
    low, high = mesh.points.min(axis=0), mesh.points.max(axis=0)
    points = np.random.default_rng(1).uniform(low - 0.2, high + 0.2, (50, mesh.ndim))
    points = np.concatenate([points, mesh.points])
    values, slopes = jax.jit(jax.vmap(lambda x: (u(x), jax.jacobian(u)(x))))(points)
    np.testing.assert_allclose(values, np.stack([points @ slope - 1, -(points @ slope)], axis=1), atol=1e-9)
    np.testing.assert_allclose(slopes, np.broadcast_to([slope, -slope], slopes.shape), atol=1e-7)


def test_leading_axes_are_kept_by_interpolation(float64):
    u = NodalField(np.stack([VALUES, 2 * VALUES]).astype(float), MESH)
    assert u(MESH.points[3]).shape == (2, 3)
    np.testing.assert_allclose(u(MESH.points[3]), u.params[:, 3], rtol=1e-12)


def test_a_field_passes_through_transformations():
    u = NodalField(VALUES, MESH)
    assert "domain=SimplexMesh(ndim=2, num_points=49, num_cells=72)" in str(u)
    doubled = jax.jit(lambda u: u + u)(u)
    np.testing.assert_allclose(doubled.params, 2 * VALUES)
    many = jax.vmap(lambda values: NodalField(values, MESH) * 2)(np.stack([VALUES, -VALUES]))
    assert many.params.shape == (2, *VALUES.shape)
    slope = jax.grad(lambda u: jnp.sum((u * u).params))(u)
    np.testing.assert_allclose(slope.params, 2 * VALUES, rtol=1e-6)


def test_heat_is_conserved_by_the_cotangent_laplacian_in_a_time_step(float64):
    mesh = kuhn_mesh(5, 2, 0.2)
    u = NodalField.from_function(lambda x: jnp.exp(x[0]) * x[1], mesh)
    step = RK4(lambda u: laplacian(u, scheme="finite_difference:cotangent"), 1e-3)
    later = jax.lax.fori_loop(0, 10, lambda _, u: step(u), u)
    heat = lambda u: np.sum(mesh.node_volumes * np.asarray(u.params)[:, 0])  # noqa: E731
    assert heat(later) == pytest.approx(heat(u), rel=1e-12)
    assert np.var(later.params) < 0.9 * np.var(u.params)


FIELD = NodalField(VALUES, MESH)
OTHER = SimplexMesh(MESH.points * 2, MESH.cells)
REFUSED = {
    "`domain` must be a SimplexMesh, got Domain": lambda: NodalField(VALUES, Domain(4, 1.0)),
    r"`free_axes` must be empty on a mesh, got \(0,\)": lambda: FIELD.with_free_axes((0,)),
    "`params` must hold floating-point or complex numbers": lambda: NodalField(VALUES.astype(int), MESH),
    r"`params` must have shape \(\*batch, 49, channels\), got \(48, 3\)": lambda: NodalField(VALUES[1:], MESH),
    r"`params` must have shape .*, got \(49,\)": lambda: NodalField(VALUES[:, 0], MESH),
    r"`function` must return shape \(C,\) or \(\), got \(2, 2\)": lambda: NodalField.from_function(
        lambda x: jnp.outer(x, x), MESH
    ),
    r"an array must be broadcast to the shape \(49, 3\) .* got shape \(2, 49, 3\)": lambda: FIELD + np.ones((2, 49, 3)),
    r"`x` must have shape \(2,\), got \(3, 2\)": lambda: FIELD(np.zeros((3, 2))),
    "two fields must have the same domain, got SimplexMesh": lambda: FIELD + NodalField(VALUES, OTHER),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_refused(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


def test_fields_of_other_types_are_refused():
    with pytest.raises(TypeError, match="two fields must have the same type, got NodalField and OnGrid"):
        FIELD + OnGrid(jnp.ones((4, 1)), Domain(4, 1.0))
