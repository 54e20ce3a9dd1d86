"""Two processes with four devices each: one training, and the end of both if one dies."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from meshes import mesh_of
from two_processes import train

SCRIPT = Path(__file__).with_name("two_processes.py")


def start(checkpoint, num_steps):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(port), str(rank), str(checkpoint), str(num_steps)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "XLA_FLAGS": ""},
        )
        for rank in range(2)
    ]


def losses_of(process):
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    (line,) = [line for line in output.splitlines() if line.startswith("losses")]
    return np.array(line.split()[1:], float)


def test_two_processes_train_as_one_and_resume_on_other_devices(tmp_path):
    """One process with eight devices goes on where two with four each ended, and the other way round."""
    first, second = map(losses_of, start(tmp_path / "two", 10))
    np.testing.assert_array_equal(first, second)
    wanted = train(mesh_of(data=1, x=2), tmp_path / "one", 20)
    np.testing.assert_allclose(first, wanted[:10], rtol=1e-4)
    resumed = train(mesh_of(data=2, x=4), tmp_path / "two", 20)
    np.testing.assert_allclose(resumed, wanted, rtol=1e-4)


def test_if_one_process_dies_the_other_one_ends_and_the_checkpoint_loads(tmp_path):
    processes, checkpoint = start(tmp_path / "run", 10**7), tmp_path / "run"
    try:
        deadline = time.monotonic() + 180
        while not checkpoint.exists():
            assert time.monotonic() < deadline and all(process.poll() is None for process in processes)
            time.sleep(0.2)
        processes[1].kill()
        killed = time.monotonic()
        output, _ = processes[0].communicate(timeout=60)
        assert processes[0].returncode != 0 and time.monotonic() - killed < 60
        assert "losses" not in output
    finally:
        for process in processes:
            process.kill()
            process.wait()
    from pdequinox.train._tensor_file import read_tensors

    step = read_tensors(checkpoint, ("checkpoint",))[0]["content"]["step"]
    assert step >= 10
    losses = train(mesh_of(data=2, x=4), checkpoint, step + 2)
    assert losses.shape == (step + 2,) and losses[-1] < losses[0]
