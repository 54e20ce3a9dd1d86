"""A problem of the user's, from two functions."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._content import content_hash
from ._scenario import Evolution


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnEvolution(Evolution):
    """A PDE of yours: a time step, and random initial states.

    !!! example
        ```python
        @register_scenario("my-heat")
        def my_heat(num_points=64):
            step = RK4(lambda u: 1e-3 * second_derivative(u), dt=0.1)
            return OwnEvolution(step=step, draw=lambda key: jr.normal(key, (1, num_points)), title="my-heat")
        ```

    Grid and channels are those of what `draw` returns. Registered under a name, it can be used from the command line
    (`--plugin my_file.py --scenario my-heat:num_points=32`), and by several processes.
    """

    step: Any
    """From a state of shape `(channels, *spatial)` to the next one, compilable."""
    draw: Any
    """A random initial state."""
    title: str = "own"
    """What tables call it."""

    _code: ClassVar[dict[str, str]]  # of an object: what the two functions do
    name: ClassVar[str] = "own"
    takes_other_grids: ClassVar[bool] = False

    def __post_init__(self):
        for name in ("step", "draw"):
            if not callable(getattr(self, name)):
                raise ValueError(f"`{name}` must be a function, got {getattr(self, name)!r}. See the example.")
        _, *points = self._state_shape
        object.__setattr__(self, "num_spatial_dims", len(points))
        object.__setattr__(self, "num_points", tuple(points))
        super().__post_init__()
        object.__setattr__(self, "_code", {name: content_hash(getattr(self, name)) for name in ("step", "draw")})

    @property
    def _state_shape(self) -> tuple[int, ...]:
        shape = getattr(jax.eval_shape(self.draw, jr.PRNGKey(0)), "shape", ())
        if not 2 <= len(shape) <= 4:
            raise ValueError(
                f"`draw` must return a state of shape (channels, *spatial) with 1 to 3 spatial axes, got {shape}. Add "
                "the axis of channels."
            )
        return shape

    @property
    def num_channels(self) -> int:
        return self._state_shape[0]

    @property
    def config(self) -> dict[str, Any]:
        return super().config | self._code

    @property
    def label(self) -> str:
        return self.title

    def stepper(self, *, shape: tuple[int, ...] | None = None, proportion: Any = 1.0) -> Callable[[Array], Array]:
        if (shape is not None and tuple(shape) != self.shape) or proportion != 1:
            raise ValueError(
                f"`coarse` must be left out for {self.title}, whose step is a function as it is. Derive a class from "
                "`Evolution` to have other grids and proportions."
            )
        return self.step

    def initial_states(self, num_samples: int, *, key: PRNGKeyArray) -> Array:
        return jax.vmap(self.draw)(jr.split(key, num_samples))
