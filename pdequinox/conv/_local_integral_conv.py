"""Convolutions with a kernel of fixed extent in space (Ocampo et al., 2023; Liu-Schiaffini et al., 2024)."""

from collections.abc import Sequence
from functools import lru_cache
from math import floor

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax import lax
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_integer, check_sizes
from ..boundary import (
    AxisMode,
    BoundaryMode,
    computed_by_shard,
    normalize_boundary_mode,
    pad_nonzero,
    spacing,
    whole_shape,
)
from ._correlation import convolve
from ._lowering import accumulation_dtype
from ._receptive_field import ReceptiveField


class LocalIntegralConv(eqx.Module):
    r"""The integral of the field against a learned kernel of fixed radius, by quadrature on the grid.

    $$ y_o(x) = b_o + \sum_i \int_{|z| < r} \kappa_{o i}(z)\, \tilde u_i(x + z)\, dz, \qquad
    \kappa_{o i} = \sum_k w_{o i k}\, \frac{\phi_k}{\int \phi_k} $$

    A convolution whose kernel belongs to space and not to the grid ("discrete-continuous", DISCO): as the grid is
    refined it gets more taps, and the result converges. The functions $\phi_k$ are hats of the distance, around 0 and
    on `num_rings` rings, of width r / (`num_rings` + 1) to either side; those of the rings are parted among the 2d
    directions $\pm e_a$ in the shares $|z_a| / \sum_b |z_b|$. So there are $1 + 2 d\,$`num_rings` weights. The box has
    sides of length one. Sums over the grid stand for both integrals. A function that no point of the grid meets counts
    as zero: the radius should be at least `num_rings` + 1 spacings of the coarsest grid in use.

    Beyond walls the field continues as a mirror image, odd where u = 0 and even where u' = 0.

    ??? cite "Source"
        Liu-Schiaffini et al., *Neural Operators with Localized Integral and Differential Kernels*, ICML 2024,
        arXiv:2402.16845; Ocampo, Price and McEwen, *Scalable and Equivariant Spherical CNNs by Discrete-Continuous
        Convolutions*, ICLR 2023, arXiv:2209.13603. With one ring, as many weights in 2D as `neuralop` 2.0 has for
        `disco_kernel_shape=[2, 4]`, whose angles are hats as well; shares of the axes work in every dimension. In
        `neuralop` the radius is one spacing by default, where little more than the centre is left, and periodic fields
        are padded with zeros.
    """

    weight: Array
    bias: Array | None
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    radius: float = eqx.field(static=True)
    num_rings: int = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        radius: float = 0.0625,
        num_rings: int = 1,
        use_bias: bool = True,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`: The number of axes of the grid.
        - `in_channels`: The number of channels of the input.
        - `out_channels`: The number of channels of the output.
        - `radius`: How far the kernel reaches, in units of the box; at most 0.5.
        - `num_rings`: The number of distances, besides 0, that the kernel has weights for.
        - `use_bias`: Whether to add a constant per output channel, which starts at zero.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][].
        - `key`: A JAX random key for the initial values, normal with variance 1 / in_channels.

        **Raises:** `ValueError` for sizes that are not positive integers, a radius that is not in (0, 0.5], and a wrong
        boundary mode.
        """
        self.num_spatial_dims, self.in_channels, self.out_channels = check_sizes(
            num_spatial_dims, in_channels, out_channels
        )
        if not 0 < radius <= 0.5:
            raise ValueError(f"`radius` must be in (0, 0.5], got {radius}. Give it as a part of the box.")
        self.radius = float(radius)
        self.num_rings = check_integer("num_rings", num_rings, minimum=0)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        num_weights = 1 + 2 * num_spatial_dims * self.num_rings
        self.weight = jr.normal(key, (out_channels, in_channels, num_weights)) * in_channels**-0.5
        self.bias = jnp.zeros((out_channels, *(1,) * num_spatial_dims)) if use_bias else None

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
        num_points = whole_shape(x.shape[1:])
        spacings = tuple(spacing(n, 1.0, mode) for n, mode in zip(num_points, self.boundary_mode, strict=True))
        functions = kernel_functions(spacings, self.radius, self.num_rings)
        dtype, once = accumulation_dtype(x.dtype), (1,) * self.num_spatial_dims
        kernel = jnp.tensordot(
            self.weight.astype(dtype), jnp.asarray(functions, dtype), 1, precision=lax.Precision.HIGHEST
        )
        widths = [(size // 2,) * 2 for size in functions.shape[1:]]
        x, zeros = pad_nonzero(x, widths, self.boundary_mode, range(1, x.ndim), reflect=True)
        y = convolve(x, kernel.astype(x.dtype), zeros=zeros, stride=once, dilation=once, groups=1)
        return y if self.bias is None else y + self.bias

    @property
    def receptive_field(self) -> ReceptiveField:
        """Infinite: the reach is fixed in space, so its points are as many as the grid makes them."""
        return ((float("inf"), float("inf")),) * self.num_spatial_dims


@lru_cache(maxsize=256)
def kernel_functions(spacings: Sequence[float], radius: float, num_rings: int) -> np.ndarray:
    """The functions of a kernel at the points around a point, divided by their sums, in double precision on the host.

    Their order is that of the directions -e_1 ... -e_d from the outermost ring inwards, the centre, and the mirror
    image. So turning around all axes of the result, the first included, changes nothing.

    **Returns:** An array of shape `(1 + 2 d num_rings, *taps)`, read-only; the number of taps of each axis is odd.
    """
    reaches = [floor(radius / h * (1 - 1e-9)) for h in spacings]
    z = np.meshgrid(*(h * np.arange(-n, n + 1) for h, n in zip(spacings, reaches, strict=True)), indexing="ij")
    distance = np.sqrt(sum(c**2 for c in z)) * (num_rings + 1) / radius
    total = sum(np.abs(c) for c in z)
    shares = [np.maximum(-c, 0) / np.where(total > 0, total, 1) for c in z]
    hats = [np.maximum(0, 1 - np.abs(distance - ring)) for ring in range(num_rings + 1)]
    before = [hat * share for hat in reversed(hats[1:]) for share in shares]
    functions = np.stack([*before, hats[0], *(np.flip(function) for function in reversed(before))])
    sums = np.sum(functions, axis=tuple(range(1, functions.ndim)), keepdims=True)
    functions /= np.where(sums > 0, sums, 1)
    functions.setflags(write=False)
    return functions
