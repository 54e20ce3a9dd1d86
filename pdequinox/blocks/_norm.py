"""Norms by name, as blocks choose among them."""

from typing import Any

import equinox as eqx

from ..conv import ChannelAffine, GroupNorm, LayerNorm

NORMS = ("group", "instance", "layer", "affine", None)


def make_norm(norm: Any, channels: int, num_groups: int = 1) -> Any:
    """A norm of `channels` channels, all kinds but `None` with a learned scale and shift per channel.

    | name | what is brought to mean 0 and variance 1 |
    |---|---|
    | `"group"` | each of `num_groups` groups of channels, over its channels and points |
    | `"instance"` | each channel, over its points |
    | `"layer"` | each point, over its channels |
    | `"affine"` | nothing; only the scale and the shift: a batch norm after training, with its statistics folded in |
    | `None` | nothing, and there are no parameters |

    **Raises:** `ValueError` for another name, and for groups that do not divide the channels.
    """
    if norm == "group":
        return GroupNorm(num_groups, channels)
    if norm == "instance":
        return GroupNorm(channels, channels)
    if norm == "layer":
        return LayerNorm(channels)
    if norm == "affine":
        return ChannelAffine(channels)
    if norm is None:
        return eqx.nn.Identity()
    raise ValueError(f"`norm` must be one of {', '.join(map(repr, NORMS))}, got {norm!r}. Check the spelling.")
