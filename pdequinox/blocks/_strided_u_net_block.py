"""The small U-Net of constant width inside the layers of U-FNO (Wen et al., 2022)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer
from ..boundary import BoundaryMode
from ..conv import PhysicsConv, PhysicsConvTranspose, ReceptiveField, sum_receptive_fields
from ._activation import as_activation
from ._base_block import Block, factory_of
from ._norm import make_norm


class StridedUNetBlock(Block):
    """Down by strided convolutions, up by transposed ones, each followed by the activation, with the same number of
    channels on all grids.

    On the way down each convolution has a norm, and on all coarser grids but the first there is a second one. On the
    way up each transposed convolution reads the skip of its grid and what comes from below. A convolution of the input
    and of what comes up is the output. (`Hierarchical` convolves between each two transposed convolutions, and has
    more channels on coarser grids.) Any grid size works: the transposed convolutions restore it.

    ??? cite "Source"
        Wen et al., *U-FNO*, Advances in Water Resources 163 (2022), arXiv:2109.03697. Ours has instance norms by
        default where the original has batch norms, and no dropout. Of the transposed convolutions' four taps, one
        more lies to the right in ours.
    """

    down_convs: tuple[PhysicsConv, ...]
    down_norms: tuple[Any, ...]
    coarse_convs: tuple[PhysicsConv, ...]
    coarse_norms: tuple[Any, ...]
    up_convs: tuple[PhysicsConvTranspose, ...]
    final_conv: PhysicsConv
    activation: Callable = eqx.field(converter=as_activation)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_levels: int = 3,
        kernel_size: int | Sequence[int] = 3,
        up_kernel_size: int | Sequence[int] = 4,
        norm: str | None = "instance",
        num_groups: int = 1,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        activation: Callable = jax.nn.leaky_relu,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_levels`: The number of coarser grids.
        - `kernel_size`: The number of taps of the convolutions; one integer or one per axis.
        - `up_kernel_size`: The number of taps of the transposed convolutions.
        - `norm`, `num_groups`: As in [`pdequinox.blocks.make_norm`][]. An instance norm of a grid of one point is zero.
        - `use_bias`, `zero_bias_init`: Of the transposed and the last convolution. Those before a norm have no bias.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` if `num_levels` is not a positive integer, and what the layers raise.
        """
        num_levels = check_integer("num_levels", num_levels)
        keys = iter(jr.split(key, 3 * num_levels))
        conv = partial(PhysicsConv, num_spatial_dims, boundary_mode=boundary_mode, zero_bias_init=zero_bias_init)
        down = partial(conv, out_channels=out_channels, kernel_size=kernel_size, use_bias=use_bias and norm is None)
        self.down_convs = tuple(
            down(in_channels=out_channels if level else in_channels, stride=2, key=next(keys))
            for level in range(num_levels)
        )
        self.coarse_convs = tuple(down(in_channels=out_channels, key=next(keys)) for _ in range(num_levels - 1))
        self.down_norms = tuple(make_norm(norm, out_channels, num_groups) for _ in self.down_convs)
        self.coarse_norms = tuple(make_norm(norm, out_channels, num_groups) for _ in self.coarse_convs)
        self.up_convs = tuple(
            PhysicsConvTranspose(
                num_spatial_dims,
                out_channels * (2 if level else 1),
                out_channels,
                up_kernel_size,
                stride=2,
                use_bias=use_bias,
                boundary_mode=boundary_mode,
                zero_bias_init=zero_bias_init,
                key=next(keys),
            )
            for level in range(num_levels)
        )
        self.final_conv = conv(
            in_channels + out_channels, out_channels, kernel_size=kernel_size, use_bias=use_bias, key=next(keys)
        )
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        skips = []
        for level, (conv, norm) in enumerate(zip(self.down_convs, self.down_norms, strict=True)):
            skips.append(x)
            x = self.activation(norm(conv(x)))
            if level:
                x = self.activation(self.coarse_norms[level - 1](self.coarse_convs[level - 1](x)))
        for up in self.up_convs:
            skip = skips.pop()
            missing = [n - 2 * m + 1 for n, m in zip(skip.shape[1:], x.shape[1:], strict=True)]
            x = jnp.concatenate([skip, self.activation(up(x, output_padding=missing))])
        return self.final_conv(x)

    @property
    def receptive_field(self) -> ReceptiveField:
        """As in [`pdequinox.compose.Hierarchical`][]: of the convolutions, not of the norms, which see everything."""
        num_levels = len(self.down_convs)
        fine = [2.0**level for level in range(num_levels)]
        layers = (*self.down_convs, *self.coarse_convs, *self.up_convs, self.final_conv)
        scales = [*fine, *(2 * scale for scale in fine[1:]), *reversed(fine), 1.0]
        return sum_receptive_fields((layer.receptive_field for layer in layers), scales)


StridedUNetBlockFactory = factory_of(StridedUNetBlock)
