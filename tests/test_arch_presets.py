"""Published networks: as many parameters as published, and the network of that name."""

import math

import equinox as eqx
import numpy as np
import pytest

import pdequinox
from filled import KEY, filled
from pdequinox import arch


@pytest.mark.parametrize("name", arch.presets)
def test_a_preset_has_as_many_parameters_as_were_published(name):
    preset = arch.presets[name]
    network = eqx.filter_eval_shape(preset, *preset.setting, key=KEY)
    assert pdequinox.count_parameters(network) == preset.parameters


@pytest.mark.parametrize("num_spatial_dims", [1, 2, 3])
def test_every_preset_can_be_built_in_every_dimension(num_spatial_dims):
    for preset in arch.presets.values():
        network = eqx.filter_eval_shape(preset, num_spatial_dims, 2, 3, boundary_mode="neumann", key=KEY)
        assert len(network.receptive_field) == num_spatial_dims


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("apebench/Conv;34;10;relu", (31_757, 94_589, 283_085)),
        ("apebench/Res;26;8;relu", (32_943, 97_839, 292_527)),
        ("apebench/UNet;12;2;relu", (27_193, 79_969, 238_297)),
        ("apebench/Dil;2;32;2;relu", (31_777, 93_217, 277_537)),
        ("apebench/FNO;12;18;4;gelu", (32_527, 747_919, 17_917_327)),
        ("apebench/MoRes;26;8;relu", (33_775, 98_671)),
        ("apebench/MoUNet;12;2;relu", (52_529, 148_505)),
    ],
)
def test_apebench_s_networks_in_every_dimension(name, counts):
    for num_spatial_dims, count in enumerate(counts, 1):
        network = eqx.filter_eval_shape(arch.presets[name], num_spatial_dims, 1, 1, key=KEY)
        assert pdequinox.count_parameters(network) == count


def test_a_preset_is_its_architecture_with_its_options():
    preset = arch.presets["pdearena/ResNet-128"]
    small = {"hidden_channels": 4, "num_blocks": 1, "boundary_mode": "dirichlet"}
    ours = filled(preset, 2, 2, 3, **small)
    written = filled(
        arch.ModernResNet, 2, 2, 3, num_pointwise_layers=2, activation=preset.options["activation"], **small
    )
    assert eqx.tree_equal(ours, written)


def test_presets_of_pdearena_have_the_exact_gelu():
    """torch's; the default of JAX is an approximation by a hyperbolic tangent."""
    gelu = arch.presets["pdearena/Unetmod-64"].options["activation"]
    x = [-2.0, -0.3, 1.0]
    expected = [value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x]
    np.testing.assert_allclose(gelu(np.array(x, np.float32)), expected, atol=1e-6)


def test_an_unknown_preset_is_refused_with_those_that_there_are():
    with pytest.raises(
        KeyError, match=r"no 'pdebench/UNet4d'\. Choose one of pdebench/UNet1d, pdebench/UNet2d, pdebench/FNO1d"
    ):
        arch.presets["pdebench/UNet4d"]
    with pytest.raises(KeyError, match="Choose one of apebench, cno, fno_paper, "):
        arch.presets["Unetmod-64"]


def test_the_ends_of_a_dilated_network_are_pointwise_layers_or_convolutions():
    with pytest.raises(ValueError, match=r"must be 1 where `end_kernel_size` is given \(3\), got 2"):
        arch.DilatedResNet(1, 2, 3, num_pointwise_layers=2, end_kernel_size=3, key=KEY)


@pytest.mark.parametrize("attention", ["full", True])
def test_attention_is_one_of_those_that_there_are(attention):
    with pytest.raises(ValueError, match=r"`attention` must be one of None, 'standard', 'pdearena', got"):
        arch.PDEArenaUNet(1, 2, 3, hidden_channels=8, attention=attention, key=KEY)


def test_there_are_as_many_grids_as_fourier_levels():
    with pytest.raises(ValueError, match=r"`num_fourier_levels` must be at most `num_levels` \+ 1 \(2\), got 3"):
        options = {"num_levels": 1, "channel_multipliers": (2,), "num_fourier_levels": 3}
        arch.FourierUNet(1, 2, 3, hidden_channels=8, **options, key=KEY)


def test_final_groups_divide_the_channels():
    with pytest.raises(ValueError, match=r"`num_final_groups` must divide `hidden_channels` \(12\), got 8"):
        arch.PDEArenaUNet(1, 2, 3, hidden_channels=12, key=KEY)
