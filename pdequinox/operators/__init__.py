"""Operators on fields: they dispatch on the type of the field, and their parameters may be anything."""

from ._differential import curl, derivative, diag_jacobian, divergence, gradient, hessian, jacobian, laplacian
from ._explicit_steppers import RK4, Euler, ExplicitStepper, StabilityWarning
from ._heterog_laplacian import heterog_laplacian
from ._operator import Operator, get_implementations, has_implementation, operator
from ._pointwise import compose, dot_product, functional, get_component, inverse, sum_over_dims
from ._schemes import SCHEMES, AutomaticDifferentiation, FiniteDifference, default_scheme, parse_scheme, resolve_scheme
from ._shift import shift_operator
from ._stencils import fd_coefficients, reflection_conv, stencil_conv

__all__ = [
    "RK4",
    "SCHEMES",
    "AutomaticDifferentiation",
    "Euler",
    "ExplicitStepper",
    "FiniteDifference",
    "Operator",
    "StabilityWarning",
    "compose",
    "curl",
    "default_scheme",
    "derivative",
    "diag_jacobian",
    "divergence",
    "dot_product",
    "fd_coefficients",
    "functional",
    "get_component",
    "get_implementations",
    "gradient",
    "has_implementation",
    "hessian",
    "heterog_laplacian",
    "inverse",
    "jacobian",
    "laplacian",
    "operator",
    "parse_scheme",
    "reflection_conv",
    "resolve_scheme",
    "shift_operator",
    "stencil_conv",
    "sum_over_dims",
]
