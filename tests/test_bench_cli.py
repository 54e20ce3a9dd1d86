"""The main job from end to end, in miniature: files, refusals, interruption."""

import json
import math
import signal
import subprocess
import sys

import numpy as np
import pytest

from pdequinox.bench import _job, _report, _speed, main
from pdequinox.bench._burgers import Burgers
from pdequinox.bench._cli import select_contenders
from pdequinox.bench._job import Results
from pdequinox.bench._networks import Contender
from pdequinox.bench._poisson import Poisson

TINY = (
    Burgers(
        contenders=(Contender("Conv", "Conv;3;1;relu", published=0.026), Contender("FNO", "FNO;2;3;1;gelu")),
        num_points=32,
        num_training=3,
        training_horizon=4,
        num_test=2,
        test_horizon=5,
    ),
    Poisson(
        contenders=(Contender("FNO-same", "FNO;2;3;1;gelu", {"boundary_mode": "dirichlet", "parity": "same"}),),
        num_points=7,
        num_training=8,
        num_test=3,
    ),
)
FILES = [
    "burgers_error_over_steps.png",
    "burgers_rollouts.png",
    "error_against_cost.png",
    "poisson_sample.png",
    "report.md",
    "results.json",
]


def bench(folder, *arguments):
    return main(["bench", "--out", str(folder), *arguments], experiments=TINY)


def read(folder):
    return json.loads((folder / "results.json").read_text())


def without_times(record):
    """The parts of a result that a seed determines."""
    if isinstance(record, dict):
        timed = ("seconds", "ms_", "environment")
        return {key: without_times(value) for key, value in record.items() if not any(t in key for t in timed)}
    return [without_times(entry) for entry in record] if isinstance(record, list) else record


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "new" / "out"
    assert bench(folder, "--steps", "3", "--seed", "5") == 0
    return folder


def test_the_main_job_writes_its_files_and_nothing_else(finished):
    assert sorted(file.name for file in finished.iterdir()) == FILES
    for name in FILES[:4]:
        assert (finished / name).read_bytes().startswith(b"\x89PNG")


def test_results_hold_every_number_of_the_tables(finished):
    results = read(finished)
    assert results["seed"] == 5 and results["missing"] == []
    conv, fno = results["experiments"]["burgers"]["networks"]
    (same,) = results["experiments"]["poisson"]["networks"]
    assert (conv["name"], fno["name"], same["name"]) == ("Conv", "FNO", "FNO-same")
    assert conv["parameters"] == 3 * 3 + 3 + 3 * 3 + 1
    assert conv["receptive_field"] == conv["measured_receptive_field"] == [[2, 2]]
    assert fno["receptive_field"] == fno["measured_receptive_field"] == [[None, None]]
    assert conv["published"] == 0.026 and fno["published"] is None
    assert len(conv["nrmse"]) == 5 and all(error > 0 for error in conv["nrmse"])
    assert conv["nrmse_geometric_mean"] == pytest.approx(math.prod(conv["nrmse"]) ** (1 / 5))
    assert 0 < same["relative_l2"] <= same["relative_l2_worst"]
    for network in (conv, fno, same):
        assert network["training_seconds"] > 0 and network["last_loss"] > 0
    for section in results["experiments"].values():
        assert section["setting"]["num_steps"] == 3


def test_the_report_names_the_short_budget_and_the_command_for_the_full_one(finished):
    report = (finished / "report.md").read_text()
    assert "short training budget: 3 (burgers), 3 (poisson) instead of 10,000 steps" in report
    assert "`pdequinox bench --steps 10000`" in report
    assert all(f"![{name}]({name})" in report for name in FILES[:4])
    assert "| Conv;3;1;relu | 22 | 2 |" in report
    assert "| 0.026 |" in report


def test_the_seed_decides_everything_but_the_times(finished, tmp_path):
    bench(tmp_path / "same", "--steps", "3", "--seed", "5", "--arch", "conv")
    bench(tmp_path / "other", "--steps", "3", "--seed", "6", "--arch", "conv")
    first, same, other = (
        without_times(read(folder))["experiments"]["burgers"]["networks"][0]
        for folder in (finished, tmp_path / "same", tmp_path / "other")
    )
    assert first == same
    assert first["last_loss"] != other["last_loss"]


def test_arch_takes_names_lists_and_apebench_s_notation(tmp_path):
    assert bench(tmp_path, "--steps", "1", "--arch", "fno-SAME, Res;2;1;tanh") == 0
    results = read(tmp_path)["experiments"]
    assert [network["name"] for network in results["burgers"]["networks"]] == ["Res;2;1;tanh"]
    assert [network["name"] for network in results["poisson"]["networks"]] == ["FNO-same"]


def test_ctrl_c_keeps_what_is_finished(tmp_path, capsys, monkeypatch):
    trained = []

    def train_network(*args, **kwargs):
        trained.append(args)
        if len(trained) == 2:
            signal.raise_signal(signal.SIGINT)
        return original(*args, **kwargs)

    original = _job.train_network
    monkeypatch.setattr(_job, "train_network", train_network)
    assert bench(tmp_path, "--steps", "1") == 130
    results = read(tmp_path)
    assert [network["name"] for network in results["experiments"]["burgers"]["networks"]] == ["Conv"]
    assert results["missing"] == ["burgers: FNO", "poisson: FNO-same"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [name for name in FILES if "poisson" not in name]
    assert "Missing: burgers: FNO, poisson: FNO-same." in " ".join(capsys.readouterr().out.split())
    assert "Missing: burgers: FNO, poisson: FNO-same." in (tmp_path / "report.md").read_text()


def test_ctrl_c_before_the_first_result_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Burgers, "prepare", lambda self: signal.raise_signal(signal.SIGINT))
    assert bench(tmp_path) == 130
    assert list(tmp_path.iterdir()) == []
    assert "nothing was written" in capsys.readouterr().out


def test_an_error_is_raised_after_the_finished_networks_are_written(tmp_path, monkeypatch):
    def fail(self):
        raise MemoryError("out of memory")

    monkeypatch.setattr(Poisson, "prepare", fail)
    with pytest.raises(MemoryError, match="out of memory"):
        bench(tmp_path, "--steps", "1", "--arch", "Conv,FNO-same")
    assert read(tmp_path)["missing"] == ["poisson: FNO-same"]


def test_files_appear_together_or_not_at_all(finished, tmp_path, monkeypatch):
    (tmp_path / "results.json").write_text("old")
    (tmp_path / "mine.txt").write_text("mine")
    monkeypatch.setattr(_report, "draw_figures", lambda results: {"a.png": Unsaveable()})
    with pytest.raises(OSError, match="disk full"):
        _report.write_report(Results(read(finished)), tmp_path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"results.json": "old", "mine.txt": "mine"}


class Unsaveable:
    def savefig(self, path, dpi):
        path.write_bytes(b"half a picture")
        raise OSError("disk full")


def test_a_rollout_that_diverged_is_shown_and_drawn(finished, tmp_path):
    record = read(finished)
    del record["experiments"]["poisson"]
    conv = record["experiments"]["burgers"]["networks"][0]
    conv |= {"nrmse": [0.5, 3e7, None, None, None], "nrmse_geometric_mean": None, "diverged_at_step": 3}
    record["experiments"]["burgers"]["networks"] = [conv]
    samples = {("burgers", "truth"): np.zeros((6, 32)), ("burgers", "Conv"): np.full((6, 32), np.inf)}
    _report.write_report(Results(record, samples), tmp_path)
    assert "| 0.500 | – | diverged at 3 |" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "--steps: must be an integer from 1 to 1000000000, got '0'"),
        (["--steps", "1e4"], "got '1e4'. Write it in digits, such as 1000."),
        (["--seed", "-1"], "--seed: must be an integer from 0 to 4294967295, got '-1'"),
        (["--seed", str(2**32)], "--seed: must be an integer from 0 to"),
        (["--arch", "Conv,Vgg"], "`--arch` must be among Conv, FNO, FNO-same, got 'Vgg'"),
        (["--arch", "Res;26;relu"], "must have the form 'Res;hidden_channels;num_blocks;activation'"),
    ],
)
def test_wrong_arguments_are_refused_before_work_starts(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr(_job, "run", pytest.fail)
    with pytest.raises(SystemExit) as stop:
        bench(tmp_path / "out", *arguments)
    assert stop.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_written_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stop:
        bench(tmp_path / "file" / "out")
    assert stop.value.code == 2
    assert "`--out` must be a folder that can be written to" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["exponax", "matplotlib", "rich", "scipy"])
def test_a_missing_extra_is_named_with_its_remedy(tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'needs {module}, .* extra `bench`: .* `pip install -e "\.\[bench\]"`'):
        bench(tmp_path)


def test_importing_bench_imports_no_extra():
    program = (
        "import sys, pdequinox.bench; "
        "print([name for name in ('exponax', 'matplotlib', 'rich', 'optax') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_a_tabled_network_written_out_keeps_its_published_value():
    (burgers,) = select_contenders(TINY, ["Conv;3;1;relu", "conv, MoRes;2;1;relu"])
    assert [(c.name, c.published) for c in burgers.contenders] == [("Conv", 0.026), ("MoRes;2;1;relu", None)]


def test_a_network_in_another_spelling_keeps_its_published_value():
    (selected,) = select_contenders((Burgers(),), ["res; 26;8;RELU"])
    assert [(contender.name, contender.published) for contender in selected.contenders] == [("Res", 0.012)]


SPEED = ("--dims", "1", "--points", "16", "--batch", "2", "--channels", "2", "--rounds", "1")


def test_speed_prints_its_tables_and_writes_a_file(tmp_path, capsys):
    file = tmp_path / "speed.json"
    assert main(["speed", "Pointwise", "group-norm", *SPEED, "--mode", "periodic, neumann", "--out", str(file)]) == 0
    output = capsys.readouterr().out
    assert "16 points, 2 samples, periodic, float32" in output and "16 points, 2 samples, neumann, float32" in output
    assert "pointwise forward" in output and "group-norm gradient" in output
    assert f"Wrote {file}" in "".join(output.splitlines())
    record = json.loads(file.read_text())
    assert record["command"].startswith("pdequinox speed Pointwise group-norm --dims 1")
    assert record["environment"]["versions"]["jax"] and record["options"]["num_rounds"] == 1
    assert [case["name"] for case in record["cases"]] == ["pointwise", "group-norm"] * 2
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["speed.json", "speed.md"]
    assert "| pointwise forward |" in (tmp_path / "speed.md").read_text()


def test_speed_compares_with_another_installation(tmp_path, capsys):
    (tmp_path / "rival" / "pdequinox").mkdir(parents=True)
    (tmp_path / "rival" / "pdequinox" / "__init__.py").write_text("from pdequinox import arch, conv")
    assert main(["speed", "pointwise", *SPEED, "--against", str(tmp_path / "rival")]) == 0
    assert "rival / ours. 16 points, 2 samples, periodic, float32" in capsys.readouterr().out


def test_ctrl_c_keeps_the_speeds_that_are_finished(tmp_path, capsys, ctrl_c_at_group_norm):
    file = tmp_path / "speed.json"
    assert main(["speed", "pointwise", "group-norm", *SPEED, "--out", str(file)]) == 130
    assert [case["name"] for case in json.loads(file.read_text())["cases"]] == ["pointwise"]
    assert "Stopped early. Missing: group-norm 1D periodic, 16 points." in capsys.readouterr().out
    assert main(["speed", "group-norm", *SPEED, "--out", str(tmp_path / "empty.json")]) == 130
    assert not (tmp_path / "empty.json").exists()


def test_an_error_is_raised_after_the_finished_speeds_are_written(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        if measured:
            raise MemoryError("out of memory")
        measured.append(args)
        return original(*args, **kwargs)

    measured, original = [], _speed.interleave
    monkeypatch.setattr(_speed, "interleave", fail)
    with pytest.raises(MemoryError, match="out of memory"):
        main(["speed", "pointwise", "group-norm", *SPEED, "--out", str(tmp_path / "speed.json")])
    assert json.loads((tmp_path / "speed.json").read_text())["missing"] == ["group-norm 1D periodic, 16 points"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vgg"], "`names` must be among conv,"),
        (["--dims", "0"], "`num_spatial_dims` must be 1, 2 or 3"),
        (["--dims", "two"], "--dims: invalid list value: 'two'"),
        (["--points", "0"], "--points: must be an integer from 1"),
        (["--mode", "robin"], "'robin'"),
        (["--dtype", "int8"], "--dtype: invalid choice: 'int8'"),
        (["--grow", "depth"], "--grow: invalid choice: 'depth'"),
        (["--against", "nowhere"], "`against` must be 'torch' or a folder with the package pdequinox"),
        (["--out", "nowhere/speed.json"], "`--out` must be a JSON file in a folder that can be written to"),
        (["--out", "speed.md"], "`--out` must be a JSON file"),
        (["--out", "."], "`--out` must be a JSON file in a folder that can be written to, got '.'"),
    ],
)
def test_wrong_arguments_of_speed_are_refused_before_work_starts(capsys, monkeypatch, arguments, message):
    monkeypatch.setattr(_speed.Run, "run", pytest.fail)
    with pytest.raises(SystemExit) as stop:
        main(["speed", *arguments])
    assert stop.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_importing_the_command_does_not_start_jax():
    program = "import pdequinox.bench, jax; jax.config.update('jax_num_cpu_devices', 3); print(jax.device_count())"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "3"
