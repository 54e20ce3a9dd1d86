"""The dilated residual block (Stachenfeld et al., 2022)."""

from collections.abc import Callable, Sequence
from functools import partial

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import GroupNorm, PhysicsConv, PointwiseLinearConv, ReceptiveField, sum_receptive_fields
from ._activation import as_activation
from ._base_block import Block, factory_of
from ._norm import make_norm


class DilatedResBlock(Block):
    """For each dilation rate: norm, convolution, activation; then add the input.

    Where the number of channels changes, the input goes through a norm and a pointwise map.

    ??? cite "Source"
        Stachenfeld et al., *Learned Coarse Models for Efficient Turbulence Simulation*, ICLR 2022, arXiv:2112.15275.
        Order of the layers as in `pdequinox` 0.1.
    """

    norm_layers: tuple[GroupNorm | eqx.nn.Identity, ...]
    conv_layers: tuple[PhysicsConv, ...]
    bypass_conv: PointwiseLinearConv | eqx.nn.Identity
    bypass_norm: GroupNorm | eqx.nn.Identity
    activation: Callable = eqx.field(converter=as_activation)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int | Sequence[int] = 3,
        dilation_rates: Sequence[int] = (1, 2, 4, 8, 4, 2, 1),
        use_norm: bool = True,
        num_groups: int = 1,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        activation: Callable = jax.nn.relu,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `dilation_rates`: The dilation of each convolution; there are as many as rates.
        - `kernel_size`, `use_bias`, `zero_bias_init`: As in [`pdequinox.conv.PhysicsConv`][].
        - `use_norm`: Whether to normalise.
        - `num_groups`: The number of groups of each norm; divides `in_channels` and `out_channels`.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` if there is no dilation rate, or one that is not a positive integer.
        """
        if np.ndim(dilation_rates) != 1 or len(dilation_rates) == 0:
            raise ValueError(
                f"`dilation_rates` must be a sequence with at least one entry, got {dilation_rates!r}. "
                "Give the dilation of each convolution."
            )
        *keys, bypass_key = jr.split(key, len(dilation_rates) + 1)
        norm = partial(make_norm, "group" if use_norm else None, num_groups=num_groups)
        channels = (in_channels,) + (out_channels,) * len(dilation_rates)
        self.norm_layers = tuple(norm(c) for c in channels[:-1])
        self.conv_layers = tuple(
            PhysicsConv(
                num_spatial_dims,
                c_in,
                c_out,
                kernel_size,
                dilation=dilation,
                use_bias=use_bias,
                zero_bias_init=zero_bias_init,
                boundary_mode=boundary_mode,
                key=k,
            )
            for c_in, c_out, dilation, k in zip(channels[:-1], channels[1:], dilation_rates, keys, strict=True)
        )
        self.activation = activation
        if in_channels == out_channels:
            self.bypass_conv = self.bypass_norm = eqx.nn.Identity()
        else:
            self.bypass_conv = PointwiseLinearConv(
                num_spatial_dims, in_channels, out_channels, use_bias, zero_bias_init=zero_bias_init, key=bypass_key
            )
            self.bypass_norm = norm(in_channels)

    def __call__(self, x: Array) -> Array:
        bypass = self.bypass_conv(self.bypass_norm(x))
        for norm, conv in zip(self.norm_layers, self.conv_layers, strict=True):
            x = self.activation(conv(norm(x)))
        return x + bypass

    @property
    def receptive_field(self) -> ReceptiveField:
        return sum_receptive_fields([conv.receptive_field for conv in self.conv_layers])


DilatedResBlockFactory = factory_of(DilatedResBlock)
