r"""Truncated Fourier, sine and cosine transforms as pairs of matrices (Strang, SIAM Review 41, 1999).

A bounded axis is half a period of its odd (u = 0) or even (u' = 0) extension. The Fourier coefficients of the
extension at the wave numbers $\pm k$ are, up to a phase, one sine or cosine sum over the original points: DST-I and
DCT-I on nodes, DST-II and DCT-II on cells. So a layer that is periodic on the extension needs matrices of the
original size only.
"""

from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from .._checks import check_integer
from ._grid import num_intervals
from ._modes import AxisMode, BoundaryMode, ends_of, normalize_boundary_mode

Role: TypeAlias = Literal["full", "half", "same"]


class SignBlock(NamedTuple):
    """The weights of one sign of the wave number, as they lie along an axis of a layer's weights."""

    start: int
    stop: int
    """The grid carries the modes of the weights `start ... stop - 1`."""
    descending: bool
    """Whether their wave numbers descend in magnitude."""
    offset: int
    """The row of `Basis.analysis` that belongs to the smallest of their wave numbers."""


class Basis(NamedTuple):
    """One axis of a truncated transform: N points, K wave numbers of ascending magnitude."""

    analysis: np.ndarray
    """Matrix of shape (K, N), from points to the coefficients of wave numbers +k; its complex conjugate is for -k.
    Complex on periodic axes; real on bounded ones, whose coefficients of +k and -k differ by a constant phase."""
    synthesis: np.ndarray
    """Matrix of shape (N, K), from the coefficients of +k to points; its complex conjugate is for -k. Holds the phase
    of bounded axes. Complex, but real for the role "same". With fewer or more rows where another grid was asked for."""
    blocks: tuple[SignBlock, ...]
    """Where a layer's weights go: the block of +k and, for the role "full", that of -k."""


def roles(modes: BoundaryMode, num_spatial_dims: int, parity: str) -> tuple[Role, ...]:
    """How each axis of a multi-dimensional real transform counts its wave numbers.

    - `"full"`: both signs, each with weights of its own;
    - `"half"`: one sign; the other one is its complex conjugate, because fields are real;
    - `"same"`: sines to sines or cosines to cosines, with one real weight.

    With `parity="mixed"` the last axis is the half one. With `parity="same"` all bounded axes are `"same"`, and the
    last periodic axis, if there is one, is the half one.

    **Raises:** `ValueError` for another parity, and for an axis with two different ends, which has no basis.
    """
    normalized = normalize_boundary_mode(modes, num_spatial_dims)
    for axis, mode in enumerate(normalized):
        _check_has_basis(mode, f" on axis {axis}")
    if parity not in ("mixed", "same"):
        raise ValueError(f"`parity` must be 'mixed' or 'same', got {parity!r}. Use 'mixed' unless you know better.")
    same = [parity == "same" and mode != "periodic" for mode in normalized]
    half = max((axis for axis in range(num_spatial_dims) if not same[axis]), default=None)
    return tuple("same" if same[a] else "half" if a == half else "full" for a in range(num_spatial_dims))


def _check_has_basis(mode: AxisMode, place: str = "") -> None:
    if not isinstance(mode, str):
        raise ValueError(
            f"`boundary_mode` must be the same at both ends of an axis in a spectral layer, got {mode!r}{place}. "
            "There is no basis for mixed ends yet: use a convolutional network."
        )


@lru_cache(maxsize=256)
def basis(num_points: int, num_modes: int, mode: Any, role: Any, num_outputs: int | None = None) -> Basis:
    r"""The analysis and synthesis matrices of one axis, in double precision on the host.

    Index j of the non-negative block is the wave number j (`periodic`, `neumann`, `cell-neumann`) or j + 1
    (`dirichlet`, `cell-dirichlet`, whose zeroth sine does not exist). Index j of the negative block is the wave number
    $-(m - j)$ (`periodic`; ascending, as in an FFT) or minus the non-negative one (bounded). Wave numbers are in
    units of $2\pi/L$ (periodic) or $\pi/L$ (bounded).

    **No mode is counted twice.** Modes that the grid does not carry are left out. The wave number zero belongs to
    the non-negative block. The Nyquist frequency of an even period (N points, or the extension's 2N - 2 or 2N) is one
    mode with two signs: on a full axis it belongs to the negative block, on a half axis it counts once, as in an
    inverse real FFT.

    **From one grid to another.** With `num_outputs`, the synthesis gives the values at the points of another grid of
    the same axis, and the modes are those that both grids carry. Which mode is a Nyquist frequency, and so counts once,
    is said by the grid of the analysis.

    **Arguments:**

    - `num_points`: N, the number of points on the axis.
    - `num_modes`: m, the number of modes that the layer has weights for.
    - `mode`: One of `MODES`.
    - `role`: One of `"full"`, `"half"`, `"same"` (bounded axes only); see `roles`.
    - `num_outputs`: The number of points after the synthesis; N by default.

    **Returns:** A `Basis`; its arrays are shared and read-only.

    **Raises:** `ValueError` for counts that are not positive integers, an unknown mode or role, and a mode with two
    different ends.
    """
    check_integer("num_modes", num_modes)
    (mode,) = normalize_boundary_mode((mode,), 1)
    _check_has_basis(mode)
    if role not in get_args(Role) or (role == "same" and mode == "periodic"):
        raise ValueError(
            f"`role` must be 'full', 'half' or, on a bounded axis, 'same', got {role!r} for mode {mode!r}. See `roles`."
        )
    ends = ends_of(mode)
    num_outputs = num_points if num_outputs is None else num_outputs
    period, output_period = (
        round((1 if ends is None else 2) * num_intervals(count, mode)) for count in (num_points, num_outputs)
    )
    fewest = min(num_points, num_outputs)
    if ends is None:
        odd, offset, multiplicity = False, 0.0, np.ones(num_points)
        highest = fewest // 2
    else:
        odd, offset = ends[0].parity < 0, float(ends[0].offset)
        multiplicity = np.full(num_points, 2.0)
        if offset == 0:
            multiplicity[[0, -1]] = 1.0
        highest = fewest if odd else fewest - 1
    first = int(odd)
    if ends is None and role == "full":
        highest = min(highest, num_modes)  # the negative block reaches one further than the non-negative one
    else:
        highest = min(highest, first + num_modes - 1)
    wave_numbers = np.arange(first, highest + 1)
    num_waves = len(wave_numbers)
    nyquist = period / 2

    if role == "full":
        num_positive = min(num_modes, int(np.sum(wave_numbers < nyquist)))
        num_negative = int(np.sum(wave_numbers > 0))
        start, stop = (num_modes - num_negative, num_modes) if ends is None else (num_waves - num_negative, num_waves)
        blocks = (
            SignBlock(0, num_positive, descending=False, offset=0),
            SignBlock(start, stop, descending=ends is None, offset=num_waves - num_negative),
        )
        counts = np.ones(num_waves)
    else:
        blocks = (SignBlock(0, num_waves, descending=False, offset=0),)
        counts = np.where((wave_numbers == 0) | (wave_numbers == nyquist), 1.0, 2.0)

    angle, output_angle = (
        2 * np.pi / length * np.outer(wave_numbers, offset + np.arange(count))
        for length, count in ((period, num_points), (output_period, num_outputs))
    )
    if ends is None:
        analysis, phase = np.exp(-1j * angle), 1
    elif odd:
        # The coefficients of the extension at +k and -k are -i and +i times one sine sum: the sum stays real.
        analysis, phase = multiplicity * np.sin(angle), -1j
    else:
        analysis, phase = multiplicity * np.cos(angle), 1
    synthesis = phase / period * (counts[:, None] * np.exp(1j * output_angle)).T
    if role == "same":
        synthesis = synthesis.real
    for matrix in (analysis, synthesis):
        matrix.setflags(write=False)
    return Basis(analysis, synthesis, blocks)
