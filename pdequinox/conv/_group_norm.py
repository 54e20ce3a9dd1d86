"""Group normalisation (Wu and He, 2018)."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_floating, check_input, check_integer
from ..boundary import computed_by_shard, is_split, mean_over_shards
from ._lowering import accumulation_dtype


class GroupNorm(eqx.Module):
    r"""Shift and scale each group of channels to mean 0 and variance 1 over its channels and points.

    $$ y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta $$

    A point sees the whole grid through the mean and the variance, so a network with norms is not local. Moments are
    computed in float32 at least.

    ??? cite "Source"
        Wu and He, *Group Normalization*, ECCV 2018, arXiv:1803.08494. Parameters and numbers as in
        `equinox.nn.GroupNorm`; ours has a cheaper gradient.
    """

    weight: Array | None
    bias: Array | None
    groups: int = eqx.field(static=True)
    channels: int | None = eqx.field(static=True)
    eps: float = eqx.field(static=True)
    channelwise_affine: bool = eqx.field(static=True)

    def __init__(self, groups: int, channels: int | None = None, eps: float = 1e-5, channelwise_affine: bool = True):
        r"""**Arguments:**

        - `groups`: The number of groups; divides the number of channels.
        - `channels`: The number of channels. May be left out when `channelwise_affine=False`.
        - `eps`: The $\epsilon$ under the root; in the unit of the input squared.
        - `channelwise_affine`: Whether to learn the scale $\gamma$ and the shift $\beta$ of each channel.

        **Raises:** `ValueError` if the groups do not divide the channels, or the channels are needed and not given.
        """
        self.groups = check_integer("groups", groups)
        self.channels = None if channels is None else check_integer("channels", channels)
        if self.channels is not None:
            self._check_divides(self.channels)
        elif channelwise_affine:
            raise ValueError("`channels` must be given when `channelwise_affine=True`, got None. Add it.")
        self.eps = eps
        self.channelwise_affine = channelwise_affine
        self.weight = jnp.ones(self.channels or 0) if channelwise_affine else None
        self.bias = jnp.zeros(self.channels or 0) if channelwise_affine else None

    @computed_by_shard
    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(channels, *spatial)`, in the dtype of the parameters.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of the same shape and dtype.

        **Raises:** `ValueError` for another number of channels, another dtype, or one that is not floating.
        """
        del key
        x = check_floating("x", x)
        channels = self.channels or (x.shape[0] if x.ndim else 0)
        x = check_input(x, channels, None, x.dtype if self.weight is None else self.weight.dtype)
        self._check_divides(channels)
        dtype = accumulation_dtype(x.dtype)
        grouped = x.astype(dtype).reshape(self.groups, -1)
        centred, mean, variance = centred_moments(grouped, range(x.ndim - 1))
        per_group = channels // self.groups
        scale = jnp.repeat(lax.rsqrt(variance + self.eps), per_group)
        if self.weight is not None:
            scale = scale * self.weight.astype(dtype)
        shift = -jnp.repeat(mean, per_group) * scale
        if self.bias is not None:
            shift = shift + self.bias.astype(dtype)
        spatial = (1,) * (x.ndim - 1)
        return (centred.reshape(x.shape) * scale.reshape(-1, *spatial) + shift.reshape(-1, *spatial)).astype(x.dtype)

    def _check_divides(self, channels: int) -> None:
        if channels % self.groups:
            raise ValueError(
                f"`groups` must divide the number of channels ({channels}), got {self.groups}. Use one group, "
                "or as many as there are channels."
            )


def centred_moments(
    x: Float[Array, "groups n"], space: Sequence[int]
) -> tuple[Float[Array, "groups n"], Float[Array, " groups"], Float[Array, " groups"]]:
    """`x` about its mean, and the mean and the variance of the result: zero, and a plain sum of squares.

    The mean is taken out without its derivative; the zero that remains has it. So the values are those of two passes,
    which do not cancel, and the derivatives, of any order, those of one pass, which needs two sums instead of five.
    The mean is summed about the first point, or its rounding would grow with an offset of all points. (If that point is
    an outlier, the rounding grows with its distance instead.)

    In a shard of a field that is split along some of the axes `space`, all are those of the whole field. There the mean
    is taken again about a first one, which rounds with the offset.
    """
    first = lax.stop_gradient(x[:, :1])
    x = x - first
    mean = jnp.mean(x, axis=1)
    if is_split(space):
        first = first[:, 0]
        x = x - lax.stop_gradient(mean_over_shards(first + mean, space) - first)[:, None]
        mean, square = mean_over_shards((jnp.mean(x, axis=1), jnp.mean(x**2, axis=1)), space)
        return x, mean, square - mean**2
    centre = lax.stop_gradient(mean)
    x = x - centre[:, None]
    mean = mean - centre
    return x, mean, jnp.mean(x**2, axis=1) - mean**2
