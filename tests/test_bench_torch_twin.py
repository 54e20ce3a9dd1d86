"""Twins in torch: an independent implementation of every layer and network."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from pdequinox import ConstantEmbeddingMetadataNetwork, arch, blocks, cast, conv
from pdequinox.bench._torch_twin import torch_twin
from zoo import NUM_POINTS, ZOO

torch = pytest.importorskip("torch", reason="torch is no test dependency; `pip install torch` for these")

KEY = jr.PRNGKey(0)
FAST_TO_COMPILE = {"xla_backend_optimization_level": 0}
MODES = [
    ("periodic",) * 3,
    ("dirichlet",) * 3,
    ("neumann",) * 3,
    (("dirichlet", "neumann"), "periodic", "neumann"),
    (("neumann", "dirichlet"), "dirichlet", "periodic"),
]
TWINS = ["ConvNet", "MLP", "ClassicResNet", "ModernResNet", "DilatedResNet", "ClassicUNet", "ModernUNet", "ClassicFNO"]
# Each network in each dimension, with every mode in one of them.
NETWORKS = [
    (name, num_dims, MODES[0] if name in ("ClassicFNO", "MLP") else MODES[(number + num_dims) % 4])
    for number, name in enumerate(TWINS)
    for num_dims in (1, 2, 3)
]


def random_input(num_dims, channels=2, num_points=NUM_POINTS):
    return jr.normal(jr.PRNGKey(1), (2, channels, *(num_points + axis for axis in range(num_dims))))


def assert_same(theirs, ours):
    tolerance = {"float32": 1e-5, "float64": 1e-11}[str(ours.dtype)]
    assert theirs.shape == ours.shape and str(theirs.dtype) == f"torch.{ours.dtype}"
    np.testing.assert_allclose(theirs.detach().numpy(), ours, rtol=0, atol=tolerance * np.max(np.abs(ours)))


def assert_twins(module, x):
    ours = jax.jit(jax.vmap(module), compiler_options=FAST_TO_COMPILE)(x)
    assert_same(torch_twin(module)(torch.tensor(np.array(x))), ours)


@pytest.mark.parametrize(("name", "num_dims", "modes"), NETWORKS)
def test_a_network_and_its_twin_agree(name, num_dims, modes):
    network = ZOO[name](num_dims, 2, 3, boundary_mode=modes[:num_dims], key=KEY)
    assert_twins(network, jr.normal(jr.PRNGKey(1), (2, 2, *(NUM_POINTS,) * num_dims)))


@pytest.mark.parametrize(
    ("name", "num_dims", "options"),
    [("ClassicUNet", 1, {"num_levels": 1}), ("ClassicFNO", 2, {"num_blocks": 1}), ("MLP", 1, {})],
)
def test_gradients_agree_in_double_precision(float64, name, num_dims, options):
    network = ZOO[name](num_dims, 2, 3, key=KEY, **options)
    x = jr.normal(jr.PRNGKey(1), (2, 2, *(NUM_POINTS,) * num_dims))
    assert_twins(network, x)

    def loss(network):
        return jnp.sum(jax.vmap(network)(x) ** 3)

    expected = dict(torch_twin(jax.jit(jax.grad(loss), compiler_options=FAST_TO_COMPILE)(network)).named_parameters())
    twin = torch_twin(network)
    (twin(torch.tensor(np.array(x))) ** 3).sum().backward()
    gradients = {path: parameter.grad for path, parameter in twin.named_parameters()}
    assert gradients.keys() == expected.keys() and len(gradients) > 4
    largest = max(float(gradient.abs().max()) for gradient in gradients.values())
    for path, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[path].detach(), rtol=0, atol=1e-11 * largest)


@pytest.mark.parametrize("modes", [MODES[0], *MODES[3:]])
@pytest.mark.parametrize(
    ("num_dims", "kernel_size", "stride", "dilation", "groups"),
    [(1, 3, 2, 1, 1), (2, (3, 4), (1, 2), (2, 1), 2), (2, (2, 5), 3, 1, 1), (3, (2, 3, 1), (2, 1, 3), 1, 2)],
)
def test_convolutions_and_their_twins_agree(modes, num_dims, kernel_size, stride, dilation, groups):
    options = {"stride": stride, "dilation": dilation, "groups": groups, "boundary_mode": modes[:num_dims], "key": KEY}
    assert_twins(conv.PhysicsConv(num_dims, 4, 6, kernel_size, **options), random_input(num_dims, 4))
    for more in (0, [s - 1 for s in np.broadcast_to(stride, num_dims).tolist()]):
        finer = conv.PhysicsConvTranspose(num_dims, 4, 6, kernel_size, output_padding=more, **options)
        assert_twins(finer, random_input(num_dims, 4))


def test_layers_without_bias_and_affine_map_have_twins():
    x = random_input(2, 4)
    assert_twins(conv.PointwiseLinearConv(2, 4, 3, use_bias=False, key=KEY), x)
    assert_twins(conv.PhysicsConv(2, 4, 3, 3, use_bias=False, boundary_mode="periodic", key=KEY), x)
    assert_twins(conv.GroupNorm(2, channelwise_affine=False), x)


@pytest.mark.parametrize(("num_dims", "num_points"), [(1, 4), (1, 7), (2, 6), (3, 5)])
def test_a_spectral_layer_and_its_twin_agree_on_grids_that_do_not_carry_all_modes(num_dims, num_points):
    layer = conv.SpectralConv(num_dims, 2, 3, 4, key=KEY)
    assert_twins(layer, random_input(num_dims, num_points=num_points))


@pytest.mark.parametrize("num_points", [9, 10])
def test_a_u_net_and_its_twin_agree_on_grids_of_any_size(num_points):
    network = ZOO["ClassicUNet"](2, 2, 3, boundary_mode=("periodic", "dirichlet"), key=KEY)
    assert_twins(network, random_input(2, num_points=num_points))


@pytest.mark.parametrize(
    "activation", ["relu", "gelu", "silu", "sigmoid", "tanh", "elu", "selu", "leaky_relu", "mish", jnp.sin]
)
def test_activations_are_those_of_jax(float64, activation):
    function = activation if isinstance(activation, Callable) else getattr(jax.nn, activation)
    assert_twins(arch.ConvNet(1, 2, 3, activation=function, hidden_channels=3, depth=1, key=KEY), random_input(1))


class Doubled(blocks.LinearConvBlock):
    def __call__(self, x):
        return 2 * self.conv(x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: conv.PhysicsConv(2, 1, 1, 3, boundary_mode=("periodic", "cell-neumann"), key=KEY),
            r"`boundary_mode` must be periodic, neumann, dirichlet for torch, got 'cell-neumann'. Choose one",
        ),
        (
            lambda: conv.PhysicsConvTranspose(1, 1, 1, 3, 2, boundary_mode=[("dirichlet", "cell-dirichlet")], key=KEY),
            r"`boundary_mode` must be .* for torch, got 'cell-dirichlet'",
        ),
        (
            lambda: arch.ClassicFNO(2, 1, 1, hidden_channels=2, num_modes=2, boundary_mode="neumann", key=KEY),
            r"`boundary_mode` must be periodic for torch's FFT, got \('neumann', 'neumann'\)",
        ),
        (
            lambda: arch.ConvNet(1, 1, 1, activation=jax.nn.hard_tanh, key=KEY),
            r"`activation` must be gelu, sin, relu, .* for torch, got .*hard_tanh.* Choose one",
        ),
        (
            lambda: cast(ZOO["ConvNet"](1, 2, 3, key=KEY), "bfloat16"),
            r"`module` must hold float32 or float64, got bfloat16. Use",
        ),
        (
            lambda: eqx.nn.Conv1d(1, 1, 3, key=KEY),
            r"`module` must have parts that torch_twin knows, got Conv1d",
        ),
        (
            lambda: ConstantEmbeddingMetadataNetwork(ZOO["ConvNet"](1, 2, 3, key=KEY), 1.0),
            r"got ConstantEmbeddingMetadataNetwork. Replace it",
        ),
        (lambda: Doubled(1, 1, 1, boundary_mode="periodic", key=KEY), r"got Doubled"),
        (lambda: ZOO["AttentionUNet"](1, 2, 3, key=KEY), r"got AttentionGate"),
        (lambda: conv.SpectralConv(1, 2, 3, 2, use_bias=True, key=KEY), r"dense spectral weights without bias"),
        (lambda: conv.SpectralConv(1, 2, 2, 2, separable=True, key=KEY), r"dense spectral weights without bias"),
    ],
)
def test_what_torch_does_not_have_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        torch_twin(make())


def test_kernels_centred_in_cells_and_their_twins_agree():
    options = {"stride": 2, "output_padding": 1, "alignment": "cell", "key": KEY}
    for kernel_size, mode in ((2, "dirichlet"), (4, "dirichlet"), (4, "periodic"), (6, "neumann")):
        layer = conv.PhysicsConvTranspose(1, 2, 3, kernel_size, boundary_mode=mode, **options)
        assert_twins(layer, random_input(1))
