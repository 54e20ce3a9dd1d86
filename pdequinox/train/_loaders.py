"""Shuffled batches of samples, for an epoch or for a number of steps."""

from collections.abc import Iterator

import jax
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from .._checks import check_integer, count_samples


def dataloader(data: PyTree, *, batch_size: int, key: PRNGKeyArray) -> Iterator[PyTree]:
    """Batches of one epoch: every sample once, in random order.

    The last batch is smaller if `batch_size` does not divide the number of samples.

    **Arguments:**

    - `data`: A pytree of arrays whose leading axes are the samples, such as `(inputs, targets)`.
    - `batch_size`: The number of samples in a batch. More than there are means one batch of all of them.
    - `key`: A JAX random key for the order.

    **Returns:** An iterator over pytrees like `data`.

    **Raises:** `ValueError` if the leading axes differ or `batch_size` is not a positive integer.
    """
    num_samples = count_samples("data", data)
    check_integer("batch_size", batch_size)
    return _batches(data, np.asarray(jr.permutation(key, num_samples)), batch_size)


def cycling_dataloader(
    data: PyTree, *, batch_size: int, num_steps: int, key: PRNGKeyArray, return_info: bool = False
) -> Iterator[PyTree]:
    """A given number of batches, from as many epochs as that takes.

    Every epoch has its own random order; no batch holds samples of two epochs.

    **Arguments:**

    - `data`: A pytree of arrays whose leading axes are the samples, such as `(inputs, targets)`.
    - `batch_size`: The number of samples in a batch; the last one of an epoch may be smaller.
    - `num_steps`: The number of batches.
    - `key`: A JAX random key for the orders.
    - `return_info`: Whether to yield `(batch, epoch, batch_in_epoch)`, both counted from 0.

    **Returns:** An iterator over pytrees like `data`.

    **Raises:** `ValueError` if the leading axes differ or a count is not a positive integer.
    """
    num_samples = count_samples("data", data)
    check_integer("batch_size", batch_size)
    check_integer("num_steps", num_steps)
    cycle = (
        (batch, epoch, index) if return_info else batch
        for epoch, order in enumerate(epoch_orders(num_samples, key))
        for index, batch in enumerate(_batches(data, order, batch_size))
    )
    return (item for _, item in zip(range(num_steps), cycle, strict=False))


def epoch_orders(num_samples: int, key: PRNGKeyArray) -> Iterator[np.ndarray]:
    """A random permutation of the samples for each epoch, without end."""
    while True:
        key, order_key = jr.split(key)
        yield np.asarray(jr.permutation(order_key, num_samples))


def _batches(data: PyTree, order: np.ndarray, batch_size: int) -> Iterator[PyTree]:
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        yield jax.tree.map(lambda leaf, indices=indices: leaf[indices], data)
