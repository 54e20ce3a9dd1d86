"""Any architecture as a pure function and its parameters, and the two bound into a function of a point."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import PyTree

from .._plain_function import is_hashable, with_static_functions


class _Apply:
    """Calls a module with other parameters. Equal for modules that differ in these alone, so nothing is retraced."""

    def __init__(self, static: PyTree):
        self._static = static
        leaves, structure = jax.tree.flatten(static)
        self._key = (structure, tuple(map(_comparable, leaves)))

    def __call__(self, params: PyTree, *args: Any, **options: Any) -> Any:
        return eqx.combine(params, self._static)(*args, **options)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Apply) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __deepcopy__(self, memo: dict) -> "_Apply":
        return self

    def __reduce__(self) -> tuple:
        return _Apply, (self._static,)


def _comparable(leaf: Any) -> Any:
    """A leaf that is no parameter, as something with equality: an array of integers by its contents."""
    if isinstance(leaf, Tracer):
        raise ValueError(
            f"`module` must have no traced arrays but its parameters, got {leaf}. Call `functional` outside of "
            "`jax.jit`."
        )
    if eqx.is_array(leaf) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf.dtype, leaf.shape, np.asarray(jax.random.key_data(leaf)).tobytes()
    return (leaf.dtype, leaf.shape, np.asarray(leaf).tobytes()) if eqx.is_array(leaf) else leaf


def functional(module: Any) -> tuple[Callable, PyTree]:
    """A module as a pure function and its parameters: `module(x) == apply(params, x)`.

    (`operators.functional` is something else: a function of all values of a field.)

    !!! example
        ```python
        apply, params = functional(network)
        u = Continuous(params, domain, apply)
        ```

    **Arguments:**

    - `module`: An `eqx.Module`, or any pytree that can be called.

    **Returns:** `(apply, params)`. `params` has the floating arrays of the module, and `None` for what `apply`
    holds. `apply` is hashable, and equal for modules that differ in their parameters alone.

    **Raises:** `ValueError` for what cannot be called or has no floating arrays.
    """
    if not callable(module):
        raise ValueError(f"`module` must be callable, got {type(module).__name__}. Give it a method `__call__`.")
    params, static = eqx.partition(with_static_functions(module), eqx.is_inexact_array)
    if not jax.tree.leaves(params):
        raise ValueError(
            f"`module` must have floating arrays as parameters, got {module!r}. A function without parameters needs no "
            "`functional`; for a function of parameters use `bind(function, params)`."
        )
    return _Apply(static), params


def bind(apply: Any, params: PyTree) -> Callable:
    """The function `x -> apply(params, x)` as a pytree with the leaves of `params`.

    Operators take it as a function of a point, `jax.jit` as an argument: other parameters are not another trace. (A
    lambda or a `functools.partial` is no pytree: as an argument of `jax.jit` it is a TypeError.)

    !!! example
        ```python
        u = bind(flax_module.apply, variables)
        laplacian(u)(x)
        ```

    **Arguments:**

    - `apply`: A hashable function `(params, *args)`, the same one each time: one defined once, the `apply` of
        `functional`, or a method of a module.
    - `params`: Any pytree. Functions among its leaves become static.

    **Returns:** A `jax.tree_util.Partial`.

    **Raises:** `ValueError` if `apply` cannot be called or hashed.
    """
    if not callable(apply) or not is_hashable(apply):
        raise ValueError(
            f"`apply` must be a hashable function of (params, x), got {type(apply).__name__}. For a module use "
            "`bind(*functional(module))`, or the module itself."
        )
    return jax.tree_util.Partial(apply, with_static_functions(params))
