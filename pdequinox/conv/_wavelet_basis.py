"""Daubechies' wavelets of one scale as matrices (Daubechies, 1988)."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..boundary import extension


@lru_cache(maxsize=32)
def daubechies(num_vanishing_moments: int) -> np.ndarray:
    r"""The low-pass filter of Daubechies' wavelet with p vanishing moments ("db p"): 2p taps, orthonormal.

    $|h(\omega)|^2 = 2 \cos^{2p}(\omega/2)\, P(\sin^2(\omega/2))$, $P(y) = \sum_{k<p} \binom{p-1+k}{k} y^k$, from the
    roots of P inside of the unit circle (minimum phase).

    **Returns:** An array of shape `(2 p,)`, read-only.
    """
    p = num_vanishing_moments
    taps = np.ones(1)
    for y in np.roots([math.comb(p - 1 + k, k) for k in reversed(range(p))]):
        # y = (2 - z - 1/z) / 4 at z and 1/z.
        z = np.roots([1, 4 * y - 2, 1])
        taps = np.convolve(taps, [1, -z[np.argmin(np.abs(z))]])
    for _ in range(p):
        taps = np.convolve(taps, [1, 1])
    taps = np.real(taps)
    taps *= math.sqrt(2) / np.sum(taps)
    taps.setflags(write=False)
    return taps


def num_wavelets(num_points: int, num_levels: int, num_vanishing_moments: int) -> int:
    """How many functions of the coarsest scale meet an axis of `num_points`: for each level, (n + 2p - 1) / 2."""
    stride, more = 2**num_levels, 2 * num_vanishing_moments - 2
    return (num_points - 1 + (stride - 1) * more) // stride + 1


@lru_cache(maxsize=64)
def wavelets(num_points: int, num_levels: int, num_vanishing_moments: int, mode: Any) -> tuple[np.ndarray, np.ndarray]:
    """The scaling functions and the wavelets of the coarsest scale on one axis, in double precision on the host.

    The field is extended by mirror images (odd where u = 0, even where u' = 0), or periodically, and projected on all
    functions that meet the axis; the sum of these, on the axis, is the projection. No coefficient is wrapped around.

    **Returns:** The analysis matrices, of shape `(2, K, num_points)`, and those of the synthesis, `(2, num_points, K)`:
    first those of the scaling functions. Read-only.
    """
    low_pass = daubechies(num_vanishing_moments)
    high_pass = low_pass[::-1] * (-1.0) ** np.arange(len(low_pass))
    scaling = wavelet = np.ones(1)
    for level in range(num_levels):
        apart = np.zeros(((len(low_pass) - 1) * 2**level + 1, 2))
        apart[:: 2**level] = np.stack([low_pass, high_pass], axis=1)
        wavelet, scaling = np.convolve(scaling, apart[:, 1]), np.convolve(scaling, apart[:, 0])
    stride, count = 2**num_levels, num_wavelets(num_points, num_levels, num_vanishing_moments)
    low = (stride - 1) * (len(low_pass) - 2)
    high = (count - 1) * stride + len(scaling) - low - num_points
    rows = np.zeros((2, count, low + num_points + high))
    for k in range(count):
        rows[:, k, k * stride : k * stride + len(scaling)] = scaling, wavelet
    analysis = rows @ extension(num_points, low, high, mode)
    synthesis = np.swapaxes(rows[:, :, low : low + num_points], 1, 2)
    for matrix in (analysis, synthesis):
        matrix.setflags(write=False)
    return analysis, synthesis
