"""A transposed convolution as a block."""

from collections.abc import Callable, Sequence

from jaxtyping import Array, PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import PhysicsConvTranspose, ReceptiveField
from ._base_block import Block, factory_of


class LinearConvUpBlock(Block):
    """To a grid that is `factor` times finer."""

    conv: PhysicsConvTranspose

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int | Sequence[int] = 3,
        factor: int | Sequence[int] = 2,
        use_bias: bool = True,
        output_padding: int | Sequence[int] = 1,
        zero_bias_init: bool = False,
        alignment: str = "point",
        activation: Callable | None = None,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `factor`: The ratio of the grids; the stride of the transposed convolution.
        - `output_padding`: As in [`pdequinox.conv.PhysicsConvTranspose`][]; 1 doubles the number of points at factor 2.
        - `kernel_size`, `use_bias`, `zero_bias_init`, `alignment`: As in [`pdequinox.conv.PhysicsConvTranspose`][].
        - `activation`: Without effect, because the block is linear.
        """
        del activation
        self.conv = PhysicsConvTranspose(
            num_spatial_dims,
            in_channels,
            out_channels,
            kernel_size,
            stride=factor,
            output_padding=output_padding,
            use_bias=use_bias,
            zero_bias_init=zero_bias_init,
            alignment=alignment,
            boundary_mode=boundary_mode,
            key=key,
        )

    def __call__(self, x: Array, *, output_padding: int | Sequence[int] | None = None) -> Array:
        return self.conv(x, output_padding=output_padding)

    @property
    def receptive_field(self) -> ReceptiveField:
        return self.conv.receptive_field


LinearConvUpBlockFactory = factory_of(LinearConvUpBlock)
