"""Objects as JSON: classes, options and functions by their names, arrays by their paths."""

import dataclasses
import functools
import inspect
import sys
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._fingerprint import is_array
from .._plain_function import PlainFunction
from ._tensor_file import Refusal

_FUNCTION_MODULES = ("jax.nn", "jax.numpy", "jax.lax", "pdequinox", "equinox.nn")
_NOT_PURE = {"fromfile", "load", "printoptions", "save", "savez", "set_printoptions"}
"""Functions of these modules that read or write files or settings."""
_REMEDY = "Use one with a name there, or `save(path, network, arrays_only=True)` and `load(path, like=...)`."


class Encoder:
    """Makes JSON of an object and collects its arrays."""

    def __init__(self):
        self.arrays: dict[str, Any] = {}

    def encode(self, value: Any, path: str, *, is_static: bool = False, owner: Any = None) -> Any:
        """The JSON of a value at a path; `owner` is the class and the field that it is the value of."""
        inner = functools.partial(self.encode, is_static=is_static)
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return {"float": value.hex()}
        if type(value) is complex:
            return {"complex": [value.real.hex(), value.imag.hex()]}
        if is_array(value):
            return self._encode_array(value, path, is_static)
        if type(value) in (tuple, list):
            return {type(value).__name__: [inner(item, f"{path}[{i}]") for i, item in enumerate(value)]}
        if type(value) is dict:
            return {"dict": [[inner(k, path), inner(v, f"{path}[{k!r}]")] for k, v in value.items()]}
        if isinstance(value, frozenset):
            return {"frozenset": [inner(item, path) for item in sorted(value, key=repr)]}
        if isinstance(value, PlainFunction):
            return {"plain_function": inner(value.function, f"{path}.function")}
        if isinstance(value, functools.partial):
            kind = "tree_partial" if isinstance(value, jax.tree_util.Partial) else "partial"
            return {kind: [inner(v, f"{path}.{k}") for k, v in _partial_parts(value)]}
        if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
            return {"dtype" if isinstance(value, np.dtype) else "scalar_type": np.dtype(value).name}
        if isinstance(value, type) and getattr(jnp, value.__name__, None) is value:
            return {"jax_type": value.__name__}
        if isinstance(value, type):
            return {"type": _name_of_class(value)}
        if dataclasses.is_dataclass(value):
            return self._encode_object(value, path, is_static)
        return _encode_function(value, path, owner)

    def _encode_array(self, array: Any, path: str, is_static: bool) -> dict:
        name = f"static {path}" if is_static else path
        if isinstance(array, jax.ShapeDtypeStruct):
            raise ValueError(f"`network` must hold arrays, got the shape of one at `network{path}`. Build the network.")
        self.arrays[name] = array
        return {"number" if isinstance(array, np.generic) else "array": name}

    def _encode_object(self, value: Any, path: str, is_static: bool) -> dict:
        fields = {}
        for field in dataclasses.fields(value):
            static = is_static or bool(field.metadata.get("static"))
            owner = (type(value), field.name)
            item = getattr(value, field.name)
            fields[field.name] = self.encode(item, f"{path}.{field.name}", is_static=static, owner=owner)
        return {"class": _name_of_class(type(value)), "fields": fields}


class Decoder:
    """The inverse of `Encoder`, for JSON that nobody vouches for."""

    def __init__(self, arrays: dict[str, Any], classes: tuple, source: str):
        self._arrays, self._source = arrays, source
        self._given = {_name_of_class(item): item for item in classes}

    def decode(self, node: Any) -> Any:
        if node is None or isinstance(node, bool | int | str):
            return node
        if not isinstance(node, dict) or len(node) != 1 + ("class" in node):
            raise self._refusal(f"the entry {node!r}")
        if "class" in node:
            return self._decode_object(node)
        ((kind, content),) = node.items()
        decode = getattr(self, f"_decode_{kind}", None)
        if decode is None:
            raise self._refusal(f"an entry of the kind {kind!r}")
        return decode(content)

    def _decode_float(self, content: str) -> float:
        return float.fromhex(content)

    def _decode_complex(self, content: list) -> complex:
        return complex(*map(float.fromhex, content))

    def _decode_array(self, name: str) -> Any:
        return self._arrays[name]

    def _decode_number(self, name: str) -> Any:
        return self._arrays[name][()]

    def _decode_tuple(self, content: list) -> tuple:
        return tuple(map(self.decode, content))

    def _decode_list(self, content: list) -> list:
        return list(map(self.decode, content))

    def _decode_dict(self, content: list) -> dict:
        return {self.decode(key): self.decode(value) for key, value in content}

    def _decode_frozenset(self, content: list) -> frozenset:
        return frozenset(map(self.decode, content))

    def _decode_plain_function(self, content: Any) -> PlainFunction:
        return PlainFunction(self.decode(content))

    def _decode_partial(self, content: list) -> functools.partial:
        function, args, keywords = map(self.decode, content)
        return functools.partial(function, *args, **keywords)

    def _decode_tree_partial(self, content: list) -> functools.partial:
        function, args, keywords = map(self.decode, content)
        return jax.tree_util.Partial(function, *args, **keywords)

    def _decode_dtype(self, name: str) -> np.dtype:
        return jnp.dtype(name)

    def _decode_scalar_type(self, name: str) -> type:
        return jnp.dtype(name).type

    def _decode_jax_type(self, name: str) -> type:
        jnp.dtype(name)  # only names of dtypes
        return getattr(jnp, name)

    def _decode_type(self, name: str) -> type:
        return self._find_class(name)

    def _decode_function(self, name: str) -> Any:
        module, _, attribute = name.rpartition(".")
        found = _find_function(module, attribute)
        if found is None:
            raise self._refusal(f"the function {name!r}, which is not of {', '.join(_FUNCTION_MODULES)}")
        return found

    def _decode_default(self, content: list) -> Any:
        class_name, parameter = content
        return inspect.signature(self._find_class(class_name)).parameters[parameter].default

    def _decode_object(self, node: dict) -> Any:
        cls = self._find_class(node["class"])
        expected, found = {field.name for field in dataclasses.fields(cls)}, set(node["fields"])
        if expected != found:
            raise self._refusal(
                f"a {cls.__name__} whose fields differ from those of the class as it is here in "
                f"{', '.join(sorted(expected ^ found))}"
            )
        value = object.__new__(cls)
        for name, content in node["fields"].items():
            object.__setattr__(value, name, self.decode(content))
        return value

    def _find_class(self, name: str) -> type:
        module, _, attribute = name.rpartition(".")
        found = self._given.get(name)
        if found is None and _is_open(module, ("pdequinox", "equinox.nn")):
            found = getattr(sys.modules.get(module), attribute, None)
        elif found is None:  # a class of a script, whose module has another name in another script
            named = [cls for cls in self._given.values() if cls.__name__ == attribute]
            found = named[0] if len(named) == 1 else None
        is_given = name in self._given or attribute in {cls.__name__ for cls in self._given.values()}
        if not isinstance(found, type) or not (dataclasses.is_dataclass(found) if is_given else _is_module(found)):
            raise self._refusal(
                f"the class {name!r}, which is not of pdequinox or equinox.nn",
                f"If it is yours, pass it: `load(path, classes=[{attribute}])`.",
            )
        return found

    def _refusal(self, what: str, remedy: str = "Load it with that version.") -> Refusal:
        return Refusal(f"`path` must hold what this version can build, got {self._source} with {what}. {remedy}")


def _is_module(cls: type) -> bool:
    return issubclass(cls, eqx.Module)


def _is_open(module: str, names: tuple[str, ...]) -> bool:
    """Whether a module is one of those named, or a room of pdequinox."""
    return module in names or (module.startswith("pdequinox.") and "._" not in module)


def _find_function(module: str, name: str) -> Any:
    """A function of an open module that does nothing but compute, or None."""
    is_open = _is_open(module, _FUNCTION_MODULES) and name not in _NOT_PURE
    found = getattr(sys.modules.get(module), name, None) if is_open else None
    home = getattr(found, "__module__", None) or ""
    is_pure = not home.startswith(("pdequinox.train", "pdequinox.bench"))
    return found if is_pure and callable(found) and not isinstance(found, type) else None


def _partial_parts(value: functools.partial) -> list[tuple[str, Any]]:
    return [("func", value.func), ("args", value.args), ("keywords", dict(value.keywords))]


def _name_of_class(cls: type) -> str:
    """Where a class is found: in a public module, if it is there."""
    return f"{_public_module(cls)}.{cls.__qualname__}"


def _public_module(cls: type) -> str:
    """The module without its private files, if the class is found there."""
    parts = cls.__module__.split(".")
    public = ".".join(parts[: next((i for i, part in enumerate(parts) if part.startswith("_")), len(parts))])
    is_there = getattr(sys.modules.get(public), cls.__qualname__, None) is cls
    return public if public and is_there else cls.__module__


def _encode_function(value: Any, path: str, owner: Any) -> dict:
    """A function by its public name, or as the default of its owner's constructor."""
    rooms = [module for module in sys.modules if module.startswith("pdequinox.")]
    name = getattr(value, "__name__", None)
    for module in (*_FUNCTION_MODULES, *rooms):
        if callable(value) and isinstance(name, str) and _find_function(module, name) is value:
            return {"function": f"{module}.{name}"}
    if owner is not None and callable(value):
        cls, field = owner
        parameter = inspect.signature(cls).parameters.get(field)
        if parameter is not None and parameter.default is value:
            return {"default": [_name_of_class(cls), field]}
    what = name or f"a {type(value).__name__}"
    raise ValueError(
        f"`network{path}` must be an array, a plain value, a module or a function of {', '.join(_FUNCTION_MODULES)} to "
        f"be saved, got {what}. {_REMEDY}"
    )
