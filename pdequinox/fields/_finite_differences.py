"""Fields whose derivatives are finite differences."""

from collections.abc import Collection, Sequence
from typing import Any, Literal

import equinox as eqx
from jaxtyping import Array

from .._checks import check_integer
from ..boundary import pad
from ._on_grid import OnGrid


class FiniteDifferences(OnGrid):
    r"""Values on a grid, differentiated by central finite differences.

    Derivatives have errors of order $\Delta x^{\text{accuracy}}$, at the walls too: values beyond a wall are those of
    the polynomial through the nearest points and the condition that the field satisfies.
    """

    accuracy: int = eqx.field(static=True, default=8)
    """The order of convergence of the derivatives."""
    ghosts: str = eqx.field(static=True, default="polynomial")
    """Where values beyond a wall come from."""

    def __init__(
        self,
        params: Any,
        domain: Any,
        accuracy: int = 8,
        ghosts: Literal["polynomial", "reflect"] | str = "polynomial",
        free_axes: Collection[int] = (),
    ):
        """**Arguments:**

        - `params`: The values, of shape `(*batch, *N, C)`.
        - `domain`: Where the points are.
        - `accuracy`: The order of convergence, even. A stencil has `accuracy + 1` points.
        - `ghosts`: `"polynomial"`, or `"reflect"` for mirror images about the walls, odd where u = 0 and even where
            u' = 0. These suit dynamics that keep the symmetry (the heat equation does, a constant force does not). For
            other fields derivatives are of low order at the wall, whatever the accuracy: 1 for the gradient and 0 for
            the Laplacian where u = 0, 2 and 1 where u' = 0.
        - `free_axes`: The axes along which the field does not satisfy the domain's condition.

        **Raises:** `ValueError` as `OnGrid`, and for an accuracy that is not even, other ghosts, or fewer points along
        a bounded axis than the polynomial needs.
        """
        super().__init__(params, domain, free_axes)
        self.accuracy = check_integer("accuracy", accuracy, 2)
        if accuracy % 2:
            raise ValueError(f"`accuracy` must be even, got {accuracy}. Central stencils have even orders.")
        if ghosts not in ("polynomial", "reflect"):
            raise ValueError(f"`ghosts` must be 'polynomial' or 'reflect', got {ghosts!r}. Check the spelling.")
        self.ghosts = ghosts
        for n, mode in zip(domain.N, domain.boundary_mode, strict=True):
            if mode != "periodic" and n < accuracy + 2:
                raise ValueError(
                    f"`accuracy` must be at most {(n - 2) // 2 * 2} for {n} points between walls, got {accuracy}. "
                    "Lower it or refine the grid."
                )

    @property
    def _num_interpolation_points(self) -> int:
        return self.accuracy

    def padded(self, values: Array, widths: Sequence[tuple[int, int]], degree: int) -> Array:
        """`values` (shaped like `params`) with ghosts by polynomials of `degree` and the conditions of this field."""
        reflect = self.ghosts == "reflect"
        return pad(values, widths, self.condition, self.spatial_axes, degree=degree, reflect=reflect)

    def _padded(self, values: Array, width: int) -> Array:
        return self.padded(values, [(width, width)] * self.domain.ndim, degree=2 * width - 1)
