"""Meshes of the eight devices that `conftest.py` makes of one CPU."""

import jax
import numpy as np
from jax.sharding import AxisType


def mesh_of(**sizes):
    """`mesh_of(data=2, x=4)`: the first devices, along these axes."""
    devices = jax.devices()[: int(np.prod(list(sizes.values())))]
    return jax.make_mesh(tuple(sizes.values()), tuple(sizes), (AxisType.Auto,) * len(sizes), devices=devices)
