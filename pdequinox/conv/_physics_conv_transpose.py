"""Transposed convolution with "same" padding by the boundary mode."""

from collections.abc import Sequence

import equinox as eqx
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, per_axis
from ..boundary import BoundaryMode, pad_nonzero
from ._abstract_conv import AbstractConv
from ._correlation import convolve_transposed, transposed_window


class PhysicsConvTranspose(AbstractConv):
    r"""Transposed convolution: from a coarse grid to one that is `stride` times finer.

    The coarse input is extended beyond the walls by [`pdequinox.boundary.pad`][], `stride - 1` zeros are put between
    its points, and the kernel slides over the result. N points become (N - 1) stride + 1 + output_padding: the
    coarse points, those between them, and `output_padding` more to the right. It undoes the change of shape that a
    [`pdequinox.conv.PhysicsConv`][] with the same kernel, stride and dilation makes, for the right `output_padding`.

    ??? cite "Source"
        Dumoulin and Visin, *A guide to convolution arithmetic for deep learning* (2016), arXiv:1603.07285. Parameters
        and numbers as in `pdequinox` 0.1; computed as the gradient of a convolution (see `conv/_correlation.py`).
    """

    output_padding: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        output_padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        use_bias: bool = True,
        *,
        key: PRNGKeyArray,
        boundary_mode: BoundaryMode,
        zero_bias_init: bool = False,
    ):
        """**Arguments:** as for [`pdequinox.conv.PhysicsConv`][], and

        - `output_padding`: How many more points the output has to the right, per axis; less than the stride.

        **Raises:** `ValueError` as there, and for an output padding that is not in `0 ... stride - 1`.
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
        self.output_padding = self._checked(output_padding)

    def __call__(
        self,
        x: Array,
        *,
        output_padding: int | Sequence[int] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`, in the dtype of the parameters.
        - `output_padding`: Replaces the one given at construction.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *((spatial - 1) * stride + 1 + output_padding))`.

        **Raises:** `ValueError` for another shape, dtype or output padding.
        """
        del key
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.weight.dtype)
        more = self.output_padding if output_padding is None else self._checked(output_padding)
        shape = [(n - 1) * s + 1 + m for n, s, m in zip(x.shape[1:], self.stride, more, strict=True)]
        widths = list(map(transposed_window, self.kernel_size, self.stride, self.dilation))
        x, zeros = pad_nonzero(x, widths, self.boundary_mode, range(1, x.ndim))
        y = convolve_transposed(
            x, self.weight, shape, zeros=zeros, stride=self.stride, dilation=self.dilation, groups=self.groups
        )
        return y if self.bias is None else y + self.bias

    def _checked(self, output_padding: int | Sequence[int]) -> tuple[int, ...]:
        padding = per_axis("output_padding", output_padding, self.num_spatial_dims, minimum=0)
        if any(p >= s for p, s in zip(padding, self.stride, strict=True)):
            raise ValueError(
                f"`output_padding` must be less than the stride {self.stride} on every axis, got {padding}. "
                "A larger grid needs a larger stride."
            )
        return padding
