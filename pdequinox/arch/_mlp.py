"""The multi-layer perceptron on the flattened field."""

import math
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_integer, check_sizes, per_axis
from ..blocks import as_activation
from ..boundary import BoundaryMode, normalize_boundary_mode, refuse_devices
from ..conv import ReceptiveField


class MLP(eqx.Module):
    """Dense layers from all values of the field to all values of the output, on one grid only.

    ??? cite "Source"
        Defaults of `pdequinox` 0.1.
    """

    flat_mlp: eqx.nn.MLP
    num_spatial_dims: int = eqx.field(static=True)
    num_points: tuple[int, ...] = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_points: int | Sequence[int],
        width_size: int = 64,
        depth: int = 3,
        activation: Callable = jax.nn.relu,
        final_activation: Callable = eqx.nn.Identity(),
        use_bias: bool = True,
        use_final_bias: bool = True,
        boundary_mode: BoundaryMode | None = None,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `key`: As everywhere.
        - `num_points`: The number of points of the grid; one integer or one per axis.
        - `width_size`: The number of units of each hidden layer.
        - `depth`: The number of hidden layers.
        - `activation`: A function of one array, or a module with parameters.
        - `final_activation`: What is applied after the last layer.
        - `use_bias`, `use_final_bias`: Whether the hidden layers, and the last one, have a bias.
        - `boundary_mode`: Without effect, because every point is connected to every other; validated if given.

        **Raises:** `ValueError` for sizes that are not positive integers and a wrong boundary mode.
        """
        if boundary_mode is not None:
            normalize_boundary_mode(boundary_mode, num_spatial_dims)
        self.num_spatial_dims, self.in_channels, self.out_channels = check_sizes(
            num_spatial_dims, in_channels, out_channels
        )
        self.num_points = per_axis("num_points", num_points, num_spatial_dims)
        size = math.prod(self.num_points)
        self.flat_mlp = eqx.nn.MLP(
            self.in_channels * size,
            self.out_channels * size,
            check_integer("width_size", width_size),
            check_integer("depth", depth, minimum=0),
            as_activation(activation),
            as_activation(final_activation),
            use_bias,
            use_final_bias,
            key=key,
        )

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *num_points)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *num_points)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.flat_mlp.layers[0].weight.dtype)
        if x.shape[1:] != self.num_points:
            raise ValueError(
                f"`x` must have the shape {(self.in_channels, *self.num_points)} that the network was made for, got "
                f"{x.shape}. Make another one with `num_points={x.shape[1:]}`, or take a network that fits any grid."
            )
        refuse_devices("MLP", x.size)
        return self.flat_mlp(x.reshape(-1)).reshape(self.out_channels, *self.num_points)

    @property
    def receptive_field(self) -> ReceptiveField:
        """The whole grid to both sides."""
        return tuple((float(n), float(n)) for n in self.num_points)
