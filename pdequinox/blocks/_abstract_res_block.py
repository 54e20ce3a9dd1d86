"""What the residual blocks with two convolutions have in common."""

from collections.abc import Callable

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from ..conv import GroupNorm, PointwiseLinearConv, ReceptiveField, sum_receptive_fields
from ._activation import as_activation
from ._base_block import Block


class AbstractResBlock(Block):
    """Two convolutions with norms, and a bypass that is the identity unless the number of channels changes."""

    conv_1: Callable
    norm_1: GroupNorm | eqx.nn.Identity
    conv_2: Callable
    norm_2: GroupNorm | eqx.nn.Identity
    bypass_conv: PointwiseLinearConv | eqx.nn.Identity
    bypass_norm: GroupNorm | eqx.nn.Identity
    activation: Callable = eqx.field(converter=as_activation)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        conv: Callable,
        norm: Callable,
        norms_come_first: bool,
        use_bypass_norm: bool = True,
        use_bypass_bias: bool = False,
        zero_bias_init: bool = False,
        activation: Callable,
        key: PRNGKeyArray,
    ):
        """`conv` makes a layer from two numbers of channels and a key, `norm` one from a number of channels."""
        key_1, key_2, bypass_key = jr.split(key, 3)
        first_normed = in_channels if norms_come_first else out_channels
        self.conv_1 = conv(in_channels, out_channels, key=key_1)
        self.norm_1 = norm(first_normed)
        self.conv_2 = conv(out_channels, out_channels, key=key_2)
        self.norm_2 = norm(out_channels)
        self.bypass_conv = self.bypass_norm = eqx.nn.Identity()
        if in_channels != out_channels:
            self.bypass_conv = PointwiseLinearConv(
                num_spatial_dims,
                in_channels,
                out_channels,
                use_bypass_bias,
                zero_bias_init=zero_bias_init,
                key=bypass_key,
            )
            if use_bypass_norm:
                self.bypass_norm = norm(first_normed)
        self.activation = activation

    def _norms_first(self, x: Array) -> Array:
        """Pre-activation: twice norm, activation, convolution; then the input is added."""
        bypass = self.bypass_conv(self.bypass_norm(x))
        x = self.conv_1(self.activation(self.norm_1(x)))
        x = self.conv_2(self.activation(self.norm_2(x)))
        return x + bypass

    @property
    def receptive_field(self) -> ReceptiveField:
        layers = (self.conv_1, self.conv_2)
        return sum_receptive_fields(layer.receptive_field for layer in layers)  # type: ignore[attr-defined]
