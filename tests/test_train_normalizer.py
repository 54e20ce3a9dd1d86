"""Normalised channels: NumPy's statistics, physical units around a network, nothing to train."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from filled import KEY
from pdequinox import arch, count_parameters
from pdequinox.train import Normalized, Normalizer, Parameter, load, save

DATA = np.random.default_rng(0).normal([[3.0], [-200.0]], [[0.1], [50.0]], (40, 2, 9)).astype(np.float32)


def test_each_channel_gets_mean_zero_and_mean_square_one():
    normalizer = Normalizer.from_data(DATA)
    np.testing.assert_allclose(normalizer.mean, DATA.mean((0, 2), np.float64), rtol=1e-12)
    np.testing.assert_allclose(normalizer.scale, DATA.std((0, 2), np.float64), rtol=1e-12)
    normalized = jax.jit(jax.vmap(normalizer.normalize))(DATA)
    np.testing.assert_allclose(normalized.mean((0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose((normalized**2).mean((0, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(normalizer.denormalize)(normalized), DATA, rtol=1e-5)


def test_without_centering_zero_stays_zero():
    normalizer = Normalizer.from_data(DATA, center=False)
    assert normalizer.mean == (0.0, 0.0)
    np.testing.assert_allclose(normalizer.scale, np.sqrt((DATA.astype(float) ** 2).mean((0, 2))), rtol=1e-12)
    np.testing.assert_array_equal(normalizer.normalize(jnp.zeros((2, 5))), np.zeros((2, 5)))


def test_constant_channels_are_not_divided_by_zero():
    """0.1 has no exact float32, and its mean over many points may differ in the last bit."""
    data = np.stack([np.full((50, 33), 0.1), np.zeros((50, 33)), np.ones((50, 33))], axis=1).astype(np.float32)
    normalizer = Normalizer.from_data(data)
    assert normalizer.scale == (1.0, 1.0, 1.0)
    np.testing.assert_allclose(normalizer.normalize(data[0]), 0, atol=1e-7)
    assert Normalizer.from_data(data, center=False).scale == pytest.approx((0.1, 1.0, 1.0))
    slight = data * (1 + 1e-3 * np.sin(np.arange(33, dtype=np.float32)))
    first, _, last = Normalizer.from_data(slight).scale
    assert first < last < 1e-2  # what varies is scaled
    assert Normalizer.from_data(np.ones((2, 3, 4), int)).scale == (1.0, 1.0, 1.0)
    assert Normalizer.from_data(jnp.ones((2, 3, 4), jnp.bfloat16)).scale == (1.0, 1.0, 1.0)


def column(numbers):
    return np.float32(numbers)[:, None]


def make_normalized():
    network = arch.ConvNet(1, 2, 3, hidden_channels=4, depth=1, boundary_mode="periodic", key=KEY)
    outputs = Normalizer([1.0, 2.0, 3.0], [10.0, 20.0, 30.0])
    return Normalized(network, Normalizer.from_data(DATA), outputs)


def test_the_network_sees_normalised_numbers_and_the_user_physical_ones():
    normalized = make_normalized()
    x = jnp.asarray(DATA[0])
    inner = normalized.network((x - column(normalized.inputs.mean)) / column(normalized.inputs.scale))
    expected = inner * column(normalized.outputs.scale) + column(normalized.outputs.mean)
    np.testing.assert_allclose(jax.jit(lambda f, x: f(x))(normalized, x), expected, rtol=1e-5)
    np.testing.assert_array_equal(Normalized(normalized.network)(x), normalized.network(x))
    assert normalized.receptive_field == normalized.network.receptive_field


def test_only_the_network_is_trained_and_weight_decay_leaves_the_statistics_alone():
    normalized = make_normalized()
    assert count_parameters(normalized) == count_parameters(normalized.network)
    optimizer = optax.adamw(0.1, weight_decay=1.0)
    gradient = jax.grad(lambda f: jnp.mean(jax.vmap(f)(DATA) ** 2))(normalized)
    updates, _ = optimizer.update(gradient, optimizer.init(normalized), normalized)
    trained = optax.apply_updates(normalized, updates)
    assert trained.inputs == normalized.inputs and trained.outputs == normalized.outputs
    assert jax.tree.structure(trained) == jax.tree.structure(normalized)


def test_statistics_are_saved_and_loaded_with_the_model(tmp_path):
    normalized = make_normalized()
    save(tmp_path / "model", {"network": normalized, "viscosity": Parameter(0.1, "positive")})
    loaded = load(tmp_path / "model")
    assert eqx.tree_equal(loaded["network"], normalized)
    assert loaded["network"].inputs == normalized.inputs
    assert loaded["viscosity"].value == pytest.approx(0.1)


def test_the_dtype_is_that_of_the_sample(float64):
    normalizer = Normalizer.from_data(DATA)
    for dtype in (jnp.float32, jnp.float64, jnp.bfloat16):
        x = jnp.asarray(DATA[0], dtype)
        assert normalizer.normalize(x).dtype == normalizer.denormalize(x).dtype == dtype


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: Normalizer([1.0], [1.0, 2.0]), r"`scale` must hold one positive number per channel \(1\), got"),
        (lambda: Normalizer([1.0], [0.0]), r"`scale` must hold one positive number .*Use 1 for a channel"),
        (lambda: Normalizer([], []), r"`mean` must hold one finite number per channel, got \[\]"),
        (lambda: Normalizer(0.0, 1.0), r"`mean` must hold one finite number per channel, got 0\.0"),
        (lambda: Normalizer([np.nan], [1.0]), r"`mean` must hold one finite number per channel, got \[nan\]"),
        (
            lambda: Normalizer.from_data(np.ones(3)),
            r"`data` must have shape \(samples, channels, \*spatial\), got \(3,\)",
        ),
        (lambda: Normalizer.from_data(np.ones((0, 3))), r"`data` must have shape .*got \(0, 3\)"),
        (lambda: Normalizer.from_data(np.full((2, 1, 3), np.inf)), r"`mean` must hold one finite number"),
        (lambda: Normalizer([0.0], [1.0]).normalize(jnp.ones((2, 5))), r"`x` must have shape .*with 1 channels"),
        (lambda: Normalizer([0.0], [1.0]).normalize(np.ones((1, 5), int)), r"`x` must hold floating-point numbers"),
        (lambda: Normalized(3), r"`network` must be callable, got 3"),
        (lambda: Normalized(abs, outputs=2.0), r"`outputs` must be a Normalizer or None, got 2\.0"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_networks_around_it_can_be_stacked():
    make = lambda key: Normalized(eqx.nn.Conv1d(2, 2, 1, key=key), Normalizer.from_data(DATA))  # noqa: E731
    ensemble = eqx.filter_vmap(make)(jr.split(KEY, 3))
    assert eqx.filter_vmap(lambda f, x: f(x), in_axes=(0, None))(ensemble, jnp.asarray(DATA[0])).shape == (3, 2, 9)
