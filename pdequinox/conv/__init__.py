"""Learnable linear maps between grids, and norms."""

from ..operators import reflection_conv, stencil_conv
from ._channel_affine import ChannelAffine
from ._group_norm import GroupNorm
from ._layer_norm import LayerNorm
from ._patch_conv import PatchConv, PatchConvTranspose
from ._physics_conv import PhysicsConv
from ._physics_conv_transpose import PhysicsConvTranspose
from ._pointwise_linear_conv import PointwiseLinearConv
from ._receptive_field import ReceptiveField, sum_receptive_fields
from ._spectral_conv import SpectralConv

__all__ = [
    "ChannelAffine",
    "GroupNorm",
    "LayerNorm",
    "PatchConv",
    "PatchConvTranspose",
    "PhysicsConv",
    "PhysicsConvTranspose",
    "PointwiseLinearConv",
    "ReceptiveField",
    "SpectralConv",
    "reflection_conv",
    "stencil_conv",
    "sum_receptive_fields",
]
