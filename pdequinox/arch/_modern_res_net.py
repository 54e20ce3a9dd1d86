"""The pre-activation residual network (He et al., 2016b)."""

from collections.abc import Callable, Sequence

import jax
from jaxtyping import PRNGKeyArray

from ..blocks import ModernResBlockFactory, pointwise_factories
from ..boundary import BoundaryMode
from ..compose import Sequential


class ModernResNet(Sequential):
    """Pointwise lifting, pre-activation residual blocks, pointwise projection.

    ??? cite "Source"
        He et al., *Identity Mappings in Deep Residual Networks*, ECCV 2016, arXiv:1603.05027; as an emulator in
        PDEArena (Gupta and Brandstetter, TMLR 2023, arXiv:2209.15616). Defaults of `pdequinox` 0.1.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 32,
        num_blocks: int = 6,
        kernel_size: int | Sequence[int] = 3,
        use_norm: bool = True,
        num_groups: int = 1,
        num_pointwise_layers: int = 1,
        activation: Callable = jax.nn.relu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `boundary_mode`, `key`: As everywhere.
        - `hidden_channels`: The number of channels between the blocks.
        - `num_blocks`: The number of residual blocks.
        - `kernel_size`: The number of taps of the convolutions; one integer or one per axis.
        - `use_norm`: Whether to normalise in the blocks.
        - `num_groups`: The number of groups of each norm; divides `hidden_channels`.
        - `num_pointwise_layers`: The number of pointwise linear maps of the lifting, and of the projection, with an
            activation between each two and after the lifting; PDEArena has 2.
        - `activation`: A function of one array, or a module with parameters.
        """
        lifting_factory, projection_factory = pointwise_factories(num_pointwise_layers)
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            hidden_channels=hidden_channels,
            num_blocks=num_blocks,
            activation=activation,
            boundary_mode=boundary_mode,
            block_factory=ModernResBlockFactory(kernel_size, use_norm=use_norm, num_groups=num_groups),
            lifting_factory=lifting_factory,
            projection_factory=projection_factory,
            key=key,
        )
