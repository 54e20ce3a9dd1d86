"""The measurements of speed, in miniature: what is compared, counted, refused and kept. No time is asserted."""

import os
import shutil
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import pdequinox
from pdequinox import arch
from pdequinox.bench import _speed, speed
from pdequinox.bench._allocator import pages_kept
from pdequinox.bench._rival import load_rival, move_weights
from pdequinox.bench._speed_cases import CASES, Sizes, grown, select_cases
from pdequinox.bench._speed_report import speed_tables
from pdequinox.bench._speed_runners import difference
from pdequinox.bench._stopwatch import interleave, one_core

TINY = {"num_spatial_dims": 1, "num_points": 16, "batch_size": 3, "num_channels": 2, "num_modes": 3, "num_rounds": 2}

TWICE = """
from types import SimpleNamespace
from pdequinox.conv import PhysicsConv

class Twice(PhysicsConv):
    def __call__(self, x):
        return 2 * super().__call__(x)

def wide(*args, **kwargs):
    return PhysicsConv(*args, **kwargs | {"kernel_size": 5})

def build(*args, **kwargs):
    return (wide if "stride" in kwargs else Twice)(*args, **kwargs)

conv = SimpleNamespace(PhysicsConv=build)
"""


def measure(*names, **options):
    results = speed(names or None, **TINY | options)
    if results.stopped_by is not None:
        raise results.stopped_by
    return results.record


def write_rival(folder, text):
    (folder / "pdequinox").mkdir(parents=True)
    (folder / "pdequinox" / "__init__.py").write_text(text)
    return folder


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """This package once more, as another installation."""
    folder = tmp_path_factory.mktemp("rival") / "copy"
    unneeded = shutil.ignore_patterns("__pycache__", "bench")
    shutil.copytree(Path(pdequinox.__file__).parent, folder / "pdequinox", ignore=unneeded)
    return folder


@pytest.fixture(scope="module")
def compared(copied):
    return measure("pointwise", "spectral", "MLP", against=copied)


def test_there_is_a_case_for_every_network_and_layer():
    assert set(arch.__all__) < set(CASES)
    for case in CASES.values():
        # A width that all heads and groups divide.
        sizes = Sizes(2, 32, 4, 48 if case.is_network else 2, 3, "periodic")

        def forward(key, x, case=case, sizes=sizes):
            return jax.vmap(lambda u: case.apply(case.build(pdequinox, sizes, key=key), u))(x)

        points = {"conv-strided": (32, 16), "conv-transposed": (16, 32)}.get(case.name, (32, 32))
        channels = 1 if case.is_network else 2
        shapes = [(4, channels, n, n) for n in points]
        x = jax.ShapeDtypeStruct(case.input_shape(sizes), jnp.float32)
        assert [x.shape, jax.eval_shape(forward, jr.PRNGKey(0), x).shape] == shapes


def test_every_pass_has_times_costs_and_part_of_the_rate_of_a_matrix_product(compared):
    settings = compared["settings"]
    assert settings[0] == "default" and compared["options"]["clock"] == "process"
    for case in compared["cases"]:
        assert case["refused"] == {} and case["batch_size"] == 3
        for entry in case["passes"].values():
            ours = entry["contestants"]["ours"]
            assert ours["compile_seconds"] > 0 and ours["temp_mb"] >= 0 and entry["gflop"] > 0
            assert list(ours["times"]) == settings
            for times in ours["times"].values():
                assert times["ms"] == pytest.approx(3 * times["ms_per_sample"])
                assert times["of_matmul"] > 0
    assert compared["missing"] == []


def test_another_installation_computes_the_same_with_our_weights(compared):
    assert compared["contestants"] == ["ours", "copy"]
    for case in compared["cases"]:
        for entry in case["passes"].values():
            rival = entry["contestants"]["copy"]
            assert rival["agrees"] and rival["error"] < 1e-6
            assert all(rival["ratios"][setting]["ratio"] > 0 for setting in compared["settings"])
            assert rival["compile_seconds_ratio"] > 0


def test_another_installation_has_a_name_of_its_own(copied):
    label, package = load_rival(copied)
    assert label == "copy" and package is not pdequinox and sys.modules["pdequinox"] is pdequinox
    assert package.conv.PhysicsConv is not pdequinox.conv.PhysicsConv
    assert package.__name__.startswith("pdequinox_rival_")


def test_two_installations_of_one_label_are_told_apart(copied):
    record = measure("group-norm", against=[copied, str(copied)])
    assert record["contestants"] == ["ours", "copy", f"copy in {copied}"]


def test_a_version_is_part_of_the_label(tmp_path):
    folder = write_rival(tmp_path, "")
    (tmp_path / "pdequinox-0.1.9.dist-info").mkdir()
    (tmp_path / "pdequinox-0.1.9.dist-info" / "METADATA").write_text("Name: pdequinox\nVersion: 0.1.9\n")
    assert load_rival(folder)[0] == "pdequinox 0.1.9"


def test_other_numbers_are_marked_and_give_no_ratio(tmp_path):
    record = measure("conv", "conv-strided", "spectral", against=write_rival(tmp_path / "other", TWICE))
    conv, strided, spectral = record["cases"]
    for entry in conv["passes"].values():
        rival = entry["contestants"]["other"]
        assert not rival["agrees"] and rival["error"] == pytest.approx(1)
        assert rival["ratios"] == {} and rival["temp_mb_ratio"] is None
    assert "must have weights of the shapes [(2, 2, 3)" in strided["refused"]["other"]
    assert "has no attribute 'SpectralConv'" in spectral["refused"]["other"]
    assert list(spectral["passes"]["forward"]["contestants"]) == ["ours"]
    table = speed_tables(record)[1]
    assert [row[2] for row in table.rows] == ["1e+00 differs"] * 2 + ["–"] * 4
    assert all(row[3:] == ("–",) * 4 for row in table.rows)
    assert table.notes[-1].startswith("spectral: AttributeError")


def test_a_case_that_we_cannot_compute_is_noted(monkeypatch):
    def fail(problem, module, clock):
        if problem.case.name == "group-norm":
            raise ValueError("too small")
        return original(problem, module, clock)

    original = _speed.jax_runners
    monkeypatch.setattr(_speed, "jax_runners", fail)
    record = measure("group-norm", "pointwise")
    refused, measured = record["cases"]
    assert refused["refused"] == {"ours": "ValueError: too small"} and measured["refused"] == {}
    assert refused["passes"]["forward"]["contestants"] == {}
    (table,) = speed_tables(record)
    assert table.rows[0][:3] == ("group-norm forward", "–", "–")
    assert table.notes[-1] == "group-norm: ValueError: too small"


def test_flops_are_those_of_the_plain_program():
    record = measure("conv", "conv-rollout", "conv-transposed", num_channels=8, num_points=64)
    conv, rollout, transposed = (
        [entry["gflop"] * 1e9 for entry in case["passes"].values()] for case in record["cases"]
    )
    multiplications = 3 * 64 * 3 * 8 * 8  # samples, points, taps, channels
    assert conv == pytest.approx([2 * multiplications, 4 * multiplications], rel=0.05)
    assert rollout[0] == pytest.approx(20 * conv[0], rel=0.05)
    assert transposed[0] == pytest.approx(multiplications, rel=0.15)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_other_dtypes_are_measured_and_leave_the_process_as_it_was(copied, dtype):
    record = measure("conv", dtype=dtype, against=copied)
    assert record["cases"][0]["passes"]["gradient"]["contestants"]["copy"]["error"] < 1e-12
    assert jnp.zeros(1).dtype == jnp.float32


def test_sizes_grow_by_sixteen():
    sizes = Sizes(2, 64, 8, None, 12, "periodic")
    assert [s.num_points for s in grown(sizes, "points")] == [32, 46, 64, 90, 128]
    assert [s.num_channels for s in grown(sizes, "channels")] == [8, 16, 32, 64, 128]
    assert [s.num_modes for s in grown(sizes, "modes")] == [2, 4, 8, 16, 32]
    assert [s.batch_size for s in grown(sizes, "batch")] == [2, 4, 8, 16, 32]
    assert [s.num_points for s in grown(Sizes(3, 32, 1, None, 12, "periodic"), "points")] == [20, 26, 32, 40, 50]
    assert [s.batch_size for s in grown(Sizes(3, 32, 1, None, 12, "periodic"), "batch")] == [1, 2, 4, 8, 16]


def test_of_what_grows_all_layers_are_measured_that_depend_on_it():
    layers = [name for name, case in CASES.items() if not case.is_network]
    assert [case.name for case in select_cases(None, "points")] == layers
    assert [case.name for case in select_cases(None, "modes")] == ["spectral"]
    assert [case.name for case in select_cases("classicfno", "modes")] == ["ClassicFNO"]


def test_growth_is_told_per_flop():
    record = measure("pointwise", grow="channels", num_channels=8)
    assert [case["num_channels"] for case in record["cases"]] == [2, 4, 8, 16, 32]
    table = speed_tables(record)[0]
    assert table.columns == ("ms", "2\nchannels", "4\nchannels", "8\nchannels", "16\nchannels", "32\nchannels")
    assert [row[0] for row in table.rows] == ["pointwise forward", "  per FLOP", "pointwise gradient", "  per FLOP"]
    times, costs = table.rows[:2]
    flops = [case["passes"]["forward"]["gflop"] for case in record["cases"]]
    assert flops == sorted(flops) and costs[1] == "1"
    assert float(costs[4]) == pytest.approx(float(times[4]) / float(times[1]) * flops[0] / flops[3], rel=0.05)


def test_dimensions_and_modes_make_a_table_each():
    sizes = {"num_spatial_dims": (1, 2), "boundary_mode": ("periodic", "neumann"), "num_points": 6}
    record = measure("Pointwise", **sizes)
    tables = speed_tables(record)
    assert [table.title for table in tables] == [
        f"{grid} points, 3 samples, {mode}, float32" for grid in ("6", "6 × 6") for mode in ("periodic", "neumann")
    ]
    assert [row[0].split()[0] for row in tables[0].rows] == ["pointwise"] * 2


def test_ctrl_c_keeps_what_is_finished(ctrl_c_at_group_norm):
    results = speed(["pointwise", "group-norm", "conv"], **TINY)
    assert isinstance(results.stopped_by, KeyboardInterrupt)
    assert [case["name"] for case in results.record["cases"]] == ["pointwise"]
    assert results.record["missing"] == ["group-norm 1D periodic, 16 points", "conv 1D periodic, 16 points"]
    assert speed_tables(results.record)[0].rows[0][1] != "–"


def test_wall_time_takes_all_cores():
    record = measure("pointwise", wall=True)
    assert record["options"]["clock"] == "wall" and record["options"]["one_core"] is False
    assert speed_tables(record)[0].notes[0] == "Wall time on all cores, median of 2 rounds."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["conv", "vgg"]}, r"`names` must be among conv, .*ModernUNet.*, got 'vgg'"),
        ({"num_spatial_dims": 4}, r"`num_spatial_dims` must be 1, 2 or 3, or several of them, got 4"),
        ({"num_spatial_dims": (1, "2")}, r"`num_spatial_dims` must be 1, 2 or 3, or several of them, got '2'"),
        ({"num_points": 1}, r"`num_points` must be an integer of at least 2, got 1"),
        ({"batch_size": 0}, r"`batch_size` must be an integer of at least 1, got 0"),
        ({"num_channels": 1.5}, r"`num_channels` must be an integer of at least 1, got 1.5"),
        ({"num_modes": 0}, r"`num_modes` must be an integer of at least 1, got 0"),
        ({"num_rounds": 0}, r"`num_rounds` must be an integer of at least 1, got 0"),
        ({"dtype": "float16"}, r"`dtype` must be one of float32, float64, bfloat16, got 'float16'"),
        ({"boundary_mode": "robin"}, r"'robin'"),
        ({"boundary_mode": ("periodic", "robin")}, r"'robin'"),
        ({"grow": "depth"}, r"`grow` must be one of points, channels, modes, batch, got 'depth'"),
        ({"names": "conv", "grow": "modes"}, r"`grow` must be one of points, channels, batch for conv, got 'modes'"),
        ({"against": "/nowhere"}, r"`against` must be 'torch' or a folder with the package pdequinox, got '/nowhere'"),
    ],
)
def test_wrong_arguments_are_refused_before_work_starts(monkeypatch, options, message):
    monkeypatch.setattr(_speed.Run, "run", pytest.fail)
    with pytest.raises(ValueError, match=message):
        speed(**TINY | options)


def test_an_installation_that_does_not_import_is_refused_and_forgotten(tmp_path):
    folder = write_rival(tmp_path, "from . import arch")
    with pytest.raises(
        ValueError, match=r"`against` must be a folder whose pdequinox can be imported here.*ImportError"
    ):
        load_rival(folder)
    assert not [name for name in sys.modules if name.startswith("pdequinox_rival") and sys.modules[name] is None]


def test_missing_torch_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"needs torch, which is not installed. Install it: `pip install torch`"):
        speed("conv", against="torch", **TINY)


def test_torch_computes_the_same_with_our_weights():
    pytest.importorskip("torch", reason="torch is no test dependency; `pip install torch` for these")
    record = measure("conv", "conv-rollout", "spectral", "ConvNet", against="torch")
    assert record["contestants"] == ["ours", "torch"] and record["environment"]["versions"]["torch"]
    for case in record["cases"]:
        assert case["refused"] == {}
        for entry in case["passes"].values():
            assert entry["contestants"]["torch"]["agrees"] and entry["contestants"]["torch"]["error"] < 1e-5
            assert "default" in entry["contestants"]["torch"]["ratios"]


def test_accelerators_are_timed_by_the_wall_clock_and_torch_is_not_compared_there(monkeypatch):
    pytest.importorskip("torch", reason="torch is no test dependency; `pip install torch` for these")
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    record = measure("pointwise", against="torch")
    assert record["options"]["clock"] == "wall" and record["settings"] == ["default"]
    (case,) = record["cases"]
    assert "`against='torch'` must run on a CPU, got the backend 'gpu'" in case["refused"]["torch"]


def test_weights_of_other_shapes_are_not_moved():
    source, target = (eqx.nn.Linear(2, n, key=jr.PRNGKey(n)) for n in (3, 4))
    with pytest.raises(ValueError, match=r"must have weights of the shapes \[\(3, 2\), \(3,\)\], got \[\(4, 2\)"):
        move_weights(source, target)
    same = eqx.nn.Linear(2, 3, key=jr.PRNGKey(9))
    assert jnp.array_equal(move_weights(source, same).weight, source.weight)


def test_errors_are_relative_to_the_largest_value():
    def arrays(*lists):
        return [jnp.array(values) for values in lists]

    ours = arrays([[1.0, -4.0]], [1e-9])
    assert difference(ours, arrays([[1.0, -3.0]], [2e-9])) == 0.25
    assert np.isnan(difference(ours, arrays([[1.0, np.nan]], [1e-9])))
    assert difference(ours, arrays([[1.0, np.inf]], [1e-9])) == np.inf
    assert difference(arrays([0.0, 0.0]), arrays([3.0, 3.0])) == 3.0
    with pytest.raises(
        ValueError, match=r"`theirs` must have arrays of the shapes \[\(1, 2\), \(1,\)\], got \[\(1,\)\]"
    ):
        difference(ours, ours[1:])


def test_functions_are_timed_in_turns_and_as_often_as_the_clock_needs():
    now = [0.0]
    calls = []

    def task(name, seconds):
        def call():
            now[0] += seconds
            calls.append(name)

        return call

    tasks = {"slow": task("slow", 1.0), "fast": task("fast", 0.125)}
    seconds = interleave(tasks, num_rounds=8, least_seconds=0.5, clock=lambda: now[0])
    assert seconds["slow"].tolist() == [1.0] * 8 and seconds["fast"].tolist() == [0.125] * 8
    rounds = "".join(name[0] for name in calls)[-40:]
    turns = [rounds[i : i + 5] for i in range(0, 40, 5)]
    assert set(turns) == {"sffff", "ffffs"}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_one_core_is_given_back():
    before = os.sched_getaffinity(0)
    with one_core() as pinned:
        assert pinned and os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before


def test_without_affinity_nothing_is_pinned(monkeypatch):
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    with one_core() as pinned:
        assert not pinned


def test_the_allocator_is_chosen_where_there_is_glibc(monkeypatch):
    with pages_kept() as kept:
        assert kept == (sys.platform == "linux" and bool(os.confstr("CS_GNU_LIBC_VERSION")))
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    with pages_kept() as kept:
        assert not kept
    (table,) = speed_tables(record := measure("pointwise"))
    assert record["settings"] == ["default"] and "pages kept: not timed" in table.notes[1]
    assert table.rows[0][2] == "–"
