"""Which arrays of a model are trained, and by which optimizer."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree


def check_optimizer(optimizer: Any, name: str = "`optimizer`") -> Any:
    """An optax transformation, as one that takes the value and the gradient of the loss."""
    import optax

    if not isinstance(optimizer, optax.GradientTransformation):
        raise ValueError(
            f"{name} must be an optax gradient transformation, got {optimizer!r}. Pass optax.adam(1e-3), say."
        )
    return optax.with_extra_args_support(optimizer)


def optimizer_of_parts(optimizers: Mapping, model: PyTree, mask: PyTree) -> tuple[Any, PyTree]:
    """One transformation that hands each part of the parameters to its own, and the mask without the frozen parts."""
    names = {_part(path): None for path, is_trained in jax.tree_util.tree_leaves_with_path(mask) if is_trained}
    parts = {_part(path) for path, _ in jax.tree_util.tree_leaves_with_path(mask)}
    for name, part in optimizers.items():
        if name not in names and not (part is None and name in parts):
            raise ValueError(
                f"`optimizer` must name parts of the model that are trained ({', '.join(map(str, names))}), got "
                f"{name!r}. Use the name of an attribute or a key of the dict that the model is."
            )
    for name in names:
        if name not in optimizers:
            raise ValueError(
                f"`optimizer` must name every part of the model ({', '.join(map(str, names))}), got none for {name!r}. "
                f"Add an optimizer, or {name!r}: None to freeze the part."
            )
    used = {
        name: check_optimizer(optimizer, f"`optimizer[{name!r}]`")
        for name, optimizer in optimizers.items()
        if optimizer is not None
    }
    if not used:
        raise ValueError("`optimizer` must hold an optimizer for one part at least, got None for all. Add one.")
    mask = jax.tree_util.tree_map_with_path(lambda path, flag: flag and _part(path) in used, mask)
    return _by_part(used), mask


def _by_part(optimizers: dict) -> Any:
    import optax

    def only(params, name):
        return jax.tree_util.tree_map_with_path(lambda path, leaf: leaf if _part(path) == name else None, params)

    def init(params):
        return {name: optimizer.init(only(params, name)) for name, optimizer in optimizers.items()}

    def update(updates, state, params, *, value, grad, value_fn):
        parts, states = [], {}
        for name, optimizer in optimizers.items():
            value_of_part = lambda part: value_fn(eqx.combine(part, params))  # noqa: E731
            extra = {"value": value, "grad": only(grad, name), "value_fn": value_of_part}
            part, states[name] = optimizer.update(only(updates, name), state[name], only(params, name), **extra)
            parts.append(part)
        return eqx.combine(*parts), states

    return optax.GradientTransformationExtraArgs(init, update)  # pyright: ignore[reportArgumentType]


def _part(path: tuple) -> Any:
    """The name of the top-level part that a leaf belongs to: an attribute, a key or an index."""
    first = path[0] if path else None
    for attribute in ("name", "key", "idx"):
        if hasattr(first, attribute):
            return getattr(first, attribute)
    return None
