"""The axial vision transformer (McCabe et al., 2024)."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_integer, check_sizes, per_axis
from ..blocks import SelfAttentionBlock, as_activation
from ..boundary import AxisMode, BoundaryMode, cells_of, normalize_boundary_mode, pad
from ..compose import num_position_channels, position_channels
from ..conv import GroupNorm, PatchConv, PatchConvTranspose, PointwiseLinearConv, ReceptiveField


class AViT(eqx.Module):
    """Patches as points of a coarse grid, attention along each of its axes with a perceptron beside it, patches again.

    Patches are made in a few steps, with a group norm after each and activations between, and undone likewise. The
    input is extended by the boundary mode to a multiple of the patch, and the output is cropped.

    **Where a patch is.** By default, sines and cosines of the patches' coordinates, with periods that fit the boundary
    mode, go through a pointwise map and are added: any grid works. With `num_points`, a learned table is added, as in
    the source, and the network fits grids of that many points only.

    ??? cite "Source"
        McCabe et al., *Multiple Physics Pretraining*, NeurIPS 2024, arXiv:2310.02994, in the version of *The Well*
        (Ohana et al., NeurIPS 2024, arXiv:2412.00568): a field of one time, no relative positions, norms of queries
        and keys, the same queries and keys for all axes. Stem: Touvron et al., *Three things everyone should know
        about Vision Transformers*, ECCV 2022, arXiv:2203.09795. Sizes of The Well's benchmark, which has the table
        and the exact form of GELU. In two dimensions, the reference attends along the last axis and then, by a slip,
        over the heads of each point instead of along the first axis; ours attends along both, as it does in three.
    """

    embed_convs: tuple[PatchConv, ...]
    embed_norms: tuple[GroupNorm, ...]
    position_table: Array | None
    position_map: PointwiseLinearConv | None
    blocks: tuple[SelfAttentionBlock, ...]
    debed_convs: tuple[PatchConvTranspose, ...]
    debed_norms: tuple[GroupNorm, ...]
    activation: Callable = eqx.field(converter=as_activation)
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    patch_size: int = eqx.field(static=True)
    num_frequencies: int = eqx.field(static=True)
    num_points: tuple[int, ...] | None = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 384,
        num_heads: int = 6,
        num_blocks: int = 8,
        patch_sizes: Sequence[int] = (4, 2, 2),
        num_groups: int = 12,
        expansion: int = 4,
        layer_scale: float | None = 1e-6,
        num_points: int | Sequence[int] | None = None,
        num_frequencies: int = 4,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `boundary_mode`, `key`: As everywhere.
        - `hidden_channels`: The number of channels of a patch; a quarter of them between the steps.
        - `num_heads`: The number of heads; divides `hidden_channels`.
        - `num_blocks`: The number of attention blocks.
        - `patch_sizes`: By how much each step coarsens the grid; a patch has their product of points per axis.
        - `num_groups`: The number of groups of the norms of the steps; divides `hidden_channels / 4`.
        - `expansion`: The hidden channels of the perceptrons, in units of `hidden_channels`.
        - `layer_scale`: The initial value of each block's scale per channel; `None` for none.
        - `num_points`: The grid of a learned table of positions; one integer or one per axis, or `None` for no table.
        - `num_frequencies`: The number of sines and cosines per axis where there is no table.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` for numbers that are too small, hidden channels that are not a multiple of 4, and what
        the layers raise.
        """
        self.num_spatial_dims, self.in_channels, _ = check_sizes(num_spatial_dims, in_channels, out_channels)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        if check_integer("hidden_channels", hidden_channels) % 4:
            raise ValueError(
                f"`hidden_channels` must be a multiple of 4, got {hidden_channels}. A quarter of them is used between "
                "the steps to patches."
            )
        if np.ndim(patch_sizes) != 1 or len(patch_sizes) == 0:
            raise ValueError(
                f"`patch_sizes` must be a sequence with at least one entry, got {patch_sizes!r}. Give the factor by "
                "which each step coarsens the grid."
            )
        steps = [check_integer("patch_sizes", size) for size in patch_sizes]
        self.patch_size = math.prod(steps)
        widths = [in_channels, *(hidden_channels // 4,) * (len(steps) - 1), hidden_channels]
        keys = iter(jr.split(key, 2 * len(steps) + check_integer("num_blocks", num_blocks) + 1))
        self.embed_convs = tuple(
            PatchConv(num_spatial_dims, c_in, c_out, size, False, boundary_mode=boundary_mode, key=next(keys))
            for (c_in, c_out), size in zip(pairwise(widths), steps, strict=True)
        )
        self.embed_norms = tuple(GroupNorm(num_groups, width) for width in widths[1:])
        self.num_frequencies = check_integer("num_frequencies", num_frequencies)
        self.num_points = self.position_table = self.position_map = None
        if num_points is None:
            waves = num_position_channels(num_spatial_dims, "sinusoidal", num_frequencies)
            self.position_map = PointwiseLinearConv(num_spatial_dims, waves, hidden_channels, False, key=next(keys))
        else:
            self.num_points = per_axis("num_points", num_points, num_spatial_dims)
            patches = (-(-n // self.patch_size) for n in self.num_points)
            self.position_table = 0.02 * jr.normal(next(keys), (hidden_channels, *patches))
        self.blocks = tuple(
            SelfAttentionBlock(
                num_spatial_dims,
                hidden_channels,
                hidden_channels,
                num_heads=num_heads,
                over="axes",
                use_norm_bias=False,
                use_query_key_norm=True,
                mlp_channels=check_integer("expansion", expansion) * hidden_channels,
                layer_scale=layer_scale,
                activation=activation,
                boundary_mode=boundary_mode,
                key=next(keys),
            )
            for _ in range(num_blocks)
        )
        widths[0] = out_channels
        self.debed_convs = tuple(
            PatchConvTranspose(num_spatial_dims, c_in, c_out, size, False, boundary_mode=boundary_mode, key=next(keys))
            for (c_in, c_out), size in zip(pairwise(widths[::-1]), steps[::-1], strict=True)
        )
        self.debed_norms = tuple(GroupNorm(num_groups, width) for width in widths[-2:0:-1])
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.embed_convs[0].weight.dtype)
        shape = x.shape[1:]
        if self.num_points is not None and shape != self.num_points:
            raise ValueError(
                f"`x` must have the shape {(self.in_channels, *self.num_points)} that the table of positions was made "
                f"for, got {x.shape}. Make another network with `num_points={shape}`, or with `num_points=None` for "
                "any grid."
            )
        x = pad(x, [(0, -n % self.patch_size) for n in shape], self.boundary_mode)
        for step, (conv, norm) in enumerate(zip(self.embed_convs, self.embed_norms, strict=True), 1):
            x = norm(conv(x))
            if step < len(self.embed_convs):
                x = self.activation(x)
        if self.position_table is not None:
            x = x + self.position_table
        if self.position_map is not None:
            # Patches are the cells of a bounded axis.
            modes = tuple(map(cells_of, self.boundary_mode))
            waves = position_channels(x.shape[1:], modes, "sinusoidal", self.num_frequencies)
            x = x + self.position_map(jnp.asarray(waves, x.dtype))
        for block in self.blocks:
            x = block(x)
        for conv, norm in zip(self.debed_convs[:-1], self.debed_norms, strict=True):
            x = self.activation(norm(conv(x)))
        return self.debed_convs[-1](x)[(slice(None), *map(slice, shape))]

    @property
    def receptive_field(self) -> ReceptiveField:
        """Everything."""
        return ((math.inf, math.inf),) * self.num_spatial_dims
