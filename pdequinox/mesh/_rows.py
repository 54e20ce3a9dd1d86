"""Sparse matrices as padded rows: the layout of all stencils on a mesh."""

import numpy as np
from jaxtyping import Float, Int


def sum_entries(
    rows: Int[np.ndarray, " e"], columns: Int[np.ndarray, " e"], weights: Float[np.ndarray, "e *c"], num_rows: int
) -> tuple[Int[np.ndarray, "n k"], Float[np.ndarray, "n k *c"]]:
    """The entries of a sparse matrix, equal positions summed, as rows of one length.

    **Returns:** For each row its columns in rising order and their weights. Shorter rows are filled up with the row's
    own number and the weight 0.
    """
    size = max(num_rows, int(columns.max(initial=0)) + 1)
    keys = rows.astype(np.int64) * size + columns
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    summed = np.add.reduceat(weights[order], starts, axis=0)
    rows, columns = np.divmod(keys[order][starts], size)
    return _padded(rows, columns, summed, num_rows)


def _padded(rows: np.ndarray, columns: np.ndarray, weights: np.ndarray, num_rows: int) -> tuple:
    """Sorted entries, each position once, as rows of one length."""
    counts = np.bincount(rows, minlength=num_rows)
    slots = np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
    width = int(counts.max(initial=1))
    padded_columns = np.repeat(np.arange(num_rows, dtype=np.int32)[:, None], width, axis=1)
    padded_weights = np.zeros((num_rows, width, *weights.shape[1:]))
    padded_columns[rows, slots] = columns
    padded_weights[rows, slots] = weights
    return padded_columns, padded_weights


def union_of_rows(sets: Int[np.ndarray, "r k"], own: Int[np.ndarray, " r"]) -> Int[np.ndarray, "r m"]:
    """Each row's different numbers in rising order, all rows filled up to one length with the number `own`."""
    ordered = np.sort(sets, axis=1)
    repeated = np.zeros(ordered.shape, bool)
    repeated[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    width = int((~repeated).sum(axis=1).max())
    # A stable sort of a mask moves what is kept to the front.
    kept = np.argsort(repeated, axis=1, kind="stable")[:, :width]
    return np.where(np.take_along_axis(repeated, kept, axis=1), own[:, None], np.take_along_axis(ordered, kept, axis=1))
