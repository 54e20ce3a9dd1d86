"""Fields: functions on a domain, represented by parameters."""

from ._continuous import Continuous
from ._domain import Domain
from ._field import Field
from ._finite_differences import FiniteDifferences
from ._fourier_series import FourierSeries
from ._functional import bind, functional
from ._on_grid import OnGrid
from ._sampled import Sampled

__all__ = [
    "Continuous",
    "Domain",
    "Field",
    "FiniteDifferences",
    "FourierSeries",
    "OnGrid",
    "Sampled",
    "bind",
    "functional",
]
