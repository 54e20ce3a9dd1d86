"""A number to be found by training: raw in the tree, transformed in use."""

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array


class Parameter(eqx.Module):
    """A trainable number or array with a constraint that always holds.

    Trained is the array `raw`, without constraint; `value` is its image. Part of any pytree that is a model, with an
    optimizer of its own if it has a name there.

    !!! example
        ```python
        model = {"diffusivity": Parameter(0.1, "positive"), "network": network}
        flux = -model["diffusivity"].value * slope
        ```
    """

    raw: Array
    """What the optimizer changes."""
    transform: Any = eqx.field(static=True)
    """From `raw` to `value`."""

    def __init__(self, value: Any, transform: Any = None):
        r"""**Arguments:**

        - `value`: The value to start from: a number or an array.
        - `transform`: `None`; `"positive"`, by $\log(1 + e^{\text{raw}})$; a pair of numbers, the value lies between
            them by a sigmoid; or a pair of functions, `(transform, inverse)`. Defined functions, not lambdas made
            anew, if parameters are to share compiled code.

        **Raises:** `ValueError` for another `transform`, and a value that is not finite or does not satisfy the
        constraint.
        """
        value = jnp.asarray(value)
        # Naming the dtype makes it a strong one, which no step of an optimizer changes.
        value = jnp.asarray(value, value.dtype if jnp.issubdtype(value.dtype, jnp.inexact) else float)
        self.transform = _checked_transform(transform)
        if not isinstance(value, Tracer):
            _check_value(value, self.transform)
        _, inverse = _functions(self.transform)
        self.raw = inverse(value)
        if not isinstance(self.raw, Tracer) and not jnp.all(jnp.isfinite(self.raw)):
            raise ValueError(
                f"`transform` must have an inverse at `value`, got {self.raw} for {value}. Start from another value."
            )

    @property
    def value(self) -> Array:
        """The value that satisfies the constraint."""
        function, _ = _functions(self.transform)
        return function(self.raw)


def _checked_transform(transform: Any) -> Any:
    if transform is None or (isinstance(transform, str) and transform == "positive"):
        return transform
    pair = tuple(transform) if isinstance(transform, Sequence) and not isinstance(transform, str) else ()
    if len(pair) == 2 and all(map(callable, pair)):
        return pair
    if len(pair) == 2 and all(isinstance(bound, Real) for bound in pair) and -math.inf < pair[0] < pair[1] < math.inf:
        return float(pair[0]), float(pair[1])
    raise ValueError(
        "`transform` must be None, 'positive', a pair of increasing numbers or a pair of functions, got "
        f"{transform!r}. Check the spelling."
    )


def _check_value(value: Array, transform: Any) -> None:
    if transform is None or callable(transform[0]):
        if not jnp.all(jnp.isfinite(value)):
            raise ValueError(f"`value` must be finite, got {value}. Give a number to start from.")
        return
    lower, upper = (0.0, math.inf) if transform == "positive" else transform
    # In the precision of the value: what rounds to a bound lies on it.
    if jnp.iscomplexobj(value) or not jnp.all((lower < value) & (value < upper)):
        raise ValueError(
            f"`value` must be real and lie between {lower} and {upper} with transform={transform!r}, got {value}. "
            "Start inside."
        )


def _functions(transform: Any) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """From raw to value, and back."""
    if transform is None:
        return (lambda raw: raw), (lambda value: value)
    if transform == "positive":
        # log(e^y - 1), for small and for large y
        return _positive, lambda value: value + jnp.log(-jnp.expm1(-value))
    if callable(transform[0]):
        return transform
    lower, upper = transform
    return (
        lambda raw: jnp.clip(lower + (upper - lower) * jax.nn.sigmoid(raw), lower, upper),
        lambda value: jnp.log((value - lower) / (upper - value)),
    )


def _positive(raw: Array) -> Array:
    """Softplus, and not zero where it rounds to zero."""
    return jnp.maximum(jax.nn.softplus(raw), jnp.finfo(raw.dtype).tiny)
