"""Placing fields and networks on many devices: JAX's own meshes, shardings and collectives."""

from ._collectives import Collective, collectives
from ._place import place, sharding
from ._sample import sample
from ._space_sharded import SpaceSharded, space_sharded

__all__ = ["Collective", "SpaceSharded", "collectives", "place", "sample", "sharding", "space_sharded"]
