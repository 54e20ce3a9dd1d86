"""Run the page operator_params.md: execute its code, draw its pictures, write its tables.

`python docs/guides/operator_params.py` takes about half an hour on two CPU cores. `--steps N` shortens the trainings
and prints without touching the page.
"""

import argparse
import json
import os
import re
import statistics
import time
from pathlib import Path

import jax
import numpy as np

PAGE = Path(__file__).with_suffix(".md")
FOLDER = Path(__file__).with_suffix("")
NUM_STEPS = 3001
PRINTED_STEPS = (0, 100, 500, 1000, 1500, 2000, 2500, 3000)


def run_page(num_steps: int = NUM_STEPS) -> dict:
    """The names that the page's code defines, with trainings of `num_steps`."""
    code = "\n\n".join(re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))
    line = f"num_steps = {NUM_STEPS}\n"
    if code.count(line) != 1:
        raise ValueError(f"the page must set the number of steps once, as {line!r}")
    names = {}
    exec(compile(code.replace(line, f"num_steps = {num_steps}\n"), str(PAGE), "exec"), names)
    return names


def measure(names: dict, num_steps: int) -> dict:
    """The numbers of the page."""
    trained = {"section 7: zeros beyond the edges": (names["corrector"], names["losses"]), **names["trained"]}
    seconds = seconds_of_training(names, num_steps)
    rows = [
        {"network": name, "parameters": size(network), "final": float(losses[-1]), "seconds": seconds[name]}
        for name, (network, losses) in trained.items()
    ]
    taps = {"network": "section 9: seven taps, no training", "parameters": 4, "final": float(names["exact_mse"])}
    return {
        "num_steps": num_steps,
        "baseline": float(names["baseline_mse"]),
        "losses": {str(step): float(names["losses"][step]) for step in PRINTED_STEPS if step < num_steps},
        "correctors": [*rows, {**taps, "seconds": 0}],
        "schemes": [
            {
                "scheme": name,
                "parameters": {"trained stencil": 5, "learned limiter": size(names["trained_limiter"])}.get(name, 0),
                "error": float(names["mean_error"][name]),
                "overshoot": float(names["overshoot"][name]),
            }
            for name in names["final_states"]
        ],
    }


def seconds_of_training(names: dict, num_steps: int, rounds: int = 15) -> dict[str, int]:
    """The seconds that the gradients of each training take: medians of interleaved rounds."""
    problems = {"section 7: zeros beyond the edges": (names["corrector"], names["corrector_loss"])}
    problems |= {name: names["problem"](make_network) for name, make_network in names["correctors"].items()}
    compiled = {name: (jax.jit(jax.grad(loss)), network) for name, (network, loss) in problems.items()}
    timings = {name: [] for name in problems}
    for _ in range(rounds + 1):
        for name, (gradient, network) in compiled.items():
            start = time.perf_counter()
            jax.block_until_ready(gradient(network))
            timings[name].append(time.perf_counter() - start)
    return {name: round(num_steps * statistics.median(seconds[1:])) for name, seconds in timings.items()}


def size(network) -> int:
    """The number of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(network))


def tables(results: dict) -> dict[str, str]:
    """The tables of the page, by the name of the comment that stands before them."""
    losses = [f"| baseline | {results['baseline']:.6f} |"]
    losses += [f"| {step} | {loss:.8f} |" for step, loss in results["losses"].items()]
    correctors = [
        f"| {row['network']} | {row['parameters']:,} | {row['final']:.1e} | {row['seconds']} |"
        for row in results["correctors"]
    ]
    schemes = [
        f"| {row['scheme']} | {row['parameters']:,} | {row['error']:.3f} | {row['overshoot']:.3f} |"
        for row in results["schemes"]
    ]
    return {
        "losses": _table("| step | mean squared error |", losses),
        "correctors": _table("| network | parameters | final MSE | seconds |", correctors),
        "schemes": _table("| scheme | parameters | mean error | overshoot |", schemes),
    }


def _table(header: str, rows: list[str]) -> str:
    return "\n".join([header, "|---" * (header.count("|") - 1) + "|", *rows])


def page_with(results: dict) -> str:
    """The page with its tables replaced."""
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables(results).items():
        pattern = rf"(<!-- {name} -->\n)(?:\n(?:\|.*\n)+)?"
        text, count = re.subn(pattern, lambda match, table=table: f"{match[1]}\n{table}\n", text)
        if count != 1:
            raise ValueError(f"the page must have one place for the table of {name}")
    return text


def write(path: Path, text: str) -> None:
    """Atomically."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def draw(names: dict) -> None:
    """The pictures of the page."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    def save(figure, name):
        figure.savefig(FOLDER / f"{name}.png", dpi=65, bbox_inches="tight", pil_kwargs={"optimize": True})
        plt.close(figure)

    def images(name, panels, size=3.2):
        figure, axes = plt.subplots(1, len(panels), figsize=(size * len(panels), size), constrained_layout=True)
        for ax, (title, values, cmap, limits) in zip(axes, panels, strict=True):
            shown = ax.imshow(values, cmap=cmap, vmin=limits[0], vmax=limits[1])
            ax.set_title(title, fontsize=10)
            ax.axis("off")
            if cmap != "gray":
                figure.colorbar(shown, ax=ax, shrink=0.75)
        save(figure, name)

    def first(field):
        return np.asarray(field.params[..., 0])

    photograph = ("photograph", names["photograph"], "gray", (0, 1))
    slope = lambda title, field: (title, first(field), "RdBu", (-0.3, 0.3))  # noqa: E731
    images(
        "gradients",
        [
            photograph,
            slope("spectral gradient", names["spectral_gradient"]),
            slope("finite differences", names["fd_gradient"]),
        ],
    )
    composed, built_in = first(names["composed_laplacian"]), first(names["built_in_laplacian"])
    images(
        "laplacians",
        [
            ("from first derivatives", composed, "RdBu", (-2, 2)),
            ("built in", built_in, "RdBu", (-2, 2)),
            ("their difference", built_in - composed, "RdBu", (-0.1, 0.1)),
        ],
    )
    images("edges", [photograph, ("magnitude of the gradient", first(names["edge_field"]), "magma", (0, 0.5))])
    images("exposure", [photograph, ("2 u - 0.3", np.clip(first(names["contrasted"]), 0, 1), "gray", (0, 1))])

    error, corrected = (
        first(names["target"]) - first(field)
        for field in (names["baseline"], names["corrected_gradient"](names["u_coarse"], params=names["trained_params"]))
    )
    images(
        "correction",
        [
            slope("target (accuracy 8)", names["target"]),
            (f"error of accuracy 2\nMSE {np.mean(error**2):.1e}", error, "RdBu", (-0.05, 0.05)),
            (f"error with the network\nMSE {np.mean(corrected**2):.1e}", corrected, "RdBu", (-0.05, 0.05)),
        ],
    )
    impulse = np.asarray(names["impulse"][57:72, 57:72])
    limit = np.abs(impulse).max()
    images("impulse", [(f"component {i}", impulse[..., i], "RdBu", (-limit, limit)) for i in range(2)])

    figure, ax = plt.subplots(figsize=(7, 2.8), constrained_layout=True)
    ax.semilogy(names["losses"], linewidth=1)
    ax.axhline(names["baseline_mse"], color="gray", linestyle="--", linewidth=1)
    ax.text(len(names["losses"]), names["baseline_mse"], "accuracy 2 ", ha="right", va="bottom", color="gray")
    ax.set(xlabel="training step", ylabel="mean squared error")
    save(figure, "losses")

    figure, axes = plt.subplots(1, len(names["final_states"]), figsize=(11, 2.6), sharey=True, constrained_layout=True)
    x = np.asarray(names["line"].spatial_axis[0])
    for ax, (title, states) in zip(axes, names["final_states"].items(), strict=True):
        ax.step(x, names["unseen"][0, -1, :, 0], where="mid", color="gray", linewidth=1, label="exact")
        ax.plot(x, states[0, :, 0], linewidth=1.5)
        ax.set(title=title, xlabel="x")
    axes[0].set_ylabel("u after one period")
    axes[0].legend(frameon=False, fontsize=8)
    save(figure, "schemes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--steps", type=int, default=NUM_STEPS, help="training steps; other than the default only prints"
    )
    parser.add_argument("--seconds", action="store_true", help="measure only the column of seconds again")
    arguments = parser.parse_args()
    names = run_page(2 if arguments.seconds else arguments.steps)
    if arguments.seconds:
        results = json.loads((FOLDER / "results.json").read_text(encoding="utf-8"))
        for name, seconds in seconds_of_training(names, NUM_STEPS).items():
            next(row for row in results["correctors"] if row["network"] == name)["seconds"] = seconds
    else:
        results = measure(names, arguments.steps)
    for table in tables(results).values():
        print(f"\n{table}")
    if arguments.steps == NUM_STEPS:
        FOLDER.mkdir(exist_ok=True)
        write(FOLDER / "results.json", json.dumps(results, indent=1) + "\n")
        write(PAGE, page_with(results))
        if not arguments.seconds:
            draw(names)


if __name__ == "__main__":
    main()
