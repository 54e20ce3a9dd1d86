"""The folder of a study: one folder per run, written by any number of processes, readable at any moment."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .._atomic_file import write_atomically
from ._staging import staged

RESULT, PROGRESS, SAMPLES = "result.json", "progress.json", "samples.npz"


@dataclasses.dataclass(frozen=True)
class Store:
    """What has been found, and what is being worked on.

    `runs/<id>` belongs to one run and `scenarios/<id>` to one scenario. In it, `config.json` says what it is,
    `result.json` that it is finished, `progress.json` how far it is; whoever holds `lock` works on it. The system frees
    a lock when its process ends, in whatever way.
    """

    root: Path

    def folder(self, kind: str, identity: str) -> Path:
        """Of a run (`kind` is `"runs"`) or a scenario (`"scenarios"`)."""
        return self.root / kind / identity

    @contextlib.contextmanager
    def claim(self, kind: str, identity: str) -> Iterator[Path | None]:
        """The folder, for this process alone; or `None` if another one works on it."""
        import filelock

        folder = self.folder(kind, identity)
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / "lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            yield None
            return
        try:
            yield folder
        finally:
            lock.release()

    def result(self, kind: str, identity: str) -> dict[str, Any] | None:
        """What was found, or `None` if it is not finished."""
        return read_json(self.folder(kind, identity) / RESULT)

    def progress(self, kind: str, identity: str) -> dict[str, Any]:
        """How far it is; empty if it has not begun."""
        return read_json(self.folder(kind, identity) / PROGRESS) or {}

    def samples(self, kind: str, identity: str) -> dict[str, np.ndarray]:
        """Fields for pictures; none if there are none."""
        path = self.folder(kind, identity) / SAMPLES
        if not path.exists():
            return {}
        with np.load(path) as arrays:
            return dict(arrays)

    def finish(self, folder: Path, result: dict[str, Any], samples: dict[str, np.ndarray]) -> None:
        """Write what was found: `result.json` last, which makes it finished."""
        with staged(folder) as stage:
            if samples:
                np.savez_compressed(stage / SAMPLES, **samples)  # pyright: ignore[reportArgumentType]
        write_json(folder / RESULT, result)
        (folder / PROGRESS).unlink(missing_ok=True)

    def forget_failures(self) -> None:
        """Make all runs that failed, and baselines without result, ones that are not finished."""
        for kind in ("runs", "scenarios"):
            for identity in self.identities(kind):
                with self.claim(kind, identity) as folder:
                    result = self.result(kind, identity) or {}
                    if folder is not None and result.get("status") == "failed":
                        (folder / RESULT).unlink()

    def identities(self, kind: str) -> list[str]:
        """All that have a folder."""
        return sorted(folder.name for folder in (self.root / kind).glob("*") if folder.is_dir())


def identity_of(config: Any) -> str:
    """A name for a configuration: the same for the same plain values."""
    text = json.dumps(config, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def write_json(path: Path, value: Any) -> None:
    """Replace a file by one that holds a plain value."""
    write_atomically(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False).encode())


def read_json(path: Path) -> Any:
    """What a file holds, or `None` if there is none.

    **Raises:** `ValueError` that names the file, if it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(
            f"`{path}` must hold JSON, got something else ({error}). Delete it to compute anew."
        ) from error
