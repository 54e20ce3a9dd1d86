"""Parameters with constraints: start where they are told to, stay inside, are found by training."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pdequinox import count_parameters
from pdequinox.train import Parameter


@pytest.mark.parametrize(
    "value, transform",
    [
        (3.0, None),
        (-2, None),
        (3.0, "positive"),
        (1e-30, "positive"),
        (1e-4, "positive"),
        (200.0, "positive"),
        (0.3, (0, 1)),
        (-1.9, (-2.0, 5.0)),
        (4.0, (jnp.exp, jnp.log)),
        ([[0.5, 1.5, 2.5]], "positive"),
    ],
)
def test_it_starts_at_the_given_value(value, transform):
    parameter = Parameter(value, transform)
    np.testing.assert_allclose(parameter.value, value, rtol=1e-5)
    assert parameter.value.shape == parameter.raw.shape == np.shape(value)
    assert parameter.raw.dtype == jnp.float32 and not parameter.raw.weak_type and np.isfinite(parameter.raw).all()
    assert jax.tree.leaves(parameter)[0] is parameter.raw and count_parameters(parameter) == np.size(value)


@pytest.mark.parametrize("transform, lower, upper", [("positive", 0, np.inf), ((-1.0, 2.0), -1, 2)])
def test_the_constraint_holds_wherever_the_optimizer_goes(transform, lower, upper):
    parameter = Parameter(1.0, transform)
    for raw in (-1e4, -30.0, 0.0, 30.0, 1e4):
        moved = eqx.tree_at(lambda p: p.raw, parameter, jnp.array(raw))
        value, slope = jax.value_and_grad(lambda p: p.value)(moved)
        assert lower <= value <= upper and slope.raw >= 0 and np.isfinite(slope.raw)


def test_a_constrained_minimum_is_found_beside_a_free_parameter():
    """The line 2 - 3 x with a positive slope is best fitted by a slope of zero; the offset is then the mean."""
    x = jnp.linspace(-1, 1, 9)
    model = {"slope": Parameter(1.0, "positive"), "offset": Parameter(0.0), "share": Parameter(0.9, (0.0, 1.0))}

    def loss(model):
        line = model["slope"].value * x + model["offset"].value
        return jnp.mean((line - (2 - 3 * x)) ** 2) + (model["share"].value - 0.25) ** 2

    optimizer = optax.adam(0.1)

    def step(carry, _):
        model, state = carry
        updates, state = optimizer.update(jax.grad(loss)(model), state)
        return (optax.apply_updates(model, updates), state), None

    (model, _), _ = jax.jit(lambda carry: jax.lax.scan(step, carry, length=600))((model, optimizer.init(model)))
    assert 0 < model["slope"].value < 1e-2
    assert model["offset"].value == pytest.approx(2, abs=1e-3)
    assert model["share"].value == pytest.approx(0.25, abs=1e-3)


def test_parameters_of_one_kind_share_a_trace():
    traces = []

    @jax.jit
    def double(parameter):
        traces.append(None)
        return 2 * parameter.value

    for value, transform in ((1.0, "positive"), (2.0, "positive"), (0.5, (0, 1)), (0.25, [0.0, 1.0])):
        assert double(Parameter(value, transform)) == pytest.approx(2 * value)
    assert len(traces) == 2


def test_it_is_made_under_vmap_and_keeps_its_dtype(float64):
    parameters = jax.vmap(lambda value: Parameter(value, "positive"))(jnp.array([1.0, 2.0], jnp.float32))
    assert parameters.raw.dtype == jnp.float32
    np.testing.assert_allclose(parameters.value, [1, 2], rtol=1e-6)
    assert Parameter(3.0, (0, 10)).value.dtype == jnp.float64
    assert Parameter(np.float32(3), (0, 10)).value.dtype == jnp.float32
    assert Parameter(1 + 2j).value == 1 + 2j


@pytest.mark.parametrize(
    "value, transform, message",
    [
        (0.0, "positive", r"`value` must be real and lie between 0\.0 and inf with transform='positive', got 0\.0"),
        ([1.0, -1.0], "positive", r"`value` must be real and lie between 0\.0 and inf"),
        (1.0, (0.0, 1.0), r"`value` must be real and lie between 0\.0 and 1\.0"),
        (np.float32(1 - 1e-9), (0.0, 1.0), r"`value` must be real and lie between 0\.0 and 1\.0"),
        (np.nan, None, r"`value` must be finite"),
        (1j, "positive", r"`value` must be real and lie between"),
        (1.0, "postive", r"`transform` must be None, 'positive', a pair .*got 'postive'"),
        (1.0, (1, 0), r"`transform` must be None, 'positive', a pair of increasing numbers"),
        (1.0, (0, 1, 2), r"`transform` must be None"),
        (1.0, (jnp.exp, 1.0), r"`transform` must be None"),
        (1.0, ("positive", "positive"), r"`transform` must be None"),
        (1.0, jnp.exp, r"`transform` must be None"),
    ],
)
def test_wrong_arguments_are_refused(value, transform, message):
    with pytest.raises(ValueError, match=message):
        Parameter(value, transform)
