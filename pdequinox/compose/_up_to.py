"""To a finer grid of a given shape, by any block that refines grids."""

import inspect
from collections.abc import Callable, Sequence

import jax
from jaxtyping import Array

from ..boundary import BoundaryMode, pad


def up_to(up: Callable, x: Array, shape: Sequence[int], factor: int, boundary_mode: BoundaryMode) -> Array:
    """`up(x)` on a grid of the given shape.

    Blocks that accept `output_padding=` get the one that restores the shape; what still does not match is cropped at
    the right, or padded there by the boundary mode.
    """
    if "output_padding" in inspect.signature(up).parameters:
        # The trial is with the most: a grid of all fine points, which lies over devices wherever the coarse one does.
        most = jax.eval_shape(lambda x: up(x, output_padding=factor - 1), x).shape[1:]
        x = up(x, output_padding=tuple(max(factor - 1 - max(m - n, 0), 0) for n, m in zip(shape, most, strict=True)))
    else:
        x = up(x)
    x = x[(slice(None), *map(slice, shape))]
    return pad(x, [(0, n - m) for n, m in zip(shape, x.shape[1:], strict=True)], boundary_mode)
