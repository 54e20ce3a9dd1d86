"""A network as one file: arrays, and the classes and options to build it from; no code."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import PyTree

from ._checkpoint import arrays_by_path, fill
from ._tensor_file import foreign, read_tensors, write_tensors
from ._tree_codec import Decoder, Encoder


def save(path: str | os.PathLike, network: PyTree, *, arrays_only: bool = False) -> None:
    """Write a network to one file, which `load` makes it of again to the last bit.

    The file is a safetensors file: the arrays, and a JSON header with the class and the options of every part. It is
    written under another name and renamed when it is complete, so an interruption leaves the old file or the new one.
    Functions (activations) are stored by their name in `jax.nn`, `jax.numpy`, `jax.lax` or pdequinox.

    **Arguments:**

    - `path`: The file.
    - `network`: A network, or a larger module, tuple, list or dict that holds some.
    - `arrays_only`: Whether to store the arrays alone, for `load(path, like=...)`. For what has no name: functions of
        your own, lambdas, containers of other libraries.

    **Raises:** `ValueError` that names the part, if there is something in the network that has no name; `ImportError`
    without the package safetensors: `pip install "pdequinox[save]"`.
    """
    if arrays_only:
        write_tensors(path, "network", None, arrays_by_path(network))
        return
    encoder = Encoder()
    tree = encoder.encode(network, "")
    write_tensors(path, "network", tree, encoder.arrays)


def load(path: str | os.PathLike, *, like: PyTree = None, classes: Sequence[Any] = ()) -> PyTree:
    """Read a network that `save` wrote.

    Nothing in the file is executed: it names classes of pdequinox and of `equinox.nn`, functions of `jax.nn`,
    `jax.numpy`, `jax.lax` and pdequinox, and whatever you pass in `classes`; anything else is refused. Objects are made
    without a call of their `__init__`, from the values of their fields.

    **Arguments:**

    - `path`: The file.
    - `like`: A network of the same structure, or its shapes from `eqx.filter_eval_shape`. Then only the arrays are
        read, from a file of `save` or, for the model of a training, from a checkpoint of `fit`.
    - `classes`: Classes of your own that are part of the network, as in `classes=[MyModel]`.

    **Returns:** The network, with its arrays on the default device.

    **Raises:** `ValueError` that names the file, if it is damaged, not of this package, or does not fit `like` or the
    classes as they are in this version.
    """
    header, arrays = read_tensors(path, ("network",) if like is None else ("network", "checkpoint"))
    if like is not None:
        if header["kind"] == "checkpoint":
            prefix = "['model']"
            arrays = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
        arrays = {name: array for name, array in arrays.items() if not name.startswith("static ")}
        return fill(like, arrays, f"`like` must have the structure of the network in {str(path)!r}")
    if header["content"] is None:
        raise ValueError(
            f"`like` must be a network of the structure that {str(path)!r} was saved with, got None: the file holds "
            "arrays only. Build the network and pass it as `like`."
        )
    decoder = Decoder(arrays, tuple(classes), f"{str(path)!r}, written by pdequinox {header['package_version']},")
    with foreign(Path(path)):
        return decoder.decode(header["content"])
