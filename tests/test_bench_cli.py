"""The command `pdequinox bench` from end to end, in miniature: files, refusals, interruptions, shared folders."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pdequinox import train
from pdequinox.bench import _bench_cli, _run, main
from pdequinox.bench._store import Store

PLUGIN = str(Path(__file__).with_name("toy_scenarios.py"))
TOY = ("--scenario", "toy-heat", "--plugin", PLUGIN)
PROGRAM = (sys.executable, "-c", "import sys; from pdequinox.bench import main; sys.exit(main(sys.argv[1:]))", "bench")


def bench(folder, *arguments):
    return main(["bench", "run", *TOY, "--out", str(folder), "--jobs", "1", *arguments])


def read(folder):
    return json.loads((folder / "results.json").read_text())


def states(folder):
    store = Store(folder)
    results = [store.result("runs", identity) for identity in store.identities("runs")]
    return sorted((result["network"]["label"], result["seed"], result["status"]) for result in results if result)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "new" / "out"
    assert bench(folder, "--arch", "Conv;3;1;relu,mine=FNO;3;3;1;gelu", "--steps", "3", "--seeds", "2") == 0
    return folder


def test_a_study_writes_its_runs_and_its_report(finished):
    assert len(Store(finished).identities("runs")) == 4
    names = {file.name for file in finished.iterdir()}
    assert {"report.html", "report.md", "results.csv", "results.json", "runs", "scenarios"} <= names
    assert all((finished / name).read_bytes().startswith(b"\x89PNG") for name in names if name.endswith(".png"))
    assert "toy-heat" in (finished / "report.md").read_text() and "mine" in (finished / "report.html").read_text()


def test_the_report_says_the_command_that_made_it(finished):
    command = read(finished)["command"]
    assert (
        command.startswith("pdequinox bench run --scenario toy-heat")
        and command in (finished / "report.md").read_text()
    )


def test_the_same_command_again_computes_nothing(finished, capsys, monkeypatch):
    monkeypatch.setattr(_run, "_train_and_judge", pytest.fail)
    assert bench(finished, "--arch", "Conv;3;1;relu,mine=FNO;3;3;1;gelu", "--steps", "3", "--seeds", "2") == 0
    assert "4 runs, 0 to do" in capsys.readouterr().out


def test_the_report_can_be_written_anew(finished):
    before = read(finished)
    (finished / "report.html").unlink()
    assert main(["bench", "report", str(finished)]) == 0
    assert (finished / "report.html").exists() and read(finished)["command"] == before["command"]


def test_two_runs_are_shown_side_by_side(finished, capsys):
    first, second, *_ = Store(finished).identities("runs")
    assert main(["bench", "compare", first[:8], str(finished / "runs" / second), "--out", str(finished)]) == 0
    output = capsys.readouterr().out
    assert first in output and second in output and "nRMSE" in output


def test_scenarios_are_listed_with_their_options(capsys):
    assert main(["bench", "list", "--plugin", PLUGIN]) == 0
    output = capsys.readouterr().out
    assert "toy-heat" in output and "bounded-wave" in output and "apebench-1d" in output
    assert main(["bench", "list", "bounded-heat"]) == 0
    output = capsys.readouterr().out
    assert "diffusivity" in output and "boundary_mode" in output and "partial_t u" in output


def test_a_failed_run_is_tried_again_on_request_only(tmp_path, capsys):
    arguments = ("--arch", "ClassicFNO:num_modes=99,parity=none", "--steps", "2")
    bench(tmp_path, *arguments)
    assert [status for *_, status in states(tmp_path)] == ["failed"]
    assert "No run was finished; no report was written." in " ".join(capsys.readouterr().out.split())
    bench(tmp_path, *arguments)
    assert "1 runs, 0 to do" in capsys.readouterr().out
    bench(tmp_path, *arguments, "--retry-failed")
    assert "1 runs, 1 to do" in capsys.readouterr().out


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path, capsys, monkeypatch):
    def fit(*args, **kwargs):
        trained.append(args)
        if len(trained) == 2:
            signal.raise_signal(signal.SIGINT)
        return original(*args, **kwargs)

    trained, original = [], train.fit
    monkeypatch.setattr(train, "fit", fit)
    arguments = ("--arch", "Conv;3;1;relu,Conv;4;1;relu", "--steps", "2")
    assert bench(tmp_path, *arguments) == 130
    assert [label for label, *_ in states(tmp_path)] == ["Conv;3;1;relu"]
    assert "The same command goes on from here." in capsys.readouterr().out
    assert bench(tmp_path, *arguments) == 0
    assert [label for label, *_ in states(tmp_path)] == ["Conv;3;1;relu", "Conv;4;1;relu"]
    assert len(trained) == 3


def start(folder, *arguments):
    """The command as a process of its own."""
    command = (*PROGRAM, "run", *TOY, "--out", str(folder), "--arch", "Conv;3;1;relu", *arguments)
    cache = {"JAX_COMPILATION_CACHE_DIR": str(folder.parent / "programs")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | cache)


def test_kill_9_and_two_commands_on_one_folder(tmp_path):
    folder = tmp_path / "out"
    killed = start(folder, "--steps", "2000000", "--seeds", "2", "--jobs", "1")
    deadline = time.monotonic() + 60
    while not list(folder.glob("runs/*/progress.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not list(folder.glob("runs/*/result.json"))
    for file in folder.rglob("*.json"):
        json.loads(file.read_text())  # whole, or not there
    # Two commands with two processes each share what is to do, and each does what is its own.
    processes = [start(folder, "--steps", "5", "--seeds", seeds, "--jobs", "2") for seeds in ("4", "3")]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert [seed for _, seed, status in states(folder) if status == "finished"] == [0, 1, 2, 3]


def test_processes_end_with_their_command(tmp_path):
    command = start(tmp_path / "out", "--steps", "2000000", "--seeds", "2", "--jobs", "2")
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("out/runs/*/progress.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(command.pid, signal.SIGKILL)
    command.communicate()
    store = Store(tmp_path / "out")
    for identity in store.identities("runs"):
        while time.monotonic() < deadline + 30:
            with store.claim("runs", identity) as mine:
                if mine is not None:
                    break
            time.sleep(0.1)
        assert mine is not None


def test_arrays_of_the_user_s_are_one_command(tmp_path):
    import numpy as np

    x = 2 * np.pi * np.arange(16) / 16
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (6, 1, 1, 1))
    waves = np.sin(x - 0.3 * np.arange(9)[:, None, None] + phases).astype(np.float32)
    np.savez(tmp_path / "data.npz", training=waves)
    written = f"arrays:path={tmp_path / 'data.npz'},boundary_mode=periodic"
    arguments = ["--scenario", written, "--arch", "Conv;3;1;relu", "--steps", "5", "--out", str(tmp_path / "out")]
    assert main(["bench", *arguments, "--jobs", "1"]) == 0
    assert states(tmp_path / "out") == [("Conv;3;1;relu", 0, "finished")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "--steps: must be an integer from 1 to 1000000000, got '0'"),
        (["--steps", "1e4"], "got '1e4'. Write it in digits, such as 1000."),
        (["--seed", "-1"], "--seed: must be an integer from 0 to 4294967295, got '-1'"),
        (["--arch", "Conv;3;1;relu"], "`--arch` must go with `--scenario`, got none"),
        (["--seed", "1"], "`--seed` must go with `--scenario`, got a preset"),
        (["--preset", "quick", "--scenario", "burgers"], "`--preset` must stand alone, got `--scenario` too"),
        (["--scenario", "burgerz"], "Did you mean burgers or"),
        (["--scenario", "burgers", "--arch", "Vgg"], "`network` must be an architecture of `pdequinox.arch`"),
        (["--scenario", "burgers", "--arch", "Res;26;relu"], "must have the form 'Res;hidden_channels;num_blocks;"),
        (["--scenario", "burgers", "--vary", "num_points=64"], "`--vary` must have the form FIELD=[VALUE,...]"),
        (["--scenario", "burgers", "--vary", "num_points=[8]", "--vary", "num_points=[9]"], "once for each field"),
        (["--scenario", "burgers", "--train", "two-step"], "`method` must be 'one-step', 'unrolled-K'"),
        (["--scenario", "burgers", "--coarse", "factor=2"], "`coarse` must be left out unless `task` is 'correct'"),
        (["--scenario", "burgers", "--task", "correct"], "`coarse` must say what there is to correct"),
        (["--study", "nowhere.toml"], "`study` must be a TOML file, got 'nowhere.toml'"),
        (["--plugin", "nowhere.py"], "`--plugin` must be a Python file, got 'nowhere.py', which is none"),
        (["--plugin", "."], "`--plugin` must be a Python file, got '.', which is none"),
        (["report", "nowhere"], "`DIR` must be a folder of `pdequinox bench run`, got 'nowhere'"),
        (["compare", "abc", "def", "--out", "nowhere"], "`RUN` must be the folder of one finished run"),
        (["list", "vgg"], "`pattern` must be a part of a scenario's name, got 'vgg'"),
    ],
)
def test_wrong_arguments_are_refused_before_work_starts(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr(_bench_cli, "run_study", pytest.fail)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["bench", *arguments])
    assert stop.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_an_output_folder_that_cannot_be_written_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stop:
        bench(tmp_path / "file" / "out")
    assert stop.value.code == 2
    assert "`--out` must be a folder that can be written to" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["diffrax", "exponax", "filelock", "matplotlib", "rich", "safetensors", "scipy"])
def test_a_missing_extra_is_named_with_its_remedy(tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'needs {module}, .* extra `bench`: .* `pip install -e "\.\[bench\]"`'):
        bench(tmp_path)


def test_importing_bench_imports_no_extra():
    program = (
        "import sys, pdequinox.bench; print([name for name in "
        "('diffrax', 'exponax', 'h5py', 'matplotlib', 'rich', 'optax', 'scipy') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
