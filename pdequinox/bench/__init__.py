"""Questions with numbers for answers: the main job, speed, and the command line. Needs the extra `bench` to run."""

from . import scenarios
from ._cli import main
from ._compare import compare
from ._networks import Network, register_network
from ._notation import parse_network
from ._results import Results
from ._speed import SpeedResults, speed
from ._zoo import zoo, zoo_of_presets

__all__ = [
    "Network",
    "Results",
    "SpeedResults",
    "compare",
    "main",
    "parse_network",
    "register_network",
    "scenarios",
    "speed",
    "zoo",
    "zoo_of_presets",
]
