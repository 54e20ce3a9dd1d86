"""Linear maps between a grid and its patches (Dosovitskiy et al., 2021)."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input
from ..boundary import BoundaryMode, pad
from ._abstract_conv import AbstractConv
from ._correlation import mix_channels
from ._receptive_field import ReceptiveField


class PatchConv(AbstractConv):
    r"""Each patch of `patch_size` points per axis becomes one point: a convolution whose stride is its kernel size.

    $$ y_o(j) = b_o + \sum_i \sum_{t = 0}^{s - 1} w_{o i t}\, \tilde u_i(s j + t) $$

    Patches start at the first point; N points become ceil(N / s), and what the last patch lacks are ghost values of the
    boundary mode. A coarse point is the middle of its patch, so grids of cells keep their symmetry, and grids of points
    do not (see [`pdequinox.conv.PhysicsConv`][] with a stride, of which the opposite holds).

    ??? cite "Source"
        Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021, arXiv:2010.11929.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        patch_size: int | Sequence[int],
        use_bias: bool = True,
        *,
        key: PRNGKeyArray,
        boundary_mode: BoundaryMode,
        zero_bias_init: bool = False,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `use_bias`, `boundary_mode`, `zero_bias_init`: As in
            [`pdequinox.conv.PhysicsConv`][].
        - `patch_size`: The number of points of a patch; an integer or one per axis.
        - `key`: A JAX random key for the initial values, uniform in +-1 / sqrt(fan-in).

        **Raises:** `ValueError` for sizes that are not positive integers and wrong boundary modes.
        """
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            patch_size,
            patch_size,
            use_bias=use_bias,
            key=key,
            boundary_mode=boundary_mode,
            zero_bias_init=zero_bias_init,
        )

    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`, in the dtype of the parameters.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *ceil(spatial / patch_size))`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        del key
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.weight.dtype)
        x = pad(x, [(0, -n % s) for n, s in zip(x.shape[1:], self.stride, strict=True)], self.boundary_mode)
        coarse = [n // s for n, s in zip(x.shape[1:], self.stride, strict=True)]
        split = [size for pair in zip(coarse, self.stride, strict=True) for size in pair]
        points, taps = range(1, x.ndim * 2 - 1, 2), range(2, x.ndim * 2 - 1, 2)
        x = x.reshape(len(x), *split).transpose(0, *taps, *points).reshape(-1, *coarse)
        y = mix_channels(x, self.weight.reshape(self.out_channels, -1))
        return y if self.bias is None else y + self.bias

    @property
    def receptive_field(self) -> ReceptiveField:
        """The rest of the patch to the right, per axis, in points of the finer grid."""
        return tuple((0.0, float(size - 1)) for size in self.kernel_size)


class PatchConvTranspose(AbstractConv):
    """Each point becomes a patch of `patch_size` points per axis: the shapes of a `PatchConv`, backwards.

    N points become N `patch_size`; crop what a last patch has too many.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        patch_size: int | Sequence[int],
        use_bias: bool = True,
        *,
        key: PRNGKeyArray,
        boundary_mode: BoundaryMode,
        zero_bias_init: bool = False,
    ):
        """**Arguments:** as for [`pdequinox.conv.PatchConv`][], but

        - `key`: Initial values are uniform in +-1 / sqrt(out_channels * points of a patch), as in PyTorch.
        - `boundary_mode`: Without effect, because patches do not overlap; validated.
        """
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            patch_size,
            patch_size,
            use_bias=use_bias,
            key=key,
            boundary_mode=boundary_mode,
            zero_bias_init=zero_bias_init,
        )
        scale = (self.in_channels / self.out_channels) ** 0.5
        self.weight = scale * self.weight
        self.bias = None if self.bias is None else scale * self.bias

    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`, in the dtype of the parameters.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *(spatial * patch_size))`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        del key
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.weight.dtype)
        y = mix_channels(x, jnp.moveaxis(self.weight, 1, -1).reshape(-1, self.in_channels))
        dims = self.num_spatial_dims
        order = [axis for pair in zip(range(dims + 1, 2 * dims + 1), range(1, dims + 1), strict=True) for axis in pair]
        y = y.reshape(self.out_channels, *self.stride, *x.shape[1:]).transpose(0, *order)
        y = y.reshape(self.out_channels, *(n * s for n, s in zip(x.shape[1:], self.stride, strict=True)))
        return y if self.bias is None else y + self.bias

    @property
    def receptive_field(self) -> ReceptiveField:
        """The rest of the patch to the left, per axis, in points of the finer grid."""
        return tuple((float(size - 1), 0.0) for size in self.kernel_size)
