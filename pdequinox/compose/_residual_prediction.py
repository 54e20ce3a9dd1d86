"""What a network's output means: a change of the state, in units that are learned."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Array

from .._checks import check_integer
from ..conv import ChannelAffine


class ResidualPrediction(eqx.Module):
    r"""A network that predicts the change of the state: $y = u + f(x)$.

    $u$ are the last channels of the input, as many as the network returns: the newest state, where there are several
    ([`pdequinox.compose.History`][]). What puts other channels behind the state goes inside:
    `ResidualPrediction(PositionEmbedding(...))`.
    """

    network: Callable[..., Array]

    def __init__(self, network: Callable[..., Array]):
        """**Arguments:**

        - `network`: A map of one sample with at least as many input as output channels.
        """
        self.network = network

    def __call__(self, x: Array, *args: Any, **kwargs: Any) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`.
        - Others: Handed to the network.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` if the network returns more channels than it is given, or another grid.
        """
        y = self.network(x, *args, **kwargs)
        if y.shape[0] > x.shape[0] or y.shape[1:] != x.shape[1:]:
            raise ValueError(
                f"`network` must return at most the {x.shape[0]} channels that it is given, on the same grid, to be a "
                f"change of the state, got {y.shape} from {x.shape}. Use the network without this wrapper."
            )
        return x[-y.shape[0] :] + y


class OutputScaling(eqx.Module):
    r"""A network with a learned unit per output channel: $y_c = \gamma_c f_c(x)$.

    With small initial units a residual prediction or a correction starts near zero, whatever the network.
    """

    network: Callable[..., Array]
    scale: ChannelAffine

    def __init__(self, network: Callable[..., Array], out_channels: int, *, initial_scale: float = 1.0):
        r"""**Arguments:**

        - `network`: A map of one sample.
        - `out_channels`: The number of its output channels.
        - `initial_scale`: The units $\gamma$ at the start, such as the standard deviation of what is predicted.

        **Raises:** `ValueError` if `out_channels` is not a positive integer.
        """
        self.network = network
        out_channels = check_integer("out_channels", out_channels)
        self.scale = ChannelAffine(out_channels, use_bias=False, initial_weight=initial_scale)

    def __call__(self, x: Array, *args: Any, **kwargs: Any) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`.
        - Others: Handed to the network.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` if the network returns another number of channels.
        """
        y = self.network(x, *args, **kwargs)
        return self.scale(y.astype(self.scale.weight.dtype)).astype(y.dtype)
