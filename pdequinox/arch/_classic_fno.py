"""The Fourier neural operator (Li et al., 2021), on bounded axes too."""

from collections.abc import Callable, Sequence

import jax
from jaxtyping import PRNGKeyArray

from ..blocks import ClassicSpectralBlockFactory, pointwise_factories
from ..boundary import BoundaryMode
from ..compose import Sequential


class ClassicFNO(Sequential):
    """Pointwise lifting, spectral blocks, pointwise projection.

    On bounded axes the spectral layers use the sines or cosines of the boundary mode, with as many weights
    (`parity="mixed"`) or fewer (`"same"`); see [`pdequinox.conv.SpectralConv`][].

    ??? cite "Source"
        Li et al., *Fourier Neural Operator for Parametric Partial Differential Equations*, ICLR 2021,
        arXiv:2010.08895. Linear lifting and projection, and an activation after the last block, as in
        `pdequinox` 0.1. Sines and cosines are ours.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 32,
        num_modes: int | Sequence[int] = 12,
        num_blocks: int = 4,
        parity: str = "mixed",
        init: str = "normal",
        num_pointwise_layers: int = 1,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode | None = None,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `key`: As everywhere.
        - `hidden_channels`: The number of channels between the blocks.
        - `num_modes`: The number of modes of each spectral layer; one integer or one per axis.
        - `num_blocks`: The number of spectral blocks.
        - `parity`: `"mixed"` or `"same"`, on bounded axes.
        - `init`: How the spectral weights start; see [`pdequinox.conv.SpectralConv`][].
        - `num_pointwise_layers`: The number of pointwise linear maps of the lifting, and of the projection, with an
            activation between each two and after the lifting; PDEArena has 2.
        - `activation`: A function of one array, or a module with parameters.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][]; `None` means periodic. The two ends of
            an axis must be alike.
        """
        lifting_factory, projection_factory = pointwise_factories(num_pointwise_layers)
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            hidden_channels=hidden_channels,
            num_blocks=num_blocks,
            activation=activation,
            boundary_mode="periodic" if boundary_mode is None else boundary_mode,
            block_factory=ClassicSpectralBlockFactory(num_modes=num_modes, parity=parity, init=init),
            lifting_factory=lifting_factory,
            projection_factory=projection_factory,
            key=key,
        )
