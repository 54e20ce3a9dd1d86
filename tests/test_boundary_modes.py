"""Names of boundary modes, and the grids and quadratures that they stand for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdequinox.boundary import MODES, cells_of, grid, normalize_boundary_mode, quadrature_weights, spacing
from references import MODES as EXPECTED_MODES
from references import OFFSETS, PAIRS, ends

any_case = st.sampled_from(EXPECTED_MODES).flatmap(
    lambda mode: st.lists(st.booleans(), min_size=len(mode), max_size=len(mode)).map(
        lambda upper: "".join(c.upper() if u else c for c, u in zip(mode, upper, strict=True))
    )
)
bounded = any_case.filter(lambda mode: mode.lower() != "periodic")
pairs = st.tuples(bounded, bounded) | st.lists(bounded, min_size=2, max_size=2) | st.just(["PERIODIC", "periodic"])
AXIS_MODES = (*EXPECTED_MODES, *PAIRS)


def expected_entry(entry):
    if isinstance(entry, str):
        return entry.lower()
    left, right = (end.lower() for end in entry)
    return left if left == right else (left, right)


def test_the_modes_are_the_five_of_the_design():
    assert tuple(MODES) == EXPECTED_MODES


@given(any_case, st.integers(1, 4))
def test_one_name_in_any_case_stands_for_all_axes(mode, num_spatial_dims):
    assert normalize_boundary_mode(mode, num_spatial_dims) == (mode.lower(),) * num_spatial_dims


@given(st.lists(any_case | pairs, min_size=1, max_size=4), st.booleans())
def test_a_sequence_has_one_entry_per_axis_and_equal_ends_collapse(entries, as_tuple):
    given_modes = tuple(entries) if as_tuple else entries
    normalized = normalize_boundary_mode(given_modes, len(entries))
    assert normalized == tuple(map(expected_entry, entries))
    assert normalize_boundary_mode(normalized, len(entries)) == normalized
    hash(normalized)


def test_the_outer_tuple_is_over_axes_in_one_dimension_too():
    assert normalize_boundary_mode((("dirichlet", "neumann"),), 1) == (("dirichlet", "neumann"),)
    assert normalize_boundary_mode(("dirichlet", "neumann"), 2) == ("dirichlet", "neumann")
    with pytest.raises(ValueError, match=r"one entry per axis \(1\)"):
        normalize_boundary_mode(("dirichlet", "neumann"), 1)


@given(st.text().filter(lambda text: text.lower() not in EXPECTED_MODES))
def test_any_other_name_is_refused(name):
    with pytest.raises(ValueError, match="`boundary_mode` must be one of"):
        normalize_boundary_mode(name, 2)


@pytest.mark.parametrize("wrong", ["peridic", None, 3, 1.5, ("periodic", "peridic"), (("dirichlet", "odd"), "neumann")])
def test_a_wrong_mode_names_the_valid_ones(wrong):
    with pytest.raises(ValueError, match="`boundary_mode` must be one of") as caught:
        normalize_boundary_mode(wrong, 2)
    assert all(repr(mode) in str(caught.value) for mode in EXPECTED_MODES)


@given(st.integers(1, 4), st.integers(0, 6))
def test_a_wrong_length_names_the_number_of_axes(num_spatial_dims, length):
    if length == num_spatial_dims:
        length += 1
    with pytest.raises(ValueError, match=rf"one entry per axis \({num_spatial_dims}\)"):
        normalize_boundary_mode(("neumann",) * length, num_spatial_dims)


@pytest.mark.parametrize("pair", [("periodic", "dirichlet"), ("cell-neumann", "Periodic")])
def test_an_axis_is_not_periodic_at_one_end_only(pair):
    with pytest.raises(ValueError, match="must not be periodic at one end"):
        normalize_boundary_mode((pair,), 1)


@pytest.mark.parametrize("entry", [("dirichlet",), ("dirichlet", "neumann", "dirichlet"), ()])
def test_an_axis_has_two_ends(entry):
    with pytest.raises(ValueError, match=r"one mode or a \(left, right\) pair"):
        normalize_boundary_mode((entry, "neumann"), 2)


@pytest.mark.parametrize("mode", AXIS_MODES, ids=str)
@pytest.mark.parametrize(("num_points", "extent"), [(2, 1.0), (5, 3.0), (12, 0.7)])
def test_the_grid_keeps_each_end_at_its_own_distance(mode, num_points, extent):
    x, h = grid(num_points, extent, mode), spacing(num_points, extent, mode)
    assert x.shape == (num_points,) and x.dtype == np.float64
    np.testing.assert_allclose(np.diff(x), h, rtol=1e-12)
    if mode == "periodic":
        left, right = 0.0, 1.0
    else:
        left, right = (OFFSETS[end] for end in ends(mode))
    np.testing.assert_allclose([x[0], extent - x[-1]], [left * h, right * h], atol=1e-12)


def test_the_grids_are_those_of_the_design():
    j, length = np.arange(6), 2.5
    closed_forms = {
        "periodic": j * length / 6,
        "dirichlet": (j + 1) * length / 7,
        "neumann": j * length / 5,
        "cell-dirichlet": (j + 0.5) * length / 6,
        "cell-neumann": (j + 0.5) * length / 6,
    }
    for mode, expected in closed_forms.items():
        np.testing.assert_allclose(grid(6, length, mode), expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("mode", EXPECTED_MODES)
def test_a_single_point_has_a_grid_unless_both_its_ends_are_neumann(mode):
    if mode == "neumann":
        with pytest.raises(ValueError, match="`num_points` must be at least 2"):
            grid(1, 1.0, mode)
    else:
        assert grid(1, 2.0, mode) == pytest.approx(0.0 if mode == "periodic" else 1.0)


@pytest.mark.parametrize("function", [grid, spacing, quadrature_weights])
def test_grids_refuse_bad_sizes_and_modes(function):
    with pytest.raises(ValueError, match="`num_points` must be an integer of at least 1"):
        function(0, 1.0, "periodic")
    with pytest.raises(ValueError, match="`extent` must be positive"):
        function(4, -1.0, "periodic")
    with pytest.raises(ValueError, match="`extent` must be positive"):
        function(4, float("nan"), "periodic")
    with pytest.raises(ValueError, match="`boundary_mode` must be one of"):
        function(4, 1.0, "peridic")


def satisfying(mode, extent):
    """Functions that satisfy the condition at each end, with their integrals from 0 to extent."""
    if mode == "periodic":
        return [
            (lambda x, k=k: np.cos(2 * np.pi * k * x / extent + 1), extent * (k == 0) * np.cos(1)) for k in range(4)
        ]
    left, right = ("dirichlet" in end for end in ends(mode))
    found = []
    for k in range(4):
        wave = np.pi * (k + (0.5 if left != right else float(left))) / extent
        if left:
            found.append((lambda x, w=wave: np.sin(w * x), (1 - np.cos(wave * extent)) / wave))
        else:
            integral = np.sin(wave * extent) / wave if wave else extent
            found.append((lambda x, w=wave: np.cos(w * x), integral))
    return found


@pytest.mark.parametrize("mode", AXIS_MODES, ids=str)
def test_the_quadrature_is_the_trapezoidal_or_midpoint_rule(mode):
    """Second order on functions that satisfy the condition, exact where the rule has the symmetry for it."""
    extent = 3.0
    for function, integral in satisfying(mode, extent):
        errors = []
        for num_points in (40, 80):
            x, h = grid(num_points, extent, mode), spacing(num_points, extent, mode)
            weights = quadrature_weights(num_points, extent, mode)
            assert weights.shape == (num_points,) and weights.dtype == np.float64
            errors.append((abs(weights @ function(x) - integral), h))
        (coarse, h_coarse), (fine, h_fine) = errors
        assert fine < 0.02
        if coarse > 1e-12:
            assert np.log(coarse / fine) / np.log(h_coarse / h_fine) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("mode", EXPECTED_MODES)
def test_the_quadrature_makes_the_basis_orthogonal(mode):
    """Trapezoidal on nodes, midpoint on cells: exact for products of the mode's own waves below Nyquist."""
    num_points, extent = 12, 2.0
    x, weights = grid(num_points, extent, mode), quadrature_weights(num_points, extent, mode)
    waves = np.arange(1, 5) * np.pi / extent * (2 if mode == "periodic" else 1)
    values = (np.cos if "neumann" in mode else np.sin)(np.outer(x, waves))
    np.testing.assert_allclose(values.T @ (weights[:, None] * values), extent / 2 * np.eye(4), atol=1e-13)


def test_a_neumann_end_counts_half():
    np.testing.assert_allclose(quadrature_weights(5, 2.0, "neumann"), [0.25, 0.5, 0.5, 0.5, 0.25])
    np.testing.assert_allclose(quadrature_weights(4, 2.0, ("neumann", "dirichlet")), [0.25, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(quadrature_weights(4, 2.0, ("dirichlet", "neumann")), [0.5, 0.5, 0.5, 0.25])
    for mode in ("periodic", "cell-dirichlet", "cell-neumann", ("cell-dirichlet", "cell-neumann")):
        np.testing.assert_allclose(quadrature_weights(4, 2.0, mode), 0.5)
    np.testing.assert_allclose(quadrature_weights(4, 2.0, "dirichlet"), 0.4)


@pytest.mark.parametrize("mode", AXIS_MODES[1:], ids=str)
def test_a_quadrature_of_free_functions_extrapolates_to_dirichlet_ends(mode):
    """Exact for constants, and for straight lines between two nodes or two cells; of second order for others."""
    extent, errors = 2.0, []
    kinds_of_end = {end.startswith("cell") for end in ends(mode)}
    for num_points in (2, 3, 80, 160):
        x, h = grid(num_points, extent, mode), spacing(num_points, extent, mode)
        weights = quadrature_weights(num_points, extent, mode, free=True)
        assert weights.sum() == pytest.approx(extent)
        if len(kinds_of_end) == 1:
            assert weights @ (x - 3) == pytest.approx(extent**2 / 2 - 3 * extent)
        errors.append((abs(weights @ np.exp(x) - np.exp(extent) + 1), h))
    (coarse, h_coarse), (fine, h_fine) = errors[-2:]
    assert np.log(coarse / fine) / np.log(h_coarse / h_fine) == pytest.approx(2, abs=0.2)


def test_the_weights_of_free_functions_differ_next_to_dirichlet_ends_only():
    np.testing.assert_allclose(quadrature_weights(4, 2.5, "dirichlet", free=True), [1.0, 0.25, 0.25, 1.0])
    np.testing.assert_allclose(quadrature_weights(4, 2.0, ("neumann", "dirichlet"), free=True), [0.25, 0.5, 0.25, 1.0])
    for mode in ("dirichlet", ("dirichlet", "neumann"), ("neumann", "dirichlet"), ("cell-neumann", "dirichlet")):
        np.testing.assert_allclose(quadrature_weights(1, 2.0, mode, free=True), [2.0])
    for mode in ("periodic", "neumann", "cell-dirichlet", ("cell-neumann", "neumann")):
        weights = quadrature_weights(5, 2.0, mode)
        np.testing.assert_array_equal(quadrature_weights(5, 2.0, mode, free=True), weights)


def test_cells_keep_the_conditions_of_the_ends():
    assert [cells_of(mode) for mode in MODES] == ["periodic", *["cell-dirichlet", "cell-neumann"] * 2]
    assert cells_of(("dirichlet", "cell-neumann")) == ("cell-dirichlet", "cell-neumann")
