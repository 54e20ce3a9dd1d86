"""The double convolution of the classic U-Net (Ronneberger et al., 2015)."""

from collections.abc import Callable, Sequence
from functools import partial

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import PhysicsConv, ReceptiveField, sum_receptive_fields
from ._activation import as_activation
from ._base_block import Block, factory_of
from ._norm import make_norm


class ClassicDoubleConvBlock(Block):
    """Twice: convolution, norm, activation.

    ??? cite "Source"
        Ronneberger, Fischer and Brox, *U-Net*, MICCAI 2015, arXiv:1505.04597. Ours has "same" convolutions, and
        group norms, which the original has not.
    """

    conv_1: PhysicsConv
    norm_1: Callable
    conv_2: PhysicsConv
    norm_2: Callable
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
        norm: str = "group",
        activation: Callable = jax.nn.relu,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `kernel_size`, `use_bias`, `zero_bias_init`: As in [`pdequinox.conv.PhysicsConv`][].
        - `use_norm`: Whether to normalise.
        - `num_groups`: The number of groups of each group norm; divides `out_channels`.
        - `norm`: Which norm; see [`pdequinox.blocks.make_norm`][].
        - `activation`: A function of one array, or a module with parameters.
        """
        conv = partial(
            PhysicsConv,
            num_spatial_dims,
            kernel_size=kernel_size,
            use_bias=use_bias,
            zero_bias_init=zero_bias_init,
            boundary_mode=boundary_mode,
        )
        make = partial(make_norm, norm, num_groups=num_groups, use_norm=use_norm)
        key_1, key_2 = jr.split(key)
        self.conv_1 = conv(in_channels, out_channels, key=key_1)
        self.norm_1 = make(out_channels)
        self.conv_2 = conv(out_channels, out_channels, key=key_2)
        self.norm_2 = make(out_channels)
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        x = self.activation(self.norm_1(self.conv_1(x)))
        return self.activation(self.norm_2(self.conv_2(x)))

    @property
    def receptive_field(self) -> ReceptiveField:
        return sum_receptive_fields([self.conv_1.receptive_field, self.conv_2.receptive_field])


ClassicDoubleConvBlockFactory = factory_of(ClassicDoubleConvBlock)
