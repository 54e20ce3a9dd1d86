"""The problems that networks are compared on."""

from ._arrays import ArrayFile, PairFile, from_arrays, from_pairs
from ._bounded import (
    BoundedAllenCahn,
    BoundedBurgers,
    BoundedFisherKPP,
    BoundedGrayScott,
    BoundedHeat,
    BoundedWave,
)
from ._burgers_operator import BurgersOperator
from ._cache import cache_folder
from ._darcy import Darcy
from ._fluids import DecayingTurbulence, KolmogorovFlow
from ._linear import Advection, AdvectionDiffusion, Diffusion, Dispersion, HyperDiffusion
from ._nonlinear import Burgers, FisherKPP, KortewegDeVries, KuramotoSivashinsky
from ._own import OwnEvolution
from ._pdebench import PDEBench, PDEBenchDarcy
from ._reactions import GrayScott, SwiftHohenberg
from ._registry import SCENARIOS, make_scenario, register_scenario
from ._scenario import Evolution, Pairs, Scenario, Steady, Trajectories, plain
from ._steady import Helmholtz, Poisson
from ._the_well import TheWell

for _scenario in (
    Advection,
    AdvectionDiffusion,
    ArrayFile,
    BoundedAllenCahn,
    BoundedBurgers,
    BoundedFisherKPP,
    BoundedGrayScott,
    BoundedHeat,
    BoundedWave,
    Burgers,
    BurgersOperator,
    Darcy,
    DecayingTurbulence,
    Diffusion,
    Dispersion,
    FisherKPP,
    GrayScott,
    Helmholtz,
    HyperDiffusion,
    KolmogorovFlow,
    KortewegDeVries,
    KuramotoSivashinsky,
    PDEBench,
    PDEBenchDarcy,
    PairFile,
    Poisson,
    SwiftHohenberg,
    TheWell,
):
    register_scenario(_scenario.name, _scenario)

__all__ = [
    "SCENARIOS",
    "Advection",
    "AdvectionDiffusion",
    "ArrayFile",
    "BoundedAllenCahn",
    "BoundedBurgers",
    "BoundedFisherKPP",
    "BoundedGrayScott",
    "BoundedHeat",
    "BoundedWave",
    "Burgers",
    "BurgersOperator",
    "Darcy",
    "DecayingTurbulence",
    "Diffusion",
    "Dispersion",
    "Evolution",
    "FisherKPP",
    "GrayScott",
    "Helmholtz",
    "HyperDiffusion",
    "KolmogorovFlow",
    "KortewegDeVries",
    "KuramotoSivashinsky",
    "OwnEvolution",
    "PDEBench",
    "PDEBenchDarcy",
    "PairFile",
    "Pairs",
    "Poisson",
    "Scenario",
    "Steady",
    "SwiftHohenberg",
    "TheWell",
    "Trajectories",
    "cache_folder",
    "from_arrays",
    "from_pairs",
    "make_scenario",
    "plain",
    "register_scenario",
]
