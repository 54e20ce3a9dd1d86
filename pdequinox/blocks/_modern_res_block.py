"""The pre-activation residual block (He et al., 2016b)."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
from jaxtyping import Array, PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import PhysicsConv
from ._abstract_res_block import AbstractResBlock
from ._base_block import factory_of
from ._norm import make_norm


class ModernResBlock(AbstractResBlock):
    """Twice: norm, activation, convolution; then add the input.

    Where the number of channels changes, the input goes through a norm and a pointwise map without bias.

    ??? cite "Source"
        He et al., *Identity Mappings in Deep Residual Networks*, ECCV 2016, arXiv:1603.05027, with group norms as in
        PDEArena (Gupta and Brandstetter, TMLR 2023, arXiv:2209.15616). The bypass is that of `pdequinox` 0.1.
    """

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
        use_bypass_norm: bool = True,
        use_bypass_bias: bool = False,
        activation: Callable = jax.nn.relu,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `kernel_size`, `use_bias`, `zero_bias_init`: As in [`pdequinox.conv.PhysicsConv`][].
        - `use_norm`: Whether to normalise.
        - `num_groups`: The number of groups of each norm; divides `in_channels` and `out_channels`.
        - `use_bypass_norm`, `use_bypass_bias`: Whether the bypass has a norm, and its map a bias, where the number of
            channels changes. PDEArena has the bias and no norm.
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
            norms_come_first=True,
            use_bypass_norm=use_bypass_norm,
            use_bypass_bias=use_bypass_bias,
            zero_bias_init=zero_bias_init,
            activation=activation,
            key=key,
        )

    def __call__(self, x: Array) -> Array:
        return self._norms_first(x)


ModernResBlockFactory = factory_of(ModernResBlock)
