"""An interrupted training goes on from a file, to the same numbers."""

import dataclasses
import math
import os
import time
import zlib
from numbers import Real
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from .._checks import check_integer
from .._fingerprint import bytes_of, is_array, on_host
from ._history import Recorder
from ._step import Carry
from ._tensor_file import foreign, read_tensors, require_safetensors, write_tensors
from ._trackers import Best


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Where and how often `fit` writes down all that it needs to go on.

    **Arguments:**

    - `path`: The file. If it exists, `fit` resumes from it. Of several processes all must see it.
    - `every`: The number of steps between two writes, which take place at multiples of it and at the end.
    - `seconds`: The time after which to write in between, whatever the step; `None` for multiples of `every` alone,
        as several processes need it.

    **Raises:** `ValueError` if `path` is no path, `every` is not a positive integer or `seconds` not a positive number.
    """

    path: Any
    every: Any = 1000
    seconds: Any = None

    def __post_init__(self):
        if not isinstance(self.path, str | os.PathLike):
            raise ValueError(f"`path` must be the name of a file, got {self.path!r}. Pass 'run.ckpt', say.")
        check_integer("every", self.every)
        if self.seconds is not None and not (isinstance(self.seconds, Real) and float(self.seconds) > 0):
            raise ValueError(f"`seconds` must be a positive number or None, got {self.seconds!r}. Use 60, say.")


class Saver:
    """Writes checkpoints of one training, and reads those that are of the same one."""

    def __init__(self, checkpoint: Any, settings: dict[str, Any], model: PyTree, frozen: PyTree, rebuild: Any):
        checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
        self._path, self.every = Path(checkpoint.path), int(checkpoint.every)
        self._seconds = math.inf if checkpoint.seconds is None else float(checkpoint.seconds)
        self._written = time.monotonic()
        if checkpoint.seconds is not None and jax.process_count() > 1:
            raise ValueError(
                f"`seconds` must be None for several processes, whose clocks differ, got {checkpoint.seconds}. Use "
                "`every`."
            )
        if not self._path.parent.is_dir():
            raise ValueError(
                f"`checkpoint` must lie in a folder that exists, got {str(self._path)!r}. Make the folder first."
            )
        require_safetensors()
        self._settings = {"the initial model": _sketch(model), **settings}
        self._frozen, self._rebuild = frozen, rebuild

    def is_due(self, step: int) -> bool:
        """Whether to write after this step."""
        return step % self.every == 0 or time.monotonic() - self._written >= self._seconds

    def save(self, carry: Carry, step: int, best: Best | None, recorder: Recorder) -> None:
        """Replace the file."""
        history = recorder.arrays()
        content = {
            "settings": self._settings,
            "step": step,
            "tracked": {name: len(steps) for name, (steps, _) in history["trackers"].items()},
            "dtype": history["values"].dtype.name,
            "best": None if best is None else [float(best.value).hex(), best.step, best.num_waited],
        }
        state = {
            "model": self._rebuild(carry.params, self._frozen),
            "state": carry._replace(params=None),
            "best": None if best is None else best.params,
            "history": history,
        }
        write_tensors(self._path, "checkpoint", content, arrays_by_path(state))
        self._written = time.monotonic()

    def load(self, carry: Carry, num_steps: int, best: Best | None, recorder: Recorder) -> tuple[Carry, int]:
        """The state in the file and its step, or the given state and step 0 if there is no file."""
        self._check_is_shared()
        if not self._path.exists():
            return carry, 0
        header, arrays = read_tensors(self._path, ("checkpoint",))
        content = header["content"]
        with foreign(self._path):
            settings, step, dtype = content["settings"], int(content["step"]), np.dtype(content["dtype"])
            tracked = {**dict.fromkeys(recorder.tracker_names, 0), **content["tracked"]}
        self._check_settings(settings)
        if step > num_steps:
            raise ValueError(
                f"`num_steps` must be at least the step that the checkpoint {str(self._path)!r} has reached ({step}), "
                f"got {num_steps}. Raise it, or give another path."
            )
        like = {
            "model": self._rebuild(carry.params, self._frozen),
            "state": carry._replace(params=None),
            "best": None if best is None else best.params,
            "history": recorder.structure(step, tracked, dtype),
        }
        state = fill(like, arrays, f"`checkpoint` must be of this training, got {str(self._path)!r}")
        self._check_frozen(state["model"])
        recorder.restore(state["history"])
        if best is not None:
            value, best.step, best.num_waited = content["best"]
            best.value, best.params = float.fromhex(value), state["best"]
        is_none = lambda leaf: leaf is None  # noqa: E731
        pick = lambda mine, theirs: None if mine is None else theirs  # noqa: E731
        params = jax.tree.map(pick, carry.params, state["model"], is_leaf=is_none)
        # Where the arrays of a new training are, or anywhere if they are free: a checkpoint does not know devices.
        restored = jax.tree.map(
            lambda here, leaf: jax.device_put(leaf, here.sharding if here.committed else None),
            carry,
            state["state"]._replace(params=params),
        )
        return restored, step

    def _check_is_shared(self) -> None:
        """Refuse a file that some processes see and others do not: they would train apart, and wait for each other."""
        if jax.process_count() == 1:
            return
        from jax.experimental import multihost_utils

        mine = zlib.crc32(self._path.read_bytes()) if self._path.exists() else 0
        sums = np.asarray(multihost_utils.process_allgather(np.uint32(mine)))
        if len(set(sums.tolist())) > 1:
            raise ValueError(
                f"`checkpoint` must lie on a disk that all processes share, got {str(self._path)!r}, which is not the "
                "same file for all. Give a path on a shared disk, or delete the file."
            )

    def _check_settings(self, settings: dict[str, Any]) -> None:
        for name, mine in self._settings.items():
            if "JAX" in name and name not in settings:
                continue  # traced by another version
            theirs = settings.get(name)
            is_same = _alike(mine, theirs) if "model" in name else mine == theirs
            if not is_same:
                is_long = any(word in name for word in ("model", "data", "JAX"))
                shown = "" if is_long else f" ({theirs!r} in the file, {mine!r} here)"
                raise ValueError(
                    f"`checkpoint` must be of this training, got {str(self._path)!r}, which differs in {name}{shown}. "
                    "Give another path, or delete the file."
                )

    def _check_frozen(self, model: PyTree) -> None:
        theirs = arrays_by_path(model)
        for name, leaf in arrays_by_path(self._frozen).items():
            if bytes_of(leaf) != bytes_of(theirs[name]):
                raise ValueError(
                    f"`checkpoint` must be of this training, got {str(self._path)!r}, which has another frozen array "
                    f"`model{name}`. Give another path, or delete the file."
                )


def arrays_by_path(tree: PyTree) -> dict[str, Any]:
    """The arrays of a pytree, each under its path."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves if is_array(leaf)}


def fill(like: PyTree, arrays: dict[str, Any], message: str) -> PyTree:
    """`like` with the arrays of a file, which must have the same paths, shapes and dtypes."""
    wanted = arrays_by_path(like)
    for name in [*wanted, *arrays]:
        expected, found = (_describe(place.get(name)) for place in (wanted, arrays))
        if expected != found:
            raise ValueError(
                f"{message}: expected {expected} at {name}, got {found}. Use the structure that was saved."
            )

    def replace(path, leaf):
        if not is_array(leaf):
            return leaf
        array = arrays[jax.tree_util.keystr(path)]
        return array[()] if isinstance(leaf, np.generic) else array

    return jax.tree_util.tree_map_with_path(replace, like)


def _describe(array: Any) -> str:
    return "no array" if array is None else f"{array.dtype.name}{list(array.shape)}"


def _sketch(model: PyTree) -> list[list[float]]:
    """Two numbers for each floating array: they tell models apart, and not rounding errors."""
    numbers = []
    for leaf in jax.tree.leaves(model):
        if is_array(leaf) and jax.numpy.issubdtype(leaf.dtype, jax.numpy.inexact) and leaf.size:
            values = on_host(leaf).ravel()
            values = np.abs(values).astype(float) if values.dtype.kind == "c" else values.astype(float)
            values = np.where(np.isfinite(values), values, 0.0)
            size = float(np.abs(values).mean())
            projection = float((values * np.cos(np.arange(len(values)))).mean())
            numbers.append([size, 2 + projection / size if size else 2.0])
    return numbers


def _alike(mine: Any, theirs: Any) -> bool:
    """Equal, where floating numbers may differ by rounding errors."""
    if isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        return len(mine) == len(theirs) and all(map(_alike, mine, theirs))
    if isinstance(mine, float) and isinstance(theirs, float):
        return mine == theirs or abs(mine - theirs) <= 1e-6 * max(abs(mine), abs(theirs))
    return mine == theirs
