"""Linear maps of truncated spectra: the layer of the Fourier neural operator, and its kin for bounded axes."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_sizes, per_axis
from ..boundary import AxisMode, BoundaryMode, basis, normalize_boundary_mode, roles
from ._lowering import accumulation_dtype
from ._receptive_field import ReceptiveField
from ._spectrum import analyze, mix, synthesize


class SpectralConv(eqx.Module):
    r"""Multiply the lowest modes of a field by learned matrices over the channels.

    On periodic axes, with the Fourier coefficients $\hat u$,

    $$ y_o(x) = \sum_k \sum_i W_{o i}(k)\, \hat u_i(k)\, e^{2 \pi i k \cdot x / L}. $$

    With $m$ modes, the wave numbers are $-m \dots m - 1$ on all axes but the last, and $0 \dots m - 1$ on the last,
    with their complex conjugates at $-k$, because fields are real.

    On bounded axes this layer acts on the odd (`dirichlet`, `cell-dirichlet`) or even (`neumann`, `cell-neumann`)
    extension of the field, which is periodic, smooth where the condition holds, and never built: the transforms are
    sine and cosine transforms of the original points.

    - `parity="mixed"`: the output is restricted to the domain as it is, sines and cosines. As many weights as the
      periodic layer has. The derivative of a sine is a cosine: right for transport.
    - `parity="same"`: only the even, real part of the weights along bounded axes: sines to sines, cosines to cosines.
      The output satisfies the condition exactly, as the solution of an elliptic problem does, with one half of the
      weights for the first bounded axis and for each further one.

    The layer is a function of the field, not of the grid: modes above `num_modes` are dropped, and modes that a grid
    does not carry are left out (which, and the rule for the Nyquist frequency, is in
    [`pdequinox.boundary.basis`][]). So fields with fewer modes than the coarser grid's Nyquist frequency give the same
    values at the shared points of two grids.

    Computed as products with the matrices of truncated transforms, in the highest precision of the device; bfloat16
    and float16 are computed in float32.

    ??? cite "Source"
        Li et al., *Fourier Neural Operator for Parametric Partial Differential Equations*, ICLR 2021,
        arXiv:2010.08895. Weights, their order and their initial values as in `pdequinox` 0.1. Bounded axes, coarse
        grids and different channel counts are ours.
    """

    weights_real: Array
    weights_imag: Array | None
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    num_modes: tuple[int, ...] = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)
    parity: str = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        num_modes: int | Sequence[int],
        *,
        boundary_mode: BoundaryMode = "periodic",
        parity: str = "mixed",
        key: PRNGKeyArray,
    ):
        r"""**Arguments:**

        - `num_spatial_dims`: The number of axes of the grid.
        - `in_channels`: The number of channels of the input.
        - `out_channels`: The number of channels of the output.
        - `num_modes`: The number of modes, for all axes or one per axis; of each sign where both have weights.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][].
        - `parity`: `"mixed"` or `"same"`; without effect on periodic axes.
        - `key`: A JAX random key for the initial values: real and imaginary parts normal with standard deviation
            1 / (in_channels * out_channels).

        The weights have the shape `(corners, out_channels, in_channels, *num_modes)`. A corner is a choice of the
        signs of all wave numbers but those of the axes that have one sign only: the last axis (`"mixed"`), or the
        bounded ones and the last periodic one (`"same"`). The first axis' sign varies fastest, the non-negative
        one comes first. If no axis is periodic, weights of parity `"same"` are real and `weights_imag` is `None`.

        **Raises:** `ValueError` for sizes that are not positive integers, a wrong parity, a wrong boundary mode, or
        one with two different ends on an axis.
        """
        self.num_spatial_dims, self.in_channels, self.out_channels = check_sizes(
            num_spatial_dims, in_channels, out_channels
        )
        self.num_modes = per_axis("num_modes", num_modes, num_spatial_dims)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        self.parity = parity
        axis_roles = roles(self.boundary_mode, num_spatial_dims, parity)
        shape = (2 ** axis_roles.count("full"), out_channels, in_channels, *self.num_modes)
        has_phase = set(axis_roles) != {"same"}
        real_key, imag_key = jr.split(key)
        scale = 1 / (in_channels * out_channels)
        self.weights_real = scale * jr.normal(real_key, shape)
        self.weights_imag = scale * jr.normal(imag_key, shape) if has_phase else None

    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`, in the dtype of the parameters.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        del key
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.weights_real.dtype)
        dtype = accumulation_dtype(x.dtype)
        bases = [
            basis(*arguments)
            for arguments in zip(
                x.shape[1:],
                self.num_modes,
                self.boundary_mode,
                roles(self.boundary_mode, self.num_spatial_dims, self.parity),
                strict=True,
            )
        ]
        real = self.weights_real.astype(dtype)
        imag = None if self.weights_imag is None else self.weights_imag.astype(dtype)
        z = analyze(x.astype(dtype), bases, self.num_modes)
        return synthesize(mix((real, imag), z, bases), bases).astype(x.dtype)

    @property
    def receptive_field(self) -> ReceptiveField:
        """Infinite: every mode is global."""
        return ((math.inf, math.inf),) * self.num_spatial_dims
