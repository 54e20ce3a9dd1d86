"""Types are checked at every call, compilations are kept between runs, and float64 is a fixture."""

import os
import signal
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"

from jaxtyping import install_import_hook

install_import_hook("pdequinox", "beartype.beartype")

import jax
import pytest


def pytest_configure(config):
    jax.config.update("jax_num_cpu_devices", 8)  # for meshes; what names no mesh runs on the first one
    os.environ["PDEQUINOX_CACHE"] = str(config.cache.mkdir("pdequinox"))
    jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("jax")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


class Memory:
    """What a test process may hold: compiled programs are forgotten when it has grown by so much again."""

    step = 2 * 2**30
    limit = 3 * 2**30

    @staticmethod
    def held() -> int:
        """In bytes; zero where the system does not say."""
        statm = Path("/proc/self/statm")
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


@pytest.fixture(autouse=True)
def bounded_memory():
    """A process runs thousands of compiled programs; without this it holds them all to the end."""
    yield
    if Memory.held() > Memory.limit:
        jax.clear_caches()
        Memory.limit = Memory.held() + Memory.step


@pytest.fixture
def float64():
    """Double precision for the whole test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def ctrl_c_at_group_norm(monkeypatch):
    """Somebody presses Ctrl-C when `pdequinox speed` comes to the group norm."""
    from pdequinox.bench import _speed

    def interrupted(problem):
        if problem.case.name == "group-norm":
            signal.raise_signal(signal.SIGINT)
        return original(problem)

    original = _speed.count_gflop
    monkeypatch.setattr(_speed, "count_gflop", interrupted)
