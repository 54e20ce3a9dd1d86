"""Transposed convolution with "same" padding by the boundary mode."""

from collections.abc import Sequence

import equinox as eqx
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input
from ..boundary import BoundaryMode, check_coarsened, computed_by_shard, pad_nonzero, shard_shape, whole_shape
from ._abstract_conv import AbstractConv
from ._correlation import cell_window, coarse_window, convolve_transposed, same_window


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
    alignment: str = eqx.field(static=True)

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
        alignment: str = "point",
    ):
        """**Arguments:** as for [`pdequinox.conv.PhysicsConv`][], and

        - `output_padding`: How many more points the output has to the right, per axis; less than the stride.
        - `alignment`: What the kernel is centred at. `"point"`: the coarse point, which is a fine point too; of an even
            number of taps, one more lies to the right. `"cell"`: the middle of a coarse cell, which is divided into
            `stride` fine ones, as in U-Nets with pooling; for even kernels if the stride is even, odd ones if it is
            odd.

        **Raises:** `ValueError` as there, for an output padding that is not in `0 ... stride - 1`, and for another
        alignment or one that the kernel does not fit.
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
        self.output_padding = self._below_stride("output_padding", output_padding)
        if alignment not in ("point", "cell"):
            raise ValueError(f"`alignment` must be 'point' or 'cell', got {alignment!r}. Choose one of them.")
        self.alignment = alignment
        for k, s, d in zip(self.kernel_size, self.stride, self.dilation, strict=True):
            if alignment == "cell" and (d * (k - 1) + s) % 2 == 0:
                raise ValueError(
                    f"`alignment` must be 'point' for a kernel that reaches over {d * (k - 1) + 1} points and a "
                    f"stride of {s}, got 'cell'. Make both even or both odd."
                )

    @property
    def windows(self) -> tuple[tuple[int, int], ...]:
        """How many points to the left and right of a fine point the kernel reaches, per axis."""
        if self.alignment == "cell":
            return tuple(map(cell_window, self.kernel_size, self.stride, self.dilation))
        return tuple(map(same_window, self.kernel_size, self.dilation))

    @computed_by_shard
    def __call__(
        self,
        x: Array,
        *,
        output_padding: int | Sequence[int] | None = None,
        start: int | Sequence[int] = 0,
        key: PRNGKeyArray | None = None,
    ) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`, in the dtype of the parameters.
        - `output_padding`: Replaces the one given at construction.
        - `start`: The output point that the first input is at, less than the stride; one integer or one per axis.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *(start + (spatial - 1) * stride + 1 + output_padding))`.

        **Raises:** `ValueError` for another shape, dtype, start or output padding.
        """
        del key
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.weight.dtype)
        starts = self._below_stride("start", start)
        more = self.output_padding if output_padding is None else self._below_stride("output_padding", output_padding)
        coarse = whole_shape(x.shape[1:])
        sizes = zip(coarse, self.stride, starts, more, strict=True)
        shape = [first + (n - 1) * s + 1 + m for n, s, first, m in sizes]
        check_coarsened(shape, self.stride, "output_padding")
        windows = [(left + first, right - first) for (left, right), first in zip(self.windows, starts, strict=True)]
        widths = [
            coarse_window(window, s, n - s * m)
            for window, s, n, m in zip(windows, self.stride, shape, coarse, strict=True)
        ]
        x, zeros = pad_nonzero(x, widths, self.boundary_mode, range(1, x.ndim))
        y = convolve_transposed(
            x,
            self.weight,
            shard_shape(shape),
            windows=windows,
            ghosts=[low - missing for (low, _), (missing, _) in zip(widths, zeros, strict=True)],
            stride=self.stride,
            dilation=self.dilation,
            groups=self.groups,
        )
        return y if self.bias is None else y + self.bias
