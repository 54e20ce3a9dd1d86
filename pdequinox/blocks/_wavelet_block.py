"""The layer of the wavelet neural operator (Tripura and Chakraborty, 2023)."""

from collections.abc import Callable, Sequence

import jax
import jax.random as jr
from jaxtyping import PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import PointwiseLinearConv, WaveletConv
from ._abstract_bypass_block import AbstractBypassBlock
from ._base_block import factory_of


class WaveletBlock(AbstractBypassBlock):
    """A linear map of wavelet coefficients and a pointwise one, added; then the activation. For one grid only.

    ??? cite "Source"
        Tripura and Chakraborty, *Wavelet Neural Operator*, CMAME 404 (2023) 115783, arXiv:2205.02191.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_points: int | Sequence[int] = 64,
        num_levels: int = 4,
        num_vanishing_moments: int = 6,
        centred_init: bool = False,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        activation: Callable = jax.nn.mish,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_points`, `num_levels`, `num_vanishing_moments`, `centred_init`: As in
            [`pdequinox.conv.WaveletConv`][].
        - `use_bias`, `zero_bias_init`: Of the pointwise map.
        - `activation`: A function of one array, or a module with parameters.
        """
        wavelet_key, bypass_key = jr.split(key)
        self.conv = WaveletConv(
            num_spatial_dims,
            in_channels,
            out_channels,
            num_points=num_points,
            num_levels=num_levels,
            num_vanishing_moments=num_vanishing_moments,
            centred_init=centred_init,
            boundary_mode=boundary_mode,
            key=wavelet_key,
        )
        self.by_pass_conv = PointwiseLinearConv(
            num_spatial_dims, in_channels, out_channels, use_bias, zero_bias_init=zero_bias_init, key=bypass_key
        )
        self.activation = activation


WaveletBlockFactory = factory_of(WaveletBlock)
