"""Unstructured meshes: fields given at their points, derivatives by stencils on them, and Poisson's equation."""

from . import _operators as _operators  # gives the operators their implementations
from ._nodal_field import NodalField
from ._poisson import poisson, stiffness
from ._simplex_mesh import SimplexMesh

__all__ = ["NodalField", "SimplexMesh", "poisson", "stiffness"]
