"""One table of constructors that the tests of all networks are driven by, and what is true of each."""

import dataclasses
from collections.abc import Mapping
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
    "UNet2015": partial(arch.UNet2015, hidden_channels=4, num_levels=2),
    "PDEArenaUNet": partial(
        arch.PDEArenaUNet,
        hidden_channels=4,
        num_levels=1,
        num_blocks=1,
        channel_multipliers=(2,),
        num_final_groups=2,
        attention="standard",
    ),
    "FourierUNet": partial(
        arch.FourierUNet,
        hidden_channels=4,
        num_levels=1,
        num_blocks=1,
        num_fourier_levels=1,
        num_modes=2,
        channel_multipliers=(2,),
        num_final_groups=2,
        attention="pdearena",
    ),
    "FactorizedFNO": partial(
        arch.FactorizedFNO, hidden_channels=4, num_modes=3, num_blocks=1, feed_forward_factor=2, projection_channels=4
    ),
    "AFNO": partial(
        arch.AFNO, hidden_channels=4, num_blocks=1, patch_size=2, num_points=NUM_POINTS, num_groups=2, mlp_factor=2
    ),
    "UFNO": partial(
        arch.UFNO, hidden_channels=4, num_modes=3, num_blocks=0, num_u_net_blocks=1, num_levels=1, projection_channels=4
    ),
    "FNO": partial(arch.FNO, hidden_channels=4, num_modes=2, num_blocks=1, use_activation=True),
    "TFNO": partial(arch.TFNO, hidden_channels=4, num_modes=2, num_blocks=1, rank=0.5, position_embedding=None),
    "UNO": partial(
        arch.UNO,
        hidden_channels=4,
        block_channels=(4, 4),
        num_modes=(2, 2),
        scalings=(0.5, 2),
        lifting_channels=4,
        projection_channels=4,
        position_embedding=None,
    ),
    "CNO": partial(
        arch.CNO, hidden_channels=2, num_levels=1, num_blocks=1, num_neck_blocks=0, lifting_channels=4, filter_size=2
    ),
    "LocalNO": partial(
        arch.LocalNO, hidden_channels=3, num_modes=3, num_layers=2, radius=0.35, position_embedding=None
    ),
    "MgNO": partial(arch.MgNO, hidden_channels=3, num_layers=2, num_iterations=(1, (1, 1)), prolongation_size=3),
    "Transolver": partial(
        arch.Transolver, hidden_channels=8, num_blocks=1, num_heads=2, num_slices=3, temperature_range=None
    ),
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
    imaginary: str = r"weights_imag$"
    """The leaves whose first entry along the last axis is the imaginary part of a mean's weight, as a pattern."""
    rows_without_gradient: Mapping[str, slice] = dataclasses.field(default_factory=dict)
    """Rows of leaves that have no effect, and so no gradient: a softmax over keys does not see their bias."""


TRAITS = {name: Traits() for name in ZOO} | {
    "AttentionUNet": Traits(shift=2),
    "AViT": Traits(shift=None, centre=None),
    "ConvNeXtUNet": Traits(shift=2, centre="cell"),
    "DeepONet": Traits(shift=None, centre=None),
    "MLP": Traits(shift=None, centre=None),
    "ClassicUNet": Traits(shift=4),
    "ModernUNet": Traits(shift=4),
    "ClassicFNO": Traits(needs_basis=True),
    "UNet2015": Traits(shift=4, centre="cell"),
    "PDEArenaUNet": Traits(
        shift=2,
        centre=None,
        rows_without_gradient={".bottom_blocks[1].qkv.bias": slice(8, 16)},  # of the keys
    ),
    "FourierUNet": Traits(
        needs_basis=True,
        shift=2,
        centre=None,
        without_gradient=(".bottom_blocks[1].norm.weight", ".bottom_blocks[1].norm.bias"),
        rows_without_gradient={".bottom_blocks[1].qkv.bias": slice(0, 8)},  # of the queries
    ),
    "FactorizedFNO": Traits(needs_basis=True, imaginary=r"weights_imag\[\d\]$"),
    "AFNO": Traits(needs_basis=True, shift=None, centre=None),
    "UFNO": Traits(needs_basis=True, shift=2, centre=None),
    "FNO": Traits(needs_basis=True, shift=None, centre=None),
    "TFNO": Traits(needs_basis=True),
    "UNO": Traits(needs_basis=True, shift=2),
    "CNO": Traits(shift=2, broken_by=1e-6),
    "LocalNO": Traits(needs_basis=True),
    "MgNO": Traits(shift=2),
    "Transolver": Traits(shift=None, centre=None),
    "WNO": Traits(shift=None, centre=None),
}
