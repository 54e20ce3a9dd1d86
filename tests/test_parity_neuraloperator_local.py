"""The same weights give the same values as `neuralop`'s differential kernels, and its LocalNO without DISCO."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY
from pdequinox import arch
from pdequinox.conv import DifferentialConv

neuralop = pytest.importorskip("neuralop", reason="neuraloperator is not installed")
torch = pytest.importorskip("torch", reason="torch is not installed")


def randomised(module):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 1
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return module.eval()


def array(parameter):
    return jnp.asarray(parameter.detach().numpy())


def without_sum(weight):
    """The kernel whose centre takes the sum of all taps, so that its mean is zero and ours leaves it as it is."""
    taps = tuple(range(2, weight.ndim))
    centre = tuple(n // 2 for n in weight.shape[2:])
    return weight.at[(..., *centre)].add(-jnp.sum(weight, taps))


def relative_error(ours, theirs):
    theirs = theirs.detach().numpy()[0]
    return np.max(np.abs(np.asarray(ours) - theirs)) / np.max(np.abs(theirs))


@pytest.mark.parametrize("num_spatial_dims", [1, 2, 3])
def test_differential_kernels(num_spatial_dims):
    from neuralop.layers.differential_conv import FiniteDifferenceConvolution

    theirs = randomised(FiniteDifferenceConvolution(2, 4, num_spatial_dims, 3, groups=2))
    ours = DifferentialConv(
        num_spatial_dims, 2, 4, groups=2, num_reference_points=16, boundary_mode="periodic", key=KEY
    )
    ours = eqx.tree_at(lambda c: c.weight, ours, without_sum(array(theirs.weight)))
    x = np.random.default_rng(0).standard_normal((2, *(8,) * num_spatial_dims)).astype(np.float32)
    assert relative_error(ours(jnp.asarray(x)), theirs(torch.tensor(x)[None], 16 / 8)) < 1e-5


def from_neuralop(theirs, ours):
    """`theirs`' weights in `ours`: complex ones lie with the negative wave numbers first."""

    def linear(layer):
        return [array(layer.weight)[..., None], array(layer.bias).reshape(-1, 1, 1)]

    def perceptron(mlp):
        return [leaf for layer in mlp.fcs for leaf in linear(layer)]

    leaves = perceptron(theirs.lifting)
    blocks = theirs.local_no_blocks
    for k in range(blocks.n_layers):
        weight = np.moveaxis(array(blocks.convs[k].weight.tensor), 0, 1)
        m = weight.shape[2] // 2
        corners = np.stack([weight[:, :, m:], weight[:, :, :m]])
        leaves += [corners.real, corners.imag, without_sum(array(blocks.differential[k].weight))]
        leaves += [array(blocks.local_no_skips[k].conv.weight)[..., None], array(blocks.convs[k].bias)]
    leaves += perceptron(theirs.projection)
    old, structure = jax.tree.flatten(ours)
    assert len(old) == len(leaves)
    return jax.tree.unflatten(
        structure, [jnp.asarray(v).reshape(leaf.shape) for leaf, v in zip(old, leaves, strict=True)]
    )


def test_local_no_without_local_integrals():
    pytest.importorskip("torch_harmonics", reason="neuralop has no LocalNO without torch-harmonics")
    theirs = randomised(
        neuralop.models.LocalNO(
            n_modes=(8, 8), in_channels=2, out_channels=3, hidden_channels=6, default_in_shape=(16, 16),
            n_layers=3, disco_layers=False,
        )
    )  # fmt: skip
    ours = arch.LocalNO(
        2, 2, 3, hidden_channels=6, num_modes=(4, 5), num_layers=3, num_reference_points=16, use_integral=False,
        activation=partial(jax.nn.gelu, approximate=False), key=KEY,
    )  # fmt: skip
    network = from_neuralop(theirs, ours)
    for n in (16, 24):
        x = np.random.default_rng(n).standard_normal((2, n, n)).astype(np.float32)
        error = relative_error(network(jnp.asarray(x)), theirs(torch.tensor(x)[None]))
        print(n, error)
        assert error < 1e-4
