"""AFNO with The Well's weights: the same numbers, and the same number of parameters."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply
from pdequinox import arch

torch = pytest.importorskip("torch", reason="The Well's models are written in PyTorch.")
afno = pytest.importorskip("the_well.benchmark.models.afno", reason="The reference is The Well's AFNO.")

pytestmark = pytest.mark.filterwarnings("ignore")


def randomized(*args, **options):
    """The reference with random numbers for all parameters, norms included."""
    model = afno.AFNO(*args, **options).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            scale = max(1, parameter[0].numel()) ** -0.5
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return model


def from_the_well(network, model):
    """`network` with the parameters of `model`."""
    dims = network.num_spatial_dims
    array = lambda parameter: jnp.asarray(parameter.detach().numpy())  # noqa: E731
    per_channel = lambda parameter: array(parameter).reshape(-1, *(1,) * dims)  # noqa: E731
    pointwise = lambda parameter: array(parameter).reshape(*parameter.shape, *(1,) * dims)  # noqa: E731
    ours, theirs = [], []

    def move(layer, *values):
        ours.extend((layer.weight, layer.bias))
        theirs.extend(values)

    move(network.lifting.conv, array(model.patch_embed.weight), per_channel(model.patch_embed.bias))
    debed = model.patch_debed
    move(network.projection.conv, array(debed.weight).swapaxes(0, 1), per_channel(debed.bias))
    ours.append(network.position.values)
    theirs.append(jnp.moveaxis(array(model.pos_embed)[0], -1, 0))
    for block, reference in zip(network.blocks, model.blocks, strict=True):
        for norm, other in ((block.norm_1, reference.norm1), (block.norm_2, reference.norm2)):
            move(norm, array(other.weight), array(other.bias))
        for layer, other in zip(block.mlp.layers, (reference.mlp.fc1, reference.mlp.fc2), strict=True):
            move(layer, pointwise(other.weight), per_channel(other.bias))
        for layer, index in enumerate((0, 2)):
            weight = array(reference.filter.cmlp[index].weight).swapaxes(1, 2)
            ours.extend((block.mixer.real[layer], block.mixer.imag[layer]))
            theirs.extend((weight[..., 0], weight[..., 1]))
    places = {id(leaf): value for leaf, value in zip(ours, theirs, strict=True)}
    leaves, structure = jax.tree.flatten(network)
    assert len(places) == len(leaves) and all(places[id(leaf)].shape == leaf.shape for leaf in leaves)
    return jax.tree.unflatten(structure, [places[id(leaf)] for leaf in leaves])


@pytest.mark.parametrize(("shape", "patch"), [((16, 24), 4), ((12, 20), 4), ((8, 4, 6), 2)], ids=str)
def test_outputs_are_those_of_the_reference(shape, patch):
    options = {"hidden_dim": 16, "n_blocks": 2, "cmlp_diagonal_blocks": 4, "patch_size": patch}
    model = randomized(3, 2, len(shape), shape, **options)
    network = arch.AFNO(
        len(shape),
        3,
        2,
        hidden_channels=16,
        num_blocks=2,
        num_groups=4,
        patch_size=patch,
        num_points=shape,
        activation=lambda x: jax.nn.gelu(x, approximate=False),
        key=KEY,
    )
    network = from_the_well(network, model)
    x = np.random.default_rng(1).standard_normal((3, *shape)).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(np.moveaxis(x, 0, -1).copy())[None])[0].numpy()
    expected = np.moveaxis(expected, -1, 0)
    error = np.max(np.abs(apply(network, jnp.asarray(x)) - expected)) / np.max(np.abs(expected))
    print(f"relative error {error:.1e}")
    assert error < 1e-5


def test_the_number_of_parameters_is_that_of_the_reference():
    """With The Well's options, on 44 channels of 256 x 256 points."""
    model = afno.AFNO(44, 11, 2, (256, 256), hidden_dim=384, n_blocks=14)
    network = eqx.filter_eval_shape(arch.AFNO, 2, 44, 11, num_points=256, key=KEY)
    count = sum(leaf.size for leaf in jax.tree.leaves(network))
    assert count == sum(parameter.numel() for parameter in model.parameters()) == 19_340_939
