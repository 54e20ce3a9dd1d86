"""Errors of fields: known values, symmetries, and the implementation that APEBench uses."""

from functools import partial

import exponax as ex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox import train
from pdequinox.boundary import grid, quadrature_weights
from pdequinox.fields import Domain
from pdequinox.train import band_rmse, correlation_time, relative_h1

METRICS = tuple(map(jax.jit, (train.mse, train.nrmse, train.vrmse, train.relative_l2, train.correlation)))
mse, nrmse, vrmse, relative_l2, correlation = METRICS
PREDICTION, TARGET = np.float32(np.random.default_rng(0).standard_normal((2, 4, 2, 6, 7)))


def test_known_errors_of_constant_fields():
    target = np.array([[2.0, 4.0], [1.0, 3.0]])[..., None] * np.ones(5)
    error = np.array([[1.0, 3.0], [1.0, 0.0]])[..., None] * np.ones(5)
    np.testing.assert_allclose(mse(target + error, target), [5, 0.5], rtol=1e-6)
    np.testing.assert_allclose(nrmse(target + error, target), [(1 / 2 + 3 / 4) / 2, 1 / 2], rtol=1e-6)
    np.testing.assert_allclose(relative_l2(target + error, target), np.sqrt([10 / 20, 1 / 10]), rtol=1e-6)


def test_predicting_zero_has_a_relative_error_of_one():
    for metric in (nrmse, relative_l2):
        np.testing.assert_allclose(metric(0 * TARGET, TARGET), np.ones(4), rtol=1e-6)


def test_nrmse_is_apebenchs_divided_by_the_number_of_channels():
    expected = jax.vmap(ex.metrics.nRMSE)(PREDICTION, TARGET)
    np.testing.assert_allclose(2 * nrmse(PREDICTION, TARGET), expected, rtol=1e-5)


def test_nrmse_and_relative_l2_agree_for_one_channel_only():
    one = (PREDICTION[:, :1], TARGET[:, :1])
    np.testing.assert_allclose(nrmse(*one), relative_l2(*one), rtol=1e-5)
    assert not np.allclose(nrmse(PREDICTION, TARGET), relative_l2(PREDICTION, TARGET), rtol=1e-2)


@pytest.mark.parametrize("metric", [nrmse, vrmse, correlation])
def test_errors_by_channel_do_not_depend_on_the_unit_of_a_channel(metric):
    unit = np.float32([1.0, 1000.0])[:, None, None]
    np.testing.assert_allclose(metric(unit * PREDICTION, unit * TARGET), metric(PREDICTION, TARGET), rtol=1e-4)


def test_vrmse_is_one_for_the_mean_and_that_of_the_numbers_without_it():
    mean = TARGET.mean((2, 3), keepdims=True)
    np.testing.assert_allclose(vrmse(mean + 0 * TARGET, TARGET), np.ones(4), rtol=1e-5)
    np.testing.assert_allclose(vrmse(PREDICTION + 3, TARGET + 3), vrmse(PREDICTION, TARGET), rtol=1e-4)
    by_numpy = np.sqrt(((PREDICTION - TARGET) ** 2).mean((2, 3)) / TARGET.var((2, 3))).mean(1)
    np.testing.assert_allclose(vrmse(PREDICTION, TARGET), by_numpy, rtol=1e-5)


def test_correlation_is_numpys_and_ignores_size_and_mean():
    by_numpy = [
        np.mean([np.corrcoef(p.ravel(), t.ravel())[0, 1] for p, t in zip(*pair, strict=True)])
        for pair in zip(PREDICTION, TARGET, strict=True)
    ]
    np.testing.assert_allclose(correlation(PREDICTION, TARGET), by_numpy, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(correlation(3 * TARGET - 1, TARGET), np.ones(4), rtol=1e-5)
    np.testing.assert_allclose(correlation(-TARGET, TARGET), -np.ones(4), rtol=1e-5)
    centred = [field[:, :1] - field[:, :1].mean((2, 3), keepdims=True) for field in (PREDICTION, TARGET)]
    theirs = jax.vmap(ex.metrics.correlation)(*centred)  # which subtracts no mean
    np.testing.assert_allclose(correlation(PREDICTION[:, :1], TARGET[:, :1]), theirs, rtol=1e-4)


def test_correlation_time_is_that_of_the_last_snapshot_before_the_first_fall():
    x = np.linspace(0, 2 * np.pi, 16, endpoint=False, dtype=np.float32)

    def trajectory(correlations):
        """Snapshots with these correlations to a sine."""
        return np.stack([c * np.sin(x) + np.sqrt(1 - c**2) * np.cos(x) for c in correlations])[:, None]

    correlations = [[0.9, 0.85, 0.5, 0.95], [0.99, 0.9, 0.9, 0.81], [0.7, 1, 1, 1], [0.9, 0.81, 0.81, 0.7]]
    prediction = np.stack([*map(trajectory, correlations)])
    target = np.stack([trajectory([1, 1, 1, 1])] * 4)
    np.testing.assert_array_equal(correlation_time(prediction, target), [2, 4, 0, 3])
    later = jax.jit(partial(correlation_time, threshold=0.4, time_step=0.5))(prediction, target)
    np.testing.assert_array_equal(later, [2, 2, 2, 2])
    prediction[1, 2:] = np.inf
    prediction[3, 1] = 1.0  # constant
    np.testing.assert_array_equal(correlation_time(prediction, target), [2, 2, 0, 1])


BOX = Domain((24, 20), (0.25, 0.3), ("periodic", "periodic"))


def smooth(domain, key, num_samples=3, channels=2):
    """Random combinations of a few products of sines of whole periods."""
    phases = np.random.default_rng(key).uniform(0, 6, (num_samples, channels, 2, domain.ndim, 1))
    waves = [
        np.sin(2 * np.pi * k * np.asarray(x) / extent + phases[:, :, k - 1, axis])
        for k in (1, 2)
        for axis, (x, extent) in enumerate(zip(domain.spatial_axis, domain.extent, strict=True))
    ]
    return waves[0][..., None] * waves[1][..., None, :] + waves[2][..., None] - 0.5 * waves[3][..., None, :]


def test_relative_h1_is_the_spectral_norm_of_exponax_on_a_periodic_square(float64):
    domain = Domain((24, 24), 0.25)
    prediction, target = smooth(domain, 0), smooth(domain, 1)
    norm = jax.vmap(partial(ex.metrics.H1_MSE, domain_extent=6.0))
    expected = np.sqrt(norm(prediction - target, 0 * target) / norm(target, 0 * target))
    np.testing.assert_allclose(relative_h1(prediction, target, domain, accuracy=8), expected, rtol=1e-4)


@pytest.mark.parametrize("mode", ["dirichlet", "neumann", "cell-dirichlet", "cell-neumann"])
def test_relative_h1_of_modes_between_walls_is_exact_in_the_limit(mode, float64):
    """The norm of wave number k is (1 + k²) times its mean square; both have the same mean square."""

    def error(n):
        domain = Domain(n, 1 / {"dirichlet": n + 1, "neumann": n - 1}.get(mode, n), (mode,), origin=0.0)
        wave = np.cos if "neumann" in mode else np.sin
        mode_of = lambda k: wave(k * np.pi * domain.spatial_axis[0])[None, None]  # noqa: E731
        ours = relative_h1(mode_of(1) + 0.1 * mode_of(3), mode_of(1), domain, accuracy=4)
        return abs(float(ours[0]) - 0.1 * np.sqrt((1 + (3 * np.pi) ** 2) / (1 + np.pi**2)))

    coarse, fine = error(24), error(48)
    assert fine < 1e-3 and coarse / fine > 3.5


def test_relative_h1_sees_wiggles_and_keeps_the_dtype(float64):
    target = np.float32(smooth(BOX, 2))
    wiggle = 0.1 * np.float32((-1) ** np.arange(24) * np.sin(np.arange(24)))[:, None]
    low = relative_l2(target + wiggle, target)
    high = jax.jit(partial(relative_h1, domain=BOX))(target + wiggle, target)
    assert high.dtype == low.dtype == np.float32 and np.all(high > 2 * low)


MIXED = ("periodic", "dirichlet", "cell-neumann")


def weights_of(spatial, modes):
    weights = np.ones(1)
    for n, mode in zip(spatial, modes, strict=True):
        weights = weights[..., None] * quadrature_weights(n, 1.0, mode)
    return weights[0]


@pytest.mark.parametrize("modes", [("neumann",), ("cell-dirichlet",), ("periodic", "periodic"), MIXED], ids=str)
def test_squares_of_the_bands_add_up_to_the_mean_squared_error(modes):
    spatial = (7, 6, 5)[: len(modes)]
    prediction, target = np.random.default_rng(3).standard_normal((2, 4, 2, *spatial)).astype(np.float32)
    bands = jax.jit(partial(band_rmse, boundary_mode=modes, edges=(1, 2)))(prediction, target)
    assert bands.shape == (4, 3) and bands.dtype == np.float32 and np.all(bands > 0)
    expected = mse(prediction, target, weights=weights_of(spatial, modes))
    np.testing.assert_allclose(np.sum(bands**2, axis=1), expected, rtol=1e-5)


@pytest.mark.parametrize("mode", ["periodic", "dirichlet", "neumann", "cell-dirichlet", "cell-neumann"])
def test_a_mode_lies_in_the_band_of_its_wave_number(mode):
    x = grid(31, 1.0, mode)  # on 31 of the 32 intervals' ends, the mean square of a sine is 16 / 31
    wave = np.cos if "neumann" in mode else np.sin
    for periods in (1, 4, 5, 12, 13, 14):
        field = 3 * wave(2 * np.pi * periods * x)[None, None]
        wanted = np.zeros(3)
        wanted[np.searchsorted([5, 13], periods, side="right")] = 3 * np.sqrt(16 / 31 if mode == "dirichlet" else 1 / 2)
        np.testing.assert_allclose(band_rmse(field, 0 * field, mode)[0], wanted, atol=1e-5)
    if mode != "periodic":
        half = wave(2 * np.pi * 4.5 * x)[None, None]
        assert band_rmse(half, 0 * half, mode)[0, 0] == pytest.approx(np.sqrt(1 / 2), rel=0.02)


def test_bands_are_those_of_exponax_in_one_dimension():
    prediction, target = np.random.default_rng(4).standard_normal((2, 3, 1, 32)).astype(np.float32)
    theirs = [
        jax.vmap(partial(ex.metrics.fourier_RMSE, low=low, high=high))(prediction, target)
        for low, high in ((0, 4), (5, 12), (13, 16))
    ]
    np.testing.assert_allclose(band_rmse(prediction, target), np.stack(theirs, axis=1), rtol=1e-4)


def test_wave_numbers_of_two_axes_are_the_length_of_the_wave_vector():
    x, y = np.meshgrid(*[2 * np.pi * np.arange(16) / 16] * 2, indexing="ij")
    field = np.cos(3 * x - 4 * y)[None, None]
    bands = band_rmse(field, 0 * field, edges=(4.9, 5.1))
    np.testing.assert_allclose(bands, [[0, np.sqrt(1 / 2), 0]], atol=1e-6)


def test_a_band_without_modes_is_zero_and_so_is_its_gradient():
    field = np.float32(np.cos(np.arange(6)))[None, None]
    assert band_rmse(field, 0 * field)[0, 2] == 0
    slope = jax.grad(lambda field: band_rmse(field, 0 * field).sum())(jnp.asarray(field))
    assert np.isfinite(slope).all() and slope.any()


@pytest.mark.parametrize("metric", METRICS)
def test_equal_weights_change_nothing_whatever_their_size(metric):
    weighted = metric(PREDICTION, TARGET, weights=3.0 * np.ones((6, 7)))
    np.testing.assert_allclose(weighted, metric(PREDICTION, TARGET), rtol=1e-5)


def test_quadrature_weights_give_the_integral_on_a_grid_with_its_ends():
    x = grid(9, 2.0, "neumann")
    weights = quadrature_weights(9, 2.0, "neumann")
    field = np.cos(np.pi * x / 2)[None, None]
    assert mse(field, 0 * field, weights=weights) == pytest.approx(1 / 2, rel=1e-6)
    assert mse(field, 0 * field) != pytest.approx(1 / 2, rel=1e-2)
    two_dims = np.broadcast_to(field[..., None], (1, 1, 9, 4))
    assert mse(two_dims, 0 * two_dims, weights=weights[:, None]) == pytest.approx(1 / 2, rel=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("shape", [(4, 1, 6, 7), (1, 2, 6, 7), (4, 2, 6)])
def test_shapes_are_not_broadcast(metric, shape):
    with pytest.raises(ValueError, match=r"`prediction` must have the shape of `target`.*not broadcast"):
        metric(np.ones(shape), TARGET)


def test_a_missing_axis_of_samples_is_refused():
    with pytest.raises(ValueError, match=r"\(samples, channels, \*spatial\), got \(6,\) and \(6,\)"):
        mse(np.ones(6), np.ones(6))


def test_weights_do_not_raise_the_precision(float64):
    for metric in METRICS:
        assert metric(PREDICTION, TARGET, weights=np.ones((6, 7))).dtype == np.float32


def test_integers_are_numbers_too():
    assert mse(np.ones((1, 1, 4), int), np.zeros((1, 1, 4), int), weights=np.full(4, 0.5))[0] == 1


FIELDS = np.ones((3, 2, 6))
LINE = Domain(8, 0.1)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: relative_h1(FIELDS, FIELDS, LINE),
            r"`target` must have the shape \(samples, .*N = \(8,\), got \(3, 2, 6\)",
        ),
        (lambda: relative_h1(FIELDS, FIELDS[:1], LINE), r"`prediction` must have the shape of `target`"),
        (lambda: relative_h1(FIELDS, FIELDS, Domain(6, 0.1), accuracy=3), r"`accuracy` must be even, got 3"),
        (lambda: band_rmse(FIELDS, FIELDS[:1]), r"`prediction` must have the shape of `target`"),
        (lambda: band_rmse(FIELDS, FIELDS, "wrap"), r"`boundary_mode` must be one of 'periodic'"),
        (
            lambda: band_rmse(FIELDS, FIELDS, (("dirichlet", "neumann"),)),
            r"`boundary_mode` must be the same at both ends",
        ),
        (lambda: band_rmse(FIELDS, FIELDS, edges=(5, 5)), r"`edges` must be positive and increasing, got \(5, 5\)"),
        (lambda: band_rmse(FIELDS, FIELDS, edges=(0, 5)), r"`edges` must be positive and increasing, got \(0, 5\)"),
        (lambda: correlation_time(FIELDS[0], FIELDS[0]), r"`target` must have shape \(samples, time, channels"),
        (lambda: correlation_time(FIELDS, FIELDS, threshold=1), r"`threshold` must be less than 1, got 1"),
        (lambda: correlation_time(FIELDS, FIELDS[:1]), r"`prediction` must have the shape of `target`"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
