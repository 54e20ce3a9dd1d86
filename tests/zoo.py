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
    "FactorizedFNO": partial(
        arch.FactorizedFNO, hidden_channels=4, num_modes=3, num_blocks=1, feed_forward_factor=2, projection_channels=4
    ),
    "AFNO": partial(
        arch.AFNO, hidden_channels=4, num_blocks=1, patch_size=2, num_points=NUM_POINTS, num_groups=2, mlp_factor=2
    ),
    "UFNO": partial(
        arch.UFNO, hidden_channels=4, num_modes=3, num_blocks=0, num_u_net_blocks=1, num_levels=1, projection_channels=4
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
    "MLP": Traits(shift=None, centre=None),
    "ClassicUNet": Traits(shift=4),
    "ModernUNet": Traits(shift=4),
    "ClassicFNO": Traits(needs_basis=True),
    "FactorizedFNO": Traits(needs_basis=True),
    "AFNO": Traits(needs_basis=True, shift=None, centre=None),
    "UFNO": Traits(needs_basis=True, shift=2, centre=None),
}
