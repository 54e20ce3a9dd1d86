"""Angles between gradients: do two losses, or two groups of points, pull the parameters the same way?"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ._selection import select


def cosine_similarity(tree_a: PyTree, tree_b: PyTree) -> Float[Array, ""]:
    r"""The cosine of the angle between two pytrees, $\langle a, b \rangle / (\lVert a \rVert \lVert b \rVert)$.

    One angle for the floating arrays of each tree laid end to end; complex entries count as two real ones.

    **Arguments:**

    - `tree_a`: Arrays, such as a gradient.
    - `tree_b`: Arrays of the same structure and shapes.

    **Returns:** A number between -1 and 1; 0, with zero gradient, if one of them is zero.

    **Raises:** `ValueError` if the trees differ in structure or shapes, or hold no floating array.
    """
    trees = [eqx.filter(tree, eqx.is_inexact_array) for tree in (tree_a, tree_b)]
    shapes_a, shapes_b = ([jnp.shape(leaf) for leaf in jax.tree.leaves(tree)] for tree in trees)
    if shapes_a != shapes_b or jax.tree.structure(trees[0]) != jax.tree.structure(trees[1]) or not shapes_a:
        raise ValueError(
            "`tree_b` must have floating arrays where `tree_a` has them, at least one and of the same shapes, got "
            f"{shapes_b} and {shapes_a}. Take both gradients by the same parameters."
        )
    a, b = (jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in trees)
    if jnp.iscomplexobj(a) or jnp.iscomplexobj(b):
        a, b = (jnp.concatenate([vector.real, vector.imag]) for vector in (a, b))
    return _dot(_unit(a), _unit(b))


def gradient_cosine_matrix(losses: Any, model: PyTree, *, where: Any = None) -> Float[Array, "n n"]:
    r"""The cosines between the gradients of several losses by the parameters of a model.

    Entry (i, j) is near 1 if a step that lowers loss i lowers loss j too, and near -1 if it raises it.

    **Arguments:**

    - `losses`: Functions from the model to a number, in a sequence or a dictionary.
    - `model`: A network or any pytree.
    - `where`: The parameters to differentiate by, as for `param_jacobian`.

    **Returns:** A symmetric matrix, in the order in which `losses` holds them. A loss without gradient has cosine 0
        with all, itself included.

    **Raises:** `ValueError` if there is no loss, and for a wrong `where`.
    """
    functions = [*losses.values()] if isinstance(losses, Mapping) else [*losses] if not callable(losses) else []
    if not functions:
        raise ValueError(
            f"`losses` must hold at least one function of the model, got {losses!r}. Put the functions in a list."
        )
    vector, rebuild = select(model, where)
    gradients = [jax.grad(lambda vector, loss=loss: loss(rebuild(vector)))(vector) for loss in functions]
    units = jnp.stack([_unit(gradient) for gradient in gradients])
    return _dot(units, units.T)


def jacobian_cosine(jacobian: Array, group_a: Any, group_b: Any) -> Float[Array, ""]:
    r"""The cosine between the mean rows of two groups of samples in a parameter Jacobian.

    That is the angle between the gradients of the means of the model's outputs over each group. For the gradients of
    losses use `gradient_cosine_matrix`.

    **Arguments:**

    - `jacobian`: From `param_jacobian`, of shape `(N, P)` or `(N, D, P)`; the D outputs are averaged too.
    - `group_a`: The samples of the first group: indices, a slice or a boolean mask of length N; known when tracing.
    - `group_b`: Those of the second group.

    **Returns:** A number between -1 and 1; 0 if one of the means is zero.

    **Raises:** `ValueError` for a Jacobian of another rank, and for a group that is empty or out of range.
    """
    jacobian = jnp.asarray(jacobian)
    if jacobian.ndim not in (2, 3):
        raise ValueError(f"`jacobian` must have shape (N, P) or (N, D, P), got {jacobian.shape}. See `param_jacobian`.")
    means = []
    for name, group in (("group_a", group_a), ("group_b", group_b)):
        rows = _rows(name, group, len(jacobian))
        means.append(jnp.mean(jacobian[rows].reshape(-1, jacobian.shape[-1]), axis=0))
    return _dot(*map(_unit, means))


def _rows(name: str, group: Any, num_samples: int) -> np.ndarray:
    try:
        rows = np.arange(num_samples)[group if isinstance(group, slice) else np.asarray(group)]
    except IndexError as error:
        raise ValueError(
            f"`{name}` must hold indices, a slice or a mask of the {num_samples} samples, got {group!r}: {error}. "
            "Change it."
        ) from None
    if rows.ndim != 1 or rows.size == 0:
        raise ValueError(f"`{name}` must select at least one sample, got {group!r}. Pass a list of indices.")
    return rows


def _unit(vector: Array) -> Array:
    """The vector divided by its length, whatever its scale; zero, with zero gradient, if it is zero."""
    scale = jax.lax.stop_gradient(jnp.max(jnp.abs(vector)))
    is_zero = scale == 0
    scaled = jnp.where(is_zero, 0, vector / jnp.where(is_zero, 1, scale))
    return scaled / jnp.sqrt(jnp.where(is_zero, 1, jnp.sum(scaled**2)))


def _dot(a: Array, b: Array) -> Array:
    """The product of unit vectors, without what rounding adds beyond 1; its gradient is that of the product."""
    product = jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
    return product + jax.lax.stop_gradient(jnp.clip(product, -1, 1) - product)
