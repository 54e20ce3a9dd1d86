"""The modern U-Net of PDEArena, to the parameter (Gupta and Brandstetter, 2023)."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from .._checks import check_integer
from ..blocks import (
    LinearConvBlockFactory,
    ModernResBlockFactory,
    PreActivationConvBlockFactory,
    SelfAttentionBlockFactory,
)
from ..boundary import BoundaryMode
from ..compose import MultiSkipHierarchical

ATTENTIONS = {
    None: (),
    "standard": (SelfAttentionBlockFactory(norm="group"),),
    "pdearena": (SelfAttentionBlockFactory(norm="group", apply_norm=False, softmax_over="queries"),),
}


class PDEArenaUNet(MultiSkipHierarchical):
    """Pre-activation residual blocks on a hierarchy of grids, with a skip from every block, as PDEArena has them.

    [`pdequinox.arch.ModernUNet`][] has one skip per level and one block less on the way up.

    ??? cite "Source"
        Gupta and Brandstetter, *Towards Multi-spatiotemporal-scale Generalized PDE Modeling*, TMLR 2023,
        arXiv:2209.15616: `Unetmod`, `Unetmodattn`; after Ho et al., NeurIPS 2020, arXiv:2006.11239. PDEArena pads with
        zeros, which is `boundary_mode="dirichlet"`. Its attention counts a norm that it does not apply, and its
        softmax runs over the queries: `attention="pdearena"`.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 64,
        num_levels: int = 3,
        num_blocks: int = 2,
        channel_multipliers: Sequence[int] | None = (2, 4, 16),
        kernel_size: int | Sequence[int] = 3,
        end_kernel_size: int | Sequence[int] = 3,
        use_norm: bool = True,
        num_groups: int = 1,
        num_final_groups: int = 8,
        attention: Any = None,
        left_arc_factory: Callable | Sequence[Callable] | None = None,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `boundary_mode`, `key`: As everywhere.
        - `hidden_channels`: The number of channels on the finest grid.
        - `num_levels`: The number of coarser grids.
        - `num_blocks`: The number of residual blocks per level on the way down; one more on the way up.
        - `channel_multipliers`: The channels of the coarser grids in units of `hidden_channels`; `None` for 2, 4, ...
        - `kernel_size`: The number of taps of the residual blocks' convolutions; one integer or one per axis.
        - `end_kernel_size`: The same of the first and the last convolution; 1 in PDEArena's `1x1` variants.
        - `use_norm`: Whether to normalise.
        - `num_groups`, `num_final_groups`: The number of groups of each norm, and of the last one; divide the channels
            of all levels, and `hidden_channels`.
        - `attention`: Whether all points of the coarsest grid attend to each other, with one head: `None` (no),
            `"standard"`, or `"pdearena"`: exactly as there.
        - `left_arc_factory`: What makes the blocks on the way down (see [`pdequinox.compose.MultiSkipHierarchical`][]);
            residual blocks by default.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` for another attention, and what [`pdequinox.compose.MultiSkipHierarchical`][] raises.
        """
        block_factory = ModernResBlockFactory(
            kernel_size, use_norm=use_norm, num_groups=num_groups, use_bypass_norm=False, use_bypass_bias=True
        )
        if attention not in ATTENTIONS:
            raise ValueError(
                f"`attention` must be one of {', '.join(map(repr, ATTENTIONS))}, got {attention!r}. Check the spelling."
            )
        if use_norm and hidden_channels % check_integer("num_final_groups", num_final_groups):
            raise ValueError(
                f"`num_final_groups` must divide `hidden_channels` ({hidden_channels}), got {num_final_groups}. Change "
                "one of the two."
            )
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            hidden_channels=hidden_channels,
            num_levels=num_levels,
            num_blocks=num_blocks,
            channel_multipliers=channel_multipliers,
            activation=activation,
            boundary_mode=boundary_mode,
            lifting_factory=LinearConvBlockFactory(end_kernel_size),
            left_arc_factory=block_factory if left_arc_factory is None else left_arc_factory,
            bottom_factories=(block_factory, *ATTENTIONS[attention], block_factory),
            right_arc_factory=block_factory,
            projection_factory=PreActivationConvBlockFactory(
                end_kernel_size, use_norm=use_norm, num_groups=num_final_groups
            ),
            key=key,
        )
