"""One training step, compiled alone or in a loop of any number of them."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, PyTree

from ._batches import Source


class Carry(NamedTuple):
    """What a step changes."""

    params: PyTree
    optimizer: PyTree
    balance: PyTree
    average: PyTree
    step: Array
    failed: Array
    """Whether a loss or a gradient was not finite: then no further step is taken."""


class Constants(NamedTuple):
    """The arrays that a step needs and does not change."""

    frozen: PyTree
    source: PyTree
    balance_key: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """A training step: losses, their weights, gradient, update."""

    losses: Sequence[Callable]
    weights: Sequence[float]
    balance: Any
    optimizer: Any
    decay: float | None
    """Of the moving average of the parameters."""
    source: Source
    rebuild: Callable[[PyTree, PyTree], PyTree]
    """Makes the model of trained and frozen arrays."""

    def start(self, params: PyTree) -> Carry:
        """The state before the first step."""
        carry = Carry(
            params,
            self.optimizer.init(params),
            None if self.balance is None else self.balance.init(len(self.losses)),
            None if self.decay is None else jax.tree.map(lambda leaf: jnp.zeros_like(_wide(leaf)), params),
            jnp.zeros((), jnp.int32),
            jnp.zeros((), bool),
        )
        return jax.tree.map(strong, carry)

    def evaluate(self, params: PyTree, constants: Constants, row: PyTree, step: Array) -> list:
        """The losses, unweighted."""
        arguments = self.source.arguments(constants.source, row, step)
        model = self.rebuild(params, constants.frozen)
        return [loss(model, *arguments) for loss in self.losses]

    def __call__(self, carry: Carry, constants: Constants, row: PyTree) -> tuple[Carry, Array]:
        """The next state; in one array the total, the losses and, if they are balanced, their weights."""
        import optax

        losses_of = lambda params: self.evaluate(params, constants, row, carry.step)  # noqa: E731
        weigh, balance, gradient, values = self._gradient(losses_of, carry, constants)
        descent = jax.tree.map(jnp.conj, gradient)
        value_fn = lambda params: weigh(losses_of(params))  # noqa: E731
        updates, optimizer = self.optimizer.update(
            descent, carry.optimizer, carry.params, value=values[0], grad=descent, value_fn=value_fn
        )
        params = optax.apply_updates(carry.params, updates)
        average = carry.average
        if (decay := self.decay) is not None:
            towards = lambda total, leaf: total + (1 - decay) * (_wide(leaf) - total)  # noqa: E731
            average = jax.tree.map(towards, average, params)
        taken = Carry(params, optimizer, balance, average, carry.step + 1, carry.failed)
        is_good = _all_finite((values[0], gradient, params)) & ~carry.failed
        carry = jax.tree.map(lambda new, old: jnp.where(is_good, new, old), taken, carry)
        return carry._replace(failed=~is_good), values

    def _gradient(self, losses_of: Callable, carry: Carry, constants: Constants) -> tuple:
        """How losses are summed in this step, the next state of the balance, the gradient of the sum, the values."""
        if self.balance is None:

            def objective(params):
                losses = losses_of(params)
                return self._total(losses), losses

            (total, losses), gradient = jax.value_and_grad(objective, has_aux=True)(carry.params)
            return self._total, None, gradient, jnp.stack([total, *losses])

        key = jr.fold_in(constants.balance_key, carry.step)
        losses, pull_back = jax.vjp(lambda params: jnp.stack(losses_of(params)), carry.params)
        gradients, norms = [], None
        if self.balance.needs_gradient_norms:
            gradients = [pull_back(row)[0] for row in jnp.eye(len(losses), dtype=losses.dtype)]
            norms = jnp.stack([_norm(gradient) for gradient in gradients])
        weights, balance = self.balance.update(losses, carry.balance, key, norms)
        weights = weights.astype(losses.dtype)
        gradient = jax.tree.map(partial(_weighted_sum, weights), *gradients) if gradients else pull_back(weights)[0]
        weigh = lambda losses: jnp.dot(weights, jnp.stack(losses))  # noqa: E731
        return weigh, balance, gradient, jnp.concatenate([weigh(losses)[None], losses, weights])

    def _total(self, losses: Sequence[Array]) -> Any:
        return sum(loss if weight == 1 else weight * loss for weight, loss in zip(self.weights, losses, strict=True))


class Compiled:
    """Steps from Python one by one, or in compiled loops with a trip count that is not compiled in.

    Whatever the number of steps in a call, the same machine code computes each: that is why runs that are tracked,
    interrupted or cut into other pieces agree to the last bit.
    """

    def __init__(self, step: Step, carry: Carry, constants: Constants, num_columns: int, dtype: Any, *, use_loop: bool):
        self._source, self._use_loop = step.source, use_loop
        self.num_rows = step.source.num_rows
        self._empty = jnp.zeros((self.num_rows, num_columns), dtype)
        # Lists of arrays cross into compiled code faster than modules within modules.
        self._structure = jax.tree.structure(carry)
        self._constants, structure_of_constants = jax.tree.flatten(constants)

        def take(i, leaves, constants, row, values):
            carry = jax.tree.unflatten(self._structure, leaves)
            carry, new = step(carry, jax.tree.unflatten(structure_of_constants, constants), row)
            return jax.tree.leaves(carry), jax.lax.dynamic_update_index_in_dim(values, new.astype(dtype), i, 0)

        def loop(leaves, constants, block, count, values):
            def body(state):
                i, leaves, values = state
                row = jax.tree.map(lambda leaf: leaf[i], block)
                return (i + 1, *take(i, leaves, constants, row, values))

            def go_on(state):
                i, leaves, _ = state
                return (i < count) & ~jax.tree.unflatten(self._structure, leaves).failed

            _, leaves, values = jax.lax.while_loop(go_on, body, (jnp.int32(0), leaves, values))
            return leaves, values

        self._take, self._loop = jax.jit(take), jax.jit(loop)

    def __call__(self, carry: Carry, start: int, count: int) -> tuple[Carry, Array]:
        """The state after the steps `start`, ..., `start + count - 1`, and their values in the first rows."""
        leaves, values = jax.tree.leaves(carry), self._empty
        if self._use_loop:
            block = self._source.block(start, count)
            leaves, values = self._loop(leaves, self._constants, block, np.int32(count), values)
        else:
            for i, row in enumerate(self._source.rows(start, count)):
                leaves, values = self._take(np.int32(i), leaves, self._constants, row, values)
        return jax.tree.unflatten(self._structure, leaves), values


def equations(jaxpr: Any) -> Iterator[Any]:
    """All operations of a jaxpr, and of those inside of it."""
    for equation in jaxpr.eqns:
        yield equation
        for leaf in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns")):
            inner = getattr(leaf, "jaxpr", leaf)
            if hasattr(inner, "eqns"):
                yield from equations(inner)


def has_convolutions(jaxpr: Any) -> bool:
    """Whether a convolution of XLA is among the operations of a jaxpr, or of one inside of it."""
    return any(equation.primitive.name == "conv_general_dilated" for equation in equations(jaxpr))


def _all_finite(tree: PyTree) -> Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def _norm(gradient: PyTree) -> Array:
    leaves = [jnp.abs(leaf) for leaf in jax.tree.leaves(gradient) if leaf.size]
    largest = jnp.max(jnp.stack([jnp.max(leaf).astype(leaves[0].dtype) for leaf in leaves]))
    scale = jnp.where(largest > 0, largest, 1)  # squares of entries beyond 1e19 would overflow in single precision
    return scale * jnp.sqrt(jnp.asarray(sum(jnp.sum((leaf / scale) ** 2) for leaf in leaves)))


def _weighted_sum(weights: Array, *parts: Array) -> Any:
    terms = [weight.astype(jnp.finfo(part.dtype).dtype) * part for weight, part in zip(weights, parts, strict=True)]
    return sum(terms[1:], terms[0])


def _wide(leaf: Array) -> Array:
    """In single precision at least, in which a small part of a parameter is not lost."""
    return leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))


def strong(leaf: Any) -> Array:
    """An array whose dtype is not a weak one, which a step would make strong."""
    leaf = jnp.asarray(leaf)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.extended):
        return leaf
    return jax.lax.convert_element_type(leaf, leaf.dtype)
