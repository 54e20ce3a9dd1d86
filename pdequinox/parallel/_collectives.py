"""What devices tell each other, read from a compiled program."""

import re
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._fingerprint import is_array

KINDS = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")

_OPERATION = re.compile(rf"^.* = (?P<type>.*?) (?P<kind>{'|'.join(KINDS)})(?P<start>-start)?\(", re.MULTILINE)
_ARRAY = re.compile(r"(?P<dtype>[a-z]\w*)\[(?P<shape>[\d,]*)\]")
_DTYPES = {"pred": "bool", "f16": "float16", "f32": "float32", "f64": "float64", "c64": "complex64"} | {
    f"{short}{bits}": f"{long}{bits}" for short, long in (("s", "int"), ("u", "uint")) for bits in (8, 16, 32, 64)
}


class Collective(NamedTuple):
    """One message among the devices of a mesh."""

    kind: str
    """`"collective-permute"` (to a neighbour), `"all-reduce"` (a sum), `"all-gather"`, ... in the words of XLA."""
    shapes: tuple[tuple[int, ...], ...]
    """The shapes of the arrays that a device gets."""
    num_bytes: int
    """Their size together."""


def collectives(function: Callable[..., Any], *args: Any) -> tuple[Collective, ...]:
    """The messages of a function, in the order of its compiled program. Those in a loop are listed once.

    **Arguments:**

    - `function`: What is compiled for the devices that its arguments lie on.
    - `args`: Its arguments; or `jax.ShapeDtypeStruct` in place of arrays, with the sharding of large ones.
    """
    dynamic, static = eqx.partition((function, args), is_array)

    def run(dynamic: PyTree) -> PyTree:
        function, args = eqx.combine(dynamic, static)
        return eqx.filter(function(*args), eqx.is_array)

    found = []
    for match in _OPERATION.finditer(jax.jit(run).lower(dynamic).compile().as_text() or ""):
        arrays = [(_DTYPES.get(a["dtype"], a["dtype"]), _shape(a["shape"])) for a in _ARRAY.finditer(match["type"])]
        if match["start"] and match["kind"] != "all-reduce":
            # What is sent, what comes, and what the hardware counts.
            arrays = arrays[1:2]
        sizes = [prod(shape) * jnp.dtype(_bfloat(dtype)).itemsize for dtype, shape in arrays]
        found.append(Collective(match["kind"], tuple(shape for _, shape in arrays), sum(sizes)))
    return tuple(found)


def _shape(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()


def _bfloat(dtype: str) -> Any:
    return {"bf16": jnp.bfloat16, "c128": jnp.complex128}.get(dtype, dtype)
