"""The U-Net with max-pooling (Ronneberger et al., 2015), as PDEBench, PDEArena and The Well have it."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from ..blocks import (
    ClassicDoubleConvBlockFactory,
    LinearConvBlockFactory,
    LinearConvUpBlockFactory,
    MaxPoolBlockFactory,
)
from ..boundary import BoundaryMode
from ..compose import Hierarchical


class UNet2015(Hierarchical):
    """Double convolutions, max-pooling, transposed convolutions with two taps, one skip per level.

    Two points become one in the middle between them: cells, rather than nodes, of a coarser grid.

    ??? cite "Source"
        Ronneberger, Fischer and Brox, *U-Net*, MICCAI 2015, arXiv:1505.04597, with the channels, norms and activation
        of PDEBench (Takamoto et al., NeurIPS 2022, arXiv:2210.07182); `Unet2015` in PDEArena, `UNetClassic` in The
        Well. These have batch norms, ours group norms with as many parameters, and `norm="affine"` for trained ones
        (statistics folded in). Their decoders see the skip behind the channels from below, ours before them. PDEArena's
        `Unetbase` is `use_bias=True, projection_kernel_size=3, activation=gelu`.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 32,
        num_levels: int = 4,
        kernel_size: int | Sequence[int] = 3,
        projection_kernel_size: int | Sequence[int] = 1,
        use_norm: bool = True,
        norm: str = "group",
        num_groups: int = 1,
        use_bias: bool = False,
        activation: Callable = jnp.tanh,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `boundary_mode`, `key`: As everywhere.
        - `hidden_channels`: The number of channels on the finest grid; doubled on each coarser one.
        - `num_levels`: The number of coarser grids.
        - `kernel_size`: The number of taps of the double convolutions; one integer or one per axis.
        - `projection_kernel_size`: The same of the last convolution.
        - `use_norm`, `norm`, `num_groups`: Whether to normalise, how (see [`pdequinox.blocks.make_norm`][]), and the
            number of groups of a group norm; divides `hidden_channels`.
        - `use_bias`: Whether the double convolutions, which norms follow, have a bias.
        - `activation`: A function of one array, or a module with parameters.
        """
        block_factory = ClassicDoubleConvBlockFactory(
            kernel_size, use_norm=use_norm, norm=norm, num_groups=num_groups, use_bias=use_bias
        )
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
            down_sampling_factory=MaxPoolBlockFactory(),
            left_arc_factory=block_factory,
            up_sampling_factory=LinearConvUpBlockFactory(2, alignment="cell"),
            right_arc_factory=block_factory,
            projection_factory=LinearConvBlockFactory(projection_kernel_size),
            key=key,
        )
