"""One table of constructors that the tests of all networks are driven by, and what is true of each."""

import dataclasses
from functools import partial

from pdequinox import arch

NUM_POINTS = 8

ZOO = {
    "ConvNet": partial(arch.ConvNet, hidden_channels=4, depth=2),
    "MLP": partial(arch.MLP, num_points=NUM_POINTS, width_size=8, depth=2),
    "ClassicResNet": partial(arch.ClassicResNet, hidden_channels=4, num_blocks=2),
    "ModernResNet": partial(arch.ModernResNet, hidden_channels=4, num_blocks=2),
    "DilatedResNet": partial(arch.DilatedResNet, hidden_channels=4, num_blocks=1, dilation_rates=(1, 2, 1)),
    "ClassicUNet": partial(arch.ClassicUNet, hidden_channels=4, num_levels=2),
    "ModernUNet": partial(arch.ModernUNet, hidden_channels=4, num_levels=2, num_blocks=2),
    "ClassicFNO": partial(arch.ClassicFNO, hidden_channels=4, num_modes=3, num_blocks=2),
    "CNO": partial(
        arch.CNO, hidden_channels=2, num_levels=1, num_blocks=1, num_neck_blocks=0, lifting_channels=4, filter_size=2
    ),
    "LocalNO": partial(
        arch.LocalNO, hidden_channels=3, num_modes=3, num_layers=2, radius=0.35, position_embedding=None
    ),
    "MgNO": partial(arch.MgNO, hidden_channels=3, num_layers=2, num_iterations=(1, (1, 1)), prolongation_size=3),
    "WNO": partial(
        arch.WNO,
        num_points=NUM_POINTS,
        hidden_channels=3,
        num_layers=2,
        num_levels=1,
        num_vanishing_moments=2,
        projection_channels=4,
    ),
}


@dataclasses.dataclass(frozen=True)
class Traits:
    """What the tests may expect of a network of the table."""

    needs_basis: bool = False
    """Two different ends of an axis are refused by name."""
    shift: int | None = 1
    """The shifts of a periodic axis that the network commutes with, in points; `None`: none."""
    broken_by: float = 1e-3
    """By how much at least half of that shift does not commute: less where activations hardly alias."""
    centre: str | None = "point"
    """What the reflections that the network commutes with (when its kernels are turned around) leave in place: a
    "point" shared by all grids, or the middle between two, a "cell" wall. `None`: none, or weights of another form."""
    without_gradient: tuple[str, ...] = ()
    """Leaves that get no gradient by design, as `jax.tree_util.keystr` writes their paths."""


TRAITS = {name: Traits() for name in ZOO} | {
    "MLP": Traits(shift=None, centre=None),
    "ClassicUNet": Traits(shift=4),
    "ModernUNet": Traits(shift=4),
    "ClassicFNO": Traits(needs_basis=True),
    "CNO": Traits(shift=2, broken_by=1e-6),
    "LocalNO": Traits(needs_basis=True),
    "MgNO": Traits(shift=2),
    "WNO": Traits(shift=None, centre=None),
}
