"""The networks that the main job compares, written as APEBench writes them (Koehler et al., 2024)."""

import dataclasses
import functools as ft
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PRNGKeyArray

from .. import arch

_ACTIVATIONS = {
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "swish": jax.nn.silu,
    "tanh": jax.nn.tanh,
}


def _dilated_res_net(*channels: int, depth: int, **options) -> eqx.Module:
    rates = [2**level for level in range(depth + 1)]
    return arch.DilatedResNet(*channels, dilation_rates=(*rates, *rates[-2::-1]), **options)


# What each kind stands for, and what its numbers are, in order.
_KINDS: dict[str, tuple[Callable[..., eqx.Module], tuple[str, ...]]] = {
    "Conv": (arch.ConvNet, ("hidden_channels", "depth")),
    "Res": (arch.ClassicResNet, ("hidden_channels", "num_blocks")),
    "UNet": (arch.ClassicUNet, ("hidden_channels", "num_levels")),
    "Dil": (_dilated_res_net, ("depth", "hidden_channels", "num_blocks")),
    "FNO": (arch.ClassicFNO, ("num_modes", "hidden_channels", "num_blocks")),
    "MLP": (arch.MLP, ("width_size", "depth")),
    "MoRes": (arch.ModernResNet, ("hidden_channels", "num_blocks")),
    "MoUNet": (arch.ModernUNet, ("hidden_channels", "num_levels")),
}


def parse_network(description: str) -> "ft.partial[eqx.Module]":
    """Read a network in APEBench's notation: a kind, its numbers and an activation, joined by semicolons.

    | notation | architecture |
    |---|---|
    | `Conv;hidden_channels;depth;activation` | `ConvNet` |
    | `Res;hidden_channels;num_blocks;activation` | `ClassicResNet` |
    | `UNet;hidden_channels;num_levels;activation` | `ClassicUNet` |
    | `Dil;depth;hidden_channels;num_blocks;activation` | `DilatedResNet`, dilations 1, 2, ..., 2^depth, ..., 2, 1 |
    | `FNO;num_modes;hidden_channels;num_blocks;activation` | `ClassicFNO` |
    | `MLP;width_size;depth;activation` | `MLP`, which takes its `num_points=` when it is built |
    | `MoRes;hidden_channels;num_blocks;activation` | `ModernResNet` |
    | `MoUNet;hidden_channels;num_levels;activation` | `ModernUNet` |

    Upper and lower case do not matter. The activations are `relu`, `gelu`, `sigmoid`, `silu` (or `swish`), `tanh`.

    **Arguments:**

    - `description`: The string, for example `"Res;26;8;relu"`.

    **Returns:** The architecture with these options bound: call it with `num_spatial_dims, in_channels, out_channels`
    and `key=` (and any other option of the architecture, such as `boundary_mode=`).

    **Raises:** `ValueError` for an unknown kind or activation, or numbers that are missing, too many or not positive.

    ??? cite "Source"
        Koehler, Niedermayr, Westermann, Thuerey, *APEBench*, NeurIPS 2024, arXiv:2411.00180.
    """
    kind, *numbers, activation = canonical(description).split(";")
    make, names = _KINDS[kind]
    options = dict(zip(names, map(int, numbers), strict=True))
    return ft.partial(make, **options, activation=_ACTIVATIONS[activation])


def canonical(description: str) -> str:
    """The one spelling of a network in APEBench's notation, by which it is looked up.

    **Raises:** `ValueError` as `parse_network` does.
    """
    kind, *rest = (part.strip() for part in description.split(";"))
    kinds = {name.lower(): name for name in _KINDS}
    if kind.lower() not in kinds:
        raise ValueError(
            f"`description` must start with one of {', '.join(_KINDS)}, got {description!r}. "
            "Write for example 'Res;26;8;relu'."
        )
    kind = kinds[kind.lower()]
    _, names = _KINDS[kind]
    form = ";".join((kind, *names, "activation"))
    if len(rest) != len(names) + 1:
        raise ValueError(f"`description` must have the form {form!r}, got {description!r}. Give each entry once.")
    *numbers, activation = rest
    for name, number in zip(names, numbers, strict=True):
        if not (number.isascii() and number.isdecimal() and int(number) > 0):
            raise ValueError(
                f"`{name}` must be a positive integer in {description!r}, got {number!r}. The form is {form!r}."
            )
    if activation.lower() not in _ACTIVATIONS:
        raise ValueError(
            f"`activation` must be one of {', '.join(_ACTIVATIONS)}, got {activation!r}. The form is {form!r}."
        )
    return ";".join((kind, *(str(int(number)) for number in numbers), activation.lower()))


def build_for_grid(
    make: Callable[..., Any], setting: tuple[int, int, int], num_points: int, *, key: PRNGKeyArray
) -> Any:
    """Call an architecture for a setting of dimensions, input and output channels.

    One that works on one grid only (MLP) is told which.
    """
    grid = {"num_points": num_points} if "num_points" in inspect.signature(make).parameters else {}
    return make(*setting, **grid, key=key)


@dataclasses.dataclass(frozen=True)
class Contender:
    """A network of an experiment: its name in the tables, how it is built, and what is published about it."""

    name: str
    description: str
    options: Mapping[str, str | int] = dataclasses.field(default_factory=dict)
    published: float | None = None

    def build(self, num_spatial_dims: int, num_points: int, *, key: PRNGKeyArray) -> Any:
        """The network with fresh parameters, one channel in and out."""
        make = ft.partial(parse_network(self.description), **self.options)
        return build_for_grid(make, (num_spatial_dims, 1, 1), num_points, key=key)

    @property
    def steps_per_call(self) -> int:
        """Training steps that are compiled into one call.

        One for convolutions on a CPU, where XLA runs them 1.3 to 4.3 times slower inside a loop.
        """
        is_spectral = parse_network(self.description).func is arch.ClassicFNO
        return 25 if is_spectral or jax.default_backend() != "cpu" else 1


# Published: the nRMSE's geometric mean over steps 1 to 100 after 10,000 training steps, read off the bar chart on
# APEBench's project page to within 0.01 (there is no table).
BURGERS_CONTENDERS = (
    Contender("Conv", "Conv;34;10;relu", published=0.026),
    Contender("Res", "Res;26;8;relu", published=0.012),
    Contender("UNet", "UNet;12;2;relu", published=0.062),
    Contender("Dil", "Dil;2;32;2;relu", published=0.057),
    Contender("FNO", "FNO;12;18;4;gelu", published=0.068),
)

POISSON_CONTENDERS = (
    Contender("FNO-periodic", "FNO;8;16;4;gelu", {"boundary_mode": "periodic"}),
    Contender("FNO-dirichlet", "FNO;8;16;4;gelu", {"boundary_mode": "dirichlet", "parity": "mixed"}),
    Contender("FNO-dirichlet-same", "FNO;8;16;4;gelu", {"boundary_mode": "dirichlet", "parity": "same"}),
    Contender("UNet-dirichlet", "UNet;10;3;relu", {"boundary_mode": "dirichlet"}),
)
