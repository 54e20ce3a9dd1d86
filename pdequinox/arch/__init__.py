"""Published networks: a name, its defaults, its source."""

from ._a_vi_t import AViT
from ._attention_u_net import AttentionUNet
from ._classic_fno import ClassicFNO
from ._classic_res_net import ClassicResNet
from ._classic_u_net import ClassicUNet
from ._conv_ne_xt_u_net import ConvNeXtUNet
from ._conv_net import ConvNet
from ._deep_o_net import DeepONet
from ._dilated_res_net import DilatedResNet
from ._mlp import MLP
from ._modern_res_net import ModernResNet
from ._modern_u_net import ModernUNet
from ._transolver import Transolver

__all__ = [
    "MLP",
    "AViT",
    "AttentionUNet",
    "ClassicFNO",
    "ClassicResNet",
    "ClassicUNet",
    "ConvNeXtUNet",
    "ConvNet",
    "DeepONet",
    "DilatedResNet",
    "ModernResNet",
    "ModernUNet",
    "Transolver",
]
