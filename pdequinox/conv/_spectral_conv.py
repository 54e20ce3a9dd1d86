"""Linear maps of truncated spectra: the layer of the Fourier neural operator, and its kin for bounded axes."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_input, check_sizes, per_axis
from ..boundary import (
    AxisMode,
    BoundaryMode,
    basis,
    computed_by_shard,
    normalize_boundary_mode,
    roles,
    shard_shape,
    whole_shape,
)
from ._lowering import accumulation_dtype
from ._receptive_field import ReceptiveField
from ._spectral_weights import init_dense, init_factors, initial_scale, mix_by_factors
from ._spectrum import analyze, mix, multiply, synthesize


class SpectralConv(eqx.Module):
    r"""Multiply the lowest modes of a field by learned matrices over the channels.

    On periodic axes, with the Fourier coefficients $\hat u$,

    $$ y_o(x) = \sum_k \sum_i W_{o i}(k)\, \hat u_i(k)\, e^{2 \pi i k \cdot x / L}. $$

    With $m$ modes, the wave numbers are $-m \dots m - 1$ on all axes but the last, and $0 \dots m - 1$ on the last,
    with their complex conjugates at $-k$, because fields are real.

    On bounded axes this layer acts on the odd (`dirichlet`, `cell-dirichlet`) or even (`neumann`, `cell-neumann`)
    extension of the field, which is periodic, smooth where the condition holds, and never built: the transforms are
    sine and cosine transforms of the original points.

    - `parity="mixed"`: the output is restricted to the domain as it is, sines and cosines. As many weights as the
      periodic layer has. The derivative of a sine is a cosine: right for transport.
    - `parity="same"`: only the even, real part of the weights along bounded axes: sines to sines, cosines to cosines.
      The output satisfies the condition exactly, as the solution of an elliptic problem does, with one half of the
      weights for the first bounded axis and for each further one.

    The layer is a function of the field, not of the grid: modes above `num_modes` are dropped, and modes that a grid
    does not carry are left out (which, and the rule for the Nyquist frequency, is in
    [`pdequinox.boundary.basis`][]). So fields with fewer modes than the coarser grid's Nyquist frequency give the same
    values at the shared points of two grids.

    Computed as products with the matrices of truncated transforms, in the highest precision of the device; bfloat16
    and float16 are computed in float32.

    **Fewer weights.** `separable=True` keeps one complex number per channel and mode, $y_c = \sum_k W_c(k) \hat u_c(k)
    e^{2 \pi i k \cdot x / L}$. `factorization` writes the tensor of all weights as one of low rank: `"tucker"`, a small
    core times one matrix per axis of the tensor; `"cp"`, a sum of products of one vector per axis; `"tt"`, a chain of
    one small tensor per axis. The factors of the channels are applied to the spectrum, as maps alike for all modes, the
    others are multiplied first (`"tt"`: all of them), once for a batch.

    ??? cite "Source"
        Li et al., *Fourier Neural Operator for Parametric Partial Differential Equations*, ICLR 2021,
        arXiv:2010.08895. Weights, their order and their initial values as in `pdequinox` 0.1. Kossaifi et al.,
        *Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs*, TMLR 2024, arXiv:2310.00120, for
        low ranks. Bounded axes, coarse grids and different channel counts are ours.
    """

    weights_real: Array | tuple[Array, ...]
    weights_imag: Array | tuple[Array, ...] | None
    bias: Array | None
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    num_modes: tuple[int, ...] = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)
    parity: str = eqx.field(static=True)
    separable: bool = eqx.field(static=True)
    factorization: str | None = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        num_modes: int | Sequence[int],
        *,
        boundary_mode: BoundaryMode = "periodic",
        parity: str = "mixed",
        use_bias: bool = False,
        zero_bias_init: bool = False,
        separable: bool = False,
        factorization: str | None = None,
        rank: float | int | Sequence[int] = 1.0,
        init: str = "normal",
        key: PRNGKeyArray,
    ):
        r"""**Arguments:**

        - `num_spatial_dims`: The number of axes of the grid.
        - `in_channels`: The number of channels of the input.
        - `out_channels`: The number of channels of the output.
        - `num_modes`: The number of modes, for all axes or one per axis; of each sign where both have weights.
        - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][].
        - `parity`: `"mixed"` or `"same"`; without effect on periodic axes.
        - `use_bias`: Whether to add a constant per output channel.
        - `zero_bias_init`: Whether these start at zero.
        - `separable`: Whether the layer keeps the channels apart. There must be as many outputs as inputs.
        - `factorization`: `None`, `"tucker"`, `"cp"` or `"tt"`.
        - `rank`: The rank of the factorisation: a float is the fraction of the parameters (1.0 is about as many as
            without, 0.1 a tenth), by TensorLy's rules; integers are the ranks themselves, one for all or one per axis
            of the tensor (`"tucker"`) or between each two of them (`"tt"`).
        - `init`: How the real and the imaginary parts of the weights start, see below.
        - `key`: A JAX random key for the initial values.

        | `init` | each part of a weight | used by |
        |---|---|---|
        | `"normal"` | normal, standard deviation 1 / (in * out) | `pdequinox` 0.1, APEBench |
        | `"uniform"` | uniform between 0 and 1 / (in * out) | Li et al., PDEArena, PDEBench |
        | `"neuraloperator"` | normal, standard deviation 1 / sqrt(in + out) | neuraloperator 2.0 |
        | `"uno"` | normal, standard deviation 1 / sqrt(2 in) | Rahman et al. |

        The first two make this layer tiny at the start, since the sum over the inputs grows like the root of their
        number only: of 64 channels with unit variance it makes outputs of about 1 / (out * sqrt(in)) = 0.002, so that a
        network starts without it. `"neuraloperator"` and `"uno"` keep the variance. Factors are normal, so that the
        entries of their tensor have the given standard deviation (neuraloperator's are smaller for `"tt"`). The bias is
        normal, with the standard deviation of a complex weight.

        The weights have the shape `(corners, out_channels, in_channels, *num_modes)`. A corner is a choice of the
        signs of all wave numbers but those of the axes that have one sign only: the last axis (`"mixed"`), or the
        bounded ones and the last periodic one (`"same"`). The first axis' sign varies fastest, the non-negative
        one comes first. If no axis is periodic, weights of parity `"same"` are real and `weights_imag` is `None`.

        On the axes of all other tensors both signs lie behind each other, as in an FFT: `(channels, *both_signs)` for a
        separable layer, and the factors of the former or of `(in_channels, out_channels, *both_signs)` in a tuple.

        **Raises:** `ValueError` for sizes that are not positive integers, a wrong parity, a wrong boundary mode, one
        with two different ends on an axis, an unknown `init` or `factorization`, a wrong `rank`, and a separable layer
        that changes the number of channels.
        """
        self.num_spatial_dims, self.in_channels, self.out_channels = check_sizes(
            num_spatial_dims, in_channels, out_channels
        )
        self.num_modes = per_axis("num_modes", num_modes, num_spatial_dims)
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        self.parity = parity
        self.separable, self.factorization = separable, factorization
        if separable and in_channels != out_channels:
            raise ValueError(
                f"`out_channels` must be `in_channels` ({in_channels}) in a separable layer, got {out_channels}. "
                "Use `separable=False`, or a pointwise layer beside it."
            )
        axis_roles = roles(self.boundary_mode, num_spatial_dims, parity)
        has_phase = set(axis_roles) != {"same"}
        scale = initial_scale(init, in_channels, out_channels)
        modes = [count * (2 if role == "full" else 1) for count, role in zip(self.num_modes, axis_roles, strict=True)]
        tensor = (in_channels, *modes) if separable else (in_channels, out_channels, *modes)
        if factorization is not None:
            if init == "uniform":
                raise ValueError(
                    f"`init` must be a normal one with `factorization`, got {init!r}. Use 'normal' or 'neuraloperator'."
                )
            weights = init_factors(factorization, tensor, rank, scale, has_phase, key)
        elif separable:
            weights = init_dense(tensor, init, scale, has_phase, key)
        else:
            shape = (2 ** axis_roles.count("full"), out_channels, in_channels, *self.num_modes)
            weights = init_dense(shape, init, scale, has_phase, key)
        self.weights_real, self.weights_imag = weights
        shape = (out_channels,) + (1,) * num_spatial_dims
        if not use_bias:
            self.bias = None
        elif zero_bias_init:
            self.bias = jnp.zeros(shape)
        else:
            self.bias = math.sqrt(2) * scale * jr.normal(jr.fold_in(key, 2), shape)

    @computed_by_shard
    def __call__(
        self, x: Array, *, output_shape: Sequence[int] | None = None, key: PRNGKeyArray | None = None
    ) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`, in the dtype of the parameters.
        - `output_shape`: The number of points per axis of the output's grid, of the same boundary modes and extents;
            that of `x` by default. Modes that it does not carry are left out.
        - `key`: Ignored; accepted because Equinox's layers take one.

        **Returns:** An array of shape `(out_channels, *output_shape)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        del key
        x = check_input(x, self.in_channels, self.num_spatial_dims, jax.tree.leaves(self.weights_real)[0].dtype)
        dtype = accumulation_dtype(x.dtype)
        shape = whole_shape(x.shape[1:])
        outputs = shape if output_shape is None else per_axis("output_shape", output_shape, self.num_spatial_dims)
        shard_shape(outputs)
        bases = [
            basis(*arguments)
            for arguments in zip(
                shape,
                self.num_modes,
                self.boundary_mode,
                roles(self.boundary_mode, self.num_spatial_dims, self.parity),
                outputs,
                strict=True,
            )
        ]
        weights = jax.tree.map(lambda part: part.astype(dtype), (self.weights_real, self.weights_imag))
        z = analyze(x.astype(dtype), bases, self.num_modes)
        if self.factorization is not None:
            z = mix_by_factors(self.factorization, weights, self.separable, z, bases)
        else:
            z = multiply(weights, z) if self.separable else mix(weights, z, bases)
        y = synthesize(z, bases).astype(x.dtype)
        return y if self.bias is None else y + self.bias

    @property
    def receptive_field(self) -> ReceptiveField:
        """Infinite: every mode is global."""
        return ((math.inf, math.inf),) * self.num_spatial_dims
