"""Domains: where the points and the walls are, samples of both, and what is printed."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.boundary import grid, spacing
from pdequinox.fields import Domain, FiniteDifferences, FourierSeries
from references import MODES, OFFSETS, PAIRS, ends

AXIS_MODES = (*MODES, *PAIRS)


def test_fields_print_as_in_the_operator_params_guide():
    domain = Domain(N=(128, 128), dx=(1.0, 1.0))
    values = jnp.zeros((128, 128))
    printed = "FourierSeries(params=f32[128,128,1], domain=Domain(N=(128, 128), dx=(1.0, 1.0)))"
    assert f"{FourierSeries.from_grid(values, domain)}" == printed
    printed = "FiniteDifferences(\n  params=f32[128,128,1], domain=Domain(N=(128, 128), dx=(1.0, 1.0))\n)"
    assert f"{FiniteDifferences.from_grid(values, domain)}" == printed


@pytest.mark.parametrize(
    ("domain", "printed"),
    [
        (Domain(8, 0.5), "Domain(N=(8,), dx=(0.5,))"),
        (Domain(8, 0.5, "neumann"), "Domain(N=(8,), dx=(0.5,), boundary_mode=('neumann',))"),
        (Domain(8, 0.5, origin=0.0), "Domain(N=(8,), dx=(0.5,), origin=(0.0,))"),
        (
            Domain(8, 0.5, (("neumann", "dirichlet"),), origin=2.0),
            "Domain( N=(8,), dx=(0.5,), boundary_mode=(('neumann', 'dirichlet'),), origin=(2.0,) )",
        ),
    ],
    ids=str,
)
def test_what_is_printed_is_what_was_given_and_makes_the_same_domain(domain, printed):
    assert " ".join(repr(domain).split()) == printed
    assert eval(repr(domain)) == domain


@pytest.mark.parametrize(
    "same",
    [
        Domain([8, 6], [0.5, 2.0]),
        Domain(np.array([8, 6]), np.array([0.5, 2.0], np.float32)),
        Domain((np.int64(8), 6), (np.float64(0.5), 2)),
        Domain([8, 6], jnp.array([0.5, 2.0]), "Periodic"),
        Domain((8, 6), (0.5, 2.0), [("periodic", "periodic"), "periodic"], origin=(-2.0 + 0.25, -5)),
    ],
    ids=["lists", "NumPy arrays", "NumPy scalars", "JAX array", "defaults written out"],
)
def test_spellings_of_one_domain_are_equal_and_normalised(same):
    domain = Domain((8, 6), (0.5, 2.0))
    assert same == domain and hash(same) == hash(domain) and len({same, domain}) == 1
    assert same.N == (8, 6) and all(type(n) is int for n in same.N)
    assert same.dx == (0.5, 2.0) and all(type(h) is float for h in (*same.dx, *same.origin))
    assert same.boundary_mode == ("periodic", "periodic")


@pytest.mark.parametrize(
    "other",
    [
        Domain((6, 8), 0.5, "neumann"),
        Domain((8, 6), (0.5, 0.25), "neumann"),
        Domain((8, 6), 0.5, ("neumann", "cell-neumann")),
        Domain((8, 6), 0.5, "neumann", origin=0),
        Domain((8, 6, 1), (0.5, 0.5, 0.5), ("neumann", "neumann", "periodic")),
        "a string",
    ],
    ids=str,
)
def test_domains_with_other_points_or_conditions_are_not_equal(other):
    assert (Domain((8, 6), 0.5, "neumann") == other) is False


def test_one_number_stands_for_all_axes():
    domain = Domain(8, (0.5, 0.25, 1.0), "dirichlet", origin=1)
    assert domain.ndim == 3 and domain.N == (8, 8, 8) and domain.origin == (1.0, 1.0, 1.0)
    assert Domain((8, 6), 0.5, origin=(0.0, 1.0)).dx == (0.5, 0.5)


def test_a_domain_is_static():
    domain, traces = Domain((3, 2), 0.5), []

    @jax.jit
    def volume(scale, domain):
        traces.append(domain)
        return scale * domain.cell_volume

    assert jax.tree.leaves(domain) == []
    assert [float(volume(2.0, Domain([3, 2], h))) for h in (0.5, 0.5, 1.0)] == [0.5, 0.5, 2.0]
    assert len(traces) == 2


@pytest.mark.parametrize("mode", AXIS_MODES, ids=str)
@pytest.mark.parametrize("num_spatial_dims", [1, 2, 3])
def test_the_points_are_those_of_the_boundary_grids(mode, num_spatial_dims, float64):
    N, lengths = (4, 3, 5)[:num_spatial_dims], (3.0, 0.7, 2.0)[:num_spatial_dims]
    modes = (mode, "cell-neumann", "periodic")[:num_spatial_dims]
    axes = list(zip(N, lengths, modes, strict=True))
    domain = Domain(N, [spacing(*axis) for axis in axes], modes, origin=0)
    assert domain.ndim == num_spatial_dims and domain.grid.shape == (*N, num_spatial_dims)
    np.testing.assert_allclose(domain.extent, lengths, rtol=1e-14)
    np.testing.assert_allclose(domain.size, [n * h for n, h in zip(N, domain.dx, strict=True)], rtol=1e-15)
    assert domain.cell_volume == pytest.approx(math.prod(domain.dx))
    expected = [grid(*axis) for axis in axes]
    for axis, x in enumerate(expected):
        np.testing.assert_allclose(domain.spatial_axis[axis], x, rtol=1e-14, atol=1e-15)
    for index in itertools.product(*map(range, N)):
        point = [x[i] for x, i in zip(expected, index, strict=True)]
        np.testing.assert_allclose(np.asarray(domain.grid)[index], point, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("mode", AXIS_MODES, ids=str)
@pytest.mark.parametrize("num_points", [4, 5])
def test_by_default_the_points_are_symmetric_about_zero(mode, num_points, float64):
    h = 0.3
    domain = Domain(num_points, h, (mode,))
    expected = (np.arange(num_points) - (num_points - 1) / 2) * h
    np.testing.assert_allclose(domain.spatial_axis[0], expected, atol=1e-15)
    left, right = (0.0, 1.0) if mode == "periodic" else (OFFSETS[end] for end in ends(mode))
    assert domain.origin[0] == pytest.approx(expected[0] - left * h)
    assert domain.origin[0] + domain.extent[0] == pytest.approx(expected[-1] + right * h)


def test_an_origin_moves_the_lower_wall():
    domain = Domain((4, 3), 0.5, ("cell-dirichlet", "dirichlet"), origin=(10.0, -1.0))
    np.testing.assert_allclose(domain.spatial_axis[0], [10.25, 10.75, 11.25, 11.75])
    np.testing.assert_allclose(domain.spatial_axis[1], [-0.5, 0.0, 0.5])


BOXES = [
    Domain(5, 0.3, "dirichlet"),
    Domain((8, 4), (0.5, 0.125), ("neumann", "periodic"), origin=(3.0, -1.0)),
    Domain((4, 4, 4), (1.0, 0.5, 0.25), ("cell-neumann", "periodic", "dirichlet")),
]


def share_within(count, total, share):
    """Whether a count is within five standard deviations of its mean."""
    return abs(count - total * share) < 5 * math.sqrt(total * share * (1 - share)) + 1e-9


@pytest.mark.parametrize("domain", BOXES, ids=["1D", "2D", "3D"])
def test_samples_of_a_domain_are_uniform_in_the_box(domain):
    total = 4000
    points = np.asarray(domain.domain_sampler(jax.random.key(0), total))
    assert points.shape == (total, domain.ndim)
    relative = (points - domain.origin) / domain.extent
    assert np.min(relative) >= 0 and np.max(relative) <= 1
    # Each of the 2^ndim halves, quarters or eighths of the box has its share, and so has the quarter next to a wall.
    for corner in itertools.product((False, True), repeat=domain.ndim):
        assert share_within(np.sum(np.all((relative > 0.5) == corner, axis=1)), total, 0.5**domain.ndim)
    for axis in range(domain.ndim):
        assert share_within(np.sum(relative[:, axis] < 0.25), total, 0.25)
    assert not np.array_equal(points, domain.domain_sampler(jax.random.key(1), total))


@pytest.mark.parametrize("domain", BOXES, ids=["1D", "2D", "3D"])
def test_samples_of_the_boundary_are_uniform_on_the_whole_surface(domain):
    """End points in 1D, edges in 2D, faces (not only their edges) in 3D, in proportion to their area."""
    total = 4000
    points = np.asarray(domain.boundary_sampler(jax.random.key(0), total))
    assert points.shape == (total, domain.ndim)
    relative = (points - domain.origin) / domain.extent
    assert np.min(relative) > -1e-5 and np.max(relative) < 1 + 1e-5
    at_wall = np.stack([np.abs(relative) < 1e-5, np.abs(relative - 1) < 1e-5], axis=-1)
    on_one_wall = at_wall.sum(axis=(1, 2)) == 1
    assert np.all(at_wall.any(axis=(1, 2))) and np.mean(on_one_wall) > 0.99
    areas = [math.prod(domain.extent) / extent for extent in domain.extent]
    for axis, side in itertools.product(range(domain.ndim), range(2)):
        on_face = at_wall[:, axis, side]
        assert share_within(np.sum(on_face), total, areas[axis] / (2 * sum(areas)))
        for other in set(range(domain.ndim)) - {axis}:
            for quarter in (0.25, 0.75):
                assert share_within(np.sum(relative[on_face, other] < quarter), np.sum(on_face), quarter)


def test_coordinates_and_samples_have_the_default_precision(float64):
    domain, key = Domain((3, 2), 0.5), jax.random.key(0)
    for dtype, enabled in ((jnp.float64, True), (jnp.float32, False)):
        with jax.enable_x64(enabled):
            arrays = (domain.grid, *domain.spatial_axis, domain.domain_sampler(key, 2), domain.boundary_sampler(key, 2))
            assert {array.dtype for array in arrays} == {jnp.dtype(dtype)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((8, 0), 1.0), "`N` must be an integer of at least 1, got 0"),
        (((8, 2.0), 1.0), "`N` must be an integer of at least 1, got 2.0"),
        (((8, True), 1.0), "`N` must be an integer of at least 1, got True"),
        (((8, 4), (1.0, 1.0, 1.0)), r"`N` must be one integer or one per axis \(3\)"),
        (((8, 4), (1.0,)), r"`dx` must be one finite number or one per axis \(2\), got \(1.0,\)"),
        (((8, 4), np.ones((2, 1))), "`dx` must be one finite number or one per axis"),
        (((8, 4), (1.0, 0.0)), r"`dx` must be positive, got \(1.0, 0.0\)"),
        (((8, 4), -0.5), "`dx` must be positive, got -0.5"),
        ((8, math.nan), "`dx` must be one finite number"),
        ((8, math.inf), "`dx` must be one finite number"),
        ((8, 1j), "`dx` must be one finite number"),
        ((8, True), "`dx` must be one finite number"),
        ((8, "1"), "`dx` must be one finite number"),
        ((8, 1.0, "peridic"), "`boundary_mode` must be one of 'periodic'"),
        ((8, 1.0, None), "`boundary_mode` must be one of 'periodic'"),
        (((8, 4, 2), 1.0, ("periodic", "neumann")), r"`boundary_mode` must have one entry per axis \(3\)"),
        ((8, 1.0, (("periodic", "neumann"),)), "must not be periodic at one end"),
        ((1, 1.0, "neumann"), "`num_points` must be at least 2 on a 'neumann' axis, got 1"),
        (((8, 4), 1.0, "neumann", (0.0,)), r"`origin` must be one finite number or one per axis \(2\)"),
        ((8, 1.0, "neumann", math.inf), "`origin` must be one finite number"),
    ],
    ids=str,
)
def test_wrong_domains_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Domain(*arguments)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("N", lambda n: Domain((4, n), 1.0)),
        ("dx", lambda h: Domain(4, h)),
        ("dx", lambda h: Domain((4, 4), (h, 1.0))),
        ("origin", lambda start: Domain(4, 1.0, origin=start)),
    ],
)
def test_what_is_traced_cannot_be_part_of_a_domain(name, make):
    with pytest.raises(ValueError, match=f"`{name}` must be known when tracing"):
        jax.jit(lambda value: make(value).grid)(4)
