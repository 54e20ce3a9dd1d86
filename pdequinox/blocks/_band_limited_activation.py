"""Activations that do not alias (Karras et al., 2021; Raonic et al., 2023)."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array

from .._checks import check_integer, check_shape, per_axis
from ..boundary import AxisMode, BoundaryMode, normalize_boundary_mode, resampled_size
from ..conv import ReceptiveField, filtered_resample
from ._activation import as_activation


class BandLimitedActivation(eqx.Module):
    r"""Refine the grid by 2, activate, return to the grid: $D\, \sigma(U u)$ instead of $\sigma(u)$.

    An activation makes frequencies that the grid does not carry. On the grid they look like low ones (aliasing), and
    what the network does then depends on the grid: it does not commute with shifts by parts of a spacing, and another
    resolution gives another function. Here U and D are low-pass filters, the windowed sines of
    [`pdequinox.boundary.resampling`][], so most of these frequencies are filtered out. The result may also be wanted on
    another grid: the activation then happens on one that is twice as fine as the finer of the two.

    Beyond walls the field, and then its activation, continue as mirror images: odd where u = 0, even where u' = 0. All
    modes, and different ends, work.

    ??? cite "Source"
        Karras et al., *Alias-Free Generative Adversarial Networks*, NeurIPS 2021, arXiv:2106.12423; in a neural
        operator: Raonic et al., *Convolutional Neural Operators*, NeurIPS 2023, arXiv:2302.01178. Ours is written for
        any grid and boundary: the filters are those of the paper (Kaiser-windowed sines as wide as six spacings), not
        the bicubic ones of its later, simplified code, because they exist for every mode and width, with a band that
        can be stated. They are normalised for each point.
    """

    activation: Callable = eqx.field(converter=as_activation)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)
    filter_size: int = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        *,
        filter_size: int = 6,
        activation: Callable = jax.nn.leaky_relu,
        boundary_mode: BoundaryMode = "periodic",
    ):
        """**Arguments:**

        - `num_spatial_dims`: The number of axes of the grid.
        - `filter_size`: The width of the low-pass filters, in spacings of the coarser of their grids; even. Wider ones
            are sharper: they alias less and let more of the wanted frequencies through.
        - `activation`: A function of one array, or a module with parameters.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][].

        **Raises:** `ValueError` for a filter of less than two spacings and a wrong boundary mode.
        """
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        self.filter_size = check_integer("filter_size", filter_size, minimum=2)
        self.activation = activation

    def __call__(self, x: Array, *, shape: Any = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(channels, *spatial)`.
        - `shape`: The grid of the result, one integer for all axes or one per axis; that of `x` by default.

        **Returns:** An array of shape `(channels, *shape)`.

        **Raises:** `ValueError` for another number of axes, and counts that are not positive.
        """
        num_spatial_dims = len(self.boundary_mode)
        x = check_shape(x, x.shape[0] if x.ndim else 0, num_spatial_dims)
        shape = x.shape[1:] if shape is None else per_axis("shape", shape, num_spatial_dims)
        x = filtered_resample(x, self._finer(x.shape[1:], shape), self.boundary_mode, filter_size=self.filter_size)
        return filtered_resample(self.activation(x), shape, self.boundary_mode, filter_size=self.filter_size)

    def _finer(self, *shapes: Sequence[int]) -> tuple[int, ...]:
        sizes = map(max, *shapes)
        return tuple(resampled_size(n, 0.5, mode) for n, mode in zip(sizes, self.boundary_mode, strict=True))

    @property
    def receptive_field(self) -> ReceptiveField:
        """How far an output on the same grid sees to the left and right, per axis, in points."""
        reach = self.filter_size - 1.0
        return ((reach, reach),) * len(self.boundary_mode)
