"""The Jacobian of a model's outputs by its parameters."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from .._checks import check_integer, count_samples
from ._selection import select


def param_jacobian(
    f: Callable,
    model: PyTree,
    *,
    inputs: PyTree = None,
    where: Any = None,
    mode: Any = "auto",
    chunk_size: Any = 64,
) -> Array:
    r"""The Jacobian $J_{np} = \partial y_n / \partial \theta_p$ of N outputs by the P parameters of a model.

    Either `f(model)` returns all outputs at once, or `f(model, x)` returns those of one sample, for each sample of
    `inputs`. An output with more axes, such as the field that a network of `arch` returns, is flattened to D numbers
    per sample.

    It is computed in passes: by reverse mode one row per pass, by forward mode one column per pass. `chunk_size`
    passes run at once and the chunks one after the other, so the memory beyond the result is that of one chunk; with
    `inputs`, samples that are not in the chunk take none.

    Differentiable and traceable, so it can be part of a loss, or a tracker as a function of the model.

    **Arguments:**

    - `f`: A function `f(model)` with values of shape `(N,)` or `(N, ...)`; with `inputs` a function `f(model, x)`
        with values of any shape, where `x` is one sample. Values are real.
    - `model`: A network or any pytree.
    - `inputs`: A pytree of arrays whose leading axes are the N samples.
    - `where`: The parameters to differentiate by: a boolean pytree like the model (or a prefix of it), or a function
        from the model to a part of it or a tuple of parts, as `lambda model: model.layers[-1].weight`. Of what it
        selects, the floating arrays count. By default all of the model.
    - `mode`: `"reverse"`, `"forward"`, or `"auto"`: reverse if there are fewer rows than columns. Rows are the N D
        outputs, or the D outputs of one sample with `inputs`.
    - `chunk_size`: The number of passes that run at once; `None` for all of them.

    **Returns:** An array of shape `(N, P)`, or `(N, D, P)` if the values have further axes. The columns are the
        entries of the selected arrays in the order of `jax.tree.leaves`, whatever the order in `where`. A complex
        array has two real columns per entry: those of all real parts, then those of all imaginary parts.

    **Raises:** `ValueError` for another `mode`, a `chunk_size` that is not a positive integer, a `where` that selects
        no floating array or something that is no part of the model, inputs without a common leading axis, and values
        of `f` that are not real floating-point numbers or lack the axis of samples.
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ValueError(f"`mode` must be 'auto', 'forward' or 'reverse', got {mode!r}. Use 'auto' unless you know.")
    if chunk_size is not None:
        check_integer("chunk_size", chunk_size)
    vector, rebuild = select(model, where)
    if inputs is None:
        shape = _output_shape(lambda vector: f(rebuild(vector)), vector)
        if not shape:
            raise ValueError("`f` must return shape (N,) or (N, D), got (). Add an axis with `value[None]`.")
        rows = _jacobian(lambda vector: f(rebuild(vector)).ravel(), vector, math.prod(shape), mode, chunk_size)
    else:
        num_samples = count_samples("inputs", inputs)
        sample = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), _as_arrays(inputs))
        value_shape = _output_shape(lambda vector, x: f(rebuild(vector), x), vector, sample)
        size = math.prod(value_shape)
        shape = (num_samples, *value_shape)
        passes = size if _is_reverse(mode, size, vector.size) else vector.size
        rows = _map_in_chunks(
            lambda x: _jacobian(lambda vector: f(rebuild(vector), x).ravel(), vector, size, mode, chunk_size),
            _as_arrays(inputs),
            num_samples,
            None if chunk_size is None else max(1, chunk_size // max(1, passes)),
        )
    outputs = shape[:1] if len(shape) == 1 else (shape[0], math.prod(shape[1:]))
    return rows.reshape(*outputs, vector.size)


def _jacobian(f: Callable, vector: Array, size: int, mode: str, chunk_size: int | None) -> Array:
    """The Jacobian of a function from a vector to a vector of known size, of shape `(size, len(vector))`."""
    if _is_reverse(mode, size, vector.size):
        value, pull_back = jax.vjp(f, vector)
        return _map_in_chunks(
            lambda i: pull_back(jnp.zeros_like(value).at[i].set(1))[0], jnp.arange(size), size, chunk_size
        )
    _, push_forward = jax.linearize(f, vector)
    columns = _map_in_chunks(
        lambda i: push_forward(jnp.zeros_like(vector).at[i].set(1)), jnp.arange(vector.size), vector.size, chunk_size
    )
    return columns.T


def _is_reverse(mode: str, num_rows: int, num_columns: int) -> bool:
    return mode == "reverse" or (mode == "auto" and num_rows < num_columns)


def _map_in_chunks(function: Callable, xs: PyTree, length: int, chunk_size: int | None) -> Array:
    if chunk_size is None or length <= chunk_size:
        return jax.vmap(function)(xs)
    return jax.lax.map(function, xs, batch_size=chunk_size)


def _output_shape(f: Callable, *arguments: Any) -> tuple[int, ...]:
    value = jax.eval_shape(f, *arguments)
    dtype = getattr(value, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(
            f"`f` must return an array of real floating-point numbers, got {value}. Convert it; stack the real and "
            "imaginary parts of complex values."
        )
    return value.shape


def _as_arrays(inputs: PyTree) -> PyTree:
    return jax.tree.map(jnp.asarray, inputs)
