"""Numbers of The Well's networks (Ohana et al., 2024) with their random weights in ours; needs `.[parity]`."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="parity with PyTorch's networks is an optional test group")
unet_convnext = pytest.importorskip(
    "the_well.benchmark.models.unet_convnext", reason="parity with The Well is an optional test group"
)
avit = pytest.importorskip("the_well.benchmark.models.avit", reason="parity with The Well is an optional test group")

from filled import KEY, apply  # noqa: E402
from pdequinox import arch  # noqa: E402

gelu = partial(jax.nn.gelu, approximate=False)


def randomised(module):
    """The reference with all parameters drawn anew, norms' and layer scales' too."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            fan_in = max(1, parameter[0].numel()) if parameter.ndim > 1 else 1
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
    return module.eval()


def numpy_of(parameter):
    return parameter.detach().numpy()


def put(network, where, values):
    """`network` with `values`, of the right sizes, at the leaves `where`."""
    leaves = where(network)
    assert len(leaves) == len(values) and [leaf.size for leaf in leaves] == [value.size for value in values]
    shaped = [jnp.asarray(value.reshape(leaf.shape)) for leaf, value in zip(leaves, values, strict=True)]
    return eqx.tree_at(where, network, shaped)


def linear(layer):
    return [layer.weight, layer.bias]


def linear_of(layer, transposed=False):
    weight = numpy_of(layer.weight)
    return [weight.swapaxes(0, 1) if transposed else weight, numpy_of(layer.bias)]


def relative_error(network, reference, x, channels_last=False):
    with torch.no_grad():
        given = torch.asarray(x)[None]
        expected = reference(given.movedim(1, -1)).movedim(-1, 1)[0] if channels_last else reference(given)[0]
        expected = expected.numpy()
    y = np.asarray(apply(network, jnp.asarray(x)))
    assert y.shape == expected.shape
    return np.linalg.norm(y - expected) / np.linalg.norm(expected)


def leaves_of_conv_next(network):
    leaves = [*linear(network.lifting), *linear(network.projection)]
    for blocks in (*network.down_blocks, network.neck_blocks, *network.up_blocks):
        for b in blocks:
            for layer in (b.conv, b.norm, *b.mlp.layers):
                leaves += linear(layer)
            leaves.append(b.scale.weight)
    for layer in (*network.skip_projections, *network.down_sampling, *network.up_sampling):
        leaves += linear(layer)
    return leaves + [leaf for norm in (*network.down_norms, *network.up_norms) for leaf in linear(norm)]


def values_of_conv_next(reference):
    encoder, decoder = list(reference.encoder), list(reference.decoder)[::-1]
    values = linear_of(reference.in_proj) + linear_of(reference.out_proj)
    for stage in (*encoder, reference.neck, *decoder):
        for b in stage.blocks:
            for layer in (b.dwconv, b.norm, b.pwconv1, b.pwconv2):
                values += linear_of(layer)
            values.append(numpy_of(b.gamma))
    for stage in decoder[:-1]:
        values += linear_of(stage.skip_proj)
    for stage in encoder:
        values += linear_of(stage.resample.block[1])
    for stage in decoder:
        values += linear_of(stage.resample.block[1], transposed=True)
    for stage in (*encoder, *decoder):
        # Divided by the root of a sum instead of a mean; the shift is never used there.
        weight = numpy_of(stage.resample.block[0].weight)
        values += [weight / weight.size**0.5, 0 * weight]
    return values


@pytest.mark.parametrize("num_spatial_dims", [2, 3])
def test_conv_next_u_net(num_spatial_dims):
    n = {2: 24, 3: 8}[num_spatial_dims]
    options = {"num_levels": 2, "num_blocks": 2 if n == 24 else 1, "hidden_channels": 6}
    reference = randomised(
        unet_convnext.UNetConvNext(
            2,
            3,
            num_spatial_dims,
            (n,) * num_spatial_dims,
            stages=options["num_levels"],
            blocks_per_stage=options["num_blocks"],
            init_features=6,
        )
    )
    network = arch.ConvNeXtUNet(
        num_spatial_dims,
        2,
        3,
        **options,
        resampling_norm="rms",
        activation=gelu,
        boundary_mode="dirichlet",
        key=KEY,
    )
    network = put(network, leaves_of_conv_next, values_of_conv_next(reference))
    x = np.random.default_rng(0).standard_normal((2, *(n,) * num_spatial_dims)).astype(np.float32)
    error = relative_error(network, reference, x)
    print(f"ConvNeXtUNet in {num_spatial_dims}D: {error:.1e}")
    assert error < 1e-5
    assert sum(p.numel() for p in reference.parameters()) == sum(leaf.size for leaf in jax.tree.leaves(network))


def leaves_of_avit(network):
    leaves = [layer.weight for layer in (*network.embed_convs, *network.debed_convs)]
    for norm in (*network.embed_norms, *network.debed_norms):
        leaves += linear(norm)
    leaves.append(network.position_table)
    for b in network.blocks:
        first, second = b.mlp.layers
        leaves += [b.norm.weight, b.query_norm.weight, b.key_norm.weight, b.scale.weight, b.qkv.weight, b.qkv.bias]
        leaves += linear(first) + linear(second) + linear(b.output)
    return leaves


def values_of_avit(reference):
    embed, debed = list(reference.embed.in_projs), list(reference.debed.out_proj)
    values = [numpy_of(layer.weight) for layer in embed[::3]]
    values += [numpy_of(layer.weight).swapaxes(0, 1) for layer in debed[::3]]
    for norm in (*embed[1::3], *debed[1::3]):
        values += linear_of(norm)
    values.append(np.moveaxis(numpy_of(reference.absolute_pe), -1, 0))
    for b in reference.blocks:
        values += [numpy_of(w) for w in (b.norm.weight, b.qnorm.weight, b.knorm.weight, b.gamma)]
        weight, bias = linear_of(b.fused_projection)
        hidden = b.hidden_dim
        values += [weight[: 3 * hidden], bias[: 3 * hidden], weight[3 * hidden :], bias[3 * hidden :]]
        values += linear_of(b.mlp_remaining[1]) + linear_of(b.output_head)
    return values


@pytest.mark.parametrize("num_spatial_dims", [2, 3])
def test_the_reference_s_attention_leaves_out_the_first_axis_in_2d(num_spatial_dims):
    """Why ours is not compared with it as it is."""
    block = randomised(avit.AxialAttentionBlock(12, 3, num_spatial_dims))
    x = torch.randn(1, *(4, 3, 2)[:num_spatial_dims], 12, generator=torch.Generator().manual_seed(0))
    other = x.clone()
    other[:, 0] += torch.randn(other[:, 0].shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        difference = (block(other) - block(x))[:, 1:].abs().max()
    assert (difference > 1e-3) == (num_spatial_dims == 3)


@pytest.mark.parametrize("num_spatial_dims", [2, 3])
def test_avit(num_spatial_dims):
    shape = (48, 32, 16)[:num_spatial_dims]
    reference = avit.AViT(2, 3, num_spatial_dims, shape, hidden_dim=48, num_heads=3, processor_blocks=2)
    if num_spatial_dims == 2:
        # Its second attention is over the heads instead of the first axis; attend over that, as it does in 3D.
        (row, back), _ = reference.blocks[0].spatial_permutations
        for block in reference.blocks:
            block.spatial_permutations = [
                (row, back),
                ("b h he w c -> b w he h c", "b w he h c -> b h w (he c)"),
            ]
    reference = randomised(reference)
    options = {"hidden_channels": 48, "num_heads": 3, "num_blocks": 2, "num_points": shape, "activation": gelu}
    network = arch.AViT(num_spatial_dims, 2, 3, **options, key=KEY)
    network = put(network, leaves_of_avit, values_of_avit(reference))
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    error = relative_error(network, reference, x, channels_last=True)
    print(f"AViT in {num_spatial_dims}D: {error:.1e}")
    assert error < 1e-5
    assert sum(p.numel() for p in reference.parameters()) == sum(leaf.size for leaf in jax.tree.leaves(network))
