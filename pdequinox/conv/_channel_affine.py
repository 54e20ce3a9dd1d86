"""A scale, and a shift, per channel."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_integer


class ChannelAffine(eqx.Module):
    r"""Multiply each channel by a learned number, and add another one: $y_c = \gamma_c x_c + \beta_c$.

    Without a shift, this is the "soft gate" of neuraloperator's skip connections and the "layer scale" of ConvNeXt.
    With one, it is what a batch norm (Ioffe and Szegedy, 2015) with statistics $\mu, \sigma^2$ does after training:
    $\gamma = w / \sqrt{\sigma^2 + \epsilon}$ and $\beta = b - \gamma \mu$.

    ??? cite "Source"
        Touvron et al., *Going Deeper with Image Transformers*, ICCV 2021, arXiv:2103.17239 (layer scale).
    """

    weight: Array
    bias: Array | None
    channels: int = eqx.field(static=True)

    def __init__(self, channels: int, use_bias: bool = True, *, initial_weight: float = 1.0):
        """**Arguments:**

        - `channels`: The number of channels.
        - `use_bias`: Whether to add the shift, which starts at zero.
        - `initial_weight`: The scale at the start.

        **Raises:** `ValueError` if `channels` is not a positive integer.
        """
        self.channels = check_integer("channels", channels)
        self.weight = jnp.full(self.channels, initial_weight, float)
        self.bias = jnp.zeros(self.channels) if use_bias else None

    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(channels, *spatial)`, in the dtype of the parameters.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of the same shape and dtype.

        **Raises:** `ValueError` for another number of channels or another dtype.
        """
        del key
        x = check_input(x, self.channels, None, self.weight.dtype)
        spatial = (1,) * (x.ndim - 1)
        y = x * self.weight.reshape(-1, *spatial)
        return y if self.bias is None else y + self.bias.reshape(-1, *spatial)
