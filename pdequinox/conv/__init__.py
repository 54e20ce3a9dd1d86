"""Learnable linear maps between grids, and norms."""

from ..operators import reflection_conv, stencil_conv
from ._channel_affine import ChannelAffine
from ._differential_conv import DifferentialConv
from ._factorized_spectral_conv import FactorizedSpectralConv
from ._group_norm import GroupNorm
from ._layer_norm import LayerNorm
from ._learned_field import LearnedField
from ._local_integral_conv import LocalIntegralConv
from ._multigrid_conv import MultigridConv
from ._patch_conv import PatchConv, PatchConvTranspose
from ._physics_conv import PhysicsConv
from ._physics_conv_transpose import PhysicsConvTranspose
from ._pointwise_linear_conv import PointwiseLinearConv
from ._receptive_field import ReceptiveField, sum_receptive_fields
from ._resample import resample
from ._spectral_conv import SpectralConv
from ._spectral_mixer import SpectralMixer
from ._wavelet_conv import WaveletConv
from ._weight_norm import WeightNorm, with_weight_norm

__all__ = [
    "ChannelAffine",
    "DifferentialConv",
    "FactorizedSpectralConv",
    "GroupNorm",
    "LayerNorm",
    "LearnedField",
    "LocalIntegralConv",
    "MultigridConv",
    "PatchConv",
    "PatchConvTranspose",
    "PhysicsConv",
    "PhysicsConvTranspose",
    "PointwiseLinearConv",
    "ReceptiveField",
    "SpectralConv",
    "SpectralMixer",
    "WaveletConv",
    "WeightNorm",
    "reflection_conv",
    "resample",
    "stencil_conv",
    "sum_receptive_fields",
    "with_weight_norm",
]
