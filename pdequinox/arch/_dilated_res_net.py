"""The dilated residual network (Stachenfeld et al., 2022)."""

from collections.abc import Callable, Sequence

import jax
from jaxtyping import PRNGKeyArray

from ..blocks import DilatedResBlockFactory, LinearConvBlockFactory, pointwise_factories
from ..boundary import BoundaryMode
from ..compose import Sequential


class DilatedResNet(Sequential):
    """Pointwise lifting, residual blocks of convolutions with growing and shrinking dilation, pointwise projection.

    ??? cite "Source"
        Stachenfeld et al., *Learned Coarse Models for Efficient Turbulence Simulation*, ICLR 2022, arXiv:2112.15275.
        Defaults of `pdequinox` 0.1: two blocks, with norms.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 32,
        num_blocks: int = 2,
        dilation_rates: Sequence[int] = (1, 2, 4, 8, 4, 2, 1),
        kernel_size: int | Sequence[int] = 3,
        use_norm: bool = True,
        num_groups: int = 1,
        num_pointwise_layers: int = 1,
        end_kernel_size: int | Sequence[int] | None = None,
        activation: Callable = jax.nn.relu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `boundary_mode`, `key`: As everywhere.
        - `hidden_channels`: The number of channels between the layers.
        - `num_blocks`: The number of residual blocks.
        - `dilation_rates`: The dilation of each convolution of a block.
        - `kernel_size`: The number of taps of the convolutions; one integer or one per axis.
        - `use_norm`: Whether to normalise in the blocks.
        - `num_groups`: The number of groups of each norm; divides `hidden_channels`.
        - `num_pointwise_layers`: The number of pointwise linear maps of the lifting, and of the projection, with an
            activation between each two and after the lifting; PDEArena has 2.
        - `end_kernel_size`: The number of taps of a convolution in place of either pointwise map; The Well has 3.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` if both pointwise layers and an end kernel are asked for, and what the blocks raise.
        """
        lifting_factory, projection_factory = pointwise_factories(num_pointwise_layers)
        if end_kernel_size is not None:
            if num_pointwise_layers != 1:
                raise ValueError(
                    f"`num_pointwise_layers` must be 1 where `end_kernel_size` is given ({end_kernel_size}), got "
                    f"{num_pointwise_layers}. Give one of the two."
                )
            lifting_factory = projection_factory = LinearConvBlockFactory(end_kernel_size)
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            hidden_channels=hidden_channels,
            num_blocks=num_blocks,
            activation=activation,
            boundary_mode=boundary_mode,
            block_factory=DilatedResBlockFactory(kernel_size, dilation_rates, use_norm=use_norm, num_groups=num_groups),
            lifting_factory=lifting_factory,
            projection_factory=projection_factory,
            key=key,
        )
