"""The wavelet neural operator (Tripura and Chakraborty, 2023)."""

from collections.abc import Callable, Sequence

import jax
from jaxtyping import PRNGKeyArray

from .._checks import check_integer
from ..blocks import (
    ChannelMLPBlockFactory,
    LinearChannelAdjustBlockFactory,
    WaveletBlockFactory,
    without_activation,
)
from ..boundary import BoundaryMode
from ..compose import NeuralOperator
from ..conv import ReceptiveField


class WNO(NeuralOperator):
    r"""Layers $v \leftarrow \sigma(K v + W v + b)$ that act on the coarsest wavelet coefficients, on one grid only.

    A pointwise lifting of the field and the position, no activation after the last layer, a perceptron per point. What
    K is stands in [`pdequinox.conv.WaveletConv`][]: local in space, unlike a spectral layer, with weights of its own
    for every coefficient, so it can treat places differently. All boundary modes and different ends work.

    ??? cite "Source"
        Tripura and Chakraborty, *Wavelet Neural Operator for solving parametric partial differential equations in
        computational mechanics problems*, CMAME 404 (2023) 115783, arXiv:2205.02191. Defaults and number of parameters
        as in the authors' code for Darcy's equation (db6, 4 levels, 4 layers of 64 channels), without its padding by
        one point, for which our boundary modes stand. Our perceptron has the activation of the layers, theirs `gelu`.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_points: int | Sequence[int],
        hidden_channels: int = 64,
        num_layers: int = 4,
        num_levels: int = 4,
        num_vanishing_moments: int = 6,
        projection_channels: int = 128,
        position_embedding: str | None = "grid",
        centred_init: bool = False,
        activation: Callable = jax.nn.mish,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `boundary_mode`, `key`: As everywhere.
        - `num_points`: The number of points of the grid; one integer or one per axis.
        - `hidden_channels`: The number of channels between the layers.
        - `num_layers`: The number of layers.
        - `num_levels`, `num_vanishing_moments`, `centred_init`: As in [`pdequinox.conv.WaveletConv`][].
        - `projection_channels`: The number of channels inside the projection.
        - `position_embedding`: What the lifting sees of the position, as in [`pdequinox.compose.position_channels`][];
            nothing if `None`.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` if `num_layers` is not a positive integer, for another embedding, and what the layers
        raise.
        """
        block_factory = WaveletBlockFactory(
            num_points=num_points,
            num_levels=num_levels,
            num_vanishing_moments=num_vanishing_moments,
            centred_init=centred_init,
        )
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            channels=(hidden_channels,) * (check_integer("num_layers", num_layers) + 1),
            block_factories=[*[block_factory] * (num_layers - 1), without_activation(block_factory)],
            position_embedding=position_embedding,
            lifting_factory=LinearChannelAdjustBlockFactory(),
            projection_factory=ChannelMLPBlockFactory(hidden_channels=projection_channels),
            activation=activation,
            boundary_mode=boundary_mode,
            key=key,
        )

    @property
    def receptive_field(self) -> ReceptiveField:
        """How far an output sees to the left and right, per axis, in points: at most the whole grid."""
        sizes = self.blocks[0].conv.num_points  # type: ignore[attr-defined]
        fields = zip(super().receptive_field, sizes, strict=True)
        return tuple((min(left, float(n)), min(right, float(n))) for (left, right), n in fields)
