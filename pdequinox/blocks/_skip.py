"""Skip connections by name, as blocks choose among them."""

from typing import Any

import equinox as eqx
from jaxtyping import PRNGKeyArray

from ..conv import ChannelAffine, PointwiseLinearConv

SKIPS = ("linear", "soft-gating", "identity", None)


def make_skip(
    skip: Any,
    num_spatial_dims: int,
    in_channels: int,
    out_channels: int,
    *,
    use_bias: bool = False,
    zero_bias_init: bool = False,
    key: PRNGKeyArray,
) -> Any:
    """A pointwise way around something that changes the channels from `in_channels` to `out_channels`.

    | name | what is added |
    |---|---|
    | `"linear"` | a learned matrix times the channels, and a constant with `use_bias` |
    | `"soft-gating"` | each channel times a learned number, which starts at one |
    | `"identity"` | the channels themselves |
    | `None` | nothing: `None` is returned |

    Where the numbers of channels differ, the second and the third are `"linear"`.

    **Raises:** `ValueError` for another name.
    """
    if skip not in SKIPS:
        raise ValueError(f"`skip` must be one of {', '.join(map(repr, SKIPS))}, got {skip!r}. Check the spelling.")
    if skip is None:
        return None
    if skip == "linear" or in_channels != out_channels:
        return PointwiseLinearConv(
            num_spatial_dims, in_channels, out_channels, use_bias, zero_bias_init=zero_bias_init, key=key
        )
    return ChannelAffine(in_channels, use_bias=False) if skip == "soft-gating" else eqx.nn.Identity()
