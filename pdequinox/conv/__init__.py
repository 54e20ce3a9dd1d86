"""Learnable linear maps between grids, and norms."""

from ..operators import reflection_conv, stencil_conv
from ._channel_affine import ChannelAffine
from ._differential_conv import DifferentialConv
from ._filtered_resample import filtered_resample
from ._group_norm import GroupNorm
from ._layer_norm import LayerNorm
from ._local_integral_conv import LocalIntegralConv
from ._multigrid_conv import MultigridConv
from ._physics_conv import PhysicsConv
from ._physics_conv_transpose import PhysicsConvTranspose
from ._pointwise_linear_conv import PointwiseLinearConv
from ._receptive_field import ReceptiveField, sum_receptive_fields
from ._spectral_conv import SpectralConv
from ._wavelet_conv import WaveletConv

__all__ = [
    "ChannelAffine",
    "DifferentialConv",
    "GroupNorm",
    "LayerNorm",
    "LocalIntegralConv",
    "MultigridConv",
    "PhysicsConv",
    "PhysicsConvTranspose",
    "PointwiseLinearConv",
    "ReceptiveField",
    "SpectralConv",
    "WaveletConv",
    "filtered_resample",
    "reflection_conv",
    "stencil_conv",
    "sum_receptive_fields",
]
