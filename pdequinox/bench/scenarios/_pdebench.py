"""Files of PDEBench (Takamoto et al., 2022), in the layouts that its programs write."""

import dataclasses
import functools as ft
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ._arrays import opened
from ._stored import Source, StoredEvolution, StoredPairs, choose_fields, existing

_COORDINATES = ("x-coordinate", "y-coordinate", "z-coordinate")
_FLUID = ("density", "pressure", "Vx", "Vy", "Vz")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PDEBench(StoredEvolution):
    """Trajectories in an HDF5 file of PDEBench.

    | layout | of |
    |---|---|
    | `tensor` (samples, times, x), `x-coordinate`, `t-coordinate` | advection, Burgers, reaction-diffusion in 1D |
    | `density`, `pressure`, `Vx`, `Vy`, `Vz` (samples, times, x, y, z), coordinates | compressible Navier-Stokes |
    | `0000/data` (times, x, y, channels), `0000/grid/x`, a group for each sample | diffusion-reaction, shallow water |

    Which condition holds at the walls the files do not say, so that `boundary_mode` is needed: 'periodic' for the files
    of advection and Burgers and those with 'periodic' in their names, and for the others what their authors state. The
    points are cell centres; a mode of nodes is refused.

    Of the samples, the first `num_train_samples` are for training and the last `num_test_samples` for tests (by default
    the last 20 %; PDEBench takes the first 10 %). `reduced_resolution` keeps every so many points of a periodic axis,
    as there; between walls it takes means of so many cells, as the first cell centre would not be at half a spacing.
    Channels are divided by their standard deviations over the training trajectories, after their means have been
    subtracted, unless an axis has an end where u = 0.
    """

    path: str = ""
    """Needed."""
    fields: Any = None
    """Names such as `("density", "Vx")`, or the numbers of channels; all of them by default."""

    name: ClassVar[str] = "pdebench"

    @property
    def _what(self) -> str:
        return Path(self.path).name

    @ft.cached_property
    def _source(self) -> Source:
        with opened(existing(self.path)) as file:
            if "nu" in file:
                raise ValueError(
                    f"`path` must hold trajectories, got {self._what} with 'nu' and 'tensor', which are inputs and "
                    "solutions. Use the scenario 'pdebench-darcy'."
                )
            if "tensor" in file:
                return self._common(file, {"tensor": file["tensor"].shape})
            if "density" in file:
                return self._common(file, {name: file[name].shape for name in _FLUID if name in file})
            groups = sorted(name for name in file if name.isdigit() and "data" in file[name])
            if groups:
                return self._grouped(file, groups)
            raise ValueError(
                f"`path` must be a file with 'tensor', 'density' or '0000/data', got {self._what} with "
                f"{', '.join(file) or 'nothing'}. See the layouts of `PDEBench`; other files can be written anew for "
                "'arrays'."
            )

    def _common(self, file: Any, shapes: dict[str, tuple[int, ...]]) -> Source:
        """One array for each field, with the samples first."""
        shape = next(iter(shapes.values()))
        for name, other in shapes.items():
            if other != shape or not 3 <= len(other) <= 5:
                raise ValueError(
                    "`path` must hold fields of shape (samples, times, x, y, z), alike in one to three dimensions, "
                    f"got {name!r} of shape {other} in {self._what}. Is it a file of PDEBench?"
                )
        names, path = choose_fields(self.fields, tuple(shapes), self._what), existing(self.path)

        def read(part: str, samples: range, times: slice, points: tuple[slice, ...]) -> np.ndarray:
            del part  # there is but one
            where = (slice(samples.start, samples.stop), times, *points)
            with opened(path) as file:
                return np.stack([file[name][where] for name in names], axis=2)

        return Source(
            num_samples=shape[0],
            num_test=None,
            num_times=shape[1],
            channels=names,
            shape=shape[2:],
            read=read,
            num_bytes=path.stat().st_size,
            coordinates=_coordinates(file, _COORDINATES[: len(shape) - 2]),
            times=_array(file, "t-coordinate"),
        )

    def _grouped(self, file: Any, groups: list[str]) -> Source:
        """One group for each sample, with the channels last."""
        shape = file[groups[0]]["data"].shape
        if not 3 <= len(shape) <= 5:
            raise ValueError(
                f"`path` must hold samples of shape (times, x, y, z, channels) in one to three dimensions, got {shape} "
                f"in {self._what}. Is it a file of PDEBench?"
            )
        known = tuple(map(str, range(shape[-1])))
        names, path = choose_fields(self.fields, known, self._what), existing(self.path)
        channels = [known.index(name) for name in names]

        def read(part: str, samples: range, times: slice, points: tuple[slice, ...]) -> np.ndarray:
            del part  # there is but one
            read = []
            with opened(path) as file:
                for group in groups[samples.start : samples.stop]:
                    data = file[group]["data"]
                    if data.shape != shape:
                        raise ValueError(
                            f"`path` must hold samples of one shape, got {shape} and {data.shape} (group {group!r}) in "
                            f"{path.name}. Ask for samples before it."
                        )
                    read.append(np.moveaxis(data[(times, *points)][..., channels], -1, 1))
            return np.stack(read)

        grid = file[groups[0]].get("grid", {})
        return Source(
            num_samples=len(groups),
            num_test=None,
            num_times=shape[0],
            channels=names,
            shape=shape[1:-1],
            read=read,
            num_bytes=path.stat().st_size,
            coordinates=_coordinates(grid, "xyz"[: len(shape) - 2]),
            times=_array(grid, "t"),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class PDEBenchDarcy(StoredPairs):
    """Darcy's equation in an HDF5 file of PDEBench: from `nu` (samples, x, y) to `tensor` (samples, 1, x, y).

    Which condition holds at the walls the file does not say, so that `boundary_mode` is needed; its authors state u =
    0, and the points are cell centres: 'cell-dirichlet'. Samples, resolution and units are as for `pdebench`.
    """

    path: str = ""
    """Needed."""

    name: ClassVar[str] = "pdebench-darcy"

    _what = PDEBench._what

    @ft.cached_property
    def _source(self) -> Source:
        return self._open("nu")

    @ft.cached_property
    def _targets(self) -> Source:
        return self._open("tensor")

    def _open(self, name: str) -> Source:
        path = existing(self.path)
        with opened(path) as file:
            missing = [needed for needed in ("nu", "tensor") if needed not in file]
            if missing:
                raise ValueError(
                    f"`path` must be a file with 'nu' and 'tensor', got {self._what} with "
                    f"{', '.join(file) or 'nothing'}. For trajectories, use the scenario 'pdebench'."
                )
            shape = file[name].shape
            rank = {"nu": (), "tensor": (1,)}[name]
            if len(shape) != 3 + len(rank) or shape[1:-2] != rank:
                raise ValueError(
                    "`path` must hold 'nu' of shape (samples, x, y) and 'tensor' of shape (samples, 1, x, y), got "
                    f"{name!r} of shape {shape} in {self._what}. Is it a file of PDEBench?"
                )
            coordinates = _coordinates(file, _COORDINATES[:2])

        def read(part: str, samples: range, times: slice, points: tuple[slice, ...]) -> np.ndarray:
            del part, times  # there is but one
            where = (slice(samples.start, samples.stop), *([slice(None)] if rank else []), *points)
            with opened(path) as file:
                fields = file[name][where]
            return fields[:, None] if rank else fields[:, None, None]

        return Source(
            num_samples=shape[0],
            num_test=None,
            num_times=1,
            channels=(name,),
            shape=shape[-2:],
            read=read,
            num_bytes=path.stat().st_size,
            coordinates=coordinates,
        )


def _coordinates(group: Any, names: Iterable[str]) -> tuple[np.ndarray | None, ...]:
    return tuple(_array(group, name) for name in names)


def _array(group: Any, name: str) -> np.ndarray | None:
    return np.asarray(group[name]) if name in group else None
