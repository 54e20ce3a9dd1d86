"""Scenarios by name: the package's and the user's."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from .._options import bind_options, did_you_mean, parse_options
from ._scenario import Scenario, plain

SCENARIOS: dict[str, Callable[..., Scenario]] = {}
"""What makes a scenario of each name: a class of this room, or a function of the user's."""


def register_scenario(name: str, make: Callable[..., Scenario] | None = None) -> Any:
    """Add a scenario under a name, by which the command line and files find it.

    !!! example
        ```python
        @register_scenario("slow-heat")
        def slow_heat(num_points=64):
            return SCENARIOS["bounded-heat"](num_points=num_points, diffusivity=1e-3)
        ```

    **Arguments:**

    - `name`: Lower-case letters, digits and hyphens, not ending in a dimension such as `-2d`.
    - `make`: A class derived from `Evolution` or `Steady`, or a function with options that returns one of its objects.
        Without it, `register_scenario(name)` is a decorator.

    **Returns:** `make`.

    **Raises:** `ValueError` for a name that is taken or has another form.
    """
    if make is None:
        return lambda make: register_scenario(name, make)
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or re.search(r"-[123]d$", name):
        raise ValueError(
            f"`name` must be lower-case words with hyphens, without a dimension, got {name!r}. Write 'slow-heat', say."
        )
    if name in SCENARIOS and SCENARIOS[name] is not make:
        raise ValueError(f"`name` must be new, got {name!r}, which is there already. Choose another one.")
    SCENARIOS[name] = make
    return make


def make_scenario(written: str | Mapping[str, Any]) -> Scenario:
    """A scenario from a name with options.

    **Arguments:**

    - `written`: A string such as `"burgers"`, `"burgers-2d"` or `"burgers:num_points=64,diffusion_gamma=2.0"`, or a
        mapping with a `name` and options.

    **Raises:** `ValueError` for an unknown name or option, or a value that the scenario refuses.
    """
    if isinstance(written, str):
        name, options = parse_options(written)
    else:
        options = {key: value for key, value in written.items() if key != "code"}
        name = str(options.pop("name", ""))
    if name not in SCENARIOS and (match := re.fullmatch(r"(.+)-([123])d", name)):
        name, options = match[1], {"num_spatial_dims": int(match[2]), **options}
    if name not in SCENARIOS:
        raise ValueError(
            f"`scenario` must be one of {', '.join(sorted(SCENARIOS))}, got {name!r}. "
            + (did_you_mean(name, SCENARIOS) or "`pdequinox bench list` describes them.")
        )
    scenario = bind_options(SCENARIOS[name], options, f"scenario {name!r}")()
    if not isinstance(scenario, Scenario):
        raise ValueError(f"`{name}` must return a scenario, got {type(scenario).__name__}. Return an `Evolution`, say.")
    object.__setattr__(scenario, "_written", {"name": name, **plain(options)})
    return scenario
