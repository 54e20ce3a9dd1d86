"""APEBench's notation for networks (Koehler et al., 2024)."""

import functools as ft
from typing import Any

import equinox as eqx

from .. import arch
from ._activations import activation_named

# The architecture that each kind stands for, and what its numbers are, in order.
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Conv": ("ConvNet", ("hidden_channels", "depth")),
    "Res": ("ClassicResNet", ("hidden_channels", "num_blocks")),
    "UNet": ("ClassicUNet", ("hidden_channels", "num_levels")),
    "Dil": ("DilatedResNet", ("depth", "hidden_channels", "num_blocks")),
    "FNO": ("ClassicFNO", ("num_modes", "hidden_channels", "num_blocks")),
    "MLP": ("MLP", ("width_size", "depth")),
    "MoRes": ("ModernResNet", ("hidden_channels", "num_blocks")),
    "MoUNet": ("ModernUNet", ("hidden_channels", "num_levels")),
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

    Upper and lower case do not matter. The activation is a function of `jax.nn`: `relu`, `gelu`, `silu`, ...

    **Arguments:**

    - `description`: The string, for example `"Res;26;8;relu"`.

    **Returns:** The architecture with these options bound: call it with `num_spatial_dims, in_channels, out_channels`
    and `key=` (and any other option of the architecture, such as `boundary_mode=`).

    **Raises:** `ValueError` for an unknown kind or activation, or numbers that are missing, too many or not positive.

    ??? cite "Source"
        Koehler, Niedermayr, Westermann, Thuerey, *APEBench*, NeurIPS 2024, arXiv:2411.00180.
    """
    name, options = read_notation(description)
    return ft.partial(getattr(arch, name), **{**options, "activation": activation_named(options["activation"])})


def read_notation(description: str) -> tuple[str, dict[str, Any]]:
    """The architecture's name and options; the activation by its name.

    **Raises:** `ValueError` as `parse_network` does.
    """
    kind, *numbers, activation = canonical(description).split(";")
    name, names = KINDS[kind]
    options: dict[str, Any] = dict(zip(names, map(int, numbers), strict=True))
    if kind == "Dil":
        rates = [2**level for level in range(options.pop("depth") + 1)]
        options["dilation_rates"] = (*rates, *rates[-2::-1])
    return name, {**options, "activation": activation}


def canonical(description: str) -> str:
    """The one spelling of a network in APEBench's notation, by which it is looked up.

    **Raises:** `ValueError` as `parse_network` does.
    """
    kind, *rest = (part.strip() for part in description.split(";"))
    kinds = {name.lower(): name for name in KINDS}
    if kind.lower() not in kinds:
        raise ValueError(
            f"`description` must start with one of {', '.join(KINDS)}, got {description!r}. "
            "Write for example 'Res;26;8;relu'."
        )
    kind = kinds[kind.lower()]
    _, names = KINDS[kind]
    form = ";".join((kind, *names, "activation"))
    if len(rest) != len(names) + 1:
        raise ValueError(f"`description` must have the form {form!r}, got {description!r}. Give each entry once.")
    *numbers, activation = rest
    for name, number in zip(names, numbers, strict=True):
        if not (number.isascii() and number.isdecimal() and int(number) > 0):
            raise ValueError(
                f"`{name}` must be a positive integer in {description!r}, got {number!r}. The form is {form!r}."
            )
    activation_named(activation)
    return ";".join((kind, *(str(int(number)) for number in numbers), activation.lower()))
