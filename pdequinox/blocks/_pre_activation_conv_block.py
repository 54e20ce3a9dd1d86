"""Norm, activation, convolution: the last layers of a pre-activation network."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
from jaxtyping import Array, PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import GroupNorm, PhysicsConv, ReceptiveField
from ._activation import as_activation
from ._base_block import Block, factory_of
from ._norm import make_norm


class PreActivationConvBlock(Block):
    """Norm, activation, convolution.

    ??? cite "Source"
        He et al., *Identity Mappings in Deep Residual Networks*, ECCV 2016, arXiv:1603.05027: what follows the last
        residual block.
    """

    conv: PhysicsConv
    norm: GroupNorm | eqx.nn.Identity
    activation: Callable = eqx.field(converter=as_activation)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int | Sequence[int] = 3,
        use_norm: bool = True,
        num_groups: int = 1,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        activation: Callable = jax.nn.relu,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `kernel_size`, `use_bias`, `zero_bias_init`: As in [`pdequinox.conv.PhysicsConv`][].
        - `use_norm`: Whether to normalise.
        - `num_groups`: The number of groups of the norm; divides `in_channels`.
        - `activation`: A function of one array, or a module with parameters.
        """
        self.conv = PhysicsConv(
            num_spatial_dims,
            in_channels,
            out_channels,
            kernel_size,
            use_bias=use_bias,
            zero_bias_init=zero_bias_init,
            boundary_mode=boundary_mode,
            key=key,
        )
        self.norm = make_norm("group" if use_norm else None, in_channels, num_groups)
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        return self.conv(self.activation(self.norm(x)))

    @property
    def receptive_field(self) -> ReceptiveField:
        return self.conv.receptive_field


PreActivationConvBlockFactory = factory_of(PreActivationConvBlock)
