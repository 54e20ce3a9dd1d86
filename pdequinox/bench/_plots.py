"""Errors and costs as pictures, in colours that colour-blind readers can tell apart (Okabe & Ito, 2008)."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._aggregate import (
    MAIN_ERROR,
    SWEPT_FIELDS,
    Problem,
    Row,
    Spread,
    Sweep,
    curve_of,
    mean_ranks,
    pareto_front,
)
from ._sheets import short_titles
from ._tables import Number, drawn, error_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_MARKERS = "osD^vPX"
_LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
_LABEL_WIDTH = 34
MOST_BANDS = 8
"""So many networks get the range of their seeds as a band; more would hide each other."""


def style_of(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the network with this number, the same in every picture."""
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "marker": _MARKERS[index % len(_MARKERS)],
        "linestyle": _LINES[(index // len(_COLOURS)) % len(_LINES)],
    }


def mark_of(index: int) -> str:
    """By which a page finds the lines of a network; it is numbered as in `numbers_of`."""
    return f"network-{index}"


def numbers_of(problems: Sequence[Problem]) -> dict[str, int]:
    """A number for each network, by label, that sets its colour in all pictures of a study."""
    labels = dict.fromkeys(run["network"]["label"] for p in problems for row in p.rows for run in row.runs)
    numbers = {label: i for i, label in enumerate(labels)}
    for problem in problems:
        for row in problem.rows:
            numbers.setdefault(row.label, len(numbers))
    return numbers


def plot_error_over_steps(problem: Problem, numbers: dict[str, int]) -> "Figure | None":
    """nRMSE of each network as it is rolled out, with the range over seeds, and of what needs no learning."""
    shown = [row for row in problem.rows if row.curves]
    if problem.kind == "steady" or not shown:
        return None
    figure = new_figure(6.0, 3.9 + _legend_height(len(shown)))
    axes = figure.subplots()
    for row in shown:
        curves = np.array(row.curves)
        steps = np.arange(1, curves.shape[1] + 1)
        style = style_of(numbers[row.label])
        middle = np.median(curves, axis=0)  # NaN, and so a gap, where one seed is not finite
        axes.plot(
            steps,
            np.where(middle > 0, middle, np.nan),
            label=_legend_label(row),
            markevery=(1 + numbers[row.label] % 5, max(1, len(steps) // 8)),
            markersize=5,
            linewidth=1.5,
            gid=mark_of(numbers[row.label]),
            **style,
        )
        if len(curves) > 1 and len(shown) <= MOST_BANDS:
            low, high = curves.min(axis=0), curves.max(axis=0)
            axes.fill_between(steps, low, high, color=style["color"], alpha=0.2, linewidth=0)
    _draw_unlearned_curves(axes, problem)
    _log_if_possible(axes, "y")
    axes.set(xlabel="rollout step", ylabel="nRMSE, mean over test trajectories")
    head(figure, problem.title)
    _finish(figure, axes)
    return figure


def plot_error_against_cost(problem: Problem, numbers: dict[str, int]) -> "Figure | None":
    """Where each network stands between cheap and exact: cost of a step, and of training."""
    shown = [row for row in problem.ranked if row.error and math.isfinite(row.error.median) and row.error.median > 0]
    call = "rollout step" if problem.kind == "evolution" else "call"
    costs = {"ms_per_step": f"ms per {call}, all test samples at once", "training_seconds": "training time [s]"}
    costs = {name: label for name, label in costs.items() if any(row.of(name) for row in shown)}
    if not costs:
        return None
    figure = new_figure(0.9 + 3.3 * len(costs), 3.7 + _legend_height(len(shown)))
    panels: Sequence[Axes] = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0]
    for axes, (name, label) in zip(panels, costs.items(), strict=True):
        known = [(row, cost) for row in shown if (cost := row.of(name)) is not None]
        points = [(cost.median, row.error.median) for row, cost in known if row.error]
        front = pareto_front(points)
        xs, ys = [points[i][0] for i in front], [points[i][1] for i in front]
        axes.plot(xs, ys, color="0.5", linewidth=5, alpha=0.3, label="Pareto front")
        for row, cost in known:
            assert row.error is not None
            _point(axes, row, cost, row.error, numbers[row.label])
        if name == "ms_per_step":
            _draw_solvers(axes, problem)
        _draw_level(axes, (problem.without_learning or {}).get(MAIN_ERROR[problem.kind]), "no learning")
        axes.set(xlabel=label)
        for axis in "xy":
            _log_if_possible(axes, axis)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(_error_name(problem))
    head(figure, problem.title, ": down and to the left is better")
    _finish(figure, *panels)
    return figure


def plot_bands(problem: Problem, numbers: dict[str, int]) -> "Figure | None":
    """The error in bands of wave numbers: one row per network."""
    shown = [row for row in problem.rows if any(band and math.isfinite(band.median) for band in row.bands)]
    if not shown:
        return None
    known = [run["errors"] for row in shown for run in row.finished if run.get("errors")]
    edges = next(errors["bands"]["edges"] for errors in known if errors.get("bands"))
    figure = new_figure(6.0, 1.5 + 0.28 * len(shown))
    axes = figure.subplots()
    for i in range(len(edges) + 1):
        found = [row.bands[i] if i < len(row.bands) else None for row in shown]
        values = np.array([band.median if band and 0 < band.median < math.inf else math.nan for band in found])
        limits = [0, *edges, None][i : i + 2]
        name = f"k ≥ {limits[0]}" if limits[1] is None else f"{limits[0]} ≤ k < {limits[1]}"
        lows = [band.low if band else math.nan for band in found]
        highs = [band.high if band and band.high < math.inf else math.nan for band in found]
        style: dict[str, Any] = {"color": _COLOURS[(1, 5, 0)[i % 3]], "marker": _MARKERS[i % 7]}
        axes.hlines(range(len(shown)), lows, highs, color=style["color"], alpha=0.5)
        axes.plot(values, range(len(shown)), linestyle="", markersize=7, label=name, **style)
    axes.set_yticks(range(len(shown)), [drawn(row.label, _LABEL_WIDTH) for row in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set(xlabel=f"{_error_name(problem).partition(',')[0]}, by wave number k")
    head(figure, problem.title)
    _log_if_possible(axes, "x")
    _finish(figure, axes)
    return figure


def plot_matrix(problems: Sequence[Problem]) -> "Figure | None":
    """The error of each network on each problem; the colour is the distance to the best on that problem."""
    labels = list(mean_ranks(problems))
    errors = np.full((len(labels), len(problems)), math.nan)
    for j, problem in enumerate(problems):
        for row in problem.ranked:
            assert row.error is not None
            errors[labels.index(row.label), j] = row.error.median
    if len(problems) < 2 or not np.isfinite(errors).any():
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        lowest = np.nanmin(np.where(np.isfinite(errors), errors, math.inf), axis=0)
        ratios = np.log10(np.where(np.isinf(errors), math.inf, errors / lowest))
    figure = new_figure(2.9 + 0.72 * len(problems), 1.9 + 0.3 * len(labels))
    axes = figure.subplots()
    image = axes.imshow(np.clip(ratios, 0, 1), cmap="Oranges", vmin=-0.1, vmax=1.1, aspect="auto")
    for i, j in np.ndindex(errors.shape):
        if not np.isnan(errors[i, j]):
            colour = "#fffffe" if ratios[i, j] > 0.7 else "#010101"
            axes.text(j, i, error_text(float(errors[i, j])), ha="center", va="center", fontsize=8, color=colour)
    titles = [drawn(title, 30) for title in short_titles(problems)]
    axes.set_xticks(range(len(problems)), titles, rotation=40, ha="right")
    axes.set_yticks(range(len(labels)), [drawn(label, _LABEL_WIDTH) for label in labels])
    bar = figure.colorbar(image, ax=axes, ticks=[0, math.log10(2), math.log10(5), 1], shrink=0.8)
    bar.ax.set_yticklabels(["best", "×2", "×5", "×10 or more"])
    axes.set_title("Error; the colour compares with the best network of the column", fontsize="medium")
    return figure


def plot_sweep(sweep: Sweep, numbers: dict[str, int]) -> "Figure | None":
    """Error against resolution or training-set size."""
    figure = new_figure(6.0, 3.9 + _legend_height(len(sweep.labels)))
    axes = figure.subplots()
    for label in sweep.labels:
        known = [(x, y) for x, y in zip(sweep.values, sweep.curve(label), strict=True) if y and 0 < y.median < math.inf]
        if not known:
            continue
        x, spreads = zip(*known, strict=True)
        style = style_of(numbers[label])
        gid = mark_of(numbers[label])
        axes.plot(x, [s.median for s in spreads], label=drawn(label, _LABEL_WIDTH), gid=gid, **style)
        low, high = ([min(s[i], 10 * s.median) for s in spreads] for i in (1, 2))
        axes.fill_between(x, low, high, color=style["color"], alpha=0.2, linewidth=0)
    if not axes.lines:
        return None
    known = [problem.without_learning for problem in sweep.problems]
    flat = [errors.get(MAIN_ERROR[sweep.problems[0].kind]) if errors else None for errors in known]
    axes.plot(sweep.values, [value or math.nan for value in flat], color="0.5", linestyle="--", label="no learning")
    for axis in "xy":
        _log_if_possible(axes, axis)
    axes.set_xticks(sweep.values, [f"{value:g}" for value in sweep.values])
    axes.minorticks_off()
    axes.set(xlabel=SWEPT_FIELDS[sweep.field], ylabel=_error_name(sweep.problems[0]))
    head(figure, sweep.title)
    _finish(figure, axes)
    return figure


def new_figure(width: float, height: float) -> "Figure":
    """A figure outside pyplot's global state, so that no display is needed."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def head(figure: "Figure", title: str, rest: str = "") -> None:
    """A title that is no wider than the figure; of a long one the middle is left out."""
    length = int(11.5 * figure.get_figwidth()) - len(rest)
    figure.suptitle(drawn(title, length) + rest, fontsize="medium")


def _point(axes: "Axes", row: Row, cost: Spread, error: Spread, number: int) -> None:
    """A network with the ranges of its cost and error."""
    style: dict[str, Any] = style_of(number) | {"linestyle": ""}
    gid = mark_of(number)
    if error.count > 1 and math.isfinite(error.high):
        line: dict[str, Any] = {"color": style["color"], "linewidth": 1, "alpha": 0.6, "gid": gid}
        axes.plot([cost.median] * 2, [error.low, error.high], **line)
        axes.plot([cost.low, cost.high], [error.median] * 2, **line)
    axes.plot([cost.median], [error.median], markersize=8, label=_legend_label(row), gid=gid, **style)


def _draw_solvers(axes: "Axes", problem: Problem) -> None:
    """Coarse solvers as a line; the reference, whose error is zero, as its cost."""
    coarse = sorted((s.ms_per_step, s.error) for s in problem.solvers if 0 < s.error < math.inf)
    if coarse:
        axes.plot(*zip(*coarse, strict=True), color="0.5", marker="x", linestyle=":", label="coarser solvers")
    if problem.reference:
        axes.axvline(problem.reference.ms_per_step, color="0.5", linestyle=":", label="reference solver")


def _draw_level(axes: "Axes", value: Number, label: str) -> None:
    if value is not None and value > 0:
        axes.axhline(value, color="0.5", linestyle="--", label=label)


def _draw_unlearned_curves(axes: "Axes", problem: Problem) -> None:
    """Persistence, and the solvers on coarser grids."""
    curves = [("persistence", "--", problem.without_learning)]
    lines = (":", "-.", (0, (1, 3)))
    coarse = [solver for solver in problem.solvers if solver.errors]
    curves += [(f"solver, {s.label}", lines[i % 3], s.errors) for i, s in enumerate(coarse)]  # pyright: ignore
    for label, line, errors in curves:
        if errors:
            curve = curve_of(errors)
            steps = np.arange(1, len(curve) + 1)
            axes.plot(steps, np.where(curve > 0, curve, np.nan), color="0.5", linestyle=line, label=label)
    if problem.horizon < problem.num_steps:
        axes.axvline(problem.horizon, color="0.5", linewidth=0.8, alpha=0.6)


def _legend_label(row: Row) -> str:
    state = f" ({row.state})" if row.state else ""
    return drawn(row.label, _LABEL_WIDTH) + state


def _legend_height(num_entries: int) -> float:
    return 0.2 * math.ceil((num_entries + 4) / 2)


def _finish(figure: "Figure", *panels: "Axes") -> None:
    """Grid, and one legend below all panels."""
    for axes in panels:
        axes.grid(alpha=0.3)
    found = [entry for axes in panels for entry in zip(*axes.get_legend_handles_labels(), strict=True)]
    entries = {label: handle for handle, label in found}
    longest = max((len(label) for label in entries), default=0)
    columns = min(4, max(1, int(figure.get_figwidth() * 72 / (5.2 * longest + 40))))
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": columns}
    figure.legend(list(entries.values()), list(entries), fontsize="small", frameon=False, **where)


def _log_if_possible(axes: "Axes", axis: str) -> None:
    """A logarithmic axis with readable numbers, if all that is drawn is positive and there is something."""
    from matplotlib.ticker import LogLocator, NullFormatter

    lines = [line for line in axes.lines if line.get_transform() == axes.transData]
    values = np.concatenate([np.ravel(getattr(line, f"get_{axis}data")()) for line in lines] or [np.zeros(0)])
    values = values[np.isfinite(values.astype(float))]
    if not len(values) or values.min() <= 0:
        return
    getattr(axes, f"set_{axis}scale")("log")
    if values.max() / values.min() < 200:
        which = getattr(axes, f"{axis}axis")
        which.set_major_locator(LogLocator(subs=(1, 2, 5)))
        which.set_major_formatter("{x:g}")
        which.set_minor_formatter(NullFormatter())


def _error_name(problem: Problem) -> str:
    return "nRMSE, geometric mean over steps" if problem.kind == "evolution" else "relative L2 error"
