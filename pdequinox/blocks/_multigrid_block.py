"""The layer of the multigrid neural operator (He, Liu and Xu, 2024)."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.random as jr
from jaxtyping import PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import MultigridConv, PointwiseLinearConv
from ._abstract_bypass_block import AbstractBypassBlock
from ._base_block import factory_of


class MultigridBlock(AbstractBypassBlock):
    """A multigrid cycle and a pointwise linear map, added; then the activation.

    ??? cite "Source"
        He, Liu and Xu, *MgNO: Efficient Parameterization of Linear Operators via Multigrid*, ICLR 2024,
        arXiv:2310.19809.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_iterations: Any = (1, 1, 1, 2, 2),
        kernel_size: int | Sequence[int] = 3,
        prolongation_size: int | Sequence[int] = 4,
        use_residual: bool = False,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_iterations`, `kernel_size`, `prolongation_size`, `use_residual`: As in
            [`pdequinox.conv.MultigridConv`][], which has no bias here.
        - `use_bias`, `zero_bias_init`: Of the pointwise map.
        - `activation`: A function of one array, or a module with parameters.
        """
        multigrid_key, bypass_key = jr.split(key)
        self.conv = MultigridConv(
            num_spatial_dims,
            in_channels,
            out_channels,
            num_iterations=num_iterations,
            kernel_size=kernel_size,
            prolongation_size=prolongation_size,
            use_residual=use_residual,
            boundary_mode=boundary_mode,
            key=multigrid_key,
        )
        self.by_pass_conv = PointwiseLinearConv(
            num_spatial_dims, in_channels, out_channels, use_bias, zero_bias_init=zero_bias_init, key=bypass_key
        )
        self.activation = activation


MultigridBlockFactory = factory_of(MultigridBlock)
