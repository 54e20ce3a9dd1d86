"""Where a point is, as an input of any network."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._checks import check_floating, check_integer
from ..boundary import AxisMode, BoundaryMode, grid, normalize_boundary_mode

EMBEDDINGS = ("grid", "sinusoidal")


def num_position_channels(num_spatial_dims: int, embedding: str = "grid", num_frequencies: int = 1) -> int:
    """The number of channels that `position_channels` makes."""
    _check(embedding, num_frequencies)
    return num_spatial_dims * (1 if embedding == "grid" else 2 * num_frequencies)


def position_channels(
    shape: Sequence[int], boundary_mode: BoundaryMode, embedding: str = "grid", num_frequencies: int = 1
) -> np.ndarray:
    r"""Channels that say where each point of a grid is, on the unit box.

    - `"grid"`: the coordinates $x_i \in [0, 1]$ of the points (see [`pdequinox.boundary.grid`][]). On a periodic axis
      they jump at the end, and the network is no longer equivariant to shifts.
    - `"sinusoidal"`: $\sin 2^k \pi s x_i$ and $\cos 2^k \pi s x_i$ for $k = 0 \dots$ `num_frequencies` - 1, with
      $s = 2$ on periodic axes, where they are smooth, and $s = 1$ on bounded ones, where the cosine is one-to-one.

    **Arguments:**

    - `shape`: The number of points per axis.
    - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][].
    - `embedding`: `"grid"` or `"sinusoidal"`.
    - `num_frequencies`: The number of frequencies per axis; without effect for `"grid"`.

    **Returns:** An array of shape `(num_position_channels, *shape)`, in double precision on the host.

    **Raises:** `ValueError` for another embedding, or a number of frequencies that is not positive.
    """
    lines = _position_lines(shape, boundary_mode, embedding, num_frequencies)
    return np.stack([np.broadcast_to(line, tuple(shape)) for line in lines])


def _position_lines(
    shape: Sequence[int], boundary_mode: BoundaryMode, embedding: str, num_frequencies: int
) -> list[np.ndarray]:
    """The channels, each with its values along one axis only."""
    _check(embedding, num_frequencies)
    modes = normalize_boundary_mode(boundary_mode, len(shape))
    lines = []
    for axis, (n, mode) in enumerate(zip(shape, modes, strict=True)):
        x = grid(n, 1.0, mode).reshape(-1, *(1,) * (len(shape) - 1 - axis))
        if embedding == "grid":
            lines.append(x)
        else:
            waves = np.pi * (2 if mode == "periodic" else 1) * 2.0 ** np.arange(num_frequencies)
            lines.extend(function(k * x) for k in waves for function in (np.sin, np.cos))
    return lines


def _check(embedding: str, num_frequencies: int) -> None:
    if embedding not in EMBEDDINGS:
        raise ValueError(
            f"`embedding` must be one of {', '.join(map(repr, EMBEDDINGS))}, got {embedding!r}. Check the spelling."
        )
    check_integer("num_frequencies", num_frequencies)


class PositionEmbedding(eqx.Module):
    r"""A network that also sees where each point is: $y = \text{network}([u, p(x)])$.

    Give the network `num_position_channels(...)` input channels more. What is embedded is in
    [`pdequinox.compose.position_channels`][].

    ??? cite "Source"
        Coordinates as channels: Liu et al., *CoordConv*, NeurIPS 2018, arXiv:1807.03247, and Li et al., ICLR 2021,
        arXiv:2010.08895; sines and cosines: Mildenhall et al., *NeRF*, ECCV 2020, arXiv:2003.08934, with frequencies
        that fit the boundary mode.
    """

    network: Callable[[Array], Array]
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)
    embedding: str = eqx.field(static=True)
    num_frequencies: int = eqx.field(static=True)

    def __init__(
        self,
        network: Callable[[Array], Array],
        num_spatial_dims: int,
        *,
        embedding: str = "grid",
        num_frequencies: int = 1,
        boundary_mode: BoundaryMode = "periodic",
    ):
        """**Arguments:**

        - `network`: A map of one sample whose input channels are those of the state followed by those of the position.
        - `num_spatial_dims`: The number of axes of the grid.
        - `embedding`, `num_frequencies`, `boundary_mode`: As in [`pdequinox.compose.position_channels`][].

        **Raises:** `ValueError` for another embedding or a wrong boundary mode.
        """
        _check(embedding, num_frequencies)
        self.network = network
        self.embedding = embedding
        self.num_frequencies = num_frequencies
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)

    def __call__(self, x: Array, *args, **kwargs) -> Array:
        """**Arguments:**

        - `x`: The state, of shape `(channels, *spatial)`.
        - Others: Handed to the network.

        **Returns:** What the network makes of them.

        **Raises:** `ValueError` for another number of axes, or integers.
        """
        x = check_floating("x", x)
        if x.ndim != len(self.boundary_mode) + 1:
            raise ValueError(
                f"`x` must have the shape (channels, *spatial) with {len(self.boundary_mode)} spatial axes, got "
                f"{x.shape}. Use `jax.vmap(network)` for a batch."
            )
        # Lines that the device spreads out: a program that held all points would be as large as the field.
        lines = _position_lines(x.shape[1:], self.boundary_mode, self.embedding, self.num_frequencies)
        position = [jnp.broadcast_to(jnp.asarray(line, x.dtype), (1, *x.shape[1:])) for line in lines]
        return self.network(jnp.concatenate([x, *position]), *args, **kwargs)
