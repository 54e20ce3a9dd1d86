"""Random smooth periodic states, as APEBench writes them in a string (Koehler et al., 2024)."""

import dataclasses
import math
from typing import Any, ClassVar, NamedTuple

from jaxtyping import Array, PRNGKeyArray

from ._scenario import Evolution

KINDS = {"fourier": int, "diffused": float, "grf": float}
"""What may be drawn, and the kind of number that describes it."""
SWITCHES = {"true": True, "false": False}


class States(NamedTuple):
    """What `ic_config` says."""

    kind: str
    number: float
    zero_mean: bool
    max_one: bool
    limits: tuple[float, float] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class FourierStates(Evolution):
    """An evolution whose initial states are drawn by exponax."""

    ic_config: str = "fourier;5;true;true"
    """How initial states are drawn, each channel by itself, in APEBench's notation:

    - `fourier;CUTOFF;ZERO_MEAN;MAX_ONE`: a random Fourier series up to this mode. `ZERO_MEAN` is `true` or `false`, as
        is `MAX_ONE`: whether the largest absolute value is one.
    - `diffused;INTENSITY;ZERO_MEAN;MAX_ONE`: white noise, smoothed by the heat equation.
    - `grf;EXPONENT;ZERO_MEAN;MAX_ONE`: a Gaussian random field, whose power falls with the wave number to the exponent.
    - `clamp;LOWER;UPPER;` before one of them: shifted and scaled to this range.
    """

    own_states: ClassVar[tuple[str, ...]] = ()
    """Further values of `ic_config`, which a class makes itself."""

    def __post_init__(self):
        super().__post_init__()
        if self.ic_config not in self.own_states:
            read_states(self.ic_config)

    def state_generators(self) -> tuple[Any, ...]:
        """An exponax generator per channel."""
        import exponax as ex

        states, dims = read_states(self.ic_config), self.num_spatial_dims
        options: dict[str, Any] = {"max_one": states.max_one}
        if states.kind == "fourier":
            options |= {"cutoff": int(states.number), "offset_range": (0.0, 0.0) if states.zero_mean else (-0.5, 0.5)}
            generator = ex.ic.RandomTruncatedFourierSeries(dims, **options)
        elif states.kind == "diffused":
            generator = ex.ic.DiffusedNoise(dims, intensity=states.number, zero_mean=states.zero_mean, **options)
        else:
            generator = ex.ic.GaussianRandomField(
                dims, powerlaw_exponent=states.number, zero_mean=states.zero_mean, **options
            )
        if states.limits:
            generator = ex.ic.ClampingICGenerator(generator, limits=states.limits)
        return (generator,) * self.num_channels

    def initial_states(self, num_samples: int, *, key: PRNGKeyArray) -> Array:
        import exponax as ex

        generator = ex.ic.RandomMultiChannelICGenerator(self.state_generators())
        return ex.build_ic_set(
            generator,  # pyright: ignore[reportArgumentType]
            num_points=self.shape[0],
            num_samples=num_samples,
            key=key,
        )


def read_states(text: str) -> States:
    """The parts of an `ic_config`."""
    try:
        parts = text.lower().split(";")
        limits = None
        if parts[0] == "clamp":
            _, lower, upper, *parts = parts
            limits = float(lower), float(upper)
        kind, number, zero_mean, max_one = parts
        states = States(kind, KINDS[kind](number), SWITCHES[zero_mean], SWITCHES[max_one], limits)
    except (AttributeError, KeyError, ValueError):
        states = None
    if states is None or not _is_possible(states):
        raise ValueError(
            f"`ic_config` must have the form KIND;NUMBER;ZERO_MEAN;MAX_ONE with one of {', '.join(KINDS)} and a "
            f"positive number, or clamp;LOWER;UPPER; before it, got {text!r}. Write 'fourier;5;true;true', say."
        )
    return states


def _is_possible(states: States) -> bool:
    lower, upper = states.limits or (0.0, 1.0)
    return 0 < states.number < math.inf and -math.inf < lower < upper < math.inf
