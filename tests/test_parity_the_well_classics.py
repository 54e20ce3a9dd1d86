"""The Well's U-Net of 2015 and its dilated ResNet with their random weights in ours; needs `.[parity]`."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is in the optional group `parity`")
models = pytest.importorskip("the_well.benchmark.models", reason="The Well is in the optional group `parity`")

from filled import KEY, apply  # noqa: E402
from pdequinox import arch  # noqa: E402


def randomised(module):
    """The reference in evaluation mode, with all parameters and running statistics drawn anew."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            fan_in = max(1, parameter[0].numel()) if parameter.ndim > 1 else 1
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
        for name, buffer in module.named_buffers():
            if "running_mean" in name:
                buffer.copy_(torch.randn(buffer.shape, generator=generator))
            elif "running_var" in name:
                buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    return module.eval()


def numbers(tensor):
    return tensor.detach().numpy()


def relative_error(network, reference, num_spatial_dims, n):
    x = np.random.default_rng(0).standard_normal((2, *(n,) * num_spatial_dims)).astype(np.float32)
    with torch.no_grad():
        expected = reference(torch.asarray(x)[None])[0].numpy()
    y = np.asarray(apply(network, jnp.asarray(x)))
    assert y.shape == expected.shape
    return np.linalg.norm(y - expected) / np.linalg.norm(expected)


def with_leaves(network, values):
    """The network with these values, in the order of its leaves."""
    leaves, structure = jax.tree.flatten(network)
    assert [leaf.size for leaf in leaves] == [value.size for value in values]
    return jax.tree.unflatten(structure, [jnp.asarray(v.reshape(w.shape)) for w, v in zip(leaves, values, strict=True)])


def double_conv(block, num_skipped=0):
    """Kernels, and norms with the statistics folded in; the first `num_skipped` inputs there are last here."""
    values, layers = [], list(block.children())
    for k in (0, 3):
        weight, norm = numbers(layers[k].weight), layers[k + 1]
        if k == 0:
            weight = np.roll(weight, -num_skipped, axis=1)
        scale = numbers(norm.weight) / np.sqrt(numbers(norm.running_var) + norm.eps)
        values += [weight, scale, numbers(norm.bias) - scale * numbers(norm.running_mean)]
    return values


def transposed(layer):
    """Ours slides over the zero-stuffed grid: the kernel is turned around."""
    kernel = numbers(layer.weight).swapaxes(0, 1)
    return [np.flip(kernel, tuple(range(2, kernel.ndim))), numbers(layer.bias)]


@pytest.mark.parametrize(("num_spatial_dims", "n"), [(1, 32), (2, 32), (3, 16)])
def test_the_u_net_of_2015_with_the_norms_of_a_trained_one(num_spatial_dims, n):
    reference = randomised(models.UNetClassic(2, 3, num_spatial_dims, (n,) * num_spatial_dims, init_features=4))
    options = {"hidden_channels": 4, "norm": "affine", "boundary_mode": "dirichlet"}
    network = eqx.filter_eval_shape(arch.UNet2015, num_spatial_dims, 2, 3, **options, key=KEY)
    levels = (1, 2, 3, 4)
    values = double_conv(reference.encoder1)
    for level in levels:
        values += double_conv(getattr(reference, f"encoder{level + 1}") if level < 4 else reference.bottleneck)
    for level in levels:
        values += transposed(getattr(reference, f"upconv{level}"))
    for level in levels:
        values += double_conv(getattr(reference, f"decoder{level}"), 4 * 2 ** (level - 1))
    values += transposed(reference.conv)
    assert relative_error(with_leaves(network, values), reference, num_spatial_dims, n) < 1e-5


@pytest.mark.parametrize(("num_spatial_dims", "n"), [(1, 24), (2, 12)])
def test_the_dilated_res_net(num_spatial_dims, n):
    reference = randomised(
        models.DilatedResNet(2, 3, num_spatial_dims, (n,) * num_spatial_dims, blocks=2, hidden_dim=6)
    )
    network = eqx.filter_eval_shape(
        arch.DilatedResNet,
        num_spatial_dims,
        2,
        3,
        hidden_channels=6,
        end_kernel_size=3,
        use_norm=False,
        activation=partial(jax.nn.gelu, approximate=False),
        boundary_mode="dirichlet",
        key=KEY,
    )
    layers = [reference.input_conv, *(c for p in reference.processors for c in p.conv_layers), reference.output_conv]
    values = [numbers(parameter) for layer in layers for parameter in (layer.weight, layer.bias)]
    assert relative_error(with_leaves(network, values), reference, num_spatial_dims, n) < 1e-5
