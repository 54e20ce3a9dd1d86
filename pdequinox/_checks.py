"""What all rooms ask of their arguments: validated in one place, with one wording."""

from numbers import Integral
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array


def check_integer(name: str, value: Any, minimum: int = 1) -> int:
    """`value` as a Python integer, if it is an integer of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(f"`{name}` must be an integer of at least {minimum}, got {value!r}. Change its value.")
    return int(value)


def check_floating(name: str, x: Any) -> Array:
    """`x` as an array, if it holds floating-point numbers."""
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"`{name}` must hold floating-point numbers, got {x.dtype}. Convert it with `astype`.")
    return x


def check_inexact(name: str, x: Any) -> Array:
    """`x` as an array, if it holds floating-point or complex numbers."""
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise ValueError(
            f"`{name}` must hold floating-point or complex numbers, got {x.dtype}. Convert it with `astype`."
        )
    return x


def per_axis(name: str, value: Any, num_spatial_dims: int, minimum: int = 1) -> tuple[int, ...]:
    """One integer for all axes, or one for each, as a tuple."""
    _check_known(name, value)
    values = (value,) * num_spatial_dims if np.ndim(value) == 0 else tuple(value)
    if len(values) != num_spatial_dims:
        raise ValueError(
            f"`{name}` must be one integer or one per axis ({num_spatial_dims}), got {value!r}. "
            "Give as many as there are axes."
        )
    return tuple(check_integer(name, entry, minimum) for entry in values)


def _check_known(name: str, value: Any) -> None:
    if any(isinstance(entry, Tracer) for entry in jax.tree.leaves(value)):
        raise ValueError(
            f"`{name}` must be known when tracing, got {value}. It is static: compute it outside of `jax.jit`."
        )


def numbers_per_axis(name: str, value: Any, num_spatial_dims: int) -> tuple[float, ...]:
    """One finite number for all axes, or one for each, as Python floats; known when tracing."""
    _check_known(name, value)
    values = np.broadcast_to(value, num_spatial_dims) if np.ndim(value) == 0 else np.asarray(value)
    if values.shape != (num_spatial_dims,) or values.dtype.kind not in "iuf" or not np.all(np.isfinite(values)):
        raise ValueError(
            f"`{name}` must be one finite number or one per axis ({num_spatial_dims}), got {value!r}. "
            "Give as many as there are axes."
        )
    return tuple(map(float, values))


def count_samples(name: str, data: Any) -> int:
    """The length of the leading axis that all leaves of `data` share."""
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(data)]
    leading = {shape[:1] for shape in shapes}
    if len(leading) != 1 or leading & {(), (0,)}:
        raise ValueError(
            f"`{name}` must hold arrays with a common leading axis of samples, got the shapes {shapes}. "
            "Put the samples first in every array."
        )
    return shapes[0][0]


def check_point(x: Any) -> Array:
    """`x` as an array, if it is one point with real coordinates; integers as floating-point numbers."""
    x = jnp.asarray(x)
    if x.ndim != 1 or x.size == 0 or jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise ValueError(
            f"`x` must be one point, real and of shape (d,), got {x.dtype} of shape {x.shape}. Use "
            "`jax.vmap(function)` for several points, and [Re z, Im z] for complex coordinates."
        )
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.result_type(float))


def check_axis(name: str, axis: Any, ndim: int) -> int:
    """`axis` as a Python integer, if it is one of `ndim` axes."""
    if check_integer(name, axis, 0) >= ndim:
        raise ValueError(f"`{name}` must be less than {ndim}, got {axis}. Count the axes from 0.")
    return int(axis)


def check_channels(name: str, channels: int, valid: tuple[int, ...], remedy: str) -> None:
    """Refuse a field with a number of channels that the operator `name` cannot take."""
    if channels not in valid:
        expected = " or ".join(map(str, valid))
        raise ValueError(f"`{name}` must get a field with {expected} channels, got {channels}. {remedy}")


def check_sizes(num_spatial_dims: Any, in_channels: Any, out_channels: Any) -> tuple[int, int, int]:
    """The three arguments that every layer starts with, as Python integers."""
    return (
        check_integer("num_spatial_dims", num_spatial_dims),
        check_integer("in_channels", in_channels),
        check_integer("out_channels", out_channels),
    )


def check_shape(x: Any, channels: int, num_spatial_dims: int | None) -> Array:
    """`x` as an array, if it is a single sample with the right channels and rank (`None`: any)."""
    x = jnp.asarray(x)
    wrong_rank = x.ndim < 1 if num_spatial_dims is None else x.ndim != num_spatial_dims + 1
    if wrong_rank or x.shape[0] != channels or 0 in x.shape:
        spatial = "*spatial" if num_spatial_dims is None else ", ".join("xyz"[:num_spatial_dims])
        raise ValueError(
            f"`x` must have shape (channels, {spatial}) with {channels} channels, got {x.shape}. Layers and networks "
            "map one sample: use `jax.vmap(network)` for a batch."
        )
    return x


def check_input(x: Any, channels: int, num_spatial_dims: int | None, dtype: Any) -> Array:
    """`check_shape`, and the dtype of the parameters."""
    x = check_shape(x, channels, num_spatial_dims)
    if x.dtype != dtype:
        raise ValueError(
            f"`x` must have the dtype of the parameters ({jnp.dtype(dtype)}), got {x.dtype}. Convert the input with "
            "`x.astype` or the network with `pdequinox.cast(network, dtype)`."
        )
    return x
