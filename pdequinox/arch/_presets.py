"""Published networks by name, with the number of parameters that they were published with."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from ._a_vi_t import AViT
from ._afno import AFNO
from ._classic_fno import ClassicFNO
from ._classic_res_net import ClassicResNet
from ._classic_u_net import ClassicUNet
from ._cno import CNO
from ._conv_ne_xt_u_net import ConvNeXtUNet
from ._conv_net import ConvNet
from ._dilated_res_net import DilatedResNet
from ._factorized_fno import FactorizedFNO
from ._fno import FNO
from ._fourier_u_net import FourierUNet
from ._local_no import LocalNO
from ._mgno import MgNO
from ._modern_res_net import ModernResNet
from ._modern_u_net import ModernUNet
from ._pde_arena_u_net import PDEArenaUNet
from ._tfno import TFNO
from ._u_fno import UFNO
from ._u_net_2015 import UNet2015
from ._uno import UNO
from ._wno import WNO


@dataclasses.dataclass(frozen=True)
class _PerAxis:
    """A number for the last axis, and one for all others."""

    others: int
    last: int

    def __call__(self, num_spatial_dims: int) -> tuple[int, ...]:
        return (self.others,) * (num_spatial_dims - 1) + (self.last,)


@dataclasses.dataclass(frozen=True, eq=False)
class Preset:
    """An architecture with the options of a published network: its layers and parameters.

    Call it as an architecture: `preset(num_spatial_dims, in_channels, out_channels, *, <options>, boundary_mode, key)`.
    Options that you give replace those of the preset. The boundary mode is yours: PDEArena, PDEBench and The Well pad
    with zeros, which is `"dirichlet"`; the paddings by some points around their domains are left out.
    """

    architecture: Callable[..., eqx.Module]
    options: Mapping[str, Any]
    setting: tuple[int, int, int]
    """The dimensions, input and output channels of the published network."""
    parameters: int
    """The number of parameters there, a complex number counted as two."""

    def __call__(
        self, num_spatial_dims: int, in_channels: int, out_channels: int, *, key: PRNGKeyArray, **options: Any
    ) -> eqx.Module:
        """Build the network, in any dimension and for any number of channels."""
        mine = {name: v(num_spatial_dims) if isinstance(v, _PerAxis) else v for name, v in self.options.items()}
        return self.architecture(num_spatial_dims, in_channels, out_channels, **{**mine, **options}, key=key)


class _Presets(dict[str, Preset]):
    """Presets by name; an unknown one names those that are alike."""

    def __missing__(self, name: str) -> Preset:
        library = str(name).split("/")[0]
        known = [other for other in self if other.startswith(f"{library}/")] or sorted({n.split("/")[0] for n in self})
        raise KeyError(f"`presets` has no {name!r}. Choose one of {', '.join(known)}.")


_gelu = partial(jax.nn.gelu, approximate=False)
_PDE_ARENA = (2, 12, 3)  # four steps of a scalar and a vector; the scalar and the vector


def _pde_arena() -> Mapping[str, Preset]:
    """PDEArena (Gupta and Brandstetter, TMLR 2023, arXiv:2209.15616): the counts of its documentation."""

    def res_net(parameters: int, architecture: Callable, hidden_channels: int, **options: Any) -> Preset:
        shared = {"hidden_channels": hidden_channels, "num_pointwise_layers": 2, "activation": _gelu}
        return Preset(architecture, {**shared, **options}, _PDE_ARENA, parameters)

    def fno(parameters: int, hidden_channels: int, num_blocks: int, num_modes: int) -> Preset:
        # A block of PDEArena is two of ours.
        options = {"num_blocks": 2 * num_blocks, "num_modes": num_modes, "init": "uniform"}
        return res_net(parameters, ClassicFNO, hidden_channels, **options)

    def u_net(parameters: int, architecture: Callable, **options: Any) -> Preset:
        init = {"init": "uniform"} if architecture is FourierUNet else {}
        return Preset(architecture, {"activation": _gelu, **init, **options}, _PDE_ARENA, parameters)

    base = {"use_bias": True, "projection_kernel_size": 3}
    presets = {
        "ResNet-128": res_net(1_217_795, ModernResNet, 128, num_blocks=4),
        "ResNet-256": res_net(4_860_419, ModernResNet, 256, num_blocks=4),
        "DilResNet-128": res_net(4_167_427, DilatedResNet, 128, num_blocks=4, use_norm=False),
        "DilResNet-128-norm": res_net(4_174_595, DilatedResNet, 128, num_blocks=4),
        "FNO-128-8m": fno(33_721_603, 128, 4, 8),
        "FNO-128-16m": fno(134_384_899, 128, 4, 16),
        "FNOs-128-16m": fno(67_209_987, 128, 2, 16),
        "FNOs-128-32m": fno(268_536_579, 128, 2, 32),
        "FNOs-64-32m": fno(67_134_851, 64, 2, 32),
        "FNOs-96-32m": fno(151_052_355, 96, 2, 32),
        "Unet2015-64": u_net(31_042_947, UNet2015, hidden_channels=64),
        "Unet2015-128": u_net(124_132_099, UNet2015, hidden_channels=128),
        "Unetbase-64": u_net(31_050_371, UNet2015, hidden_channels=64, **base),
        "Unetbase-128": u_net(124_146_947, UNet2015, hidden_channels=128, **base),
        "Unetmod-64": u_net(144_263_683, PDEArenaUNet),
        "Unetmodattn-64": u_net(148_464_131, PDEArenaUNet, attention="pdearena"),
        "U-FNet2-8mc": u_net(162_548_227, FourierUNet, num_modes=8, use_mode_scaling=False),
        "U-FNet2-16mc": u_net(219_171_331, FourierUNet, num_modes=16, use_mode_scaling=False),
        "U-FNet2attn-16m": u_net(179_331_587, FourierUNet, num_modes=16, attention="pdearena"),
    }
    counts = {(1, 8): 148_326_915, (1, 16): 160_909_827, (2, 8): 151_538_179, (2, 16): 175_131_139}
    counts |= {(3, 8): 164_383_235, (3, 16): 187_976_195}
    for (levels, modes), parameters in counts.items():
        presets[f"U-FNet{levels}-{modes}m"] = u_net(parameters, FourierUNet, num_fourier_levels=levels, num_modes=modes)
    # First and last convolution with one tap instead of nine: from 12 and to 3 channels, of 64.
    fewer = 8 * 64 * (12 + 3)
    for name in [n for n, preset in presets.items() if preset.architecture in (PDEArenaUNet, FourierUNet)]:
        if not name.endswith("mc"):
            full = presets[name]
            presets[f"{name}-1x1"] = u_net(
                full.parameters - fewer, full.architecture, **{**full.options, "end_kernel_size": 1}
            )
    for width, parameters in {64: 110_116_451, 128: 440_454_339}.items():
        presets[f"UNO-{width}"] = u_net(
            parameters,
            UNO,
            hidden_channels=width,
            block_channels=tuple(int(factor * width) for factor in (1.5, 3, 6, 6, 3, 1.5, 1)),
            num_modes=(18, 14, 6, 6, 6, 14, 18),
            scalings=(3 / 4, 2 / 3, 1 / 2, 1, 2, 3 / 2, 4 / 3),
            horizontal_skips={5: 1, 6: 0, 7: -1},
            horizontal_skip="identity",
            lifting_channels=width // 2,
            projection_channels=4 * width,
            position_embedding=None,
            activated="everywhere",
            use_channel_mlp=False,
            use_bias=False,
            use_skip_bias=True,
            norm="instance",
            init="uno",
        )
    return presets


def _apebench() -> Mapping[str, Preset]:
    """APEBench (Koehler et al., NeurIPS 2024, arXiv:2411.00180): its configuration strings in 1D."""

    def preset(parameters: int, architecture: Callable, activation: Callable = jax.nn.relu, **options: Any) -> Preset:
        return Preset(architecture, {"activation": activation, **options}, (1, 1, 1), parameters)

    dilation_rates = (1, 2, 4, 2, 1)
    return {
        "Conv;34;10;relu": preset(31_757, ConvNet, hidden_channels=34, depth=10),
        "Res;26;8;relu": preset(32_943, ClassicResNet, hidden_channels=26, num_blocks=8),
        "UNet;12;2;relu": preset(27_193, ClassicUNet, hidden_channels=12, num_levels=2),
        "Dil;2;32;2;relu": preset(
            31_777, DilatedResNet, hidden_channels=32, num_blocks=2, dilation_rates=dilation_rates
        ),
        "FNO;12;18;4;gelu": preset(32_527, ClassicFNO, jax.nn.gelu, hidden_channels=18, num_modes=12, num_blocks=4),
        "MoRes;26;8;relu": preset(33_775, ModernResNet, hidden_channels=26, num_blocks=8),
        "MoUNet;12;2;relu": preset(52_529, ModernUNet, hidden_channels=12, num_levels=2),
    }


# The plain network of the paper: linear lifting, a perceptron with 128 channels as projection.
_PLAIN_FNO = {
    "hidden_channels": 20,
    "lifting_ratio": None,
    "projection_ratio": 6.4,
    "use_channel_mlp": False,
    "use_bias": False,
    "use_skip_bias": True,
    "init": "uniform",
    "activation": _gelu,
}


def _fno_paper() -> Mapping[str, Preset]:
    """Li et al., ICLR 2021, arXiv:2010.08895: ten steps of a scalar, and the next one or all; norms after training."""
    options = {**_PLAIN_FNO, "num_modes": 8, "norm": "affine"}
    return {
        "FNO-2D": Preset(FNO, options, (2, 10, 1), 414_517),
        "FNO-3D": Preset(FNO, options, (3, 10, 1), 6_558_537),
    }


def _pde_bench() -> Mapping[str, Preset]:
    """PDEBench (Takamoto et al., NeurIPS 2022, arXiv:2210.07182)."""
    u_net = partial(Preset, UNet2015, {"hidden_channels": 32, "activation": jnp.tanh})
    return {
        "UNet1d": u_net((1, 1, 1), 2_707_809),
        "UNet2d": u_net((2, 1, 1), 7_762_465),
        "FNO1d": Preset(FNO, {**_PLAIN_FNO, "num_modes": 12}, (1, 10, 1), 43_137),
        "FNO2d": Preset(FNO, {**_PLAIN_FNO, "num_modes": 12}, (2, 10, 1), 926_357),
        # Counts norms that it never applies.
        "FNO3d": Preset(FNO, {**_PLAIN_FNO, "num_modes": 8, "norm": "affine"}, (3, 50, 5), 6_559_853),
    }


def _neuraloperator() -> Mapping[str, Preset]:
    """neuraloperator 2.0 (Kossaifi et al., 2024, arXiv:2412.10354); 16 modes there are 8 of each sign here."""
    options = {"hidden_channels": 64, "activation": _gelu}
    planar = {**options, "num_modes": _PerAxis(8, 9)}
    return {
        "FNO-16": Preset(FNO, {**options, "num_modes": 9}, (1, 1, 1), 345_665),
        "FNO-16x16": Preset(FNO, planar, (2, 1, 1), 4_769_473),
        "TFNO-16x16": Preset(TFNO, planar, (2, 1, 1), 529_233),
        "LocalNO-16x16": Preset(LocalNO, planar, (2, 1, 1), 4_982_081),
    }


def _the_well() -> Mapping[str, Preset]:
    """The Well (Ohana et al., NeurIPS 2024, arXiv:2412.00568): four steps of 11 channels, and the next one.

    Its FNO and TFNO as neuraloperator 2.0 builds them.
    """
    options = {"hidden_channels": 128, "num_modes": _PerAxis(8, 9), "activation": _gelu}
    setting = (2, 44, 11)
    return {
        "UNetClassic-48": Preset(UNet2015, {"hidden_channels": 48, "activation": jnp.tanh}, setting, 17_479_595),
        "DilatedResNet-48": Preset(
            DilatedResNet,
            {
                "hidden_channels": 48,
                "num_blocks": 4,
                "end_kernel_size": 3,
                "use_norm": False,
                "activation": _gelu,
            },
            setting,
            605_771,
        ),
        "UNetConvNext-42": Preset(ConvNeXtUNet, {"hidden_channels": 42, "activation": _gelu}, setting, 18_588_581),
        "FNO-128": Preset(FNO, options, setting, 19_088_011),
        "TFNO-128": Preset(TFNO, options, setting, 2_175_323),
        "AViT-384": Preset(AViT, {"num_points": 256, "activation": _gelu}, setting, 14_743_552),
        "AFNO-384": Preset(AFNO, {"num_points": 256, "activation": _gelu}, setting, 19_340_939),
    }


def _others() -> dict[str, Preset]:
    """Networks of one paper each; counted by the layers of their authors' code."""
    return {
        "cno/CNO-4-16": Preset(CNO, {}, (2, 1, 1), 2_010_665),
        "mgno/Darcy": Preset(MgNO, {}, (2, 1, 1), 645_828),
        "wno/Burgers": Preset(WNO, {"num_points": 1024, "num_levels": 8}, (1, 1, 1), 484_033),
        "wno/Darcy": Preset(WNO, {"num_points": 86}, (2, 1, 1), 14_770_945),
        "ufno/U-FNO": Preset(UFNO, {}, (3, 12, 1), 64_201_829),
        "fourierflow/F-FNO-24": Preset(FactorizedFNO, {"num_blocks": 24}, (2, 3, 1), 1_072_834),
    }


presets: Mapping[str, Preset] = MappingProxyType(
    _Presets(
        {
            f"{library}/{name}": preset
            for library, group in {
                "apebench": _apebench(),
                "fno_paper": _fno_paper(),
                "neuraloperator": _neuraloperator(),
                "pdearena": _pde_arena(),
                "pdebench": _pde_bench(),
                "the_well": _the_well(),
            }.items()
            for name, preset in group.items()
        }
        | _others()
    )
)
"""Published networks by name: `presets["pdearena/Unetmod-64"](2, 12, 3, boundary_mode="periodic", key=key)`."""
