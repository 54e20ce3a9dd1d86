"""The pre-activation residual block with spectral layers (Gupta and Brandstetter, 2023)."""

from collections.abc import Callable, Sequence
from functools import partial

import equinox as eqx
import jax
from jaxtyping import Array, PRNGKeyArray

from ..boundary import BoundaryMode
from ._abstract_res_block import AbstractResBlock
from ._base_block import factory_of
from ._classic_spectral_block import ClassicSpectralBlock
from ._norm import make_norm


class ModernSpectralBlock(AbstractResBlock):
    """Twice: norm, activation, the sum of a spectral and a pointwise linear map; then add the input.

    Where the number of channels changes, the input goes through a pointwise map with bias.

    ??? cite "Source"
        The Fourier block of the U-F*Nets of PDEArena: Gupta and Brandstetter, *Towards Multi-spatiotemporal-scale
        Generalized PDE Modeling*, TMLR 2023, arXiv:2209.15616.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_modes: int | Sequence[int] = 8,
        use_norm: bool = True,
        num_groups: int = 1,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        parity: str = "mixed",
        init: str = "normal",
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_modes`, `parity`, `init`: As in [`pdequinox.conv.SpectralConv`][].
        - `use_norm`: Whether to normalise.
        - `num_groups`: The number of groups of each norm; divides `in_channels` and `out_channels`.
        - `use_bias`, `zero_bias_init`: Of the pointwise maps.
        - `activation`: A function of one array, or a module with parameters.
        """
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            conv=partial(
                ClassicSpectralBlock,
                num_spatial_dims,
                num_modes=num_modes,
                use_bias=use_bias,
                zero_bias_init=zero_bias_init,
                parity=parity,
                init=init,
                activation=eqx.nn.Identity(),
                boundary_mode=boundary_mode,
            ),
            norm=partial(make_norm, "group" if use_norm else None, num_groups=num_groups),
            norms_come_first=True,
            use_bypass_norm=False,
            use_bypass_bias=use_bias,
            zero_bias_init=zero_bias_init,
            activation=activation,
            key=key,
        )

    def __call__(self, x: Array) -> Array:
        return self._norms_first(x)


ModernSpectralBlockFactory = factory_of(ModernSpectralBlock)
