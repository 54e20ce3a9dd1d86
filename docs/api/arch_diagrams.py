"""Draw the diagrams of `docs/api/arch.md`: `python docs/api/arch_diagrams.py` writes `docs/api/arch/*.svg`.

Each picture is what a network does when it is called: its parts (blocks, or layers that are in no block) in the order
in which they run, each with the shape of its output, on the height of its grid. Dashed lines join the last output on a
grid on the way down with the first on the way up: skip connections.
"""

import itertools
import pathlib
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from pdequinox import arch
from pdequinox.compose import Hierarchical, MultiSkipHierarchical

FOLDER = pathlib.Path(__file__).parent / "arch"
NUM_POINTS = 64
FAMILIES = {
    "line": partial(arch.ClassicResNet, hidden_channels=32, num_blocks=3),
    "u": partial(arch.ClassicUNet, hidden_channels=16, num_levels=3),
    "multi_skip": partial(arch.FourierUNet, hidden_channels=16, num_levels=2, channel_multipliers=(2, 4)),
    "spectral": partial(arch.FNO, hidden_channels=32, num_modes=12),
    "spectral_u": partial(arch.UNO, hidden_channels=32),
    "band_limited": arch.CNO,
    "patches": partial(arch.AViT, num_blocks=3),
    "branch_and_trunk": partial(arch.DeepONet, num_points=NUM_POINTS),
}


class Recorder(eqx.Module):
    """A part that writes down the shape of its output."""

    part: eqx.Module
    record: list = eqx.field(static=True)

    def __call__(self, *args, **kwargs):
        y = self.part(*args, **kwargs)
        self.record.append((type(self.part).__name__, y.shape))
        return y

    def __getattr__(self, name):
        return getattr(object.__getattribute__(self, "part"), name)


def parts_of(network: eqx.Module) -> list[tuple[str, tuple[int, ...]]]:
    """The names and output shapes of a network's parts, in the order in which they run."""
    record = []

    def is_part(leaf):
        return type(leaf) is not type(network) and hasattr(type(leaf), "receptive_field")

    def forward(network, x):
        wrap = lambda leaf: Recorder(leaf, record) if is_part(leaf) else leaf  # noqa: E731
        return jax.tree.map(wrap, network, is_leaf=is_part)(x)

    jax.eval_shape(forward, network, jax.ShapeDtypeStruct((1, NUM_POINTS), jnp.float32))
    return record


def stages_of(network: eqx.Module) -> list[tuple[str, tuple[int, ...]]]:
    """The labels and output shapes of the parts, those that follow each other with the same shape as one."""
    stages = [("input", (1, NUM_POINTS), 1)]
    for kind, shape in parts_of(network):
        if stages[-1][:2] == (kind, shape):
            stages[-1] = (kind, shape, stages[-1][2] + 1)
        else:
            stages.append((kind, shape, 1))
    return [(f"{count} × {kind}" if count > 1 else kind, shape) for kind, shape, count in stages]


def draw(name: str, build) -> None:
    """One picture, in one dimension and with one channel in and out."""
    network = eqx.filter_eval_shape(build, 1, 1, 1, key=jax.random.key(0))
    stages = stages_of(network)
    if isinstance(network, arch.DeepONet):
        source, trunk, branch = stages
        basis = trunk[1][0]
        boxes = [(0, 0.5, *source), (1, 0.5, f"branch: {branch[0]}", branch[1])]
        boxes += [(0, -0.5, "coordinates", (1, NUM_POINTS)), (1, -0.5, f"trunk: {trunk[0]}", trunk[1])]
        boxes += [(2, 0, f"sum over {basis}", (1, NUM_POINTS))]
        lines, dashed = [(0, 1), (2, 3), (1, 4), (3, 4)], []
    else:
        levels = [-np.log2(NUM_POINTS / shape[-1]) for _, shape in stages]
        boxes = [(x, level, *stage) for x, (level, stage) in enumerate(zip(levels, stages, strict=True))]
        lines, dashed = list(itertools.pairwise(range(len(stages)))), skips(network, levels)
    x, y = (np.array([box[axis] for box in boxes]) for axis in (0, 1))
    figure, axes = plt.subplots(figsize=(1.25 * (np.ptp(x) + 1), 0.7 + 0.9 * np.ptp(y)))
    for a, b, label, shape in boxes:
        box = {"boxstyle": "round,pad=0.35", "facecolor": color(label), "edgecolor": "#33415c", "linewidth": 0.8}
        text = f"{wrapped(label)}\n{' × '.join(map(str, shape))}"
        axes.text(a, b, text, ha="center", va="center", fontsize=7, bbox=box)
    for ends in lines:
        axes.plot(x[list(ends)], y[list(ends)], color="#8895a7", linewidth=0.9, zorder=-1)
    for ends in dashed:
        axes.plot(x[list(ends)], y[list(ends)], color="#b07d2b", linewidth=0.9, linestyle="--", zorder=-2)
    axes.set_xlim(-0.6, max(x) + 0.6)
    axes.set_ylim(min(y) - 0.45, max(y) + 0.45)
    axes.axis("off")
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(FOLDER / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def skips(network: eqx.Module, levels: list[float]) -> list[tuple[int, int]]:
    """For each grid but the coarsest: the last stage on the way down, the first on the way up."""
    if not isinstance(network, Hierarchical | MultiSkipHierarchical | arch.UNO | arch.CNO):
        return []
    bottom = int(np.argmin(levels))
    pairs = []
    for level in sorted(set(levels[:bottom]) & set(levels[bottom:])):
        pairs.append(
            (
                max(x for x in range(bottom) if levels[x] == level),
                min(x for x in range(bottom, len(levels)) if levels[x] == level),
            )
        )
    return pairs


def wrapped(label: str) -> str:
    """A class name on several lines, broken before capitals."""
    words, line = [], ""
    for i, character in enumerate(label):
        if character.isupper() and label[i - 1 : i].islower() and len(line) > 7:
            words.append(line)
            line = ""
        line += character
    return "\n".join([*words, line])


def color(kind: str) -> str:
    """What a part is, by its name."""
    for fragment, shade in {
        "input": "#ffffff",
        "Down": "#e8d5c4",
        "Up": "#e8d5c4",
        "Patch": "#e8d5c4",
        "Pool": "#e8d5c4",
        "Spectral": "#cfe3f5",
        "FNO": "#cfe3f5",
        "Attention": "#e0d3ee",
        "Linear": "#eeeeee",
        "MLP": "#eeeeee",
    }.items():
        if fragment in kind:
            return shade
    return "#d9ead3"


if __name__ == "__main__":
    plt.rcParams["svg.hashsalt"] = "pdequinox"
    for name, build in FAMILIES.items():
        draw(name, build)
        print(FOLDER / f"{name}.svg")
