"""A linear map that is one multigrid cycle with learned stencils (He, Liu and Xu, 2024)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax.random as jr
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_integer, check_sizes
from ..boundary import AxisMode, BoundaryMode, coarse_start, normalize_boundary_mode
from ._physics_conv import PhysicsConv
from ._physics_conv_transpose import PhysicsConvTranspose
from ._receptive_field import ReceptiveField, sum_receptive_fields

Smoothing = tuple[PhysicsConv | None, PhysicsConv]


class MultigridConv(eqx.Module):
    r"""A V-cycle for $A u = f$, as a linear map from f to u, all of whose stencils are learned.

    On each level l, with $u^0 = 0$ on the finest, so many times as told,

    $$ u^l \leftarrow u^l + S (f^l - A u^l); \quad \text{then down:} \quad u^{l+1} = \Pi u^l, \quad f^{l+1} = R f^l
    \;\;\text{or}\;\; R (f^l - A u^l); \quad \text{and up:} \quad u^l \leftarrow u^l + P u^{l+1}, $$

    after which it may be smoothed again. A, S, $\Pi$, R are convolutions, the last two with stride 2, P a transposed
    one; each is used once. So a map as global as the coarsest grid costs as much as a few local ones. With the second
    form, which restricts the residual, and $\Pi = 0$, it is the correction scheme of the textbooks.

    **Grids.** The coarse points are every second fine one, from [`pdequinox.boundary.coarse_start`][] on, so the walls
    of both grids are the same on $2^k - 1$ Dirichlet, $2^k + 1$ Neumann and $2^k$ periodic points, cells or points with
    a Dirichlet and a Neumann end. Other sizes work, but treat the right end differently.

    ??? cite "Source"
        He, Liu and Xu, *MgNO: Efficient Parameterization of Linear Operators via Multigrid*, ICLR 2024,
        arXiv:2310.19809. Layers and their sizes as in the authors' code; walls of both grids and all boundary modes
        are ours.
    """

    pre_smoothings: tuple[tuple[Smoothing, ...], ...]
    post_smoothings: tuple[tuple[Smoothing, ...], ...]
    operators: tuple[PhysicsConv, ...]
    state_restrictions: tuple[PhysicsConv, ...]
    source_restrictions: tuple[PhysicsConv, ...]
    prolongations: tuple[PhysicsConvTranspose, ...]
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_iterations: Any = (1, 1, 1, 2, 2),
        kernel_size: int | Sequence[int] = 3,
        prolongation_size: int | Sequence[int] = 4,
        use_residual: bool = False,
        use_bias: bool = False,
        zero_bias_init: bool = False,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`: The number of axes of the grid.
        - `in_channels`: The number of channels of f.
        - `out_channels`: The number of channels of u.
        - `num_iterations`: The number of smoothings of each level, finest first: one number, on the way down, or a
            pair, on the way down and up. There are as many levels as entries.
        - `kernel_size`: The number of taps of the convolutions; one integer or one per axis.
        - `prolongation_size`: That of the transposed convolutions. 3 are linear interpolation between points, 4 between
            cells.
        - `use_residual`: Whether the residual is restricted, and not f itself.
        - `use_bias`, `zero_bias_init`: Of A and S, as in [`pdequinox.conv.PhysicsConv`][]. With a bias the map is not
            linear.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][].
        - `key`: A JAX random key for the initial values, as in [`pdequinox.conv.PhysicsConv`][].

        **Raises:** `ValueError` for sizes that are not positive integers, numbers of iterations that are not, a finest
        level without one on the way down, and a wrong boundary mode.
        """
        self.num_spatial_dims, self.in_channels, self.out_channels = check_sizes(
            num_spatial_dims, in_channels, out_channels
        )
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        counts = _checked(num_iterations)
        keys = iter(jr.split(key, sum(2 * (pre + post) for pre, post in counts) + 4 * len(counts)))

        def make(kind: Any, c_in: int, c_out: int, size: Any, **options: Any) -> Any:
            return kind(num_spatial_dims, c_in, c_out, size, boundary_mode=boundary_mode, key=next(keys), **options)

        conv = partial(make, PhysicsConv, size=kernel_size, use_bias=use_bias, zero_bias_init=zero_bias_init)
        transfer = partial(make, stride=2, use_bias=False)

        def smoothings(count: int, starts_at_zero: bool = False) -> tuple[Smoothing, ...]:
            return tuple(
                (
                    None if starts_at_zero and i == 0 else conv(out_channels, in_channels),
                    conv(in_channels, out_channels),
                )
                for i in range(count)
            )

        changes = range(len(counts) - 1)
        self.pre_smoothings = tuple(smoothings(pre, level == 0) for level, (pre, _) in enumerate(counts))
        self.post_smoothings = tuple(smoothings(post) for _, post in counts)
        self.operators = tuple(conv(out_channels, in_channels) for _ in changes if use_residual)
        self.state_restrictions = tuple(transfer(PhysicsConv, out_channels, out_channels, kernel_size) for _ in changes)
        self.source_restrictions = tuple(transfer(PhysicsConv, in_channels, in_channels, kernel_size) for _ in changes)
        self.prolongations = tuple(
            transfer(PhysicsConvTranspose, out_channels, out_channels, prolongation_size) for _ in changes
        )

    def __call__(self, x: Array, *, key: PRNGKeyArray | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`, in the dtype of the parameters.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        del key
        f = check_input(x, self.in_channels, self.num_spatial_dims, self.pre_smoothings[0][0][1].weight.dtype)
        u: Any = None
        visited = []
        for level, smoothings in enumerate(self.pre_smoothings):
            if level > 0:
                visited.append((u, f))
                residual = f - self.operators[level - 1](u) if self.operators else f
                u = self._down(self.state_restrictions[level - 1], u)
                f = self._down(self.source_restrictions[level - 1], residual)
            u = _smoothed(smoothings, u, f)
        u = _smoothed(self.post_smoothings[-1], u, f)
        for prolongation, smoothings in reversed(list(zip(self.prolongations, self.post_smoothings, strict=False))):
            finer, f = visited.pop()
            u = _smoothed(smoothings, finer + self._up(prolongation, u, f.shape[1:]), f)
        return u

    def _starts(self, shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(map(coarse_start, shape, self.boundary_mode))

    def _down(self, restriction: PhysicsConv, x: Array) -> Array:
        """To every second point."""
        return restriction(x, start=self._starts(x.shape[1:]))

    def _up(self, prolongation: PhysicsConvTranspose, x: Array, shape: tuple[int, ...]) -> Array:
        """The reverse, to a grid of the given shape."""
        starts = self._starts(shape)
        more = [n - start - 2 * m + 1 for n, m, start in zip(shape, x.shape[1:], starts, strict=True)]
        return prolongation(x, output_padding=more, start=starts)

    @property
    def receptive_field(self) -> ReceptiveField:
        """How far an output sees to the left and right, per axis, in points of the finest grid."""
        fields, scales = [], []
        for level, (pre, post) in enumerate(zip(self.pre_smoothings, self.post_smoothings, strict=True)):
            convs = [conv for pair in (*pre, *post) for conv in pair if conv is not None]
            if level < len(self.prolongations):
                convs += [
                    self.source_restrictions[level],
                    self.prolongations[level],
                    *self.operators[level : level + 1],
                ]
            fields += [conv.receptive_field for conv in convs]
            scales += [2.0**level] * len(convs)
        return sum_receptive_fields(fields, scales)


def _smoothed(smoothings: Sequence[Smoothing], u: Any, f: Array) -> Array:
    for operator, smoother in smoothings:
        u = smoother(f) if operator is None else u + smoother(f - operator(u))
    return u


def _checked(num_iterations: Any) -> tuple[tuple[int, int], ...]:
    """One pair of numbers per level."""
    entries = tuple(num_iterations) if np.iterable(num_iterations) else ()
    pairs = [tuple(entry) if np.iterable(entry) else (entry, 0) for entry in entries]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise ValueError(
            f"`num_iterations` must have a number or a pair of numbers for each level, got {num_iterations!r}. Give at "
            "least one level; a pair counts the smoothings on the way down and up."
        )
    counts = tuple((check_integer("num_iterations", a, 0), check_integer("num_iterations", b, 0)) for a, b in pairs)
    if counts[0][0] == 0:
        raise ValueError(
            f"`num_iterations` must begin with at least one smoothing, got {num_iterations!r}. There is nothing to "
            "restrict without."
        )
    return counts
