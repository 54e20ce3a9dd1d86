"""Operators under batches, complex and low precision, jit, vmap, scan and gradients by field and parameters."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.fields import Continuous, Domain, FiniteDifferences, FourierSeries
from pdequinox.operators import (
    compose,
    curl,
    derivative,
    diag_jacobian,
    divergence,
    dot_product,
    get_component,
    gradient,
    hessian,
    heterog_laplacian,
    inverse,
    jacobian,
    laplacian,
    shift_operator,
    sum_over_dims,
)

quickly_compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
PERIODIC = Domain((6, 5), (0.5, 0.25))
CHANNEL = Domain((6, 5), (0.5, 0.25), ("periodic", ("dirichlet", "cell-neumann")))
BOTH = pytest.mark.parametrize(
    ("kind", "domain"), [(FourierSeries, PERIODIC), (functools.partial(FiniteDifferences, accuracy=2), CHANNEL)]
)
LINEAR = {
    "curl": curl,
    "derivative": lambda v: derivative(v, 1, 2),
    "diag_jacobian": diag_jacobian,
    "divergence": lambda v: divergence(v, stagger=0.5),
    "get_component": lambda v: get_component(v, 1),
    "gradient": lambda v: gradient(get_component(v, 0)),
    "hessian": hessian,
    "jacobian": lambda v: jacobian(v, stagger=(0.25, -0.5)),
    "laplacian": laplacian,
    "shift_operator": lambda v: shift_operator(v, 0.1),
    "sum_over_dims": sum_over_dims,
}
OTHERS = {
    "compose": lambda v: compose(v)(jnp.exp),
    "heterog_laplacian": lambda v: heterog_laplacian(get_component(v, 0), get_component(v, 1)),
    "inverse": inverse,
}


def random(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape)


def all_of(operators):
    return lambda u: {name: operator(u) for name, operator in operators.items()}


def assert_same(first, second, atol):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), first, second)


@BOTH
def test_leading_axes_are_a_batch(kind, domain, float64):
    """Of operators, `jax.vmap` and indexing alike."""
    values = random(3, 4, 6, 5, 2)
    operators = all_of(LINEAR | OTHERS)
    at_once = quickly_compiled(operators)(kind(values, domain))
    mapped = quickly_compiled(jax.vmap(jax.vmap(operators)))(kind(values, domain))
    single = quickly_compiled(operators)(kind(values, domain)[2, 1])
    assert_same(at_once, mapped, atol=1e-12)
    assert_same({name: result[2, 1] for name, result in at_once.items()}, single, atol=1e-12)


@BOTH
def test_linear_operators_act_on_real_and_imaginary_parts(kind, domain, float64):
    values = random(6, 5, 2) + 1j * random(1, 6, 5, 2)[0]
    results = quickly_compiled(all_of(LINEAR))(kind(values, domain))
    parts = quickly_compiled(all_of(LINEAR))(kind(np.stack([values.real, values.imag]), domain))
    for name, result in results.items():
        assert result.is_complex
        real, imaginary = parts[name].params
        np.testing.assert_allclose(result.params, real + 1j * imaginary, atol=1e-11)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64", "complex64"])
@BOTH
def test_the_dtype_of_the_field_is_kept_with_float64_enabled(kind, domain, dtype, float64):
    u = kind(jnp.ones((6, 5, 2), dtype), domain)
    for name, result in jax.eval_shape(all_of(LINEAR | OTHERS), u).items():
        assert result.params.dtype == dtype, name
    assert jax.eval_shape(dot_product, u, u).dtype == dtype


def test_the_dtype_of_a_continuous_field_is_kept_with_float64_enabled(float64):
    u = Continuous(jnp.ones((2, 2), jnp.float32), PERIODIC, lambda matrix, x: jnp.sin(matrix @ x))
    for name, result in all_of(LINEAR | OTHERS)(u).items():
        assert jax.eval_shape(lambda v: v.on_grid, result).dtype == jnp.float32, name
    assert jax.eval_shape(dot_product, u, u).dtype == jnp.float32


@pytest.mark.parametrize("kind", [FiniteDifferences, FourierSeries])
def test_low_precision_is_computed_in_float32_and_rounded_once(kind):
    low = jnp.asarray(random(6, 5, 2), jnp.bfloat16)
    result = quickly_compiled(jacobian)(kind(low, PERIODIC)).params
    exact = quickly_compiled(jacobian)(kind(low.astype(jnp.float32), PERIODIC)).params
    np.testing.assert_array_equal(result, exact.astype(jnp.bfloat16))


@BOTH
def test_operators_are_compiled_as_they_are(kind, domain):
    u = kind(random(6, 5, 1), domain)
    np.testing.assert_allclose(jax.jit(gradient)(u).params, gradient(u).params, atol=1e-5)


@pytest.mark.parametrize(
    ("op", "domain", "channels"),
    [(gradient, CHANNEL, 1), (laplacian, CHANNEL, 2), (gradient, PERIODIC, 1)],
)
def test_traced_stencils_give_the_same_and_have_gradients(op, domain, channels, float64):
    """An operator is linear in its stencils: the gradient by them, times a stencil, is the loss with that stencil."""
    u = FiniteDifferences(random(6, 5, channels), domain, accuracy=2)
    params = op.default_params(u)
    weights = random(*jax.eval_shape(op, u).params.shape)
    loss = jax.jit(lambda params: jnp.sum(weights * op(u, params=params).params))
    np.testing.assert_allclose(loss(params), np.sum(weights * op(u).params), rtol=1e-12)
    gradients = jax.jit(jax.grad(loss))(params)
    others = jax.tree.map(lambda stencil: random(*stencil.shape, 1)[..., 0], params)
    products = jax.tree.map(lambda g, k: np.sum(g * k), gradients, others)
    np.testing.assert_allclose(sum(jax.tree.leaves(products)), loss(others), rtol=1e-12)


def test_traced_wave_numbers_have_gradients(float64):
    """The second derivative is quadratic in them: Euler's theorem for homogeneous functions."""
    u = FourierSeries(random(6, 5, 1), PERIODIC)
    loss = lambda params: jnp.sum(laplacian(u, params=params).params ** 2)  # noqa: E731
    params = laplacian.default_params(u)
    gradients = jax.jit(jax.grad(loss))(params)
    euler = sum(np.sum(g * k) for g, k in zip(gradients["k_vec"], params["k_vec"], strict=True))
    np.testing.assert_allclose(euler, 4 * loss(params), rtol=1e-10)


def test_a_gradient_by_a_field_is_a_field(float64):
    """That of the Dirichlet energy is minus the divergence of the gradient."""
    u = FourierSeries(random(6, 5, 1), PERIODIC)
    energy = lambda u: dot_product(gradient(u), gradient(u), quadrature=False) / 2  # noqa: E731
    slope = jax.jit(jax.grad(energy))(u)
    assert type(slope) is FourierSeries
    np.testing.assert_allclose(slope.params, -divergence(gradient(u)).params, atol=1e-10)


def test_a_field_keeps_its_structure_in_a_scan():
    """jaxdf lost the accuracy on the way (jwave issue 224)."""
    u = FiniteDifferences(random(6, 5, 1), CHANNEL, accuracy=2)
    step = lambda u, _: (u.replace_params((u + 0.01 * laplacian(u)).params), None)  # noqa: E731
    final, _ = jax.lax.scan(step, u, length=3)
    by_hand = step(step(step(u, None)[0], None)[0], None)[0]
    assert jax.tree.structure(final) == jax.tree.structure(u)
    np.testing.assert_allclose(final.params, by_hand.params, atol=1e-5)


@pytest.mark.parametrize("domain", [PERIODIC, CHANNEL], ids=["periodic", "channel"])
def test_stencils_may_differ_from_point_to_point(domain, float64):
    u = FiniteDifferences(random(6, 5, 2), domain, accuracy=2)
    base, factors = laplacian.default_params(u), random(2, 6, 5)
    varying = [factor[..., None, None] * stencil for factor, stencil in zip(factors, base, strict=True)]
    wanted = sum(factor[..., None] * derivative(u, axis, 2).params for axis, factor in enumerate(factors))
    for params in (varying, list(map(jnp.asarray, varying))):
        np.testing.assert_allclose(laplacian(u, params=params).params, wanted, atol=1e-12)
    batch = FiniteDifferences(jnp.stack([u.params, 2 * u.params]), domain, accuracy=2)
    per_entry = [jnp.stack([stencil, -stencil]) for stencil in varying]
    result = laplacian(batch, params=per_entry).params
    np.testing.assert_allclose(result, np.stack([wanted, -2 * wanted]), atol=1e-12)


def test_derivatives_of_a_continuous_field_are_not_traced_again_for_new_parameters():
    traced = []

    @jax.jit
    def energy(u):
        traced.append(1)
        return jnp.sum(u.on_grid**2)

    function = lambda matrix, x: jnp.sin(matrix @ x)  # noqa: E731
    fields = [Continuous(scale * jnp.ones((2, 2)), PERIODIC, function) for scale in (1.0, 2.0)]
    first, second = (energy(compose(divergence(shift_operator(u, 0.1)))(jnp.cos)) for u in fields)
    assert first != second
    assert len(traced) == 1
