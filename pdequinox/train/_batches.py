"""What a training step computes its loss on: nothing, shuffled samples, drawn points, or the items of a loader."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, PRNGKeyArray, PyTree

from .._checks import check_integer, count_samples

_ORDERS_SIZE = 2**16
"""Orders of short epochs are drawn together, up to this many indices."""
_PLAN_SIZE = 2**22


@dataclasses.dataclass(frozen=True, eq=False)
class Shuffled:
    """Samples on the device, and the size of the batches that are cut from their orders."""

    data: PyTree
    num_samples: int
    batch_size: int


def shuffled(data: PyTree, batch_size: Any) -> Shuffled:
    """Batches of samples in random order, for `fit`: every epoch holds every sample once, in an order of its own.

    They are those of `cycling_dataloader` if `batch_size` divides the number of samples. If it does not, a batch takes
    the last samples of one epoch and the first ones of the next: all batches have one size, all samples are used
    equally often. The samples of a step depend on the key of `fit` and the number of the step alone.

    **Arguments:**

    - `data`: A pytree of arrays whose leading axes are the samples, such as `(inputs, targets)`; moved to the device as
        a whole.
    - `batch_size`: The number of samples in a batch.

    **Raises:** `ValueError` if the leading axes differ, or `batch_size` is not an integer from 1 to their length.
    """
    num_samples = count_samples("data", data)
    check_integer("batch_size", batch_size)
    if batch_size > num_samples:
        raise ValueError(
            f"`batch_size` must be at most the number of samples ({num_samples}), got {batch_size}. Lower it."
        )
    return Shuffled(jax.tree.map(jnp.asarray, data), num_samples, int(batch_size))


class Source:
    """Where the steps take their batches from; here the loss is a function of the model alone.

    `constants` are arrays that the compiled steps need, `rows` what each step needs from the host, and `arguments` what
    the loss gets after the model.
    """

    constants: PyTree = None
    num_rows = 1024
    """The longest compiled loop: a number that does not depend on that of the steps."""
    is_loader = False
    needs_key = False
    settings: tuple = ("none",)

    def rows(self, start: int, count: int) -> Iterator[PyTree]:
        """What the steps `start`, ..., `start + count - 1` need from the host; `start` never decreases."""
        return iter([None] * count)

    def block(self, start: int, count: int) -> PyTree:
        """The same in one array, of `num_rows` rows."""
        return None

    def arguments(self, constants: PyTree, row: PyTree, step: Array) -> tuple[PyTree, ...]:
        """What the loss gets after the model. Traced."""
        return ()

    def example(self) -> PyTree:
        """A row, for its shape."""
        return None


class _ShuffledSource(Source):
    """Rows of indices, cut from the epochs' orders laid end to end."""

    needs_key = True

    def __init__(self, batches: Shuffled, key: PRNGKeyArray):
        self.constants = batches.data
        self.settings = ("shuffled", batches.num_samples, batches.batch_size)
        self._size, self._num_samples = batches.batch_size, batches.num_samples
        self.num_rows = min(1024, max(16, _PLAN_SIZE // self._size))
        self._epochs_per_draw = min(1024, max(1, _ORDERS_SIZE // self._num_samples))
        self._key, self._num_draws = key, 0
        self._stream = np.empty(0, np.int32)

    def rows(self, start: int, count: int) -> Iterator[PyTree]:
        return iter(self._indices(start, count))

    def block(self, start: int, count: int) -> PyTree:
        block = np.zeros((self.num_rows, self._size), np.int32)
        block[:count] = self._indices(start, count)
        return block

    def arguments(self, constants: PyTree, row: PyTree, step: Array) -> tuple[PyTree, ...]:
        return (jax.tree.map(lambda leaf: leaf[row], constants),)

    def example(self) -> PyTree:
        return np.zeros(self._size, np.int32)

    def _indices(self, start: int, count: int) -> np.ndarray:
        first, last = start * self._size, (start + count) * self._size
        per_draw = self._epochs_per_draw * self._num_samples
        if self._num_draws * per_draw <= first:
            skipped = first // per_draw - self._num_draws
            self._key = _skip(self._key, skipped * self._epochs_per_draw)
            self._num_draws += skipped
            self._stream = self._stream[:0]
        while self._num_draws * per_draw < last:
            self._key, orders = _draw(self._key, self._epochs_per_draw, self._num_samples)
            self._stream = np.concatenate([self._stream, np.asarray(orders, np.int32).ravel()])
            self._num_draws += 1
        remaining = self._num_draws * per_draw - first
        self._stream = self._stream[len(self._stream) - remaining :]
        return self._stream[: last - first].reshape(count, self._size)


@jax.jit
def _skip(key: PRNGKeyArray, num_epochs: Any) -> PRNGKeyArray:
    return jax.lax.fori_loop(0, num_epochs, lambda _, key: jr.split(key)[0], key)


@partial(jax.jit, static_argnums=(1, 2))
def _draw(key: PRNGKeyArray, num_epochs: int, num_samples: int) -> tuple[PRNGKeyArray, Array]:
    """The next orders of `epoch_orders`, several at once."""
    key, keys = jax.lax.scan(lambda key, _: tuple(jr.split(key)), key, length=num_epochs)
    return key, jax.vmap(lambda key: jr.permutation(key, num_samples))(keys)


class _DrawnSource(Source):
    """Batches that a function draws from a key, inside of the compiled step."""

    needs_key = True
    settings = ("drawn",)

    def __init__(self, draw: Callable[[PRNGKeyArray], PyTree], key: PRNGKeyArray):
        self.constants, self._draw = key, draw

    def arguments(self, constants: PyTree, row: PyTree, step: Array) -> tuple[PyTree, ...]:
        return (self._draw(jr.fold_in(constants, step)),)


class _LoaderSource(Source):
    """The items of an iterable, from the start again when they are used up."""

    is_loader = True
    settings = ("loader",)

    def __init__(self, items: Iterable):
        self._items, self._iterator = items, iter(items)
        self._is_repeatable = self._iterator is not items
        self._num_taken, self._peeked = 0, []

    def rows(self, start: int, count: int) -> Iterator[PyTree]:
        while self._num_taken < start:
            self._take()
        return (self._take() for _ in range(count))

    def arguments(self, constants: PyTree, row: PyTree, step: Array) -> tuple[PyTree, ...]:
        return (row,)

    def example(self) -> PyTree:
        self._peeked = self._peeked or [self._next()]
        return self._peeked[0]

    def _take(self) -> PyTree:
        item = self._peeked.pop() if self._peeked else self._next()
        self._num_taken += 1
        return item

    def _next(self) -> PyTree:
        for item in self._iterator:
            return item
        if self._is_repeatable:
            self._iterator = iter(self._items)
            for item in self._iterator:
                return item
        raise ValueError(
            f"`batches` must hold a batch for every step, got an iterator that ended after {self._num_taken} batches. "
            "Lower `num_steps`, or pass a loader that can be started again, such as a list."
        )


def make_source(batches: Any, key: PRNGKeyArray | None) -> Source:
    """The source for what was given to `fit` as `batches`."""
    if batches is None:
        return Source()
    if isinstance(batches, Shuffled):
        return _ShuffledSource(batches, _required(key, "shuffled batches"))
    is_data = isinstance(batches, tuple | Mapping) or hasattr(batches, "shape")
    if is_data and all(hasattr(leaf, "shape") for leaf in jax.tree.leaves(batches)):
        raise ValueError(
            f"`batches` must be batches, not data, got {type(batches).__name__}. Use `shuffled(data, batch_size)`, or "
            "`[data]` for all of it in every step."
        )
    if hasattr(batches, "__iter__"):
        return _LoaderSource(batches)
    if callable(batches):
        return _DrawnSource(batches, _required(key, "batches that are drawn"))
    raise ValueError(
        f"`batches` must be `shuffled(data, batch_size)`, a function of a key or an iterable, got {batches!r}. Pass "
        "None if the loss takes no batch."
    )


def _required(key: PRNGKeyArray | None, what: str) -> PRNGKeyArray:
    if key is None:
        raise ValueError(f"`key` must be a JAX random key for {what}, got None. Pass `key=jax.random.key(0)`, say.")
    return key
