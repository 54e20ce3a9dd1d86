"""What the blocks that add a pointwise map to a linear layer have in common."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Array

from ..conv import PointwiseLinearConv, ReceptiveField
from ._activation import as_activation
from ._base_block import Block


class AbstractBypassBlock(Block):
    """A linear layer and a pointwise linear map, added; then the activation."""

    conv: Any
    by_pass_conv: PointwiseLinearConv
    activation: Callable = eqx.field(converter=as_activation)

    def __call__(self, x: Array) -> Array:
        return self.activation(self.conv(x) + self.by_pass_conv(x))

    @property
    def receptive_field(self) -> ReceptiveField:
        return self.conv.receptive_field
