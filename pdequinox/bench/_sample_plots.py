"""One test sample as the reference and the networks see it, with the errors."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._aggregate import Problem
from ._plots import head, new_figure, style_of
from ._tables import drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NETWORKS = 6
"""That are drawn: the most accurate ones."""
MOST_TIMES = 4
_FIELD_MAP, _ERROR_MAP, _INPUT_MAP = "RdBu_r", "PuOr_r", "PiYG"


@dataclasses.dataclass(frozen=True)
class Sample:
    """The first channel of the first test sample; in three dimensions the slice in the middle of the last axis."""

    problem: Problem
    truth: np.ndarray
    """Of shape `(times, *spatial)`; a steady problem has one time."""
    times: Sequence[int]
    """The step of each."""
    inputs: np.ndarray | None
    predictions: dict[str, np.ndarray]
    """By label, the most accurate network first."""
    title: str


def read_sample(problem: Problem, samples: Callable[[str], dict[str, np.ndarray]]) -> Sample | None:
    """The sample of a problem, or `None` if there are no fields of it."""
    found = samples(problem.scenario["id"])
    if "truth" not in found:
        return None
    truth = np.asarray(found["truth"])
    is_steady = problem.kind == "steady"
    num_dims = truth.ndim - (1 if is_steady else 2)

    def picture(array: np.ndarray) -> np.ndarray:
        field = array[None, 0] if is_steady else array[:, 0]
        return field[..., field.shape[-1] // 2] if num_dims == 3 else field

    predictions = {}
    for row in problem.rows:
        arrays = (samples(run["id"]).get("prediction") for run in row.finished)
        first = next((np.asarray(array) for array in arrays if array is not None), None)
        if first is not None and first.shape == truth.shape and len(predictions) < MOST_NETWORKS:
            predictions[row.label] = picture(first)
    if not predictions:
        return None
    words = [problem.scenario["label"], "the first test sample"]
    num_channels = truth.shape[0 if is_steady else 1]
    words += [f"channel 1 of {num_channels}"] if num_channels > 1 else []
    words += ["the slice in the middle of the last axis"] if num_dims == 3 else []
    words += [f"the {MOST_NETWORKS} best networks"] if len(predictions) < len(problem.ranked) else []
    inputs = found.get("inputs")
    times = found.get("times", np.arange(1 if is_steady else len(truth)))
    return Sample(
        problem,
        picture(truth),
        [int(time) for time in times],
        None if inputs is None else picture(np.asarray(inputs)),
        predictions,
        ", ".join(words),
    )


def plot_sample(sample: Sample, numbers: dict[str, int]) -> "Figure":
    """Space-time images of a line, snapshots of a plane, curves of a steady line."""
    if sample.problem.kind == "steady":
        return _plot_lines(sample, numbers) if sample.truth.ndim == 2 else _plot_solutions(sample)
    return _plot_space_time(sample) if sample.truth.ndim == 2 else _plot_snapshots(sample)


def _plot_space_time(sample: Sample) -> "Figure":
    """Time to the right, space upwards; errors below."""
    extent = (sample.times[0] - 0.5, sample.times[-1] + 0.5, 0, 1)
    images = {label: field.T for label, field in sample.predictions.items()}
    figure, grid = _reference_and_errors(sample, sample.truth.T, images, extent, "auto")
    for axes in grid[1, 1:]:
        axes.set_xlabel("time step")
    grid[0, 0].set(ylabel="x", xlabel="time step")
    grid[0, 0].tick_params(labelbottom=True)
    grid[1, 1].set_ylabel("x")
    grid[1, 1].tick_params(labelleft=True)
    return figure


def _plot_solutions(sample: Sample) -> "Figure":
    """Solutions in a row, errors below, the input below the reference."""
    images = {label: field[0].T for label, field in sample.predictions.items()}
    figure, grid = _reference_and_errors(sample, sample.truth[0].T, images, (0, 1, 0, 1), "equal")
    if sample.inputs is not None:
        grid[1, 0].axis("on")
        _show(grid[1, 0], sample.inputs[0].T, _INPUT_MAP, _size(sample.inputs), (0, 1, 0, 1), "equal")
        grid[1, 0].set_title("input", fontsize="small")
    return figure


def _reference_and_errors(
    sample: Sample, truth: np.ndarray, images: dict[str, np.ndarray], extent: tuple, aspect: str
) -> tuple["Figure", np.ndarray]:
    """Two rows: fields above, their errors below."""
    columns = 1 + len(images)
    figure = new_figure(1.6 + 1.75 * columns, 4.6)
    grid = figure.subplots(2, columns, sharex=True, sharey=True, squeeze=False)
    limit = _size(sample.truth)
    errors = [image - truth for image in images.values()]
    error_limit = _error_limit(errors, limit)
    fields = {"reference": truth, **images}
    for axes, (label, field) in zip(grid[0], fields.items(), strict=True):
        _show(axes, field, _FIELD_MAP, limit, extent, aspect)
        axes.set_title(drawn(label, 20), fontsize="small")
    figure.colorbar(grid[0, 0].images[0], ax=grid[0], label="u")
    grid[1, 0].axis("off")
    for axes, error in zip(grid[1, 1:], errors, strict=True):
        _show(axes, error, _ERROR_MAP, error_limit, extent, aspect)
    figure.colorbar(grid[1, 1].images[0], ax=grid[1], label="u − reference")
    head(figure, sample.title)
    return figure, grid


def _plot_snapshots(sample: Sample) -> "Figure":
    """A row for the reference and for each network, a column for each time, and the last error."""
    last = len(sample.times) - 1
    chosen = sorted({round(last * part) for part in np.linspace(0, 1, MOST_TIMES)} - {0}) or [last]
    chosen = [0, *chosen] if len(sample.times) > 1 else chosen
    rows = {"reference": sample.truth, **sample.predictions}
    figure = new_figure(0.5 + 1.5 * (len(chosen) + 1), 1.4 + 1.5 * len(rows))
    grid = figure.subplots(len(rows), len(chosen) + 1, squeeze=False)
    limit = _size(sample.truth)
    errors = [field[last] - sample.truth[last] for field in sample.predictions.values()]
    error_limit = _error_limit(errors, limit)
    extent = (0, 1, 0, 1)
    for i, (label, fields) in enumerate(rows.items()):
        for j, time in enumerate(chosen):
            _show(grid[i, j], fields[time].T, _FIELD_MAP, limit, extent, "equal")
            if i == 0:
                grid[i, j].set_title(f"step {sample.times[time]}", fontsize="small")
        grid[i, 0].set_ylabel(drawn(label, 18), fontsize="small")
        if i:
            _show(grid[i, -1], errors[i - 1].T, _ERROR_MAP, error_limit, extent, "equal")
    grid[0, -1].axis("off")
    grid[1, -1].set_title(f"error at {sample.times[last]}", fontsize="small")
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[])
    below: dict[str, Any] = {"location": "bottom", "pad": 0.02}
    figure.colorbar(grid[0, 0].images[0], ax=grid[:, :-1], label="u", shrink=0.5, aspect=30, **below)
    bar = figure.colorbar(grid[1, -1].images[0], ax=grid[:, -1], label="u − reference", aspect=15, **below)
    bar.ax.locator_params(nbins=3)
    head(figure, sample.title)
    return figure


def _plot_lines(sample: Sample, numbers: dict[str, int]) -> "Figure":
    """Curves, and their errors below."""
    figure = new_figure(6.0, 4.6)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    x = (np.arange(sample.truth.shape[-1]) + 0.5) / sample.truth.shape[-1]
    top.plot(x, sample.truth[0], color="black", linewidth=3, alpha=0.5, label="reference")
    for label, field in sample.predictions.items():
        style = style_of(numbers[label]) | {"marker": ""}
        top.plot(x, field[0], label=drawn(label, 34), **style)
        bottom.plot(x, field[0] - sample.truth[0], **style)
    limit = _size(sample.truth)
    top.set(ylabel="u", ylim=(-1.3 * limit, 1.3 * limit) if sample.truth.min() < 0 else (-0.3 * limit, 1.3 * limit))
    bottom.set(xlabel="x", ylabel="u − reference")
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, fontsize="small", frameon=False)
    head(figure, sample.title)
    return figure


def _show(axes: "Axes", field: np.ndarray, name: str, limit: float, extent: tuple, aspect: Any) -> None:
    """An image in a diverging map, in which what is not finite is grey."""
    import matplotlib

    colours = matplotlib.colormaps[name].resampled(250).with_extremes(bad="0.6")
    image = np.ma.masked_invalid(np.clip(np.nan_to_num(field, nan=np.nan, posinf=np.nan, neginf=np.nan), -limit, limit))
    if aspect == "equal":
        aspect = field.shape[0] / field.shape[1] if min(field.shape) * 4 < max(field.shape) else "equal"
    axes.imshow(
        image, cmap=colours, vmin=-limit, vmax=limit, origin="lower", extent=extent, aspect=aspect, interpolation="none"
    )


def _size(field: np.ndarray) -> float:
    """The largest magnitude, one if there is none."""
    finite = np.abs(field[np.isfinite(field)])
    return float(finite.max(initial=0.0)) or 1.0


def _error_limit(errors: Sequence[np.ndarray], limit: float) -> float:
    """A colour limit for errors that one network which blew up does not spoil."""
    sizes = [np.abs(error).max() for error in errors]
    return float(min(limit, max((size for size in sizes if np.isfinite(size)), default=limit))) or limit
