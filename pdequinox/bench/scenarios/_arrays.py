"""Scenarios of arrays: the user's, from memory or from files (NumPy's `.npy` and `.npz`, HDF5)."""

import contextlib
import dataclasses
import functools as ft
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..._fingerprint import fingerprint
from .._extras import require
from ._stored import Source, StoredEvolution, StoredPairs, existing

_SHAPES = {
    "trajectories": "(samples, times, channels, *spatial)",
    "pairs": "(samples, channels, *spatial)",
}


def from_arrays(
    training: Any,
    test: Any = None,
    *,
    boundary_mode: Any,
    domain_extent: Any = 1.0,
    time_step: float | None = None,
    name: str = "own",
    **options: Any,
) -> "HeldTrajectories":
    """A scenario of trajectories in memory, to compare networks on.

    **Arguments:**

    - `training`: An array of shape `(samples, times, channels, *spatial)`, of NumPy or JAX.
    - `test`: Another one, with as many channels on the same grid. Without it, the last 20 % of the trajectories are
        held out, see `test_fraction`.
    - `boundary_mode`: See [`pdequinox.boundary.normalize_boundary_mode`][].
    - `domain_extent`: The length of the axes, one number or one per axis; in [L].
    - `time_step`: Between two states; in [T].
    - `name`: What tables call it.
    - `**options`: Those of the scenario `arrays`: `train_temporal_horizon`, `test_fraction`, `reduced_resolution`, say.

    **Returns:** A scenario without a solver. It lives in this process: for others, write a file and use the scenario
        `arrays`, or register a function that reads it.

    **Raises:** `ValueError` for arrays of other shapes, an unknown mode, or options that the data do not allow.
    """
    arrays = {"training": training, "test": test}
    shared = {"boundary_mode": boundary_mode, "domain_extent": domain_extent, "time_step": time_step, "title": name}
    return HeldTrajectories(arrays=_held(arrays), **shared, **options)


def from_pairs(
    inputs: Any,
    targets: Any,
    test_inputs: Any = None,
    test_targets: Any = None,
    *,
    boundary_mode: Any,
    domain_extent: Any = 1.0,
    name: str = "own",
    **options: Any,
) -> "HeldPairs":
    """A scenario of inputs and solutions in memory, to compare networks on.

    **Arguments:**

    - `inputs`, `targets`: Arrays of shape `(samples, channels, *spatial)`, of NumPy or JAX.
    - `test_inputs`, `test_targets`: Others, on the same grid. Without them, the last 20 % of the samples are held out,
        see `test_fraction`.
    - `boundary_mode`, `domain_extent`, `name`, `**options`: As for `from_arrays`, but for what has to do with time.

    **Returns:** A scenario without a solver; see `from_arrays`.

    **Raises:** `ValueError` as `from_arrays`, and for inputs and targets that do not match.
    """
    arrays = {
        "training_inputs": inputs,
        "training_targets": targets,
        "test_inputs": test_inputs,
        "test_targets": test_targets,
    }
    shared = {"boundary_mode": boundary_mode, "domain_extent": domain_extent, "title": name}
    return HeldPairs(arrays=_held(arrays), **shared, **options)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HeldTrajectories(StoredEvolution):
    """Trajectories in memory; see `from_arrays`."""

    arrays: Mapping[str, Any]
    title: str = "own"

    name: ClassVar[str] = "from-arrays"

    @ft.cached_property
    def _source(self) -> Source:
        return _source_of(_Memory(self.arrays), "", "trajectories", self._what)

    @property
    def _what(self) -> str:
        return repr(self.title)

    @property
    def label(self) -> str:
        return self.title

    @property
    def config(self) -> dict[str, Any]:
        return super().config | {"arrays": fingerprint(self.arrays.values())}

    @property
    def written(self) -> dict[str, Any]:
        return getattr(self, "_written", self.config)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HeldPairs(StoredPairs):
    """Inputs and solutions in memory; see `from_pairs`."""

    arrays: Mapping[str, Any]
    title: str = "own"

    name: ClassVar[str] = "from-pairs"

    _what = HeldTrajectories._what
    label = HeldTrajectories.label

    @ft.cached_property
    def _source(self) -> Source:
        return _source_of(_Memory(self.arrays), "inputs", "pairs", self._what)

    @ft.cached_property
    def _targets(self) -> Source:
        return _source_of(_Memory(self.arrays), "targets", "pairs", self._what)

    @property
    def config(self) -> dict[str, Any]:
        return super().config | {"arrays": fingerprint(self.arrays.values())}

    @property
    def written(self) -> dict[str, Any]:
        return getattr(self, "_written", self.config)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArrayFile(StoredEvolution):
    """Trajectories in a file of yours: `training`, and `test` if you have it.

    Both of shape `(samples, times, channels, *spatial)`, in an `.npz` or an HDF5 file; an `.npy` file holds `training`
    alone. Without `test`, the last 20 % of the trajectories are held out (`test_fraction`). Channels are divided by
    their standard deviations over the training trajectories, after their means have been subtracted, unless an axis has
    an end where u = 0. Of `.npy` and HDF5 files no more is read than what is asked for; an array of an `.npz` file is
    read whole.
    """

    path: str = ""
    """Needed."""

    name: ClassVar[str] = "arrays"

    @ft.cached_property
    def _source(self) -> Source:
        return _source_of(_File(existing(self.path)), "", "trajectories", self._what)

    @property
    def _what(self) -> str:
        return Path(self.path).name


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairFile(StoredPairs):
    """Inputs and solutions in a file of yours: `training_inputs` and `training_targets`, and the same for `test`.

    All of shape `(samples, channels, *spatial)`, in an `.npz` or an HDF5 file. Without those for tests, the last 20 %
    of the samples are held out (`test_fraction`). Channels are divided by their standard deviations over the training
    samples, after their means have been subtracted, unless an axis has an end where u = 0.
    """

    path: str = ""
    """Needed."""

    name: ClassVar[str] = "pairs"

    _what = ArrayFile._what

    @ft.cached_property
    def _source(self) -> Source:
        return _source_of(_File(existing(self.path)), "inputs", "pairs", self._what)

    @ft.cached_property
    def _targets(self) -> Source:
        return _source_of(_File(existing(self.path)), "targets", "pairs", self._what)


class _Memory:
    """Arrays by name."""

    num_bytes = 0

    def __init__(self, arrays: Mapping[str, Any]):
        self._arrays = arrays

    @contextlib.contextmanager
    def open(self) -> Iterator[Mapping[str, Any]]:
        yield self._arrays


class _File:
    """Arrays by name, in a file; sliced while it is open."""

    def __init__(self, path: Path):
        self._path = path
        self.num_bytes = path.stat().st_size

    @contextlib.contextmanager
    def open(self) -> Iterator[Mapping[str, Any]]:
        if self._path.suffix == ".npy":
            yield {"training": np.load(self._path, mmap_mode="r", allow_pickle=False)}
        elif self._path.suffix == ".npz":
            with np.load(self._path, allow_pickle=False) as arrays:
                yield arrays
        else:
            with opened(self._path) as file:
                yield file


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An HDF5 file, to read from."""
    require("h5py")
    import h5py

    if not h5py.is_hdf5(path):
        raise ValueError(f"`path` must be an HDF5 file, got {str(path)!r}. Is it complete?")
    with h5py.File(path, "r") as file:
        yield file


def _held(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(array) for name, array in arrays.items() if array is not None}


def _source_of(store: _Memory | _File, suffix: str, kind: str, what: str) -> Source:
    """The arrays `training` and `test`, with `_inputs` or `_targets` behind if there is a suffix."""
    names = {part: f"{part}_{suffix}" if suffix else part for part in ("training", "test")}
    with store.open() as arrays:
        found = {part: arrays[name] for part, name in names.items() if name in arrays}
        if "training" not in found:
            other = "pairs" if kind == "trajectories" else "arrays"
            raise ValueError(
                f"`path` must be a file with {names['training']!r}, got {what} with {', '.join(arrays) or 'nothing'}. "
                f"Name its arrays like that; the scenario {other!r} has other names."
            )
        shapes = {part: _shape_of(array, names[part], kind) for part, array in found.items()}
    first = 2 if kind == "trajectories" else 1
    training, test = shapes["training"], shapes.get("test")
    if test is not None and test[first:] != training[first:]:
        raise ValueError(
            f"`{names['test']}` must have the channels and the grid of `{names['training']}`, {training[first:]}, got "
            f"{test[first:]}. Both have the shape {_SHAPES[kind]}."
        )

    def read(part: str, samples: range, times: slice, points: tuple[slice, ...]) -> np.ndarray:
        where = (slice(samples.start, samples.stop), *([times] if kind == "trajectories" else []), slice(None), *points)
        with store.open() as arrays:
            fields = np.asarray(arrays[names[part]][where])
        return fields if kind == "trajectories" else fields[:, None]

    return Source(
        num_samples=training[0],
        num_test=None if test is None else test[0],
        num_times=min(shape[1] for shape in shapes.values()) if kind == "trajectories" else 1,
        channels=tuple(map(str, range(training[first]))),
        shape=training[first + 1 :],
        read=read,
        num_bytes=store.num_bytes,
    )


def _shape_of(array: Any, name: str, kind: str) -> tuple[int, ...]:
    shape, least = tuple(array.shape), 4 if kind == "trajectories" else 3
    if not least <= len(shape) <= least + 2 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"`{name}` must hold real numbers in the shape {_SHAPES[kind]} with 1 to 3 spatial axes, got {array.dtype} "
            f"in {shape}. Add the axis of channels, say."
        )
    return shape
