r"""The weights of a spectral layer: their initial values, and tensors of low rank (Kolda and Bader, SIAM Review, 2009).

The tensor that is factorised has the axes (in, out, modes per axis), or (channels, modes per axis) for a separable
layer. Both signs of a wave number lie on one axis: the non-negative ones first, then the negative ones, as in a
spectrum.
"""

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_integer
from ..boundary import Basis
from ._correlation import mix_channels
from ._spectrum import HIGHEST, Pair, by_corners, mix, multiply

INITS = ("normal", "neuraloperator", "uniform", "uno")
FACTORIZATIONS = (None, "tucker", "cp", "tt")


def initial_scale(init: Any, in_channels: int, out_channels: int) -> float:
    """The standard deviation of a weight's real and of its imaginary part; for "uniform" the upper bound of both.

    **Raises:** `ValueError` for another name.
    """
    if init not in INITS:
        raise ValueError(f"`init` must be one of {', '.join(map(repr, INITS))}, got {init!r}. Check the spelling.")
    if init == "neuraloperator":
        return (in_channels + out_channels) ** -0.5
    if init == "uno":
        return (2 * in_channels) ** -0.5
    return 1 / (in_channels * out_channels)


def init_dense(
    shape: Sequence[int], init: str, scale: float, has_phase: bool, key: PRNGKeyArray
) -> tuple[Array, Array | None]:
    """The real and the imaginary parts of one tensor; without a phase only the former."""
    real_key, imag_key = jr.split(key)
    draw = jr.uniform if init == "uniform" else jr.normal
    return scale * draw(real_key, tuple(shape)), scale * draw(imag_key, tuple(shape)) if has_phase else None


def ranks(factorization: Any, shape: Sequence[int], rank: Any) -> tuple[int, ...]:
    r"""The ranks of a tensor of this shape: one per axis ("tucker"), one ("cp"), or one between each two axes ("tt").

    A fraction $\rho$ is about the number of parameters in units of the tensor's. With the sizes $n_k$ and
    $P = \prod_k n_k$, rounded, and at least one:

    - "tucker": $c\, n_k$ with $P c^d + c \sum_k n_k^2 = \rho P$;
    - "cp": $\rho P / \sum_k n_k$;
    - "tt": $c\, a_k$ with $a_k = (n_k + n_{k+1}) / 2$ and the positive root of
      $c^2 \sum_{0 < k < d - 1} a_{k-1} n_k a_k + c\, (n_0 a_0 + n_{d-1} a_{d-2}) = \rho P$.

    These are the rules of TensorLy, so the counts of parameters are those of neuraloperator.

    **Raises:** `ValueError` for another factorisation, ranks that are not positive, or a wrong number of them.
    """
    if factorization not in FACTORIZATIONS or factorization is None:
        raise ValueError(
            f"`factorization` must be one of {', '.join(map(repr, FACTORIZATIONS))}, got {factorization!r}. "
            "Check the spelling."
        )
    order, size = len(shape), math.prod(shape)
    count = {"tucker": order, "cp": 1, "tt": order - 1}[factorization]
    if isinstance(rank, Integral):
        return (check_integer("rank", rank),) * count
    if isinstance(rank, Sequence) and len(rank) == count:
        return tuple(check_integer("rank", entry) for entry in rank)
    if not isinstance(rank, Real) or not 0 < float(rank) < math.inf:
        raise ValueError(
            f"`rank` must be a positive fraction, one integer or {count} of them for {factorization!r} and the shape "
            f"{tuple(shape)}, got {rank!r}. Give the fraction of the parameters as a float, say 0.1."
        )
    rank = float(rank)
    if factorization == "cp":
        sizes = [size * rank / sum(shape)]
    elif factorization == "tucker":
        squares, low, high = sum(n**2 for n in shape), 0.0, max(rank, 1.0)
        for _ in range(100):
            middle = (low + high) / 2
            is_low = size * middle**order + squares * middle < rank * size
            low, high = (middle, high) if is_low else (low, middle)
        sizes = [n * low for n in shape]
    else:
        means = [(shape[k] + shape[k + 1]) / 2 for k in range(order - 1)]
        inner = sum(means[k - 1] * shape[k] * means[k] for k in range(1, order - 1))
        inner = inner if order > 2 else means[0] ** 2 * shape[0]
        outer = shape[0] * means[0] + shape[-1] * means[-1]
        fraction = (math.sqrt(outer**2 + 4 * inner * size * rank) - outer) / (2 * inner)
        sizes = [mean * fraction for mean in means]
    return tuple(max(round(n), 1) for n in sizes)


def init_factors(
    factorization: str, shape: Sequence[int], rank: Any, scale: float, has_phase: bool, key: PRNGKeyArray
) -> tuple[tuple[Array, ...], tuple[Array, ...] | None]:
    """The real and the imaginary parts of all factors: normal, of one standard deviation for all, which is such that
    the entries of the tensor have the parts' standard deviation `scale`. The weights of a "cp" are ones.

    "tucker": the core and a matrix per axis. "cp": a weight per term and a matrix per axis. "tt": a core per axis.
    """
    sizes = ranks(factorization, shape, rank)
    if factorization == "tt":
        left, right = (1, *sizes), (*sizes, 1)
        shapes = [(a, n, b) for a, n, b in zip(left, shape, right, strict=True)]
    else:
        of_axes = sizes * len(shape) if factorization == "cp" else sizes
        shapes = [sizes, *zip(shape, of_axes, strict=True)]
    num_drawn = len(shapes) - (factorization == "cp")
    deviation = scale * math.sqrt(2 if has_phase else 1) / math.sqrt(math.prod(sizes))
    deviation = deviation ** (1 / num_drawn) / math.sqrt(2 if has_phase else 1)
    real, imag = (
        [deviation * jr.normal(k, factor) for k, factor in zip(jr.split(part, len(shapes)), shapes, strict=True)]
        for part in jr.split(key)
    )
    if factorization == "cp":
        real[0], imag[0] = jnp.ones(shapes[0]), jnp.zeros(shapes[0])
    return tuple(real), tuple(imag) if has_phase else None


def mix_by_factors(
    factorization: str,
    factors: tuple[Sequence[Array], Sequence[Array] | None],
    separable: bool,
    z: Pair,
    bases: Sequence[Basis],
) -> Pair:
    """The product of each mode's coefficients with its matrix over the channels, or its number for each.

    The factors of the modes are multiplied first, once for a batch. Those of the channels (of "tt": of the inputs) are
    maps of the spectrum, alike for all modes, unless the layer is separable.
    """
    real, imag = factors
    all_factors = [(part, None if imag is None else imag[k]) for k, part in enumerate(real)]
    into = out_of = None
    if factorization == "tt":
        *others, tensor = all_factors
        tensor = _map(lambda part: part[..., 0], tensor)
        for factor in reversed(others[1:]):
            tensor = multiply(factor, tensor, _dot)
        into = _map(lambda part: part[0], others[0])
        if separable:
            tensor, into = multiply(into, tensor, _dot), None
    else:
        tensor, *matrices = all_factors
        of_modes = matrices[1 if separable else 2 :]
        if factorization == "tucker":
            kept = 0 if separable else 2
            for matrix in matrices[:1] * separable + of_modes:
                # What was contracted comes back as the last axis, and the next one is in its place.
                tensor = multiply(tensor, matrix, lambda t, m: _dot(t, m, ((kept,), (1,))))
        else:
            for matrix in of_modes:
                tensor = multiply(tensor, matrix, _outer)
            if separable:
                tensor = multiply(matrices[0], tensor, _dot)
        if not separable:
            into, out_of = matrices[:2]
    z = z if into is None else multiply(into, z, lambda m, part: mix_channels(part, m.T, HIGHEST))
    if separable or factorization == "cp":
        z = multiply(tensor, z)
    else:
        z = mix(_map(lambda part: by_corners(part, bases), tensor), z, bases)
    return z if out_of is None else multiply(out_of, z, lambda m, part: mix_channels(part, m, HIGHEST))


def _dot(a: Array, b: Array, axes: Any = 1) -> Array:
    return jnp.tensordot(a, b, axes, precision=HIGHEST)


def _outer(tensor: Array, matrix: Array) -> Array:
    """For each term, the first axis of both, the products with the numbers of one more axis."""
    return tensor[..., None] * matrix.T.reshape(len(tensor), *(1,) * (tensor.ndim - 1), -1)


def _map(function: Callable[[Array], Array], z: Pair) -> Pair:
    real, imag = z
    return None if real is None else function(real), None if imag is None else function(imag)
