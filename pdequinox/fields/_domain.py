"""Where the points of a field are."""

import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import wadler_lindig as wl
from jaxtyping import Array, PRNGKeyArray

from .._checks import numbers_per_axis, per_axis
from ..boundary import AxisMode, grid, normalize_boundary_mode, spacing


class Domain(eqx.Module):
    """A box with a uniform grid: the number of points and the spacing of each axis, and the condition at its walls.

    A static pytree: it has no leaves, is hashable, and two domains are equal if they place the same points.
    """

    N: tuple[int, ...] = eqx.field(static=True)
    """Number of points (degrees of freedom) per axis."""
    dx: tuple[float, ...] = eqx.field(static=True)
    """Distance between neighbouring points per axis; in [L]."""
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)
    """The boundary mode per axis, written out as by `normalize_boundary_mode`."""
    origin: tuple[float, ...] = eqx.field(static=True)
    """The lower end of each axis: its left wall, or the first point of a periodic axis; in [L]."""

    def __init__(
        self,
        N: Any,
        dx: Any,
        boundary_mode: Any = "periodic",
        origin: Any = None,
    ):
        r"""**Arguments:**

        - `N`: The number of points, degrees of freedom as in `boundary.grid`: one number for all axes, or one per axis.
            The number of axes is the length of the longest argument.
        - `dx`: The spacing, one number or one per axis. An axis of length $L$ with `N` points has the spacing
            `boundary.spacing(N, L, mode)`: $L/N$ for periodic axes, $L/(N+1)$ for Dirichlet nodes.
        - `boundary_mode`: One mode or one per axis.
        - `origin`: The lower end of each axis, one number or one per axis. `None` centres the grid: its points lie
            symmetrically about 0, $x_i = (i - (N-1)/2)\,\Delta x$. With `origin=0` they are those of `boundary.grid`.

        **Raises:** `ValueError` for wrong lengths, counts that are no positive integers, spacings that are not
        positive and finite, an unknown mode, or arrays that `jax.jit` traces: a domain is static.
        """
        num_spatial_dims = max(map(_length, (N, dx, boundary_mode, origin)))
        self.N = per_axis("N", N, num_spatial_dims)
        self.dx = numbers_per_axis("dx", dx, num_spatial_dims)
        if min(self.dx) <= 0:
            raise ValueError(f"`dx` must be positive, got {dx}. Give the distance between neighbouring points.")
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        self.origin = self._centred_origin() if origin is None else numbers_per_axis("origin", origin, len(self.N))

    def _centred_origin(self) -> tuple[float, ...]:
        return tuple(
            -(n - 1) / 2 * h - first for n, h, first in zip(self.N, self.dx, self._first_points(), strict=True)
        )

    def _first_points(self) -> tuple[float, ...]:
        """Distance of the first point of each axis from the axis' lower end."""
        axes = zip(self.N, self.extent, self.boundary_mode, strict=True)
        return tuple(float(grid(n, extent, mode)[0]) for n, extent, mode in axes)

    @property
    def ndim(self) -> int:
        """The number of spatial dimensions."""
        return len(self.N)

    @property
    def size(self) -> tuple[float, ...]:
        """`N * dx` per axis: the extent of periodic axes and of cells; see `extent` for the distance of the walls."""
        return tuple(n * h for n, h in zip(self.N, self.dx, strict=True))

    @property
    def extent(self) -> tuple[float, ...]:
        """The length of each axis: from wall to wall, or one period; in [L]."""
        # An axis of length 1 has the spacing 1 / (its length in spacings).
        axes = zip(self.N, self.dx, self.boundary_mode, strict=True)
        return tuple(h / spacing(n, 1.0, mode) for n, h, mode in axes)

    @property
    def cell_volume(self) -> float:
        """The product of the spacings; in [L]^ndim."""
        return math.prod(self.dx)

    @property
    def spatial_axis(self) -> list[Array]:
        """The coordinates of the points along each axis: a list of `ndim` arrays of shape `(N_i,)`."""
        axes = zip(self.N, self.dx, self.origin, self._first_points(), strict=True)
        return [jnp.asarray(start + first + h * np.arange(n)) for n, h, start, first in axes]

    @property
    def grid(self) -> Array:
        """The coordinates of the points, of shape `(*N, ndim)`."""
        return jnp.stack(jnp.meshgrid(*self.spatial_axis, indexing="ij"), axis=-1)

    def domain_sampler(self, key: PRNGKeyArray, num_samples: int) -> Array:
        """Points uniformly distributed in the box, of shape `(num_samples, ndim)`."""
        return self._scaled(jr.uniform(key, (num_samples, self.ndim)))

    def boundary_sampler(self, key: PRNGKeyArray, num_samples: int) -> Array:
        """Points uniformly distributed on the surface of the box, of shape `(num_samples, ndim)`.

        All 2 `ndim` faces (edges in 2D, end points in 1D), each as often as its share of the surface; those of
        periodic axes included.
        """
        face_key, point_key = jr.split(key)
        areas = np.repeat([math.prod(self.extent) / extent for extent in self.extent], 2)
        face = jr.choice(face_key, areas.size, (num_samples,), p=jnp.asarray(areas / areas.sum()))
        on_face = jax.nn.one_hot(face // 2, self.ndim, dtype=bool)
        points = jr.uniform(point_key, (num_samples, self.ndim))
        return self._scaled(jnp.where(on_face, (face % 2)[:, None], points))

    def _scaled(self, points: Array) -> Array:
        """From the unit box to this one."""
        return jnp.asarray(self.origin) + jnp.asarray(self.extent) * points

    def __hash__(self) -> int:
        return hash((self.N, self.dx, self.boundary_mode, self.origin))

    def __pdoc__(self, **kwargs) -> wl.AbstractDoc:
        """What is printed: what was given, not what was left at its default."""
        shown = [("N", self.N), ("dx", self.dx)]
        if any(mode != "periodic" for mode in self.boundary_mode):
            shown.append(("boundary_mode", self.boundary_mode))
        if self.origin != self._centred_origin():
            shown.append(("origin", self.origin))
        return wl.bracketed(
            wl.TextDoc("Domain("), wl.named_objs(shown, **kwargs), wl.comma, wl.TextDoc(")"), indent=kwargs["indent"]
        )


def _length(value: Any) -> int:
    """For how many axes an argument is."""
    is_sequence = isinstance(value, Sequence) and not isinstance(value, str)
    return len(value) if is_sequence or getattr(value, "ndim", 0) == 1 else 1
