"""Versions and hardware, without which times mean nothing."""

import importlib.metadata
import os
import platform
from typing import Any

import jax

PACKAGES = ("pdequinox", "jax", "jaxlib", "equinox", "optax", "exponax", "diffrax", "scipy", "numpy")


def describe_environment() -> dict[str, Any]:
    """As plain values."""
    return {
        "versions": {name: version_of(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": [device.device_kind for device in jax.devices()],
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
