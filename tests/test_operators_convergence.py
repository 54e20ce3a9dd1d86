"""Finite differences: exactness and order of convergence, at the walls and inside, for every boundary mode."""

import functools

import jax
import numpy as np
import pytest

from pdequinox.boundary import spacing
from pdequinox.fields import Domain, FiniteDifferences
from pdequinox.operators import derivative, divergence, gradient, heterog_laplacian, laplacian, shift_operator
from references import MODES, PAIRS, ends

quickly_compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
ACCURACIES = (2, 4, 6, 8)
ALL_MODES = (*MODES, *PAIRS)
# Waves per axis and points: coarse enough that rounding does not reach the error at high accuracies.
RESOLUTIONS = {2: (1, 64), 4: (1, 64), 6: (1, 44), 8: (2, 33)}


def conditions(mode):
    return ["dirichlet" if "dirichlet" in end else "neumann" for end in ends(mode)]


def function(mode, x, order=0, waves=1):
    """A derivative of a function on [0, 1] that satisfies the conditions, but none of higher order.

    With u = 0 at both ends exp(x) sin(n pi x), with u' = 0 its integral, so that u''' does not vanish at the wall.
    """
    if mode == "periodic":
        terms = ((1.0, 2j * np.pi), (0.5j, 4j * np.pi))
        return sum(np.real(a * k**order * np.exp(k * x)) for a, k in terms)
    left, right = conditions(mode)
    if left == right:
        k = 1 + 1j * waves * np.pi
        return np.imag(k ** (order - (left == "neumann")) * np.exp(k * x))
    if left == "neumann":
        return (-1) ** order * function((right, left), 1 - x, order, waves)
    k = 1 + 1j * (waves + 0.5) * np.pi
    return np.real(k ** (order - 1) * (np.exp(k * x) - (order == 0)))


def coefficient(mode, x, order=0):
    """A derivative of a positive function without any condition at the walls."""
    k, phase = (2j * np.pi, 1j) if mode == "periodic" else (0.7 + 1j, 0)
    return 3 * (order == 0) + np.real(k**order * np.exp(k * x + phase))


@functools.cache
def matrices(mode, num_points, accuracy, free=False, ghosts="polynomial"):
    """The points of an axis of length 1 and the operators on it as matrices, the last one as a function of c."""
    domain = Domain(num_points, spacing(num_points, 1.0, mode), (mode,), origin=0.0)
    field = lambda values, **options: FiniteDifferences(  # noqa: E731
        values[..., None], domain, accuracy=accuracy, ghosts=ghosts, **options
    )
    matrix = lambda result: np.asarray(result.params[..., 0]).T  # noqa: E731
    u = field(np.eye(num_points), free_axes=(0,) if free else ())
    grad = gradient(u)
    assert (grad.accuracy, grad.ghosts) == (accuracy, ghosts)
    return (
        np.asarray(domain.spatial_axis[0]),
        {"gradient": matrix(grad), "laplacian": matrix(laplacian(u)), "divergence": matrix(divergence(grad))},
        lambda c: matrix(heterog_laplacian(u, field(c))),
    )


def errors(mode, num_points, waves, accuracy, free=False):
    """The points, and the relative errors there of four operators."""
    satisfied = {"dirichlet": "neumann", "cell-neumann": "dirichlet"}[mode] if free else mode
    x, operators, heterogeneous = matrices(mode, num_points, accuracy, free)
    u0, u1, u2 = (function(satisfied, x, order, waves) for order in range(3))
    c0, c1 = (coefficient(mode, x, order) for order in range(2))
    wanted = {"gradient": u1, "laplacian": u2, "divergence": u2, "heterog_laplacian": c1 * u1 + c0 * u2}
    got = {name: operator @ u0 for name, operator in operators.items()} | {"heterog_laplacian": heterogeneous(c0) @ u0}
    return x, {name: np.abs(got[name] - wanted[name]) / np.max(np.abs(wanted[name])) for name in wanted}


def check_orders(mode, accuracy, **options):
    waves, num_points = RESOLUTIONS[accuracy]
    (x, coarse), (y, fine) = (errors(mode, n, waves, accuracy, **options) for n in (num_points, 2 * num_points))
    order = lambda e, f: np.log(np.max(e) / np.max(f)) / np.log((x[1] - x[0]) / (y[1] - y[0]))  # noqa: E731
    at_wall = [*range(accuracy), *range(-accuracy, 0)]
    for name in coarse:
        inside = order(coarse[name][np.abs(x - 0.5) < 0.2], fine[name][np.abs(y - 0.5) < 0.2])
        assert inside > accuracy - 0.4, f"{name} inside"
        documented = accuracy - (name == "divergence" and mode != "periodic")
        assert order(coarse[name][at_wall], fine[name][at_wall]) > documented - 0.8, f"{name} at the wall"


@pytest.mark.parametrize("accuracy", ACCURACIES)
@pytest.mark.parametrize("mode", ALL_MODES, ids=str)
def test_operators_converge_at_the_wall_and_inside(mode, accuracy, float64):
    check_orders(mode, accuracy)


@pytest.mark.parametrize("accuracy", ACCURACIES)
@pytest.mark.parametrize("mode", ["dirichlet", "cell-neumann"])
def test_operators_converge_for_functions_that_satisfy_no_condition(mode, accuracy, float64):
    check_orders(mode, accuracy, free=True)


MODES_IN_2D = {
    2: ("periodic", "dirichlet"),
    4: (("dirichlet", "cell-neumann"), "neumann"),
    6: ("cell-dirichlet", "periodic"),
    8: ("cell-neumann", ("neumann", "dirichlet")),
}


@pytest.mark.parametrize("accuracy", ACCURACIES)
def test_operators_converge_in_2d_with_a_mode_and_a_spacing_per_axis(accuracy, float64):
    modes, extents = MODES_IN_2D[accuracy], (1.0, 1.5)
    waves, num_points = RESOLUTIONS[accuracy]

    def largest_errors(n):
        shape = (n, n + n // 4)
        spacings = [spacing(*axis) for axis in zip(shape, extents, modes, strict=True)]
        domain = Domain(shape, spacings, modes, origin=0.0)
        x, y = (np.asarray(t) / extent for t, extent in zip(domain.spatial_axis, extents, strict=True))

        def product(f, i, j, *args):
            return np.multiply.outer(f(modes[0], x, i, *args), f(modes[1], y, j, *args) / extents[1] ** j)

        u, c = product(function, 0, 0, waves), product(coefficient, 0, 0)
        u_x, u_y = product(function, 1, 0, waves), product(function, 0, 1, waves)
        laplace = product(function, 2, 0, waves) + product(function, 0, 2, waves)
        flux = c * laplace + product(coefficient, 1, 0) * u_x + product(coefficient, 0, 1) * u_y
        u, c = (FiniteDifferences.from_grid(values, domain, accuracy=accuracy) for values in (u, c))
        operators = lambda u, c: (  # noqa: E731
            gradient(u),
            laplacian(u),
            heterog_laplacian(u, c),
            divergence(gradient(u)),
        )
        results = np.concatenate([result.params for result in quickly_compiled(operators)(u, c)], axis=-1)
        errors = results - np.stack([u_x, u_y, laplace, flux, laplace], axis=-1)
        return np.max(np.abs(errors), axis=(0, 1)), domain.dx[0]

    (coarse, h), (fine, finer) = largest_errors(num_points), largest_errors(2 * num_points)
    orders = np.log(coarse / fine) / np.log(h / finer)
    assert np.all(orders > accuracy - np.array([0, 0, 0, 0, 1]) - 0.8), orders


def monomials(t, degree, order=0):
    """A derivative of the powers of t up to a degree, one per column."""
    p = np.arange(degree + 1)
    return np.prod([p - k for k in range(order)], axis=0) * t[:, None] ** np.maximum(p - order, 0)


@pytest.mark.parametrize("accuracy", ACCURACIES)
@pytest.mark.parametrize("mode", (*MODES[1:], *PAIRS, "free"), ids=str)
def test_derivatives_of_polynomials_that_satisfy_the_condition_are_exact_up_to_the_wall(mode, accuracy, float64):
    free, num_points = mode == "free", RESOLUTIONS[accuracy][1]
    x, operators, heterogeneous = matrices("cell-neumann" if free else mode, num_points, accuracy, free)
    for side, end in enumerate(("free", "free") if free else conditions(mode)):
        t, half = (x, slice(num_points // 2)) if side == 0 else (1 - x, slice(num_points // 2, None))
        excluded = {"dirichlet": (0,), "neumann": (1,), "free": ()}[end]
        u0, u1, u2 = (monomials(t, accuracy + 1, order) for order in range(3))
        cases = (
            (operators["gradient"], (-1) ** side * u1, accuracy),
            (operators["laplacian"], u2, accuracy + 1),
            (operators["divergence"], u2, accuracy),
            (heterogeneous(2 + t), (2 + t)[:, None] * u2 + u1, accuracy),
        )
        for operator, wanted, degree in cases:
            powers = [p for p in range(degree + 1) if p not in excluded]
            np.testing.assert_allclose((operator @ u0)[half, powers], wanted[half, powers], rtol=1e-7, atol=1e-7)


def test_the_divergence_of_a_gradient_loses_an_order_at_the_wall_only(float64):
    """As documented: the gradient of x³ has the error h² at all points but the wall, where it is zero."""
    x, operators, _ = matrices("neumann", 64, 2)
    error = operators["divergence"] @ x**3 - 6 * x
    np.testing.assert_allclose(error[:32] / x[1], [1.5, 0.5, *[0] * 30], atol=1e-9)


@pytest.mark.parametrize("ghosts", ["polynomial", "reflect"])
@pytest.mark.parametrize("accuracy", ACCURACIES)
def test_no_eigenvalue_of_the_laplacian_is_positive(accuracy, ghosts, float64):
    for mode in ALL_MODES:
        _, operators, _ = matrices(mode, RESOLUTIONS[accuracy][1], accuracy, ghosts=ghosts)
        eigenvalues = np.linalg.eigvals(operators["laplacian"])
        assert np.max(eigenvalues.real) < 1e-12 * np.max(np.abs(eigenvalues)), mode


@pytest.mark.parametrize("mode", ALL_MODES, ids=str)
def test_reflected_ghosts_are_exact_for_the_modes_of_the_domain(mode, float64):
    """The interior symbol of the five-point stencils holds up to the wall."""
    x, operators, _ = matrices(mode, 64, 4, ghosts="reflect")
    left, right = conditions(mode) if mode != "periodic" else ("dirichlet", "dirichlet")
    k = np.pi * (2 if left == right else 1.5)
    phase = 0 if left == "dirichlet" else np.pi / 2
    h = x[1] - x[0]
    first = (8 * np.sin(k * h) - np.sin(2 * k * h)) / (6 * h)
    second = (-15 + 16 * np.cos(k * h) - np.cos(2 * k * h)) / (6 * h**2)
    u, derivative_of_u = np.sin(k * x + phase), np.cos(k * x + phase)
    np.testing.assert_allclose(operators["gradient"] @ u, first * derivative_of_u, atol=1e-10)
    np.testing.assert_allclose(operators["laplacian"] @ u, second * u, atol=1e-9)
    assert second == pytest.approx(-(k**2), rel=1e-3)


@pytest.mark.parametrize("mode", MODES[1:])
def test_reflected_ghosts_lose_orders_for_other_functions(mode, float64):
    """An odd mirror image is wrong by u'' t², an even one by u''' t³ / 3."""
    order_of_mirror = 2 if "dirichlet" in mode else 3
    largest = {"gradient": [], "laplacian": []}
    for num_points in (33, 66):
        x, operators, _ = matrices(mode, num_points, 8, ghosts="reflect")
        for order, name in enumerate(largest, 1):
            error = operators[name] @ function(mode, x) - function(mode, x, order)
            largest[name].append(np.max(np.abs(error)))
    for order, (coarse, fine) in enumerate(largest.values(), 1):
        assert np.log2(coarse / fine) == pytest.approx(order_of_mirror - order, abs=0.3)


@pytest.mark.parametrize("shift", [0.0, 0.5, -0.5, 0.25, 1.0])
@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("accuracy", [2, 4])
def test_derivatives_of_all_orders_at_shifted_places_have_the_accuracy_of_the_field(accuracy, order, shift, float64):
    """An order of convergence is exactness for polynomials: up to the wall, as the field is free."""
    num_points, degree = 20, accuracy + order - 1
    domain = Domain(num_points, 1 / num_points, "cell-dirichlet", origin=0.0)
    x, h = np.asarray(domain.spatial_axis[0]), domain.dx[0]
    u = FiniteDifferences(monomials(x, degree), domain, accuracy=accuracy, free_axes=(0,))
    result = derivative(u, 0, order, stagger=shift) if order else shift_operator(u, shift * h)
    wanted = monomials(x + shift * h, degree, order)
    np.testing.assert_allclose(result.params, wanted, atol=1e-9 * num_points**order)
