"""Boundary-aware neural-PDE architectures in Equinox, and a benchmark that tells which one to use."""

import importlib as _importlib
import typing as _typing

from . import arch, blocks, boundary, compose, conv, correction, fields, operators, train
from .compose import ConstantEmbeddingMetadataNetwork, Hierarchical, Sequential
from .fields import Continuous, Domain, FiniteDifferences, FourierSeries, OnGrid, bind, functional
from .operators import operator
from .train import (
    cast,
    combine_to_ensemble,
    count_parameters,
    cycling_dataloader,
    dataloader,
    extract_from_ensemble,
    load_weights_0_1,
    measured_receptive_field,
    sample_data,
)

if _typing.TYPE_CHECKING:
    from . import geometry, jacobian, mesh, parallel

__version__ = "0.2.0"

__all__ = [
    "ConstantEmbeddingMetadataNetwork",
    "Continuous",
    "Domain",
    "FiniteDifferences",
    "FourierSeries",
    "Hierarchical",
    "OnGrid",
    "Sequential",
    "arch",
    "bind",
    "blocks",
    "boundary",
    "cast",
    "combine_to_ensemble",
    "compose",
    "conv",
    "correction",
    "count_parameters",
    "cycling_dataloader",
    "dataloader",
    "extract_from_ensemble",
    "fields",
    "functional",
    "geometry",
    "jacobian",
    "load_weights_0_1",
    "measured_receptive_field",
    "mesh",
    "operator",
    "operators",
    "parallel",
    "sample_data",
    "train",
]


def __getattr__(name: str) -> _typing.Any:
    """Rooms that the rest does not need are imported when they are first used."""
    if name in ("geometry", "jacobian", "mesh", "parallel"):
        return _importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
