"""Numbers that tell contents apart."""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def fingerprint(arrays: Iterable[Any], text: str = "") -> str:
    """A number that tells arrays and a text apart, without the addresses in the text."""
    digest = hashlib.sha256(re.sub("0x[0-9a-f]+", "", text).encode())
    for array in arrays:
        digest.update(f"{np.shape(array)} {getattr(array, 'dtype', type(array))}".encode())
        digest.update(bytes_of(array) if is_array(array) else repr(array).encode())
    return digest.hexdigest()


def is_array(leaf: Any) -> bool:
    """Whether a leaf is an array, or the shape and dtype of one."""
    return isinstance(leaf, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct)


def bytes_of(array: Any) -> bytes:
    """The content of an array, also of one of random keys."""
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    return on_host(array).tobytes()


def on_host(array: Any) -> np.ndarray:
    """The values of an array. One whose parts lie with other processes is gathered: all of these must call this."""
    if isinstance(array, jax.Array) and not (array.is_fully_addressable or array.is_fully_replicated):
        from jax.experimental import multihost_utils

        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)


def fingerprint_in_place(arrays: Iterable[Any], text: str = "") -> str:
    """`fingerprint` of arrays that are not brought together: those that lie over devices are summed up where they are.

    It does not depend on how many devices these are.
    """
    arrays = list(arrays)
    kinds = [f"{np.shape(array)} {getattr(array, 'dtype', type(array))}" for array in arrays]
    sums = (_sums_of_bits(array) if isinstance(array, jax.Array) else array for array in arrays)
    return fingerprint(sums, f"{text} {kinds}")


def _sums_of_bits(array: jax.Array) -> np.ndarray:
    """Two sums of the bits, weighted by where they stand, modulo 2^32: the same in any order."""
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    if len(array.sharding.device_set) > 1:
        return np.asarray(_sums_over_devices(array))
    values = np.ascontiguousarray(array).reshape(-1)  # without a compilation
    bits = values.view(_unsigned(values.dtype)).astype(np.uint32)
    return np.stack(_weighted_sums(np, bits, np.arange(bits.size, dtype=np.uint32)))


@jax.jit
def _sums_over_devices(array: jax.Array) -> jax.Array:
    if jnp.iscomplexobj(array):
        array = jnp.stack([array.real, array.imag], axis=-1)
    is_bool = array.dtype == bool
    bits = array if is_bool else lax.bitcast_convert_type(array, _unsigned(array.dtype))
    place = jnp.zeros((), np.uint32)
    for axis, length in enumerate(bits.shape):
        place = place * np.uint32(length) + lax.broadcasted_iota(np.uint32, bits.shape, axis)
    return jnp.stack(_weighted_sums(jnp, bits.astype(np.uint32), place))


def _unsigned(dtype: Any) -> Any:
    """Words that hold the bits of a number, several if it has more than 32."""
    return {1: np.uint8, 2: np.uint16}.get(np.dtype(dtype).itemsize, np.uint32)


def _weighted_sums(module: Any, bits: Any, place: Any) -> list:
    sums = []
    for factor in (0x9E3779B1, 0x85EBCA77):  # odd, as in xxHash
        weight = place * np.uint32(factor)
        weight = (weight ^ (weight >> 15)) * np.uint32(0xC2B2AE3D) | np.uint32(1)
        sums.append(module.sum(bits * weight, dtype=np.uint32))
    return sums
