"""A multi-layer perceptron over the channels of each point."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer
from ..boundary import BoundaryMode, normalize_boundary_mode
from ..conv import PointwiseLinearConv, ReceptiveField
from ._activation import as_activation
from ._base_block import Block, factory_of


class ChannelMLPBlock(Block):
    """Pointwise linear maps with an activation between each two: the same perceptron at every point.

    Lifting and projection of most neural operators, the feed-forward part of transformers, a 1x1 convolution network.
    """

    layers: tuple[PointwiseLinearConv, ...]
    activation: Callable = eqx.field(converter=as_activation)
    use_final_activation: bool = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int | None = None,
        num_layers: int = 2,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        use_final_activation: bool = False,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `hidden_channels`: The number of channels between the layers; as many as `out_channels` by default.
        - `num_layers`: The number of linear maps.
        - `use_bias`, `zero_bias_init`: As in [`pdequinox.conv.PointwiseLinearConv`][].
        - `use_final_activation`: Whether the last layer is activated as well.
        - `activation`: A function of one array, or a module with parameters.
        - `boundary_mode`: Without effect, because the block is local; validated.

        **Raises:** `ValueError` if `num_layers` is not a positive integer, and what the layers raise.
        """
        normalize_boundary_mode(boundary_mode, num_spatial_dims)
        num_layers = check_integer("num_layers", num_layers)
        hidden = (out_channels if hidden_channels is None else hidden_channels,) * (num_layers - 1)
        channels = (in_channels, *hidden, out_channels)
        self.layers = tuple(
            PointwiseLinearConv(num_spatial_dims, c_in, c_out, use_bias, zero_bias_init=zero_bias_init, key=k)
            for c_in, c_out, k in zip(channels[:-1], channels[1:], jr.split(key, num_layers), strict=True)
        )
        self.activation = activation
        self.use_final_activation = use_final_activation

    def __call__(self, x: Array) -> Array:
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        x = self.layers[-1](x)
        return self.activation(x) if self.use_final_activation else x

    @property
    def receptive_field(self) -> ReceptiveField:
        return self.layers[0].receptive_field


ChannelMLPBlockFactory = factory_of(ChannelMLPBlock)
