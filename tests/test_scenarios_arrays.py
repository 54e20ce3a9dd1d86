"""Scenarios of arrays, from memory and from files: what is read, how it is normalised, and what is refused."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from pdequinox.bench.scenarios._arrays import ArrayFile, PairFile, from_arrays, from_pairs
from pdequinox.bench.scenarios._scenario import Pairs, Trajectories
from stored_fields import fields, normalised, write_h5

SHAPE = (10, 7, 2, 6, 8)  # samples, times, channels, x, y


# Arrays


@pytest.mark.parametrize("backend", [np.asarray, jnp.asarray])
def test_trajectories_in_memory_are_split_and_normalised(backend):
    array = fields(*SHAPE)
    scenario = from_arrays(
        backend(array), boundary_mode=("periodic", "neumann"), domain_extent=(2.0, 3.0), time_step=0.1
    )
    assert (scenario.num_spatial_dims, scenario.shape, scenario.num_channels) == (2, (6, 8), 2)
    assert (scenario.num_train_samples, scenario.num_test_samples) == (8, 2)
    assert (scenario.train_temporal_horizon, scenario.test_temporal_horizon, scenario.time_step) == (6, 6, 0.1)
    assert scenario.domain_extent == (2.0, 3.0) and scenario.label == "own" and not scenario.has_solver
    data = scenario.data()
    assert isinstance(data, Trajectories)
    np.testing.assert_allclose(data.training, normalised(array[:8], array[:8]), rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(data.test, normalised(array[8:], array[:8]), rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("mode", ["dirichlet", ("cell-dirichlet", "periodic"), ("neumann", ("neumann", "dirichlet"))])
def test_nothing_is_subtracted_where_a_field_vanishes_at_a_wall(mode):
    array = fields(*SHAPE)
    data = from_arrays(array, boundary_mode=mode).data()
    np.testing.assert_allclose(data.test, normalised(array[8:], array[:8], with_mean=False), rtol=2e-5)


def test_a_test_set_of_its_own_may_be_longer():
    training, test = fields(4, 5, 1, 9), fields(3, 8, 1, 9)
    scenario = from_arrays(training, test, boundary_mode="cell-neumann", num_test_samples=2, name="mine")
    assert (scenario.train_temporal_horizon, scenario.num_train_samples, scenario.label) == (4, 4, "mine")
    np.testing.assert_allclose(scenario.data().test, normalised(test[:2, :5], training), rtol=2e-5, atol=1e-5)


def test_states_and_points_are_thinned_out():
    array = fields(5, 11, 1, 8, 9)
    scenario = from_arrays(
        array,
        boundary_mode=("periodic", "neumann"),
        reduced_resolution=2,
        reduced_resolution_t=3,
        num_warmup_steps=2,
        train_temporal_horizon=1,
        test_fraction=0.4,
    )
    assert scenario.shape == (4, 5) and scenario.test_temporal_horizon == 2
    data = scenario.data()
    assert data.training.shape == (3, 2, 1, 4, 5)
    kept = array[:, 2::3, :, ::2, ::2]
    np.testing.assert_allclose(data.test, normalised(kept[3:], kept[:3, :2]), rtol=1e-4, atol=1e-5)


def test_cells_are_averaged():
    array = fields(5, 3, 1, 8)
    data = from_arrays(array, boundary_mode="cell-neumann", reduced_resolution=4).data()
    means = array.reshape(5, 3, 1, 2, 4).mean(axis=-1)
    np.testing.assert_allclose(data.test, normalised(means[4:], means[:4]), rtol=1e-4, atol=1e-5)


def test_pairs_in_memory_have_other_channels_in_inputs_and_targets():
    inputs, targets = fields(10, 2, 5), 7 * fields(10, 3, 5)
    scenario = from_pairs(inputs, targets, boundary_mode="periodic")
    assert (scenario.in_channels, scenario.out_channels, scenario.num_spatial_dims) == (2, 3, 1)
    data = scenario.data()
    assert isinstance(data, Pairs)
    np.testing.assert_allclose(data.test_inputs, normalised(inputs[8:], inputs[:8], 1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(data.training_targets, normalised(targets[:8], targets[:8], 1), rtol=1e-4, atol=1e-5)
    again = scenario.data()
    np.testing.assert_array_equal(data.test_targets, again.test_targets)


@pytest.mark.parametrize("kind", ["npz", "h5", "npy"])
def test_trajectories_are_read_from_files_of_arrays(tmp_path, kind):
    training, test = fields(6, 4, 2, 5), fields(3, 4, 2, 5)
    path = tmp_path / f"data.{kind}"
    if kind == "npz":
        np.savez(path, training=training, test=test)
    elif kind == "h5":
        write_h5(path, {"training": training, "test": test})
    else:
        np.save(path, np.concatenate([training, test]))
    options = {"num_train_samples": 6, "num_test_samples": 3}
    scenario = ArrayFile(path=str(path), boundary_mode="neumann", **options)
    reference = from_arrays(training, test, boundary_mode="neumann")
    for a, b in zip(scenario.data(), reference.data(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert scenario.label.startswith(f"arrays-1d:path=data.{kind},boundary_mode=neumann")


def test_pairs_are_read_from_files_of_arrays(tmp_path):
    inputs, targets = fields(5, 1, 4, 3), fields(5, 2, 4, 3)
    np.savez(tmp_path / "a.npz", training_inputs=inputs, training_targets=targets)
    scenario = PairFile(path=str(tmp_path / "a.npz"), boundary_mode="cell-dirichlet")
    for a, b in zip(scenario.data(), from_pairs(inputs, targets, boundary_mode="cell-dirichlet").data(), strict=True):
        np.testing.assert_array_equal(a, b)


# Identity


def test_a_scenario_is_rebuilt_from_what_is_written(tmp_path):
    path = tmp_path / "data.npy"
    np.save(path, fields(5, 4, 1, 8))
    scenario = ArrayFile(path=str(path), boundary_mode="periodic", reduced_resolution=2)
    written = dict(scenario.written)
    assert written.pop("name") == "arrays"
    assert written == {"path": str(path), "boundary_mode": "periodic", "reduced_resolution": 2}
    rebuilt = ArrayFile(**written)
    assert rebuilt == scenario and rebuilt.config == scenario.config


def test_the_config_tells_contents_apart(tmp_path):
    path = tmp_path / "data.npy"
    array = fields(5, 4, 1, 8)
    np.save(path, array)
    first = ArrayFile(path=str(path), boundary_mode="periodic")
    config = first.config
    assert config["content"]["num_bytes"] == path.stat().st_size and len(config["content"]["sha256"]) == 64
    array[0, 0, 0, 0] += 1
    np.save(path, array)
    assert ArrayFile(path=str(path), boundary_mode="periodic").config != config
    with pytest.raises(ValueError, match=r"data\.npy must not change while it is used"):
        first.data()


def test_the_config_of_arrays_in_memory_tells_them_apart():
    array = fields(5, 4, 1, 8)
    make = lambda array: from_arrays(array, boundary_mode="periodic").config  # noqa: E731
    assert make(array) == make(array.copy()) != make(array + 1)
    pairs = lambda array: from_pairs(array, array, boundary_mode="periodic")  # noqa: E731
    assert pairs(array[:, 0]).config != pairs(array[:, 1]).config
    assert pairs(array[:, 0]).written["name"] == "from-pairs"
    assert from_arrays(array, boundary_mode="periodic").written["name"] == "from-arrays"


def test_what_is_read_is_not_stored_again(tmp_path, monkeypatch):
    monkeypatch.setenv("PDEQUINOX_CACHE", str(tmp_path / "cache"))
    from_arrays(fields(5, 4, 1, 8), boundary_mode="periodic").data()
    assert not (tmp_path / "cache").exists()


# What is refused


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (
            {"boundary_mode": None},
            "`boundary_mode` must be given for 'own', got None: the file does not say.*'periodic'",
        ),
        ({"boundary_mode": "robin"}, r"`boundary_mode` must be one of"),
        ({"test_fraction": 1.0}, r"`test_fraction` must be between 0 and 1"),
        ({"reduced_resolution": 0}, r"`reduced_resolution` must be an integer of at least 1"),
        ({"reduced_resolution_t": 0}, r"`reduced_resolution_t` must be an integer of at least 1"),
        (
            {"num_train_samples": 9},
            "`num_train_samples` and `num_test_samples` must not be more than 'own' has, 10 samples",
        ),
        ({"num_test_samples": 0}, r"`num_test_samples` must be an integer of at least 1"),
        (
            {"train_temporal_horizon": 7},
            "`train_temporal_horizon` must be at least 1 and at most 6, the steps that 'own' has",
        ),
        ({"num_warmup_steps": 6}, r"`train_temporal_horizon` must be at least 1 and at most 0"),
        ({"num_points": 7}, r"`num_points` must be what 'own' has, \(6, 8\), got 7. Leave it out \(use `reduced_res"),
        ({"num_spatial_dims": 1}, r"`num_spatial_dims` must be what 'own' has, 2, got 1"),
        ({"domain_extent": -1.0}, r"`domain_extent` must be positive"),
        ({"domain_extent": (1.0, 1.0, 1.0)}, r"`domain_extent` must be one finite number or one per axis"),
    ],
)
def test_options_that_the_data_do_not_allow_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        from_arrays(fields(*SHAPE), **{"boundary_mode": "periodic"} | options)


@pytest.mark.parametrize(
    ("training", "test", "match"),
    [
        (fields(4, 5, 6), None, "`training` must hold real numbers in the shape .samples, times, channels"),
        (fields(1, 5, 1, 6), None, "must not be more than 'own' has, 1 samples, got 0 and 1"),
        (np.ones((4, 3, 1, 6), complex), None, "`training` must hold real numbers.*got complex128"),
        (
            fields(4, 5, 1, 6),
            fields(4, 5, 2, 6),
            r"`test` must have the channels and the grid of `training`, \(1, 6\), got",
        ),
        (fields(4, 5, 1, 6), fields(4, 5, 1, 7), "`test` must have the channels and the grid of `training`"),
    ],
)
def test_arrays_of_other_shapes_are_refused(training, test, match):
    with pytest.raises(ValueError, match=match):
        from_arrays(training, test, boundary_mode="periodic")


def test_pairs_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match=r"`targets` must be as many as the inputs.*got num_samples 4 of inputs and 5"):
        from_pairs(fields(4, 1, 6), fields(5, 1, 6), boundary_mode="periodic")
    with pytest.raises(ValueError, match=r"`targets` must be as many as the inputs.*got shape"):
        from_pairs(fields(4, 1, 6), fields(4, 1, 7), boundary_mode="periodic")
    with pytest.raises(ValueError, match=r"`targets` must be as many as the inputs.*got num_test 2 of inputs and None"):
        from_pairs(fields(4, 1, 6), fields(4, 1, 6), fields(2, 1, 6), boundary_mode="periodic")


def test_numbers_that_are_not_finite_are_refused():
    array = fields(4, 5, 1, 6)
    array[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"'own' must hold finite numbers, but some are not"):
        from_arrays(array, boundary_mode="periodic").data()


def test_data_without_an_equation_have_no_solver():
    evolution = from_arrays(fields(4, 5, 1, 6), boundary_mode="periodic")
    steady = from_pairs(fields(4, 1, 6), fields(4, 1, 6), boundary_mode="periodic")
    calls = {
        "stepper": evolution.stepper,
        "initial_states": lambda: evolution.initial_states(2, key=jr.PRNGKey(0)),
        "solve": lambda: steady.solve(np.ones((1, 1, 6))),
        "sample_inputs": lambda: steady.sample_inputs(2, 0),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"`{name}` must not be asked of 'own', got a call"):
            call()
