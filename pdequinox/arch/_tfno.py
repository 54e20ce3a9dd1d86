"""The tensorised Fourier neural operator (Kossaifi et al., 2024)."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from ..boundary import BoundaryMode
from ._fno import FNO


class TFNO(FNO):
    """An [`pdequinox.arch.FNO`][] whose spectral weights are a tensor of low rank: a tenth of the parameters.

    ??? cite "Source"
        Kossaifi et al., *Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs*, TMLR 2024,
        arXiv:2310.00120; defaults and ranks of neuraloperator 2.0. The paper factorises all layers as one tensor; as
        in neuraloperator 2.0, here each layer is one.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        factorization: str = "tucker",
        rank: float | int | Sequence[int] = 0.1,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
        **options: Any,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `key`: As everywhere.
        - `factorization`, `rank`: As in [`pdequinox.conv.SpectralConv`][].
        - `activation`, `boundary_mode`, `options`: As in [`pdequinox.arch.FNO`][].

        **Raises:** `ValueError` for a wrong factorisation or rank, and what `FNO` raises.
        """
        super().__init__(
            num_spatial_dims,
            in_channels,
            out_channels,
            factorization=factorization,
            rank=rank,
            activation=activation,
            boundary_mode=boundary_mode,
            key=key,
            **options,
        )
