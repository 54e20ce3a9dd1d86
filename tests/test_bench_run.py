"""Runs and their folder: results, failures, interruptions, processes that share the work."""

import dataclasses
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox import train
from pdequinox.bench import Network, _baselines, _run
from pdequinox.bench._protocol import Task, Training
from pdequinox.bench._remarks import make_remarks
from pdequinox.bench._results import gather
from pdequinox.bench._run import Run
from pdequinox.bench._store import Store, identity_of, read_json
from pdequinox.bench._work import work
from pdequinox.bench.scenarios import Burgers, OwnEvolution, Poisson, from_arrays
from toy_scenarios import SIZES, toy_heat

TOY = toy_heat()
BURGERS = Burgers(num_points=32, **SIZES)
SMALL = "Conv;3;1;relu"
TIMED = ("seconds", "ms_", "environment")


def run_of(network=SMALL, scenario=TOY, num_steps=8, **options):
    protocol = {name: options.pop(name) for name in ("method", "peak_learning_rate") if name in options}
    return Run(scenario, Network.parse(network), training=Training(num_steps=num_steps, **protocol), **options)


def results_of(folder, *runs):
    store = Store(folder)
    work(runs, store)
    return [store.result("runs", run.identity) for run in runs]


def without_times(record):
    return {name: value for name, value in record.items() if not any(word in name for word in TIMED)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    return folder, *results_of(folder, run_of())


def test_a_finished_run_holds_errors_costs_and_circumstances(finished):
    _, result = finished
    assert result["status"] == "finished" and result["reason"] is None
    assert result["parameters"] == 3 * 3 + 3 + 3 * 3 + 1
    assert result["receptive_field"] == result["measured_receptive_field"] == [[2, 2]]
    assert len(result["errors"]["nrmse"]) == 12 and all(error > 0 for error in result["errors"]["nrmse"])
    assert result["training_seconds"] > 0 and result["ms_per_step"] > 0 and result["last_loss"] > 0
    assert result["memory_bytes_per_step"] >= 0 and result["batch"] == 3 and result["num_steps_taken"] == 8
    assert result["environment"]["versions"]["jax"] == jax.__version__


def test_the_folder_holds_the_configuration_the_network_and_a_sample(finished):
    folder, result = finished
    place = folder / "runs" / run_of().identity
    names = {"config.json", "lock", "network.safetensors", "result.json", "samples.npz", "trained.json"}
    assert {file.name for file in place.iterdir()} == names
    assert read_json(place / "config.json") == run_of().config
    assert identity_of(read_json(place / "config.json")) == place.name == result["id"]
    with np.load(place / "samples.npz") as samples:
        assert samples["prediction"].shape == (13, 1, 16) and samples["times"].tolist() == list(range(13))
    baselines = Store(folder).result("scenarios", identity_of(TOY.config))
    assert baselines["persistence"]["nrmse"][0] < baselines["persistence"]["nrmse"][-1]
    assert [solver["label"] for solver in baselines["solvers"]] == ["reference"]


def test_the_saved_network_is_the_one_that_was_judged(finished):
    folder, result = finished
    like = Network.parse(SMALL).build((1, 1, 1), (16,), "periodic", key=jax.random.PRNGKey(9))
    network = train.load(folder / "runs" / result["id"] / "network.safetensors", like=like)
    test = TOY.make_data().test
    errors = train.nrmse(jax.vmap(network)(test[:, 0]), test[:, 1])
    assert float(jnp.mean(errors)) == pytest.approx(result["errors"]["nrmse"][0], rel=1e-5)


def test_what_is_finished_is_not_computed_again(finished, monkeypatch):
    folder, result = finished
    monkeypatch.setattr(_run, "_train_and_judge", pytest.fail)
    assert results_of(folder, run_of()) == [result]


def test_the_seed_decides_everything_but_the_times(finished, tmp_path):
    _, first = finished
    same, other = results_of(tmp_path, run_of(), run_of(seed=1))
    assert without_times(same) == without_times(first)
    assert other["last_loss"] != first["last_loss"] and other["id"] != first["id"]


def test_a_run_is_the_same_under_another_label_and_spelling():
    assert run_of("mine=Conv;3;1;relu").identity == run_of("ConvNet:hidden_channels=3,depth=1").identity
    assert run_of().identity != run_of("Conv;3;1;gelu").identity != run_of(num_steps=9).identity


def test_an_interrupted_training_goes_on_to_the_same_result(finished, tmp_path, monkeypatch):
    _, uninterrupted = finished

    class Kill(BaseException):
        """As `kill -9`, but for the process."""

    def stop_after_three_steps(*args, progress, **kwargs):
        def watch(step, loss):
            progress(step, loss)
            if step >= 3:
                raise Kill

        return original(*args, progress=watch, **kwargs, steps_per_call=1)

    original = train.fit
    monkeypatch.setattr(_run, "SECONDS_BETWEEN_CHECKPOINTS", 1e-9)
    monkeypatch.setattr(train, "fit", stop_after_three_steps)
    with pytest.raises(Kill):
        results_of(tmp_path, run_of())
    place = tmp_path / "runs" / run_of().identity
    assert (place / "checkpoint.safetensors").exists() and not (place / "result.json").exists()
    monkeypatch.setattr(train, "fit", original)
    (resumed,) = results_of(tmp_path, run_of())
    assert resumed["errors"]["nrmse"] == pytest.approx(uninterrupted["errors"]["nrmse"], rel=1e-5)
    assert not (place / "checkpoint.safetensors").exists()


def test_an_interruption_before_the_trained_network_is_written_is_no_failure(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "save", fail)
        with pytest.raises(KeyboardInterrupt):
            results_of(tmp_path, run_of())
    place = tmp_path / "runs" / run_of().identity
    assert (place / "checkpoint.safetensors").exists() and not (place / "trained.json").exists()
    (result,) = results_of(tmp_path, run_of())
    assert result["status"] == "finished" and result["training_seconds"] > 0


def test_an_interruption_after_the_training_does_not_train_again(tmp_path, monkeypatch):
    (result,) = results_of(tmp_path, run_of())
    (tmp_path / "runs" / result["id"] / "result.json").unlink()
    monkeypatch.setattr(train, "fit", pytest.fail)
    (again,) = results_of(tmp_path, run_of())
    assert without_times(again) == without_times(result)


def test_a_run_that_another_process_works_on_is_left_to_it(tmp_path):
    store = Store(tmp_path)
    with store.claim("runs", run_of().identity) as mine:
        assert mine is not None
        with store.claim("runs", run_of().identity) as other:
            assert other is None
        assert results_of(tmp_path, run_of()) == [None]
    assert results_of(tmp_path, run_of())[0]["status"] == "finished"


def test_a_diverged_training_is_a_result(tmp_path):
    (result,) = results_of(tmp_path, run_of(peak_learning_rate=1e30, num_steps=40))
    assert result["status"] == "diverged" and 0 < result["num_steps_taken"] < 40
    assert "must be finite" in result["reason"]


def test_a_failure_is_recorded_with_its_reason_and_the_others_go_on(tmp_path):
    bounded = dataclasses.replace(TOY, boundary_mode=(("dirichlet", "neumann"),))
    failed, finished = results_of(tmp_path, run_of("FNO;2;3;1;gelu", bounded), run_of(scenario=bounded))
    assert failed["status"] == "failed" and "`boundary_mode` must be the same at both ends" in failed["reason"]
    assert "Traceback" in (tmp_path / "runs" / failed["id"] / "traceback.txt").read_text()
    assert finished["status"] == "finished", finished["reason"]
    assert finished["errors"]["bands"] is None
    Store(tmp_path).forget_failures()
    assert Store(tmp_path).result("runs", failed["id"]) is None
    assert Store(tmp_path).result("runs", finished["id"]) is not None


def test_data_that_cannot_be_made_fail_their_runs_alone(tmp_path):
    wild = OwnEvolution(step=lambda u: 1e30 * u, draw=lambda key: jax.random.normal(key, (1, 8)), title="wild", **SIZES)
    failed, finished = results_of(tmp_path, run_of(scenario=wild), run_of())
    assert failed["status"] == "failed" and "must stay finite" in failed["reason"]
    assert finished["status"] == "finished"


def test_two_sets_of_arrays_are_two_problems(tmp_path):
    waves = np.sin(2 * np.pi * np.arange(16) / 16 - 0.2 * np.arange(5)[:, None, None]) * np.ones((4, 1, 1, 1))
    sets = [
        from_arrays(factor * waves.astype(np.float32) ** power, boundary_mode="periodic")
        for factor, power in ((1, 1), (2, 3))
    ]
    runs = [run_of(scenario=scenario) for scenario in sets]
    together = results_of(tmp_path / "both", *runs)
    (alone,) = results_of(tmp_path / "alone", runs[1])
    assert together[0]["errors"] != together[1]["errors"] == alone["errors"]


def test_a_list_per_axis_is_as_good_as_a_tuple(tmp_path):
    scenario = dataclasses.replace(TOY, boundary_mode=["periodic"])
    assert results_of(tmp_path, run_of(scenario=scenario))[0]["status"] == "finished"


def test_baselines_that_fail_do_not_take_the_networks_with_them(tmp_path, monkeypatch):
    def fail(*args):
        raise RuntimeError("no solver today")

    with monkeypatch.context() as patch:
        patch.setattr(_baselines, "_without_learning", fail)
        (result,) = results_of(tmp_path, run_of())
    store = Store(tmp_path)
    assert result["status"] == "finished"
    assert any("no solver today" in remark for remark in make_remarks(gather(store)))
    store.forget_failures()
    assert store.identities("scenarios") and store.result("scenarios", identity_of(TOY.config)) is None


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "result.json").write_text('{"half":')
    with pytest.raises(ValueError, match=r"result\.json` must hold JSON, .* Delete it"):
        read_json(tmp_path / "result.json")


@pytest.mark.parametrize("method", ["unrolled-3", "pushforward-2"])
def test_unrolled_training_is_another_training(tmp_path, finished, method):
    (result,) = results_of(tmp_path, run_of(method=method))
    assert result["status"] == "finished" and result["id"] != finished[1]["id"]
    assert result["last_loss"] != finished[1]["last_loss"]


@pytest.mark.parametrize("coarse", [{"proportion": 0.5}, {"factor": 2}])
def test_a_corrected_solver_is_better_than_its_network_alone(tmp_path, coarse):
    alone = run_of(scenario=BURGERS)
    corrected = run_of(scenario=BURGERS, task=Task("correct", mode="sequential_with_bypass", **coarse))
    alone, corrected = results_of(tmp_path, alone, corrected)
    assert corrected["status"] == "finished", corrected["reason"]
    assert corrected["errors"]["nrmse"][0] < alone["errors"]["nrmse"][0]


def test_steady_problems_are_judged_once(tmp_path):
    scenario = Poisson(num_points=15, num_train_samples=8, num_test_samples=3)
    (result,) = results_of(tmp_path, run_of("FNO;2;3;1;gelu:parity=same", scenario))
    assert 0 < result["errors"]["relative_l2"] <= result["errors"]["relative_l2_worst"]
    baselines = Store(tmp_path).result("scenarios", identity_of(scenario.config))
    assert baselines["zero"]["relative_l2"] == pytest.approx(1)
    assert [solver["factor"] for solver in baselines["solvers"]] == [1, 2]
    assert 0 < baselines["solvers"][1]["errors"]["relative_l2"] < 0.5


def test_coarse_solvers_are_worse_the_coarser_they_are(tmp_path):
    results_of(tmp_path, run_of(scenario=dataclasses.replace(BURGERS, num_points=64)))
    (identity,) = Store(tmp_path).identities("scenarios")
    reference, *coarse = Store(tmp_path).result("scenarios", identity)["solvers"]
    assert reference["errors"] is None and [solver["shape"] for solver in coarse] == [[32], [16], [8]]
    errors = [solver["errors"]["nrmse_geometric_mean"] for solver in coarse]
    assert 0 < errors[0] < errors[1] < errors[2]


def test_networks_of_the_user_s_are_compared_too(tmp_path):
    def linear(num_spatial_dims, in_channels, out_channels, *, key):
        return eqx.nn.Conv(
            num_spatial_dims, in_channels, out_channels, 3, padding="SAME", padding_mode="circular", key=key
        )

    run = Run(TOY, Network.of("mine", linear), training=Training(num_steps=8))
    (result,) = results_of(tmp_path, run)
    assert result["status"] == "finished" and result["receptive_field"] is None
    assert result["measured_receptive_field"] == [[1, 1]] and result["network"]["label"] == "mine"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Training(num_steps=0), "`num_steps` must be an integer of at least 1"),
        (lambda: Training(method="unrolled"), "`method` must be 'one-step', 'unrolled-K' or 'pushforward-K'"),
        (lambda: Training(peak_learning_rate=0), "`peak_learning_rate` must be positive"),
        (lambda: Training(warmup=1.0), "`warmup` must be a part of the steps"),
        (lambda: Task("solve"), "`task` must be one of predict, correct, got 'solve'"),
        (lambda: Task("correct"), "`coarse` must say what there is to correct"),
        (lambda: Task("correct", proportion=2), "`coarse` must have a proportion above 0 and up to 1"),
        (lambda: Task("correct", proportion="half"), "`coarse` must have a proportion above 0 and up to 1"),
        (lambda: run_of(task=Task("correct", factor=2)), "`factor` must be 1 for toy-heat"),
        (lambda: Task("correct", factor=2, mode="serial"), "`mode` must be one of sequential,"),
        (lambda: run_of(method="unrolled-7"), r"`method` must take at most as many steps .* \(6\), got 'unrolled-7'"),
        (lambda: run_of(scenario=Poisson(), method="unrolled-2"), r"`method` must take at most .* \(1\)"),
        (lambda: run_of(scenario=Poisson(), task=Task("correct", factor=2)), "`task` must be 'predict' for poisson-2d"),
        (lambda: OwnEvolution(step=1, draw=None), "`step` must be a function, got 1"),
        (lambda: OwnEvolution(step=abs, draw=lambda key: key), r"`draw` must return a state of shape"),
        (lambda: TOY.stepper(proportion=0.5), "`coarse` must be left out for toy-heat"),
    ],
)
def test_what_does_not_fit_together_is_refused_at_once(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_results_can_be_written_as_json(finished):
    _, result = finished
    assert json.loads(json.dumps(result, allow_nan=False)) == result
