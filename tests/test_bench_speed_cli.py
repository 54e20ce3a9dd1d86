"""The command `pdequinox speed` from end to end, in miniature: files, refusals, interruption."""

import json
import subprocess
import sys

import pytest

from pdequinox.bench import _speed, main

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
