"""What the convolutions have in common: arguments, parameters and their initial values."""

from collections.abc import Sequence
from math import prod

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_sizes, per_axis
from ..boundary import AxisMode, BoundaryMode, normalize_boundary_mode
from ._correlation import same_window
from ._receptive_field import ReceptiveField


class AbstractConv(eqx.Module):
    """A kernel, a bias and the static facts about them."""

    weight: Array
    bias: Array | None
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    kernel_size: tuple[int, ...] = eqx.field(static=True)
    stride: tuple[int, ...] = eqx.field(static=True)
    dilation: tuple[int, ...] = eqx.field(static=True)
    groups: int = eqx.field(static=True)
    use_bias: bool = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        use_bias: bool = True,
        *,
        key: PRNGKeyArray,
        boundary_mode: BoundaryMode,
        zero_bias_init: bool = False,
    ):
        self.num_spatial_dims, self.in_channels, self.out_channels = check_sizes(
            num_spatial_dims, in_channels, out_channels
        )
        self.groups = check_integer("groups", groups)
        for name, channels in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(
                    f"`{name}` must be divisible by `groups` ({self.groups}), got {channels}. Change one of the two."
                )
        self.kernel_size = per_axis("kernel_size", kernel_size, self.num_spatial_dims)
        self.stride = per_axis("stride", stride, self.num_spatial_dims)
        self.dilation = per_axis("dilation", dilation, self.num_spatial_dims)
        self.use_bias = use_bias
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self.weight, self.bias = init_weight_and_bias(shape, use_bias, zero_bias_init, key)

    def _below_stride(self, name: str, points: int | Sequence[int]) -> tuple[int, ...]:
        """One number per axis, each less than the stride.

        **Raises:** `ValueError` otherwise.
        """
        numbers = per_axis(name, points, self.num_spatial_dims, minimum=0)
        if any(number >= s for number, s in zip(numbers, self.stride, strict=True)):
            raise ValueError(
                f"`{name}` must be less than the stride {self.stride} on every axis, got {numbers}. "
                "A larger grid needs a larger stride."
            )
        return numbers

    @property
    def receptive_field(self) -> ReceptiveField:
        """How far the kernel reaches to the left and right, per axis, in points of the finer grid."""
        return tuple((float(left), float(right)) for left, right in map(same_window, self.kernel_size, self.dilation))


def init_weight_and_bias(
    shape: Sequence[int], use_bias: bool, zero_bias_init: bool, key: PRNGKeyArray
) -> tuple[Array, Array | None]:
    """Uniform in +-1 / sqrt(fan-in), as in `equinox.nn.Conv`; the bias is shaped to broadcast over the grid."""
    weight_key, bias_key = jr.split(key)
    limit = prod(shape[1:]) ** -0.5
    weight = jr.uniform(weight_key, tuple(shape), minval=-limit, maxval=limit)
    if not use_bias:
        return weight, None
    bias_shape = (shape[0],) + (1,) * (len(shape) - 2)
    if zero_bias_init:
        return weight, jnp.zeros(bias_shape)
    return weight, jr.uniform(bias_key, bias_shape, minval=-limit, maxval=limit)
