"""Functions as parts of pytrees: what has no parameters is static."""

import functools
import importlib
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree


class _Bound(functools.partial):
    """A partial function that equals another one of the same function and arguments."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, functools.partial) and _parts(self) == _parts(other)

    def __hash__(self) -> int:
        return hash(_parts(self))

    def __reduce__(self):
        return _bind, (PlainFunction(self.func), self.args, self.keywords)


def _bind(function: "PlainFunction", args: tuple, keywords: dict) -> _Bound:
    return _Bound(function.function, *args, **keywords)


def _parts(function: functools.partial) -> tuple:
    return function.func, function.args, tuple(sorted(function.keywords.items()))


def _comparable(function: Callable) -> Callable:
    if not isinstance(function, functools.partial) or isinstance(function, jax.tree_util.Partial):
        return function
    return _Bound(function.func, *function.args, **function.keywords) if is_hashable(_parts(function)) else function


class PlainFunction(eqx.Module):
    """A function without parameters: a static part of a pytree.

    Copies and pickles refer to the function by its name, where it has one: a copied or restored network has the same
    tree structure as the original. (`jax.nn.relu` itself is an object that a deep copy makes another one of.) Partial
    functions are compared by their parts, for the same reason.
    """

    function: Callable = eqx.field(static=True, converter=_comparable)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __deepcopy__(self, memo: dict) -> "PlainFunction":
        return self

    def __reduce__(self):
        module, name = getattr(self.function, "__module__", None), getattr(self.function, "__qualname__", None)
        try:
            found = _find(module, name)
        except (AttributeError, ImportError, TypeError):
            found = None
        return (_restore, (module, name)) if found is self.function else (PlainFunction, (self.function,))

    def __repr__(self) -> str:
        return f"PlainFunction({getattr(self.function, '__name__', self.function)})"


def _find(module: Any, name: Any) -> Callable:
    return attrgetter(name)(importlib.import_module(module))


def _restore(module: str, name: str) -> PlainFunction:
    return PlainFunction(_find(module, name))


def with_static_functions(tree: PyTree) -> PyTree:
    """The pytree with each function among its leaves made static, so that `jax.jit`, `jax.grad` and optax take it."""
    return jax.tree.map(lambda leaf: PlainFunction(leaf) if _is_function(leaf) else leaf, tree)


def is_hashable(value: Any) -> bool:
    """Whether a value can be a static part of a pytree as it is."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _is_function(leaf: Any) -> bool:
    return callable(leaf) and not eqx.is_array_like(leaf)
