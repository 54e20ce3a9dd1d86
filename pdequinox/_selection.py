"""Some of the floating arrays of a model: by booleans in its structure, or by a function from it to parts of it."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree


def selected(model: PyTree, where: Any) -> PyTree:
    """A boolean for every leaf: whether it is a floating array that `where` selects. `None` selects all.

    **Raises:** `ValueError` for another structure, for what is no part of the model, and if there is none.
    """
    mask = jax.tree.map(lambda leaf, is_chosen: is_chosen and eqx.is_inexact_array(leaf), model, _chosen(model, where))
    if any(jax.tree.leaves(mask)):
        return mask
    if where is None:
        raise ValueError(f"`model` must hold floating arrays, got {model!r}. Pass a network, not a plain function.")
    raise ValueError(f"`where` must select floating arrays of the model, got none by {where!r}. Select a weight, say.")


class _StandIn:
    """Stands for a leaf, with its shape and dtype and an identity of its own."""

    def __init__(self, leaf: Any):
        for name in ("shape", "ndim", "size", "dtype"):
            if hasattr(leaf, name):
                setattr(self, name, getattr(leaf, name))


def _chosen(model: PyTree, where: Any) -> PyTree:
    leaves, structure = jax.tree.flatten(model)
    if where is None:
        return jax.tree.unflatten(structure, [True] * len(leaves))
    flags = [flag for flag in jax.tree.leaves(where) if getattr(flag, "dtype", None) == np.dtype(bool)]
    if any(flag.ndim for flag in flags):
        raise ValueError(
            "`where` must have one boolean per array of the model, got an array of booleans. Parts of an array cannot "
            "be selected."
        )
    # A mask of a network is an instance of the network's class, and so callable: look at its leaves first.
    if all(isinstance(leaf, bool | np.bool_) for leaf in jax.tree.leaves(where)):
        try:
            return jax.tree.broadcast(where, model)
        except ValueError as error:
            raise ValueError(
                f"`where` must have the structure of the model if it is a boolean pytree, got {where!r}: {error}. "
                "Make it with `jax.tree.map(lambda _: False, model)` and `eqx.tree_at`."
            ) from None
    stand_ins = [_StandIn(leaf) for leaf in leaves]
    try:
        parts = jax.tree.leaves(where(jax.tree.unflatten(structure, stand_ins))) if callable(where) else [where]
    except (AttributeError, TypeError, LookupError) as error:
        raise ValueError(
            f"`where` must return parts of the model as they are, got {where!r}, which fails: {error}. Write `lambda "
            "model: model.layers[-1].weight`, say, without computing anything."
        ) from error
    if not {*map(id, parts)} <= {*map(id, stand_ins)}:
        raise ValueError(
            "`where` must be a boolean pytree like the model, or a function from the model to parts of it, got "
            f"{where!r}. Write `lambda model: model.layers[-1].weight`, say, without computing anything."
        )
    return jax.tree.unflatten(structure, [any(leaf is part for part in parts) for leaf in stand_ins])
