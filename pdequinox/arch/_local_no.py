"""The neural operator with local kernels (Liu-Schiaffini et al., 2024)."""

from collections.abc import Callable, Sequence

import jax
from jaxtyping import PRNGKeyArray

from .._checks import check_integer
from ..blocks import ChannelMLPBlockFactory, LocalSpectralBlockFactory, without_activation
from ..boundary import BoundaryMode
from ..compose import NeuralOperator


class LocalNO(NeuralOperator):
    r"""A Fourier neural operator whose layers also have a differential and a local integral map.

    Truncated spectra are smooth and global. Next to them stand kernels of few points, which resolve what is sharp, and
    are made such that they too belong to space and not to the grid:
    [`pdequinox.conv.DifferentialConv`][] becomes a first derivative, [`pdequinox.conv.LocalIntegralConv`][] an integral
    over a fixed distance. No activation after the last layer; perceptrons per point around all of them.

    ??? cite "Source"
        Liu-Schiaffini et al., *Neural Operators with Localized Integral and Differential Kernels*, ICML 2024,
        arXiv:2402.16845. Defaults and number of parameters as of `LocalNO` in `neuralop` 2.0, without its channel
        perceptrons, whose `n_modes=(16, 16)` are our `num_modes=(8, 9)`. Ours has a local integral that works (see
        there), in every dimension and boundary mode; the spectral weights start as in
        [`pdequinox.conv.SpectralConv`][].
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 64,
        num_modes: int | Sequence[int] = 8,
        num_layers: int = 4,
        use_differential: bool = True,
        mix_derivatives: bool = True,
        kernel_size: int | Sequence[int] = 3,
        num_reference_points: int = 64,
        use_integral: bool = True,
        radius: float = 0.0625,
        num_rings: int = 1,
        position_embedding: str | None = "grid",
        parity: str = "mixed",
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `key`: As everywhere.
        - `hidden_channels`: The number of channels between the layers; twice as many in the lifting and the projection.
        - `num_modes`, `parity`: As in [`pdequinox.conv.SpectralConv`][].
        - `num_layers`: The number of layers.
        - `use_differential`, `use_integral`: Whether the layers have a differential map, and a local integral.
        - `mix_derivatives`: Whether the differential maps mix channels.
        - `kernel_size`, `num_reference_points`: As in [`pdequinox.conv.DifferentialConv`][]. The latter should be the
            resolution that the network is trained on.
        - `radius`, `num_rings`: As in [`pdequinox.conv.LocalIntegralConv`][].
        - `position_embedding`: What the lifting sees of the position, as in [`pdequinox.compose.position_channels`][];
            nothing if `None`.
        - `activation`: A function of one array, or a module with parameters.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][]. The two ends of an axis must be alike.

        **Raises:** `ValueError` if `num_layers` is not a positive integer, for another embedding, and what the layers
        raise.
        """
        block_factory = LocalSpectralBlockFactory(
            num_modes=num_modes,
            parity=parity,
            use_differential=use_differential,
            kernel_size=kernel_size,
            groups=1 if mix_derivatives else hidden_channels,
            num_reference_points=num_reference_points,
            use_integral=use_integral,
            radius=radius,
            num_rings=num_rings,
        )
        perceptron_factory = ChannelMLPBlockFactory(hidden_channels=2 * hidden_channels)
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            channels=(hidden_channels,) * (check_integer("num_layers", num_layers) + 1),
            block_factories=[*[block_factory] * (num_layers - 1), without_activation(block_factory)],
            position_embedding=position_embedding,
            lifting_factory=perceptron_factory,
            projection_factory=perceptron_factory,
            activation=activation,
            boundary_mode=boundary_mode,
            key=key,
        )
