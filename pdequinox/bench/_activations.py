"""Activations by their name in `jax.nn`."""

from collections.abc import Callable

import jax

from ._options import did_you_mean

_NAMES = (
    *("celu", "elu", "gelu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu", "log_sigmoid"),
    *("mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_sign", "softplus", "sparse_plus", "sparse_sigmoid"),
    *("squareplus", "swish", "tanh"),
)


def activation_names() -> tuple[str, ...]:
    """The functions of one number in `jax.nn`."""
    return tuple(name for name in _NAMES if hasattr(jax.nn, name))


def activation_named(name: str) -> Callable:
    """**Raises:** `ValueError` for an unknown name."""
    known = activation_names()
    if name.lower() not in known:
        raise ValueError(
            f"`activation` must be one of {', '.join(known)}, got {name!r}. "
            f"{did_you_mean(name, known) or 'Check the spelling.'}"
        )
    return getattr(jax.nn, name.lower())


def is_activation(option: str) -> bool:
    """Whether an option takes a function of this kind."""
    return option == "activation" or (option.endswith("_activation") and not option.startswith("use_"))
