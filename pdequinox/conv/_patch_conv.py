"""Linear maps between a grid and a grid of patches (Dosovitskiy et al., 2021)."""

from collections.abc import Sequence

from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_integer, per_axis
from ..boundary import BoundaryMode, check_coarsened, computed_by_shard, pad, whole_shape
from ._abstract_conv import AbstractConv
from ._correlation import mix_channels
from ._receptive_field import ReceptiveField


class PatchConv(AbstractConv):
    r"""One linear map for all patches: a convolution whose stride is its kernel size, and which needs no neighbours.

    $$ y_o(j) = b_o + \sum_i \sum_t w_{o i t}\, u_i(x_{p j + t}), \quad t = 0 \dots p - 1 $$

    A grid of N points becomes one of ceil(N / p) patches, the first of which begins at the first point. If p does not
    divide N, the grid is first extended to the right by [`pdequinox.boundary.pad`][].

    ??? cite "Source"
        Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021, arXiv:2010.11929. Any grid size is ours.
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

        - `num_spatial_dims`, `in_channels`, `out_channels`, `use_bias`, `key`, `boundary_mode`, `zero_bias_init`: As in
            [`pdequinox.conv.PhysicsConv`][].
        - `patch_size`: The number of points of a patch; one integer or one per axis.

        **Raises:** `ValueError` for sizes that are not positive integers and wrong boundary modes.
        """
        patch_size = per_axis("patch_size", patch_size, check_integer("num_spatial_dims", num_spatial_dims))
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

    @computed_by_shard
    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`, in the dtype of the parameters.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *ceil(spatial / patch_size))`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        del key
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.weight.dtype)
        check_coarsened(whole_shape(x.shape[1:]), self.stride)
        x = pad(x, [(0, -n % p) for n, p in zip(x.shape[1:], self.stride, strict=True)], self.boundary_mode)
        counts = [n // p for n, p in zip(x.shape[1:], self.stride, strict=True)]
        split = [size for pair in zip(counts, self.stride, strict=True) for size in pair]
        axes = range(1, 1 + 2 * self.num_spatial_dims)
        x = x.reshape(-1, *split).transpose(0, *axes[1::2], *axes[::2])
        y = mix_channels(x.reshape(-1, *counts), self.weight.reshape(self.out_channels, -1))
        return y if self.bias is None else y + self.bias

    @property
    def receptive_field(self) -> ReceptiveField:
        """A patch, from its first point, per axis."""
        return tuple((0.0, float(p - 1)) for p in self.stride)


class PatchConvTranspose(AbstractConv):
    r"""One linear map from each patch to its points: a transposed convolution whose stride is its kernel size.

    $$ y_o(x_{p j + t}) = b_o + \sum_i w_{o i t}\, u_i(j), \quad t = 0 \dots p - 1 $$

    ??? cite "Source"
        As the last layer of Guibas et al., *Adaptive Fourier Neural Operators*, ICLR 2022, arXiv:2111.13587, in The
        Well (Ohana et al., NeurIPS 2024, arXiv:2412.00568). Initial values as in PyTorch's transposed convolution,
        uniform in +-1 / sqrt(out_channels p^d).
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
        """**Arguments:** as for [`pdequinox.conv.PatchConv`][]; the boundary mode is without effect.

        **Raises:** `ValueError` as there.
        """
        patch_size = per_axis("patch_size", patch_size, check_integer("num_spatial_dims", num_spatial_dims))
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
        scale = (in_channels / out_channels) ** 0.5
        self.weight = scale * self.weight
        self.bias = None if self.bias is None else scale * self.bias

    @computed_by_shard
    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *patches)`, in the dtype of the parameters.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *(patches * patch_size))`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        del key
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.weight.dtype)
        dims = self.num_spatial_dims
        weight = self.weight.swapaxes(0, 1).reshape(self.in_channels, -1).swapaxes(0, 1)
        y = mix_channels(x, weight).reshape(self.out_channels, *self.stride, *x.shape[1:])
        y = y.transpose(0, *(axis for d in range(dims) for axis in (1 + dims + d, 1 + d)))
        y = y.reshape(-1, *(n * p for n, p in zip(x.shape[1:], self.stride, strict=True)))
        return y if self.bias is None else y + self.bias

    @property
    def receptive_field(self) -> ReceptiveField:
        """The rest of the patch to the left, per axis, in points of the finer grid."""
        return tuple((float(p - 1), 0.0) for p in self.stride)
