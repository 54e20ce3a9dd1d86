"""Files of the Well (Ohana et al., 2024), in its common layout."""

import contextlib
import dataclasses
import functools as ft
import itertools
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ._arrays import opened
from ._stored import Source, StoredEvolution, choose_fields, existing


class _Field(NamedTuple):
    """A field of a file: where it is, and which axes it has."""

    group: str
    components: tuple[str, ...]
    by_sample: bool
    by_time: bool
    by_axis: tuple[bool, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TheWell(StoredEvolution):
    """Trajectories in HDF5 files of the Well.

    `path` is one file, or a folder with the folders `train` and `test` (or with `data`, that has them); its `valid` is
    left alone. The scalars, vectors and tensors of `t0_fields`, `t1_fields` and `t2_fields` become channels, component
    by component; what does not vary in time is left out unless `fields` names it, and then repeated. Samples are taken
    in turn from the files, which differ in their parameters, so that a few samples stand for all of them.

    An axis that the file calls PERIODIC is periodic. WALL and OPEN say what the ends are and not what holds there, so
    that `boundary_mode` is needed: the ends are the same for all channels here, and may be different ones there. Walls
    inside the box are no boundary mode. Channels are divided by their standard deviations over the training
    trajectories, after their means have been subtracted, unless an axis has an end where u = 0.
    """

    path: str = ""
    """Needed."""
    fields: Any = None
    """Names such as `("pressure", "velocity")`; all that vary in time by default."""

    name: ClassVar[str] = "the-well"

    @property
    def _what(self) -> str:
        return Path(self.path).name

    @ft.cached_property
    def _source(self) -> Source:
        files = _files_of(existing(self.path))
        described = {part: [self._describe(path) for path in paths] for part, paths in files.items()}
        first = described["training"][0]
        for path, other in zip(itertools.chain(*files.values()), itertools.chain(*described.values()), strict=True):
            for what in ("shape", "fields", "said"):
                if other[what] != first[what]:
                    raise ValueError(
                        f"`path` must be a folder of files that are alike, got another {what} in {path.name}, "
                        f"{other[what]}, than in {files['training'][0].name}, {first[what]}. Take files of one data "
                        "set."
                    )
        samples = {
            part: _in_turn([one["num_samples"] for one in descriptions]) for part, descriptions in described.items()
        }
        known: dict[str, _Field] = first["fields"]
        varying = tuple(name for name, field in known.items() if field.by_time)
        names = choose_fields(self.fields, tuple(known), self._what) if self.fields is not None else varying
        if not names:
            raise ValueError(f"`fields` must be given for {self._what}, got None: nothing varies in time. Name some.")

        def read(part: str, which: range, times: slice, points: tuple[slice, ...]) -> np.ndarray:
            fields = []
            with contextlib.ExitStack() as stack:
                handles = [stack.enter_context(opened(path)) for path in files[part]]
                for place, index in samples[part][which.start : which.stop]:
                    arrays = [_read_field(handles[place], name, known[name], index, times, points) for name in names]
                    fields.append(np.concatenate(arrays, axis=1))
            return np.stack(fields)

        return Source(
            num_samples=len(samples["training"]),
            num_test=len(samples["test"]) if "test" in samples else None,
            num_times=min(one["num_times"] for one in itertools.chain(*described.values())),
            channels=tuple(itertools.chain(*(known[name].components for name in names))),
            shape=first["shape"],
            read=read,
            num_bytes=sum(path.stat().st_size for path in itertools.chain(*files.values())),
            coordinates=first["coordinates"],
            times=first["times"],
            said=first["said"],
        )

    def _describe(self, path: Path) -> dict[str, Any]:
        """What is in a file."""
        with opened(path) as file:
            for name in ("dimensions", "t0_fields", "boundary_conditions"):
                if name not in file:
                    raise ValueError(
                        "`path` must be a file with 'dimensions', 't0_fields' and 'boundary_conditions', got "
                        f"{path.name} with {', '.join(file) or 'nothing'}. Is it a file of the Well?"
                    )
            kind = _text(file.attrs.get("grid_type", "cartesian"))
            if kind != "cartesian":
                raise ValueError(
                    f"`path` must hold a Cartesian grid, got a {kind} one in {path.name}. Use another data set."
                )
            dimensions = file["dimensions"]
            axes = tuple(map(_text, dimensions.attrs["spatial_dims"]))
            count = int(file.attrs.get("n_spatial_dims", len(axes)))
            if count != len(axes):
                raise ValueError(
                    f"`path` must name as many axes as it has dimensions, got {', '.join(axes)} for {count} in "
                    f"{path.name}. Correct the attribute `n_spatial_dims`."
                )
            shape = tuple(int(dimensions[axis].shape[-1]) for axis in axes)
            fields = _fields_of(file, axes)
            counts = [_first_of(file, name, field) for name, field in fields.items() if field.by_sample]
            return {
                "shape": shape,
                "coordinates": tuple(
                    np.asarray(dimensions[axis]).reshape(-1, n)[0] for axis, n in zip(axes, shape, strict=True)
                ),
                "fields": fields,
                "num_samples": int(file.attrs.get("n_trajectories", counts[0] if counts else 1)),
                "num_times": int(dimensions["time"].shape[-1]),
                "times": np.asarray(dimensions["time"]).reshape(-1, dimensions["time"].shape[-1])[0],
                "said": tuple(_ends_of(file["boundary_conditions"], axis) for axis in axes),
            }


def _files_of(path: Path) -> dict[str, list[Path]]:
    """The files of each part; without a folder `test`, all are for training."""
    if path.is_file():
        return {"training": [path]}
    for folder in (path, path / "data"):
        parts = {"training": folder / "train", "test": folder / "test"}
        found = {part: _hdf5_in(place) for part, place in parts.items() if _hdf5_in(place)}
        if "training" in found:
            return found
    if _hdf5_in(path):
        return {"training": _hdf5_in(path)}
    raise ValueError(
        f"`path` must be an HDF5 file, or a folder with some in `train` and `test`, got {str(path)!r}. Give the folder "
        "of one data set."
    )


def _hdf5_in(folder: Path) -> list[Path]:
    return sorted(file for pattern in ("*.h5", "*.hdf5") for file in folder.glob(pattern))


def _in_turn(counts: list[int]) -> list[tuple[int, int]]:
    """Which file each sample is in, and where: the first of each file, then the second of each, and so on."""
    return sorted(
        ((place, index) for place, count in enumerate(counts) for index in range(count)), key=lambda found: found[::-1]
    )


def _fields_of(file: Any, axes: tuple[str, ...]) -> dict[str, _Field]:
    fields = {}
    for rank in range(3):
        group = f"t{rank}_fields"
        for name in map(_text, file[group].attrs.get("field_names", list(file[group])) if group in file else ()):
            if name not in file[group]:
                raise ValueError(
                    f"`path` must hold the fields that it names, got no {name!r} in {group!r} of "
                    f"{Path(file.filename).name}. Is the file complete?"
                )
            attributes = file[group][name].attrs
            suffixes = ["_" + "".join(product) if product else "" for product in itertools.product(axes, repeat=rank)]
            fields[name] = _Field(
                group,
                tuple(name + suffix for suffix in suffixes),
                bool(attributes.get("sample_varying", True)),
                bool(attributes.get("time_varying", True)),
                tuple(map(bool, attributes.get("dim_varying", [True] * len(axes)))),
            )
    return fields


def _first_of(file: Any, name: str, field: _Field) -> int:
    return file[field.group][name].shape[0]


def _read_field(file: Any, name: str, field: _Field, index: int, times: slice, points: tuple[slice, ...]) -> np.ndarray:
    """Of one sample, of shape `(times, components, *spatial)`; repeated along the axes that the file leaves out."""
    where = [index] if field.by_sample else []
    where += [times] if field.by_time else []
    where += [place for place, varies in zip(points, field.by_axis, strict=True) if varies]
    dataset = file[field.group][name]
    least = len(where)
    if not least <= dataset.ndim <= least + 2:
        raise ValueError(
            f"`path` must hold fields with the axes that their attributes name, got {name!r} of shape {dataset.shape} "
            f"in {Path(file.filename).name}. Is it a file of the Well?"
        )
    values = np.asarray(dataset[tuple(where)])
    values = values.reshape(*values.shape[: least - field.by_sample], len(field.components))
    values = np.moveaxis(values, -1, 0)  # components, times, spatial
    for axis, varies in enumerate((field.by_time, *field.by_axis), start=1):
        if not varies:
            values = np.expand_dims(values, axis)
    num_points = [
        len(range(file["dimensions"][axis].shape[-1])[place]) for axis, place in zip(_axes(file), points, strict=True)
    ]
    num_times = len(range(file["dimensions"]["time"].shape[-1])[times])
    return np.moveaxis(np.broadcast_to(values, (len(field.components), num_times, *num_points)), 0, 1)


def _axes(file: Any) -> list[str]:
    return [_text(axis) for axis in file["dimensions"].attrs["spatial_dims"]]


def _ends_of(conditions: Any, axis: str) -> str | None:
    """What the file says of the ends of an axis; `None` for nothing."""
    kinds = set()
    for name in conditions:
        condition = conditions[name]
        dims = [_text(dim) for dim in condition.attrs["associated_dims"]]
        if axis in dims and _is_at_an_end(condition, dims, axis):
            kinds.add(_text(condition.attrs["bc_type"]).lower())
    return " and ".join(sorted(kinds)) or None


def _is_at_an_end(condition: Any, dims: list[str], axis: str) -> bool:
    """Whether the mask of a condition covers an end of an axis; walls inside the box do not."""
    mask = np.asarray(condition["mask"]) if "mask" in condition else np.ones(1, bool)
    if mask.ndim != len(dims):
        return True
    ends = np.moveaxis(mask, dims.index(axis), 0)[[0, -1]].reshape(2, -1)
    return bool(np.any(np.all(ends, axis=1)))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
