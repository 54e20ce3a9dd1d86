"""The wavelet neural operator (Tripura and Chakraborty, 2023)."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_shape
from ..blocks import ChannelMLPBlock, WaveletBlock
from ..boundary import AxisMode, BoundaryMode, normalize_boundary_mode
from ..compose import num_position_channels, position_channels
from ..conv import PointwiseLinearConv, ReceptiveField, sum_receptive_fields


class WNO(eqx.Module):
    r"""Layers $v \leftarrow \sigma(K v + W v + b)$ that act on the coarsest wavelet coefficients, on one grid only.

    A pointwise lifting of the field and the position, no activation after the last layer, a perceptron per point. What
    K is stands in [`pdequinox.conv.WaveletConv`][]: local in space, unlike a spectral layer, with weights of its own
    for every coefficient, so it can treat places differently. All boundary modes and different ends work.

    ??? cite "Source"
        Tripura and Chakraborty, *Wavelet Neural Operator for solving parametric partial differential equations in
        computational mechanics problems*, CMAME 404 (2023) 115783, arXiv:2205.02191. Defaults and number of parameters
        as in the authors' code for Darcy's equation (db6, 4 levels, 4 layers of 64 channels), without its padding by
        one point, for which our boundary modes stand. Our perceptron has the activation of the layers, theirs `gelu`.
    """

    lifting: PointwiseLinearConv
    blocks: tuple[WaveletBlock, ...]
    projection: ChannelMLPBlock
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    position_embedding: str | None = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_points: int | Sequence[int],
        hidden_channels: int = 64,
        num_layers: int = 4,
        num_levels: int = 4,
        num_vanishing_moments: int = 6,
        projection_channels: int = 128,
        position_embedding: str | None = "grid",
        centred_init: bool = False,
        activation: Callable = jax.nn.mish,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `boundary_mode`, `key`: As everywhere.
        - `num_points`: The number of points of the grid; one integer or one per axis.
        - `hidden_channels`: The number of channels between the layers.
        - `num_layers`: The number of layers.
        - `num_levels`, `num_vanishing_moments`, `centred_init`: As in [`pdequinox.conv.WaveletConv`][].
        - `projection_channels`: The number of channels inside the projection.
        - `position_embedding`: What the lifting sees of the position, as in [`pdequinox.compose.position_channels`][];
            nothing if `None`.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` if `num_layers` is not a positive integer, for another embedding, and what the layers
        raise.
        """
        self.num_spatial_dims = check_integer("num_spatial_dims", num_spatial_dims)
        self.in_channels = check_integer("in_channels", in_channels)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        self.position_embedding = position_embedding
        num_more = 0 if position_embedding is None else num_position_channels(num_spatial_dims, position_embedding)
        check_integer("num_layers", num_layers)
        lifting_key, projection_key, *keys = jr.split(key, num_layers + 2)
        self.lifting = PointwiseLinearConv(num_spatial_dims, in_channels + num_more, hidden_channels, key=lifting_key)
        self.blocks = tuple(
            WaveletBlock(
                num_spatial_dims,
                hidden_channels,
                hidden_channels,
                num_points=num_points,
                num_levels=num_levels,
                num_vanishing_moments=num_vanishing_moments,
                centred_init=centred_init,
                activation=activation if layer < num_layers else eqx.nn.Identity(),
                boundary_mode=boundary_mode,
                key=k,
            )
            for layer, k in enumerate(keys, start=1)
        )
        self.projection = ChannelMLPBlock(
            num_spatial_dims,
            hidden_channels,
            out_channels,
            hidden_channels=projection_channels,
            activation=activation,
            boundary_mode=boundary_mode,
            key=projection_key,
        )

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *num_points)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *num_points)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        x = check_shape(x, self.in_channels, self.num_spatial_dims)
        if self.position_embedding is not None:
            position = position_channels(x.shape[1:], self.boundary_mode, self.position_embedding)
            x = jnp.concatenate([x, jnp.asarray(position, x.dtype)])
        x = self.lifting(x)
        for block in self.blocks:
            x = block(x)
        return self.projection(x)

    @property
    def receptive_field(self) -> ReceptiveField:
        """How far an output sees to the left and right, per axis, in points: at most the whole grid."""
        fields = sum_receptive_fields(block.receptive_field for block in self.blocks)
        sizes = self.blocks[0].conv.num_points
        return tuple(
            (min(left, float(n)), min(right, float(n))) for (left, right), n in zip(fields, sizes, strict=True)
        )
