"""The convolutional neural operator (Raonic et al., 2023)."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_shape
from ..blocks import BandLimitedConvBlock, BandLimitedResBlock
from ..boundary import AxisMode, BoundaryMode, normalize_boundary_mode, resampled_size
from ..conv import PhysicsConv, ReceptiveField, sum_receptive_fields


class CNO(eqx.Module):
    r"""A U-shaped network of convolutions and band-limited activations, which also change the grid.

    On each level, residual blocks R and one more block I work on the skip, next to the way down D and up U:

    $$ v_0 = L u, \quad v_{l+1} = D_l v_l, \quad w_n = R_n v_n, \quad
    w_l = [U_l I_{l+1} w_{l+1}, \; R_l v_l], \quad y = P [U_0 I_1 w_1, \; I_0 R_0 v_0] $$

    where I acts on the skip alone; L and P are two convolutions with a band-limited activation between them. What that
    is, and what it is for, stands in [`pdequinox.blocks.BandLimitedActivation`][].

    **Any grid size works.** Level l + 1 is the grid of the same box with twice the spacing, or the next finer one (see
    [`pdequinox.boundary.resampled_size`][]), so both ends of an axis are treated alike. On a periodic axis that
    $2^n$ divides, the network commutes with shifts by $2^n$ points, and nearly with others.

    ??? cite "Source"
        Raonic et al., *Convolutional Neural Operators for robust and accurate learning of PDEs*, NeurIPS 2023,
        arXiv:2302.01178. Defaults and number of parameters as in the authors' (simplified) code with
        `N_layers=4, channel_multiplier=16`. Ours has filters for every boundary mode, and group norms for its batch
        norms: an instance norm, which has one mean per channel as well, would take from the network what the size of
        its input was, and everything on grids of one point.
    """

    lifting: tuple[BandLimitedConvBlock, PhysicsConv]
    down_blocks: tuple[BandLimitedConvBlock, ...]
    res_blocks: tuple[tuple[BandLimitedResBlock, ...], ...]
    invariant_blocks: tuple[BandLimitedConvBlock, ...]
    up_blocks: tuple[BandLimitedConvBlock, ...]
    projection: tuple[BandLimitedConvBlock, PhysicsConv]
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    num_levels: int = eqx.field(static=True)
    filter_size: int = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 8,
        num_levels: int = 4,
        num_blocks: int = 4,
        num_neck_blocks: int = 4,
        lifting_channels: int = 64,
        kernel_size: int | Sequence[int] = 3,
        norm: str | None = "group",
        num_groups: int = 1,
        filter_size: int = 6,
        activation: Callable = jax.nn.leaky_relu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `boundary_mode`, `key`: As everywhere.
        - `hidden_channels`: The number of channels on the finest grid, half the reference's `channel_multiplier`;
            twice as many on each coarser one.
        - `num_levels`: The number of coarser grids.
        - `num_blocks`, `num_neck_blocks`: The number of residual blocks on each skip, and on the coarsest grid.
        - `lifting_channels`: The number of channels inside the lifting and the projection.
        - `kernel_size`: The number of taps of all convolutions; one integer or one per axis.
        - `norm`, `num_groups`: As in [`pdequinox.blocks.make_norm`][]; none in the lifting and the projection.
        - `filter_size`: As in [`pdequinox.blocks.BandLimitedActivation`][].
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` for numbers that are too small, and what the blocks raise.
        """
        self.num_spatial_dims = check_integer("num_spatial_dims", num_spatial_dims)
        self.in_channels = check_integer("in_channels", in_channels)
        self.num_levels = num_levels = check_integer("num_levels", num_levels)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        check_integer("hidden_channels", hidden_channels)
        counts = (check_integer("num_blocks", num_blocks, 0),) * num_levels
        counts = (*counts, check_integer("num_neck_blocks", num_neck_blocks, 0))
        channels = [hidden_channels * 2**level for level in range(num_levels + 1)]
        keys = iter(jr.split(key, 4 + sum(counts) + 3 * num_levels + 1))

        conv = partial(PhysicsConv, num_spatial_dims, kernel_size=kernel_size, boundary_mode=boundary_mode)
        options = {"kernel_size": kernel_size, "filter_size": filter_size, "activation": activation}

        def block(c_in: int, c_out: int, kind: type = BandLimitedConvBlock, norm: str | None = norm):
            return kind(
                num_spatial_dims,
                c_in,
                c_out,
                norm=norm,
                num_groups=num_groups,
                boundary_mode=boundary_mode,
                key=next(keys),
                **options,
            )

        def pair(c_in: int, c_out: int) -> tuple[BandLimitedConvBlock, PhysicsConv]:
            first = block(c_in, lifting_channels, norm=None)
            return first, conv(lifting_channels, out_channels=c_out, key=next(keys))

        self.lifting = pair(in_channels, hidden_channels)
        self.down_blocks = tuple(block(fine, coarse) for fine, coarse in pairwise(channels))
        self.res_blocks = tuple(
            tuple(block(c, c, BandLimitedResBlock) for _ in range(count))
            for c, count in zip(channels, counts, strict=True)
        )
        self.invariant_blocks = tuple(block(c, c) for c in channels)
        # What comes from below meets the skip, but on the coarsest grid.
        self.up_blocks = tuple(
            block(coarse if level == num_levels else 2 * coarse, fine)
            for level, (fine, coarse) in enumerate(pairwise(channels), start=1)
        )
        self.projection = pair(2 * hidden_channels, out_channels)
        self.filter_size = filter_size

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape or dtype, and for one Neumann point.
        """
        x = check_shape(x, self.in_channels, self.num_spatial_dims)
        x = _in_turn(self.lifting, x)
        skips, shapes = [], []
        for level, (res_blocks, invariant) in enumerate(zip(self.res_blocks, self.invariant_blocks, strict=True)):
            skips.append(invariant(_in_turn(res_blocks, x)))
            shapes.append(x.shape[1:])
            if level < self.num_levels:
                coarser = map(resampled_size, shapes[-1], (2,) * self.num_spatial_dims, self.boundary_mode)
                x = self.down_blocks[level](x, shape=tuple(coarser))
        x = skips.pop()
        for up, shape in zip(reversed(self.up_blocks), reversed(shapes[:-1]), strict=True):
            x = jnp.concatenate([up(x, shape=shape), skips.pop()])
        return _in_turn(self.projection, x)

    @property
    def receptive_field(self) -> ReceptiveField:
        """How far an output sees to the left and right, per axis, in points of the finest grid.

        This counts convolutions and filters and not norms, which see everything; for the truth see
        [`pdequinox.measured_receptive_field`][].
        """
        reach = 1.5 * self.filter_size - 1  # of a change of the grid, in points of the finer one
        change: ReceptiveField = ((reach, reach),) * self.num_spatial_dims
        deeper: ReceptiveField = ((0.0, 0.0),) * self.num_spatial_dims
        for level in reversed(range(self.num_levels + 1)):
            here = [block.receptive_field for block in (*self.res_blocks[level], self.invariant_blocks[level])]
            if level < self.num_levels:
                down, up = (blocks[level].conv.receptive_field for blocks in (self.down_blocks, self.up_blocks))
                through = sum_receptive_fields([down, change, change, up, deeper], [1.0, 1.0, 1.0, 2.0, 2.0])
                skip = sum_receptive_fields(here)
                deeper = tuple((max(a, c), max(b, d)) for (a, b), (c, d) in zip(through, skip, strict=True))
            else:
                deeper = sum_receptive_fields(here)
        return sum_receptive_fields([deeper, *(layer.receptive_field for layer in (*self.lifting, *self.projection))])


def _in_turn(layers: Sequence[Callable[[Array], Array]], x: Array) -> Array:
    for layer in layers:
        x = layer(x)
    return x
