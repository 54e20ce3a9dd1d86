"""Data on the disk, found by what made them."""

import hashlib
import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from .._environment import version_of
from .._staging import staged

PACKAGES = ("pdequinox", "jax", "equinox", "exponax", "diffrax", "numpy", "scipy")
"""Whose versions change the data."""


def cache_folder() -> Path:
    """Where data and compiled programs are kept: `$PDEQUINOX_CACHE`, or `pdequinox` in the user's cache folder."""
    if chosen := os.environ.get("PDEQUINOX_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pdequinox"


def cached(scenario: Any, make: Callable[[], Any]) -> Any:
    """The data of a scenario: read, or made and written.

    The file's name is a hash of the scenario's fields, of the files in which its class and its bases are, and of the
    versions of the packages behind them. It is written beside its place and then moved there.
    """
    import filelock

    folder = cache_folder() / "data"
    path = folder / f"{scenario.name}-{content_hash(scenario)}.npz"
    if path.exists():
        return _read(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return make()  # nowhere to keep them
    with filelock.FileLock(folder / f".{path.name}.lock"):  # of several processes one makes them
        if not path.exists():
            data = make()
            with staged(folder) as stage:
                arrays = {name: np.asarray(array) for name, array in data._asdict().items()}
                np.savez(stage / path.name, **arrays)  # pyright: ignore[reportArgumentType]
            return data
    return _read(path)


def _read(path: Path) -> Any:
    with np.load(path) as arrays:
        return kind_of(arrays)(**{name: jnp.asarray(array) for name, array in arrays.items()})


def kind_of(arrays: Any) -> type:
    from ._scenario import Pairs, Trajectories

    return Pairs if "training_inputs" in arrays else Trajectories


def content_hash(scenario: Any) -> str:
    """What tells the data of two scenarios apart."""
    sources = [source_of(kind) for kind in type(scenario).__mro__[:-1]]
    versions = [version_of(package) for package in PACKAGES]
    content = json.dumps([scenario.config, sources, versions], sort_keys=True, default=repr)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def source_of(kind: type) -> str:
    """The code of the file that a class is in, or its name where there is no file."""
    try:
        return Path(inspect.getfile(kind)).read_text(encoding="utf-8")
    except (OSError, TypeError):
        return kind.__qualname__
