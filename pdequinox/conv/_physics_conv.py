"""Convolution with "same" padding by the boundary mode."""

from collections.abc import Sequence

from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input
from ..boundary import BoundaryMode, check_coarsened, computed_by_shard, pad_nonzero, whole_shape
from ._abstract_conv import AbstractConv
from ._correlation import convolve, same_window


class PhysicsConv(AbstractConv):
    r"""Convolution on a grid, padded with the ghost values of the boundary mode.

    $$ y_o(x_j) = b_o + \sum_i \sum_t w_{o i t}\, \tilde u_i(x_{s j + d t - l}) $$

    with stride $s$, dilation $d$, the kernel's reach to the left $l$, and the input extended beyond the walls to
    $\tilde u$ by [`pdequinox.boundary.pad`][]. A grid of N points becomes one of ceil(N / s).

    ??? cite "Source"
        Parameters, initial values and padding as in `pdequinox` 0.1 (Koehler et al., *APEBench*, NeurIPS 2024,
        arXiv:2411.00180). Ours takes a mode per axis and per end, and cell-centred grids.
    """

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
        """**Arguments:**

        - `num_spatial_dims`: The number of axes of the grid.
        - `in_channels`: The number of channels of the input.
        - `out_channels`: The number of channels of the output.
        - `kernel_size`: The number of taps; an integer or one per axis, as are `stride` and `dilation`. Of an even
            number of taps, one more lies to the right.
        - `stride`: The distance between output points, in input points.
        - `dilation`: The distance between taps, in points.
        - `groups`: The number of groups of channels that do not mix; divides both channel counts.
        - `use_bias`: Whether to add a constant per output channel.
        - `key`: A JAX random key for the initial values, uniform in +-1 / sqrt(fan-in).
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][].
        - `zero_bias_init`: Whether the bias starts at zero.

        **Raises:** `ValueError` for sizes that are not positive integers, groups that do not divide the channels,
        and wrong boundary modes.
        """
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            kernel_size,
            stride,
            dilation,
            groups,
            use_bias,
            key=key,
            boundary_mode=boundary_mode,
            zero_bias_init=zero_bias_init,
        )

    @computed_by_shard
    def __call__(self, x: Array, *, start: int | Sequence[int] = 0, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`, in the dtype of the parameters.
        - `start`: The input point that the first output is at, less than the stride; one integer or one per axis.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *ceil((spatial - start) / stride))`.

        **Raises:** `ValueError` for another shape, dtype or start.
        """
        del key
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.weight.dtype)
        starts = self._below_stride("start", start)
        check_coarsened(whole_shape(x.shape[1:]), self.stride)
        windows = map(same_window, self.kernel_size, self.dilation)
        reaches = [(left - first, right) for first, (left, right) in zip(starts, windows, strict=True)]
        widths = [(max(0, left), right) for left, right in reaches]
        x, zeros = pad_nonzero(x, widths, self.boundary_mode, range(1, x.ndim))
        if any(left < 0 for left, _ in reaches):
            x = x[(slice(None), *(slice(max(0, -left), None) for left, _ in reaches))]
        y = convolve(x, self.weight, zeros=zeros, stride=self.stride, dilation=self.dilation, groups=self.groups)
        return y if self.bias is None else y + self.bias
