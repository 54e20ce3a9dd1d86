"""Scenarios whose data are there already: in files, or arrays of the user's."""

import abc
import dataclasses
import functools as ft
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, NoReturn

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from ..._checks import check_integer, numbers_per_axis
from ..._fingerprint import fingerprint
from ...boundary import AxisMode, normalize_boundary_mode, spacing, vanishes_at_a_wall
from ._scenario import Evolution, Pairs, Scenario, Steady, Trajectories, in_units, plain, units_of, written
from ._stored_grid import Thinning, block_means, check_coordinates, settle_modes, thin, thinned


class Source(NamedTuple):
    """What is stored, before any of it is read."""

    num_samples: int
    num_test: int | None
    """Samples of a test set of its own; `None`: there is none."""
    num_times: int
    channels: tuple[str, ...]
    shape: tuple[int, ...]
    """The number of points of each axis."""
    read: Callable[[str, range, slice, tuple[slice, ...]], np.ndarray]
    """From the part (`"training"` or `"test"`), samples, times and points to an array `(samples, times, channels,
    *spatial)`; reads no more than that."""
    num_bytes: int
    """Of the files."""
    coordinates: tuple[np.ndarray | None, ...] = ()
    times: np.ndarray | None = None
    said: tuple[str | None, ...] = ()
    """What is known of the ends of each axis: `"periodic"`, another word, or `None`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stored(Scenario):
    """Data that are there already. Fields that are `None` are found there."""

    num_spatial_dims: Any = None
    domain_extent: Any = None
    boundary_mode: Any = None
    """Needed where the data do not say it."""
    test_fraction: float = 0.2
    """If there is no test set: so much of the samples is held out, the last ones."""
    reduced_resolution: int = 1
    """Every so many points of each axis are kept; of cells, means of as many."""

    _given: ClassVar[Mapping[str, Any]]  # of an object: the options it was made with
    has_solver = False
    takes_other_grids = False
    defaults_by_dimension: ClassVar[Mapping[str, tuple[Any, Any, Any]]] = {}

    def __post_init__(self):
        self._remember_options()
        check_integer("reduced_resolution", self.reduced_resolution)
        if not 0 < self.test_fraction < 1:
            raise ValueError(f"`test_fraction` must be between 0 and 1, got {self.test_fraction}. Choose 0.2, say.")
        source = self._source
        self._settle("num_spatial_dims", len(source.shape))
        said = source.said or (None,) * len(source.shape)
        modes = settle_modes(self.boundary_mode, said, self._what)
        if self.boundary_mode is None:
            self._settle("boundary_mode", modes)
        thinnings = self._thinnings
        shape = tuple(map(thinned, source.shape, thinnings))
        self._settle("num_points", shape, f"(use `reduced_resolution` for fewer of the {source.shape})")
        self._settle_extent(source, modes)
        self._settle_counts(source)
        super().__post_init__()

    @property
    @abc.abstractmethod
    def _source(self) -> Source:
        """What is there: opened, but not read."""

    @property
    @abc.abstractmethod
    def _what(self) -> str:
        """What is read, for messages and labels."""

    @property
    def config(self) -> dict[str, Any]:
        """The options, and the content of what is read: its size and its hash."""
        return super().config | {"content": {"num_bytes": self._num_bytes, "sha256": self._digest}}

    @property
    def written(self) -> dict[str, Any]:
        return getattr(self, "_written", {"name": self.name, **plain(self._given)})

    @property
    def label(self) -> str:
        options = {name: value for name, value in self._given.items() if name not in ("path", "num_spatial_dims")}
        options = ",".join(f"{name}={written(plain(value))}" for name, value in options.items())
        name = f"{self.name}-{self.num_spatial_dims}d:path={self._what}"
        return f"{name},{options}" if options else name

    def data(self) -> Any:
        """Read anew: what is stored is not stored again."""
        return self.make_data()

    @abc.abstractmethod
    def _read_all(self) -> tuple[np.ndarray, ...]:
        """What is asked for, in physical units."""

    @ft.cached_property
    def _digest(self) -> str:
        return fingerprint(self._read_all())

    def _read_unchanged(self) -> tuple[np.ndarray, ...]:
        arrays = self._read_all()
        if not all(np.all(np.isfinite(array)) for array in arrays):
            raise ValueError(f"{self._what} must hold finite numbers, but some are not. Leave those samples out.")
        digest = fingerprint(arrays)
        if vars(self).setdefault("_digest", digest) != digest:
            raise ValueError(f"{self._what} must not change while it is used, but it has. Make the scenario anew.")
        return arrays

    @property
    def _num_bytes(self) -> int:
        return self._source.num_bytes

    @property
    def _thinnings(self) -> tuple[Thinning, ...]:
        modes = normalize_boundary_mode(self.boundary_mode, self.num_spatial_dims)
        axes = enumerate(zip(self._source.shape, modes, strict=True))
        return tuple(thin(n, mode, self.reduced_resolution, axis) for axis, (n, mode) in axes)

    @property
    def _keeps_zero(self) -> bool:
        modes = normalize_boundary_mode(self.boundary_mode, self.num_spatial_dims)
        return any(vanishes_at_a_wall(mode) for mode in modes)

    def _read_part(self, source: Source, part: str, times: slice) -> np.ndarray:
        """The samples of a part, of shape `(samples, times, channels, *spatial)`, in single precision."""
        count, total = self.num_train_samples, source.num_samples
        samples = range(count)
        if part == "test":
            count = self.num_test_samples
            samples = range(count) if source.num_test is not None else range(total - count, total)
        thinnings = self._thinnings
        place = part if source.num_test is not None else "training"
        fields = source.read(place, samples, times, tuple(thinning.read for thinning in thinnings))
        return block_means(np.asarray(fields, np.float32), tuple(thinning.block for thinning in thinnings))

    def _remember_options(self) -> None:
        """What was given, before fields are set to what is found: it rebuilds the scenario."""
        if "_given" not in vars(self):
            given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
            defaults = {field.name: field.default for field in dataclasses.fields(self)}
            options = {name: value for name, value in given.items() if value is not defaults[name]}
            object.__setattr__(self, "_given", options)

    def _settle(self, name: str, value: Any, remedy: str = "") -> None:
        """Set a field to what is found, unless something else is given."""
        given = getattr(self, name)
        if given is not None and np.ndim(given) == 0 and np.ndim(value) == 1:
            given = (given,) * len(value)
        if given is not None and plain(given) != plain(value):
            raise ValueError(
                f"`{name}` must be what {self._what} has, {value}, got {getattr(self, name)}. Leave it out"
                f"{' ' + remedy if remedy else ''}."
            )
        object.__setattr__(self, name, value)

    def _settle_extent(self, source: Source, modes: tuple[AxisMode, ...]) -> None:
        extents = self.domain_extent
        given = numbers_per_axis("domain_extent", 1.0 if extents is None else extents, len(modes))
        found = list(given)
        coordinates = source.coordinates or (None,) * len(modes)
        for axis, (x, n, mode) in enumerate(zip(coordinates, source.shape, modes, strict=True)):
            if x is None:
                continue
            if np.shape(x) != (n,):
                raise ValueError(
                    f"`path` must hold one coordinate for each of the {n} points of axis {axis}, got {np.shape(x)} in "
                    f"{self._what}. Check the order of its axes."
                )
            found[axis] = check_coordinates(x, mode, axis) / spacing(n, 1.0, mode)
            if extents is not None and abs(found[axis] - given[axis]) > 0.01 * found[axis]:
                raise ValueError(
                    f"`domain_extent` must be what the coordinates of {self._what} say, {found[axis]:g} on axis "
                    f"{axis}, got {given[axis]:g}. Leave it out."
                )
        object.__setattr__(self, "domain_extent", extents if extents is not None else tuple(found))

    def _settle_counts(self, source: Source) -> None:
        total, separate = source.num_samples, source.num_test
        num_training, num_test = self.num_train_samples, self.num_test_samples
        for name, count in (("num_train_samples", num_training), ("num_test_samples", num_test)):
            if count is not None:
                check_integer(name, count)
        if separate is None:
            num_test = max(1, round(self.test_fraction * total)) if num_test is None else num_test
            num_training = total - num_test if num_training is None else num_training
            enough = num_training >= 1 and num_training + num_test <= total
        else:
            num_training = total if num_training is None else num_training
            num_test = separate if num_test is None else num_test
            enough = 1 <= num_training <= total and 1 <= num_test <= separate
        if not enough:
            has = f"{total} samples" if separate is None else f"{total} samples for training and {separate} for tests"
            raise ValueError(
                f"`num_train_samples` and `num_test_samples` must not be more than {self._what} has, {has}, got "
                f"{num_training} and {num_test}. Ask for fewer."
            )
        object.__setattr__(self, "num_train_samples", num_training)
        object.__setattr__(self, "num_test_samples", num_test)

    def _refuse(self, name: str) -> NoReturn:
        raise ValueError(
            f"`{name}` must not be asked of {self._what}, got a call: it is data without an equation. Compare networks "
            "on it, and solvers on a scenario that has one."
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredEvolution(Stored, Evolution):
    """Trajectories that are there already.

    Each channel is divided by its standard deviation over the training trajectories; its mean over them is subtracted
    before, unless an axis has an end where u = 0.
    """

    train_temporal_horizon: Any = None
    """Steps of a training trajectory; all that there are by default, as in tests."""
    test_temporal_horizon: Any = None
    num_warmup_steps: int = 0
    """So many of the first states are left out."""
    reduced_resolution_t: int = 1
    """Every so many states are kept."""
    time_step: Any = None
    """Between the states that are kept; in [T]. It is written down, and not computed with."""

    def __post_init__(self):
        self._remember_options()
        check_integer("reduced_resolution_t", self.reduced_resolution_t)
        check_integer("num_warmup_steps", self.num_warmup_steps, minimum=0)
        source = self._source
        most = (source.num_times - self.num_warmup_steps - 1) // self.reduced_resolution_t
        for name in ("train_temporal_horizon", "test_temporal_horizon"):
            steps = getattr(self, name)
            if most < 1 or (steps is not None and check_integer(name, steps) > most):
                raise ValueError(
                    f"`{name}` must be at least 1 and at most {most}, the steps that {self._what} has, got {steps}. "
                    "Leave out fewer states."
                )
            object.__setattr__(self, name, most if steps is None else steps)
        super().__post_init__()
        if self.time_step is None:
            times = source.times
            step = None if times is None or len(times) < 2 else float(times[1] - times[0]) * self.reduced_resolution_t
            object.__setattr__(self, "time_step", step)

    @property
    def num_channels(self) -> int:
        return len(self._source.channels)

    def stepper(self, *, shape: tuple[int, ...] | None = None, proportion: Any = 1.0) -> Callable[[Array], Array]:
        del shape, proportion  # there is none
        self._refuse("stepper")

    def initial_states(self, num_samples: int, *, key: PRNGKeyArray) -> Array:
        del num_samples, key  # those that are stored are all
        self._refuse("initial_states")

    def make_data(self) -> Trajectories:
        training, test = self._read_unchanged()
        units = units_of(training.reshape(-1, *training.shape[2:]), not self._keeps_zero)
        arrays = (in_units(part.reshape(-1, *part.shape[2:]), units).reshape(part.shape) for part in (training, test))
        return Trajectories(*(jnp.asarray(array, jnp.float32) for array in arrays))

    def _read_all(self) -> tuple[np.ndarray, ...]:
        first, stride = self.num_warmup_steps, self.reduced_resolution_t
        return tuple(
            self._read_part(self._source, part, slice(first, first + horizon * stride + 1, stride))
            for part, horizon in (("training", self.train_temporal_horizon), ("test", self.test_temporal_horizon))
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredPairs(Stored, Steady):
    """Inputs and solutions that are there already.

    Each channel is divided by its standard deviation over the training samples; its mean over them is subtracted
    before, unless an axis has an end where u = 0: then of inputs and targets nothing is subtracted.
    """

    @property
    @abc.abstractmethod
    def _targets(self) -> Source:
        """The solutions, as `_source` is the inputs; both are at one time."""

    def __post_init__(self):
        inputs, targets = self._source, self._targets
        for name in ("num_samples", "num_test", "shape"):
            a, b = getattr(inputs, name), getattr(targets, name)
            if a != b:
                raise ValueError(
                    f"`targets` must be as many as the inputs and on the same points, got {name} {a} of inputs and {b} "
                    f"of targets in {self._what}. Both have the shape (samples, channels, *spatial)."
                )
        super().__post_init__()

    @property
    def in_channels(self) -> int:
        return len(self._source.channels)

    @property
    def out_channels(self) -> int:
        return len(self._targets.channels)

    @property
    def _num_bytes(self) -> int:
        return max(self._source.num_bytes, self._targets.num_bytes)

    def sample_inputs(self, num_samples: int, seed: int) -> np.ndarray:
        del num_samples, seed  # those that are stored are all
        self._refuse("sample_inputs")

    def solve(self, inputs: np.ndarray) -> np.ndarray:
        del inputs  # there is no equation
        self._refuse("solve")

    def make_data(self) -> Pairs:
        arrays = self._read_unchanged()
        units = [units_of(fields, not self._keeps_zero) for fields in arrays[:2]]
        arrays = [in_units(fields, units[place % 2]) for place, fields in enumerate(arrays)]
        return Pairs(*(jnp.asarray(array, jnp.float32) for array in (*arrays, *units)))

    def _read_all(self) -> tuple[np.ndarray, ...]:
        return tuple(
            self._read_part(source, part, slice(0, 1))[:, 0]
            for part in ("training", "test")
            for source in (self._source, self._targets)
        )


def existing(path: str) -> Path:
    """The path of a file or folder that is there."""
    found = Path(path).expanduser()
    if not path or not found.exists():
        raise ValueError(f"`path` must be a file or folder that exists, got {str(path)!r}. Check where you are.")
    return found


def choose_fields(fields: Any, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    """The names of the fields asked for, in that order; all for `None`."""
    if fields is None:
        return known
    names = tuple(map(str, (fields,) if isinstance(fields, str | int) else fields))
    for name in names:
        if name not in known:
            raise ValueError(f"`fields` must be fields of {what}, {', '.join(known)}, got {name!r}. Choose among them.")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"`fields` must name each field once, got {names}. Leave it out for all of them.")
    return names
