"""The residual block of ConvNeXt (Liu et al., 2022)."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_sizes
from ..boundary import BoundaryMode
from ..conv import ChannelAffine, LayerNorm, PhysicsConv, PointwiseLinearConv, ReceptiveField
from ._base_block import Block, factory_of
from ._channel_mlp_block import ChannelMLPBlock


class ConvNeXtBlock(Block):
    r"""A wide convolution of each channel by itself, a layer norm, a perceptron per point; then add the input.

    $$ y = x + \gamma \operatorname{mlp}(\operatorname{norm}(k * x)) $$

    Where the number of channels changes, the input goes through a pointwise map without bias.

    ??? cite "Source"
        Liu et al., *A ConvNet for the 2020s*, CVPR 2022, arXiv:2201.03545.
    """

    conv: PhysicsConv
    norm: LayerNorm
    mlp: ChannelMLPBlock
    scale: ChannelAffine | None
    bypass_conv: PointwiseLinearConv | eqx.nn.Identity

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int | Sequence[int] = 7,
        expansion: int = 4,
        layer_scale: float | None = 1e-6,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        r"""**Arguments:**

        - `kernel_size`, `use_bias`, `zero_bias_init`: As in [`pdequinox.conv.PhysicsConv`][].
        - `expansion`: The hidden channels of the perceptron, in units of `out_channels`.
        - `layer_scale`: The initial value of the scale $\gamma$ per channel; `None` for none.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` if `expansion` is not a positive integer, and what the layers raise.
        """
        check_sizes(num_spatial_dims, in_channels, out_channels)
        conv_key, mlp_key, bypass_key = jr.split(key, 3)
        self.conv = PhysicsConv(
            num_spatial_dims,
            in_channels,
            in_channels,
            kernel_size,
            groups=in_channels,
            use_bias=use_bias,
            zero_bias_init=zero_bias_init,
            boundary_mode=boundary_mode,
            key=conv_key,
        )
        self.norm = LayerNorm(in_channels, eps=1e-6)
        self.mlp = ChannelMLPBlock(
            num_spatial_dims,
            in_channels,
            out_channels,
            hidden_channels=check_integer("expansion", expansion) * out_channels,
            use_bias=use_bias,
            zero_bias_init=zero_bias_init,
            activation=activation,
            boundary_mode=boundary_mode,
            key=mlp_key,
        )
        self.scale = None
        if layer_scale is not None:
            self.scale = ChannelAffine(out_channels, use_bias=False, initial_weight=layer_scale)
        self.bypass_conv = eqx.nn.Identity()
        if in_channels != out_channels:
            self.bypass_conv = PointwiseLinearConv(
                num_spatial_dims, in_channels, out_channels, use_bias=False, key=bypass_key
            )

    def __call__(self, x: Array) -> Array:
        y = self.mlp(self.norm(self.conv(x)))
        return self.bypass_conv(x) + (y if self.scale is None else self.scale(y))

    @property
    def receptive_field(self) -> ReceptiveField:
        return self.conv.receptive_field


ConvNeXtBlockFactory = factory_of(ConvNeXtBlock)
