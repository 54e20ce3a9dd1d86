"""What the residual blocks with two convolutions have in common."""

from collections.abc import Callable, Sequence
from functools import partial

import equinox as eqx
import jax.random as jr
from jaxtyping import PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import GroupNorm, PhysicsConv, PointwiseLinearConv, ReceptiveField, sum_receptive_fields
from ._activation import as_activation
from ._base_block import Block
from ._norm import make_norm


class AbstractResBlock(Block):
    """Two convolutions with norms, and a bypass that is the identity unless the number of channels changes."""

    conv_1: PhysicsConv
    norm_1: GroupNorm | eqx.nn.Identity
    conv_2: PhysicsConv
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
        norms_come_first: bool,
        kernel_size: int | Sequence[int],
        use_norm: bool,
        num_groups: int,
        use_bias: bool,
        zero_bias_init: bool,
        activation: Callable,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        key_1, key_2, bypass_key = jr.split(key, 3)
        conv = partial(
            PhysicsConv,
            num_spatial_dims,
            kernel_size=kernel_size,
            use_bias=use_bias,
            zero_bias_init=zero_bias_init,
            boundary_mode=boundary_mode,
        )
        norm = partial(make_norm, "group" if use_norm else None, num_groups=num_groups)
        first_normed = in_channels if norms_come_first else out_channels
        self.conv_1 = conv(in_channels, out_channels, key=key_1)
        self.norm_1 = norm(first_normed)
        self.conv_2 = conv(out_channels, out_channels, key=key_2)
        self.norm_2 = norm(out_channels)
        if in_channels == out_channels:
            self.bypass_conv = self.bypass_norm = eqx.nn.Identity()
        else:
            self.bypass_conv = PointwiseLinearConv(
                num_spatial_dims, in_channels, out_channels, use_bias=False, key=bypass_key
            )
            self.bypass_norm = norm(first_normed)
        self.activation = activation

    @property
    def receptive_field(self) -> ReceptiveField:
        return sum_receptive_fields([self.conv_1.receptive_field, self.conv_2.receptive_field])
