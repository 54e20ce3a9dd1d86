"""The block of neuraloperator's Fourier neural operator (Kossaifi et al., 2024)."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_shape
from ..boundary import BoundaryMode
from ..conv import ReceptiveField, SpectralConv, resample
from ._activation import as_activation
from ._base_block import Block, factory_of
from ._channel_mlp_block import ChannelMLPBlock
from ._norm import make_norm
from ._skip import make_skip


class FNOBlock(Block):
    r"""A spectral layer and a perceptron per point, each with a skip connection.

    $$ v = \sigma(N_1(K u) + S_1 u), \qquad y = \sigma(N_2(M v + S_2 u)), $$

    with the spectral layer $K$, the perceptron $M$, norms $N$ and skips $S$, both of the block's input. Without the
    perceptron, $y = \sigma(N_1(K u + S_1 u))$, the block of Li et al. and PDEBench. With `use_preactivation`, the
    input is activated and normed first, $w = N_1(\sigma(u))$, $v = N_2(\sigma(K w + S_1 w))$ and $y = M v + S_2 w$.

    With an `output_shape` the block changes the grid: the spectral layer synthesises on the new one, and what goes
    around it is interpolated by the same sines and cosines ([`pdequinox.conv.resample`][]).

    ??? cite "Source"
        Kossaifi et al., *Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs*, TMLR 2024,
        arXiv:2310.00120; defaults of neuraloperator 2.0. There a skip that cannot change the number of channels is an
        error, a block without a perceptron has two norms and is activated twice, the perceptron's activation is always
        a GELU, and skips are interpolated bicubically (2D) or linearly (1D).
    """

    spectral_conv: SpectralConv
    skip: Any
    channel_mlp: ChannelMLPBlock | None
    channel_mlp_skip: Any
    norm_1: Any
    norm_2: Any
    activation: Callable | None
    use_activation: bool = eqx.field(static=True)
    use_preactivation: bool = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_modes: int | Sequence[int] = 8,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        skip: str | None = "linear",
        use_skip_bias: bool = False,
        use_channel_mlp: bool = True,
        channel_mlp_expansion: float | int = 0.5,
        channel_mlp_skip: str | None = "soft-gating",
        norm: str | None = None,
        num_groups: int = 1,
        use_activation: bool = True,
        use_preactivation: bool = False,
        separable: bool = False,
        factorization: str | None = None,
        rank: float | int | Sequence[int] = 1.0,
        init: str = "neuraloperator",
        parity: str = "mixed",
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_modes`, `separable`, `factorization`, `rank`, `init`, `parity`: As in
            [`pdequinox.conv.SpectralConv`][].
        - `use_bias`, `zero_bias_init`: Of the spectral layer and the perceptron; the latter also of the skips.
        - `skip`, `channel_mlp_skip`: `"linear"`, `"soft-gating"`, `"identity"` or `None`, see
            [`pdequinox.blocks.make_skip`][].
        - `use_skip_bias`: Whether linear skips add a constant.
        - `use_channel_mlp`: Whether there is a perceptron: two layers, the hidden one with `channel_mlp_expansion`
            times `out_channels` channels, rounded.
        - `norm`, `num_groups`: See [`pdequinox.blocks.make_norm`][]. An `"instance"` norm undoes the bias before it.
        - `use_activation`: Whether the block is activated outside of the perceptron. neuraloperator's last one is not.
        - `use_preactivation`: Whether the input is activated and normed, instead of the output.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` for an unknown skip or norm, a perceptron without hidden channels, and what the
        spectral layer raises.
        """
        spectral_key, skip_key, mlp_key, mlp_skip_key = jr.split(key, 4)
        self.spectral_conv = SpectralConv(
            num_spatial_dims,
            in_channels,
            out_channels,
            num_modes,
            boundary_mode=boundary_mode,
            parity=parity,
            use_bias=use_bias,
            zero_bias_init=zero_bias_init,
            separable=separable,
            factorization=factorization,
            rank=rank,
            init=init,
            key=spectral_key,
        )

        def make_way_around(name: Any, key: PRNGKeyArray) -> Any:
            options = {"use_bias": use_skip_bias, "zero_bias_init": zero_bias_init}
            return make_skip(name, num_spatial_dims, in_channels, out_channels, **options, key=key)

        self.skip = make_way_around(skip, skip_key)
        self.channel_mlp = self.channel_mlp_skip = self.norm_2 = None
        self.norm_1 = make_norm(norm, in_channels if use_preactivation else out_channels, num_groups)
        if use_channel_mlp:
            self.channel_mlp = ChannelMLPBlock(
                num_spatial_dims,
                out_channels,
                out_channels,
                hidden_channels=round(out_channels * channel_mlp_expansion),
                use_bias=use_bias,
                zero_bias_init=zero_bias_init,
                activation=activation,
                key=mlp_key,
            )
            self.channel_mlp_skip = make_way_around(channel_mlp_skip, mlp_skip_key)
        if use_channel_mlp or use_preactivation:
            self.norm_2 = make_norm(norm, out_channels, num_groups)
        self.use_activation, self.use_preactivation = use_activation, use_preactivation
        self.activation = as_activation(activation) if use_activation or use_preactivation else None

    def __call__(self, x: Array, *, output_shape: Sequence[int] | None = None) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`.
        - `output_shape`: The number of points per axis of the output's grid; that of `x` by default.

        **Returns:** An array of shape `(out_channels, *output_shape)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        layer = self.spectral_conv
        check_shape(x, layer.in_channels, layer.num_spatial_dims)
        if self.use_preactivation:
            x = self.norm_1(self._activated(x))
        around = x if output_shape is None else resample(x, output_shape, layer.boundary_mode)
        y = layer(x, output_shape=output_shape)
        if self.use_preactivation:
            y = self._activated(self._plus(y, self.skip, around), self.use_activation)
            return self._perceive(self.norm_2(y), around)
        if self.channel_mlp is None:
            return self._activated(self.norm_1(self._plus(y, self.skip, around)), self.use_activation)
        y = self._activated(self._plus(self.norm_1(y), self.skip, around), self.use_activation)
        return self._activated(self.norm_2(self._perceive(y, around)), self.use_activation)

    def _perceive(self, y: Array, around: Array) -> Array:
        return y if self.channel_mlp is None else self._plus(self.channel_mlp(y), self.channel_mlp_skip, around)

    def _activated(self, x: Array, is_activated: bool = True) -> Array:
        return self.activation(x) if is_activated and self.activation is not None else x

    @staticmethod
    def _plus(y: Array, skip: Any, around: Array) -> Array:
        return y if skip is None else y + skip(around)

    @property
    def receptive_field(self) -> ReceptiveField:
        return self.spectral_conv.receptive_field


FNOBlockFactory = factory_of(FNOBlock)
