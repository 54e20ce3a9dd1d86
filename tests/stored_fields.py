"""Random fields, files that hold them, and what a reader should make of them."""

import h5py
import numpy as np

RNG = np.random.default_rng(0)


def fields(*shape):
    return RNG.standard_normal(shape).astype(np.float32) + 3


def write_h5(path, arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return str(path)


def normalised(array, training, axis=2, with_mean=True):
    """Each channel by the statistics of the training samples, written out."""
    axes = tuple(a for a in range(training.ndim) if a != axis)
    mean = training.mean(axis=axes, keepdims=True) if with_mean else 0
    return (array - mean) / training.std(axis=axes, keepdims=True)
