"""The factorized Fourier neural operator (Tran et al., 2023), on bounded axes too."""

from collections.abc import Callable, Sequence
from functools import partial

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_shape
from ..blocks import ChannelMLPBlock, LinearChannelAdjustBlock
from ..boundary import BoundaryMode
from ..conv import FactorizedSpectralConv, ReceptiveField, with_weight_norm


class FactorizedFNO(eqx.Module):
    r"""Residual blocks of one transform per axis and a perceptron per point: the number of weights grows linearly with
    the number of dimensions and of modes, and deep networks train.

    $$ z_{l + 1} = z_l + W_2\, \sigma(W_1 K(z_l) + b_1) + b_2 $$

    with the linear layer $K$ of [`pdequinox.conv.FactorizedSpectralConv`][], the same one in all blocks or one each.

    ??? cite "Source"
        Tran, Mathews, Xie and Ong, *Factorized Fourier Neural Operators*, ICLR 2023, arXiv:2111.13802. Defaults and
        initial values of its experiments on the torus (shared weights, weight norm, four times as many channels in the
        perceptrons, a gain of 0.1) with 4 blocks; the deepest networks there have 24. In the published code the
        projection reads what the last block adds, not the sum ($z_L - z_{L - 1}$ instead of $z_L$), and has no
        activation between its two linear maps. Ours reads the sum and has one: the first quirk cuts the residual
        stream off before the last block, the second makes one of the two maps idle. Both are options. Dropout, layer
        norm and a forecast per block, off in those experiments, are left out; coordinates as channels are
        [`pdequinox.compose.PositionEmbedding`][]. Bounded axes are ours.
    """

    lifting: LinearChannelAdjustBlock
    spectral_convs: tuple[FactorizedSpectralConv, ...]
    feed_forwards: tuple[ChannelMLPBlock, ...]
    projection: ChannelMLPBlock
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    use_residual_head: bool = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 64,
        num_modes: int | Sequence[int] = 16,
        num_blocks: int = 4,
        feed_forward_factor: int = 4,
        projection_channels: int = 128,
        share_weights: bool = True,
        use_weight_norm: bool = True,
        use_residual_head: bool = True,
        use_projection_activation: bool = True,
        parity: str = "mixed",
        gain: float = 0.1,
        activation: Callable = jax.nn.relu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `key`: As everywhere.
        - `hidden_channels`: The number of channels between the blocks.
        - `num_modes`: The number of modes of the transform along each axis; one integer or one per axis.
        - `num_blocks`: The number of residual blocks.
        - `feed_forward_factor`: The channels inside the perceptrons in units of `hidden_channels`.
        - `projection_channels`: The number of channels inside the projection.
        - `share_weights`: Whether all blocks have the same spectral weights.
        - `use_weight_norm`: Whether each pointwise linear map has a [`pdequinox.conv.WeightNorm`][].
        - `use_residual_head`: Whether the projection reads the sum of lifting and blocks, or, as the published code,
            what the last block adds.
        - `use_projection_activation`: Whether there is an activation between the two maps of the projection.
        - `parity`: `"mixed"` or `"same"`, on bounded axes; see [`pdequinox.conv.SpectralConv`][].
        - `gain`: Scales the initial spectral weights.
        - `activation`: A function of one array, or a module with parameters.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][]. The two ends of an axis must be alike.

        **Raises:** `ValueError` for counts that are not positive integers, and what the layers raise.
        """
        self.num_spatial_dims = check_integer("num_spatial_dims", num_spatial_dims)
        self.in_channels = check_integer("in_channels", in_channels)
        self.use_residual_head = use_residual_head
        check_integer("num_blocks", num_blocks)
        width = check_integer("hidden_channels", hidden_channels)
        factor = check_integer("feed_forward_factor", feed_forward_factor)
        lifting_key, spectral_key, projection_key, *keys = jr.split(key, 3 + num_blocks)
        pointwise = partial(ChannelMLPBlock, num_spatial_dims, width, boundary_mode=boundary_mode)
        self.lifting = LinearChannelAdjustBlock(
            num_spatial_dims, in_channels, width, boundary_mode=boundary_mode, key=lifting_key
        )
        self.spectral_convs = tuple(
            FactorizedSpectralConv(
                num_spatial_dims, width, width, num_modes, boundary_mode=boundary_mode, parity=parity, gain=gain, key=k
            )
            for k in jr.split(spectral_key, 1 if share_weights else num_blocks)
        )
        self.feed_forwards = tuple(
            pointwise(width, hidden_channels=factor * width, activation=activation, key=k) for k in keys
        )
        self.projection = pointwise(
            out_channels,
            hidden_channels=projection_channels,
            activation=activation if use_projection_activation else eqx.nn.Identity(),
            key=projection_key,
        )
        if use_weight_norm:
            self.lifting, self.feed_forwards, self.projection = with_weight_norm(
                (self.lifting, self.feed_forwards, self.projection)
            )

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape, and what the layers raise.
        """
        x = added = self.lifting(check_shape(x, self.in_channels, self.num_spatial_dims))
        convs = self.spectral_convs * (len(self.feed_forwards) // len(self.spectral_convs))
        for conv, feed_forward in zip(convs, self.feed_forwards, strict=True):
            added = feed_forward(conv(x))
            x = x + added
        return self.projection(x if self.use_residual_head else added)

    @property
    def receptive_field(self) -> ReceptiveField:
        """Infinite: every mode is global along its axis."""
        return self.spectral_convs[0].receptive_field
