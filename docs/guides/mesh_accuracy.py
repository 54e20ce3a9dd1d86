"""Errors of the derivatives on irregular meshes, and of Poisson's equation.

`python docs/guides/mesh_accuracy.py` prints the tables of `docs/api/mesh.md`. The function is sin(pi x) cos(pi y) on
the unit square; the meshes are Delaunay's, of a grid with n points along each side whose inner points are moved by up
to 0.35 spacings in each direction, or of random inner points. Errors are root mean squares over the inner points and
over those of the boundary, relative to that of the derivative there, in double precision.
"""

import jax
import jax.numpy as jnp
import numpy as np

from pdequinox.mesh import NodalField, SimplexMesh, poisson
from pdequinox.operators import gradient, hessian, laplacian

SIZES = (17, 33, 65)
METHODS = ("", ":uniform", ":inverse_distance", ":lsq", ":cotangent")
OPERATORS = {"gradient": gradient, "Laplacian": laplacian, "Hessian": hessian}


def grid_points(n: int, ndim: int = 2) -> np.ndarray:
    """The points of a regular grid in the unit cube, of shape `(n**ndim, ndim)`."""
    return np.stack(np.meshgrid(*[np.linspace(0, 1, n)] * ndim, indexing="ij"), axis=-1).reshape(-1, ndim)


def jittered_points(n: int, ndim: int = 2, amount: float = 0.35, seed: int = 0) -> np.ndarray:
    """A grid whose inner points are moved by up to `amount` spacings along each axis."""
    points = grid_points(n, ndim)
    inside = ~on_walls(points)
    points[inside] += np.random.default_rng(seed).uniform(-amount, amount, (inside.sum(), ndim)) / (n - 1)
    return points


def random_points(n: int, seed: int = 0) -> np.ndarray:
    """As many points as a grid has, the inner ones anywhere."""
    points = grid_points(n)
    inside = ~on_walls(points)
    points[inside] = np.random.default_rng(seed).uniform(0, 1, (inside.sum(), 2))
    return points


def on_walls(points: np.ndarray) -> np.ndarray:
    return np.any((points == 0) | (points == 1), axis=1)


def wave(x: jax.Array) -> jax.Array:
    """sin(pi x) times the cosines of pi times the other coordinates."""
    return jnp.sin(jnp.pi * x[0]) * jnp.prod(jnp.cos(jnp.pi * x[1:]))


def relative_error(values: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(values - exact) / np.linalg.norm(exact))


def exact_derivatives(points: np.ndarray) -> dict[str, np.ndarray]:
    """Gradient, Laplacian and Hessian of the wave, by automatic differentiation."""
    second = np.asarray(jax.vmap(jax.hessian(wave))(jnp.asarray(points)))
    return {
        "gradient": np.asarray(jax.vmap(jax.grad(wave))(jnp.asarray(points))),
        "Laplacian": np.trace(second, axis1=1, axis2=2)[:, None],
        "Hessian": second.reshape(len(points), -1),
    }


def derivative_errors(mesh: SimplexMesh) -> dict[tuple[str, str], tuple[float, float]]:
    """For each operator and method the errors inside and at the boundary."""
    with jax.enable_x64(True):
        u, exact = NodalField.from_function(wave, mesh), exact_derivatives(mesh.points)
        errors = {}
        for name, op in OPERATORS.items():
            for method in METHODS if name == "Laplacian" else METHODS[:-1]:
                values = np.asarray(op(u, scheme="finite_difference" + method).params)
                places = (~mesh.boundary, mesh.boundary)
                errors[name, method] = tuple(relative_error(values[at], exact[name][at]) for at in places)
    return errors


def poisson_error(mesh: SimplexMesh) -> float:
    """The error inside of the solution with the exact values at the boundary."""
    with jax.enable_x64(True):
        u = NodalField.from_function(wave, mesh)
        solution = poisson(np.pi**2 * mesh.ndim * u, u)
        inside = ~mesh.boundary
        return relative_error(np.asarray(solution.params)[inside], np.asarray(u.params)[inside])


def scientific(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def table() -> list[str]:
    """The rows of the table: jittered grids of all sizes, then random points."""
    jittered = [derivative_errors(SimplexMesh.from_points(jittered_points(n))) for n in SIZES]
    at_random = derivative_errors(SimplexMesh.from_points(random_points(SIZES[-1])))
    rows = []
    for name, method in at_random:
        columns = [", ".join(scientific(errors[name, method][place]) for errors in jittered) for place in (0, 1)]
        columns.append(", ".join(map(scientific, at_random[name, method])))
        rows.append(f"| {name} | `finite_difference{method}` | {' | '.join(columns)} |")
    return rows


def main() -> None:
    print(*table(), sep="\n")
    solutions = [poisson_error(SimplexMesh.from_points(jittered_points(n))) for n in SIZES]
    print("Poisson:", ", ".join(map(scientific, solutions)))


if __name__ == "__main__":
    main()
