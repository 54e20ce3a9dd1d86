"""Published networks: a name, its defaults, its source."""

from ._classic_fno import ClassicFNO
from ._classic_res_net import ClassicResNet
from ._classic_u_net import ClassicUNet
from ._cno import CNO
from ._conv_net import ConvNet
from ._dilated_res_net import DilatedResNet
from ._local_no import LocalNO
from ._mgno import MgNO
from ._mlp import MLP
from ._modern_res_net import ModernResNet
from ._modern_u_net import ModernUNet
from ._wno import WNO

__all__ = [
    "CNO",
    "MLP",
    "WNO",
    "ClassicFNO",
    "ClassicResNet",
    "ClassicUNet",
    "ConvNet",
    "DilatedResNet",
    "LocalNO",
    "MgNO",
    "ModernResNet",
    "ModernUNet",
]
