"""An operator and a network that corrects it, as one operator."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from ..fields import OnGrid
from ..operators import Operator, operator
from ._on_field import check_same_shape, network_for, on_field, required_key

MODES = ("additive", "multiplicative", "residual_input")


def corrected(base_operator: Operator, make_network: Callable, mode: str = "additive") -> Operator:
    r"""The operator $A$ with a learned correction $N$.

    | mode | result | channels of the network |
    |---|---|---|
    | `"additive"` | $A(u) + N(A(u))$ | of $A(u)$, in and out |
    | `"multiplicative"` | $A(u)\,(1 + N(A(u)))$ | of $A(u)$, in and out |
    | `"residual_input"` | $A(u + N(u))$ | of $u$, in and out |

    The parameters are a dictionary: `default_params(u, key=...)` are `{"base": ..., "network": ...}`, those of $A$ as
    arrays and a new network. `jax.grad` by the whole dictionary trains both; by `params["network"]` the network only.

    !!! example
        ```python
        better = corrected(gradient, functools.partial(arch.ConvNet, hidden_channels=8, depth=2))
        params = better.default_params(u, key=jax.random.PRNGKey(0))
        better(u, params=params)
        ```

    **Arguments:**

    - `base_operator`: The operator $A$, such as `gradient`. Its arguments and options are those of the result.
    - `make_network`: Called as `make_network(num_spatial_dims, in_channels, out_channels, *, boundary_mode, key)`, the
        convention of `arch`, with the dimensions, channels and boundary mode of the field; returns a channel-first
        network.
    - `mode`: Where the correction enters.

    **Returns:** An operator on fields on a grid.

    **Raises:** `ValueError` for another mode.
    """
    if mode not in MODES:
        raise ValueError(f"`mode` must be one of {', '.join(map(repr, MODES))}, got {mode!r}. Check the spelling.")

    def init_params(u: OnGrid, *args: Any, key: Any = None, **options: Any) -> dict:
        key = required_key(key)
        if base_operator.takes_key(u):
            key, options["key"] = jr.split(key)
        base = base_operator.default_params(u, *args, **options)
        base = jax.tree.map(lambda leaf: _as_array(leaf, u), base)
        if mode == "residual_input":
            channels = u.dims
        else:
            options.pop("key", None)
            result = eqx.filter_eval_shape(lambda u, base: base_operator(u, *args, params=base, **options), u, base)
            if not isinstance(result, OnGrid):
                raise ValueError(
                    f"`base_operator` must return a field on a grid, got {type(result).__name__} from "
                    f"`{base_operator}`. Correct what goes into it."
                )
            channels = result.dims
        return {"base": base, "network": network_for(make_network, u, channels, channels, key)}

    def evaluate(u: OnGrid, *args: Any, params: Any = None, **options: Any) -> OnGrid:
        if not isinstance(params, dict) or not {"base", "network"} <= set(params):
            raise ValueError(
                "`params` must be {'base': ..., 'network': ...}, got something else. Make them with "
                "`default_params(u, key=...)`, and replace the network by `params | {'network': network}`."
            )
        network = on_field(params["network"])
        if mode == "residual_input":
            correction = network(u)
            check_same_shape(correction, u)
            u = u.replace_params((u + correction).params)
        result = base_operator(u, *args, params=params["base"], **options)
        if mode == "residual_input":
            return result
        correction = network(result)
        check_same_shape(correction, result)
        return result + (correction if mode == "additive" else result * correction)

    evaluate.__name__ = evaluate.__qualname__ = f"corrected_{base_operator}"
    return operator(evaluate, init_params=init_params)


def _as_array(leaf: Any, u: OnGrid) -> Any:
    """Host arrays become parameters in the precision of the field."""
    if not isinstance(leaf, np.ndarray | np.generic) or not np.issubdtype(leaf.dtype, np.inexact):
        return leaf
    real = jnp.finfo(u.params.dtype).dtype
    return jnp.asarray(leaf, jnp.promote_types(real, jnp.complex64) if np.iscomplexobj(leaf) else real)
