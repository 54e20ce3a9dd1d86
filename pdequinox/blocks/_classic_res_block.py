"""The post-activation residual block (He et al., 2016)."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
from jaxtyping import Array, PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import PhysicsConv
from ._abstract_res_block import AbstractResBlock
from ._base_block import factory_of
from ._norm import make_norm


class ClassicResBlock(AbstractResBlock):
    """Convolution, norm, activation, convolution, norm; then add the input, then the activation.

    Where the number of channels changes, the input goes through a pointwise map without bias, and a norm.

    ??? cite "Source"
        He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016, arXiv:1512.03385. Ours has no norm by
        default, and group norms instead of batch norms.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int | Sequence[int] = 3,
        use_norm: bool = False,
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
        - `num_groups`: The number of groups of each norm; divides `out_channels`.
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
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            conv=conv,
            norm=partial(make_norm, "group" if use_norm else None, num_groups=num_groups),
            norms_come_first=False,
            activation=activation,
            key=key,
        )

    def __call__(self, x: Array) -> Array:
        bypass = self.bypass_norm(self.bypass_conv(x))
        x = self.activation(self.norm_1(self.conv_1(x)))
        x = self.norm_2(self.conv_2(x))
        return self.activation(x + bypass)


ClassicResBlockFactory = factory_of(ClassicResBlock)
