"""Studies by name."""

from collections.abc import Callable, Sequence

from ._study import APEBENCH_1D, DEFAULT_PARAMETERS, Block, blocks_of

_POISSON_NETWORKS = (
    "FNO-periodic=FNO;8;16;4;gelu:boundary_mode=periodic",
    "FNO-dirichlet=FNO;8;16;4;gelu:parity=mixed",
    "FNO-dirichlet-same=FNO;8;16;4;gelu:parity=same",
    "UNet=UNet;10;3;relu",
)
SHORT_STEPS = 2_000

BOUNDED = (
    "bounded-heat",
    "bounded-heat:boundary_mode=[[dirichlet,neumann]]",
    "bounded-burgers",
    "bounded-fisher-kpp",
    "bounded-allen-cahn",
    "bounded-wave",
    "bounded-gray-scott",
    "helmholtz-1d",
)
BOUNDED_2D = (
    "poisson-2d:num_points=23",
    "darcy-2d:num_points=24",
    "bounded-burgers-2d:num_points=24,boundary_mode=[periodic,dirichlet]",
)
PERIODIC = ("advection:advection_gamma=10.5", "burgers", "kdv", "fisher-kpp")


def _quick(steps: int | None, seeds: int | None) -> list[Block]:
    return [
        *blocks_of(["burgers"], APEBENCH_1D, steps=steps or 1_200, seeds=seeds or 1),
        *blocks_of(["poisson-2d"], _POISSON_NETWORKS, steps=steps or 800, seeds=seeds or 1),
    ]


def _apebench_1d(steps: int | None, seeds: int | None) -> list[Block]:
    scenarios = ["burgers", "advection:advection_gamma=10.5", "kuramoto-sivashinsky"]
    return blocks_of(scenarios, APEBENCH_1D, steps=steps, seeds=seeds or 3)


def _short(scenarios: Sequence[str]) -> Callable[[int | None, int | None], list[Block]]:
    def blocks(steps: int | None, seeds: int | None) -> list[Block]:
        size = DEFAULT_PARAMETERS
        return blocks_of(scenarios, steps=steps or SHORT_STEPS, seeds=seeds or 2, match_parameters=size)

    return blocks


def _resolution(steps: int | None, seeds: int | None) -> list[Block]:
    points = {"num_points": [64, 128, 256, 512]}
    networks = ["FNO;16;32;4;gelu", "Conv;34;10;relu"]
    return blocks_of(["burgers-operator"], networks, steps=steps or SHORT_STEPS, seeds=seeds or 1, vary=points)


PRESETS: dict[str, tuple[str, Callable[[int | None, int | None], list[Block]]]] = {
    "quick": ("1D Burgers as in APEBench, and a 2D Poisson problem between walls; under five minutes", _quick),
    "apebench-1d": ("APEBench's 1D Burgers, fast advection and Kuramoto-Sivashinsky at its full budget", _apebench_1d),
    "bounded": ("1D problems between walls, at matched parameters and a short budget", _short(BOUNDED)),
    "bounded-2d": ("2D problems between walls, on small grids", _short(BOUNDED_2D)),
    "periodic": ("periodic problems, at matched parameters and a short budget", _short(PERIODIC)),
    "resolution": ("the FNO paper's 1D Burgers operator on 64 to 512 points", _resolution),
}
"""What each preset is, and its blocks for a number of steps and of seeds (`None`: its own)."""
