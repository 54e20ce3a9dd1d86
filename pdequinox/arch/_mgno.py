"""The multigrid neural operator (He, Liu and Xu, 2024)."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from .._checks import check_integer
from ..blocks import LinearChannelAdjustBlockFactory, MultigridBlockFactory
from ..boundary import BoundaryMode
from ..compose import Sequential


class MgNO(Sequential):
    r"""Layers $u \leftarrow \sigma(W u + B u + b)$ whose linear map W is a multigrid cycle with learned stencils.

    B is a pointwise map. There is no lifting: the first layer takes the input to the hidden channels. What W is stands
    in [`pdequinox.conv.MultigridConv`][]. A global map at the cost of a local one, and, unlike a spectral layer, for
    every boundary mode, with different ends too.

    ??? cite "Source"
        He, Liu and Xu, *MgNO: Efficient Parameterization of Linear Operators via Multigrid*, ICLR 2024,
        arXiv:2310.19809. Defaults and number of parameters as in the authors' code for Darcy's equation: 5 layers, 24
        channels, 5 levels with 1, 1, 1, 2, 2 smoothings. Their layer norms for the Navier-Stokes equations have
        weights per grid point, and are left out.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 24,
        num_layers: int = 5,
        num_iterations: Any = (1, 1, 1, 2, 2),
        kernel_size: int | Sequence[int] = 3,
        prolongation_size: int | Sequence[int] = 4,
        use_residual: bool = False,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `boundary_mode`, `key`: As everywhere.
        - `hidden_channels`: The number of channels between the layers.
        - `num_layers`: The number of layers.
        - `num_iterations`, `kernel_size`, `prolongation_size`, `use_residual`: As in
            [`pdequinox.conv.MultigridConv`][].
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` if `num_layers` is not a positive integer, and what the layers raise.
        """
        layer_factory = MultigridBlockFactory(num_iterations, kernel_size, prolongation_size, use_residual)
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            hidden_channels=hidden_channels,
            num_blocks=check_integer("num_layers", num_layers) - 1,
            activation=activation,
            boundary_mode=boundary_mode,
            lifting_factory=layer_factory,
            block_factory=layer_factory,
            projection_factory=LinearChannelAdjustBlockFactory(use_bias=False),
            key=key,
        )
