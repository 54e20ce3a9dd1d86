"""Two processes with four devices each, started as the guide says: one training, and the end of both if one dies."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from meshes import mesh_of
from pdequinox.train._tensor_file import read_tensors

SCRIPT = Path(__file__).parents[1] / "docs/guides/many_hosts.py"


@pytest.fixture
def train():
    """The training of the script, in this process."""
    spec = importlib.util.spec_from_file_location("many_hosts", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.train


@pytest.fixture
def start():
    """Starts two processes, which do not outlive the test."""
    started = []

    def processes(checkpoint, num_steps, data):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        for rank in range(2):
            options = {"coordinator": address, "num-processes": 2, "process": rank, "cpu-devices": 4, "data": data}
            words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
            started.append(
                subprocess.Popen(
                    [sys.executable, str(SCRIPT), *words, str(checkpoint), str(num_steps)],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    env={**os.environ, "XLA_FLAGS": ""},
                )
            )
        return started

    yield processes
    for process in started:
        process.kill()
        process.wait()


def test_two_processes_train_as_one_and_one_goes_on_with_other_devices(tmp_path, start, train):
    first, second = start(tmp_path / "two", 10, data=1)
    (output, _), _ = first.communicate(timeout=240), second.communicate(timeout=240)
    assert (first.returncode, second.returncode) == (0, 0), output
    (line,) = [line for line in output.splitlines() if line.startswith("losses")]
    wanted = train(mesh_of(data=1, x=2), tmp_path / "one", 20)
    np.testing.assert_allclose(np.array(line.split()[1:], float), wanted[:10], rtol=1e-4)
    resumed = train(mesh_of(data=2, x=4), tmp_path / "two", 20)
    np.testing.assert_allclose(resumed, wanted, rtol=1e-4)


def test_if_one_process_dies_the_other_one_ends_and_the_checkpoint_loads(tmp_path, start, train):
    checkpoint = tmp_path / "run"
    survivor, victim = start(checkpoint, 10**7, data=2)
    deadline = time.monotonic() + 180
    while not checkpoint.exists():
        assert time.monotonic() < deadline and survivor.poll() is None and victim.poll() is None
        time.sleep(0.2)
    victim.kill()
    output, _ = survivor.communicate(timeout=60)
    assert survivor.returncode != 0 and "\nlosses" not in output
    step = read_tensors(checkpoint, ("checkpoint",))[0]["content"]["step"]
    losses = train(mesh_of(data=2, x=4), checkpoint, step + 2)
    assert step >= 10 and losses.shape == (step + 2,) and losses[-1] < losses[0]
