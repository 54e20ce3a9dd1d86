"""Several networks trained at once, each as if it were alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ._parts import check_optimizer


def ensemble_loss(loss: Any, *, own_batches: bool = False) -> Callable[..., Float[Array, ""]]:
    r"""The sum of the losses of all members of an ensemble: its gradient by a member is that of the member's own loss.

    With it `fit` trains networks from several seeds, or on several data sets, in one compiled step. On a CPU it loops
    over the members, with the memory of one of them; elsewhere it maps over them, all at once. With the optimizer
    `ensemble_optimizer(optimizer)` each member takes the steps that it would take alone. What members have in common is
    the weights of a `balance`, which follow the sums, and the end, if one of them diverges.

    !!! example
        ```python
        networks = eqx.filter_vmap(lambda key: MLP(1, 1, 1, num_points=31, key=key))(jr.split(jr.key(0), 8))
        fitted = fit(
            networks,
            ensemble_loss(supervised_loss),
            ensemble_optimizer(optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))),
            1000,
            batches=shuffled((x, y), 16),
            trackers={"losses": eqx.filter_vmap(lambda network: supervised_loss(network, (x, y)))},
            key=jr.key(1),
        )
        steps, losses = fitted.history.trackers["losses"]  # one column for each member
        best = extract_from_ensemble(fitted.model, int(losses[-1].argmin()))
        ```

    **Arguments:**

    - `loss`: A function `(model) -> number` or `(model, batch) -> number` of one member, as `fit` takes it.
    - `own_batches`: Whether each member has a batch of its own. Then all arrays of a batch have a leading axis of
        members, as from `batches=lambda key: jax.vmap(draw)(jr.split(key, num_members))`.

    **Returns:** Such a function of an ensemble: a network whose arrays have a leading axis of members, as from
        `combine_to_ensemble` or `eqx.filter_vmap`. It raises `ValueError` for a model or own batches without this axis,
        and if `loss` returns something else than one number.

    **Raises:** `ValueError` if `loss` is not a function.
    """
    if not callable(loss):
        raise ValueError(f"`loss` must be a function of one member, got {loss!r}. Wrap each of several by itself.")

    def of_one(model: PyTree, *batch: PyTree) -> Array:
        value: Any = loss(model, *batch)
        if getattr(value, "shape", None) != ():
            shown = f"shape {value.shape}" if hasattr(value, "shape") else type(value).__name__
            raise ValueError(f"`loss` must return one real number for a member, got {shown}. Take a mean.")
        return value

    def total(ensemble: PyTree, *batch: PyTree) -> Float[Array, ""]:
        members = _leading_axes(eqx.filter(ensemble, eqx.is_array))
        if len(members) != 1 or () in members:
            raise ValueError(
                "`model` must be an ensemble, whose arrays share a leading axis of members, got "
                f"{_describe(members)}. Make one with `combine_to_ensemble`."
            )
        if not own_batches:
            return _sum_over_members((ensemble,), batch, of_one)
        if _leading_axes(batch) != members:
            raise ValueError(
                f"`batches` must have {_describe(members)} with `own_batches`, got {_describe(_leading_axes(batch))}. "
                "Stack the batches of the members."
            )
        return _sum_over_members((ensemble, *jax.tree.map(jnp.asarray, batch)), (), of_one)

    return total


@eqx.filter_custom_jvp
def _sum_over_members(own: tuple, shared: tuple, function: Callable) -> Array:
    """The sum of `function(*own, *shared)` for each member.

    The derivative takes the whole gradient of a member at a time, so that on a CPU its arrays stay in the cache and the
    memory is that of one member: a loop over the members' losses would keep the intermediate results of all.
    """
    return jnp.sum(_for_each(lambda own: function(*own, *shared), own))


@_sum_over_members.def_jvp
def _derivative(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    own, shared, function = primals
    directions = tangents[:2]  # None for what is not differentiated
    mask = jax.tree.map(lambda direction: direction is not None, directions, is_leaf=lambda leaf: leaf is None)

    def value_and_gradient(own: tuple) -> tuple[Array, PyTree]:
        moving, fixed = eqx.partition((own, shared), mask)

        def value(moving):
            own, shared = eqx.combine(moving, fixed)
            return function(*own, *shared)

        return jax.value_and_grad(value)(moving)

    losses, (of_own, of_shared) = _for_each(value_and_gradient, own)
    of_shared = jax.tree.map(lambda leaf: jnp.sum(leaf, 0), of_shared)
    total = jnp.sum(losses)
    pairs = zip(jax.tree.leaves((of_own, of_shared)), jax.tree.leaves(directions), strict=True)
    changes = [jnp.sum(jnp.real(gradient * direction)).astype(total.dtype) for gradient, direction in pairs]
    return total, sum(changes[1:], changes[0])


def _for_each(function: Callable, own: tuple) -> PyTree:
    """The values of a function of a member: of one after the other on a CPU, of all at once elsewhere."""
    arrays, static = eqx.partition(own, eqx.is_array)
    of_one = lambda arrays: function(eqx.combine(arrays, static))  # noqa: E731
    return jax.lax.platform_dependent(arrays, cpu=partial(jax.lax.map, of_one), default=jax.vmap(of_one))


def ensemble_optimizer(optimizer: Any) -> Any:
    """The optimizer for every member of an ensemble by itself, with a state of its own.

    Adam treats every number alone and so every member; clipping by the global norm would take the norm over all
    members. Any optimizer that looks at several numbers at once, or at the shapes of arrays, has to be wrapped.

    **Arguments:**

    - `optimizer`: An optax optimizer that works with gradients. Its random numbers, if any, are the same for all
        members.

    **Returns:** An optax optimizer for models whose arrays have a leading axis of members. Its update raises
        `ValueError` if `optimizer` asks for the value of the loss, as line searches do: only the sum is known.

    **Raises:** `ValueError` if `optimizer` is not an optax optimizer.
    """
    optimizer = check_optimizer(optimizer)
    import optax

    def update(gradients: PyTree, state: PyTree, params: PyTree = None) -> tuple[PyTree, PyTree]:
        try:
            return jax.vmap(optimizer.update)(gradients, state, params)
        except TypeError as error:
            if "required keyword-only argument" not in str(error):
                raise
            raise ValueError(
                "`optimizer` must work with gradients alone in an ensemble, got one that asks for the value of the "
                "loss. Use optax.adam, say."
            ) from error

    return optax.GradientTransformation(jax.vmap(optimizer.init), update)  # pyright: ignore[reportArgumentType]


def _leading_axes(tree: PyTree) -> set[tuple[int, ...]]:
    return {np.shape(leaf)[:1] for leaf in jax.tree.leaves(tree)}


def _describe(axes: set[tuple[int, ...]]) -> str:
    return f"leading axes of {', '.join(str(*axis) or 'no' for axis in sorted(axes))} members" if axes else "no arrays"
