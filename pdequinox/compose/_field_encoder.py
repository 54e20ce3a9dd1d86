"""From a field to a vector, on any grid."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_shape, check_sizes
from ..blocks import ClassicResBlockFactory, LinearConvDownBlockFactory, as_activation
from ..boundary import AxisMode, BoundaryMode, normalize_boundary_mode
from ._position_embedding import num_position_channels, position_channels


class FieldEncoder(eqx.Module):
    """Convolutions with a stride of 2 and activations, the mean over the coarsest grid, a linear map.

    The convolutions also see sines and cosines of the coordinates, or the mean would not know where anything is. Any
    grid works, and gives a vector of the same size.
    """

    down_sampling_blocks: tuple[Callable, ...]
    res_blocks: tuple[Callable, ...]
    output: eqx.nn.Linear
    activation: Callable = eqx.field(converter=as_activation)
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_size: int,
        *,
        hidden_channels: int = 32,
        num_levels: int = 3,
        kernel_size: int | Sequence[int] = 3,
        use_residual_blocks: bool = False,
        activation: Callable = jax.nn.relu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `boundary_mode`, `key`: As everywhere.
        - `out_size`: The length of the vector.
        - `hidden_channels`: The number of channels of the first convolution; doubled by each further one.
        - `num_levels`: The number of convolutions.
        - `kernel_size`: Their number of taps; one integer or one per axis.
        - `use_residual_blocks`: Whether each convolution is followed by a `pdequinox.blocks.ClassicResBlock`.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` for numbers that are too small, and what the blocks raise.
        """
        self.num_spatial_dims, self.in_channels, _ = check_sizes(num_spatial_dims, in_channels, out_size)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        check_integer("hidden_channels", hidden_channels)
        first = in_channels + num_position_channels(num_spatial_dims, "sinusoidal")
        channels = [first, *(hidden_channels * 2**level for level in range(check_integer("num_levels", num_levels)))]
        keys = iter(jr.split(key, 2 * num_levels + 1))

        def make(factory: Callable, c_in: int, c_out: int) -> Callable:
            return factory(
                num_spatial_dims, c_in, c_out, activation=activation, boundary_mode=boundary_mode, key=next(keys)
            )

        down, block = LinearConvDownBlockFactory(kernel_size), ClassicResBlockFactory(kernel_size)
        self.down_sampling_blocks = tuple(make(down, c_in, c_out) for c_in, c_out in pairwise(channels))
        self.res_blocks = tuple(make(block, width, width) for width in channels[1:] if use_residual_blocks)
        self.output = eqx.nn.Linear(channels[-1], out_size, key=next(keys))
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_size,)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        x = check_shape(x, self.in_channels, self.num_spatial_dims)
        position = position_channels(x.shape[1:], self.boundary_mode, "sinusoidal")
        x = jnp.concatenate([x, jnp.asarray(position, x.dtype)])
        for level, down in enumerate(self.down_sampling_blocks):
            x = self.activation(down(x))
            if self.res_blocks:
                x = self.res_blocks[level](x)
        return self.output(jnp.mean(x.reshape(len(x), -1), axis=1))
