"""The transformer-like block of the adaptive Fourier neural operator (Guibas et al., 2022)."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer
from ..boundary import BoundaryMode
from ..conv import LayerNorm, PointwiseLinearConv, ReceptiveField, SpectralMixer
from ._activation import as_activation
from ._base_block import Block, factory_of
from ._channel_mlp_block import ChannelMLPBlock


class AFNOBlock(Block):
    """Layer norm, spectral mixer, add the input; layer norm, perceptron per point, add what came in.

    Where the number of channels changes, a pointwise map does so before all else.

    ??? cite "Source"
        Guibas et al., *Adaptive Fourier Neural Operators*, ICLR 2022, arXiv:2111.13587, as in The Well (Ohana et al.,
        NeurIPS 2024, arXiv:2412.00568), with its initial values; no dropout.
    """

    adjust: PointwiseLinearConv | eqx.nn.Identity
    norm_1: LayerNorm
    mixer: SpectralMixer
    norm_2: LayerNorm
    mlp: ChannelMLPBlock
    activation: Callable = eqx.field(converter=as_activation)
    use_double_skip: bool = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_groups: int = 1,
        threshold: float = 0.01,
        mode_fraction: float = 1.0,
        mlp_factor: int = 4,
        use_double_skip: bool = True,
        initial_scale: float = 0.02,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_groups`, `threshold`, `mode_fraction`, `initial_scale`: As in [`pdequinox.conv.SpectralMixer`][].
        - `mlp_factor`: The channels inside the perceptron in units of `out_channels`.
        - `use_double_skip`: Whether the input is added behind the mixer as well as behind the perceptron; if not, it is
            the input of the block that is added at the end.
        - `use_bias`: Whether the perceptron has biases.
        - `zero_bias_init`: Whether the bias of the map that changes the number of channels starts at zero; those of the
            perceptron always do.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` if `mlp_factor` is not a positive integer, and what the layers raise.
        """
        adjust_key, mixer_key, mlp_key, *weight_keys = jr.split(key, 5)
        self.adjust = eqx.nn.Identity()
        if in_channels != out_channels:
            self.adjust = PointwiseLinearConv(
                num_spatial_dims, in_channels, out_channels, zero_bias_init=zero_bias_init, key=adjust_key
            )
        self.mixer = SpectralMixer(
            num_spatial_dims,
            out_channels,
            num_groups=num_groups,
            threshold=threshold,
            mode_fraction=mode_fraction,
            initial_scale=initial_scale,
            boundary_mode=boundary_mode,
            key=mixer_key,
        )
        self.norm_1, self.norm_2 = LayerNorm(out_channels, eps=1e-6), LayerNorm(out_channels, eps=1e-6)
        mlp = ChannelMLPBlock(
            num_spatial_dims,
            out_channels,
            out_channels,
            hidden_channels=check_integer("mlp_factor", mlp_factor) * out_channels,
            use_bias=use_bias,
            zero_bias_init=True,
            activation=activation,
            boundary_mode=boundary_mode,
            key=mlp_key,
        )
        weights = [0.02 * jr.normal(k, layer.weight.shape) for k, layer in zip(weight_keys, mlp.layers, strict=True)]
        self.mlp = eqx.tree_at(lambda mlp: [layer.weight for layer in mlp.layers], mlp, weights)
        self.activation = activation
        self.use_double_skip = use_double_skip

    def __call__(self, x: Array) -> Array:
        x = skip = self.adjust(x)
        x = self.mixer(self.norm_1(x), self.activation)
        if self.use_double_skip:
            x = skip = x + skip
        return self.mlp(self.norm_2(x)) + skip

    @property
    def receptive_field(self) -> ReceptiveField:
        return self.mixer.receptive_field


AFNOBlockFactory = factory_of(AFNOBlock)
