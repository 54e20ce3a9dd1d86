"""Convolution, norm and an activation that does not alias, to any grid (Raonic et al., 2023)."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jaxtyping import Array, PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import PhysicsConv, ReceptiveField, sum_receptive_fields
from ._band_limited_activation import BandLimitedActivation
from ._base_block import Block, factory_of
from ._norm import make_norm


class BandLimitedConvBlock(Block):
    """Convolution, norm, band-limited activation; the activation may change the grid.

    ??? cite "Source"
        Raonic et al., *Convolutional Neural Operators*, NeurIPS 2023, arXiv:2302.01178. Ours has group norms instead
        of batch norms, see [`pdequinox.arch.CNO`][].
    """

    conv: PhysicsConv
    norm: Any
    activation: BandLimitedActivation

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
        """**Arguments:**

        - `kernel_size`, `use_bias`, `zero_bias_init`: As in [`pdequinox.conv.PhysicsConv`][].
        - `norm`, `num_groups`: As in [`pdequinox.blocks.make_norm`][].
        - `filter_size`: As in [`pdequinox.blocks.BandLimitedActivation`][].
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
        self.norm = make_norm(norm, out_channels, num_groups)
        self.activation = BandLimitedActivation(
            num_spatial_dims, filter_size=filter_size, activation=activation, boundary_mode=boundary_mode
        )

    def __call__(self, x: Array, *, shape: Any = None) -> Array:
        """As [`pdequinox.blocks.BandLimitedActivation`][]: on the grid `shape`, that of `x` by default."""
        return self.activation(self.norm(self.conv(x)), shape=shape)

    @property
    def receptive_field(self) -> ReceptiveField:
        return sum_receptive_fields([self.conv.receptive_field, self.activation.receptive_field])


BandLimitedConvBlockFactory = factory_of(BandLimitedConvBlock)
