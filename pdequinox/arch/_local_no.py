"""The neural operator with local kernels (Liu-Schiaffini et al., 2024)."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_shape
from ..blocks import ChannelMLPBlock, LocalSpectralBlock
from ..boundary import AxisMode, BoundaryMode, normalize_boundary_mode
from ..compose import num_position_channels, position_channels
from ..conv import ReceptiveField


class LocalNO(eqx.Module):
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

    lifting: ChannelMLPBlock
    blocks: tuple[LocalSpectralBlock, ...]
    projection: ChannelMLPBlock
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    position_embedding: str | None = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

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
        self.num_spatial_dims = check_integer("num_spatial_dims", num_spatial_dims)
        self.in_channels = check_integer("in_channels", in_channels)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        self.position_embedding = position_embedding
        num_more = 0 if position_embedding is None else num_position_channels(num_spatial_dims, position_embedding)
        check_integer("num_layers", num_layers)
        lifting_key, projection_key, *keys = jr.split(key, num_layers + 2)

        def perceptron(c_in: int, c_out: int, key: PRNGKeyArray) -> ChannelMLPBlock:
            return ChannelMLPBlock(
                num_spatial_dims,
                c_in,
                c_out,
                hidden_channels=2 * hidden_channels,
                activation=activation,
                boundary_mode=boundary_mode,
                key=key,
            )

        self.lifting = perceptron(in_channels + num_more, hidden_channels, lifting_key)
        self.blocks = tuple(
            LocalSpectralBlock(
                num_spatial_dims,
                hidden_channels,
                hidden_channels,
                num_modes=num_modes,
                parity=parity,
                use_differential=use_differential,
                kernel_size=kernel_size,
                groups=1 if mix_derivatives else hidden_channels,
                num_reference_points=num_reference_points,
                use_integral=use_integral,
                radius=radius,
                num_rings=num_rings,
                activation=activation if layer < num_layers else eqx.nn.Identity(),
                boundary_mode=boundary_mode,
                key=k,
            )
            for layer, k in enumerate(keys, start=1)
        )
        self.projection = perceptron(hidden_channels, out_channels, projection_key)

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        x = check_shape(x, self.in_channels, self.num_spatial_dims)
        if self.position_embedding is not None:
            position = position_channels(x.shape[1:], self.boundary_mode, self.position_embedding)
            x = jnp.concatenate([x, jnp.asarray(position, x.dtype)])
        x = self.lifting(x)
        for block in self.blocks:
            x = block(x)
        return self.projection(x)

    @property
    def receptive_field(self) -> ReceptiveField:
        """Infinite: every mode is global."""
        return self.blocks[0].receptive_field
