"""The residual block with an activation that does not alias (Raonic et al., 2023)."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import PhysicsConv, PointwiseLinearConv, ReceptiveField, sum_receptive_fields
from ._band_limited_conv_block import BandLimitedConvBlock
from ._base_block import Block, factory_of
from ._norm import make_norm


class BandLimitedResBlock(Block):
    """Convolution, norm, band-limited activation, convolution, norm; then add the input.

    Where the number of channels changes, the input goes through a pointwise map without bias.

    ??? cite "Source"
        Raonic et al., *Convolutional Neural Operators*, NeurIPS 2023, arXiv:2302.01178. Ours has group norms instead
        of batch norms, see [`pdequinox.arch.CNO`][]; the change of channels is ours.
    """

    first: BandLimitedConvBlock
    conv: PhysicsConv
    norm: Any
    bypass_conv: PointwiseLinearConv | eqx.nn.Identity

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int | Sequence[int] = 3,
        norm: str | None = "group",
        num_groups: int = 1,
        filter_size: int = 6,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        activation: Callable = jax.nn.leaky_relu,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:** as for [`pdequinox.blocks.BandLimitedConvBlock`][]."""
        first_key, second_key, bypass_key = jr.split(key, 3)
        options: dict[str, Any] = {
            "kernel_size": kernel_size,
            "use_bias": use_bias,
            "zero_bias_init": zero_bias_init,
            "boundary_mode": boundary_mode,
        }
        self.first = BandLimitedConvBlock(
            num_spatial_dims,
            in_channels,
            out_channels,
            norm=norm,
            num_groups=num_groups,
            filter_size=filter_size,
            activation=activation,
            key=first_key,
            **options,
        )
        self.conv = PhysicsConv(num_spatial_dims, out_channels, out_channels, key=second_key, **options)
        self.norm = make_norm(norm, out_channels, num_groups)
        if in_channels == out_channels:
            self.bypass_conv = eqx.nn.Identity()
        else:
            self.bypass_conv = PointwiseLinearConv(
                num_spatial_dims, in_channels, out_channels, use_bias=False, key=bypass_key
            )

    def __call__(self, x: Array) -> Array:
        return self.bypass_conv(x) + self.norm(self.conv(self.first(x)))

    @property
    def receptive_field(self) -> ReceptiveField:
        return sum_receptive_fields([self.first.receptive_field, self.conv.receptive_field])


BandLimitedResBlockFactory = factory_of(BandLimitedResBlock)
