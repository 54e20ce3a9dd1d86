"""Blocks: a few layers with a common signature, and the factories that bind their options."""

from ._activation import as_activation
from ._band_limited_activation import BandLimitedActivation
from ._band_limited_conv_block import BandLimitedConvBlock, BandLimitedConvBlockFactory
from ._band_limited_res_block import BandLimitedResBlock, BandLimitedResBlockFactory
from ._base_block import Block, BlockFactory, factory_of
from ._channel_mlp_block import ChannelMLPBlock, ChannelMLPBlockFactory
from ._classic_double_conv_block import ClassicDoubleConvBlock, ClassicDoubleConvBlockFactory
from ._classic_res_block import ClassicResBlock, ClassicResBlockFactory
from ._classic_spectral_block import ClassicSpectralBlock, ClassicSpectralBlockFactory
from ._dilated_res_block import DilatedResBlock, DilatedResBlockFactory
from ._linear_channel_adjust_block import LinearChannelAdjustBlock, LinearChannelAdjustBlockFactory
from ._linear_conv_block import LinearConvBlock, LinearConvBlockFactory
from ._linear_conv_down_block import LinearConvDownBlock, LinearConvDownBlockFactory
from ._linear_conv_up_block import LinearConvUpBlock, LinearConvUpBlockFactory
from ._local_spectral_block import LocalSpectralBlock, LocalSpectralBlockFactory
from ._modern_res_block import ModernResBlock, ModernResBlockFactory
from ._multigrid_block import MultigridBlock, MultigridBlockFactory
from ._norm import make_norm
from ._wavelet_block import WaveletBlock, WaveletBlockFactory

__all__ = [
    "BandLimitedActivation",
    "BandLimitedConvBlock",
    "BandLimitedConvBlockFactory",
    "BandLimitedResBlock",
    "BandLimitedResBlockFactory",
    "Block",
    "BlockFactory",
    "ChannelMLPBlock",
    "ChannelMLPBlockFactory",
    "ClassicDoubleConvBlock",
    "ClassicDoubleConvBlockFactory",
    "ClassicResBlock",
    "ClassicResBlockFactory",
    "ClassicSpectralBlock",
    "ClassicSpectralBlockFactory",
    "DilatedResBlock",
    "DilatedResBlockFactory",
    "LinearChannelAdjustBlock",
    "LinearChannelAdjustBlockFactory",
    "LinearConvBlock",
    "LinearConvBlockFactory",
    "LinearConvDownBlock",
    "LinearConvDownBlockFactory",
    "LinearConvUpBlock",
    "LinearConvUpBlockFactory",
    "LocalSpectralBlock",
    "LocalSpectralBlockFactory",
    "ModernResBlock",
    "ModernResBlockFactory",
    "MultigridBlock",
    "MultigridBlockFactory",
    "WaveletBlock",
    "WaveletBlockFactory",
    "as_activation",
    "factory_of",
    "make_norm",
]
