"""How a derivative is computed: by automatic differentiation in some mode, or by finite differences on a mesh."""

import contextlib
import dataclasses
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, TypeAlias

_MODES = ("forward", "reverse")
_SHORT = {"forward": "fwd", "reverse": "rev"}
_METHODS = ("volume", "lsq", "uniform", "inverse_distance", "cotangent")


@dataclasses.dataclass(frozen=True)
class AutomaticDifferentiation:
    """Derivatives of a function by `jax.jvp` (forward) or `jax.vjp` (reverse), exact to rounding.

    A second derivative is `outer(inner(f))`; a first one uses `inner` alone. `None` leaves the choice to the operator.
    """

    inner: str | None = None
    outer: str | None = None

    def __post_init__(self):
        for name in ("inner", "outer"):
            _check_choice(name, getattr(self, name), (*_MODES, None))


@dataclasses.dataclass(frozen=True)
class FiniteDifference:
    """Derivatives on an unstructured mesh from the values at the nodes: see `pdequinox.mesh`.

    `method` is `"volume"`, `"lsq"`, `"uniform"`, `"inverse_distance"` or `"cotangent"`.
    """

    method: str = "volume"

    def __post_init__(self):
        _check_choice("method", self.method, _METHODS)


Scheme: TypeAlias = AutomaticDifferentiation | FiniteDifference


def _check_choice(name: str, value: Any, valid: tuple) -> None:
    if value not in valid:
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, valid))}, got {value!r}. Pick one of them.")


SCHEMES: dict[str, Scheme] = {
    "automatic_differentiation": AutomaticDifferentiation(),
    **{f"automatic_differentiation:{mode}": AutomaticDifferentiation(mode, mode) for mode in _MODES},
    **{
        f"automatic_differentiation:{_SHORT[outer]}-over-{_SHORT[inner]}": AutomaticDifferentiation(inner, outer)
        for outer in _MODES
        for inner in _MODES
    },
    "finite_difference": FiniteDifference(),
    **{f"finite_difference:{method}": FiniteDifference(method) for method in _METHODS[1:]},
}
"""All scheme strings and what they mean."""


def parse_scheme(scheme: Any) -> Scheme:
    """The scheme that a string names; a scheme is returned as it is.

    **Arguments:**

    - `scheme`: `"family"` or `"family:method"`, one of `SCHEMES`.

    **Raises:** `ValueError` for an unknown family or method, listing the valid ones.
    """
    if isinstance(scheme, AutomaticDifferentiation | FiniteDifference):
        return scheme
    if isinstance(scheme, str) and scheme in SCHEMES:
        return SCHEMES[scheme]
    family = scheme.partition(":")[0] if isinstance(scheme, str) else None
    alike = [name for name in SCHEMES if name.partition(":")[0] == family] or list(SCHEMES)
    raise ValueError(f"`scheme` must be one of {', '.join(map(repr, alike))}, got {scheme!r}. Pick one of them.")


_DEFAULTS: ContextVar[dict[type, Scheme]] = ContextVar("pdequinox_default_schemes")


@contextlib.contextmanager
def default_scheme(scheme: Any) -> Iterator[None]:
    """Within the `with` block, operators of the scheme's family use it unless they are given another one.

    It counts where an operator is called. A function that `jax.jit` has compiled before keeps what it was traced with.

    !!! example
        ```python
        with default_scheme("automatic_differentiation:forward"):
            slope = gradient(u)
        ```

    **Arguments:**

    - `scheme`: As for `parse_scheme`. Those of one family leave the default of the other as it is.

    **Raises:** as `parse_scheme`.
    """
    scheme = parse_scheme(scheme)
    token = _DEFAULTS.set({**_DEFAULTS.get({}), type(scheme): scheme})
    try:
        yield
    finally:
        _DEFAULTS.reset(token)


def resolve_scheme(family: type, scheme: Any) -> Any:
    """The scheme to use in an implementation of an operator: that of the call, or else the default of the family.

    **Arguments:**

    - `family`: `AutomaticDifferentiation` or `FiniteDifference`: what the implementation can do.
    - `scheme`: What the operator was called with, as for `parse_scheme`; `None` for the default.

    **Returns:** An instance of `family`.

    **Raises:** `ValueError` as `parse_scheme`, and for a scheme of another family.
    """
    if scheme is None:
        return _DEFAULTS.get({}).get(family) or family()
    parsed = parse_scheme(scheme)
    if not isinstance(parsed, family):
        valid = ", ".join(repr(name) for name, value in SCHEMES.items() if isinstance(value, family))
        raise ValueError(f"`scheme` must here be one of {valid}, got {scheme!r}. Pick one of them.")
    return parsed
