"""Published networks: a name, its defaults, its source."""

from ._a_vi_t import AViT
from ._afno import AFNO
from ._attention_u_net import AttentionUNet
from ._classic_fno import ClassicFNO
from ._classic_res_net import ClassicResNet
from ._classic_u_net import ClassicUNet
from ._cno import CNO
from ._conv_ne_xt_u_net import ConvNeXtUNet
from ._conv_net import ConvNet
from ._deep_o_net import DeepONet
from ._dilated_res_net import DilatedResNet
from ._factorized_fno import FactorizedFNO
from ._fno import FNO
from ._fourier_u_net import FourierUNet
from ._local_no import LocalNO
from ._mgno import MgNO
from ._mlp import MLP
from ._modern_res_net import ModernResNet
from ._modern_u_net import ModernUNet
from ._pde_arena_u_net import PDEArenaUNet
from ._presets import Preset as Preset
from ._presets import presets as presets
from ._tfno import TFNO
from ._transolver import Transolver
from ._u_fno import UFNO
from ._u_net_2015 import UNet2015
from ._uno import UNO
from ._wno import WNO

__all__ = [
    "AFNO",
    "CNO",
    "FNO",
    "MLP",
    "TFNO",
    "UFNO",
    "UNO",
    "WNO",
    "AViT",
    "AttentionUNet",
    "ClassicFNO",
    "ClassicResNet",
    "ClassicUNet",
    "ConvNeXtUNet",
    "ConvNet",
    "DeepONet",
    "DilatedResNet",
    "FactorizedFNO",
    "FourierUNet",
    "LocalNO",
    "MgNO",
    "ModernResNet",
    "ModernUNet",
    "PDEArenaUNet",
    "Transolver",
    "UNet2015",
]
