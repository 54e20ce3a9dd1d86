"""The adaptive Fourier neural operator (Guibas et al., 2022), on bounded axes too."""

import math
from collections.abc import Callable, Sequence

import jax
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer, check_shape, per_axis
from ..blocks import AFNOBlockFactory, PatchEmbedBlockFactory, PatchUnembedBlockFactory
from ..boundary import BoundaryMode
from ..compose import Sequential
from ..conv import LearnedField


class AFNO(Sequential):
    """Patches, blocks that mix them by a perceptron on the coefficients of their transform, and back to the points.

    Grids of any size work: the boundary mode extends them to a multiple of the patch, and the output is cropped. Read
    in [`pdequinox.conv.SpectralMixer`][] what a nonlinearity of coefficients means for other grids than that of
    training, and for symmetries, of which this network has none.

    ??? cite "Source"
        Guibas et al., *Adaptive Fourier Neural Operators: Efficient Token Mixers for Transformers*, ICLR 2022,
        arXiv:2111.13587. Layers, initial values and defaults as in The Well's benchmark (Ohana et al., NeurIPS 2024,
        arXiv:2412.00568), whose position embedding belongs to one grid: name it in `num_points` to have one. Its GELU
        is the exact one, ours JAX's default. No dropout. Bounded axes, one dimension and any grid size are ours.
    """

    position: LearnedField | None

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 384,
        num_blocks: int = 14,
        patch_size: int | Sequence[int] = 8,
        num_points: int | Sequence[int] | None = None,
        num_groups: int | None = None,
        threshold: float = 0.01,
        mode_fraction: float = 1.0,
        mlp_factor: int = 4,
        use_double_skip: bool = True,
        initial_scale: float = 0.02,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `key`: As everywhere.
        - `hidden_channels`: The number of channels of a patch.
        - `num_blocks`: The number of blocks.
        - `patch_size`: The number of points of a patch; one integer or one per axis.
        - `num_points`: The grid of a learned position embedding, one vector per patch, as
            [`pdequinox.conv.LearnedField`][] adds it on this and interpolates it to other grids; one integer or one
            per axis. None by default.
        - `num_groups`: The number of groups of channels that the spectral mixers do not mix; divides `hidden_channels`.
            By default 8, or as many of them as divide `hidden_channels`: the greatest common divisor.
        - `threshold`, `mode_fraction`, `initial_scale`: As in [`pdequinox.conv.SpectralMixer`][].
        - `mlp_factor`, `use_double_skip`: As in [`pdequinox.blocks.AFNOBlock`][].
        - `activation`: A function of one array, or a module with parameters.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][]. The two ends of an axis must be alike.

        **Raises:** `ValueError` for counts that are not positive integers, and what the blocks raise.
        """
        if num_groups is None:
            num_groups = math.gcd(8, check_integer("hidden_channels", hidden_channels))
        key, position_key = jr.split(key)
        self.position = None
        if num_points is not None:
            points = per_axis("num_points", num_points, num_spatial_dims)
            patch = per_axis("patch_size", patch_size, num_spatial_dims)
            patches = [-(-n // p) for n, p in zip(points, patch, strict=True)]
            self.position = LearnedField(
                num_spatial_dims, hidden_channels, patches, boundary_mode=boundary_mode, key=position_key
            )
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            hidden_channels=hidden_channels,
            num_blocks=num_blocks,
            activation=activation,
            boundary_mode=boundary_mode,
            lifting_factory=PatchEmbedBlockFactory(patch_size),
            block_factory=AFNOBlockFactory(
                num_groups, threshold, mode_fraction, mlp_factor, use_double_skip, initial_scale
            ),
            projection_factory=PatchUnembedBlockFactory(patch_size),
            key=key,
        )

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape, and what the blocks raise.
        """
        x = check_shape(x, self.in_channels, self.num_spatial_dims)
        patches = self.lifting(x)
        if self.position is not None:
            patches = self.position(patches)
        for block in self.blocks:
            patches = block(patches)
        return self.projection(patches)[(slice(None), *map(slice, x.shape[1:]))]
