"""One table of constructors that the tests of all networks are driven by, and what is true of each."""

import dataclasses
from functools import partial

from pdequinox import arch

NUM_POINTS = 8

ZOO = {
    "AttentionUNet": partial(arch.AttentionUNet, hidden_channels=4, num_levels=1),
    "AViT": partial(
        arch.AViT, hidden_channels=16, num_heads=2, num_blocks=1, patch_sizes=(2, 1), num_groups=2, num_frequencies=1
    ),
    "ConvNet": partial(arch.ConvNet, hidden_channels=4, depth=2),
    "ConvNeXtUNet": partial(
        arch.ConvNeXtUNet, hidden_channels=4, num_levels=1, num_blocks=1, num_neck_blocks=0, kernel_size=3
    ),
    "DeepONet": partial(arch.DeepONet, num_points=NUM_POINTS, num_basis=4, width_size=8, depth=1),
    "MLP": partial(arch.MLP, num_points=NUM_POINTS, width_size=8, depth=2),
    "ClassicResNet": partial(arch.ClassicResNet, hidden_channels=4, num_blocks=2),
    "ModernResNet": partial(arch.ModernResNet, hidden_channels=4, num_blocks=2),
    "DilatedResNet": partial(arch.DilatedResNet, hidden_channels=4, num_blocks=1, dilation_rates=(1, 2, 1)),
    "ClassicUNet": partial(arch.ClassicUNet, hidden_channels=4, num_levels=2),
    "ModernUNet": partial(arch.ModernUNet, hidden_channels=4, num_levels=2, num_blocks=2),
    "ClassicFNO": partial(arch.ClassicFNO, hidden_channels=4, num_modes=3, num_blocks=2),
    "Transolver": partial(
        arch.Transolver, hidden_channels=8, num_blocks=1, num_heads=2, num_slices=3, temperature_range=None
    ),
}


@dataclasses.dataclass(frozen=True)
class Traits:
    """What the tests may expect of a network of the table."""

    needs_basis: bool = False
    """Two different ends of an axis are refused by name."""
    shift: int | None = 1
    """The shifts of a periodic axis that the network commutes with, in points; `None`: none."""
    centre: str | None = "point"
    """What the reflections that the network commutes with (when its kernels are turned around) leave in place: a
    "point" shared by all grids, or the middle between two, a "cell" wall. `None`: none, or weights of another form."""
    without_gradient: tuple[str, ...] = ()
    """Leaves that get no gradient by design, as `jax.tree_util.keystr` writes their paths."""


TRAITS = {name: Traits() for name in ZOO} | {
    "AttentionUNet": Traits(shift=2),
    "AViT": Traits(shift=None, centre=None),
    "ConvNeXtUNet": Traits(shift=2, centre="cell"),
    "DeepONet": Traits(shift=None, centre=None),
    "MLP": Traits(shift=None, centre=None),
    "ClassicUNet": Traits(shift=4),
    "ModernUNet": Traits(shift=4),
    "ClassicFNO": Traits(needs_basis=True),
    "Transolver": Traits(shift=None, centre=None),
}
