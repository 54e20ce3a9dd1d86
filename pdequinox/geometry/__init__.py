"""Curvature and differential operators of metrics: plain functions of `g(x)`, real and Kähler, and metric networks."""

from ._curvature import (
    christoffel,
    covariant_derivative,
    kretschmann,
    laplace_beltrami,
    ricci,
    riemann,
    scalar_curvature,
    volume_element,
)
from ._kahler import (
    ddbar,
    kahler_christoffel,
    kahler_metric,
    kahler_ricci,
    kahler_riemann,
    kahler_scalar_curvature,
    wirtinger,
    wirtinger_bar,
)
from ._metric import Metric
from ._metric_net import HermitianMetricNet, MetricNet

__all__ = [
    "HermitianMetricNet",
    "Metric",
    "MetricNet",
    "christoffel",
    "covariant_derivative",
    "ddbar",
    "kahler_christoffel",
    "kahler_metric",
    "kahler_ricci",
    "kahler_riemann",
    "kahler_scalar_curvature",
    "kretschmann",
    "laplace_beltrami",
    "ricci",
    "riemann",
    "scalar_curvature",
    "volume_element",
    "wirtinger",
    "wirtinger_bar",
]
