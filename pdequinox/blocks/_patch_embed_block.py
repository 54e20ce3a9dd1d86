"""From a grid to a grid of patches, as a block."""

from collections.abc import Callable, Sequence

from jaxtyping import PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import PatchConv
from ._abstract_linear_block import AbstractLinearBlock
from ._base_block import factory_of


class PatchEmbedBlock(AbstractLinearBlock):
    """One linear map for all patches of `patch_size` points; see [`pdequinox.conv.PatchConv`][]."""

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        patch_size: int | Sequence[int] = 8,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        activation: Callable | None = None,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `patch_size`, `use_bias`, `zero_bias_init`: As in [`pdequinox.conv.PatchConv`][].
        - `activation`: Without effect, because the block is linear.
        """
        del activation
        self.conv = PatchConv(
            num_spatial_dims,
            in_channels,
            out_channels,
            patch_size,
            use_bias=use_bias,
            zero_bias_init=zero_bias_init,
            boundary_mode=boundary_mode,
            key=key,
        )


PatchEmbedBlockFactory = factory_of(PatchEmbedBlock)
