"""The U-shaped neural operator (Rahman et al., 2022)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from .._checks import check_integer
from ..blocks import ChannelMLPBlockFactory, FNOBlockFactory
from ..boundary import BoundaryMode
from ..compose import NeuralOperator

ACTIVATED = ("between", "everywhere", "nowhere")


class UNO(NeuralOperator):
    """Spectral blocks that go down to coarser grids and up again, with skips between blocks on equal levels.

    A block's modes above those of its two grids are left out, so any grid works. Skips that change the grid are
    interpolated by the sines or cosines of the boundary modes; the references do so bicubically.

    ??? cite "Source"
        Rahman, Ross and Azizzadenesheli, *U-NO: U-shaped Neural Operators*, TMLR 2022, arXiv:2204.11127. Arguments as
        in neuraloperator 2.0, which has no default for channels, modes and scalings: ours are those of its Darcy
        example. It activates no block (`activated="nowhere"`), and its spectral layers put the negative wave numbers of
        all axes but the last at a wrong place where the grid changes. PDEArena's UNO-64 is in the tests; it has no
        perceptrons in its blocks, and an instance norm that undoes their biases.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 64,
        block_channels: Sequence[int] = (32, 64, 64, 64, 32),
        num_modes: int | Sequence[int | Sequence[int]] = (8, 4, 4, 4, 8),
        scalings: Sequence[float | int | Sequence[float | int]] = (1, 0.5, 1, 2, 1),
        horizontal_skips: Mapping[int, int] | None = None,
        horizontal_skip: str | None = "linear",
        lifting_channels: int = 256,
        projection_channels: int = 256,
        position_embedding: str | None = "grid",
        domain_padding: float | int | Sequence[float | int] | None = None,
        padding_side: str = "both",
        activated: str = "between",
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
        **block_options: Any,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `key`: As everywhere.
        - `hidden_channels`: The number of channels after the lifting.
        - `block_channels`: The number of channels after each block.
        - `num_modes`: The number of modes of each block, of each sign, for all axes or per axis; or one integer.
        - `scalings`: The factor of the number of points of each block, for all axes or per axis, rounded to whole
            points. Their product is one.
        - `horizontal_skips`: `{later: earlier}` as in [`pdequinox.compose.NeuralOperator`][]. By default the last
            block's input is joined by the output of the first one, that of the last but one by the second's, ...
        - `horizontal_skip`, `position_embedding`, `domain_padding`, `padding_side`: As in
            [`pdequinox.compose.NeuralOperator`][].
        - `lifting_channels`, `projection_channels`: The hidden channels of the lifting and of the projection.
        - `activated`: Where the activation is applied outside of perceptrons: `"between"` the blocks; `"everywhere"`,
            after the lifting and the last block too; or `"nowhere"`.
        - `activation`: A function of one array, or a module with parameters.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][]. The two ends of an axis must be alike.
        - `block_options`: Further options of [`pdequinox.blocks.FNOBlock`][].

        **Raises:** `ValueError` for a wrong number of entries, and what the blocks and the frame raise.
        """
        check_integer("hidden_channels", hidden_channels)
        num_blocks = len(block_channels)
        if isinstance(num_modes, int):
            num_modes = (num_modes,) * num_blocks
        if len(num_modes) != num_blocks:
            raise ValueError(
                f"`num_modes` must have one entry per block ({num_blocks}), got {num_modes!r}. Give as many as "
                "`block_channels`."
            )
        if activated not in ACTIVATED:
            raise ValueError(
                f"`activated` must be one of {', '.join(map(repr, ACTIVATED))}, got {activated!r}. Check the spelling."
            )
        if horizontal_skips is None:
            horizontal_skips = {num_blocks - 1 - k: k for k in range(num_blocks // 2)}
        num_activated = {"between": num_blocks - 1, "everywhere": num_blocks, "nowhere": 0}[activated]
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            channels=(hidden_channels, *block_channels),
            block_factories=[
                FNOBlockFactory(num_modes=count, use_activation=k < num_activated, **block_options)
                for k, count in enumerate(num_modes)
            ],
            scalings=scalings,
            horizontal_skips=horizontal_skips,
            horizontal_skip=horizontal_skip,
            position_embedding=position_embedding,
            domain_padding=domain_padding,
            padding_side=padding_side,
            lifting_factory=ChannelMLPBlockFactory(
                hidden_channels=lifting_channels, use_final_activation=activated == "everywhere"
            ),
            projection_factory=ChannelMLPBlockFactory(hidden_channels=projection_channels),
            activation=activation,
            boundary_mode=boundary_mode,
            key=key,
        )
