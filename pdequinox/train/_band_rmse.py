"""Errors by wave number: where in the spectrum a prediction is wrong."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..boundary import AxisMode, basis, normalize_boundary_mode, quadrature_weights, vanishes_at_a_wall
from ._metrics import checked_pair


def band_rmse(
    prediction: ArrayLike, target: ArrayLike, boundary_mode: Any = "periodic", *, edges: Any = (5, 13)
) -> Float[Array, "samples bands"]:
    r"""Root mean square of the part of each sample's error that lies in each band of wave numbers.

    The error is expanded in the modes of the boundary condition: sines and cosines of whole periods on periodic axes,
    sines where u = 0 and cosines where u' = 0 at the walls. The wave number of a mode is
    $|k| = (k_1^2 + \dots + k_d^2)^{1/2}$, where $k_i$ counts its periods along axis i: whole numbers on periodic axes,
    halves between walls. Band b holds the modes with $\text{edges}_{b-1} \le |k| < \text{edges}_b$; the first one
    starts at zero, the last one has no end. With the default edges these are the low (0 to 4), middle (5 to 12) and
    high wave numbers of PDEBench.

    The squares of the bands add up to the `mse`, with the grid's quadrature weights: nothing is lost or counted twice.

    **Arguments:**

    - `prediction`: The fields, of shape `(samples, channels, *spatial)`; in [u].
    - `target`: The fields they should be, of the same shape; in [u]. Pass zeros for the spectrum of `prediction`.
    - `boundary_mode`: The boundary mode, or one per axis.
    - `edges`: Positive and increasing wave numbers that separate the bands.

    **Returns:** One number per sample and band, in [u]; zero for a band of which the grid carries no mode.

    **Raises:** `ValueError` if the shapes differ, for a wrong mode, one with two different ends on an axis, and edges
        that are not positive and increasing.

    ??? cite "Source"
        The fRMSE of Takamoto et al., *PDEBench: An Extensive Benchmark for Scientific Machine Learning*, NeurIPS 2022,
        arXiv:2210.07182. PDEBench averages Fourier coefficients over a band, so its numbers depend on the grid and do
        not add up; ours are root mean squares of the fields that the bands hold. Walls are ours.
    """
    prediction, target = checked_pair(prediction, target)
    edges = tuple(edges)
    if not all(low < high for low, high in zip((0, *edges), edges, strict=False)):
        raise ValueError(f"`edges` must be positive and increasing, got {edges}. Sort them.")
    modes = normalize_boundary_mode(boundary_mode, target.ndim - 2)
    coefficients, squares = prediction - target, np.zeros(())
    for axis, (n, mode) in enumerate(zip(target.shape[2:], modes, strict=True), start=2):
        analysis, wave_numbers = _orthonormal_analysis(n, mode)
        matrix = jnp.asarray(analysis, coefficients.dtype)
        product = jnp.tensordot(matrix, coefficients, (1, axis), precision=jax.lax.Precision.HIGHEST)
        coefficients = jnp.moveaxis(product, 0, axis)
        squares = squares[..., None] + wave_numbers**2
    energy = jnp.mean(coefficients**2, axis=1)
    band = np.searchsorted(np.square(edges), squares.ravel(), side="right")
    in_band = jax.nn.one_hot(band, len(edges) + 1, dtype=energy.dtype)
    sums = jnp.matmul(energy.reshape(len(energy), -1), in_band, precision=jax.lax.Precision.HIGHEST)
    return jnp.where(sums > 0, jnp.sqrt(jnp.where(sums > 0, sums, 1)), 0)


@lru_cache(maxsize=64)
def _orthonormal_analysis(num_points: int, mode: AxisMode) -> tuple[np.ndarray, np.ndarray]:
    """A matrix from values to real coefficients whose squares add up to the mean square, and their wave numbers."""
    synthesis = basis(num_points, num_points, mode, "half" if mode == "periodic" else "same").synthesis
    if mode == "periodic":
        columns = np.hstack([np.real(synthesis), np.imag(synthesis)])
        wave_numbers = np.tile(np.arange(synthesis.shape[1]), 2)
    else:
        columns, wave_numbers = synthesis, (np.arange(num_points) + vanishes_at_a_wall(mode)) / 2
    weights = quadrature_weights(num_points, 1.0, mode)
    weights = weights / weights.sum()
    sizes = weights @ columns**2
    exists = sizes > 1e-12 * sizes.max()  # the sines of wave number 0 and of the Nyquist frequency are zero
    return (columns[:, exists] / np.sqrt(sizes[exists]) * weights[:, None]).T, wave_numbers[exists]
