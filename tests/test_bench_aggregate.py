"""Numbers over seeds, tables, remarks: what the records of a study say when they are put side by side."""

import io
import math

import numpy as np
import pytest
from rich.console import Console

import bench_records as records
from pdequinox.bench._aggregate import (
    Solver,
    band_errors,
    geometric_mean,
    make_problems,
    make_sweeps,
    mean_ranks,
    most_accurate_within,
    pareto_front,
    spread,
)
from pdequinox.bench._networks import Network
from pdequinox.bench._problem_sheet import problem_sheet
from pdequinox.bench._remarks import make_remarks
from pdequinox.bench._report import comparison_table, make_tables
from pdequinox.bench._results import gather
from pdequinox.bench._run import Run
from pdequinox.bench._sheets import summary_sheet
from pdequinox.bench._store import Store
from pdequinox.bench._tables import Table, amount_text, error_text, shortened
from pdequinox.bench.scenarios import make_scenario

BURGERS = records.scenario()
POISSON = records.scenario("poisson-2d", "steady", 2)


@pytest.fixture(scope="module")
def study():
    return records.results(records.study())


def test_a_spread_is_median_and_range():
    assert spread([3.0, None, 1.0, 2.0, math.nan]) == (2.0, 1.0, 3.0, 3)
    assert spread([1.0, 2.0]) == (1.5, 1.0, 2.0, 2)
    assert spread([1.0, math.inf]) == (math.inf, 1.0, math.inf, 2)
    assert spread([None]) is None and spread([]) is None


def test_ranges_that_touch_overlap():
    assert spread([1.0, 2.0]).overlaps(spread([2.0, 3.0]))
    assert not spread([1.0, 2.0]).overlaps(spread([2.5, 3.0]))


def test_the_front_holds_what_no_other_point_beats():
    points = [(1.0, 5.0), (2.0, 3.0), (3.0, 3.0), (4.0, 1.0), (0.5, math.inf), (5.0, 2.0)]
    assert pareto_front(points) == [0, 1, 3]
    assert pareto_front([(2.0, 1.0), (1.0, 2.0), (2.0, 1.0)]) == [1, 0, 2]
    assert pareto_front([]) == []


def test_the_solver_at_equal_cost_is_the_most_accurate_one_that_is_no_dearer():
    solvers = [Solver("reference", 0.0, 5.0, None), Solver("a", 0.1, 2.0, {}), Solver("b", 0.1, 1.0, {})]
    assert most_accurate_within(solvers, 5.0).label == "reference"
    assert most_accurate_within(solvers, 4.9).label == "b"
    assert most_accurate_within(solvers, 0.9) is None


def test_bands_of_an_evolution_are_geometric_means_up_to_the_horizon():
    errors = {"nrmse": [1.0] * 3, "mean_horizon": 2, "bands": {"edges": [5], "nrmse": [[1.0, 4.0, 9.0], [None] * 3]}}
    assert band_errors(errors, "evolution") == [pytest.approx(2.0), math.inf]
    assert band_errors({"bands": {"edges": [5], "relative_l2": [0.5, None]}}, "steady") == [0.5, math.inf]
    assert band_errors(None, "steady") == band_errors({"bands": None}, "steady") == []
    assert geometric_mean([0.0, 1.0]) == 0.0 and geometric_mean([]) == math.inf


def test_rows_are_sorted_by_the_median_over_seeds():
    runs = [records.run(POISSON, "A", error=error, seed=seed) for seed, error in enumerate((0.1, 0.9, 0.5))]
    problem = records.problem(*runs, records.run(POISSON, "B", error=0.4), records.run(POISSON, "C", status="failed"))
    assert [row.label for row in problem.rows] == ["B", "A", "C"]
    assert problem.rows[1].error == (0.5, 0.1, 0.9, 3)
    assert [problem.rank(row) for row in problem.rows] == [1, 2, None]
    assert problem.rows[2].state == "1 failed of 1"


def test_what_diverged_counts_as_an_infinite_error_and_what_failed_does_not():
    runs = [records.run(POISSON, "A", error=0.1), records.run(POISSON, "A", seed=1, status="diverged")]
    (row,) = records.problem(*runs, records.run(POISSON, "A", seed=2, status="failed")).rows
    assert row.error == (math.inf, 0.1, math.inf, 2)
    assert row.of("parameters").count == 1
    assert row.state == "1 diverged, 1 failed of 3"


def test_a_rollout_that_is_not_finite_counts_as_an_infinite_error():
    (row,) = records.problem(records.run(BURGERS, "A", error=None)).rows
    assert row.error == (math.inf, math.inf, math.inf, 1)
    cells = dict(zip(*head_and_first_row(records.problem(records.run(BURGERS, "A", error=None))), strict=True))
    assert cells["nRMSE 1–12"] == "∞†‡" and cells["step 1"] == "0.500" and cells["unstable"] == "3/5 from step 6"


def head_and_first_row(problem):
    table = problem_sheet(problem).to_table()
    return table.columns, table.rows[0]


def test_the_table_of_an_evolution_has_what_was_measured_and_what_it_is_worth():
    runs = [records.run(BURGERS, error=0.01 * (1 + seed), seed=seed, published=0.012) for seed in range(3)]
    cells = dict(zip(*head_and_first_row(records.problem(*runs)), strict=True))
    growth = math.exp(0.2 * 5.5)  # the geometric mean over steps 0 to 11
    assert cells["nRMSE 1–12"] == f"{0.02 * growth:.4f} [{0.01 * growth:.4f}–{0.03 * growth:.4f}]"
    assert cells["step 1"] == "0.0200 [0.0100–0.0300]"
    assert cells["step 12"].startswith(f"{0.02 * math.exp(2.2):.3f}")
    assert cells["k < 5"].startswith(f"{0.9 * 0.02 * growth:.4f}")
    assert cells["k ≥ 13"].startswith(f"{0.1 * 0.02 * growth:.5f}")
    assert cells["correlated"] == "12" and cells["unstable"] == "0/15"
    assert cells["parameters"] == "32,943" and cells["field"] == "16"
    assert cells["train [s]"] == "215 [210–220]" and cells["ms / step"] == "2" and cells["memory [MB]"] == "0.12"
    assert cells["speed"] == "×2.5" and cells["published"] == "0.0120" and cells["seeds"] == "3/3"
    assert cells["solver at equal cost"] == f"{0.05 * growth:.3f} (8 points)"


def test_the_table_of_a_steady_problem_ends_with_its_baselines():
    table = problem_sheet(records.problem(records.run(POISSON, error=0.2))).to_table()
    assert table.columns[2] == "relative L2" and table.rows[0][2] == "0.200‡"
    assert [row[0] for row in table.rows[1:]] == ["zero", "solver: reference", "solver: 8 points", "solver: 4 points"]
    assert [row[2] for row in table.rows[1:]] == ["1.00", "0", "0.0500", "0.200"]
    assert table.rows[0][table.columns.index("worst sample")] == "0.600"


def test_a_network_as_slow_as_the_reference_is_compared_with_it():
    problem = records.problem(records.run(BURGERS, ms_per_step=7.0), records.run(BURGERS, "Fast", ms_per_step=0.05))
    table = problem_sheet(problem).to_table()
    column = table.columns.index("solver at equal cost")
    assert {row[0]: row[column] for row in table.rows[:2]} == {"Res;26;8;relu": "the reference itself", "Fast": "none"}


def test_data_from_files_have_no_solver_to_compare_with():
    table = problem_sheet(records.problem(records.run(BURGERS), solvers=False)).to_table()
    assert "solver at equal cost" not in table.columns and "speed" not in table.columns
    assert [row[0] for row in table.rows] == ["Res;26;8;relu", "persistence"]


def test_a_run_of_which_nothing_is_known_has_a_row():
    problem = records.problem(records.empty_run(BURGERS), solvers=False)
    assert problem.rows[0].error is None and problem.rows[0].curves == []
    assert problem_sheet(problem).to_table().rows[0][:2] == ("Null", "–")


def test_overlapping_ranges_of_the_first_two_are_said():
    def notes(*errors):
        runs = [
            records.run(POISSON, name, error=error, seed=seed)
            for name, of_name in zip("AB", errors, strict=True)
            for seed, error in enumerate(of_name)
        ]
        return " ".join(problem_sheet(records.problem(*runs)).notes)

    assert "The ranges of the first two, A and B, overlap: do not rank them." in notes((0.1, 0.3), (0.2, 0.4))
    assert "overlap" not in notes((0.1, 0.15), (0.2, 0.4))
    assert "overlap" not in notes((0.1,), (0.1,))


def test_ranks_are_averaged_over_the_problems_that_a_network_was_tried_on(study):
    ranks = mean_ranks(make_problems(study))
    assert ranks["Res;26;8;relu"] == 1 and ranks["UNet;12;2;relu"] == 2 and ranks["FNO;12;18;4;gelu"] == 3
    assert ranks["Late"] is None and next(iter(ranks)) == "Res;26;8;relu"


def test_the_summary_colours_by_the_distance_to_the_best():
    errors = {"A": 0.1, "B": 0.2, "C": 50.0}
    runs = [records.run(of, name, error=error) for of in (POISSON, BURGERS) for name, error in errors.items()]
    sheet = summary_sheet(make_problems(records.results(runs)))
    assert [cells[0].text for cells in sheet.rows] == ["A", "B", "C"]
    assert [cells[2].heat for cells in sheet.rows] == [0.0, pytest.approx(math.log10(2)), 1.0]
    assert [cells[2].detail for cells in sheet.rows] == ["#1", "#2", "#3"] and sheet.rows[0][2].is_best


def test_networks_of_one_label_are_told_apart_by_their_options():
    other = records.run(BURGERS, seed=0)
    other["network"] = other["network"] | {"options": {"hidden_channels": 8}}
    labels = [row.label for row in records.problem(records.run(BURGERS), other).rows]
    assert labels == [f"Res;26;8;relu (ClassicResNet: hidden_channels={size})" for size in (26, 8)]


def test_problems_that_differ_in_one_field_alone_become_a_curve(study):
    (sweep,) = make_sweeps(make_problems(study))
    assert sweep.field == "num_points" and sweep.values == [8, 16, 32]
    errors = [found.median for found in sweep.curve("Res;26;8;relu")]
    assert errors == pytest.approx([errors[0], errors[0] / 2, errors[0] / 3])
    assert sweep.curve("nobody") == [None] * 3


def test_a_sweep_over_unequal_axes_takes_their_geometric_mean():
    scenarios = [records.scenario(f"s{points}", num_points=points) for points in ([4, 9], [8, 8])]
    for of in scenarios:
        of["config"]["name"] = "same"
    (sweep,) = make_sweeps(make_problems(records.results([records.run(of) for of in scenarios])))
    assert sweep.values == pytest.approx([6, 8])


def test_remarks_name_what_is_missing_short_or_no_better_than_a_solver(study):
    remarks = " ".join(make_remarks(study))
    assert "Missing: 1 of 31 runs: Late on burgers-1d." in remarks
    assert "Diverged in training: 1 of 31 runs: Dil;2;32;2;relu on burgers-1d." in remarks
    assert "short training budget: 500 instead of 10,000 steps" in remarks and "`--steps 10000`" in remarks
    assert "are no better than a solver that costs at most as much" in remarks
    assert "One seed" not in remarks
    assert "One seed per network" in " ".join(make_remarks(records.results([records.run(BURGERS)])))


def test_tables_fit_into_80_columns(study):
    tables = make_tables(study)
    assert [table.title for table in tables][-1] == "Ranks by error" and len(tables) == 10
    for table in tables:
        console = Console(width=80, file=io.StringIO())
        console.print(table.to_rich())
        text = console.file.getvalue()
        assert max(map(len, text.splitlines())) <= 80 and "Res;26;8;relu" in text
    assert study.tables() == tables


def test_brackets_in_a_table_are_text_and_not_markup():
    console = Console(width=80, file=io.StringIO())
    console.print(Table("[bold]t", ("[red]c",), [("[dirichlet,neumann]",)]).to_rich())
    assert all(text in console.file.getvalue() for text in ("[bold]t", "[red]c", "[dirichlet,neumann]"))


def test_two_runs_side_by_side():
    first = records.run(BURGERS, error=0.01)
    second = records.run(BURGERS, "UNet;12;2;relu", error=0.02, num_steps=500, ms_per_step=1.0)
    table = comparison_table(first, second)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["network label"] == ("Res;26;8;relu", "UNet;12;2;relu", "")
    assert rows["training num_steps"] == ("10000", "500", "") and "scenario config num_points" not in rows
    assert rows["nRMSE at step 1"] == ("0.0100", "0.0200", "×2")
    assert rows["ms per step"] == ("2", "1", "×0.5") and rows["unstable rollouts"] == ("0", "0", "–")


def test_a_run_beside_itself_and_beside_one_without_results():
    run = records.run(POISSON)
    assert comparison_table(run, run).rows[0][0] == "(the same configuration)"
    table = comparison_table(run, records.run(BURGERS, status="failed"))
    assert ("relative L2", "0.0120", "–", "–") in table.rows
    assert ("status", "finished", "failed", "") in table.rows and "MemoryError" in table.notes[-1]


def test_numbers_are_as_long_as_they_need_to_be():
    assert [error_text(x) for x in (None, math.inf, 0.0, 0.026, 123.4, 999.9, 4e-5, 2e7)] == [
        *("–", "∞", "0", "0.0260", "123", "1.00e+03", "4.0e-05", "2.0e+07")
    ]
    assert [amount_text(x) for x in (None, 0.1234, 5.0, 21.04, 32_943)] == ["–", "0.12", "5", "21", "32,943"]
    assert shortened("abcdefgh", 8) == "abcdefgh" and shortened("abcdefghi", 7) == "abcd…hi"


def test_a_folder_holds_what_is_finished_and_knows_what_is_missing(tmp_path):
    store = Store(tmp_path)
    runs = [Run(make_scenario("burgers"), Network.parse(text)) for text in ("Res;26;8;relu", "Conv;3;1;relu")]
    found = records.run(runs[0].record()["scenario"]) | {"id": runs[0].identity}
    for kind, record in (("runs", found), ("scenarios", records.scenario_record(found["scenario"]))):
        folder = store.folder(kind, record["id"])
        folder.mkdir(parents=True)
        store.finish(folder, record, {"field": np.arange(3)})
    asked = gather(store, runs, command="c")
    assert [run["status"] for run in asked.runs] == ["finished", "missing"] and asked.command == "c"
    assert asked.runs[0]["published"] == 0.012 and asked.runs[0]["network"]["architecture"] == "ClassicResNet"
    assert list(asked.scenarios) == [found["scenario"]["id"]]
    assert asked.samples(found["id"])["field"].shape == asked.samples(found["scenario"]["id"])["field"].shape == (3,)
    assert asked.samples(runs[1].identity) == {}
    assert [run["id"] for run in gather(store).runs] == [found["id"]]
