"""Boundary-aware neural-PDE architectures in Equinox, and a benchmark that tells which one to use."""

from . import arch, blocks, boundary, compose, conv, correction, fields, operators, train
from .compose import ConstantEmbeddingMetadataNetwork, Hierarchical, Sequential
from .fields import Continuous, Domain, FiniteDifferences, FourierSeries, OnGrid
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
    "load_weights_0_1",
    "measured_receptive_field",
    "operator",
    "operators",
    "sample_data",
    "train",
]
