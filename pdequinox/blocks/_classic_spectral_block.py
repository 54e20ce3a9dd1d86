"""The block of the Fourier neural operator (Li et al., 2021)."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import PointwiseLinearConv, ReceptiveField, SpectralConv
from ._activation import as_activation
from ._base_block import Block, factory_of


class ClassicSpectralBlock(Block):
    """A spectral and a pointwise linear map, and a further branch if wanted, added; then the activation.

    ??? cite "Source"
        Li et al., *Fourier Neural Operator for Parametric Partial Differential Equations*, ICLR 2021,
        arXiv:2010.08895.
    """

    spectral_conv: SpectralConv
    by_pass_conv: PointwiseLinearConv
    activation: Callable = eqx.field(converter=as_activation)
    branch: Callable | None

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        num_modes: int | Sequence[int] = 8,
        use_bias: bool = True,
        zero_bias_init: bool = False,
        parity: str = "mixed",
        init: str = "normal",
        branch_factory: Callable | None = None,
        branch_activation: Callable | None = None,
        activation: Callable = jax.nn.gelu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_modes`, `parity`, `init`: As in [`pdequinox.conv.SpectralConv`][].
        - `use_bias`, `zero_bias_init`: Of the pointwise map.
        - `branch_factory`: What makes the further branch: a block class, one of the factories of `pdequinox.blocks`,
            or any callable with the shared arguments; none by default.
        - `branch_activation`: The activation inside the branch; that of the block by default.
        - `activation`: A function of one array, or a module with parameters.
        """
        spectral_key, bypass_key = jr.split(key)
        self.spectral_conv = SpectralConv(
            num_spatial_dims,
            in_channels,
            out_channels,
            num_modes,
            boundary_mode=boundary_mode,
            parity=parity,
            init=init,
            key=spectral_key,
        )
        self.by_pass_conv = PointwiseLinearConv(
            num_spatial_dims, in_channels, out_channels, use_bias, zero_bias_init=zero_bias_init, key=bypass_key
        )
        self.activation = activation
        self.branch = None
        if branch_factory is not None:
            self.branch = branch_factory(
                num_spatial_dims,
                in_channels,
                out_channels,
                activation=activation if branch_activation is None else branch_activation,
                boundary_mode=boundary_mode,
                key=jr.fold_in(key, 2),  # not a third of `jr.split`: the other two are as without a branch
            )

    def __call__(self, x: Array) -> Array:
        y = self.spectral_conv(x) + self.by_pass_conv(x)
        return self.activation(y if self.branch is None else y + self.branch(x))

    @property
    def receptive_field(self) -> ReceptiveField:
        return self.spectral_conv.receptive_field


ClassicSpectralBlockFactory = factory_of(ClassicSpectralBlock)
