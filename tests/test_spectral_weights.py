"""SpectralConv with fewer weights, a bias, named initial values, and outputs on another grid."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled, jit
from pdequinox.boundary import grid
from pdequinox.conv import SpectralConv
from pdequinox.conv._spectral_weights import ranks
from references import MODES

FACTORIZATIONS = ("tucker", "cp", "tt")


def varied(*shape):
    return np.random.default_rng(len(shape) + shape[-1]).standard_normal(shape)


def complex_factors(layer):
    real = layer.weights_real if isinstance(layer.weights_real, tuple) else (layer.weights_real,)
    imag = layer.weights_imag if isinstance(layer.weights_imag, tuple) else (layer.weights_imag,)
    imag = imag if len(imag) == len(real) else (0.0,) * len(real)
    return [
        np.asarray(r, float) + 1j * (0.0 if i is None else np.asarray(i, float))
        for r, i in zip(real, imag, strict=True)
    ]


def full_tensor(layer):
    """The product of all factors, written as one sum over all ranks."""
    factors = complex_factors(layer)
    if layer.factorization is None:
        return factors[0]
    axes = "abcde"[: len(factors) - (layer.factorization != "tt")]
    if layer.factorization == "tucker":
        ranks = axes.upper()
        return np.einsum(
            f"{ranks},{','.join(map(''.join, zip(axes, ranks, strict=True)))}->{axes}", *factors, optimize=True
        )
    if layer.factorization == "cp":
        return np.einsum(f"z,{','.join(axis + 'z' for axis in axes)}->{axes}", *factors, optimize=True)
    chain = "UVWXYZ"
    cores = ",".join(chain[k] + axis + chain[k + 1] for k, axis in enumerate(axes))
    return np.einsum(f"{cores}->{axes}", *factors, optimize=True)


def dense_layer(layer):
    """The layer with one matrix per mode that has the same tensor."""
    tensor = full_tensor(layer)
    if layer.separable:
        tensor = np.eye(layer.in_channels)[:, :, None][(...,) + (None,) * (tensor.ndim - 2)] * tensor
    options = {"boundary_mode": layer.boundary_mode, "parity": layer.parity}
    dense = filled(
        SpectralConv, layer.num_spatial_dims, layer.in_channels, layer.out_channels, layer.num_modes, **options
    )
    corners, signs = [], [n // m for n, m in zip(tensor.shape[2:], layer.num_modes, strict=True)]
    for corner in range(dense.weights_real.shape[0]):
        index, bits = [], corner
        for sign, count in zip(signs, layer.num_modes, strict=True):
            index.append(np.arange(count) + (count * (bits & 1) if sign == 2 else 0))
            bits >>= sign - 1
        corners.append(np.swapaxes(tensor[np.ix_(*map(np.arange, tensor.shape[:2]), *index)], 0, 1))
    parts = [dense.weights_real] if dense.weights_imag is None else [dense.weights_real, dense.weights_imag]
    values = [jnp.asarray(np.stack(corners).real), jnp.asarray(np.stack(corners).imag)][: len(parts)]
    where = lambda s: [part for part in (s.weights_real, s.weights_imag) if part is not None]  # noqa: E731
    return eqx.tree_at(where, dense, values)


CASES = [
    (("periodic", "periodic"), (8, 7), (2, 3), "mixed"),
    (("neumann", "cell-dirichlet"), (5, 6), (2, 3), "same"),
    (("neumann", "periodic", "cell-dirichlet"), (4, 5, 4), (2, 2, 3), "mixed"),
]


@pytest.mark.parametrize(
    ("factorization", "separable"), [(None, True), *((kind, flag) for kind in FACTORIZATIONS for flag in (False, True))]
)
@pytest.mark.parametrize(("modes", "shape", "num_modes", "parity"), CASES, ids=str)
def test_it_is_the_dense_layer_with_the_product_of_the_factors(
    factorization, separable, modes, shape, num_modes, parity, float64
):
    layer = filled(
        SpectralConv,
        len(shape),
        3,
        3 if separable else 4,
        num_modes,
        boundary_mode=modes,
        parity=parity,
        factorization=factorization,
        rank=0.7,
        separable=separable,
    )
    x = jnp.asarray(varied(3, *shape))
    y, expected = (apply(of, x) for of in (layer, dense_layer(layer)))
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12 * np.max(np.abs(expected)))
    assert np.max(np.abs(expected)) > 1e-3


def test_shapes_of_the_weights():
    shapes = lambda **options: [  # noqa: E731
        leaf.shape for leaf in jax.tree.leaves(filled(SpectralConv, 2, 4, 5, (2, 3), **options).weights_real)
    ]
    assert shapes(factorization="tucker", rank=(2, 3, 4, 1)) == [(2, 3, 4, 1), (4, 2), (5, 3), (4, 4), (3, 1)]
    assert shapes(factorization="tucker", rank=2) == [(2, 2, 2, 2), (4, 2), (5, 2), (4, 2), (3, 2)]
    assert shapes(factorization="cp", rank=6) == [(6,), (4, 6), (5, 6), (4, 6), (3, 6)]
    assert shapes(factorization="tt", rank=(2, 3, 4)) == [(1, 4, 2), (2, 5, 3), (3, 4, 4), (4, 3, 1)]
    separable = filled(SpectralConv, 2, 4, 4, (2, 3), separable=True, boundary_mode=("dirichlet", "periodic"))
    assert separable.weights_real.shape == separable.weights_imag.shape == (4, 4, 3)
    same = filled(SpectralConv, 2, 4, 4, (2, 3), separable=True, boundary_mode="dirichlet", parity="same")
    assert same.weights_real.shape == (4, 2, 3) and same.weights_imag is None


@pytest.mark.parametrize("shape", [(64, 64, 16, 9), (7, 5), (20, 20, 8), (3, 3, 16, 16, 9)])
@pytest.mark.parametrize("rank", [0.05, 0.5, 1.0])
def test_a_fraction_is_that_of_the_parameters(shape, rank):
    """Up to rounding, which a rank of at least one can only increase."""
    size = np.prod(shape)
    ranks_of = {kind: ranks(kind, shape, rank) for kind in FACTORIZATIONS}
    sizes = {
        "tucker": lambda r: np.prod(r) + np.dot(shape, r),
        "cp": lambda r: r[0] * (sum(shape) + 1),
        "tt": lambda r: sum(a * n * b for a, n, b in zip((1, *r), shape, (*r, 1), strict=True)),
    }
    for kind, count in sizes.items():
        of_kind = ranks_of[kind]
        least = count(tuple(max(n - 1, 1) for n in of_kind))
        # TensorLy's rule for "cp" forgets the weights, which are one part in the sum of the sizes.
        assert least <= max(rank * size * (1 + 1 / sum(shape)), count((1,) * len(of_kind))) and count(of_kind) >= least
    (root,) = [
        z.real
        for z in np.roots([size, *[0] * (len(shape) - 2), np.dot(shape, shape), -rank * size])
        if abs(z.imag) < 1e-9 and z.real > 0
    ]
    assert ranks_of["tucker"] == tuple(max(round(n * root), 1) for n in shape)


def test_ranks_of_the_reference_for_its_default_tensor():
    """Measured with neuraloperator 2.0."""
    assert [ranks(kind, (64, 64, 16, 9), 0.1) for kind in FACTORIZATIONS] == [(35, 35, 9, 5), (386,), (37, 23, 7)]


@pytest.mark.parametrize("factorization", FACTORIZATIONS)
def test_factors_start_so_that_their_tensor_has_the_standard_deviation_asked_for(factorization):
    layer = SpectralConv(2, 24, 24, 8, factorization=factorization, rank=0.5, init="neuraloperator", key=KEY)
    tensor = full_tensor(layer)
    assert (np.std(tensor.real), np.std(tensor.imag)) == pytest.approx((48**-0.5,) * 2, rel=0.3)
    real = SpectralConv(
        2, 24, 24, 8, factorization=factorization, rank=0.5, boundary_mode="neumann", parity="same", key=KEY
    )
    assert np.std(full_tensor(real).real) == pytest.approx(1 / 24**2, rel=0.3)


@pytest.mark.parametrize(("init", "scale"), [("normal", 1 / 80), ("neuraloperator", 18**-0.5), ("uno", 16**-0.5)])
def test_named_initial_values(init, scale):
    layer = SpectralConv(2, 8, 10, 12, init=init, use_bias=True, key=KEY)
    for part in (layer.weights_real, layer.weights_imag):
        assert (np.mean(part), np.std(part)) == pytest.approx((0, scale), rel=0.05, abs=0.05 * scale)
    assert np.std(layer.bias) == pytest.approx(np.sqrt(2) * scale, rel=0.6)


def test_the_uniform_initial_values_are_not_centred():
    layer = SpectralConv(2, 8, 10, 12, init="uniform", key=KEY)
    for part in (layer.weights_real, layer.weights_imag):
        assert 0 <= np.min(part) < np.max(part) <= 1 / 80
        assert np.mean(part) == pytest.approx(1 / 160, rel=0.05)


def test_the_weights_of_0_1_do_not_depend_on_the_new_options():
    plain, biased = (SpectralConv(2, 2, 3, 4, use_bias=use_bias, key=KEY) for use_bias in (False, True))
    assert plain.bias is None and len(jax.tree.leaves(plain)) == 2
    assert np.array_equal(plain.weights_real, biased.weights_real)
    assert np.array_equal(plain.weights_imag, biased.weights_imag)


def test_a_bias_is_a_constant_per_channel(float64):
    layer = filled(SpectralConv, 2, 2, 3, 4, use_bias=True, boundary_mode="dirichlet")
    without = eqx.tree_at(lambda s: s.bias, layer, None)
    x = jnp.asarray(varied(2, 5, 6))
    np.testing.assert_allclose(apply(layer, x) - apply(without, x), np.broadcast_to(layer.bias, (3, 5, 6)), atol=1e-12)
    assert layer.bias.shape == (3, 1, 1)
    assert not np.any(SpectralConv(2, 2, 3, 4, use_bias=True, zero_bias_init=True, key=KEY).bias)


@pytest.mark.parametrize("factorization", FACTORIZATIONS)
def test_low_precision_multiplies_the_factors_in_float32(factorization):
    layer = filled(SpectralConv, 1, 2, 3, 5, factorization=factorization, rank=0.8, use_bias=True)
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), layer)
    again = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), eqx.tree_at(lambda s: s.bias, low, None))
    x = jnp.asarray(varied(2, 16), jnp.bfloat16)
    y = apply(low, x)
    assert y.dtype == jnp.bfloat16
    assert np.array_equal(y, apply(again, x.astype(jnp.float32)).astype(jnp.bfloat16) + low.bias)


def band_limited(sizes, modes, highest):
    """Two channels of random sines or cosines up to the wave number `highest` of each axis."""
    fields = varied(2, *(2 * highest + 1,) * len(sizes))
    for axis, (n, mode) in enumerate(zip(sizes, modes, strict=True), start=1):
        k = np.arange(highest + 1)
        angle = np.pi * grid(n, 1.0, mode)[:, None] * k * (2 if mode == "periodic" else 1)
        columns = np.concatenate([np.cos(angle), np.sin(angle[:, 1:])], 1)
        if mode != "periodic":
            columns[:, (k[1:] + highest) if mode in ("neumann", "cell-neumann") else k] = 0
        fields = np.moveaxis(np.tensordot(columns, fields, (1, axis)), 0, axis)
    return fields


GRIDS = [
    (("periodic",), (8,), (12,)),
    (("periodic",), (15,), (8,)),
    (("periodic", "periodic"), (9, 8), (8, 11)),
    *(((mode, "periodic"), (7, 8), (10, 9)) for mode in MODES[1:]),
    *((("periodic", mode), (9, 9), (8, 6)) for mode in MODES[1:]),
]


@pytest.mark.parametrize(("modes", "shape", "other"), GRIDS, ids=str)
@pytest.mark.parametrize("parity", ["mixed", "same"])
def test_outputs_on_another_grid_are_those_of_the_layer_on_that_grid(modes, shape, other, parity, float64):
    """The layer is a function of the field; below the Nyquist frequency of both grids the grid does not matter."""
    layer = filled(SpectralConv, len(shape), 2, 3, 4, boundary_mode=modes, parity=parity, use_bias=True)
    on_shape, on_other = (jnp.asarray(band_limited(sizes, modes, 3)) for sizes in (shape, other))
    y = jit(lambda layer, x: layer(x, output_shape=other))(layer, on_shape)
    expected = apply(layer, on_other)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12 * np.max(np.abs(expected)))
    assert y.shape == (3, *other)


def test_wrong_options_are_refused():
    for options, message in [
        ({"separable": True}, r"`out_channels` must be `in_channels` \(2\) in a separable layer, got 3"),
        ({"init": "xavier"}, "`init` must be one of 'normal', 'neuraloperator', 'uniform', 'uno', got 'xavier'"),
        ({"init": "uniform", "factorization": "cp"}, "`init` must be a normal one with `factorization`, got 'uniform'"),
        ({"factorization": "svd"}, "`factorization` must be one of None, 'tucker', 'cp', 'tt', got 'svd'"),
        (
            {"factorization": "cp", "rank": 0.0},
            r"`rank` must be a positive fraction, one integer or 1 of them .* got 0\.0",
        ),
        ({"factorization": "tt", "rank": (2, 3)}, r"one integer or 3 of them .* \(2, 3, 8, 4\), got \(2, 3\)"),
        ({"factorization": "tucker", "rank": (2, 3, 0, 1)}, "`rank` must be an integer of at least 1, got 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            SpectralConv(2, 2, 3, 4, **options, key=KEY)
    layer = filled(SpectralConv, 2, 2, 3, 4)
    with pytest.raises(ValueError, match=r"`output_shape` must be one integer or one per axis \(2\), got \(5,\)"):
        layer(jnp.ones((2, 8, 8)), output_shape=(5,))
    low = filled(SpectralConv, 2, 2, 3, 4, factorization="tucker")
    with pytest.raises(ValueError, match=r"dtype of the parameters \(float32\), got bfloat16"):
        low(jnp.ones((2, 8, 8), jnp.bfloat16))
