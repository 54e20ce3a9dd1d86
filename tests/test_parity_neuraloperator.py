"""The FNO family with the random weights of neuraloperator 2.0 gives the outputs of neuraloperator 2.0."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply
from pdequinox import arch
from pdequinox.conv import SpectralConv
from pdequinox.conv._spectral_weights import ranks

torch = pytest.importorskip("torch", reason="PyTorch is in the optional group `parity`")
neuralop = pytest.importorskip("neuralop", reason="neuraloperator is in the optional group `parity`")

from neuralop.layers import spectral_convolution  # noqa: E402
from neuralop.models import FNO, TFNO, UNO, uno  # noqa: E402

EXACT_GELU = partial(jax.nn.gelu, approximate=False)
SKIPS = {"skip": "fno_skip", "channel_mlp_skip": "channel_mlp_skip", "horizontal_skip": "horizontal_skip"}
NORMS = {"group": "group_norm", "instance": "instance_norm", "affine": "batch_norm", None: None}


def randomised(model):
    """All parameters and running statistics drawn anew, in evaluation mode."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5)
        for name, buffer in model.named_buffers():
            if buffer.dtype.is_floating_point:
                buffer.copy_(torch.rand(buffer.shape) + 0.5) if "var" in name else buffer.normal_()
    return model.eval()


def num_modes_of(n_modes):
    """An even number of modes of both signs is half as many of each; the last axis has those from 0 to n // 2."""
    return (*(n // 2 for n in n_modes[:-1]), n_modes[-1] // 2 + 1)


def array(tensor):
    return tensor.detach().resolve_conj().numpy()


def signs_behind_each_other(tensor, axes):
    """From wave numbers in ascending order to the non-negative ones and then the negative ones."""
    return np.roll(tensor, [-(tensor.shape[axis] // 2) for axis in axes], axes) if len(axes) else tensor


def by_corners(tensor, num_dims):
    """From `(in, out, *both signs)` to `(corners, out, in, *one sign)`."""
    corners = []
    for corner in range(2 ** (num_dims - 1)):
        index = [np.split(np.arange(n), 2)[corner >> axis & 1] for axis, n in enumerate(tensor.shape[2:-1])]
        index.append(np.arange(tensor.shape[-1]))
        corners.append(np.swapaxes(tensor[np.ix_(*map(np.arange, tensor.shape[:2]), *index)], 0, 1))
    return np.stack(corners)


def spectral_conv(ours, reference):
    weight, num_dims = reference.weight, reference.order
    num_channel_axes = 1 if reference.separable else 2
    kind = weight.name.lower().removeprefix("complex")
    if kind == "dense":
        tensor = signs_behind_each_other(
            array(weight.tensor), [num_channel_axes + axis for axis in range(num_dims - 1)]
        )
        parts = tensor if reference.separable else by_corners(tensor, num_dims)
    else:
        factors = [array(factor) for factor in weight.factors]
        for axis in range(num_dims - 1):
            place = num_channel_axes + axis
            factors[place] = signs_behind_each_other(factors[place], [1 if kind == "tt" else 0])
        first = {"tucker": lambda: weight.core, "cp": lambda: weight.weights}
        parts = (array(first[kind]()), *factors) if kind in first else tuple(factors)
    for old, new in zip(jax.tree.leaves(ours.weights_real), jax.tree.leaves(parts), strict=True):
        assert old.shape == new.shape
    values = [
        jax.tree.map(lambda part: jnp.asarray(part.real), parts),
        jax.tree.map(lambda p: jnp.asarray(p.imag), parts),
    ]
    ours = eqx.tree_at(lambda layer: (layer.weights_real, layer.weights_imag), ours, tuple(values))
    return eqx.tree_at(lambda layer: layer.bias, ours, jnp.asarray(array(reference.bias)).reshape(ours.bias.shape))


def pointwise(ours, reference):
    """A skip, or a layer of a perceptron."""
    if isinstance(reference, torch.nn.Identity) or ours is None:
        return ours
    linear = getattr(reference, "conv", reference)
    ours = eqx.tree_at(lambda layer: layer.weight, ours, jnp.asarray(array(linear.weight)).reshape(ours.weight.shape))
    if linear.bias is None:
        return ours
    return eqx.tree_at(lambda layer: layer.bias, ours, jnp.asarray(array(linear.bias)).reshape(ours.bias.shape))


def perceptron(ours, reference):
    layers = tuple(map(pointwise, ours.layers, reference.fcs))
    return eqx.tree_at(lambda block: block.layers, ours, layers)


def norm(ours, reference):
    inner = getattr(reference, "norm", reference)
    if getattr(inner, "weight", None) is None:
        return ours
    weight, bias = array(inner.weight), array(inner.bias)
    if hasattr(inner, "running_var"):
        weight = weight / np.sqrt(array(inner.running_var) + inner.eps)
        bias = bias - weight * array(inner.running_mean)
    return eqx.tree_at(lambda layer: (layer.weight, layer.bias), ours, (jnp.asarray(weight), jnp.asarray(bias)))


def block(ours, reference, index):
    skip = reference.fno_skips[index] if reference.fno_skips is not None else None
    mlp_skip = reference.channel_mlp_skips[index] if reference.channel_mlp_skips is not None else None
    new = [
        spectral_conv(ours.spectral_conv, reference.convs[index]),
        pointwise(ours.skip, skip),
        perceptron(ours.channel_mlp, reference.channel_mlp[index]),
        pointwise(ours.channel_mlp_skip, mlp_skip),
    ]
    if reference.norm is not None:
        new += [norm(ours.norm_1, reference.norm[2 * index]), norm(ours.norm_2, reference.norm[2 * index + 1])]
    where = lambda b: [b.spectral_conv, b.skip, b.channel_mlp, b.channel_mlp_skip, b.norm_1, b.norm_2][: len(new)]  # noqa: E731
    return eqx.tree_at(where, ours, new, is_leaf=lambda leaf: leaf is None)


def moved(ours, reference, blocks):
    lifting = getattr(ours.lifting, "network", ours.lifting)
    ours = eqx.tree_at(
        lambda network: (getattr(network.lifting, "network", network.lifting), network.blocks, network.projection),
        ours,
        (perceptron(lifting, reference.lifting), tuple(blocks), perceptron(ours.projection, reference.projection)),
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(ours)) >= count(reference)
    return ours


def count(model):
    """Parameters, complex ones as two."""
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in model.parameters())


def relative_error(ours, reference, shape):
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    with torch.no_grad():
        expected = reference(torch.asarray(x)[None])[0].numpy()
    return np.max(np.abs(np.asarray(apply(ours, jnp.asarray(x))) - expected)) / np.max(np.abs(expected))


def pair(n_modes, *, ours=arch.FNO, reference=FNO, norm=None, skips=(), position=True, **options):
    renamed = {"use_preactivation": "preactivation", "rank": "rank", "factorization": "factorization"}
    skips = dict(skips)
    reference = reference(
        n_modes,
        in_channels=2,
        out_channels=3,
        hidden_channels=4,
        n_layers=2,
        norm=NORMS[norm],
        positional_embedding="grid" if position else None,
        **{SKIPS[name]: value for name, value in skips.items()},
        **{renamed.get(name, name): value for name, value in options.items()},
    )
    network = ours(
        len(n_modes),
        2,
        3,
        hidden_channels=4,
        num_modes=num_modes_of(n_modes),
        num_blocks=2,
        norm=norm,
        position_embedding="grid" if position else None,
        activation=EXACT_GELU,
        key=KEY,
        **skips,
        **options,
    )
    randomised(reference)
    return moved(
        network, reference, [block(b, reference.fno_blocks, k) for k, b in enumerate(network.blocks)]
    ), reference


CASES = {
    "1d": ((8,), (16,), {}),
    "1d, odd grid, instance norm": ((8,), (15,), {"norm": "instance"}),
    "1d, coarser than its modes": ((16,), (9,), {"skips": {"skip": "soft-gating"}}),
    "2d, group norm": ((6, 8), (10, 9), {"norm": "group"}),
    "2d, Nyquist on both axes": ((8, 8), (8, 8), {}),
    "2d, coarser than its modes": ((16, 12), (10, 8), {}),
    "2d, separable, soft gating": ((6, 4), (8, 8), {"separable": True, "skips": {"skip": "soft-gating"}}),
    "2d, padded, batch norm": ((6, 4), (10, 7), {"domain_padding": 0.2, "norm": "affine"}),
    "2d, padded per axis, no position": ((6, 4), (8, 8), {"domain_padding": [0.0, 0.5], "position": False}),
    "2d, identity and linear skips": ((6, 4), (8, 8), {"skips": {"skip": "identity", "channel_mlp_skip": "linear"}}),
    "2d, no skips": ((6, 4), (8, 8), {"skips": {"skip": None, "channel_mlp_skip": None}}),
    "2d, preactivated": ((6, 4), (8, 8), {"use_preactivation": True, "norm": "group"}),
    "3d": ((4, 6, 4), (6, 8, 7), {}),
    "3d, batch norm, identity": ((4, 2, 4), (4, 6, 6), {"norm": "affine", "skips": {"channel_mlp_skip": "identity"}}),
}
LOW_RANK = {
    "1d, cp": ((8,), (15,), {"factorization": "cp", "rank": 0.5}),
    "2d, tucker": ((6, 8), (10, 9), {"factorization": "tucker", "rank": 0.3}),
    "2d, cp": ((6, 8), (10, 9), {"factorization": "cp", "rank": 0.3}),
    "2d, tt": ((6, 8), (10, 9), {"factorization": "tt", "rank": 0.3}),
    "3d, tucker": ((4, 6, 4), (6, 8, 7), {"factorization": "tucker", "rank": 0.1}),
    "2d, separable, cp": ((6, 4), (8, 8), {"factorization": "cp", "separable": True, "rank": 0.5}),
    "2d, separable, tucker": ((6, 4), (8, 8), {"factorization": "tucker", "separable": True, "rank": 0.5}),
}


@pytest.mark.parametrize("case", CASES)
def test_fno(case):
    n_modes, shape, options = CASES[case]
    assert relative_error(*pair(n_modes, **options), shape) < 1e-5


@pytest.mark.parametrize("case", LOW_RANK)
def test_tfno(case):
    n_modes, shape, options = LOW_RANK[case]
    network, reference = pair(n_modes, ours=arch.TFNO, reference=TFNO, **options)
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) == count(reference)
    assert relative_error(network, reference, shape) < 1e-5


def fourier(x, scales, _, output_shape=None):
    """One axis on another grid, as neuraloperator does it in three dimensions."""
    num_points = round(scales[0] * x.shape[-1]) if output_shape is None else output_shape[0]
    return torch.fft.irfft(torch.fft.rfft(x, norm="forward"), n=num_points, norm="forward")


@pytest.mark.parametrize("options", [{}, {"norm": "group", "horizontal_skip": "soft-gating", "domain_padding": 0.25}])
def test_uno_in_one_dimension_with_interpolation_by_fourier_modes(options, monkeypatch, capsys):
    """Coarse grids have odd sizes, so that the interpolations agree on what a Nyquist frequency is."""
    monkeypatch.setattr(spectral_convolution, "resample", fourier)
    monkeypatch.setattr(uno, "resample", fourier)
    norm_name, skip = options.get("norm"), options.get("horizontal_skip", "linear")
    reference = UNO(
        2,
        3,
        hidden_channels=4,
        lifting_channels=5,
        projection_channels=6,
        n_layers=3,
        uno_out_channels=[4, 6, 4],
        uno_n_modes=[[8], [6], [8]],
        uno_scalings=[[0.5], [1], [2]],
        channel_mlp_skip="linear",
        horizontal_skip=skip,
        norm=NORMS[norm_name],
        domain_padding=options.get("domain_padding"),
    )
    randomised(reference)
    network = arch.UNO(
        1,
        2,
        3,
        hidden_channels=4,
        lifting_channels=5,
        projection_channels=6,
        block_channels=(4, 6, 4),
        num_modes=(5, 4, 5),
        scalings=(0.5, 1, 2),
        channel_mlp_skip="linear",
        activated="nowhere",
        activation=EXACT_GELU,
        key=KEY,
        **options,
    )
    network = moved(
        network, reference, [block(b, r, 0) for b, r in zip(network.blocks, reference.fno_blocks, strict=True)]
    )
    skips = tuple(pointwise(s, reference.horizontal_skips["0"]) for s in network.horizontal_skips)
    network = eqx.tree_at(lambda n: n.horizontal_skips, network, skips)
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) == count(reference)
    assert relative_error(network, reference, (12 if "domain_padding" in options else 22,)) < 1e-5


def spectra(shape, n_modes, output_shape=None):
    """Of one layer, ours and the reference's, with the same weights; the first axis' wave numbers as they are."""
    reference = randomised(spectral_convolution.SpectralConv(2, 3, n_modes, bias=True, implementation="factorized"))
    layer = SpectralConv(2, 2, 3, num_modes_of(n_modes), use_bias=True, key=KEY)
    layer = spectral_conv(layer, reference)
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    with torch.no_grad():
        expected = reference(torch.asarray(x)[None], output_shape)[0].numpy()
    y = np.asarray(jax.jit(lambda layer, x: layer(x, output_shape=output_shape))(layer, x))
    return (np.fft.rfft2(u, norm="forward") for u in (y, expected))


def test_on_an_odd_first_axis_the_reference_shifts_its_output_by_one_wave_number():
    """Two shifts of the spectrum there and back are not one back on odd sizes: 2 (N // 2) = N - 1."""
    ours, reference = spectra((9, 8), (6, 6))
    np.testing.assert_allclose(np.roll(ours, -1, 1)[..., 1:3], reference[..., 1:3], atol=1e-5)
    assert np.max(np.abs(ours - reference)[..., 1:3]) > 0.1


def test_on_a_finer_grid_the_reference_takes_negative_wave_numbers_for_positive_ones():
    """It puts zeros behind the spectrum's first axis: -1 of 8 points becomes 7 of 16."""
    ours, reference = spectra((8, 8), (4, 4), (16, 16))
    np.testing.assert_allclose(ours[:, :2, 1:3], reference[:, :2, 1:3], atol=1e-5)
    np.testing.assert_allclose(ours[:, -2:, 1:3], reference[:, 6:8, 1:3], atol=1e-5)
    assert np.max(np.abs(ours[:, -2:, 1:3])) > 0.1 and np.max(np.abs(reference[:, -2:, 1:3])) < 1e-5


@pytest.mark.parametrize("factorization", [None, "tucker", "cp"])
def test_weights_start_as_wide_as_the_reference_s(factorization):
    torch.manual_seed(0)
    options = {"factorization": factorization, "rank": 0.5}
    reference = spectral_convolution.SpectralConv(16, 24, (8, 8), implementation="factorized", **options)
    layer = SpectralConv(2, 16, 24, (4, 5), use_bias=True, init="neuraloperator", **options, key=KEY)
    theirs = reference.weight.tensor if factorization is None else reference.weight.factors[0]
    ours = layer.weights_real if factorization is None else layer.weights_real[1]
    assert np.std(ours) == pytest.approx(np.std(array(theirs).real), rel=0.15)
    assert np.std(layer.bias) == pytest.approx(np.std(array(reference.bias)), rel=0.6)


def test_the_well_s_tfno():
    """44 -> 11 channels as in The Well; its own TFNO is written for an older neuraloperator."""
    reference = TFNO((16, 16), in_channels=44, out_channels=11, hidden_channels=128)
    network = eqx.filter_eval_shape(arch.TFNO, 2, 44, 11, hidden_channels=128, num_modes=(8, 9), key=KEY)
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) == count(reference) == 2_175_323


@pytest.mark.filterwarnings("ignore")
def test_ranks_are_tensorly_s():
    from tensorly.cp_tensor import validate_cp_rank
    from tensorly.tt_tensor import validate_tt_rank
    from tensorly.tucker_tensor import validate_tucker_rank

    rng = np.random.default_rng(0)
    for _ in range(300):
        shape = tuple(int(n) for n in rng.choice([1, 2, 3, 8, 9, 16, 20, 64, 128], rng.integers(2, 6)))
        rank = float(rng.choice([0.01, 0.1, 0.3, 0.9, 1.0, 1.5]))
        assert ranks("tucker", shape, rank) == tuple(validate_tucker_rank(shape, rank))
        assert ranks("cp", shape, rank) == (max(validate_cp_rank(shape, rank), 1),)
        assert ranks("tt", shape, rank) == tuple(validate_tt_rank(shape, rank))[1:-1]
