"""Networks of equal size: the width for a number of parameters."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.random as jr

from .. import train
from .._checks import check_integer
from ._networks import Network
from ._options import write_options, write_value

FACTOR = 1.5
"""By how much the closest size may miss."""

# The options that are widths: the first one is chosen, the others keep their proportion to it.
_WIDTHS = {
    "MLP": ("width_size",),
    "UNO": ("hidden_channels", "block_channels", "lifting_channels", "projection_channels"),
}
_DIVISORS = ("num_groups", "num_final_groups", "num_heads")
_OTHERS = (
    *("num_levels", "num_blocks", "num_layers", "depth", "num_modes", "num_neck_blocks", "num_basis"),
    *("channel_multipliers", "patch_sizes", "projection_channels", "lifting_channels", *_DIVISORS),
)


def match_parameters(
    network: Network, num_parameters: int, setting: tuple[int, int, int], shape: tuple[int, ...], boundary_mode: Any
) -> Network:
    """The network with the width that brings it closest to a number of parameters. Nothing is allocated.

    The width is `hidden_channels`, `width_size`, or for a U-NO all its channels in their proportion, in steps that
    groups and heads divide. All other options stay.

    **Arguments:**

    - `network`: Its own width is not used.
    - `num_parameters`: The number to come close to; a complex number counts as two.
    - `setting`, `shape`, `boundary_mode`: As for `Network.build`.

    **Returns:** The network with its width among its options. A label that was only its description has no width.

    **Raises:** `ValueError` if the closest is smaller or larger by more than a factor of 1.5, if the network has no
    width, or cannot be built.
    """
    check_integer("num_parameters", num_parameters)
    options = {**network.defaults, **network.options}
    names = _widths_of(network, options)
    step = _step_of(network, options)
    sizes: dict[int, int] = {}

    def with_width(steps: int) -> Network:
        widths = {names[0]: steps * step}
        for name in names[1:]:
            widths[name] = _scaled(options[name], steps * step / options[names[0]], step)
        return Network(network.architecture, {**network.options, **widths}, network.label, network.make)

    def size_at(steps: int) -> int:
        if steps not in sizes:
            sizes[steps] = count(with_width(steps), setting, shape, boundary_mode)
        return sizes[steps]

    _search(size_at, num_parameters, _least(size_at))
    # Sizes need not grow with every step: ranks are rounded.
    best = min(sizes, key=lambda steps: (abs(math.log(sizes[steps] / num_parameters)), steps))
    found = with_width(best)
    if not 1 / FACTOR <= sizes[best] / num_parameters <= FACTOR:
        others = [name for name in _OTHERS if name in options and name not in names and options[name] not in (1, None)]
        raise ValueError(
            f"`num_parameters` must be near a size that {network.label} can have, got {num_parameters:,}: the closest "
            f"is {sizes[best]:,} with {names[0]}={write_value(found.options[names[0]])}. "
            f"Change {' or '.join(others) or 'another option'} too."
        )
    return Network(found.architecture, found.options, _label(network, names), found.make)


def count(network: Network, setting: tuple[int, int, int], shape: tuple[int, ...], boundary_mode: Any) -> int:
    """The number of parameters of a network. Nothing is allocated.

    **Raises:** `ValueError` if it cannot be built.
    """
    built = eqx.filter_eval_shape(lambda key: network.build(setting, shape, boundary_mode, key=key), jr.PRNGKey(0))
    return train.count_parameters(built)


def _widths_of(network: Network, options: dict[str, Any]) -> tuple[str, ...]:
    architecture = network.constructor.__name__ if network.make is None else ""
    if architecture == "DeepONet":
        return ("width_size",) if options["branch"] == "mlp" else ("width_size", "hidden_channels")
    names = _WIDTHS.get(architecture, ("hidden_channels",))
    known = network.option_names
    if network.make is not None and "width_size" in known and "hidden_channels" not in known:
        names = ("width_size",)
    if names[0] not in known:
        raise ValueError(
            f"`network` must have the option hidden_channels or width_size to be scaled, got {network.label}. Add one, "
            "or compare without equal sizes."
        )
    return names


def _step_of(network: Network, options: dict[str, Any]) -> int:
    """The widths that are possible are multiples of this."""
    divisors = [options[name] for name in _DIVISORS if isinstance(options.get(name), int)]
    step = math.lcm(*divisors)
    if network.make is None and network.constructor.__name__ == "AViT":
        return math.lcm(4 * options["num_groups"], options["num_heads"])  # its norms are of a quarter of the channels
    return step


def _scaled(value: Any, factor: float, step: int) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_scaled(entry, factor, step) for entry in value)
    return max(1, round(value * factor / step)) * step


def _least(size_at: Callable[[int], int]) -> int:
    """The least power of two that is possible: half the channels must be one at least, say."""
    for power in range(5):
        try:
            size_at(2**power)
        except ValueError:
            continue
        return 2**power
    return 2**5


def _search(size_at: Callable[[int], int], target: int, least: int) -> None:
    """Visit the numbers of steps around the one whose size is closest."""
    low, high = least, 2 * least
    if size_at(low) >= target:
        return
    while size_at(high) < target:
        if high >= 2**20:
            return
        # A size is about quadratic in the width.
        guess = math.ceil(high * math.sqrt(target / size_at(high)))
        low, high = high, min(max(guess, high + 1), 8 * high)
    use_guess = True
    while high - low > 1:
        part = (math.sqrt(target) - math.sqrt(size_at(low))) / (math.sqrt(size_at(high)) - math.sqrt(size_at(low)))
        guess = low + round(part * (high - low)) if use_guess else (low + high) // 2
        middle = min(max(guess, low + 1), high - 1)
        use_guess = not use_guess
        low, high = (middle, high) if size_at(middle) < target else (low, middle)


def _label(network: Network, names: tuple[str, ...]) -> str:
    """The label that a user chose, or the description without the width that it no longer has."""
    try:
        is_chosen = Network.parse(network.label).config != network.config
    except ValueError:
        is_chosen = True
    kept = {name: value for name, value in network.options.items() if name not in names}
    return network.label if is_chosen else write_options(network.architecture, kept)
