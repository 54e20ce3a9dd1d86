"""Finite-difference coefficients against tables, and stencils applied to arrays against NumPy loops."""

import inspect
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox import conv, operators
from pdequinox.fields import Domain, FiniteDifferences
from pdequinox.operators import derivative, fd_coefficients, gradient, laplacian, reflection_conv, stencil_conv
from references import MODES, PAIRS, padded

# Fornberg (1988), tables 1 and 2: the weights from the centre to the right.
CENTRAL = {
    (1, 2): "0 1/2",
    (1, 4): "0 2/3 -1/12",
    (1, 6): "0 3/4 -3/20 1/60",
    (1, 8): "0 4/5 -1/5 4/105 -1/280",
    (2, 2): "-2 1",
    (2, 4): "-5/2 4/3 -1/12",
    (2, 6): "-49/18 3/2 -3/20 1/90",
    (2, 8): "-205/72 8/5 -1/5 8/315 -1/560",
    (3, 2): "0 -1 1/2",
    (3, 4): "0 -13/8 1 -1/8",
    (4, 2): "6 -4 1",
    (4, 4): "28/3 -13/2 2 -1/6",
}
OTHERS = (
    (0, [-1.5, -0.5, 0.5, 1.5], "-1/16 9/16 9/16 -1/16"),
    (1, [-1.5, -0.5, 0.5, 1.5], "1/24 -9/8 9/8 -1/24"),
    (1, [0, 1, 2], "-3/2 2 -1/2"),
    (2, [0, 1, 2, 3], "2 -5 4 -1"),
    (1, [-0.5, 1], "-2/3 2/3"),
)


def numbers(text):
    return np.array([float(Fraction(entry)) for entry in text.split()])


@pytest.mark.parametrize(("order", "accuracy"), CENTRAL)
def test_central_coefficients_are_those_of_the_table_to_the_last_digit(order, accuracy):
    right = numbers(CENTRAL[order, accuracy])
    width = len(right) - 1
    wanted = np.concatenate([(-1) ** order * right[:0:-1], right])
    np.testing.assert_array_equal(fd_coefficients(order, range(-width, width + 1)), wanted)
    u = FiniteDifferences.empty(Domain((20, 18), (0.5, 0.25)), accuracy=accuracy)
    stencil = derivative.default_params(u, 1, order)
    assert stencil.shape == (1, 2 * width + 1)
    np.testing.assert_allclose(stencil[0], wanted / 0.25**order, rtol=1e-15)


@pytest.mark.parametrize(("order", "points", "wanted"), OTHERS)
def test_coefficients_on_other_points(order, points, wanted):
    np.testing.assert_array_equal(fd_coefficients(order, points), numbers(wanted))


@pytest.mark.parametrize("order", [0, 1, 3])
def test_coefficients_are_exact_for_polynomials(order):
    points = np.random.default_rng(0).uniform(-1, 1, 6)
    moments = points ** np.arange(6)[:, None] @ fd_coefficients(order, list(points))
    np.testing.assert_allclose(moments, np.eye(6)[order] * np.prod(range(1, order + 1)), atol=1e-9)


@pytest.mark.parametrize(("order", "points"), [(2, [0, 1]), (1, [0, 1, 1.0]), (0, [])])
def test_too_few_or_repeated_points_are_refused(order, points):
    with pytest.raises(ValueError, match=f"`points` must be at least {order + 1} different numbers"):
        fd_coefficients(order, points)


def test_a_negative_order_is_refused():
    with pytest.raises(ValueError, match="`order` must be an integer of at least 0, got -1"):
        fd_coefficients(-1, [0, 1])


def test_the_default_stencils_are_those_that_the_guide_prints():
    printed = [0.00357143, -0.03809524, 0.2, -0.8, 0, 0.8, -0.2, 0.03809524, -0.00357143]
    stencils = gradient.default_params(FiniteDifferences.empty(Domain((12, 10), (1.0, 1.0))))
    assert isinstance(stencils, list)
    assert [stencil.shape for stencil in stencils] == [(9, 1), (1, 9)]
    for stencil in stencils:
        np.testing.assert_allclose(stencil.flatten(), printed, atol=5e-9)


def test_default_stencils_are_divided_by_the_spacing_of_their_axis():
    u = FiniteDifferences.empty(Domain((5, 6, 7), (0.5, 0.25, 2.0)), accuracy=2)
    for op, wanted, power in ((gradient, [-0.5, 0, 0.5], 1), (laplacian, [1, -2, 1], 2)):
        shapes = [(3, 1, 1), (1, 3, 1), (1, 1, 3)]
        for stencil, shape, h in zip(op.default_params(u), shapes, u.domain.dx, strict=True):
            np.testing.assert_array_equal(stencil, np.reshape(wanted, shape) / h**power)


def test_odd_accuracies_are_refused():
    with pytest.raises(ValueError, match="`accuracy` must be even, got 3"):
        FiniteDifferences.empty(Domain(8, 1.0), accuracy=3)


def test_a_simple_stencil_given_as_parameters_is_the_rolled_difference():
    """To the last bit, with the sign of the derivative; section 2 of the guide."""
    values = np.random.default_rng(0).random((12, 10), dtype=np.float32)
    u = FiniteDifferences.from_grid(values, Domain((12, 10), (1.0, 1.0)))
    simple = np.array([-0.5, 0.0, 0.5])
    result = gradient(u, params=[simple.reshape(-1, 1) / 1.0, simple.reshape(1, -1) / 1.0]).params
    for axis in range(2):
        wanted = (np.roll(values, -1, axis) - np.roll(values, 1, axis)) / 2
        np.testing.assert_array_equal(result[..., axis], wanted)


def looped(kernel, values, mode, reverse=True):
    """`v[j] = sum_m K[m] u[j + m - h]`, entry by entry; with `u[j - m + h]` if not reversed."""
    margin = max(kernel.shape)
    extended = padded(values, [(margin, margin)] * values.ndim, mode, range(values.ndim))
    result = np.zeros(values.shape, np.result_type(kernel, values))
    for j in np.ndindex(*values.shape):
        for m in np.ndindex(*kernel.shape):
            steps = np.array(m) - (np.array(kernel.shape) - 1) // 2
            result[j] += kernel[m] * extended[tuple(np.array(j) + margin + (steps if reverse else -steps))]
    return result


def random(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


@pytest.mark.parametrize("mode", (*MODES, *PAIRS), ids=str)
def test_stencils_in_1d_match_a_loop(mode, float64):
    values = random(7)
    for size in (3, 4):
        for reverse in (True, False):
            result = stencil_conv(random(size), values, reverse, boundary_mode=(mode,))
            np.testing.assert_allclose(result, looped(random(size), values, (mode,), reverse), atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("shape", "sizes"), [((5, 6), (3, 4)), ((4, 3, 5), (2, 1, 3))], ids=str)
def test_stencils_in_2d_and_3d_match_a_loop(shape, sizes, mode, float64):
    modes = (mode, "periodic", ("dirichlet", "cell-neumann"))[: len(shape)]
    for reverse in (True, False):
        result = stencil_conv(random(*sizes), random(*shape), reverse, boundary_mode=modes)
        np.testing.assert_allclose(result, looped(random(*sizes), random(*shape), modes, reverse), atol=1e-12)


@pytest.mark.parametrize("size", [1, 9, 12])
def test_stencils_may_be_longer_than_the_axis(size, float64):
    result = stencil_conv(random(size), random(4), boundary_mode="periodic")
    np.testing.assert_allclose(result, looped(random(size), random(4), ("periodic",)), atol=1e-12)


def test_polynomial_ghosts_are_an_option(float64):
    x = np.arange(8.0) + 0.5
    result = stencil_conv(np.array([1.0, -2.0, 1.0]), x**2, boundary_mode="cell-neumann", degree=2)
    np.testing.assert_allclose(result[:4], 2)


def test_traced_stencils_give_the_same_and_have_gradients(float64):
    kernel, values, weights = random(3, 4), random(5, 6), random(5, 6)
    apply = lambda kernel: stencil_conv(kernel, values, boundary_mode="cell-dirichlet")  # noqa: E731
    np.testing.assert_allclose(jax.jit(apply)(kernel), apply(kernel), atol=1e-12)
    gradients = jax.jit(jax.grad(lambda kernel: jnp.sum(weights * apply(kernel))))(kernel)
    for m in ((0, 0), (1, 3)):
        unit = np.zeros((3, 4))
        unit[m] = 1
        wanted = np.sum(weights * looped(unit, values, ("cell-dirichlet",) * 2))
        assert gradients[m] == pytest.approx(wanted)


def test_the_zeros_of_a_known_stencil_cost_nothing():
    def num_products(kernel):
        jaxpr = jax.make_jaxpr(lambda u: stencil_conv(kernel, u, boundary_mode="periodic"))(jnp.ones((5, 6)))
        return sum(equation.primitive.name == "mul" for equation in jaxpr.eqns)

    cross = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)
    assert num_products(cross) == 5
    assert num_products(jnp.asarray(cross)) == 9


def test_a_stencil_of_zeros_gives_zeros():
    result = stencil_conv(np.zeros((3, 2)), jnp.ones((5, 6), jnp.bfloat16), boundary_mode="dirichlet")
    assert result.dtype == jnp.bfloat16
    np.testing.assert_array_equal(result.astype(float), np.zeros((5, 6)))


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64", "complex64"])
def test_the_dtype_is_that_of_the_array(dtype, float64):
    array = jnp.asarray(random(6), dtype)
    result = stencil_conv(random(3), array, boundary_mode="neumann")
    assert result.dtype == array.dtype
    wanted = looped(random(3), np.asarray(array, complex), ("neumann",))
    np.testing.assert_allclose(np.asarray(result, complex), wanted, atol=2e-2 if dtype == "bfloat16" else 1e-6)


def test_a_complex_stencil_makes_the_result_complex(float64):
    kernel = random(3) + 1j * random(4)[:3]
    result = stencil_conv(kernel, random(6), boundary_mode="periodic")
    np.testing.assert_allclose(result, looped(kernel, random(6), ("periodic",)), atol=1e-12)


def test_reflection_conv_is_periodic_unless_told_otherwise(float64):
    kernel, values = random(3, 3), random(5, 6)
    np.testing.assert_array_equal(
        reflection_conv(kernel, values, reverse=True), stencil_conv(kernel, values, boundary_mode="periodic")
    )
    np.testing.assert_array_equal(
        reflection_conv(kernel, values, False, boundary_mode="neumann"),
        stencil_conv(kernel, values, False, boundary_mode="neumann"),
    )
    assert "periodic" in inspect.getdoc(reflection_conv)


def test_the_functions_are_in_conv_too():
    assert conv.reflection_conv is operators.reflection_conv
    assert conv.stencil_conv is operators.stencil_conv


def test_stencils_with_another_number_of_axes_are_refused():
    with pytest.raises(ValueError, match=r"`kernel` must have as many axes as `array` \(2\), got 1"):
        stencil_conv(np.ones(3), np.ones((4, 5)), boundary_mode="periodic")


def test_integers_are_refused():
    with pytest.raises(ValueError, match="`array` must hold floating-point or complex numbers, got int32"):
        stencil_conv(np.ones(3), np.arange(4, dtype=np.int32), boundary_mode="periodic")
