"""Questions with numbers for answers: the main job, speed, and the command line. Needs the extra `bench` to run."""

from ._cli import main
from ._networks import parse_network
from ._speed import SpeedResults, speed
from ._zoo import zoo, zoo_of_presets

__all__ = ["SpeedResults", "main", "parse_network", "speed", "zoo", "zoo_of_presets"]
