"""Studies: what users write, and the runs that it stands for."""

import jax
import jax.numpy as jnp
import pytest

from pdequinox.bench import Network, register_network
from pdequinox.bench._presets import PRESETS
from pdequinox.bench._run import Run
from pdequinox.bench._study import APEBENCH_1D, blocks_of, read_study, runs_of
from pdequinox.bench.scenarios import SCENARIOS, Burgers, OwnEvolution, make_scenario, register_scenario
from toy_scenarios import SIZES

TOML = """
[[study]]
scenarios = ["burgers:num_points=32", { name = "bounded-heat", boundary_mode = [["dirichlet", "neumann"]] }]
networks = ["Res;4;1;relu", { name = "ClassicFNO", hidden_channels = 4, num_modes = 3, label = "small" }]
steps = 20
seeds = [3, 5]
train = ["one-step", "unrolled-2"]

[[study]]
scenarios = ["toy-heat"]
networks = ["Conv;4;1;relu"]
task = "correct"
coarse = "proportion=0.5"
mode = "parallel"
vary = { num_points = [8, 16] }
"""


def runs(*args, **kwargs):
    return runs_of(blocks_of(*args, **kwargs))


def test_a_study_is_all_combinations_seed_by_seed():
    found = runs(["burgers", "advection"], ["Conv;4;1;relu", "Res;4;1;relu"], seeds=2, steps=5)
    shown = [(run.scenario.name, run.seed, run.network.label) for run in found]
    assert len(shown) == len(set(shown)) == 8
    assert shown[:4] == [
        ("burgers", 0, "Conv;4;1;relu"),
        ("burgers", 0, "Res;4;1;relu"),
        ("burgers", 1, "Conv;4;1;relu"),
        ("burgers", 1, "Res;4;1;relu"),
    ]


def test_the_same_run_is_in_a_study_once():
    assert len(runs(["burgers", Burgers()], ["Res;4;1;relu", "ClassicResNet:hidden_channels=4,num_blocks=1"])) == 1


def test_the_default_networks_have_about_thirty_thousand_parameters_in_every_dimension():
    for scenario in ("burgers", "burgers-2d", "burgers-3d"):
        (block,) = blocks_of([scenario])
        assert [network.label for network in block.networks] == ["Conv", "Res", "UNet", "Dil", "FNO"]
        assert block.num_parameters == (None if scenario == "burgers" else 30_000)
    widths = [run.network.options["hidden_channels"] for run in runs(["burgers-2d"])]
    assert widths != [Network.parse(text).options["hidden_channels"] for text in APEBENCH_1D]


def test_a_field_of_the_scenario_is_varied():
    found = runs(["burgers"], ["Conv;4;1;relu"], vary={"num_train_samples": [5, 10], "num_points": [32, 64]})
    assert [(run.scenario.num_train_samples, run.scenario.num_points) for run in found] == [
        (5, 32),
        (5, 64),
        (10, 32),
        (10, 64),
    ]


def test_a_network_that_cannot_be_built_stays_for_its_run_to_say_so():
    mixed = "bounded-heat:boundary_mode=[[dirichlet,neumann]]"
    (run,) = runs([mixed], ["FNO;12;18;4;gelu"], match_parameters=30_000)
    assert run.network.options["hidden_channels"] == 18


def test_a_file_has_one_block_per_table_and_scenario(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(TOML)
    blocks = read_study(file)
    assert [len(block.runs()) for block in blocks] == [8, 8, 2]
    run = blocks[1].runs()[1]
    assert run.network.label == "small" and run.scenario.boundary_mode == (("dirichlet", "neumann"),)
    assert [training.method for training in blocks[0].trainings] == ["one-step", "unrolled-2"]
    assert blocks[0].seeds == (3, 5) and blocks[0].trainings[0].num_steps == 20
    varied = blocks[2].runs()
    assert [run.scenario.shape for run in varied] == [(8,), (16,)]
    assert varied[0].task.mode == "parallel" and varied[0].task.proportion == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[study]\n", "`study` must be a TOML file, got .*study.toml"),
        ("[study]\nsteps = 1", r"`study` must be a file of \[\[study\]\] tables"),
        (
            '[[study]]\nscenario = ["burgers"]',
            r"Table 1 of .*study.toml.*`scenario` must be one of scenarios, networks",
        ),
        ('[[study]]\nscenarios = ["burgerz"]', "Table 1 .*Did you mean burgers or"),
        ('[[study]]\nscenarios = ["burgers"]\nsteps = 0', "Table 1 .*`num_steps` must be an integer of at least 1"),
        ('[[study]]\nnetworks = ["MLP"]', "Table 1 .*`scenarios` must be a list of scenarios, got None"),
        ('[[study]]\nscenarios = "burgers"', "Table 1 .*`scenarios` must be a list of scenarios, got 'burgers'"),
        ('[[study]]\nscenarios = ["burgers"]\nnetworks = "MLP"', "Table 1 .*`networks` must be a list"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path, text, message):
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_study(tmp_path / "study.toml")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "`seeds` must be an integer of at least 1"),
        ({"match_parameters": 0}, "`match_parameters` must be an integer of at least 1"),
        ({"coarse": "factor=2"}, "`coarse` must be left out unless `task` is 'correct'"),
        (
            {"task": "correct", "coarse": "points=2"},
            "`coarse` must have the options proportion and factor, got 'points'",
        ),
        ({"mode": "parallel"}, "`mode` must be left out unless `task` is 'correct'"),
        ({"vary": {"num_poinst": [1]}}, "`num_poinst` must be an option of"),
        ({"networks": ["Vgg"]}, "`network` must be an architecture"),
    ],
)
def test_what_does_not_fit_together_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        blocks_of(["burgers"], **options)


def test_code_of_the_user_s_is_part_of_what_defines_a_run():
    constants = [jnp.arange(8.0), jnp.arange(8.0) + 1]
    steps = [jax.jit(lambda u, c=c: u * c) for c in constants]
    configs = [OwnEvolution(step=step, draw=lambda key: jax.random.normal(key, (1, 8))).config for step in steps]
    assert configs[0] != configs[1]
    classes = [type("Mine", (Burgers,), {"name": "mine", "factor": f, "__module__": __name__}) for f in (1, 2)]
    assert classes[0]().config != classes[1]().config and "code" not in Burgers().config


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_complete_and_every_network_fits(name):
    _, make = PRESETS[name]
    found = runs_of(make(7, 1))
    assert {run.training.num_steps for run in found} == {7}
    assert {run.seed for run in found} == {0}
    assert all(Run.from_written(run.written).identity == run.identity for run in found)


def test_the_presets_are_at_least_ten_problems_with_five_networks_half_of_them_bounded():
    found = [run for name in ("bounded", "periodic") for run in runs_of(PRESETS[name][1](None, None))]
    networks = {}
    for run in found:
        networks.setdefault(run.scenario, set()).add((run.network.label, run.seed))
    assert len(networks) >= 10 and all(len(pairs) == 10 for pairs in networks.values())
    bounded = [scenario for scenario in networks if "periodic" not in scenario.config["boundary_mode"]]
    assert len(bounded) >= len(networks) / 2
    assert {run.training.num_steps for run in found} == {2000}


def test_a_function_adds_a_scenario_and_another_process_finds_it():
    @register_scenario("tiny-burgers")
    def tiny(num_points=16):
        return Burgers(num_points=num_points, **SIZES)

    scenario = make_scenario("tiny-burgers:num_points=8")
    assert scenario == Burgers(num_points=8, **SIZES) and scenario.written == {"name": "tiny-burgers", "num_points": 8}
    (run,) = runs(["toy-heat:num_points=8,rate=0.2"], ["Conv;4;1;relu"])
    assert Run.from_written(run.written).identity == run.identity
    assert run.identity != runs(["toy-heat:num_points=8,rate=0.1"], ["Conv;4;1;relu"])[0].identity
    del SCENARIOS["tiny-burgers"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("burgers", "`name` must be new, got 'burgers'"),
        ("Heat", "`name` must be lower-case words with hyphens"),
        ("heat-2d", "without a dimension, got 'heat-2d'"),
    ],
)
def test_names_of_scenarios_are_unique_and_plain(name, message):
    with pytest.raises(ValueError, match=message):
        register_scenario(name, Burgers.__subclasses__)


def test_what_is_no_scenario_is_refused_when_it_is_made():
    register_scenario("no-scenario", lambda: 3)
    with pytest.raises(ValueError, match="`no-scenario` must return a scenario, got int"):
        make_scenario("no-scenario")
    del SCENARIOS["no-scenario"]


def test_registered_networks_can_be_written():
    register_network("toy-net", lambda num_spatial_dims, in_channels, out_channels, *, key: None)
    (run,) = runs(["burgers"], ["toy-net"])
    assert Run.from_written(run.written) == run
