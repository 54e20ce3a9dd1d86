"""The Fourier neural operator as in neuraloperator 2.0 (Li et al., 2021; Kossaifi et al., 2024)."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from .._checks import check_integer
from ..blocks import ChannelMLPBlockFactory, FNOBlockFactory, LinearChannelAdjustBlockFactory
from ..boundary import BoundaryMode
from ..compose import NeuralOperator


class FNO(NeuralOperator):
    """Lifting and projection by perceptrons, spectral blocks with perceptrons of their own, positions as channels.

    The plain form of the paper, with one activation per block, is [`pdequinox.arch.ClassicFNO`][], or this network with
    `lifting_ratio=None, use_channel_mlp=False, use_bias=False, use_skip_bias=True`. On bounded axes the spectral layers
    use the sines or cosines of the boundary mode; see [`pdequinox.conv.SpectralConv`][].

    **Modes.** `num_modes=(8, 9)` here is `n_modes=(16, 16)` of neuraloperator: ours counts those of one sign. An even
    n there is n/2 here on all axes but the last, where any n is n // 2 + 1. With an odd n on the other axes
    neuraloperator has the wave numbers -(n - 1)/2 ... (n - 1)/2, one less than any number here. On grids with an odd
    number of points along an axis other than the last, neuraloperator 2.0 shifts the output's wave numbers there by
    one, and ours does not; grids that are coarser than its modes get the weights of other wave numbers then.

    ??? cite "Source"
        Li et al., *Fourier Neural Operator for Parametric Partial Differential Equations*, ICLR 2021,
        arXiv:2010.08895, and neuraloperator 2.0 (Kossaifi et al., TMLR 2024, arXiv:2310.00120), which has no default
        for `hidden_channels` and `num_modes`. Its GELU is exact, `functools.partial(jax.nn.gelu, approximate=False)`.
        Its domain padding is on both sides. Without a perceptron its block differs, see
        [`pdequinox.blocks.FNOBlock`][].
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 64,
        num_modes: int | Sequence[int] = 12,
        num_blocks: int = 4,
        lifting_ratio: float | int | None = 2,
        projection_ratio: float | int | None = 2,
        position_embedding: str | None = "grid",
        domain_padding: float | int | Sequence[float | int] | None = None,
        padding_side: str = "both",
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
        **block_options: Any,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `key`: As everywhere.
        - `hidden_channels`: The number of channels between the blocks.
        - `num_modes`: The number of modes of each spectral layer, of each sign; one integer or one per axis.
        - `num_blocks`: The number of blocks. The last one is activated in its perceptron only, unless
            `use_activation=True` is among the options.
        - `lifting_ratio`, `projection_ratio`: The hidden channels of the lifting and of the projection, in units of
            `hidden_channels` and rounded down; `None` makes them linear maps.
        - `position_embedding`, `domain_padding`, `padding_side`: As in [`pdequinox.compose.NeuralOperator`][].
        - `activation`: A function of one array, or a module with parameters.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][]. The two ends of an axis must be alike.
        - `block_options`: Further options of [`pdequinox.blocks.FNOBlock`][], such as `norm`, `skip`, `separable`,
            `factorization`, `rank`, `init` or `parity`.

        **Raises:** `ValueError` for sizes that are not positive, and what the blocks and the frame raise.
        """
        check_integer("hidden_channels", hidden_channels)
        num_blocks = check_integer("num_blocks", num_blocks)
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            channels=(hidden_channels,) * (num_blocks + 1),
            block_factories=[
                FNOBlockFactory(num_modes=num_modes, **{"use_activation": k < num_blocks - 1, **block_options})
                for k in range(num_blocks)
            ],
            position_embedding=position_embedding,
            domain_padding=domain_padding,
            padding_side=padding_side,
            lifting_factory=_perceptron(lifting_ratio, hidden_channels),
            projection_factory=_perceptron(projection_ratio, hidden_channels),
            activation=activation,
            boundary_mode=boundary_mode,
            key=key,
        )


def _perceptron(ratio: float | int | None, hidden_channels: int) -> Callable:
    if ratio is None:
        return LinearChannelAdjustBlockFactory()
    return ChannelMLPBlockFactory(hidden_channels=int(ratio * hidden_channels))
