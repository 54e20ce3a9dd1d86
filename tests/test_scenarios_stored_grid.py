"""The grid of stored fields: what coordinates show, and what is left of every r-th point."""

import numpy as np
import pytest

from pdequinox.bench.scenarios._stored_grid import check_coordinates, thin, thinned
from pdequinox.boundary import MODES, grid


@pytest.mark.parametrize("mode", MODES[1:])
@pytest.mark.parametrize("other", MODES[1:])
def test_coordinates_fit_the_modes_of_their_points(mode, other):
    x = grid(12, 2.0, mode) - 1
    if mode == other or all(name.startswith("cell-") for name in (mode, other)):
        assert check_coordinates(x, other, 0) == pytest.approx(x[1] - x[0])
    else:
        with pytest.raises(ValueError, match=f"`boundary_mode` must fit the points of axis 0.*got '{other}'"):
            check_coordinates(x, other, 0)


def test_each_end_has_coordinates_of_its_own_kind():
    x = grid(12, 1.0, ("cell-neumann", "dirichlet"))
    assert check_coordinates(x, ("cell-dirichlet", "dirichlet"), 0) == pytest.approx(1 / 12.5)
    with pytest.raises(ValueError, match=r"which end at 0.92 .*got 'neumann'"):
        check_coordinates(x, ("cell-neumann", "neumann"), 0)


def test_coordinates_whose_ends_are_no_round_numbers_prove_nothing():
    x = grid(12, 2 * np.pi, "cell-neumann") - np.pi
    for mode in MODES:
        assert check_coordinates(x, mode, 0) == pytest.approx(np.pi / 6)


@pytest.mark.parametrize(
    ("x", "mode"),
    [(np.array([0.0, 0.1, 0.3]), "periodic"), (np.array([0.3, 0.2, 0.1]), "periodic"), (np.zeros(3), "neumann")],
)
def test_coordinates_that_are_not_uniform_are_refused(x, mode):
    with pytest.raises(ValueError, match=r"`path` must hold coordinates that ascend uniformly"):
        check_coordinates(x, mode, 0)


@pytest.mark.parametrize(
    ("mode", "n", "factor"),
    [
        ("periodic", 12, 3),
        ("neumann", 13, 4),
        ("dirichlet", 11, 3),
        ("cell-neumann", 12, 4),
        (("dirichlet", "neumann"), 12, 2),
        (("neumann", "dirichlet"), 12, 3),
        (("cell-dirichlet", "cell-neumann"), 12, 2),
    ],
    ids=str,
)
def test_a_thinned_grid_is_the_coarser_grid_of_the_mode(mode, n, factor):
    x = grid(n, 1.5, mode)
    thinning = thin(n, mode, factor, 0)
    kept = x[thinning.read].reshape(-1, thinning.block).mean(axis=1)
    assert len(kept) == thinned(n, thinning)
    np.testing.assert_allclose(kept, grid(len(kept), 1.5, mode))


@pytest.mark.parametrize(("mode", "n", "factor"), [("periodic", 10, 3), ("neumann", 12, 2), ("cell-neumann", 9, 2)])
def test_a_grid_that_cannot_be_thinned_is_refused(mode, n, factor):
    with pytest.raises(ValueError, match=r"`reduced_resolution` must give a coarser grid with the same ends"):
        thin(n, mode, factor, 0)
