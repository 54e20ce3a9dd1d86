"""Multiply the coarsest wavelet coefficients by learned matrices (Tripura and Chakraborty, 2023)."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_integer, check_sizes, per_axis
from ..boundary import (
    AxisMode,
    BoundaryMode,
    computed_by_shard,
    normalize_boundary_mode,
    own_part,
    share_among_shards,
    sum_over_shards,
    whole_shape,
)
from ._correlation import form
from ._lowering import accumulation_dtype
from ._receptive_field import ReceptiveField
from ._spectrum import HIGHEST, along_axis
from ._wavelet_basis import num_wavelets, wavelets


class WaveletConv(eqx.Module):
    r"""Multiply the wavelet coefficients of the coarsest scale by learned matrices over the channels.

    $$ y_o(x) = \sum_{s} \sum_k \sum_i W_{s o i}(k)\, \langle \phi_{s k}, \tilde u_i \rangle\, \phi_{s k}(x) $$

    with Daubechies' functions $\phi_{s k}$ at the positions k: of the $2^d$ kinds s, one is the scaling function along
    all axes, the others are wavelets along some. Finer scales are dropped, as in the source. Beyond walls the field
    continues as a mirror image, odd where u = 0 and even where u' = 0.

    **One grid only.** Every coefficient has a weight of its own, so the number of points is an argument, and the layer
    does not commute with shifts. The source's rule for finer grids, one level more for each doubling, is not offered:
    with filters longer than two taps it meets other numbers of coefficients. Use
    [`pdequinox.conv.resample`][] to come from another grid.

    Computed as products with the matrices of the transform, in the highest precision of the device; bfloat16 and
    float16 are computed in float32.

    ??? cite "Source"
        Tripura and Chakraborty, *Wavelet Neural Operator for solving parametric partial differential equations in
        computational mechanics problems*, CMAME 404 (2023) 115783, arXiv:2205.02191; wavelets: Daubechies,
        Communications on Pure and Applied Mathematics 41 (1988). As many weights as in the authors' code. There the
        field is extended anew on each level, and always evenly.
    """

    weight: Array
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    num_points: tuple[int, ...] = eqx.field(static=True)
    num_levels: int = eqx.field(static=True)
    num_vanishing_moments: int = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_points: int | Sequence[int],
        num_levels: int = 4,
        num_vanishing_moments: int = 6,
        centred_init: bool = False,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`: The number of axes of the grid.
        - `in_channels`: The number of channels of the input.
        - `out_channels`: The number of channels of the output.
        - `num_points`: The number of points of the grid; one integer or one per axis.
        - `num_levels`: The number of times that the scale doubles.
        - `num_vanishing_moments`: Half the length of the filters: 6 is "db6".
        - `centred_init`: Whether the weights start normal with mean zero and variance 1 / in_channels, which keeps the
            size of the coefficients. In the source all are positive and tiny: uniform up to
            1 / (in_channels * out_channels).
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][].
        - `key`: A JAX random key.

        **Raises:** `ValueError` for sizes that are not positive integers, more than 12 vanishing moments, and a wrong
        boundary mode.
        """
        self.num_spatial_dims, self.in_channels, self.out_channels = check_sizes(
            num_spatial_dims, in_channels, out_channels
        )
        self.num_points = per_axis("num_points", num_points, num_spatial_dims)
        self.num_levels = check_integer("num_levels", num_levels)
        self.num_vanishing_moments = check_integer("num_vanishing_moments", num_vanishing_moments)
        if num_vanishing_moments > 12:
            raise ValueError(
                f"`num_vanishing_moments` must be at most 12, got {num_vanishing_moments}. Longer filters are made "
                "of roots that are not accurate."
            )
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        counts = (num_wavelets(n, self.num_levels, self.num_vanishing_moments) for n in self.num_points)
        shape = (2**num_spatial_dims, out_channels, in_channels, *counts)
        if centred_init:
            self.weight = jr.normal(key, shape) * in_channels**-0.5
        else:
            self.weight = jr.uniform(key, shape, maxval=1 / (in_channels * out_channels))

    @computed_by_shard
    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *num_points)`, in the dtype of the parameters.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *num_points)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        del key
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.weight.dtype)
        if whole_shape(x.shape[1:]) != self.num_points:
            raise ValueError(
                f"`x` must have the shape {(self.in_channels, *self.num_points)} that the layer was made for, got "
                f"{x.shape}. Make another one with `num_points={x.shape[1:]}`, or bring the field to this grid with "
                "`pdequinox.conv.resample`."
            )
        dtype = accumulation_dtype(x.dtype)
        z = x.astype(dtype)[None]
        bases = [
            wavelets(n, self.num_levels, self.num_vanishing_moments, mode)
            for n, mode in zip(self.num_points, self.boundary_mode, strict=True)
        ]
        for axis, (analysis, _) in enumerate(bases, start=2):
            z = jnp.concatenate([along_axis(own_part(matrix, axis - 2, 1), z, axis) for matrix in analysis])
        z = sum_over_shards(z, range(self.num_spatial_dims))
        counts = z.shape[2:]
        rows = jnp.moveaxis(z.reshape(*z.shape[:2], -1), 2, 1)[:, :, None]
        matrices = jnp.moveaxis(self.weight.astype(dtype).reshape(*self.weight.shape[:3], -1), -1, 1)
        z = jnp.moveaxis(form("y", (), rows, matrices, precision=HIGHEST)[:, :, 0], 1, 2)
        z = z.reshape(*z.shape[:2], *counts)
        z = share_among_shards(z, range(self.num_spatial_dims))
        for axis, (_, synthesis) in reversed(list(enumerate(bases, start=2))):
            scaling, wavelet = jnp.split(z, 2)
            low, high = (own_part(matrix, axis - 2, 0) for matrix in synthesis)
            z = along_axis(low, scaling, axis) + along_axis(high, wavelet, axis)
        return z[0].astype(x.dtype)

    @property
    def receptive_field(self) -> ReceptiveField:
        """As far as a function of the coarsest scale reaches, at most the whole grid."""
        reach = (2**self.num_levels - 1) * (2 * self.num_vanishing_moments - 1)
        return tuple((float(min(n, reach)), float(min(n, reach))) for n in self.num_points)
