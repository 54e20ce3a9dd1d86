"""Functions of a field that dispatch on its type and carry their parameters."""

import functools
import inspect
from collections.abc import Callable
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

from ..fields import Field


class _Implementation(NamedTuple):
    evaluate: Callable
    init_params: Callable | None
    signature: inspect.Signature
    own_options: frozenset[str]
    """Keywords of `init_params` that `evaluate` does not have."""

    def default_params(self, field: Any, args: tuple, options: dict) -> Any:
        """The parameters that `init_params` makes for these arguments, with the defaults of `evaluate` filled in."""
        own = {name: options[name] for name in options if name in self.own_options}
        bound = self.signature.bind(field, *args, **{name: options[name] for name in options if name not in own})
        if self.init_params is None:
            return None
        bound.apply_defaults()
        return self.init_params(*bound.args, **{**bound.kwargs, **own})


_MISSING = object()


class Operator:
    """A function `op(field, *args, params=None, **options)` with one implementation per type of field.

    It dispatches on the type of its first argument by `functools.singledispatch`, so subclasses of a field have the
    implementations of their parents. One for `Callable` takes functions of a point; fields are callable too, but it is
    not for fields. Made by `operator`; extended by `register`.

    A `params` that knows how to apply itself has a method `apply_operator(op, field, *args, **options)`, which is then
    called instead of the implementation: see `geometry.Metric`.
    """

    def __init__(self, evaluate: Callable, init_params: Callable | None = None):
        functools.update_wrapper(self, evaluate)
        self._implementations: Any = functools.singledispatch(_MISSING)  # pyright: ignore[reportArgumentType]
        self._for_functions: Any = _MISSING
        self.register(evaluate, init_params=init_params)

    def __call__(self, field: Any, /, *args: Any, params: Any = None, **options: Any) -> Any:
        if hasattr(type(params), "apply_operator"):
            return params.apply_operator(self, field, *args, **options)
        implementation = self._implementation_for(type(field))
        if params is None:
            if implementation.init_params is None:
                return implementation.evaluate(field, *args, **options)
            params = implementation.default_params(field, args, options)
            options = {name: options[name] for name in options if name not in implementation.own_options}
        elif not implementation.own_options.isdisjoint(options):
            names = ", ".join(f"`{name}`" for name in sorted(implementation.own_options & {*options}))
            raise ValueError(
                f"{names} must be left out beside `params` of `{self}`, which it makes, got both. Drop one."
            )
        return implementation.evaluate(field, *args, params=params, **options)

    def default_params(self, field: Any, /, *args: Any, **options: Any) -> Any:
        """The parameters that the operator uses for these arguments unless it is given others.

        `options` may hold further arguments of the operator's `init_params`, such as a random `key`.
        """
        return self._implementation_for(type(field)).default_params(field, args, options)

    def takes_key(self, field: Any) -> bool:
        """Whether `default_params` takes a random `key` for this field: the operator has a network."""
        return "key" in self._implementation_for(type(field)).own_options

    def register(self, field_type: Any = None, *, init_params: Callable | None = None) -> Callable:
        """Add an implementation for a type of field.

        !!! example
            ```python
            @gradient.register(MyField, init_params=make_stencils)
            def _(u, *, params=None):
                ...
            ```

        **Arguments:**

        - `field_type`: The type, a union of types, or nothing: then it is the annotation of the first argument.
        - `init_params`: Called like the implementation, without `params`, for the default parameters.

        **Raises:** `TypeError` if the implementation has no keyword `params`, if its first argument has no type, or if
            `init_params` does not take the arguments of the implementation.
        """
        if inspect.isfunction(field_type):
            return self._add(field_type, _first_annotation(field_type), init_params)
        return lambda evaluate: self._add(evaluate, field_type or _first_annotation(evaluate), init_params)

    def _add(self, evaluate: Callable, field_type: Any, init_params: Callable | None) -> Callable:
        signature = inspect.signature(evaluate)
        params = signature.parameters.get("params")
        if params is None or params.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise TypeError(
                f"`{evaluate.__name__}` must take `params` as a keyword, got {evaluate.__name__}{signature}. "
                "Write it as `def op(u: MyField, *, params=None)`."
            )
        # Everything but `params` is what `init_params` is called with.
        signature = signature.replace(parameters=[p for p in signature.parameters.values() if p is not params])
        own_options = _own_options(init_params, evaluate.__name__, signature) if init_params else frozenset()
        implementation = _Implementation(evaluate, init_params, signature, own_options)
        is_union = isinstance(field_type, UnionType) or get_origin(field_type) is Union
        for kind in get_args(field_type) if is_union else (field_type,):
            if kind is Callable or get_origin(kind) is Callable:
                self._for_functions = implementation
            else:
                self._implementations.register(kind, implementation)
        return evaluate

    def _dispatch(self, field_type: type) -> Any:
        found = self._implementations.dispatch(field_type)
        # Fields are callables too: an implementation for functions must not catch a field that lacks one of its own.
        is_function = (
            found is _MISSING and issubclass(field_type, Callable) and not issubclass(field_type, Field | type)
        )
        return self._for_functions if is_function else found

    def _implementation_for(self, field_type: type) -> Any:
        found = self._dispatch(field_type)
        if found is _MISSING:
            names = ", ".join(name for (name,) in get_implementations(self))
            names += " or a function of a point" if self._for_functions is not _MISSING else ""
            raise TypeError(
                f"`{self}` must get one of {names}, got {field_type.__name__}. Convert it, or add an implementation "
                f"with `@{self}.register({field_type.__name__})`."
            )
        return found

    def __reduce__(self) -> str:
        return self.__wrapped__.__qualname__  # pyright: ignore[reportAttributeAccessIssue]

    def __repr__(self) -> str:
        return self.__wrapped__.__name__  # pyright: ignore[reportAttributeAccessIssue]


def operator(evaluate: Callable | None = None, *, init_params: Callable | None = None) -> Any:
    """Make a function of a field an operator: `@operator`, or `@operator(init_params=...)`.

    The function's first argument is the field; its annotation says for which type the implementation is. `params` is a
    keyword: any pytree that the function computes with, stencils or a whole network. `op.default_params(u)` shows
    them, `op(u, params=...)` replaces them, `jax.grad` differentiates by them. Without `params` (or with `None`) the
    operator makes them itself.

    !!! example
        ```python
        @operator(init_params=lambda u: {"strength": jnp.ones(())})
        def scaled(u: OnGrid, *, params=None):
            return params["strength"] * u
        ```

    **Arguments:**

    - `evaluate`: The first implementation, `(field, *args, params=None, **options)`.
    - `init_params`: Takes the arguments of `evaluate` but for `params` and returns the default parameters. It may take
        further keywords, which `default_params` passes on.

    **Returns:** An `Operator`.

    **Raises:** as `Operator.register`.
    """
    if evaluate is None:
        return functools.partial(Operator, init_params=init_params)
    return Operator(evaluate, init_params)


def get_implementations(op: Operator) -> list[tuple[str]]:
    """The names of the types of fields that the operator has an implementation for, each in a tuple, sorted."""
    registry = op._implementations.registry
    return sorted((field_type.__name__,) for field_type, found in registry.items() if found is not _MISSING)


def has_implementation(op: Operator, field_type: type) -> bool:
    """Whether the operator takes arguments of this type: it has an implementation for it, for a parent of it, or for
    `Callable` if it is a type of functions and not of fields."""
    return op._dispatch(field_type) is not _MISSING


def _first_annotation(evaluate: Callable) -> Any:
    """The type of the first argument; annotations may be strings."""
    first = next(iter(inspect.signature(evaluate).parameters.values()), None)
    annotation = first.annotation if first else inspect.Parameter.empty
    if isinstance(annotation, str):
        names = inspect.getclosurevars(evaluate)
        try:
            return eval(annotation, {**evaluate.__globals__, **names.nonlocals})
        except NameError:
            annotation = inspect.Parameter.empty
    if annotation is inspect.Parameter.empty or annotation is Any:
        raise TypeError(
            f"the first argument of `{evaluate.__name__}` must be annotated with a type of field that is known here. "
            "Annotate it, or name the type: `@op.register(MyField)`."
        )
    return annotation


def _own_options(init_params: Callable, name: str, signature: inspect.Signature) -> frozenset[str]:
    """The keywords that only `init_params` has; it must take all the arguments of the implementation too."""
    shared = signature.parameters.values()
    by_position = [p.name for p in shared if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    by_keyword = {p.name: None for p in shared if p.kind is p.KEYWORD_ONLY}
    own = inspect.signature(init_params)
    try:
        own.bind_partial(*by_position, **by_keyword)
    except TypeError as error:
        raise TypeError(
            f"`init_params` of `{name}` must take the arguments {signature}, got {own}: {error}. Add them, or "
            "`*args, **kwargs`."
        ) from None
    return frozenset(p.name for p in own.parameters.values() if p.kind is p.KEYWORD_ONLY) - set(signature.parameters)
