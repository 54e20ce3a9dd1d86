"""Blocks: a few layers with a common signature, and the factories that bind their options."""

from ._activation import as_activation
from ._attention_gate import AttentionGate
from ._base_block import Block, BlockFactory, factory_of
from ._channel_mlp_block import ChannelMLPBlock, ChannelMLPBlockFactory
from ._classic_double_conv_block import ClassicDoubleConvBlock, ClassicDoubleConvBlockFactory
from ._classic_res_block import ClassicResBlock, ClassicResBlockFactory
from ._classic_spectral_block import ClassicSpectralBlock, ClassicSpectralBlockFactory
from ._conv_ne_xt_block import ConvNeXtBlock, ConvNeXtBlockFactory
from ._dilated_res_block import DilatedResBlock, DilatedResBlockFactory
from ._linear_channel_adjust_block import LinearChannelAdjustBlock, LinearChannelAdjustBlockFactory
from ._linear_conv_block import LinearConvBlock, LinearConvBlockFactory
from ._linear_conv_down_block import LinearConvDownBlock, LinearConvDownBlockFactory
from ._linear_conv_up_block import LinearConvUpBlock, LinearConvUpBlockFactory
from ._modern_res_block import ModernResBlock, ModernResBlockFactory
from ._norm import make_norm
from ._physics_attention_block import PhysicsAttentionBlock, PhysicsAttentionBlockFactory
from ._self_attention_block import SelfAttentionBlock, SelfAttentionBlockFactory

__all__ = [
    "AttentionGate",
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
    "LinearChannelAdjustBlock",
    "LinearChannelAdjustBlockFactory",
    "LinearConvBlock",
    "LinearConvBlockFactory",
    "LinearConvDownBlock",
    "LinearConvDownBlockFactory",
    "LinearConvUpBlock",
    "LinearConvUpBlockFactory",
    "ModernResBlock",
    "ModernResBlockFactory",
    "PhysicsAttentionBlock",
    "PhysicsAttentionBlockFactory",
    "SelfAttentionBlock",
    "SelfAttentionBlockFactory",
    "as_activation",
    "factory_of",
    "make_norm",
]
