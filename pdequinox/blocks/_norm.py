"""Norms by name, as blocks choose among them."""

from typing import Any

import equinox as eqx

from ..conv import ChannelAffine, GroupNorm, LayerNorm

NORMS = ("group", "instance", "layer", "affine", None)


def make_norm(norm: Any, channels: int, num_groups: int = 1, *, use_norm: bool = True) -> Any:
    """A norm of `channels` channels, all kinds but `None` with a learned scale and shift per channel.

    | name | what is brought to mean 0 and variance 1 |
    |---|---|
    | `"group"` | each of `num_groups` groups of channels, over its channels and points |
    | `"instance"` | each channel, over its points |
    | `"layer"` | each point, over its channels |
    | `"affine"` | nothing; only the scale and the shift: a batch norm after training, with its statistics folded in |
    | `None` | nothing, and there are no parameters |

    With `use_norm=False` any of them is the last.

    **Raises:** `ValueError` for another name, and for groups that do not divide the channels.
    """
    if norm not in NORMS:
        raise ValueError(f"`norm` must be one of {', '.join(map(repr, NORMS))}, got {norm!r}. Check the spelling.")
    if norm is None or not use_norm:
        return eqx.nn.Identity()
    if norm == "layer":
        return LayerNorm(channels)
    if norm == "affine":
        return ChannelAffine(channels)
    return GroupNorm(channels if norm == "instance" else num_groups, channels)
