"""Convolutions that become first derivatives as the grid is refined (Liu-Schiaffini et al., 2024)."""

from collections.abc import Sequence
from math import prod

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_integer
from ..boundary import BoundaryMode, computed_by_shard, pad_nonzero, spacing, whole_shape
from ._abstract_conv import AbstractConv
from ._correlation import convolve, same_window
from ._lowering import accumulation_dtype


class DifferentialConv(AbstractConv):
    r"""Convolution with a kernel of mean zero, divided by the spacing.

    $$ y_o(x_j) = \frac{h_0}{h} \sum_i \sum_t (w_{o i t} - \bar w_{o i})\, \tilde u_i(x_{j + t}) \;\to\;
    h_0 \sum_i a_{o i} \cdot \nabla u_i, \qquad a_{o i} = \sum_t w_{o i t}\, (t - \bar t) $$

    as the spacing $h$ goes to zero, where $t$ counts from the point and $\bar t$ is the mean of all taps. An ordinary
    convolution, with the kernel of a finer grid the same, becomes a multiplication by a number. The box has sides of
    length one, $h$ is the geometric mean of the spacings of all axes (refine them alike), and on a grid whose
    spacing is $h_0$ = 1 / `num_reference_points` the kernel is used as it is. The error is of first order,
    for kernels that are odd about the point of second order.

    Beyond walls the field continues as a mirror image, odd where u = 0 and even where u' = 0.

    ??? cite "Source"
        Liu-Schiaffini et al., *Neural Operators with Localized Integral and Differential Kernels*, ICML 2024,
        arXiv:2402.16845. `neuralop` 2.0 takes the kernel's sum from its centre tap instead, which then has no effect;
        its spacing is in units of that at `default_in_shape`, as ours is for `num_reference_points`.
    """

    num_reference_points: int = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int] = 3,
        *,
        groups: int = 1,
        num_reference_points: int = 64,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `kernel_size`, `groups`, `boundary_mode`, `key`: As in
            [`pdequinox.conv.PhysicsConv`][]. There is no bias.
        - `num_reference_points`: The number of intervals per axis on which kernels are not scaled.

        **Raises:** `ValueError` as there, and for a kernel of one tap, whose mean is all there is.
        """
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            kernel_size,
            groups=groups,
            use_bias=False,
            boundary_mode=boundary_mode,
            key=key,
        )
        self.num_reference_points = check_integer("num_reference_points", num_reference_points)
        if prod(self.kernel_size) == 1:
            raise ValueError(
                f"`kernel_size` must be at least 2 on one axis, got {kernel_size}. A difference needs two points."
            )

    @computed_by_shard
    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`, in the dtype of the parameters.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        del key
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.weight.dtype)
        volume = prod(
            spacing(n, 1.0, mode) for n, mode in zip(whole_shape(x.shape[1:]), self.boundary_mode, strict=True)
        )
        scale = 1 / (self.num_reference_points * volume ** (1 / self.num_spatial_dims))
        weight = self.weight.astype(accumulation_dtype(x.dtype))
        taps = tuple(range(2, weight.ndim))
        weight = (scale * (weight - jnp.mean(weight, axis=taps, keepdims=True))).astype(x.dtype)
        widths = list(map(same_window, self.kernel_size, self.dilation))
        x, zeros = pad_nonzero(x, widths, self.boundary_mode, range(1, x.ndim), reflect=True)
        return convolve(x, weight, zeros=zeros, stride=self.stride, dilation=self.dilation, groups=self.groups)
