"""What devices tell each other, read from a compiled program."""

import re
from collections.abc import Callable
from math import ceil, prod
from typing import Any, NamedTuple

import equinox as eqx
import jax
from jaxtyping import PyTree

from .._fingerprint import is_array

KINDS = (
    "all-reduce",
    "all-gather",
    "all-to-all",
    "ragged-all-to-all",
    "collective-broadcast",
    "collective-permute",
    "reduce-scatter",
)

_OPERATION = re.compile(rf"^.* = (?P<type>.*?) (?P<kind>{'|'.join(KINDS)})(?P<start>-start)?\(", re.MULTILINE)
_ARRAY = re.compile(r"(?P<dtype>[a-z]+(?P<bits>\d*)\w*)\[(?P<shape>[\d,]*)\]")


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

    return messages_in(jax.jit(run).lower(dynamic).compile().as_text() or "")


def messages_in(program: str) -> tuple[Collective, ...]:
    """The messages of a compiled program in XLA's notation."""
    found = []
    for match in _OPERATION.finditer(program):
        arrays = [(array["bits"] or "8", _shape(array["shape"])) for array in _ARRAY.finditer(match["type"])]
        if match["start"] and match["kind"] != "all-reduce":
            # What is sent and what comes, as many of both, and of permutes two counters of the hardware.
            arrays = [array for array in arrays if array[1]] if len(arrays) > 2 else arrays
            arrays = arrays[len(arrays) // 2 :]
        num_bytes = sum(ceil(prod(shape) * int(bits) / 8) for bits, shape in arrays)
        found.append(Collective(match["kind"], tuple(shape for _, shape in arrays), num_bytes))
    return tuple(found)


def _shape(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()
