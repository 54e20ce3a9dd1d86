"""The U-Net with attention gates (Oktay et al., 2018)."""

from collections.abc import Callable, Sequence

import jax
from jaxtyping import PRNGKeyArray

from ..blocks import (
    AttentionGate,
    ClassicDoubleConvBlockFactory,
    LinearConvDownBlockFactory,
    LinearConvUpBlockFactory,
)
from ..boundary import BoundaryMode
from ..compose import Hierarchical


class AttentionUNet(Hierarchical):
    """A [`pdequinox.arch.ClassicUNet`][] whose skips are gated by what comes from the coarser grid.

    ??? cite "Source"
        Oktay et al., *Attention U-Net*, MIDL 2018, arXiv:1804.03999, with its 16 to 256 channels. Strided and
        transposed convolutions instead of pooling and interpolation, group norms, and gates on the grids of the skips
        (see [`pdequinox.blocks.AttentionGate`][]) are ours, and all levels have a gate.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 16,
        num_levels: int = 4,
        kernel_size: int | Sequence[int] = 3,
        use_norm: bool = True,
        num_groups: int = 1,
        activation: Callable = jax.nn.relu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `boundary_mode`, `key`: As everywhere.
        - `hidden_channels`: The number of channels on the finest grid; doubled on each coarser one.
        - `num_levels`: The number of coarser grids.
        - `kernel_size`: The number of taps of all convolutions; one integer or one per axis.
        - `use_norm`: Whether to normalise in the blocks.
        - `num_groups`: The number of groups of each norm; divides `hidden_channels`.
        - `activation`: A function of one array, or a module with parameters.
        """
        block_factory = ClassicDoubleConvBlockFactory(kernel_size, use_norm=use_norm, num_groups=num_groups)
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            hidden_channels=hidden_channels,
            num_levels=num_levels,
            num_blocks=1,
            activation=activation,
            boundary_mode=boundary_mode,
            lifting_factory=block_factory,
            down_sampling_factory=LinearConvDownBlockFactory(kernel_size),
            left_arc_factory=block_factory,
            up_sampling_factory=LinearConvUpBlockFactory(kernel_size),
            right_arc_factory=block_factory,
            skip_factory=AttentionGate,
            key=key,
        )
