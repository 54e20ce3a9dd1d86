"""Layer normalisation over the channels of each point (Ba et al., 2016)."""

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_integer
from ._lowering import accumulation_dtype


class LayerNorm(eqx.Module):
    r"""Shift and scale the channels of each point to mean 0 and variance 1.

    $$ y_c(x) = \gamma_c \frac{u_c(x) - \mu(x)}{\sqrt{\sigma^2(x) + \epsilon}} + \beta_c $$

    Unlike a group norm this is local: no point sees another. Moments are computed in float32 at least.

    ??? cite "Source"
        Ba, Kiros and Hinton, *Layer Normalization* (2016), arXiv:1607.06450; per point as in transformers and ConvNeXt
        (Liu et al., CVPR 2022, arXiv:2201.03545).
    """

    weight: Array
    bias: Array | None
    channels: int = eqx.field(static=True)
    eps: float = eqx.field(static=True)
    use_mean: bool = eqx.field(static=True)

    def __init__(self, channels: int, eps: float = 1e-5, use_bias: bool = True, use_mean: bool = True):
        r"""**Arguments:**

        - `channels`: The number of channels.
        - `eps`: The $\epsilon$ under the root; in the unit of the input squared.
        - `use_bias`: Whether to learn the shift $\beta$.
        - `use_mean`: Whether to take the mean out; if not, $\sigma$ is the root mean square (Zhang and Sennrich, *Root
            Mean Square Layer Normalization*, NeurIPS 2019, arXiv:1910.07467).

        **Raises:** `ValueError` if `channels` is not a positive integer.
        """
        self.channels = check_integer("channels", channels)
        self.eps = eps
        self.use_mean = use_mean
        self.weight = jnp.ones(self.channels)
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
        dtype, spatial = accumulation_dtype(x.dtype), (1,) * (x.ndim - 1)
        centred = x.astype(dtype)
        if self.use_mean:
            centred = centred - jnp.mean(centred, axis=0)
        y = centred * lax.rsqrt(jnp.mean(centred**2, axis=0) + self.eps)
        y = y * self.weight.astype(dtype).reshape(-1, *spatial)
        if self.bias is not None:
            y = y + self.bias.astype(dtype).reshape(-1, *spatial)
        return y.astype(x.dtype)
