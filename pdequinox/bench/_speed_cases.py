"""What `pdequinox speed` measures: one table of layers and networks, for any package with these rooms."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, PRNGKeyArray

from .. import arch
from .._checks import check_integer
from ..boundary import normalize_boundary_mode

DEFAULT_POINTS = {1: 256, 2: 64, 3: 32}
DEFAULT_BATCH = {1: 32, 2: 8, 3: 2}
DEFAULT_CHANNELS = 32
ROLLOUT_STEPS = 20
SIZES = ("points", "channels", "modes", "batch")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large a case is."""

    num_spatial_dims: int
    num_points: int
    batch_size: int
    num_channels: int | None
    """`None`: 32 for layers, and what networks have by default."""
    num_modes: int
    boundary_mode: str


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer or a network."""

    name: str
    build: Callable[..., Any]
    """From a package, sizes and `key=`."""
    is_network: bool = False
    num_steps: int = 0
    """More than 0: applied to its own output, in a loop."""
    sizes: tuple[str, ...] = ("points", "channels", "batch")
    """What its cost depends on."""
    is_refining: bool = False
    """From a grid of half as many points per axis to that of the sizes."""

    def input_shape(self, sizes: Sizes) -> tuple[int, ...]:
        """Of the batch."""
        points = sizes.num_points // 2 if self.is_refining else sizes.num_points
        return (sizes.batch_size, self.channels(sizes), *(points,) * sizes.num_spatial_dims)

    def channels(self, sizes: Sizes) -> int:
        """Of the input and the output."""
        return 1 if self.is_network else sizes.num_channels or DEFAULT_CHANNELS

    def apply(self, module: Callable, x: Array, *, unroll: bool = False) -> Array:
        """The forward pass of one sample."""
        if not self.num_steps:
            return module(x)
        return lax.scan(lambda u, _: (jnp.tanh(module(u)), None), x, length=self.num_steps, unroll=unroll)[0]


def _convolution(**options: Any) -> Callable[..., Any]:
    def build(package: Any, sizes: Sizes, *, key: PRNGKeyArray) -> Any:
        transposed = "output_padding" in options
        layer = package.conv.PhysicsConvTranspose if transposed else package.conv.PhysicsConv
        channels = sizes.num_channels or DEFAULT_CHANNELS
        return layer(
            sizes.num_spatial_dims,
            channels,
            channels,
            kernel_size=3,
            **options,
            boundary_mode=sizes.boundary_mode,
            key=key,
        )

    return build


def _spectral(package: Any, sizes: Sizes, *, key: PRNGKeyArray) -> Any:
    channels = sizes.num_channels or DEFAULT_CHANNELS
    # Version 0.1 has no such argument, and periodic layers only.
    mode = {} if sizes.boundary_mode == "periodic" else {"boundary_mode": sizes.boundary_mode}
    return package.conv.SpectralConv(sizes.num_spatial_dims, channels, channels, sizes.num_modes, **mode, key=key)


def _pointwise(package: Any, sizes: Sizes, *, key: PRNGKeyArray) -> Any:
    channels = sizes.num_channels or DEFAULT_CHANNELS
    return package.conv.PointwiseLinearConv(sizes.num_spatial_dims, channels, channels, key=key)


def _group_norm(package: Any, sizes: Sizes, *, key: PRNGKeyArray) -> Any:
    del key  # its parameters start at ones and zeros
    layer = getattr(package.conv, "GroupNorm", eqx.nn.GroupNorm)
    return layer(1, sizes.num_channels or DEFAULT_CHANNELS)


def _network(name: str) -> Case:
    known = inspect.signature(getattr(arch, name)).parameters

    def build(package: Any, sizes: Sizes, *, key: PRNGKeyArray) -> Any:
        options = {
            "num_points": sizes.num_points,
            "num_modes": sizes.num_modes,
            "hidden_channels": sizes.num_channels,
            "boundary_mode": sizes.boundary_mode,
        }
        options = {option: value for option, value in options.items() if option in known and value is not None}
        return getattr(package.arch, name)(sizes.num_spatial_dims, 1, 1, **options, key=key)

    optional = {"channels": "hidden_channels", "modes": "num_modes"}
    return Case(
        name, build, is_network=True, sizes=tuple(s for s in SIZES if s not in optional or optional[s] in known)
    )


# What both 0.1 and torch can be compared with, and what is measured if nothing is named.
OF_0_1 = {
    "ConvNet",
    "MLP",
    "ClassicResNet",
    "ModernResNet",
    "DilatedResNet",
    "ClassicUNet",
    "ModernUNet",
    "ClassicFNO",
}

CASES = {
    case.name: case
    for case in (
        Case("conv", _convolution()),
        Case("conv-dilated", _convolution(dilation=4)),
        Case("conv-strided", _convolution(stride=2)),
        Case("conv-transposed", _convolution(stride=2, output_padding=1), is_refining=True),
        Case("conv-rollout", _convolution(), num_steps=ROLLOUT_STEPS),
        Case("spectral", _spectral, sizes=SIZES),
        Case("pointwise", _pointwise),
        Case("group-norm", _group_norm),
        *map(_network, arch.__all__),
    )
}


def grown(sizes: Sizes, size: str) -> list[Sizes]:
    """The same with one size in five steps over a factor of 16; of points, that is their number in the whole grid."""
    factors = [2.0**step for step in range(5)]
    if size == "points":
        per_axis = [(factor / 4) ** (1 / sizes.num_spatial_dims) * sizes.num_points for factor in factors]
        return [dataclasses.replace(sizes, num_points=max(2, 2 * round(n / 2))) for n in per_axis]
    name = {"channels": "num_channels", "modes": "num_modes", "batch": "batch_size"}[size]
    middle = getattr(sizes, name) or DEFAULT_CHANNELS
    if size == "modes":  # the last must be on the grid
        middle = min(middle, sizes.num_points // 8)
    start = max(1, middle // 4)
    return [dataclasses.replace(sizes, **{name: int(start * factor)}) for factor in factors]


def make_functions(case: Case, module: Any, *, unroll: bool = False) -> tuple[Any, dict[str, Callable]]:
    """The parameters, and the functions that are timed, of parameters, a batch, and a cotangent of the output."""
    params, static = eqx.partition(module, eqx.is_inexact_array)

    def forward(params: Any, x: Array, cotangent: Array) -> Array:
        del cotangent
        return jax.vmap(lambda u: case.apply(eqx.combine(params, static), u, unroll=unroll))(x)

    def gradient(params: Any, x: Array, cotangent: Array) -> Any:
        if case.is_network:
            return jax.grad(lambda params: jnp.mean(forward(params, x, cotangent) ** 2))(params)
        return jax.vjp(lambda params, x: forward(params, x, cotangent), params, x)[1](cotangent)

    return params, {"forward": forward, "gradient": gradient}


@dataclasses.dataclass(frozen=True)
class Job:
    """A case at one size."""

    case: Case
    sizes: Sizes

    def __str__(self) -> str:
        sizes = self.sizes
        return f"{self.case.name} {sizes.num_spatial_dims}D {sizes.boundary_mode}, {sizes.num_points} points"

    def describe(self) -> dict[str, Any]:
        """As plain values, with what the case really has."""
        channels = self.sizes.num_channels or (None if self.case.is_network else DEFAULT_CHANNELS)
        record = {"is_network": self.case.is_network, **dataclasses.asdict(self.sizes), "num_channels": channels}
        return record if "modes" in self.case.sizes else record | {"num_modes": None}


def make_jobs(
    names: Any,
    *,
    num_spatial_dims: Any,
    num_points: Any,
    batch_size: Any,
    num_channels: Any,
    num_modes: Any,
    boundary_mode: Any,
    num_rounds: Any,
    grow: Any,
) -> list[Job]:
    """What is measured, in order.

    **Raises:** `ValueError` for unknown names, modes and dimensions, and what is not a positive integer.
    """
    check_integer("num_rounds", num_rounds)
    cases = select_cases(names, grow)
    modes = [boundary_mode] if isinstance(boundary_mode, str) else list(boundary_mode)
    jobs = []
    for dims in [num_spatial_dims] if np.ndim(num_spatial_dims) == 0 else num_spatial_dims:
        if dims not in DEFAULT_POINTS:
            raise ValueError(f"`num_spatial_dims` must be 1, 2 or 3, or several of them, got {dims!r}. Choose some.")
        for mode in modes:
            normalize_boundary_mode(mode, dims)
            sizes = Sizes(
                dims,
                DEFAULT_POINTS[dims] if num_points is None else check_integer("num_points", num_points, 2),
                DEFAULT_BATCH[dims] if batch_size is None else check_integer("batch_size", batch_size),
                None if num_channels is None else check_integer("num_channels", num_channels),
                check_integer("num_modes", num_modes),
                mode,
            )
            jobs += [Job(case, s) for case in cases for s in ([sizes] if grow is None else grown(sizes, grow))]
    return jobs


def select_cases(names: Any, grow: Any) -> list[Case]:
    """The cases that are named, or all layers and the networks of 0.1; of what grows only those that depend on it."""
    if grow is not None and grow not in SIZES:
        raise ValueError(f"`grow` must be one of {', '.join(SIZES)}, got {grow!r}. Choose one.")
    if names is None:
        layers = [case for case in CASES.values() if not case.is_network]
        if grow is not None:
            return [case for case in layers if grow in case.sizes]
        return [*layers, *(CASES[name] for name in arch.__all__ if name in OF_0_1)]
    known = {name.lower(): case for name, case in CASES.items()}
    cases = {}
    for name in [names] if isinstance(names, str) else names:
        case = known.get(str(name).lower())
        if case is None:
            raise ValueError(f"`names` must be among {', '.join(CASES)}, got {name!r}. Choose some of them.")
        if grow is not None and grow not in case.sizes:
            raise ValueError(
                f"`grow` must be one of {', '.join(case.sizes)} for {case.name}, got {grow!r}. Leave that case out."
            )
        cases[case.name] = case
    return list(cases.values())
