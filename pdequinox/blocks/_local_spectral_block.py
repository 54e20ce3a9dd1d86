"""The block of the neural operator with local kernels (Liu-Schiaffini et al., 2024)."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import DifferentialConv, LocalIntegralConv, PointwiseLinearConv, ReceptiveField, SpectralConv
from ._activation import as_activation
from ._base_block import Block, factory_of


class LocalSpectralBlock(Block):
    """A spectral, a differential, a local integral and a pointwise linear map, added; then the activation.

    ??? cite "Source"
        Liu-Schiaffini et al., *Neural Operators with Localized Integral and Differential Kernels*, ICML 2024,
        arXiv:2402.16845.
    """

    spectral_conv: SpectralConv
    differential_conv: DifferentialConv | None
    integral_conv: LocalIntegralConv | None
    by_pass_conv: PointwiseLinearConv
    activation: Callable = eqx.field(converter=as_activation)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_modes: int | Sequence[int] = 8,
        parity: str = "mixed",
        use_differential: bool = True,
        kernel_size: int | Sequence[int] = 3,
        groups: int = 1,
        num_reference_points: int = 64,
        use_integral: bool = True,
        radius: float = 0.0625,
        num_rings: int = 1,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_modes`, `parity`: As in [`pdequinox.conv.SpectralConv`][].
        - `use_differential`: Whether there is a differential map.
        - `kernel_size`, `groups`, `num_reference_points`: As in [`pdequinox.conv.DifferentialConv`][].
        - `use_integral`: Whether there is a local integral.
        - `radius`, `num_rings`: As in [`pdequinox.conv.LocalIntegralConv`][].
        - `use_bias`, `zero_bias_init`: Of the pointwise map and, the first, of the local integral.
        - `activation`: A function of one array, or a module with parameters.
        """
        spectral_key, differential_key, integral_key, bypass_key = jr.split(key, 4)
        channels = (num_spatial_dims, in_channels, out_channels)
        self.spectral_conv = SpectralConv(
            *channels, num_modes, boundary_mode=boundary_mode, parity=parity, key=spectral_key
        )
        self.differential_conv = self.integral_conv = None
        if use_differential:
            self.differential_conv = DifferentialConv(
                *channels,
                kernel_size,
                groups=groups,
                num_reference_points=num_reference_points,
                boundary_mode=boundary_mode,
                key=differential_key,
            )
        if use_integral:
            self.integral_conv = LocalIntegralConv(
                *channels,
                radius=radius,
                num_rings=num_rings,
                use_bias=use_bias,
                boundary_mode=boundary_mode,
                key=integral_key,
            )
        self.by_pass_conv = PointwiseLinearConv(*channels, use_bias, zero_bias_init=zero_bias_init, key=bypass_key)
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        y = self.spectral_conv(x) + self.by_pass_conv(x)
        for conv in (self.differential_conv, self.integral_conv):
            if conv is not None:
                y = y + conv(x)
        return self.activation(y)

    @property
    def receptive_field(self) -> ReceptiveField:
        return self.spectral_conv.receptive_field


LocalSpectralBlockFactory = factory_of(LocalSpectralBlock)
