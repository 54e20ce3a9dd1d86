"""The same linear map of the channels at every point (a 1x1 convolution)."""

import equinox as eqx
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_sizes
from ._abstract_conv import init_weight_and_bias
from ._correlation import mix_channels
from ._receptive_field import ReceptiveField


class PointwiseLinearConv(eqx.Module):
    """Convolution with a kernel of one tap: changes the number of channels, needs no boundary mode."""

    weight: Array
    bias: Array | None
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    use_bias: bool = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        use_bias: bool = True,
        *,
        zero_bias_init: bool = False,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`: The number of axes of the grid.
        - `in_channels`: The number of channels of the input.
        - `out_channels`: The number of channels of the output.
        - `use_bias`: Whether to add a constant per output channel.
        - `zero_bias_init`: Whether the bias starts at zero.
        - `key`: A JAX random key for the initial values, uniform in +-1 / sqrt(in_channels).

        **Raises:** `ValueError` for sizes that are not positive integers.
        """
        self.num_spatial_dims, self.in_channels, self.out_channels = check_sizes(
            num_spatial_dims, in_channels, out_channels
        )
        self.use_bias = use_bias
        shape = (out_channels, in_channels) + (1,) * num_spatial_dims
        self.weight, self.bias = init_weight_and_bias(shape, use_bias, zero_bias_init, key)

    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`, in the dtype of the parameters.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        del key
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.weight.dtype)
        y = mix_channels(x, self.weight.reshape(self.out_channels, self.in_channels))
        return y if self.bias is None else y + self.bias

    @property
    def receptive_field(self) -> ReceptiveField:
        """Zero to both sides."""
        return ((0.0, 0.0),) * self.num_spatial_dims
