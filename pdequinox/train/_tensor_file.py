"""Files of named arrays and a JSON header: safetensors, written at once or not at all."""

import contextlib
import importlib.metadata
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._atomic_file import write_atomically
from .._fingerprint import on_host

FORMAT = "pdequinox"
FORMAT_VERSION = 1
_DAMAGED = "It is damaged: copy or save it again."
_PLAIN = {"bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)), "float32", "float64"}
"""What the format stores as it is; all else as bytes."""


def package_version() -> str:
    return importlib.metadata.version("pdequinox")


def write_tensors(path: str | os.PathLike, kind: str, content: Any, arrays: dict[str, Any]) -> None:
    """Write arrays and a JSON value to a file that appears under its name only when it is complete.

    Of several processes, which must all call this, the first one writes.
    """
    numpy = require_safetensors().numpy
    tensors, records = {}, {}
    for name, array in arrays.items():
        tensors[name], records[name] = _to_tensor(array)
    if jax.process_index() > 0:
        return
    header = {"kind": kind, "package_version": package_version(), "arrays": records, "content": content}
    text = json.dumps(header, allow_nan=False)
    checksum = _checksum(text, tensors)
    metadata = {"format": FORMAT, "format_version": str(FORMAT_VERSION), "header": text, "checksum": checksum}
    write_atomically(Path(path), numpy.save(tensors, metadata=metadata))


def read_tensors(path: str | os.PathLike, kinds: tuple[str, ...]) -> tuple[dict, dict[str, Any]]:
    """The header of a file (`kind`, `package_version`, `content`) and its arrays.

    **Raises:** `ValueError` that names the path, if the file is damaged or was not written by this package.
    """
    safetensors = require_safetensors()
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"`path` must be a file, got the folder {str(path)!r}. Add a file name.")
    if not path.is_file():
        raise FileNotFoundError(f"`path` must be a file, got {str(path)!r}, which does not exist. Check the name.")
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except Exception as error:  # the reader raises errors of its own and of the standard library
        raise _refusal(path, f"one that cannot be read ({error})", "It is damaged, or of another format.") from error
    if metadata.get("format") != FORMAT:
        raise _refusal(path, f"a safetensors file of another program ({metadata})", "Read it with that program.")
    if metadata.get("format_version") != str(FORMAT_VERSION):
        raise _refusal(path, f"one of format version {metadata.get('format_version')}", "Update pdequinox.")
    text = metadata.get("header", "")
    if metadata.get("checksum") != _checksum(text, tensors):
        raise _refusal(path, "one whose checksum is wrong", _DAMAGED)
    with foreign(path):
        header = json.loads(text)
        kind, records, _, _ = (header[name] for name in ("kind", "arrays", "content", "package_version"))
    if kind not in kinds:
        raise _refusal(path, f"one that holds a {kind}, not a {kinds[0]}", "Pass another file.")
    with foreign(path):
        return header, {name: _from_tensor(path, tensors[name], record) for name, record in records.items()}


class Refusal(ValueError):
    """An error that names the file already."""


@contextlib.contextmanager
def foreign(path: Path) -> Iterator[None]:
    """Errors of what is read from a header that this package did not write name the file."""
    try:
        yield
    except Refusal:
        raise
    except Exception as error:
        raise _refusal(path, f"one whose header makes no sense ({error!r})", "Save it again.") from error


def _refusal(path: Path, found: str, remedy: str) -> Refusal:
    return Refusal(f"`path` must be a file that pdequinox wrote, got {str(path)!r}, {found}. {remedy}")


def require_safetensors() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "`safetensors` must be installed to save and to load, got none. Install it: `pip install "
            '"pdequinox[save]"`.'
        ) from error
    return safetensors


def _to_tensor(array: Any) -> tuple[np.ndarray, dict]:
    """What is stored, and how to make the array of it again."""
    place = "numpy" if isinstance(array, np.ndarray | np.generic) else "jax"
    key: Any = array
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        tensor, record = _to_tensor(np.asarray(jax.random.key_data(key)))
        return tensor, {**record, "place": "key", "impl": str(jax.random.key_impl(key))}
    array = on_host(array)
    if array.dtype.kind in "OUSMm":
        raise ValueError(f"arrays must hold numbers to be saved, got {array.dtype}. Leave this one out of the model.")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    record = {"place": place, "dtype": array.dtype.name, "shape": list(array.shape)}
    if array.dtype.name not in _PLAIN:
        # bfloat16, complex numbers, ...: their bytes. A scalar has no axis to view them along.
        array = np.frombuffer(array.tobytes(), np.uint8)
    return np.ascontiguousarray(array), record


def _from_tensor(path: Path, tensor: np.ndarray, record: dict) -> Any:
    dtype = jnp.dtype(record["dtype"])
    if tensor.dtype.name != (record["dtype"] if record["dtype"] in _PLAIN else "uint8"):
        raise _refusal(path, f"one with numbers of another kind ({tensor.dtype})", _DAMAGED)
    array = tensor if record["dtype"] in _PLAIN else np.frombuffer(tensor.tobytes(), dtype)
    array = array.reshape(record["shape"])
    if record["place"] == "numpy":
        return array.copy()
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise _refusal(
            path, f"with an array of {dtype}", "Call `jax.config.update('jax_enable_x64', True)` at the start."
        )
    if record["place"] == "key":
        return jax.random.wrap_key_data(jnp.asarray(array), impl=record["impl"])
    return jnp.array(array)


def _checksum(text: str, tensors: dict[str, np.ndarray]) -> str:
    value = zlib.crc32(text.encode())
    for name in sorted(tensors):
        value = zlib.crc32(name.encode(), value)
        value = zlib.crc32(np.ascontiguousarray(tensors[name]).reshape(-1).view(np.uint8).data, value)
    return f"{value:08x}"
