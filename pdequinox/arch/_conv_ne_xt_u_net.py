"""The U-Net of ConvNeXt blocks (Ohana et al., 2024)."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_shape
from ..blocks import ConvNeXtBlock
from ..boundary import BoundaryMode
from ..conv import (
    LayerNorm,
    PatchConv,
    PatchConvTranspose,
    PhysicsConv,
    PointwiseLinearConv,
    ReceptiveField,
    sum_receptive_fields,
)

NORMS = ("layer", "rms")


class ConvNeXtUNet(eqx.Module):
    """ConvNeXt blocks on a hierarchy of grids that are changed by patches of two points per axis (CNextU-Net).

    A level's skip is what comes into it from the finer grid, before its blocks; on the way up it is put behind the
    channels from below, a pointwise map halves them, and the blocks follow. The finest level has blocks on the way down
    only, and no skip. Grids of any size work: last patches are filled by the boundary mode on the way down and cropped
    on the way up.

    ??? cite "Source"
        Ohana et al., *The Well*, NeurIPS 2024, arXiv:2412.00568, with the widths of its benchmark; Liu et al., *A
        ConvNet for the 2020s*, CVPR 2022, arXiv:2201.03545. The reference pads with zeros (our `"dirichlet"`), needs
        sizes that are multiples of `2**num_levels`, and has the exact form of GELU. Its norms before a change of grid
        divide by the root of the sum of squares and have a shift that is counted and never used:
        `resampling_norm="rms"`, with its weights times 1 / sqrt(channels) and our shifts zero, is that.
    """

    lifting: PhysicsConv
    down_blocks: tuple[tuple[ConvNeXtBlock, ...], ...]
    down_norms: tuple[LayerNorm, ...]
    down_sampling: tuple[PatchConv, ...]
    neck_blocks: tuple[ConvNeXtBlock, ...]
    skip_projections: tuple[PointwiseLinearConv, ...]
    up_blocks: tuple[tuple[ConvNeXtBlock, ...], ...]
    up_norms: tuple[LayerNorm, ...]
    up_sampling: tuple[PatchConvTranspose, ...]
    projection: PhysicsConv
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 42,
        num_levels: int = 4,
        num_blocks: int = 2,
        num_neck_blocks: int = 1,
        kernel_size: int | Sequence[int] = 7,
        expansion: int = 4,
        layer_scale: float | None = 1e-6,
        resampling_norm: str = "layer",
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `boundary_mode`, `key`: As everywhere.
        - `hidden_channels`: The number of channels on the finest grid; doubled on each coarser one.
        - `num_levels`: The number of coarser grids.
        - `num_blocks`: The number of blocks per level, on the way down and on the way up.
        - `num_neck_blocks`: The number of blocks on the coarsest grid before those of the way up.
        - `kernel_size`, `expansion`, `layer_scale`: As in [`pdequinox.blocks.ConvNeXtBlock`][].
        - `resampling_norm`: The norm of the channels before a change of grid: `"layer"`, as in ConvNeXt, or `"rms"`,
            which does not take the mean out.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` for numbers that are too small, another norm, and what the layers raise.
        """
        self.num_spatial_dims = check_integer("num_spatial_dims", num_spatial_dims)
        self.in_channels = check_integer("in_channels", in_channels)
        hidden_channels = check_integer("hidden_channels", hidden_channels)
        levels = range(check_integer("num_levels", num_levels) + 1)
        check_integer("num_blocks", num_blocks)
        check_integer("num_neck_blocks", num_neck_blocks, minimum=0)
        if resampling_norm not in NORMS:
            raise ValueError(
                f"`resampling_norm` must be one of {', '.join(map(repr, NORMS))}, got {resampling_norm!r}. "
                "Check the spelling."
            )
        channels = [hidden_channels * 2**level for level in levels]
        keys = iter(jr.split(key, 1 + num_neck_blocks + num_levels * (2 * num_blocks + 3)))
        make = lambda layer, *args, **kwargs: layer(num_spatial_dims, *args, **kwargs, key=next(keys))  # noqa: E731
        conv = partial(make, PhysicsConv, kernel_size=3, boundary_mode=boundary_mode)
        norm = partial(LayerNorm, eps=1e-6, use_mean=resampling_norm == "layer")
        block = partial(
            make,
            ConvNeXtBlock,
            kernel_size=kernel_size,
            expansion=expansion,
            layer_scale=layer_scale,
            activation=activation,
            boundary_mode=boundary_mode,
        )
        patch = partial(make, patch_size=2, boundary_mode=boundary_mode)
        blocks = lambda width, count: tuple(block(width, width) for _ in range(count))  # noqa: E731

        self.lifting = conv(in_channels, hidden_channels)
        self.down_blocks = tuple(blocks(width, num_blocks) for width in channels[:-1])
        self.down_norms = tuple(map(norm, channels[:-1]))
        self.down_sampling = tuple(patch(PatchConv, fine, coarse) for fine, coarse in pairwise(channels))
        self.neck_blocks = blocks(channels[-1], num_neck_blocks)
        self.skip_projections = tuple(make(PointwiseLinearConv, 2 * width, width) for width in channels[1:-1])
        self.up_blocks = tuple(blocks(width, num_blocks) for width in channels[1:])
        self.up_norms = tuple(map(norm, channels[1:]))
        self.up_sampling = tuple(patch(PatchConvTranspose, coarse, fine) for fine, coarse in pairwise(channels))
        self.projection = conv(hidden_channels, out_channels)

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        x = self.lifting(check_shape(x, self.in_channels, self.num_spatial_dims))
        skips = []
        for blocks, norm, down in zip(self.down_blocks, self.down_norms, self.down_sampling, strict=True):
            skips.append(x)
            x = down(norm(_in_line(blocks, x)))
        x = _in_line(self.neck_blocks, x)
        coarsest = len(skips)
        for level in range(coarsest, 0, -1):
            if level < coarsest:
                x = self.skip_projections[level - 1](jnp.concatenate([x, skips[level]]))
            x = self.up_sampling[level - 1](self.up_norms[level - 1](_in_line(self.up_blocks[level - 1], x)))
            x = x[(slice(None), *map(slice, skips[level - 1].shape[1:]))]
        return self.projection(x)

    @property
    def receptive_field(self) -> ReceptiveField:
        """How far an output sees to the left and right, per axis, in points of the finest grid."""
        layers, scales = [self.lifting, self.projection], [1.0, 1.0]
        levels = [*self.down_blocks, self.neck_blocks]
        for level in range(len(levels)):
            here = [*levels[level], *(self.up_blocks[level - 1] if level else ())]
            between = [] if level == 0 else [self.down_sampling[level - 1], self.up_sampling[level - 1]]
            layers += here + between
            scales += [2.0**level] * len(here) + [2.0 ** (level - 1)] * len(between)
        return sum_receptive_fields((layer.receptive_field for layer in layers), scales)


def _in_line(blocks: tuple[Callable, ...], x: Array) -> Array:
    for block in blocks:
        x = block(x)
    return x
