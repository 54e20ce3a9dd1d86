"""The table of all architectures and presets: what each costs before it has learned anything."""

import dataclasses
import functools as ft
import math
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array

from .. import arch, train
from ._networks import build_for_grid
from ._tables import Table, reach_text

DEFAULT_POINTS = {1: 160, 2: 64, 3: 32}


@dataclasses.dataclass(frozen=True)
class ZooEntry:
    """An architecture with its default options, or a preset at the size that it was published with."""

    name: str
    architecture: str
    setting: tuple[int, int, int]
    """Dimensions, input and output channels."""
    num_points: int
    parameters: int
    receptive_field: tuple[tuple[float, float], ...]
    """As the convolutions add up, to the left and right per axis; a group norm makes it global."""
    flops: float
    """Of one forward pass, as XLA counts them before it optimises: multiplications and additions of convolutions,
    matrix products and pointwise arithmetic, without exponentials and the like."""
    takes_mixed_ends: bool
    """Whether the two ends of an axis may have different conditions. All take every mode, and one per axis."""


def zoo(num_spatial_dims: int = 1, num_points: int | None = None, *, pattern: str = "") -> list[ZooEntry]:
    """Size and cost of every architecture in `pdequinox.arch`. Nothing is allocated, compiled or run.

    **Arguments:**

    - `num_spatial_dims`: The number of spatial dimensions, 1, 2 or 3.
    - `num_points`: The number of grid points per axis; 160, 64 or 32 by default.
    - `pattern`: Only those whose name contains this; upper and lower case do not matter.

    **Raises:** `ValueError` for other dimensions, or a number of points that is not positive.
    """
    if num_spatial_dims not in DEFAULT_POINTS:
        raise ValueError(f"`num_spatial_dims` must be 1, 2 or 3, got {num_spatial_dims}. Choose one of them.")
    num_points = DEFAULT_POINTS[num_spatial_dims] if num_points is None else num_points
    if num_points < 1:
        raise ValueError(f"`num_points` must be positive, got {num_points}. Give the points per axis.")
    setting = (num_spatial_dims, 1, 1)
    return [measure(name, getattr(arch, name), setting, num_points) for name in matching(arch.__all__, pattern)]


def zoo_of_presets(num_points: int | None = None, *, pattern: str = "") -> list[ZooEntry]:
    """Size and cost of every published network in `pdequinox.arch.presets`, with the channels it was published with.

    **Arguments:** as for `zoo`; networks that fit one grid are measured on theirs.

    **Raises:** `ValueError` for a number of points that is not positive.
    """
    if num_points is not None and num_points < 1:
        raise ValueError(f"`num_points` must be positive, got {num_points}. Give the points per axis.")
    chosen = ((name, arch.presets[name]) for name in matching(arch.presets, pattern))
    return [
        measure(
            name,
            preset,
            preset.setting,
            preset.options.get("num_points", num_points or DEFAULT_POINTS[preset.setting[0]]),
        )
        for name, preset in chosen
    ]


def matching(names: Any, pattern: str) -> Iterator[str]:
    return (name for name in names if pattern.lower() in name.lower())


def measure(name: str, make: Callable[..., Any], setting: tuple[int, int, int], num_points: int) -> ZooEntry:
    """Build a network as shapes, and count."""
    network = eqx.filter_eval_shape(ft.partial(build_for_grid, make, setting, num_points), key=jr.PRNGKey(0))
    params, static = eqx.partition(network, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))

    def forward(params, x: Array) -> Array:
        return eqx.combine(params, static)(x)

    num_spatial_dims, in_channels, _ = setting
    x = jax.ShapeDtypeStruct((in_channels, *(num_points,) * num_spatial_dims), jnp.result_type(float))
    cost = jax.jit(forward).lower(params, x).cost_analysis()
    flops = float(cost["flops"]) if cost else math.nan
    architecture = make.architecture.__name__ if isinstance(make, arch.Preset) else name
    return ZooEntry(
        name,
        architecture,
        setting,
        num_points,
        train.count_parameters(network),
        network.receptive_field,
        flops,
        takes_mixed_ends(make, setting, num_points),
    )


def takes_mixed_ends(make: Callable[..., Any], setting: tuple[int, int, int], num_points: int) -> bool:
    """Whether the network can be built with different conditions at the two ends of its axes."""
    mixed = ft.partial(make, boundary_mode=(("dirichlet", "neumann"),) * setting[0])
    try:
        eqx.filter_eval_shape(ft.partial(build_for_grid, mixed, setting, num_points), key=jr.PRNGKey(0))
    except ValueError:
        return False
    return True


NOTES = (
    "(Receptive) field: grid points to either side (left/right if they differ), as the convolutions add up; a group "
    "norm makes it global. FLOPs: XLA's count for one forward pass of one sample. Ends: whether the two ends of an "
    "axis may have different conditions; every network takes every boundary mode, and one per axis.",
)


def zoo_table(entries: list[ZooEntry], num_spatial_dims: int, num_points: int) -> Table:
    """The architectures, for the terminal."""
    return Table(
        f"Architectures with default options, {' × '.join([str(num_points)] * num_spatial_dims)} points",
        ("network", "parameters", "receptive field", "MFLOPs / forward", "ends"),
        [_row(entry, f"{entry.flops / 1e6:,.1f}") for entry in entries],
        NOTES,
    )


def presets_table(entries: list[ZooEntry]) -> Table:
    """The presets, for the terminal."""
    rows = [_row(entry, f"{entry.flops / 1e9:.2g}") for entry in entries]
    points = ", ".join(f"{n}{'²³'[dims - 2] if dims > 1 else ''}" for dims, n in DEFAULT_POINTS.items())
    return Table(
        "Presets: published networks at their published size",
        ("preset", "in→out", "parameters", "field", "GFLOPs", "ends"),
        [
            (name, f"{entry.setting[1]}→{entry.setting[2]}", *rest)
            for entry, (name, *rest) in zip(entries, rows, strict=True)
        ],
        (f"Presets: on {points} points in 1D, 2D, 3D, if not asked otherwise or made for one grid.", *NOTES),
    )


def _row(entry: ZooEntry, flops: str) -> tuple[str, ...]:
    ends = "any" if entry.takes_mixed_ends else "alike"
    return (entry.name, f"{entry.parameters:,}", reach_text(entry.receptive_field), flops, ends)
