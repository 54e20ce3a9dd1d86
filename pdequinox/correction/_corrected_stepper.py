"""A coarse solver and a network as one stepper (Um et al., 2020)."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Array

from .._plain_function import is_hashable, with_static_functions
from ..fields import Field
from ._on_field import check_same_shape, on_field

MODES = ("sequential", "parallel", "sequential_with_bypass")


class CorrectedStepper(eqx.Module):
    r"""A step of a coarse solver $P$ corrected by a network $N$.

    | mode | next state |
    |---|---|
    | `"sequential"` | $N(P(u))$ |
    | `"parallel"` | $P(u) + N(u)$ |
    | `"sequential_with_bypass"` | $P(u) + N(P(u))$ |

    Differentiable through many steps of itself (`train.rollout`), so that the network can be trained with the solver in
    the loop. The state is a field, or a channel-first array; a field keeps its type and conditions.

    ??? cite "Source"
        Um, Brand, Fei, Holl and Thuerey, *Solver-in-the-Loop*, NeurIPS 2020. The modes are APEBench's (Koehler et al.,
        NeurIPS 2024): arrays of the solver are no parameters there, nor here.
    """

    network: Callable[[Array], Array]
    mode: str = eqx.field(static=True)
    _coarse_stepper: Any = eqx.field(static=True)

    def __init__(self, coarse_stepper: Any, network: Any, mode: str = "sequential"):
        """**Arguments:**

        - `coarse_stepper`: From a state to the next one: `operators.RK4`, a solver of another package, any function.
            It is static, arrays and all: no optimiser changes it, and another one compiles anew.
        - `network`: Channel-first, `(channels, *N)` to the same; any callable.
        - `mode`: How the two are combined.

        **Raises:** `ValueError` for another mode, and for what cannot be called.
        """
        if mode not in MODES:
            raise ValueError(f"`mode` must be one of {', '.join(map(repr, MODES))}, got {mode!r}. Check the spelling.")
        for name, function in (("coarse_stepper", coarse_stepper), ("network", network)):
            if not callable(function):
                raise ValueError(f"`{name}` must be a function of the state, got {function!r}. Pass a module, say.")
        self._coarse_stepper = coarse_stepper if is_hashable(coarse_stepper) else _Identified(coarse_stepper)
        self.network = with_static_functions(network)
        self.mode = mode

    def __call__(self, state: Any) -> Any:
        """The next state, of the type, shape and conditions of `state`."""
        network: Any = on_field(self.network) if isinstance(state, Field) else self.network
        coarse = self.coarse_stepper(state)
        correction = network(state if self.mode == "parallel" else coarse)
        check_same_shape(correction, state)
        result = correction if self.mode == "sequential" else coarse + correction
        return state.replace_params(result.params) if isinstance(state, Field) else result

    @property
    def coarse_stepper(self) -> Callable[[Any], Any]:
        """The solver."""
        coarse_stepper = self._coarse_stepper
        return coarse_stepper.value if isinstance(coarse_stepper, _Identified) else coarse_stepper


class _Identified:
    """What cannot be hashed because it holds arrays, as a static part of a pytree: equal to itself alone."""

    def __init__(self, value: Any):
        self.value = value
