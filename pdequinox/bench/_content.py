"""What a function does, as a hash: two runs with different code must not be taken for the same."""

import functools
import hashlib
import inspect
import sys
import sysconfig
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import jax
import numpy as np

_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def content_hash(function: Any) -> str:
    """A hash over the code of a function and of all that it uses: functions, classes, constants, default values.

    The code is what Python compiles it to, so comments and empty lines do not count, and another version of Python may
    give another hash. What is installed, and this package, counts by name only.
    """
    content = _Content()
    content.add(function)
    return content.hash.hexdigest()[:16]


def qualified_name(function: Any) -> str:
    """The name of a function or class, or of the class of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__qualname__", type(function).__qualname__)


class _Content:
    """Adds up everything that can be reached, each thing once."""

    def __init__(self):
        self.hash = hashlib.sha256()
        self.seen: dict[int, tuple[int, Any]] = {}  # holds on to the objects, so that no two have the same `id`

    def add(self, value: Any) -> None:
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            return self._say(type(value).__name__, repr(value))
        if id(value) in self.seen:
            return self._say("again", str(self.seen[id(value)][0]))
        self.seen[id(value)] = (len(self.seen), value)
        if isinstance(value, CodeType):
            self._add_code(value)
        elif isinstance(value, tuple | list):
            self._say(type(value).__name__, str(len(value)))
            self._add_all(value)
        elif isinstance(value, set | frozenset):
            self._say("set", *sorted(map(repr, value)))
        elif isinstance(value, dict):
            self._say("dict", str(len(value)))
            for key, entry in value.items():
                self.add(key)
                self.add(entry)
        elif isinstance(value, functools.partial):
            self._say("partial")
            self._add_all((value.func, value.args, value.keywords))
        elif isinstance(value, MethodType):
            self._add_all((value.__func__, value.__self__))
        elif isinstance(value, np.ndarray | np.generic | jax.Array):
            array = np.asarray(value)
            self._say("array", str(array.dtype), str(array.shape), array.tobytes().hex())
        elif isinstance(value, ModuleType | BuiltinFunctionType) or _is_installed(value):
            self._say("name", getattr(value, "__module__", None) or "", getattr(value, "__qualname__", value.__name__))
        elif isinstance(value, FunctionType):
            self._add_function(value)
        elif isinstance(value, type):
            self._add_class(value)
        else:
            self._say("object")
            self.add(type(value))
            wrapped = getattr(value, "__wrapped__", None)
            self._add_all((wrapped, getattr(value, "__dict__", None)))

    def _say(self, *words: str) -> None:
        for word in words:
            self.hash.update(f"{len(word)}:{word}".encode())

    def _add_all(self, values: Any) -> None:
        for value in values:
            self.add(value)

    def _add_function(self, function: FunctionType) -> None:
        self._say("function")
        self._add_code(function.__code__)
        self._add_all((function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            try:
                self.add(cell.cell_contents)
            except ValueError:  # not assigned yet
                self._say("empty")
        names = sorted(_names_in(function.__code__))
        for name in names:
            if name in function.__globals__:
                used = function.__globals__[name]
                self._say("global", name)
                if isinstance(used, ModuleType) and not _is_installed(used):
                    self._add_all(getattr(used, other) for other in names if hasattr(used, other))
                else:
                    self.add(used)

    def _add_code(self, code: CodeType) -> None:
        # Without names of files and numbers of lines; a docstring is a constant.
        self._say("code", code.co_code.hex(), *code.co_names, *code.co_varnames)
        self._add_all(code.co_consts)

    def _add_class(self, cls: type) -> None:
        self._say("class", cls.__qualname__)
        self._add_all(cls.__bases__)
        annotations = inspect.get_annotations(cls)
        self._say("annotations", *(f"{name}: {kind}" for name, kind in annotations.items()))
        for name, value in sorted(vars(cls).items()):
            # An equinox module's own functions; what dataclasses, `abc` and the garbage collector add is left out.
            value = _plain_function(value)
            is_own = not name.startswith("__") or (isinstance(value, FunctionType) and _is_written(value))
            if is_own and not name.startswith("_abc_"):
                self._say("attribute", name)
                self.add(value)


def _plain_function(value: Any) -> Any:
    """The function behind a method, as classes hold it."""
    if isinstance(value, property):
        return value.fget
    return getattr(value, "__func__", getattr(value, "__wrapped__", getattr(value, "method", value)))


def _is_written(function: FunctionType) -> bool:
    """Whether someone wrote it, and not `dataclasses`."""
    return function.__code__.co_filename != "<string>" and not _is_installed(function)


def _names_in(code: CodeType) -> set[str]:
    nested = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names_in, nested))


def _is_installed(value: Any) -> bool:
    """Whether it is part of Python, of an installed package or of this one."""
    if not isinstance(value, ModuleType | type) and not hasattr(value, "__qualname__"):
        return False
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    if name is None or name.partition(".")[0] in ("pdequinox", *sys.builtin_module_names):
        return name is not None
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    return file is not None and file.startswith(_INSTALLED)
