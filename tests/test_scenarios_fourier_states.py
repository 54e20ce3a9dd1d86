"""Random initial states of periodic scenarios, as APEBench writes them."""

import jax.random as jr
import numpy as np
import pytest

from pdequinox.bench.scenarios._linear import Advection
from pdequinox.bench.scenarios._nonlinear import Burgers, FisherKPP
from pdequinox.bench.scenarios._reactions import GrayScott


@pytest.mark.parametrize("num_spatial_dims", [1, 2])
def test_initial_states_have_five_modes_mean_zero_and_maximum_one(num_spatial_dims):
    scenario = Burgers(num_spatial_dims=num_spatial_dims, num_points=16)
    states = np.asarray(scenario.initial_states(3, key=jr.PRNGKey(3)))
    assert states.shape == (3, num_spatial_dims, *scenario.shape)
    spectrum = np.abs(np.fft.rfft(states, axis=-1)) / 16
    assert spectrum[..., 6:].max() < 1e-6 < 1e-3 < spectrum[..., 1:6].max(axis=tuple(range(spectrum.ndim - 1))).min()
    axes = tuple(range(2, states.ndim))
    np.testing.assert_allclose(states.mean(axes), 0, atol=1e-6)
    np.testing.assert_allclose(np.abs(states).max(axes), 1, rtol=1e-6)
    assert len(np.unique(states[..., 0].ravel().round(5))) == states[..., 0].size


@pytest.mark.parametrize("config", ["diffused;0.001;true;true", "grf;3.0;true;true"])
def test_other_random_states_are_smooth_and_normalized(config):
    states = np.asarray(Advection(num_points=64, ic_config=config).initial_states(2, key=jr.PRNGKey(0)))
    spectrum = np.abs(np.fft.rfft(states[:, 0], axis=-1))
    assert np.all(spectrum[:, 1:6].max(axis=1) > 10 * spectrum[:, 20:].max(axis=1))
    np.testing.assert_allclose(np.abs(states).max((1, 2)), 1, rtol=1e-6)


def test_clamped_states_fill_their_range():
    scenario = FisherKPP(num_points=32, ic_config="clamp;0.2;0.7;fourier;5;false;false")
    states = scenario.initial_states(3, key=jr.PRNGKey(0))
    np.testing.assert_allclose(states.min((1, 2)), 0.2, atol=1e-6)
    np.testing.assert_allclose(states.max((1, 2)), 0.7, atol=1e-6)


def test_gray_scott_starts_from_blobs_or_from_what_is_written():
    u, v = GrayScott(num_points=32).initial_states(1, key=jr.PRNGKey(0))[0]
    assert u.max() > 0.99 > 0.1 > u.min() and v.min() < 0.01 < 0.9 < v.max()
    written = GrayScott(num_points=32, ic_config="clamp;0;0.5;fourier;3;true;false")
    assert written.initial_states(1, key=jr.PRNGKey(0)).max() == pytest.approx(0.5)


@pytest.mark.parametrize(
    "config",
    [
        "gray_scott_blobs",
        "fourier;2.5;true;true",
        "fourier;0;true;true",
        "fourier;5;yes;true",
        "fourier;5;true",
        "sines;5;true;true",
        "clamp;1;0;fourier;5;true;true",
    ],
)
def test_what_cannot_be_read_is_refused(config):
    with pytest.raises(ValueError, match=f"`ic_config` must have the form KIND.*got '{config}'. Write"):
        Burgers(ic_config=config)
