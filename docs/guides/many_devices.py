"""Print what sharded layers and networks say to each other, and what that costs: the tables of `many_devices.md`.

`python docs/guides/many_devices.py [--write]` compiles programs for up to 1,024 devices, which it makes of the CPU, and
runs none of them. Messages and memory are XLA's; times are computed from them by the page's formula.
"""

import argparse
import math
import os
import re
from collections import Counter
from functools import partial
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=1024"
os.environ["JAX_PLATFORMS"] = "cpu"

import equinox as eqx
import jax
import jax.numpy as jnp

import pdequinox as pdeqx
from pdequinox import arch, blocks, conv
from pdequinox.operators import laplacian
from pdequinox.parallel import collectives, sharding, space_sharded
from pdequinox.train._step import equations

KEY = jax.random.key(0)
PAGE = Path(__file__).with_name("many_devices.md")
MODE = "cell-neumann"
RATE, BANDWIDTH, LATENCY = 20e12, 50e9, 20e-6
"""Of a device: operations and bytes per second, and the seconds of a message. Assumptions, see the page."""


def mesh_of(**sizes: int) -> jax.sharding.Mesh:
    devices = jax.devices()[: math.prod(sizes.values())]
    return jax.make_mesh(
        tuple(sizes.values()), tuple(sizes), (jax.sharding.AxisType.Auto,) * len(sizes), devices=devices
    )


def gradient(function, x):
    """By the parameters and the input."""
    return eqx.filter_grad(lambda pair: jnp.mean(pair[0](pair[1]) ** 2))((function, x))


def forward(function, x):
    return function(x)


# Layers: in 2D, 8 channels


def layer_cases() -> dict:
    """A layer, or function, and the formula for what a device gets in a forward pass."""
    options = {"boundary_mode": MODE, "key": KEY}
    attention = partial(blocks.PhysicsAttentionBlock, num_heads=2, num_slices=16, kernel_size=1, activation=jax.nn.gelu)
    return {
        "`PhysicsConv`, 3 taps": (conv.PhysicsConv(2, 8, 8, 3, **options), "2 layers of ghosts per axis"),
        "`PhysicsConv`, 5 taps, stride 2": (conv.PhysicsConv(2, 8, 8, 5, 2, **options), "4 layers per axis"),
        "`PhysicsConvTranspose`, 4 taps, stride 2": (
            conv.PhysicsConvTranspose(2, 8, 8, 4, 2, 1, **options),
            "1 layer of coarse points per axis",
        ),
        "`SpectralConv`, 8 modes": (conv.SpectralConv(2, 8, 8, 8, **options), "C 2m m modes, real or complex"),
        "`FactorizedSpectralConv`, 8 modes": (conv.FactorizedSpectralConv(2, 8, 8, 8, **options), "C m N/p per axis"),
        "`WaveletConv`, 2 levels": (None, "C (N/4 + 5)² 4"),
        "`GroupNorm`, 2 groups": (conv.GroupNorm(2, 8), "2 numbers per group"),
        "`PhysicsAttentionBlock`, 16 slices": (attention(2, 8, 8, **options), "heads slices (C/heads + 1)"),
        "`SelfAttentionBlock`": (
            blocks.SelfAttentionBlock(2, 8, 8, num_heads=2, activation=jax.nn.gelu, **options),
            "all keys and values",
        ),
        "`resample` to N/2, filter of 6": (partial(resampled, filter_size=6), "its half width per axis"),
        "`resample` to N/2, by the basis": (resampled, "all points along an axis"),
    }


def resampled(x, filter_size=None):
    return conv.resample(x, x.shape[1] // 2, MODE, filter_size=filter_size)


def layers_table() -> list[str]:
    lines = [
        "| layer, 8 channels | a device gets, forward | 64 x 64 | 128 x 128 | gradient, 64 x 64 | 128 x 128 |",
        "|---|---|---|---|---|---|",
    ]
    mesh = mesh_of(y=2, x=4)
    for name, (layer, formula) in layer_cases().items():
        cells = []
        for of in (forward, gradient):
            for n in (64, 128):
                module = layer
                if module is None:
                    module = conv.WaveletConv(
                        2, 8, 8, num_points=n, num_levels=2, num_vanishing_moments=2, boundary_mode=MODE, key=KEY
                    )
                cells.append(summary(collectives(of, space_sharded(module, mesh, ("y", "x")), jnp.zeros((8, n, n)))))
        lines.append(" | ".join(["| " + name, formula, *cells]) + " |")
    for name, kind in (("accuracy 4", partial(pdeqx.FiniteDifferences, accuracy=4)), ("series", pdeqx.FourierSeries)):
        cells = []
        for n in (64, 128):
            u = kind(jnp.zeros((n, n, 8)), pdeqx.Domain((n, n), 1 / n))
            cells.append(summary(collectives(space_sharded(laplacian, mesh, ("y", "x")), u)))
        label = f"`laplacian` of `{'FourierSeries' if name == 'series' else 'FiniteDifferences'}`"
        formula = "all points along each axis" if name == "series" else "4 layers per axis"
        label += "" if name == "series" else ", accuracy 4"
        lines.append(" | ".join(["| " + label, formula, *cells, "", ""]) + " |")
    return lines


def summary(messages) -> str:
    """How many messages of each kind, and the bytes that a device gets."""
    words = {
        "collective-permute": "permute",
        "all-reduce": "sum",
        "all-gather": "gather",
        "reduce-scatter": "sum",
        "all-to-all": "exchange",
    }
    counts = Counter(words[message.kind] for message in messages)
    text = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"{text or 'none'}: {sum(message.num_bytes for message in messages):,}"


# Networks: in 3D, up to 1,024 devices

NETWORKS = {
    "`ClassicFNO`, 32 channels, 12 modes, 4 blocks": partial(
        arch.ClassicFNO, hidden_channels=32, num_modes=12, num_blocks=4
    ),
    "`ClassicUNet`, 32 channels, 2 levels": partial(arch.ClassicUNet, hidden_channels=32, num_levels=2),
}
MESHES = ((1, 1, 1), (2, 2, 2), (4, 4, 4), (8, 8, 8), (16, 8, 8))
NUM_POINTS = 512


def networks_table() -> list[str]:
    lines = [
        f"| gradient of one sample, {NUM_POINTS}³ points | devices | memory per device, GiB | one device's / n "
        "| messages | MiB per device | computing, ms | messages, ms | efficiency |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, build in NETWORKS.items():
        network = eqx.filter_eval_shape(build, 3, 1, 1, boundary_mode=MODE, key=KEY)
        alone = jax.ShapeDtypeStruct((1,) + (NUM_POINTS,) * 3, jnp.float32)
        shared, repeated = operations(network, alone)
        first_memory = first_time = None
        for shape in MESHES:
            count = math.prod(shape)
            mesh = mesh_of(**dict(zip("xyz", shape, strict=True)))
            spread = space_sharded(network, mesh, tuple("xyz"))
            x = jax.ShapeDtypeStruct(alone.shape, alone.dtype, sharding=sharding(mesh, tuple("xyz")))
            memory, messages = temporary_bytes(gradient, spread, x), collectives(gradient, spread, x)
            computing = (shared / count + repeated) / RATE
            talking = sum(seconds(message, count) for message in messages)
            first_memory, first_time = first_memory or memory, first_time or computing
            num_bytes = sum(message.num_bytes for message in messages)
            lines.append(
                f"| {name} | {count:,} | {memory / 2**30:.3g} | {first_memory / count / memory:.2f} | {len(messages)} "
                f"| {num_bytes / 2**20:.3g} | {computing * 1e3:.3g} | {talking * 1e3:.2g} "
                f"| {first_time / (computing + talking) / count:.0%} |"
            )
    return lines


def seconds(message, count: int) -> float:
    """A permute is one message; a ring sums n pieces in 2 (n - 1) messages, a tree has 2 log2(n) latencies."""
    if message.kind == "collective-permute":
        return LATENCY + message.num_bytes / BANDWIDTH
    if message.kind == "all-reduce":
        return 2 * math.log2(count) * LATENCY + 2 * (count - 1) / count * message.num_bytes / BANDWIDTH
    return math.log2(count) * LATENCY + message.num_bytes / BANDWIDTH


def operations(network, x) -> tuple[int, int]:
    """Multiplications and additions of a gradient: those that devices share, and those of modes, which all repeat."""
    dynamic, static = eqx.partition((network, x), lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    jaxpr = jax.make_jaxpr(lambda dynamic: gradient(*eqx.combine(dynamic, static)))(dynamic)
    shared = repeated = 0
    for equation in equations(jaxpr.jaxpr):
        if equation.primitive.name != "correlation_form":
            continue
        axes, result = equation.params["axes"], equation.params["result"]
        shapes = dict(zip("xwy".replace(result, ""), (var.aval.shape for var in equation.invars), strict=True))
        shapes[result] = equation.outvars[0].aval.shape
        channels = len(shapes["x"]) - len(axes)
        (*maps, samples, inputs), outputs = shapes["x"][:channels], shapes["y"][channels - 1]
        count = 2 * math.prod(maps) * samples * inputs * outputs
        count *= math.prod(axis.outputs * axis.taps for axis in axes)
        if maps and not axes:
            repeated += count
        else:
            shared += count
    return shared, repeated


def temporary_bytes(function, *args) -> int:
    dynamic, static = eqx.partition((function, args), lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    run = jax.jit(lambda dynamic: (lambda f, args: f(*args))(*eqx.combine(dynamic, static)))
    return run.lower(dynamic).compile().memory_analysis().temp_size_in_bytes


TABLES = {"layers": layers_table, "networks": networks_table}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    parser.add_argument("--table", choices=TABLES, help="this one only")
    arguments = parser.parse_args()
    for name in [arguments.table] if arguments.table else TABLES:
        text = "\n".join(TABLES[name]())
        print(text, flush=True)
        if arguments.write:
            page = PAGE.read_text(encoding="utf-8")
            replaced = re.sub(
                f"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>\n{text}\n\n\g<2>", page, flags=re.DOTALL
            )
            PAGE.write_text(replaced, encoding="utf-8")


if __name__ == "__main__":
    main()
