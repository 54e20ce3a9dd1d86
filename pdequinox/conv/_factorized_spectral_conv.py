"""One truncated transform per axis, each with its own weights, added: the layer of the factorized FNO."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_sizes, per_axis
from ..boundary import AxisMode, BoundaryMode, basis, computed_by_shard, normalize_boundary_mode, roles, whole_shape
from ._lowering import accumulation_dtype
from ._receptive_field import ReceptiveField
from ._spectrum import Pair, analyze, mix, synthesize


class FactorizedSpectralConv(eqx.Module):
    r"""The sum over the axes of one-dimensional spectral layers, each applied to all lines of the grid along its axis.

    $$ y_o = \sum_a \mathcal{F}_a^{-1} \sum_i W^a_{o i}(k_a)\, \mathcal{F}_a u_i $$

    The number of weights grows linearly with the number of axes. In one dimension this is the layer
    [`pdequinox.conv.SpectralConv`][], and on bounded axes it is built in the same way: sines and cosines of the
    boundary mode, with complex weights (`parity="mixed"`) or real ones, which keep the condition (`"same"`).

    ??? cite "Source"
        Tran et al., *Factorized Fourier Neural Operators*, ICLR 2023, arXiv:2111.13802. Initial values as there. Its
        orthonormal scaling of the transforms cancels here. Bounded axes and different channel counts are ours.
    """

    weights_real: tuple[Array, ...]
    weights_imag: tuple[Array | None, ...]
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
        gain: float = 1.0,
        key: PRNGKeyArray,
    ):
        r"""**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`: As everywhere.
        - `num_modes`: The number of modes m, for all axes or one per axis.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][]. The two ends of an axis must be alike.
        - `parity`: `"mixed"` or `"same"`; without effect on periodic axes.
        - `gain`: Scales the initial values.
        - `key`: A JAX random key for the initial values: real and imaginary parts normal with standard deviation
            gain / sqrt(m (in_channels + out_channels)), which is Xavier's rule for the array (in, out, m, 2).

        The weights of an axis have the shape `(out_channels, in_channels, num_modes)`. Where they are real, the entry
        of `weights_imag` is `None`.

        **Raises:** `ValueError` for sizes that are not positive integers, a wrong parity, a wrong boundary mode, or
        one with two different ends on an axis.
        """
        self.num_spatial_dims, self.in_channels, self.out_channels = check_sizes(
            num_spatial_dims, in_channels, out_channels
        )
        self.num_modes = per_axis("num_modes", num_modes, num_spatial_dims)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        self.parity = parity
        roles(self.boundary_mode, num_spatial_dims, parity)
        keys = iter(jr.split(key, 2 * num_spatial_dims))
        real, imag = [], []
        for axis, modes in enumerate(self.num_modes):
            shape = (out_channels, in_channels, modes)
            scale = gain / math.sqrt(modes * (in_channels + out_channels))
            real_key, imag_key = next(keys), next(keys)
            real.append(scale * jr.normal(real_key, shape))
            imag.append(None if self._role(axis) == "same" else scale * jr.normal(imag_key, shape))
        self.weights_real, self.weights_imag = tuple(real), tuple(imag)

    def _role(self, axis: int) -> str:
        """Of the transform along one axis, by itself."""
        return roles((self.boundary_mode[axis],), 1, self.parity)[0]

    @computed_by_shard
    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`, in the dtype of the parameters.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        del key
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.weights_real[0].dtype)
        wide = x.astype(accumulation_dtype(x.dtype))
        y = self._along(0, wide)
        for axis in range(1, self.num_spatial_dims):
            y = y + self._along(axis, wide)
        return y.astype(x.dtype)

    def _along(self, axis: int, x: Array) -> Array:
        """The layer of one axis, for all lines at once."""
        num_modes, real, imag = self.num_modes[axis], self.weights_real[axis], self.weights_imag[axis]
        num_points = whole_shape(x.shape[1:])[axis]
        bases = [basis(num_points, num_modes, self.boundary_mode[axis], self._role(axis))]
        weights = real.astype(x.dtype)[None], None if imag is None else imag.astype(x.dtype)[None]

        def mixed(z: Pair) -> Pair:
            return mix(weights, z, bases)

        lines = jnp.moveaxis(x, 1 + axis, 1)
        z = analyze(lines.reshape(*lines.shape[:2], -1), bases, [num_modes], [axis])
        y = synthesize(jax.vmap(mixed, in_axes=2, out_axes=2)(z), bases, [axis])
        return jnp.moveaxis(y.reshape(-1, *lines.shape[1:]), 1, 1 + axis)

    @property
    def receptive_field(self) -> ReceptiveField:
        """Infinite: every mode is global along its axis."""
        return ((math.inf, math.inf),) * self.num_spatial_dims
