"""Transolver (Wu et al., 2024) on grids."""

import math
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_integer, check_sizes
from ..blocks import ChannelMLPBlock, PhysicsAttentionBlock
from ..boundary import AxisMode, BoundaryMode, normalize_boundary_mode
from ..compose import num_position_channels, position_channels
from ..conv import LayerNorm, PointwiseLinearConv, ReceptiveField


class Transolver(eqx.Module):
    """A perceptron per point, attention among learned slices of the grid, a norm and a pointwise projection.

    Any grid works, at a cost that is linear in its points. Without coordinates (`position=None`) the network commutes
    with shifts of periodic axes.

    ??? cite "Source"
        Wu et al., *Transolver*, ICML 2024, arXiv:2402.02366: the variant for structured grids, with the sizes that
        `thuml/Neural-Solver-Library` starts from (the paper has 8 layers of 128 or 256 channels and 8 heads), without
        its "placeholder" parameter, which is for problems that have no input but the coordinates. The reference pads
        convolutions with zeros (our `"dirichlet"`), has coordinates from 0 to 1, and the exact form of GELU.
    """

    lifting: ChannelMLPBlock
    blocks: tuple[PhysicsAttentionBlock, ...]
    norm: LayerNorm
    projection: PointwiseLinearConv
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    position: str | None = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 64,
        num_blocks: int = 3,
        num_heads: int = 4,
        num_slices: int = 32,
        kernel_size: int | Sequence[int] = 3,
        expansion: int = 1,
        position: str | None = "grid",
        temperature_range: tuple[float, float] | None = (0.1, 5.0),
        initial_std: float | None = 0.02,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `boundary_mode`, `key`: As everywhere.
        - `hidden_channels`: The number of channels between the blocks.
        - `num_blocks`: The number of blocks.
        - `num_heads`, `num_slices`, `kernel_size`, `expansion`, `temperature_range`: As in
            [`pdequinox.blocks.PhysicsAttentionBlock`][].
        - `position`: The coordinates that the network also sees: `"grid"` or `"sinusoidal"` (see
            [`pdequinox.compose.position_channels`][]; on periodic axes the latter are smooth), or `None`.
        - `initial_std`: The standard deviation of the initial weights of all pointwise maps, whose biases start at
            zero, as in the source; `None`: uniform in +-1 / sqrt(fan-in), as the convolutions.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` for numbers that are too small, another position, and what the blocks raise.
        """
        self.num_spatial_dims, self.in_channels, _ = check_sizes(num_spatial_dims, in_channels, out_channels)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        self.position = position
        coordinates = 0 if position is None else num_position_channels(num_spatial_dims, position)
        hidden_channels = check_integer("hidden_channels", hidden_channels)
        first, last, again, *keys = jr.split(key, 3 + check_integer("num_blocks", num_blocks))
        lifting = ChannelMLPBlock(
            num_spatial_dims,
            in_channels + coordinates,
            hidden_channels,
            hidden_channels=2 * hidden_channels,
            activation=activation,
            boundary_mode=boundary_mode,
            key=first,
        )
        blocks = tuple(
            PhysicsAttentionBlock(
                num_spatial_dims,
                hidden_channels,
                hidden_channels,
                num_heads=num_heads,
                num_slices=num_slices,
                kernel_size=kernel_size,
                expansion=expansion,
                temperature_range=temperature_range,
                activation=activation,
                boundary_mode=boundary_mode,
                key=k,
            )
            for k in keys
        )
        projection = PointwiseLinearConv(num_spatial_dims, hidden_channels, out_channels, key=last)
        parts = (lifting, blocks, projection)
        self.lifting, self.blocks, self.projection = (
            parts if initial_std is None else _with_normal_weights(parts, initial_std, again)
        )
        self.norm = LayerNorm(hidden_channels)

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.projection.weight.dtype)
        if self.position is not None:
            position = position_channels(x.shape[1:], self.boundary_mode, self.position)
            x = jnp.concatenate([jnp.asarray(position, x.dtype), x])
        x = self.lifting(x)
        for block in self.blocks:
            x = block(x)
        return self.projection(self.norm(x))

    @property
    def receptive_field(self) -> ReceptiveField:
        """Everything."""
        return ((math.inf, math.inf),) * self.num_spatial_dims


def _with_normal_weights(tree, std: float, key: PRNGKeyArray):
    """`tree` with normal weights in all pointwise maps, and biases of zero."""
    is_map = lambda node: isinstance(node, PointwiseLinearConv)  # noqa: E731
    nodes, structure = jax.tree.flatten(tree, is_leaf=is_map)
    for i, k in enumerate(jr.split(key, len(nodes))):
        if is_map(nodes[i]):
            weight = std * jr.normal(k, nodes[i].weight.shape)
            bias = None if nodes[i].bias is None else jnp.zeros_like(nodes[i].bias)
            nodes[i] = eqx.tree_at(
                lambda node: [node.weight, node.bias], nodes[i], [weight, bias], is_leaf=lambda x: x is None
            )
    return jax.tree.unflatten(structure, nodes)
