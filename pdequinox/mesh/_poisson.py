"""Poisson's equation in weak form, with linear elements."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.sparse.linalg import cg

from .._checks import check_integer
from ..operators import operator
from . import _stencils
from ._nodal_field import NodalField
from ._operators import apply_stencil, row_sums, stencil
from ._simplex_mesh import SimplexMesh


def stiffness(mesh: SimplexMesh) -> dict[str, np.ndarray]:
    r"""The stiffness matrix $K_{ij} = \int \nabla\phi_i \cdot \nabla\phi_j\,dx$ of the hat functions.

    Symmetric and positive semidefinite, with zero row sums. In 2D its entries are those of the cotangent formula,
    $K_{ij} = -(\cot\alpha + \cot\beta) / 2$ with the angles opposite of the edge ij; in other dimensions it is made in
    the same way, from the gradients of the barycentric coordinates. See `SimplexMesh.node_volumes` for the lumped mass.

    **Returns:** `{"indices": (num_points, k), "weights": (num_points, k, 1)}`, NumPy arrays: row i has the columns
    `indices[i]`, filled up with i and the weight 0. Dividing by minus the lumped mass gives the parameters of
    `laplacian` with the scheme `"finite_difference:cotangent"`.

    ??? cite "Source"
        Pinkall and Polthier, *Computing Discrete Minimal Surfaces and Their Conjugates*, Experimental Mathematics 2
        (1993), for the formula in 2D.
    """
    return stencil(*_stencils.stiffness_rows(mesh))


def _poisson_params(f: NodalField, boundary_values: Any = 0.0, **options: Any) -> dict[str, np.ndarray]:
    del boundary_values, options
    return stiffness(f.domain)


@operator(init_params=_poisson_params)
def poisson(
    f: NodalField,
    boundary_values: Any = 0.0,
    *,
    fixed: Any = None,
    tolerance: Any = None,
    max_steps: Any = None,
    params: Any = None,
) -> NodalField:
    r"""Solve $-\Delta u = f$ in weak form: $\int \nabla u \cdot \nabla\phi_i = \int f \phi_i$ for all free nodes i.

    Linear elements, $K u = M f$, converge at second order, on irregular meshes too, where the pointwise Laplacian with
    the same matrix does not. M is the mean of the mass matrix $\int \phi_i \phi_j$ and of its lumped diagonal, whose
    errors have opposite signs; on uniform meshes in 1D that is Numerov's scheme, of fourth order. Solved by conjugate
    gradients with the diagonal as preconditioner, one system for each channel and entry of the batch; derivatives by
    `f`, `boundary_values` and `params` solve one more. (Second ones are `jax.grad` or `jax.jacfwd` of `jax.grad`:
    forward over forward fails inside of JAX's linear solve.)

    **Arguments:**

    - `f`: The right-hand side; in [u]/[L]².
    - `boundary_values`: The values of u at the fixed nodes: a number, or a field on the same mesh (its other values
        are not used).
    - `fixed`: Which nodes have given values, a mask of shape `(num_points,)`; by default all of `mesh.boundary`. At the
        rest of the boundary $\partial_n u = 0$. Each connected part of the mesh needs a fixed node.
    - `tolerance`: The relative residual at which the iteration ends; by default 1e-10 in double precision and 1e-6 in
        single precision.
    - `max_steps`: The largest number of iterations; by default ten per node.
    - `params`: The matrix, as of `stiffness`. It must be symmetric and positive, as with a learned conductivity.

    **Returns:** The solution; in [u].

    **Raises:** `ValueError` for a mask of another shape, without a fixed node, or traced, for a tolerance or number of
    steps that is not positive, and for boundary values on another mesh.
    """
    mesh = f.domain
    fixed = _mask(fixed, mesh)
    given = f * 0 + boundary_values
    f = given * 0 + f  # both complex if one is
    dtype = jnp.promote_types(f.params.dtype, jnp.float32)
    if tolerance is None:
        tolerance = 1e-10 if jnp.finfo(dtype).bits > 32 else 1e-6
    if not isinstance(tolerance, int | float) or not tolerance > 0:
        raise ValueError(f"`tolerance` must be a positive number, known when tracing, got {tolerance}. Try 1e-6.")
    max_steps = None if max_steps is None else check_integer("max_steps", max_steps)
    given = f.replace_params(jnp.where(fixed[:, None], given.params, 0))
    load = apply_stencil("poisson", f, stencil(*_stencils.mass_rows(mesh)), 1)
    load = (load - apply_stencil("poisson", given, params, 1))[..., 0]
    columns = jnp.moveaxis(jnp.where(fixed[:, None], 0, load), -1, -2).astype(dtype)
    weights = jnp.asarray(params["weights"], dtype)
    solve = functools.partial(_solve, params["indices"], weights, fixed, float(tolerance), max_steps)
    solutions = jax.vmap(solve)(columns.reshape(-1, mesh.num_points)).reshape(columns.shape)
    return given + jnp.moveaxis(solutions, -1, -2).astype(f.params.dtype)


@functools.partial(jax.jit, static_argnums=(3, 4))
def _solve(indices: Any, weights: Any, fixed: Any, tolerance: float, max_steps: int | None, load: Any) -> Any:
    """Conjugate gradients among the functions that vanish at the fixed nodes."""
    rows = jnp.arange(len(load))[:, None]
    diagonal = jnp.where(fixed, 1, jnp.sum(jnp.where(indices == rows, weights[..., 0], 0), axis=1))

    def matrix(v: Any) -> Any:
        return jnp.where(fixed, v, row_sums(indices, weights, jnp.where(fixed, 0, v))[:, 0])

    return cg(matrix, load, tol=tolerance, maxiter=max_steps, M=lambda v: v / diagonal)[0]


def _mask(fixed: Any, mesh: SimplexMesh) -> np.ndarray:
    if fixed is None:
        return mesh.boundary
    if isinstance(fixed, Tracer):
        raise ValueError("`fixed` must be known when tracing, got a traced array. Make the mask outside of `jax.jit`.")
    fixed = np.asarray(fixed)
    if fixed.shape != mesh.N or fixed.dtype != bool or not fixed.any():
        raise ValueError(
            f"`fixed` must be a mask of shape {mesh.N} with at least one node, got {fixed.dtype} of shape "
            f"{fixed.shape} with {np.count_nonzero(fixed)}. Use a part of `mesh.boundary`."
        )
    return fixed
