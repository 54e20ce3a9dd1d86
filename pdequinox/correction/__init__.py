"""Networks as corrections: of an operator, of its stencils, of a solver's step. Any callable is a network here."""

from ._corrected import corrected
from ._corrected_stepper import CorrectedStepper
from ._learned_stencil import learned_stencil
from ._on_field import OnField, on_field

__all__ = ["CorrectedStepper", "OnField", "corrected", "learned_stencil", "on_field"]
