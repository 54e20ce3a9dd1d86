"""The U-Net enhanced Fourier neural operator (Wen et al., 2022)."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
from jaxtyping import PRNGKeyArray

from .._checks import check_integer
from ..blocks import ChannelMLPBlockFactory, ClassicSpectralBlockFactory, StridedUNetBlockFactory
from ..boundary import BoundaryMode
from ..compose import Sequential


class UFNO(Sequential):
    """Fourier layers, then Fourier layers with a small U-Net as a third branch, which sees what the modes leave out.

    ??? cite "Source"
        Wen et al., *U-FNO: An enhanced Fourier neural operator-based deep-learning model for multiphase flow*, Advances
        in Water Resources 163 (2022), arXiv:2109.03697. Layers and sizes of its code, whose 33,097,829 parameters (3D,
        12 and 1 channels) count complex numbers once. Ours has instance norms instead of batch norms by default, the
        initial spectral weights of [`pdequinox.conv.SpectralConv`][], and boundary modes instead of a domain that is
        padded by 8 points.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 36,
        num_modes: int | Sequence[int] = 10,
        num_blocks: int = 3,
        num_u_net_blocks: int = 3,
        num_levels: int = 3,
        kernel_size: int | Sequence[int] = 3,
        projection_channels: int = 128,
        norm: str | None = "instance",
        num_groups: int = 1,
        parity: str = "mixed",
        u_net_activation: Callable = partial(jax.nn.leaky_relu, negative_slope=0.1),
        activation: Callable = jax.nn.relu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `key`: As everywhere.
        - `hidden_channels`: The number of channels between the blocks and in the U-Nets.
        - `num_modes`: The number of modes of each spectral layer; one integer or one per axis.
        - `num_blocks`: The number of Fourier layers.
        - `num_u_net_blocks`: The number of Fourier layers with a U-Net, behind them.
        - `num_levels`, `kernel_size`, `norm`, `num_groups`: As in [`pdequinox.blocks.StridedUNetBlock`][].
        - `projection_channels`: The number of channels inside the projection.
        - `parity`: `"mixed"` or `"same"`, on bounded axes; see [`pdequinox.conv.SpectralConv`][].
        - `u_net_activation`: The activation inside the U-Nets.
        - `activation`: A function of one array, or a module with parameters.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][]. The two ends of an axis must be alike.

        **Raises:** `ValueError` for counts that are negative or no integers, and what the blocks raise.
        """
        num_blocks = check_integer("num_blocks", num_blocks, minimum=0)
        num_u_net_blocks = check_integer("num_u_net_blocks", num_u_net_blocks, minimum=0)
        spectral = partial(ClassicSpectralBlockFactory, num_modes=num_modes, parity=parity)
        u_net = StridedUNetBlockFactory(num_levels, kernel_size, norm=norm, num_groups=num_groups)
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            hidden_channels=hidden_channels,
            num_blocks=num_blocks + num_u_net_blocks,
            activation=activation,
            boundary_mode=boundary_mode,
            block_factory=(
                *(spectral(),) * num_blocks,
                *(spectral(branch_factory=u_net, branch_activation=u_net_activation),) * num_u_net_blocks,
            ),
            projection_factory=ChannelMLPBlockFactory(hidden_channels=projection_channels),
            key=key,
        )
