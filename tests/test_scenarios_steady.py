"""Steady scenarios against exact solutions, and what is in their data."""

import itertools

import numpy as np
import pytest

from pdequinox.bench.scenarios._burgers_operator import BurgersOperator
from pdequinox.bench.scenarios._darcy import Darcy
from pdequinox.bench.scenarios._scenario import Pairs
from pdequinox.bench.scenarios._steady import Helmholtz, Poisson
from pdequinox.boundary import MODES, grid, spacing

WALLS = ("dirichlet", "neumann", "cell-dirichlet", "cell-neumann")
MIXED = [pair for pair in itertools.product(WALLS, WALLS) if pair[0] != pair[1]]
FEW = {"num_train_samples": 6, "num_test_samples": 3}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PDEQUINOX_CACHE", str(tmp_path))


def exact_axis(mode, x, extent):
    """A function that satisfies the conditions of an axis, but has all derivatives else, and minus its second one."""
    if mode == "periodic":
        k = 2 * np.pi / extent
        e = np.exp(np.sin(k * x))
        return e, k**2 * e * (np.sin(k * x) - np.cos(k * x) ** 2)
    left, right = (mode, mode) if isinstance(mode, str) else mode
    z = x / extent
    # A polynomial of degree 4, 1 + ... at Neumann ends; its conditions as two linear equations.
    rows = []
    for end, at in ((left, 0.0), (right, 1.0)):
        powers = np.arange(5)
        value = at**powers
        slope = np.where(powers > 0, powers * at ** np.maximum(powers - 1, 0), 0)
        rows.append(slope if end.endswith("neumann") else value)
    null = np.linalg.svd(np.array(rows))[2][2:]
    p = np.polynomial.Polynomial(np.array([1.0, 0.7, -0.4]) @ null)
    return p(z), -p.deriv(2)(z) / extent**2


def exact_field(scenario):
    """A product of such functions, and minus its Laplacian."""
    modes = scenario._modes
    axes = [
        exact_axis(mode, grid(n, extent, mode), extent)
        for n, extent, mode in zip(scenario.shape, scenario._extents, modes, strict=True)
    ]
    field, laplacian = np.ones(()), np.zeros(())
    for value, second in axes:
        laplacian = np.multiply.outer(laplacian, value) + np.multiply.outer(field, second)
        field = np.multiply.outer(field, value)
    return field, laplacian


def error(scenario, square=0.0):
    field, laplacian = exact_field(scenario)
    if scenario.is_singular:
        field = field - np.sum(scenario._mean_weights(scenario.shape) * field)
    solution = scenario.solve((laplacian - square * field)[None, None])[0, 0]
    return np.abs(solution - field).max()


@pytest.mark.parametrize("mode", [*MODES, *MIXED], ids=str)
def test_poisson_in_one_dimension_converges_at_second_order(mode):
    errors = [
        error(Poisson(num_spatial_dims=1, boundary_mode=(mode,), num_points=n, domain_extent=1.7)) for n in (80, 160)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.12)


@pytest.mark.parametrize(
    "modes",
    [
        ("periodic", "dirichlet"),
        ("cell-neumann", ("dirichlet", "cell-neumann")),
        ("neumann", "periodic"),
        ("periodic", "periodic"),
        ("dirichlet", "cell-dirichlet", "neumann"),
        ("periodic", "cell-neumann", ("neumann", "dirichlet")),
    ],
    ids=str,
)
def test_poisson_with_different_axes_converges_at_second_order(modes):
    dims = len(modes)
    points, extents = ((15, 20, 17) if dims == 2 else (7, 8, 9))[:dims], (1.0, 1.3, 0.8)[:dims]
    options = {"num_spatial_dims": dims, "boundary_mode": modes, "domain_extent": extents}
    coarse, fine = (Poisson(num_points=tuple(factor * n for n in points), **options) for factor in (1, 2))
    refinement = spacing(points[0], 1.0, modes[0]) / spacing(2 * points[0], 1.0, modes[0])
    order = np.log(error(coarse) / error(fine)) / np.log(refinement)
    assert order == pytest.approx(2, abs=0.35)


@pytest.mark.parametrize("mode", [*MODES, ("neumann", "cell-dirichlet")], ids=str)
def test_helmholtz_converges_at_second_order(mode):
    def of(n):
        scenario = Helmholtz(num_spatial_dims=1, boundary_mode=(mode,), num_points=n, wave_number=7.5)
        return error(scenario, square=7.5**2)

    assert np.log2(of(160) / of(320)) == pytest.approx(2, abs=0.12)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_helmholtz_is_indefinite_by_default(dims):
    scenario = Helmholtz(num_spatial_dims=dims, num_points=11)
    values = np.linalg.eigvalsh(scenario.matrix(scenario.shape).toarray())
    assert values[0] < 0 < values[-1]


def test_poisson_treats_samples_and_axes_apart():
    x = grid(9, 1.0, "dirichlet")
    mode = np.sin(np.pi * x)[:, None] * np.sin(3 * np.pi * x)
    eigenvalue = sum((2 * np.sin(k * np.pi / 20) * 10) ** 2 for k in (1, 3))
    sources = np.stack([mode, 2 * mode.T])[:, None]
    np.testing.assert_allclose(Poisson(num_points=9).solve(sources), sources / eigenvalue, rtol=1e-12)


def test_sources_have_the_stated_covariance():
    scenario = Poisson(num_points=(7, 5), boundary_mode=("dirichlet", "periodic"), domain_extent=(1.0, 0.9))
    sources = scenario.sample_inputs(20_000, seed=0)
    x, y = grid(7, 1.0, "dirichlet"), grid(5, 0.9, "periodic")
    along_x = np.exp(-((x[:, None] - x) ** 2) / (2 * 0.1**2))
    chord = np.sin(np.pi * (y[:, None] - y) / 0.9) * 0.9 / np.pi
    along_y = np.exp(-(chord**2) / (2 * 0.1**2))
    flat = sources.reshape(len(sources), -1)
    np.testing.assert_allclose(flat.T @ flat / len(flat), np.kron(along_x, along_y), atol=0.05)
    assert np.abs(flat.mean(axis=0)).max() < 0.05


@pytest.mark.parametrize("mode", ["periodic", "neumann", "cell-neumann"])
def test_without_a_wall_that_holds_it_all_has_mean_zero(mode):
    scenario = Poisson(boundary_mode=mode, num_points=(8, 9), length_scale=0.4)
    sources, solutions = scenario.make_pairs(2, seed=3)
    weights = scenario._mean_weights(scenario.shape)
    for fields in (sources, solutions):
        np.testing.assert_allclose(np.sum(weights * fields, axis=(1, 2, 3)), 0, atol=1e-13)
    np.testing.assert_allclose(scenario.solve(sources + 5), solutions, atol=1e-12)


def test_fields_are_scaled_by_the_training_samples_and_keep_their_zero():
    scenario = Poisson(num_points=7, num_train_samples=12, num_test_samples=3)
    data = scenario.make_data()
    assert data.training_inputs.shape == (12, 1, 7, 7) and data.test_targets.shape == (3, 1, 7, 7)
    assert np.std(data.training_inputs) == pytest.approx(1, rel=1e-5)
    assert np.std(data.training_targets) == pytest.approx(1, rel=1e-5)
    physical = scenario.sample_inputs(3, seed=773)
    np.testing.assert_allclose(data.test_inputs, physical / data.input_units[1, 0], rtol=1e-5)
    np.testing.assert_allclose(data.test_targets, scenario.solve(physical) / data.target_units[1, 0], rtol=1e-5)


ALL = [Poisson(num_points=7, **FEW), Helmholtz(num_points=8, **FEW), Darcy(num_points=8, num_modes=8, **FEW)]
ALL += [BurgersOperator(num_points=96, num_substeps=400, **FEW)]


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_data_are_reproducible_and_differ_between_training_and_test(scenario):
    first, second = scenario.make_data(), scenario.make_data()
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.allclose(first.training_inputs[:3], first.test_inputs)
    for a, b in zip(scenario.data(), first, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_the_solution_on_the_full_grid_is_the_target(scenario):
    data = scenario.data()
    assert isinstance(data, Pairs)
    solution = scenario.coarse_solution(data.test_inputs)
    np.testing.assert_allclose(solution, data.test_targets, atol=1e-3 if scenario.name == "burgers-operator" else 1e-4)


@pytest.mark.parametrize(
    "scenario",
    [
        Poisson(num_points=31, length_scale=0.3, **FEW),
        Poisson(num_points=32, boundary_mode=("periodic", "cell-neumann"), length_scale=0.3, **FEW),
        Helmholtz(num_points=47, wave_number=6.0, length_scale=0.3, **FEW),
        Darcy(num_points=32, num_modes=16, **FEW),
        Darcy(num_points=31, num_modes=16, boundary_mode="dirichlet", **FEW),
        BurgersOperator(num_points=64, num_substeps=100, **FEW),
    ],
    ids=lambda scenario: scenario.label,
)
def test_a_coarser_grid_gives_about_the_same_solution(scenario):
    data = scenario.data()
    solution = scenario.coarse_solution(data.test_inputs, 2)
    assert solution.shape == data.test_targets.shape
    assert np.linalg.norm(solution - data.test_targets) < 0.08 * np.linalg.norm(data.test_targets)
    assert not np.array_equal(solution, data.test_targets)


def test_solutions_that_are_not_finite_are_refused():
    scenario = BurgersOperator(diffusivity=1e-7, num_substeps=3, num_points=32, **FEW)
    with pytest.raises(ValueError, match="must have finite solutions"):
        scenario.make_data()


# Darcy


def test_darcy_in_one_dimension_is_exact_at_a_jump_between_cells():
    n = 40
    scenario = Darcy(num_spatial_dims=1, num_points=n)
    x = grid(n, 1.0, "cell-dirichlet")
    a = np.where(x < 0.3, 3.0, 12.0)

    # a u' = c - x, with c such that u(1) = 0.
    def integral(c, x):
        below, above = np.minimum(x, 0.3), np.maximum(x - 0.3, 0)
        return (c * below - below**2 / 2) / 3 + (c * above - above * (0.6 + above) / 2) / 12

    c = -integral(0, 1.0) / (integral(1, 1.0) - integral(0, 1.0))
    # At a face the flux is known exactly; a source spread over half a cell beside a face is the only error.
    solution = scenario.solve(a[None, None])[0, 0]
    error = np.abs(solution - integral(c, x)).max()
    finer = Darcy(num_spatial_dims=1, num_points=2 * n)
    x = grid(2 * n, 1.0, "cell-dirichlet")
    solution = finer.solve(np.where(x < 0.3, 3.0, 12.0)[None, None])[0, 0]
    assert np.log2(error / np.abs(solution - integral(c, x)).max()) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("mode", ["dirichlet", "cell-dirichlet", ("dirichlet", "cell-dirichlet")], ids=str)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_darcy_with_one_material_is_poisson(dims, mode):
    options = {"num_spatial_dims": dims, "num_points": (6, 7, 8)[:dims], "boundary_mode": (mode,) * dims}
    ones = np.ones((1, 1, *(6, 7, 8)[:dims]))
    np.testing.assert_allclose(Darcy(**options).solve(4 * ones), Poisson(**options).solve(ones / 4), rtol=1e-10)


def test_darcy_converges_for_a_smooth_coefficient_at_second_order():
    """On a square, with a source that is not one: the matrix itself is tested."""

    def error(n):
        scenario = Darcy(num_points=n)
        x = grid(n, 1.0, "cell-dirichlet")[:, None]
        y = x.T
        a = 2 + x * y**2
        u = np.sin(np.pi * x) * np.sin(2 * np.pi * y)
        u_x = np.pi * np.cos(np.pi * x) * np.sin(2 * np.pi * y)
        u_y = 2 * np.pi * np.sin(np.pi * x) * np.cos(2 * np.pi * y)
        source = 5 * np.pi**2 * a * u - y**2 * u_x - 2 * x * y * u_y
        solution = np.linalg.solve(scenario.matrix(a).toarray(), source.ravel())
        return np.abs(solution - u.ravel()).max()

    assert np.log2(error(12) / error(24)) == pytest.approx(2, abs=0.2)


def test_darcy_conserves_the_flux():
    """What the source gives leaves through the walls."""
    n = 12
    scenario = Darcy(num_points=n, num_modes=8)
    a, u = (fields[0, 0] for fields in scenario.make_pairs(1, seed=1))
    through_walls = sum(
        np.sum(2 * np.moveaxis(a, axis, 0)[end] * np.moveaxis(u, axis, 0)[end]) for axis in (0, 1) for end in (0, -1)
    )
    assert through_walls == pytest.approx(1, rel=1e-10)


def test_darcy_is_symmetric_and_takes_its_two_materials():
    scenario = Darcy(num_points=(9, 8), num_modes=8, low=2.0, high=5.0)
    a = scenario.sample_inputs(20, seed=0)
    assert set(np.unique(a)) == {2.0, 5.0}
    matrix = scenario.matrix(a[0, 0]).toarray()
    np.testing.assert_array_equal(matrix, matrix.T)


def test_darcy_fields_have_the_stated_covariance():
    scenario = Darcy(num_points=(4, 3), num_modes=12, domain_extent=(1.0, 1.5))
    fields = scenario.sample_fields(20_000, seed=0).reshape(20_000, -1)
    x, y = grid(4, 1.0, "cell-neumann"), grid(3, 1.5, "cell-neumann")
    waves = np.arange(12)
    basis_x = np.cos(np.pi * np.outer(x, waves)) * np.where(waves > 0, np.sqrt(2), 1)
    basis_y = np.cos(np.pi * np.outer(y, waves) / 1.5) * np.where(waves > 0, np.sqrt(2 / 1.5), np.sqrt(1 / 1.5))
    variance = (np.pi**2 * (waves[:, None] ** 2 + waves**2 / 1.5**2) + 9.0) ** -2
    variance[0, 0] = 0
    basis = np.kron(basis_x, basis_y)
    expected = basis @ np.diag(variance.ravel()) @ basis.T
    np.testing.assert_allclose(fields.T @ fields / len(fields), expected, atol=0.04 * expected.max())


def test_darcy_has_the_same_materials_at_every_resolution():
    coarse, fine = (Darcy(num_points=n, num_modes=8).sample_fields(2, seed=4) for n in (8, 24))
    np.testing.assert_allclose(coarse, fine[:, 1::3, 1::3], rtol=1e-10)


def test_a_coarse_cell_has_the_geometric_mean_of_its_cells():
    a = np.random.default_rng(0).uniform(3, 12, (1, 1, 4, 6))
    coarse = Darcy(num_points=(4, 6), num_modes=4).coarse_inputs(a, (2, 2))
    expected = np.exp(np.log(a).reshape(1, 1, 2, 2, 2, 3).mean(axis=(3, 5)))
    np.testing.assert_allclose(coarse, expected)


# Burgers


def cole_hopf(initial, diffusivity, time):
    """The exact solution of a state of mean zero, on the periodic unit interval."""
    n = initial.shape[-1]
    k = 2 * np.pi * np.arange(n // 2 + 1)
    waves = np.fft.rfft(initial)
    potential = np.fft.irfft(np.where(k > 0, waves / (1j * np.maximum(k, 1)), 0), n)
    heat = np.fft.rfft(np.exp(-potential / (2 * diffusivity))) * np.exp(-diffusivity * k**2 * time)
    return -2 * diffusivity * np.fft.irfft(1j * k * heat, n) / np.fft.irfft(heat, n)


@pytest.mark.parametrize(("diffusivity", "time"), [(0.1, 1.0), (0.02, 0.7)])
def test_burgers_agrees_with_cole_and_hopf(diffusivity, time):
    scenario = BurgersOperator(diffusivity=diffusivity, end_time=time, num_points=64, num_substeps=200)
    inputs, targets = scenario.make_pairs(3, seed=5)
    initial = np.fft.irfft(scenario.sample_coefficients(3, seed=5), 2048, norm="forward")
    np.testing.assert_allclose(inputs[:, 0], initial[:, ::32], atol=1e-12)
    exact = cole_hopf(initial, diffusivity, time)[:, ::32]
    np.testing.assert_allclose(targets[:, 0], exact, atol=2e-6 * np.abs(exact).max())


def test_burgers_on_another_interval_is_the_same_equation_in_other_units():
    """With x = 2 y and u = 2 v, diffusivity is four times as large."""
    scenario = BurgersOperator(domain_extent=2.0, diffusivity=0.4)
    reference = BurgersOperator(diffusivity=0.1)
    v = np.sin(2 * np.pi * grid(48, 1.0, "periodic"))[None, None]
    np.testing.assert_allclose(scenario.solve(2 * v), 2 * reference.solve(v), rtol=1e-10, atol=1e-14)


def test_burgers_initial_states_have_the_stated_covariance():
    scenario = BurgersOperator(num_points=6, domain_extent=1.3)
    states = scenario.sample_inputs(20_000, seed=0)[:, 0]
    x = grid(6, 1.3, "periodic")
    k = 2 * np.pi * np.arange(1, 257)[:, None, None] / 1.3
    expected = np.sum(2 / 1.3 * 625 / (k**2 + 25) ** 2 * np.cos(k * (x[:, None] - x)), axis=0)
    np.testing.assert_allclose(states.T @ states / len(states), expected, atol=0.02)


def test_burgers_has_the_same_functions_at_every_resolution():
    coarse, fine = (BurgersOperator(num_points=n, num_substeps=50).make_pairs(2, seed=1) for n in (64, 192))
    for few, many in zip(coarse, fine, strict=True):
        np.testing.assert_allclose(few, many[..., ::3], atol=1e-12)


# What is refused


@pytest.mark.parametrize(
    ("make", "options", "match"),
    [
        (Poisson, {"length_scale": 0.0}, "`length_scale` must be positive"),
        (Poisson, {"boundary_mode": "robin"}, "`boundary_mode` must be one of"),
        (Helmholtz, {"wave_number": -1.0}, "`wave_number` must be positive, got -1.0. For zero"),
        (Darcy, {"boundary_mode": "periodic"}, "`boundary_mode` must be 'dirichlet' or 'cell-dirichlet'"),
        (Darcy, {"low": 0.0}, "`low` must be positive"),
        (Darcy, {"num_modes": 1}, "`num_modes` must be an integer of at least 2"),
        (BurgersOperator, {"num_spatial_dims": 2}, "`num_spatial_dims` must be 1 for burgers-operator"),
        (BurgersOperator, {"boundary_mode": "neumann"}, "`boundary_mode` must be 'periodic'"),
        (BurgersOperator, {"diffusivity": 0.0}, "`diffusivity` must be positive"),
        (BurgersOperator, {"end_time": -1.0}, "`end_time` must be positive"),
        (BurgersOperator, {"num_fine_points": 512}, "`num_fine_points` must be an integer of at least 513"),
        (BurgersOperator, {"num_substeps": 0}, "`num_substeps` must be an integer of at least 1"),
    ],
)
def test_wrong_options_are_refused(make, options, match):
    with pytest.raises(ValueError, match=match):
        make(**options)


def test_resonance_is_refused_and_the_proposal_is_taken():
    resonant = 2 / (1 / 10) * np.sin(np.pi / 20)  # the first eigenvalue of nine points
    options = {"num_spatial_dims": 1, "num_points": 9}
    with pytest.raises(ValueError, match=r"`wave_number` must stay away from resonance.*Choose 4\.\d+, say\.") as error:
        Helmholtz(wave_number=resonant, **options)
    Helmholtz(wave_number=float(str(error.value).split("Choose ")[1].split(",")[0]), **options)
