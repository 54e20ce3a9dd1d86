"""Learnable linear maps between grids, and group norm."""

from ..operators import reflection_conv, stencil_conv
from ._group_norm import GroupNorm
from ._physics_conv import PhysicsConv
from ._physics_conv_transpose import PhysicsConvTranspose
from ._pointwise_linear_conv import PointwiseLinearConv
from ._receptive_field import ReceptiveField, sum_receptive_fields
from ._spectral_conv import SpectralConv

__all__ = [
    "GroupNorm",
    "PhysicsConv",
    "PhysicsConvTranspose",
    "PointwiseLinearConv",
    "ReceptiveField",
    "SpectralConv",
    "reflection_conv",
    "stencil_conv",
    "sum_receptive_fields",
]
