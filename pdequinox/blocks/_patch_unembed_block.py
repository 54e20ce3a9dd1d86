"""From a grid of patches to their points, as a block."""

from collections.abc import Callable, Sequence

from jaxtyping import PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import PatchConvTranspose
from ._abstract_linear_block import AbstractLinearBlock
from ._base_block import factory_of


class PatchUnembedBlock(AbstractLinearBlock):
    """One linear map from each patch to its points; see [`pdequinox.conv.PatchConvTranspose`][]."""

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

        - `patch_size`, `use_bias`, `zero_bias_init`: As in [`pdequinox.conv.PatchConvTranspose`][].
        - `activation`: Without effect, because the block is linear.
        """
        del activation
        self.conv = PatchConvTranspose(
            num_spatial_dims,
            in_channels,
            out_channels,
            patch_size,
            use_bias=use_bias,
            zero_bias_init=zero_bias_init,
            boundary_mode=boundary_mode,
            key=key,
        )


PatchUnembedBlockFactory = factory_of(PatchUnembedBlock)
