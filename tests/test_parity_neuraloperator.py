"""The FNO family with the random weights of neuraloperator 2.0 gives the outputs of neuraloperator 2.0."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply
from pdequinox import arch

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
    return tuple(n // 2 for n in n_modes[:-1]) + (n_modes[-1] // 2 + 1,)


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
        tensor = signs_behind_each_other(array(weight.tensor), [num_channel_axes + axis for axis in range(num_dims - 1)])
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
    values = [jax.tree.map(lambda part: jnp.asarray(part.real), parts), jax.tree.map(lambda p: jnp.asarray(p.imag), parts)]
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
    return moved(network, reference, [block(b, reference.fno_blocks, k) for k, b in enumerate(network.blocks)]), reference


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
