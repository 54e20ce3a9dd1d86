"""Tangent kernels and angles between gradients: models with known ones, NumPy, and zeros."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from pdequinox.jacobian import (
    cosine_similarity,
    gradient_cosine_matrix,
    jacobian_cosine,
    ntk,
    ntk_regularizer,
    ntk_spectrum,
    param_jacobian,
)

KEY = jr.key(0)
PHI = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
COEFFICIENTS = {"a": jnp.array([1.0, 2.0]), "b": jnp.array([[-1.0, 0.5]])}


def linear(model):
    return PHI @ jnp.concatenate([model["a"], model["b"][0]])


def test_the_kernel_of_a_linear_model_is_the_gram_matrix_of_its_features():
    np.testing.assert_allclose(ntk(linear, COEFFICIENTS), PHI @ PHI.T, rtol=1e-5, atol=1e-6)
    part = ntk(linear, COEFFICIENTS, where=lambda m: m["b"], mode="forward", chunk_size=1)
    np.testing.assert_allclose(part, PHI[:, 2:] @ PHI[:, 2:].T, rtol=1e-5, atol=1e-6)


def test_outputs_of_a_sample_lie_side_by_side_in_the_kernel():
    network = eqx.nn.Linear(2, 3, key=KEY)
    x = jr.normal(KEY, (5, 2))
    kernel = ntk(lambda network, x: network(x), network, inputs=x).reshape(5, 3, 5, 3)
    wanted = np.einsum("nm,de->ndme", 1 + x @ x.T, np.eye(3))
    np.testing.assert_allclose(kernel, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 4), (4, 9), (3, 2, 5)])
def test_the_spectrum_is_numpys(shape):
    jacobian = np.random.default_rng(1).standard_normal(shape)
    rows = jacobian.reshape(-1, shape[-1])
    spectrum = jax.jit(ntk_spectrum)(jnp.float32(jacobian))
    eigenvalues = np.linalg.eigvalsh(rows @ rows.T)[::-1]
    np.testing.assert_allclose(spectrum.eigenvalues, eigenvalues, rtol=1e-4, atol=1e-4)
    positive = eigenvalues[eigenvalues > 1e-10]
    assert spectrum.condition_number == pytest.approx(positive[0] / positive[-1], rel=1e-3)
    assert spectrum.effective_rank == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum(), rel=1e-4)


def test_known_spectra():
    alike = ntk_spectrum(3 * jnp.eye(4))
    assert alike.condition_number == 1 and alike.effective_rank == pytest.approx(4)
    one = ntk_spectrum(jnp.ones((4, 3)))
    assert one.condition_number == pytest.approx(1) and one.effective_rank == pytest.approx(1)
    steep = jnp.diag(jnp.array([1.0, 1e-2, 1e-4]))
    assert ntk_spectrum(steep).condition_number == pytest.approx(1e8, rel=1e-3)
    assert ntk_spectrum(steep, rcond=1e-6).condition_number == pytest.approx(1e4, rel=1e-3)
    none = ntk_spectrum(jnp.zeros((3, 5)))
    assert np.isposinf(none.condition_number) and none.effective_rank == 0 and not none.eigenvalues.any()


def test_the_spectrum_of_a_tanh_network_is_finite_and_can_be_differentiated():
    network = eqx.nn.MLP(1, "scalar", 16, 3, activation=jnp.tanh, key=KEY)
    f = lambda model: jax.vmap(model)(jnp.linspace(0, 1, 16)[:, None])  # noqa: E731

    @eqx.filter_jit
    @eqx.filter_value_and_grad(has_aux=True)
    def tracked(model):
        spectrum = ntk_spectrum(param_jacobian(f, model))
        return spectrum.effective_rank, spectrum

    (_, spectrum), gradient = tracked(network)
    assert spectrum.eigenvalues.min() >= 0
    assert 1 < spectrum.condition_number < 1e16
    assert 1 <= spectrum.effective_rank <= 16
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def quadratic(model):
    """Outputs whose Jacobian depends on the parameters."""
    return jnp.sin(linear(model)) + linear(model) ** 2


def test_the_regularizers_gradient_is_that_of_its_value_and_half_of_it_with_one_side_stopped(float64):
    model = jax.tree.map(lambda leaf: leaf.astype(float), COEFFICIENTS)
    target = np.random.default_rng(2).standard_normal((6, 6))
    target = target + target.T

    def written_out(model):
        jacobian = jax.jacfwd(lambda a, b: quadratic({"a": a, "b": b}), argnums=(0, 1))(*model.values())
        rows = jnp.concatenate([jacobian[0], jacobian[1][:, 0]], axis=1)
        return jnp.mean((rows @ rows.T - target) ** 2)

    wanted, wanted_gradient = jax.value_and_grad(written_out)(model)
    for stop, factor in (("none", 1), ("one_sided", 1 / 2)):
        loss = jax.jit(lambda model, stop=stop: ntk_regularizer(quadratic, model, target, stop=stop))
        value, gradient = jax.value_and_grad(loss)(model)
        np.testing.assert_allclose(value, wanted, rtol=1e-12)
        for ours, theirs in zip(jax.tree.leaves(gradient), jax.tree.leaves(wanted_gradient), strict=True):
            np.testing.assert_allclose(ours, factor * theirs, rtol=1e-10)


def test_a_step_against_the_regularizers_gradient_brings_the_kernel_closer():
    loss = lambda model: ntk_regularizer(quadratic, model, np.eye(6, dtype=np.float32), stop="one_sided")  # noqa: E731
    value, gradient = jax.value_and_grad(loss)(COEFFICIENTS)
    moved = jax.tree.map(lambda leaf, slope: leaf - 1e-5 * slope, COEFFICIENTS, gradient)
    assert loss(moved) < value


def test_known_angles():
    a = {"w": jnp.array([1.0, 0.0]), "b": jnp.array(0.0), "n": 3}
    b = {"w": jnp.array([1.0, 0.0]), "b": jnp.array(1.0), "n": 4}
    assert cosine_similarity(a, b) == pytest.approx(np.sqrt(0.5))
    assert cosine_similarity(a, jax.tree.map(lambda x: -2.0 * x, a)) == pytest.approx(-1)
    assert cosine_similarity(jnp.array([1j, 0]), jnp.array([1.0, 0])) == 0
    assert cosine_similarity(jnp.array([2j, 1]), jnp.array([4j, 2])) == pytest.approx(1)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_tiny_and_huge_gradients_have_an_angle_too(scale):
    a, b = jnp.array([3.0, 4.0]), jnp.array([4.0, 3.0])
    assert cosine_similarity(scale * a, b) == pytest.approx(24 / 25, rel=1e-6)


def test_a_zero_gradient_has_cosine_zero_and_no_nan_in_its_derivative():
    value, slopes = jax.value_and_grad(cosine_similarity, argnums=(0, 1))(jnp.zeros(3), jnp.arange(3.0))
    assert value == 0
    for slope in slopes:
        np.testing.assert_array_equal(slope, np.zeros(3))


def test_the_derivative_of_the_cosine_is_that_of_the_formula(float64):
    formula = lambda a, b: a @ b / jnp.sqrt((a @ a) * (b @ b))  # noqa: E731
    a, b = jnp.array([1.0, -2.0, 3.0]), jnp.array([0.5, 4.0, 1.0])
    for ours, theirs in zip(*(jax.grad(f, argnums=(0, 1))(a, b) for f in (cosine_similarity, formula)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_the_matrix_holds_the_angles_between_the_gradients_of_the_losses():
    losses = {
        "z": lambda m: jnp.sum(linear(m)[:3] ** 2),
        "a": lambda m: jnp.sum((linear(m)[3:] - 1) ** 2),
        "none": lambda m: jnp.array(1.0),
    }
    gradients = [jax.grad(loss)(COEFFICIENTS) for loss in losses.values()]
    wanted = [[cosine_similarity(g, h) for h in gradients] for g in gradients]
    matrix = jax.jit(lambda model: gradient_cosine_matrix(losses, model))(COEFFICIENTS)
    np.testing.assert_allclose(matrix, wanted, atol=1e-6)
    np.testing.assert_allclose(np.diag(matrix), [1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(gradient_cosine_matrix([*losses.values()], COEFFICIENTS), matrix, atol=1e-6)
    part = gradient_cosine_matrix([losses["z"], losses["a"]], COEFFICIENTS, where=lambda m: m["b"])
    assert part[0, 1] == pytest.approx(float(cosine_similarity(gradients[0]["b"], gradients[1]["b"])), abs=1e-6)
    slope = jax.grad(lambda model: gradient_cosine_matrix(losses, model).sum())(COEFFICIENTS)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


def test_groups_of_samples_are_compared_by_their_mean_rows():
    jacobian = jnp.asarray(PHI)
    wanted = cosine_similarity(jacobian[::5].mean(0), jacobian[1:4].mean(0))
    mask = np.isin(np.arange(6), [0, 5])
    for group in ([0, 5], [0, -1], mask, mask.tolist(), jnp.array([0, 5])):
        assert jacobian_cosine(jacobian, group, slice(1, 4)) == pytest.approx(float(wanted), abs=1e-6)
    assert jax.jit(lambda j: jacobian_cosine(j, mask, ~mask))(jacobian) == pytest.approx(
        float(cosine_similarity(jacobian[mask].mean(0), jacobian[~mask].mean(0))), abs=1e-6
    )
    with_outputs = jacobian.reshape(3, 2, 4)
    assert jacobian_cosine(with_outputs, [0], [1, 2]) == pytest.approx(
        float(cosine_similarity(jacobian[:2].mean(0), jacobian[2:].mean(0))), abs=1e-6
    )


def test_a_jacobian_that_is_not_a_number_has_no_condition_number():
    spectrum = ntk_spectrum(jnp.array([[1.0, 2.0], [jnp.nan, 1.0]]))
    assert all(np.all(np.isnan(entry)) for entry in spectrum)


def test_a_spectrum_in_bfloat16_is_computed_in_single_precision():
    rows = jnp.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]], jnp.bfloat16)
    np.testing.assert_allclose(ntk_spectrum(rows).eigenvalues, [4, 1], rtol=1e-6)


def test_a_target_in_double_precision_leaves_the_loss_in_single_precision(float64):
    single = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), COEFFICIENTS)
    features = lambda model: jnp.stack([jnp.sum(leaf) for leaf in jax.tree.leaves(model)])  # noqa: E731
    size = len(jax.tree.leaves(single))
    for target in (np.eye(size), np.eye(size).tolist()):
        assert ntk_regularizer(features, single, target).dtype == jnp.float32


def test_no_cosine_exceeds_one():
    vectors = jax.random.normal(jax.random.PRNGKey(0), (200, 30))
    cosines = jax.vmap(lambda vector: cosine_similarity(vector, 3 * vector))(vectors)
    assert float(jnp.max(cosines)) <= 1
    assert np.all(np.isfinite(jnp.arccos(cosines)))


ROWS = jnp.ones((3, 2))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ntk_spectrum(jnp.ones(3)), r"`jacobian` must have shape \(N, P\) or \(N, D, P\), got \(3,\)"),
        (lambda: ntk_spectrum(ROWS, rcond=1.0), r"`rcond` must lie in \[0, 1\), got 1\.0"),
        (lambda: ntk_spectrum(ROWS, rcond=-1e-9), r"`rcond` must lie in \[0, 1\), got -1e-09"),
        (
            lambda: ntk_regularizer(linear, COEFFICIENTS, np.eye(6), stop="both"),
            r"`stop` must be 'none' or 'one_sided', got 'both'\. With both sides stopped there is no gradient",
        ),
        (lambda: ntk_regularizer(linear, COEFFICIENTS, 0.0), r"`target` must have the shape of the kernel, \(6, 6\)"),
        (lambda: cosine_similarity({"a": ROWS}, {"b": ROWS}), r"`tree_b` must have floating arrays where `tree_a`"),
        (lambda: cosine_similarity(ROWS, ROWS.T), r"`tree_b` must have .* got \[\(2, 3\)\] and \[\(3, 2\)\]"),
        (lambda: cosine_similarity(3, 4), r"`tree_b` must have floating arrays .*at least one"),
        (lambda: gradient_cosine_matrix([], COEFFICIENTS), r"`losses` must hold at least one function .*got \[\]"),
        (lambda: gradient_cosine_matrix(linear, COEFFICIENTS), r"`losses` must hold .*Put the functions in a list"),
        (lambda: jacobian_cosine(ROWS[0], [0], [1]), r"`jacobian` must have shape \(N, P\)"),
        (lambda: jacobian_cosine(ROWS, [0, 3], [1]), r"`group_a` must hold indices, .*the 3 samples, got \[0, 3\]"),
        (lambda: jacobian_cosine(ROWS, [0], [True, False]), r"`group_b` must hold indices, .*the 3 samples"),
        (lambda: jacobian_cosine(ROWS, slice(3, None), [1]), r"`group_a` must select at least one sample"),
        (lambda: jacobian_cosine(ROWS, 0, [1]), r"`group_a` must select at least one sample, got 0"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
