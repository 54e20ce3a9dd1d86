"""The U-F*Net: a modern U-Net with Fourier layers on its finest grids (Gupta and Brandstetter, 2023)."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from .._checks import check_integer, per_axis
from ..blocks import ModernResBlockFactory, ModernSpectralBlockFactory
from ..boundary import BoundaryMode
from ._pde_arena_u_net import PDEArenaUNet


class FourierUNet(PDEArenaUNet):
    """[`pdequinox.arch.PDEArenaUNet`][] with spectral blocks on the way down, on its finest grids.

    ??? cite "Source"
        Gupta and Brandstetter, *Towards Multi-spatiotemporal-scale Generalized PDE Modeling*, TMLR 2023,
        arXiv:2209.15616: `U-FNet`, `U-FNetattn`. On bounded axes ours has sines and cosines.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 64,
        num_levels: int = 3,
        num_blocks: int = 2,
        num_fourier_levels: int = 2,
        num_modes: int | Sequence[int] = 12,
        use_mode_scaling: bool = True,
        channel_multipliers: Sequence[int] | None = (2, 4, 16),
        kernel_size: int | Sequence[int] = 3,
        end_kernel_size: int | Sequence[int] = 3,
        use_norm: bool = True,
        num_groups: int = 1,
        num_final_groups: int = 8,
        attention: Any = None,
        parity: str = "mixed",
        init: str = "normal",
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:** as for [`pdequinox.arch.PDEArenaUNet`][], and

        - `num_fourier_levels`: The number of grids, from the finest one on, whose blocks on the way down are spectral.
        - `num_modes`: The number of modes on the finest grid; one integer or one per axis.
        - `use_mode_scaling`: Whether each coarser grid has half as many modes, at least 4 (or `num_modes`, if fewer).
        - `parity`, `init`: As in [`pdequinox.conv.SpectralConv`][].

        **Raises:** `ValueError` if there are fewer grids than Fourier levels, and as there.
        """
        if check_integer("num_fourier_levels", num_fourier_levels, minimum=0) > num_levels + 1:
            raise ValueError(
                f"`num_fourier_levels` must be at most `num_levels` + 1 ({num_levels + 1}), got {num_fourier_levels}. "
                "Lower it, or add levels."
            )
        num_modes = per_axis("num_modes", num_modes, check_integer("num_spatial_dims", num_spatial_dims))
        convolutional = ModernResBlockFactory(
            kernel_size, use_norm=use_norm, num_groups=num_groups, use_bypass_norm=False, use_bypass_bias=True
        )
        spectral = [
            ModernSpectralBlockFactory(
                tuple(max(m // 2**level, min(m, 4)) if use_mode_scaling else m for m in num_modes),
                use_norm=use_norm,
                num_groups=num_groups,
                parity=parity,
                init=init,
            )
            for level in range(num_fourier_levels)
        ]
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            hidden_channels=hidden_channels,
            num_levels=num_levels,
            num_blocks=num_blocks,
            channel_multipliers=channel_multipliers,
            kernel_size=kernel_size,
            end_kernel_size=end_kernel_size,
            use_norm=use_norm,
            num_groups=num_groups,
            num_final_groups=num_final_groups,
            attention=attention,
            left_arc_factory=[*spectral, *[convolutional] * (num_levels + 1 - num_fourier_levels)],
            activation=activation,
            boundary_mode=boundary_mode,
            key=key,
        )
