"""What the pictures of a report show, and what they leave out."""

import dataclasses

import numpy as np
import pytest

import bench_records as records
from pdequinox.bench._aggregate import (
    make_problems,
    make_sweeps,
)
from pdequinox.bench._plots import MOST_BANDS, numbers_of, plot_error_over_steps, plot_matrix, plot_sweep, style_of
from pdequinox.bench._problem_sheet import problem_sheet
from pdequinox.bench._report import draw_figures
from pdequinox.bench._sample_plots import MOST_NETWORKS, plot_sample, read_sample

BURGERS = records.scenario()


@pytest.fixture(scope="module")
def study():
    return records.results(records.study())


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", ["evolution", "steady"])
def test_samples_show_the_first_channel_and_in_3d_a_slice(kind, dims):
    results = records.results([records.run(records.scenario("s", kind, dims))])
    (problem,) = make_problems(results)
    sample = read_sample(problem, results.samples)
    num_times = 1 if kind == "steady" else len(records.TIMES[dims])
    assert sample.truth.shape == (num_times, *[16] * min(dims, 2))
    assert "channel 1 of 2" in sample.title and ("slice" in sample.title) == (dims == 3)
    plot_sample(sample, numbers_of([problem])).draw_without_rendering()
    expected = records.field(dims, 0.0)[0]
    np.testing.assert_array_equal(sample.truth[0], expected[..., 8] if dims == 3 else expected)


def test_only_the_best_networks_are_drawn_and_that_is_said():
    runs = [records.run(BURGERS, f"N{i}", error=0.01 + 0.01 * i) for i in range(MOST_NETWORKS + 2)]
    results = records.results(runs)
    (problem,) = make_problems(results)
    sample = read_sample(problem, results.samples)
    assert list(sample.predictions) == [f"N{i}" for i in range(MOST_NETWORKS)]
    assert sample.title.endswith(f"the {MOST_NETWORKS} best networks")


def test_a_prediction_of_another_shape_or_none_is_left_out():
    results = records.results([records.run(BURGERS)])
    (problem,) = make_problems(results)
    fields = {problem.scenario["id"]: results.samples(problem.scenario["id"])}
    assert read_sample(problem, lambda identity: fields.get(identity, {"prediction": np.zeros((2, 1, 4))})) is None
    assert read_sample(problem, lambda identity: {}) is None


def test_a_prediction_that_blew_up_is_drawn():
    results = records.results([records.run(BURGERS), records.run(BURGERS, "B")])
    (problem,) = make_problems(results)
    blown = {"prediction": np.full((13, 2, 16), np.inf)}
    samples = lambda identity: blown if identity == results.runs[1]["id"] else results.samples(identity)  # noqa: E731
    *_, figure = list(draw_figures(dataclasses.replace(results, samples=samples), [problem]))[-1]
    figure.draw_without_rendering()
    masked = [axes.images[0].get_array().mask.all() for axes in figure.axes if axes.images]
    assert masked == [False, False, True, False, True]


def test_ranges_are_bands_while_there_are_few_networks():
    def bands(num_networks):
        runs = [records.run(BURGERS, f"N{i}", seed=seed) for i in range(num_networks) for seed in range(2)]
        problem = records.problem(*runs)
        return len(plot_error_over_steps(problem, numbers_of([problem])).axes[0].collections)

    assert bands(2) == 2 and bands(MOST_BANDS + 1) == 0


def test_26_networks_look_different_and_keep_their_look_in_every_picture(study):
    styles = [tuple(style_of(i).values()) for i in range(26)]
    assert len(set(styles)) == 26
    numbers = numbers_of(make_problems(study))
    assert len(set(numbers.values())) == len(numbers) and next(iter(numbers)) == "Res;26;8;relu"


def test_a_single_problem_has_no_matrix():
    assert plot_matrix([records.problem(records.run(BURGERS))]) is None


def test_a_sweep_has_a_curve_for_each_network_and_one_for_no_learning(study):
    (sweep,) = make_sweeps(make_problems(study))
    axes = plot_sweep(sweep, numbers_of(sweep.problems)).axes[0]
    assert axes.get_xlabel() == "points per axis" and len(axes.lines) == 4


def test_a_run_of_which_nothing_is_known_is_not_drawn():
    problem = records.problem(records.empty_run(BURGERS), solvers=False)
    assert plot_error_over_steps(problem, numbers_of([problem])) is None


def test_a_scenario_without_a_record_has_rows_without_baselines():
    results = dataclasses.replace(records.results([records.run(BURGERS)]), scenarios={}, samples=lambda identity: {})
    (problem,) = make_problems(results)
    assert [row[0] for row in problem_sheet(problem).to_table().rows] == ["Res;26;8;relu"]
    assert [name for name, *_ in draw_figures(results, [problem])] == [
        f"1-burgers-1d-{kind}.png" for kind in ("steps", "cost", "bands")
    ]
