"""Normalised channels: statistics that belong to a network and are not trained."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from .._checks import check_floating, check_shape


class Normalizer(eqx.Module):
    r"""An affine map of each channel, $\hat u_c = (u_c - m_c) / s_c$, and its inverse.

    The numbers are static, part of the structure of a network like its sizes: no optimizer sees them and no weight
    decay shrinks them.
    """

    mean: tuple[float, ...] = eqx.field(static=True)
    """The number $m_c$ of each channel; in [u]."""
    scale: tuple[float, ...] = eqx.field(static=True)
    """The number $s_c$ of each channel, positive; in [u]."""

    def __init__(self, mean: Any, scale: Any):
        """**Arguments:**

        - `mean`: One number per channel.
        - `scale`: One positive number per channel.

        **Raises:** `ValueError` for sequences of different lengths, and numbers that are not finite or not positive.
        """
        self.mean, self.scale = _numbers("mean", mean), _numbers("scale", scale)
        if len(self.mean) != len(self.scale) or min(self.scale) <= 0:
            raise ValueError(
                f"`scale` must hold one positive number per channel ({len(self.mean)}), got {self.scale}. Use 1 for a "
                "channel that does not vary."
            )

    @classmethod
    def from_data(cls: type, data: Any, *, center: bool = True) -> Any:
        """The normalizer that gives each channel the mean 0 and the mean square 1 over samples and space.

        A channel that is constant, up to rounding, has the scale 1: it is normalised to zero.

        **Arguments:**

        - `data`: Fields of shape `(samples, channels, *spatial)`; of trajectories merge the first two axes.
        - `center`: Whether to subtract the mean. Do not where fields are zero at walls (the Dirichlet modes): the
            normalised ones would not be.

        **Returns:** A `Normalizer`, computed on the host in double precision.

        **Raises:** `ValueError` for data without these axes or with values that are not finite.
        """
        data = np.asarray(data)
        if data.ndim < 2 or data.size == 0:
            raise ValueError(f"`data` must have shape (samples, channels, *spatial), got {data.shape}. Add axes.")
        axes = (0, *range(2, data.ndim))
        with np.errstate(invalid="ignore", over="ignore"):
            mean, deviation = data.mean(axes, np.float64), data.std(axes, np.float64)
        square = mean**2 + deviation**2
        is_constant = deviation <= 10 * jnp.finfo(_floating(data.dtype)).eps * np.sqrt(square)
        if not center:
            mean, deviation, is_constant = np.zeros_like(mean), np.sqrt(square), square == 0
        return cls(mean, np.where(is_constant, 1.0, deviation))

    def normalize(self, x: Any) -> Array:
        """From physical units to normalised ones: a sample of shape `(channels, *spatial)`, in its own dtype."""
        x, mean, scale = self._broadcast(x)
        return (x - mean) / scale

    def denormalize(self, x: Any) -> Array:
        """From normalised units to physical ones; the inverse of `normalize`."""
        x, mean, scale = self._broadcast(x)
        return x * scale + mean

    def _broadcast(self, x: Any) -> tuple[Array, Array, Array]:
        x = check_shape(check_floating("x", x), len(self.mean), None)
        mean, scale = (jnp.asarray(numbers, x.dtype) for numbers in (self.mean, self.scale))
        shape = (-1,) + (1,) * (x.ndim - 1)
        return x, mean.reshape(shape), scale.reshape(shape)


class Normalized(eqx.Module):
    """A network in physical units, around one in normalised units.

    Its only parameters are those of the network, so it is trained and counted as the network alone.
    """

    network: PyTree
    inputs: Normalizer | None
    outputs: Normalizer | None

    def __init__(self, network: Any, inputs: Any = None, outputs: Any = None):
        """**Arguments:**

        - `network`: A map of one sample, `(in_channels, *spatial)` to `(out_channels, *spatial)`, of numbers of
            order one.
        - `inputs`: The `Normalizer` of its inputs; `None` leaves them as they are.
        - `outputs`: That of its outputs.

        **Raises:** `ValueError` for a network that cannot be called, or a normalizer that is none.
        """
        if not callable(network):
            raise ValueError(f"`network` must be callable, got {network!r}. Pass a network.")
        for name, normalizer in (("inputs", inputs), ("outputs", outputs)):
            if normalizer is not None and not isinstance(normalizer, Normalizer):
                raise ValueError(
                    f"`{name}` must be a Normalizer or None, got {normalizer!r}. Make one with `Normalizer.from_data`."
                )
        self.network, self.inputs, self.outputs = network, inputs, outputs

    def __call__(self, x: Array) -> Array:
        """From a sample in physical units to the output in physical units."""
        y = self.network(x if self.inputs is None else self.inputs.normalize(x))
        return y if self.outputs is None else self.outputs.denormalize(y)

    @property
    def receptive_field(self) -> Any:
        """That of the network."""
        return self.network.receptive_field


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or array.size == 0 or not np.all(np.isfinite(array)):
        raise ValueError(f"`{name}` must hold one finite number per channel, got {values}. Check the data.")
    return tuple(map(float, array))


def _floating(dtype: Any) -> Any:
    return dtype if jnp.issubdtype(dtype, jnp.floating) else np.float64
