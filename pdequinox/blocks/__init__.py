"""Blocks: a few layers with a common signature, and the factories that bind their options."""

from ._activation import as_activation, without_activation
from ._afno_block import AFNOBlock, AFNOBlockFactory
from ._attention_gate import AttentionGate
from ._band_limited_activation import BandLimitedActivation
from ._band_limited_conv_block import BandLimitedConvBlock, BandLimitedConvBlockFactory
from ._band_limited_res_block import BandLimitedResBlock, BandLimitedResBlockFactory
from ._base_block import Block, BlockFactory, factory_of
from ._channel_mlp_block import ChannelMLPBlock, ChannelMLPBlockFactory, pointwise_factories
from ._classic_double_conv_block import ClassicDoubleConvBlock, ClassicDoubleConvBlockFactory
from ._classic_res_block import ClassicResBlock, ClassicResBlockFactory
from ._classic_spectral_block import ClassicSpectralBlock, ClassicSpectralBlockFactory
from ._conv_ne_xt_block import ConvNeXtBlock, ConvNeXtBlockFactory
from ._dilated_res_block import DilatedResBlock, DilatedResBlockFactory
from ._fno_block import FNOBlock, FNOBlockFactory
from ._linear_channel_adjust_block import LinearChannelAdjustBlock, LinearChannelAdjustBlockFactory
from ._linear_conv_block import LinearConvBlock, LinearConvBlockFactory
from ._linear_conv_down_block import LinearConvDownBlock, LinearConvDownBlockFactory
from ._linear_conv_up_block import LinearConvUpBlock, LinearConvUpBlockFactory
from ._local_spectral_block import LocalSpectralBlock, LocalSpectralBlockFactory
from ._max_pool_block import MaxPoolBlock, MaxPoolBlockFactory
from ._modern_res_block import ModernResBlock, ModernResBlockFactory
from ._modern_spectral_block import ModernSpectralBlock, ModernSpectralBlockFactory
from ._multigrid_block import MultigridBlock, MultigridBlockFactory
from ._norm import make_norm
from ._patch_embed_block import PatchEmbedBlock, PatchEmbedBlockFactory
from ._patch_unembed_block import PatchUnembedBlock, PatchUnembedBlockFactory
from ._physics_attention_block import PhysicsAttentionBlock, PhysicsAttentionBlockFactory
from ._pre_activation_conv_block import PreActivationConvBlock, PreActivationConvBlockFactory
from ._self_attention_block import SelfAttentionBlock, SelfAttentionBlockFactory
from ._skip import make_skip
from ._strided_u_net_block import StridedUNetBlock, StridedUNetBlockFactory
from ._wavelet_block import WaveletBlock, WaveletBlockFactory

__all__ = [
    "AFNOBlock",
    "AFNOBlockFactory",
    "AttentionGate",
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
    "ConvNeXtBlock",
    "ConvNeXtBlockFactory",
    "DilatedResBlock",
    "DilatedResBlockFactory",
    "FNOBlock",
    "FNOBlockFactory",
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
    "MaxPoolBlock",
    "MaxPoolBlockFactory",
    "ModernResBlock",
    "ModernResBlockFactory",
    "ModernSpectralBlock",
    "ModernSpectralBlockFactory",
    "MultigridBlock",
    "MultigridBlockFactory",
    "PatchEmbedBlock",
    "PatchEmbedBlockFactory",
    "PatchUnembedBlock",
    "PatchUnembedBlockFactory",
    "PhysicsAttentionBlock",
    "PhysicsAttentionBlockFactory",
    "PreActivationConvBlock",
    "PreActivationConvBlockFactory",
    "SelfAttentionBlock",
    "SelfAttentionBlockFactory",
    "StridedUNetBlock",
    "StridedUNetBlockFactory",
    "WaveletBlock",
    "WaveletBlockFactory",
    "as_activation",
    "factory_of",
    "make_norm",
    "make_skip",
    "pointwise_factories",
    "without_activation",
]
