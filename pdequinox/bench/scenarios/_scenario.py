"""What a scenario is: a PDE on a domain, states or sources drawn at random, and a solver that makes the data."""

import abc
import dataclasses
import functools as ft
import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from ... import train
from ..._checks import check_integer, numbers_per_axis, per_axis
from ...boundary import AxisMode, normalize_boundary_mode, quadrature_weights
from ...conv import resample
from .._content import content_hash
from ._cache import cached


class Trajectories(NamedTuple):
    """The data of an evolution: arrays of shape `(samples, times, channels, *spatial)`, the initial states first."""

    training: Array
    test: Array


class Pairs(NamedTuple):
    """The data of a steady problem: arrays of shape `(samples, channels, *spatial)`, in the units below."""

    training_inputs: Array
    training_targets: Array
    test_inputs: Array
    test_targets: Array
    input_units: Any = ((0.0,), (1.0,))
    """What has been subtracted from each channel, and by what it was then divided; of shape `(2, channels)`."""
    target_units: Any = ((0.0,), (1.0,))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scenario(abc.ABC):
    """A PDE problem in numbers: two with the same fields have the same data.

    Names and defaults are APEBench's, where it has them (Koehler et al., 2024).
    """

    num_spatial_dims: int = 1
    num_points: Any = None
    """Grid points, one number or one per axis: degrees of freedom, as in `boundary.grid`. Like any field that is
    `None`, it gets the value in `defaults_by_dimension`."""
    domain_extent: Any = 1.0
    """The length of the axes, one number or one per axis; in [L]."""
    boundary_mode: Any = "periodic"
    num_train_samples: Any = None
    num_test_samples: Any = None
    train_seed: int = 0
    test_seed: int = 773

    name: ClassVar[str]
    """By which it is found in `SCENARIOS`."""
    defaults_by_dimension: ClassVar[Mapping[str, tuple[Any, Any, Any]]] = {
        "num_points": (160, 64, 32),
        "num_train_samples": (50, 50, 10),
        "num_test_samples": (30, 30, 5),
    }
    """What fields that are `None` become in one, two and three dimensions."""
    has_solver: ClassVar[bool] = True
    """Whether the equation can be solved here; data from files cannot be made anew."""
    takes_other_grids: ClassVar[bool] = True
    """Whether it can be solved on other grids than its own."""

    def __post_init__(self):
        if check_integer("num_spatial_dims", self.num_spatial_dims) > 3:
            raise ValueError(f"`num_spatial_dims` must be 1, 2 or 3, got {self.num_spatial_dims}. Choose one of them.")
        for name in self.defaults_by_dimension:
            if getattr(self, name) is None:
                object.__setattr__(self, name, self._default(name))  # the fields of a frozen class
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, as_tuple(getattr(self, field.name)))
            if field.type in (float, float | None):
                # 2 and 2.0 are the same scenario.
                object.__setattr__(self, field.name, _number(field.name, getattr(self, field.name)))
        for name in ("num_train_samples", "num_test_samples"):
            check_integer(name, getattr(self, name))
        for name in ("train_seed", "test_seed"):
            check_integer(name, getattr(self, name), minimum=0)
        per_axis("num_points", self.num_points, self.num_spatial_dims, minimum=2)
        if min(numbers_per_axis("domain_extent", self.domain_extent, self.num_spatial_dims)) <= 0:
            raise ValueError(f"`domain_extent` must be positive, got {self.domain_extent}. Give the length of an axis.")
        normalize_boundary_mode(self.boundary_mode, self.num_spatial_dims)

    @property
    @abc.abstractmethod
    def in_channels(self) -> int:
        """Of the network."""

    @property
    @abc.abstractmethod
    def out_channels(self) -> int:
        """Of the network."""

    @abc.abstractmethod
    def make_data(self) -> Any:
        """Draw and solve: `Trajectories` or `Pairs`, reproducible. Not cached; `data` is."""

    def data(self) -> Any:
        """The data, from the disk if they have been made before."""
        return cached(self, self.make_data)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of points of each axis."""
        return per_axis("num_points", self.num_points, self.num_spatial_dims)

    @property
    def _modes(self) -> tuple[AxisMode, ...]:
        return normalize_boundary_mode(self.boundary_mode, self.num_spatial_dims)

    @property
    def _extents(self) -> tuple[float, ...]:
        return numbers_per_axis("domain_extent", self.domain_extent, self.num_spatial_dims)

    @property
    def weights(self) -> np.ndarray | None:
        """Quadrature weights of the grid, of the shape of a field, with mean one; `None` where all are one."""
        axes = (quadrature_weights(n, 1.0, mode) for n, mode in zip(self.shape, self._modes, strict=True))
        weights = ft.reduce(np.multiply.outer, axes)
        return None if np.allclose(weights, weights.mean()) else weights / weights.mean()

    @property
    def has_mixed_ends(self) -> bool:
        """Whether an axis has two different ends, for which there is no basis."""
        return any(isinstance(mode, tuple) for mode in self._modes)

    @property
    def has_coarse_grids(self) -> bool:
        """Whether it can be solved on coarser grids, and the solutions be interpolated."""
        return self.has_solver and self.takes_other_grids and not self.has_mixed_ends

    @property
    def config(self) -> dict[str, Any]:
        """All that defines the scenario, as plain values for a JSON file."""
        values = {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self)}
        is_ours = type(self).__module__.startswith("pdequinox.")
        return {"name": self.name, **values, **({} if is_ours else {"code": content_hash(type(self))})}

    @property
    def written(self) -> dict[str, Any]:
        """What `make_scenario` reads: the name it was registered under, and options."""
        return getattr(self, "_written", self.config)

    @property
    def label(self) -> str:
        """A short name for tables: name, dimensions, and the fields that differ from their defaults."""
        changed = []
        for field in dataclasses.fields(self):
            value = plain(getattr(self, field.name))
            if field.name != "num_spatial_dims" and value != plain(self._default(field.name)):
                changed.append(f"{field.name}={written(value)}")
        name = f"{self.name}-{self.num_spatial_dims}d"
        return f"{name}:{','.join(changed)}" if changed else name

    def _default(self, name: str) -> Any:
        """What a field is if it is not given."""
        if name in self.defaults_by_dimension:
            return self.defaults_by_dimension[name][self.num_spatial_dims - 1]
        field = type(self).__dataclass_fields__[name]
        return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()

    def coarse_shape(self, factor: Any) -> tuple[int, ...]:
        """The shape of a grid that is coarser by about `factor`."""
        return tuple(max(2, round(n / factor)) for n in self.shape)

    def on_grid(self, x: Array, shape: tuple[int, ...]) -> Array:
        """A state, of shape `(channels, *spatial)`, interpolated by the basis of the boundary mode."""
        return resample(x, shape, self.boundary_mode)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evolution(Scenario):
    """A PDE in time: a network learns one step and is then applied to its own output."""

    train_temporal_horizon: int = 50
    """Steps of a training trajectory, which has one more state."""
    test_temporal_horizon: int = 200
    num_warmup_steps: int = 0
    """Steps of the solver before the first state that is kept."""

    def __post_init__(self):
        super().__post_init__()
        check_integer("train_temporal_horizon", self.train_temporal_horizon)
        check_integer("test_temporal_horizon", self.test_temporal_horizon)
        check_integer("num_warmup_steps", self.num_warmup_steps, minimum=0)

    @property
    @abc.abstractmethod
    def num_channels(self) -> int:
        """Of a state."""

    @property
    def in_channels(self) -> int:
        return self.num_channels

    @property
    def out_channels(self) -> int:
        return self.num_channels

    @abc.abstractmethod
    def stepper(self, *, shape: tuple[int, ...] | None = None, proportion: Any = 1.0) -> Callable[[Array], Array]:
        """The reference solver: one time step of a state of shape `(num_channels, *shape)`.

        **Arguments:**

        - `shape`: Another grid for the same equation, with the same physical coefficients.
        - `proportion`: How much of the step is taken: all coefficients are multiplied by it, as APEBench's
            `coarse_proportion` does.
        """

    @abc.abstractmethod
    def initial_states(self, num_samples: int, *, key: PRNGKeyArray) -> Array:
        """Random states of shape `(num_samples, num_channels, *spatial)`, before the warm-up."""

    def make_trajectories(self, num_samples: int, num_steps: int, seed: int) -> Array:
        """Random states and the `num_steps` states that follow, of shape `(samples, times, channels, *spatial)`."""
        stepper = self.stepper()

        def follow(state: Array) -> Array:
            state = jax.lax.fori_loop(0, self.num_warmup_steps, lambda _, u: stepper(u), state)
            return train.rollout(stepper, state, num_steps, include_initial=True)

        return jax.jit(self.over_samples(follow))(self.initial_states(num_samples, key=jr.PRNGKey(seed)))

    def over_samples(self, function: Callable) -> Callable:
        """A function of one sample for a batch of them."""
        return jax.vmap(function)

    def make_data(self) -> Trajectories:
        data = Trajectories(
            self.make_trajectories(self.num_train_samples, self.train_temporal_horizon, self.train_seed),
            self.make_trajectories(self.num_test_samples, self.test_temporal_horizon, self.test_seed),
        )
        for name, trajectories in data._asdict().items():
            if not bool(jnp.all(jnp.isfinite(trajectories))):
                raise ValueError(
                    f"`{self.label}` must stay finite, but its {name} data do not. Use smaller coefficients, a shorter "
                    "horizon, or more substeps."
                )
        return data

    def coarse_stepper(self, *, proportion: Any = 1.0, factor: Any = 1.0) -> Callable[[Array], Array]:
        """A cheaper or incomplete solver, as a map of states on the full grid.

        **Arguments:**

        - `proportion`: See `stepper`.
        - `factor`: By how much the solver's grid is coarser; the state is interpolated there and back.
        """
        if factor == 1:
            return self.stepper(proportion=proportion)
        shape = self.coarse_shape(factor)
        stepper = self.stepper(shape=shape, proportion=proportion)
        return lambda u: self.on_grid(stepper(self.on_grid(u, shape)), self.shape)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Steady(Scenario):
    """A map from an input field to a solution: a network learns the solution operator."""

    subtracts_means: ClassVar[tuple[bool, bool]] = (False, False)
    """Whether inputs and targets lose their means; a field that vanishes at a wall would then do so no more."""

    @property
    def in_channels(self) -> int:
        return 1

    @property
    def out_channels(self) -> int:
        return 1

    @abc.abstractmethod
    def sample_inputs(self, num_samples: int, seed: int) -> np.ndarray:
        """Random inputs of shape `(num_samples, in_channels, *spatial)`, in physical units."""

    @abc.abstractmethod
    def solve(self, inputs: np.ndarray) -> np.ndarray:
        """Solutions of shape `(num_samples, out_channels, *spatial)`, on the grid that the inputs have, the walls where
        they are; both in physical units."""

    def make_pairs(self, num_samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Random inputs and their solutions, in physical units."""
        inputs = self.sample_inputs(num_samples, seed)
        return inputs, self.solve(inputs)

    def make_data(self) -> Pairs:
        """Inputs and targets are divided by their standard deviations over the training samples, channel by channel;
        what else is done to them, `subtracts_means` says."""
        training = self.make_pairs(self.num_train_samples, self.train_seed)
        test = self.make_pairs(self.num_test_samples, self.test_seed)
        if not all(np.all(np.isfinite(fields)) for fields in (*training, *test)):
            raise ValueError(f"`{self.label}` must have finite solutions, but some are not. Use other coefficients.")
        units = [units_of(fields, means) for fields, means in zip(training, self.subtracts_means, strict=True)]
        arrays = (in_units(fields, unit) for pair in (training, test) for fields, unit in zip(pair, units, strict=True))
        return Pairs(*(jnp.asarray(array, jnp.float32) for array in (*arrays, *units)))

    def coarse_solution(self, inputs: Any, factor: int | float = 1) -> Array:
        """Solve on a grid that is coarser by about `factor`: from inputs to targets in the units of the data.

        Inputs are taken to the coarse grid and solutions back.
        """
        input_units, target_units = self._units
        fields = np.asarray(inputs, float) * _column(input_units, 1, inputs.ndim) + _column(input_units, 0, inputs.ndim)
        coarse = self.coarse_inputs(fields, self.coarse_shape(float(factor)))
        return jnp.asarray(self._samples_on_grid(in_units(self.solve(coarse), target_units), self.shape), jnp.float32)

    def coarse_inputs(self, inputs: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Inputs of shape `(samples, in_channels, *spatial)` on another grid, or on their own."""
        return self._samples_on_grid(inputs, shape)

    def _samples_on_grid(self, fields: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        if fields.shape[2:] == shape:
            return fields
        return np.asarray(jax.vmap(lambda field: self.on_grid(field, shape))(jnp.asarray(fields, jnp.float32)))

    @ft.cached_property
    def _units(self) -> tuple[np.ndarray, np.ndarray]:
        data = self.data()
        return np.asarray(data.input_units, float), np.asarray(data.target_units, float)


def units_of(fields: np.ndarray, with_mean: bool) -> np.ndarray:
    """What to subtract from each channel and by what to divide it, of shape `(2, channels)`.

    **Arguments:**

    - `fields`: Of shape `(samples, channels, *spatial)`.
    - `with_mean`: Whether anything is subtracted.
    """
    axes = (0, *range(2, fields.ndim))
    mean, deviation = np.mean(fields, axis=axes, dtype=float), np.std(fields, axis=axes, dtype=float)
    return np.stack([np.where(with_mean, mean, 0), np.where(deviation > 0, deviation, 1)])


def in_units(fields: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Fields of shape `(samples, channels, *spatial)`, shifted and divided, in their precision."""
    units = units.astype(fields.dtype)
    return (fields - _column(units, 0, fields.ndim)) / _column(units, 1, fields.ndim)


def _column(units: np.ndarray, row: int, ndim: int) -> np.ndarray:
    return units[row].reshape(1, -1, *(1,) * (ndim - 2))


def _number(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f"`{name}` must be a finite number, got {value!r}. Write 0.5, say.")
    return float(value)


def as_tuple(value: Any) -> Any:
    """With tuples for lists."""
    return tuple(map(as_tuple, value)) if isinstance(value, list | tuple) else value


def plain(value: Any) -> Any:
    """As JSON would hold it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def written(value: Any) -> str:
    """As it is typed on the command line."""
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
