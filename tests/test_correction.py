"""Networks as corrections of operators and steps."""

from functools import partial

import equinox as eqx
import exponax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from filled import KEY
from pdequinox import Continuous, Domain, FiniteDifferences, FourierSeries, OnGrid
from pdequinox.correction import CorrectedStepper, corrected, on_field
from pdequinox.operators import Euler, functional, gradient, heterog_laplacian, laplacian
from pdequinox.train import rollout
from zoo import NUM_POINTS, ZOO

CHANNEL = Domain((NUM_POINTS, NUM_POINTS), (0.1, 0.2), ("periodic", "dirichlet"))
PERIODIC = Domain(NUM_POINTS, 0.1)


def field(domain=CHANNEL, channels=1, type=partial(FiniteDifferences, accuracy=2), **options):
    values = jax.random.normal(jax.random.key(1), (*domain.N, channels))
    return type(values, domain, **options)


def scale(factor):
    """A 'network' that multiplies by a trainable number."""
    return jax.tree_util.Partial(lambda factor, x: factor * x, jnp.asarray(factor))


def test_a_network_on_a_field_sees_channels_first_and_keeps_type_domain_and_conditions():
    u = field(channels=2, accuracy=4, free_axes=(1,))
    seen = []

    def network(x):
        seen.append(x.shape)
        return jnp.stack([x[0], x[1] + 1, x[0] * x[1]])

    v = on_field(network)(u)
    assert seen == [(2, NUM_POINTS, NUM_POINTS)]
    assert (type(v), v.domain, v.accuracy, v.free_axes) == (FiniteDifferences, CHANNEL, 4, (1,))
    np.testing.assert_array_equal(v.params[..., 1], u.params[..., 1] + 1)
    np.testing.assert_array_equal(v.params[..., 2], u.params[..., 0] * u.params[..., 1])


def test_leading_axes_of_a_field_are_a_batch_of_the_network():
    batch = OnGrid(jax.random.normal(KEY, (3, 2, NUM_POINTS, 1)), PERIODIC)
    network = ZOO["ClassicResNet"](1, 1, 2, key=KEY)
    v = on_field(network)(batch)
    assert v.params.shape == (3, 2, NUM_POINTS, 2)
    np.testing.assert_allclose(v.params[2, 1], on_field(network)(batch[2, 1]).params, rtol=1e-5, atol=1e-6)


def test_what_is_no_network_or_no_field_is_refused():
    with pytest.raises(ValueError, match="`network` must be a function of an array, got 3"):
        on_field(3)
    with pytest.raises(TypeError, match="`u` must be a field on a grid, got Continuous"):
        on_field(jnp.sin)(Continuous({}, PERIODIC, lambda params, x: x))


@pytest.mark.parametrize("name", ZOO)
def test_every_network_of_the_zoo_corrects(name):
    u = field(accuracy=2)
    op = corrected(gradient, ZOO[name])
    params = eqx.filter_eval_shape(lambda u: op.default_params(u, key=KEY), u)
    assert set(params) == {"base", "network"}
    result = eqx.filter_eval_shape(lambda u, params: op(u, params=params), u, params)
    assert result.params.shape == gradient(u).params.shape
    assert (result.dims, result.condition) == (2, ("periodic", "free"))


@pytest.mark.parametrize("name", ["ClassicResNet", "ClassicFNO"])
def test_a_corrected_operator_trains(name):
    u = field(accuracy=2)
    op = corrected(gradient, ZOO[name])
    params = op.default_params(u, key=KEY)
    assert set(params) == {"base", "network"}
    optax.adam(1e-3).init(params)
    loss = lambda params: jnp.mean(op(u, params=params).params ** 2)  # noqa: E731
    slope = jax.jit(jax.grad(loss))(params)
    assert all(np.any(leaf != 0) for leaf in jax.tree.leaves(slope["base"]))
    assert any(np.any(leaf != 0) for leaf in jax.tree.leaves(slope["network"]))
    result = op(u, params=params)
    assert (result.dims, result.condition) == (2, ("periodic", "free"))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("additive", lambda u: 3.0 * laplacian(u)),
        ("multiplicative", lambda u: laplacian(u) * (1 + 2.0 * laplacian(u))),
        ("residual_input", lambda u: laplacian(3.0 * u)),
    ],
)
def test_modes_put_the_correction_where_they_say(mode, expected):
    u = field()
    op = corrected(laplacian, lambda *args, **options: scale(2.0), mode)
    result = op(u, params=op.default_params(u, key=KEY))
    np.testing.assert_allclose(result.params, expected(u).params, rtol=1e-4, atol=1e-2)
    assert result.condition == laplacian(u).condition


@pytest.mark.parametrize(("mode", "channels"), [("additive", 2), ("multiplicative", 2), ("residual_input", 1)])
def test_the_network_is_made_for_the_field(mode, channels):
    made = []

    def make_network(*args, **options):
        made.append((args, options["boundary_mode"]))
        return jnp.sin

    corrected(gradient, make_network, mode).default_params(field(), key=KEY)
    assert made == [((2, channels, channels), ("periodic", "dirichlet"))]


def test_a_zero_network_leaves_the_operator_as_it_is_on_every_discretisation():
    op = corrected(gradient, lambda *args, **options: jnp.zeros_like)
    for u in (field(), field(PERIODIC, type=FourierSeries)):
        result = op(u, params=op.default_params(u, key=KEY))
        np.testing.assert_allclose(result.params, gradient(u).params, rtol=1e-6, atol=1e-5)
        assert isinstance(result, type(u))


def test_arguments_and_options_of_the_operator_pass_through():
    u, c = field(), field()
    op = corrected(heterog_laplacian, lambda *args, **options: jnp.zeros_like)
    result = op(u, c, params=op.default_params(u, c, key=KEY))
    np.testing.assert_allclose(result.params, heterog_laplacian(u, c).params, rtol=1e-4, atol=1e-3)
    staggered = corrected(gradient, lambda *args, **options: jnp.zeros_like)
    params = staggered.default_params(u, stagger=0.5, key=KEY)
    np.testing.assert_allclose(
        staggered(u, stagger=0.5, params=params).params, gradient(u, stagger=0.5).params, rtol=1e-5, atol=1e-4
    )


def test_an_equinox_module_with_a_plain_activation_trains_under_bare_jax():
    """Its functions become static."""

    def make_network(num_spatial_dims, in_channels, out_channels, *, boundary_mode, key):
        return eqx.nn.Sequential([eqx.nn.Conv1d(in_channels, out_channels, 1, key=key), eqx.nn.Lambda(jnp.tanh)])

    u = field(PERIODIC)
    op = corrected(gradient, make_network)
    params = op.default_params(u, key=KEY)
    optax.sgd(1.0).init(params)
    jax.jit(jax.grad(lambda params: jnp.sum(op(u, params=params).params)))(params)


def test_the_parameters_have_the_precision_of_the_field(float64):
    u = OnGrid(jnp.ones((NUM_POINTS, 1), jnp.float32), PERIODIC)
    u = FiniteDifferences(u.params, PERIODIC)
    params = corrected(gradient, ZOO["ConvNet"]).default_params(u, key=KEY)
    assert {leaf.dtype for leaf in jax.tree.leaves(params["base"])} == {np.dtype("float32")}


def test_wrong_modes_keys_and_parameters_are_refused():
    with pytest.raises(ValueError, match=r"`mode` must be one of 'additive', .*, got 'added'"):
        corrected(gradient, ZOO["ConvNet"], "added")
    op = corrected(gradient, ZOO["ConvNet"])
    with pytest.raises(ValueError, match="`key` must be given to make a network"):
        op(field())
    with pytest.raises(ValueError, match=r"`params` must be \{'base': ..., 'network': ...\}"):
        op(field(), params=ZOO["ConvNet"](2, 2, 2, key=KEY))
    with pytest.raises(
        ValueError, match="`base_operator` must return a field on a grid, got function from `functional`"
    ):
        corrected(functional, ZOO["ConvNet"]).default_params(field(), key=KEY)


@pytest.mark.parametrize(
    ("mode", "expected"), [("sequential", 2 * 0.9), ("parallel", 0.9 + 2), ("sequential_with_bypass", 0.9 + 2 * 0.9)]
)
def test_a_corrected_step_combines_solver_and_network(mode, expected):
    stepper = CorrectedStepper(lambda u: 0.9 * u, scale(2.0), mode)
    np.testing.assert_allclose(stepper(jnp.ones((1, 4))), expected, rtol=1e-6)
    u = field(PERIODIC, free_axes=())
    np.testing.assert_allclose(stepper(u).params, expected * u.params, rtol=1e-6)


@pytest.mark.parametrize("mode", ["sequential", "parallel", "sequential_with_bypass"])
def test_a_corrected_step_is_differentiable_through_a_rollout_and_keeps_the_conditions(mode):
    u = field(CHANNEL, accuracy=2)
    coarse = Euler(laplacian, 1e-4)
    network = ZOO["ConvNet"](2, 1, 1, boundary_mode=CHANNEL.boundary_mode, key=KEY)
    stepper = CorrectedStepper(coarse, network, mode)
    optax.adam(1e-3).init(stepper)
    slope = jax.jit(jax.grad(lambda stepper: jnp.mean(rollout(stepper, u, 3).params ** 2)))(stepper)
    assert all(np.any(leaf != 0) for leaf in jax.tree.leaves(slope.network))
    assert rollout(stepper, u, 3).condition == u.condition


def test_the_solver_is_static_arrays_and_all():
    """No optimiser reaches it, and bare JAX takes the stepper whatever the solver holds."""
    solver = exponax.stepper.Burgers(1, 1.0, 16, 0.01)
    stepper = CorrectedStepper(solver, scale(2.0), "parallel")
    assert jax.tree.leaves(stepper) == [2.0] and stepper.coarse_stepper is solver
    optimizer = optax.adamw(1.0, weight_decay=0.5)
    u = jnp.sin(jnp.linspace(0, 6, 16))[None]
    slope = jax.jit(jax.grad(lambda stepper: jnp.sum(rollout(stepper, u, 2))))(stepper)
    updates, _ = optimizer.update(slope, optimizer.init(stepper), stepper)
    moved = optax.apply_updates(stepper, updates)
    np.testing.assert_array_equal(moved.coarse_stepper(u), solver(u))
    assert jax.tree.leaves(moved)[0] != 2.0


@pytest.mark.parametrize("mode", ["sequential", "parallel", "sequential_with_bypass"])
@pytest.mark.parametrize("network", [lambda x: x[:1], lambda x: x[:, None], lambda x: jnp.concatenate([x, x])])
def test_a_network_that_changes_the_shape_of_the_state_is_refused(mode, network):
    with pytest.raises(ValueError, match="`network` must return as many channels and points as it corrects"):
        CorrectedStepper(jnp.sin, network, mode)(jnp.ones((2, 8)))


def test_a_network_that_changes_the_shape_of_the_result_is_refused():
    for mode in ("additive", "multiplicative", "residual_input"):
        op = corrected(laplacian, lambda *args, **options: lambda x: jnp.concatenate([x, x]), mode)
        with pytest.raises(ValueError, match=r"as it corrects, got \(8, 8, 2\) for \(8, 8, 1\)"):
            op(field(), params=op.default_params(field(), key=KEY))


def test_corrections_nest():
    twice = corrected(corrected(gradient, lambda *args, **options: scale(2.0)), lambda *args, **options: scale(1.0))
    params = twice.default_params(field(), key=KEY)
    assert set(params["base"]) == {"base", "network"}
    np.testing.assert_allclose(twice(field(), params=params).params, 6 * gradient(field()).params, rtol=1e-4)


def test_without_params_a_key_makes_a_new_network():
    op = corrected(gradient, ZOO["ConvNet"])
    expected = op(field(), params=op.default_params(field(), key=KEY))
    np.testing.assert_allclose(op(field(), key=KEY).params, expected.params, rtol=1e-5, atol=1e-5)


def test_what_cannot_be_combined_is_refused():
    with pytest.raises(ValueError, match=r"`mode` must be one of 'sequential', .*, got 'serial'"):
        CorrectedStepper(jnp.sin, jnp.cos, "serial")
    with pytest.raises(ValueError, match="`network` must be a function of the state, got None"):
        CorrectedStepper(jnp.sin, None)
    with pytest.raises(ValueError, match="`coarse_stepper` must be a function of the state, got 1"):
        CorrectedStepper(1, jnp.sin)


def test_the_linear_correction_from_accuracy_2_to_8_is_exact():
    """sin(m k) / sin(k) is a polynomial in cos(k): on a periodic axis the accurate gradient filters the cheap one."""
    u = FiniteDifferences(jax.random.normal(KEY, (16, 1)), Domain(16, 0.5), accuracy=2)
    op = corrected(gradient, partial(ZOO["ConvNet"], depth=0, kernel_size=7, use_final_bias=False))
    params = op.default_params(u, key=KEY)
    w1, w2, w3, w4 = 4 / 5, -1 / 5, 4 / 105, -1 / 280
    taps = 2 * jnp.array([w4, w3, w2 + w4, w1 + w3 - 0.5, w2 + w4, w3, w4])
    network = eqx.tree_at(lambda net: net.layers[0].weight, params["network"], taps[None, None])
    result = op(u, params={**params, "network": network})
    accurate = gradient(FiniteDifferences(u.params, u.domain, accuracy=8))
    np.testing.assert_allclose(result.params, accurate.params, atol=1e-5)
