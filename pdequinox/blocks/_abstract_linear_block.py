"""What the blocks that are one linear layer have in common."""

from jaxtyping import Array

from ..conv import PatchConv, PatchConvTranspose, PhysicsConv, PointwiseLinearConv, ReceptiveField
from ._base_block import Block


class AbstractLinearBlock(Block):
    """One layer, and no activation."""

    conv: PhysicsConv | PointwiseLinearConv | PatchConv | PatchConvTranspose

    def __call__(self, x: Array) -> Array:
        return self.conv(x)

    @property
    def receptive_field(self) -> ReceptiveField:
        return self.conv.receptive_field
