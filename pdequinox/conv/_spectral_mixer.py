"""A perceptron on the coefficients of a transform, the same one for all modes (Guibas et al., 2022)."""

import math
from collections.abc import Callable
from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_integer
from ..boundary import (
    AxisMode,
    Basis,
    BoundaryMode,
    basis,
    cells_of,
    computed_by_shard,
    normalize_boundary_mode,
    roles,
    whole_shape,
)
from ._lowering import accumulation_dtype
from ._receptive_field import ReceptiveField
from ._spectrum import HIGHEST, Pair, analyze, synthesize


class SpectralMixer(eqx.Module):
    r"""Transform all points, map the channels of each mode by a complex perceptron without biases, shrink, and back.

    $$ y = \mathcal{F}^{-1} S_\lambda(W_2\, \sigma(W_1 \mathcal{F} u)), \qquad
    S_\lambda(z) = \operatorname{sign}(z) \max(|z| - \lambda, 0) $$

    $W_1, W_2$ are block-diagonal over groups of channels and the same for all modes, so there are as many weights in
    every dimension and on every grid. $\sigma$ and $S_\lambda$ act on real and imaginary parts by themselves.

    A nonlinearity of coefficients is neither free of scale nor equivariant. So the transforms are orthonormal, which
    keeps the size of a coefficient of noise, not of a smooth field, the same on all grids: use the grid of training.
    And the layer commutes neither with shifts nor with reflections.

    The points are taken for the centres of cells, as patches are: bounded axes have sine (u = 0) or cosine (u' = 0)
    transforms of type II, with real coefficients; if no axis is periodic, the imaginary part of the input is zero.

    The published initial values are small: 384 channels of noise in 8 groups come out at 0.002 of their size, and the
    shrinkage cuts 84 % of the coefficients, which then pass no gradient. With `initial_scale` =
    1 / sqrt(channels / num_groups) they come out at 0.6 of it.

    ??? cite "Source"
        Guibas et al., *Adaptive Fourier Neural Operators: Efficient Token Mixers for Transformers*, ICLR 2022,
        arXiv:2111.13587, in the form of The Well (Ohana et al., NeurIPS 2024, arXiv:2412.00568): no biases, GELU.
        Initial values as there: complex normal with standard deviation 0.02. Bounded axes are ours.
    """

    real: tuple[Array, ...]
    imag: tuple[Array, ...]
    num_spatial_dims: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    num_groups: int = eqx.field(static=True)
    threshold: float = eqx.field(static=True)
    mode_fraction: float = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        channels: int,
        *,
        num_groups: int = 8,
        threshold: float = 0.01,
        mode_fraction: float = 1.0,
        initial_scale: float = 0.02,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        r"""**Arguments:**

        - `num_spatial_dims`: The number of axes of the grid.
        - `channels`: The number of channels.
        - `num_groups`: The number of groups of channels that do not mix; divides `channels`.
        - `threshold`: The $\lambda$ of the shrinkage; in the unit of the input.
        - `mode_fraction`: The part of the modes that is kept along each axis, the lowest ones; the others are zero.
        - `initial_scale`: The standard deviation of the complex weights at the start.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][]. The two ends of an axis must be alike.
        - `key`: A JAX random key for the initial values.

        **Raises:** `ValueError` for groups that do not divide the channels, a negative threshold, a fraction that is
        not in (0, 1], a wrong boundary mode, or one with two different ends on an axis.
        """
        self.num_spatial_dims = check_integer("num_spatial_dims", num_spatial_dims)
        self.channels = check_integer("channels", channels)
        self.num_groups = check_integer("num_groups", num_groups)
        if self.channels % self.num_groups:
            raise ValueError(
                f"`num_groups` must divide the number of channels ({self.channels}), got {num_groups}. Change one of "
                "the two."
            )
        if not threshold >= 0:
            raise ValueError(f"`threshold` must not be negative, got {threshold}. Use 0 to shrink nothing.")
        if not 0 < mode_fraction <= 1:
            raise ValueError(f"`mode_fraction` must be in (0, 1], got {mode_fraction}. Use 1 to keep all modes.")
        self.threshold, self.mode_fraction = float(threshold), float(mode_fraction)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        roles(self.boundary_mode, num_spatial_dims, "same")
        size = self.channels // self.num_groups
        keys = iter(jr.split(key, 4))
        scale, shape = initial_scale / math.sqrt(2), (self.num_groups, size, size)
        self.real, self.imag = (tuple(scale * jr.normal(next(keys), shape) for _ in range(2)) for _ in range(2))

    @computed_by_shard
    def __call__(self, x: Array, activation: Callable = jax.nn.gelu, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(channels, *spatial)`, in the dtype of the parameters.
        - `activation`: The activation of the perceptron.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of the same shape and dtype.

        **Raises:** `ValueError` for another shape or dtype.
        """
        del key
        x = check_input(x, self.channels, self.num_spatial_dims, self.real[0].dtype)
        wide = accumulation_dtype(x.dtype)
        axis_roles = roles(self.boundary_mode, self.num_spatial_dims, "same")
        num_points = whole_shape(x.shape[1:])
        counts = [_num_modes(n, role, self.mode_fraction) for n, role in zip(num_points, axis_roles, strict=True)]
        bases = [
            _orthonormal(n, count, cells_of(mode), role)
            for n, count, mode, role in zip(num_points, counts, self.boundary_mode, axis_roles, strict=True)
        ]
        z = analyze(x.astype(wide), bases, counts)
        is_complex = z[1] is not None
        real, imag = self._multiplied(0, z, wide)
        z = self._multiplied(1, (activation(real), activation(imag)), wide)
        real, imag = (part - jnp.clip(part, -self.threshold, self.threshold) for part in z)
        return synthesize((real, imag if is_complex else None), bases).astype(x.dtype)

    def _multiplied(self, layer: int, z: Pair, dtype: jnp.dtype) -> tuple[Array, Array]:
        """The block-diagonal matrices of a layer times the channels of each mode: products of real matrices."""
        parts = [part.reshape(self.num_groups, -1, part[0].size) for part in z if part is not None]
        shape = next(part.shape for part in z if part is not None)
        real, imag = self.real[layer].astype(dtype), self.imag[layer].astype(dtype)
        columns = [jnp.concatenate([real, imag], 1), jnp.concatenate([-imag, real], 1)][: len(parts)]
        product = jnp.matmul(jnp.concatenate(columns, 2), jnp.concatenate(parts, 1), precision=HIGHEST)
        y_real, y_imag = jnp.split(product, 2, 1)
        return y_real.reshape(shape), y_imag.reshape(shape)

    @property
    def receptive_field(self) -> ReceptiveField:
        """Infinite: every mode is global."""
        return ((math.inf, math.inf),) * self.num_spatial_dims


def _num_modes(num_points: int, role: str, fraction: float) -> int:
    """How many modes of each sign are kept: all that the axis carries, or the lowest ones."""
    every = {"full": (num_points + 1) // 2, "half": num_points // 2 + 1, "same": num_points}[role]
    return max(1, int(fraction * every))


@lru_cache(maxsize=256)
def _orthonormal(num_points: int, num_modes: int, mode: AxisMode, role: str) -> Basis:
    """`boundary.basis`, with rows of length one."""
    plain = basis(num_points, num_modes, mode, role)
    lengths = np.linalg.norm(plain.analysis, axis=1)
    return plain._replace(analysis=plain.analysis / lengths[:, None], synthesis=plain.synthesis * lengths)
