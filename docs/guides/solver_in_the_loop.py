"""A coarse Burgers solver and a network that corrects it, trained in the loop (after Um et al., 2020).

    python docs/guides/solver_in_the_loop.py                     # the numbers and pictures of the guide
    python docs/guides/solver_in_the_loop.py --fraction 0.01 --output short

Some minutes on two CPU cores; needs `pip install -e ".[bench]"` for the pictures.
"""

import argparse
import json
import math
import os
import platform
import tempfile
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

import pdequinox as pdeqx
from pdequinox.boundary import pad
from pdequinox.correction import CorrectedStepper
from pdequinox.fields import Domain, FiniteDifferences
from pdequinox.operators import RK4, derivative, laplacian

FOLDER = Path(__file__).with_suffix("")
DOMAINS = ("periodic", "dirichlet")
NUM_CELLS, REFINEMENT = 64, 8
VISCOSITY, DT, HORIZON = 0.004, 0.04, 100
NUM_TRAINING, NUM_TEST, BATCH_SIZE = 256, 32, 32
TIMED_BATCHES = (32, 256)
STAGES = ((1, 3000, 5e-3), (4, 1200, 2e-3))
"""Steps of the solver in the loop, steps of the optimizer, peak learning rate."""
CHECKED_STEPS = (1, 25, 50)
"""Training steps whose losses are recorded for the test."""
SHOWN_STEPS = (1, 10, 100)


def make_domain(mode, refinement=1, num_cells=NUM_CELLS):
    """The unit interval in cells: as many points on a periodic axis, one fewer between two walls."""
    cells = num_cells * refinement
    return Domain(cells - (mode == "dirichlet"), 1 / cells, mode, origin=0)


def burgers(viscosity=VISCOSITY):
    """The right-hand side of u_t = ν u_xx - (u²/2)_x."""
    return lambda u: viscosity * laplacian(u) - derivative(u * u / 2)


def num_substeps(domain, accuracy=2):
    """As few steps of RK4 in one coarse step as diffusion allows: λ dt ≥ -2.785."""
    largest = 4 * VISCOSITY / domain.dx[0] ** 2 * {2: 1, 4: 4 / 3}[accuracy]
    return math.ceil(DT * largest / 2.7)


def make_solver(example):
    """The finite-difference solver on the grid of `example`, over one coarse time step."""
    return RK4(burgers(), DT, num_substeps=num_substeps(example.domain, example.accuracy), example=example)


def draw_waves(mode, num_samples, key):
    """Amplitudes, wave numbers and phases of sums of sines whose largest value is one; no phases between walls."""
    amplitude_key, phase_key = jr.split(key)
    count = 3 if mode == "periodic" else 6
    k = np.arange(1, count + 1) * (2 if mode == "periodic" else 1) * np.pi
    amplitudes = np.asarray(jr.normal(amplitude_key, (num_samples, count)), float) / np.arange(1, count + 1)
    phases = np.asarray(jr.uniform(phase_key, (num_samples, count)), float) * (2 * np.pi if mode == "periodic" else 0)
    largest = np.abs(evaluate_waves((amplitudes, k, phases), np.linspace(0, 1, 513))).max(1, keepdims=True)
    return amplitudes / largest, k, phases


def evaluate_waves(waves, x):
    amplitudes, k, phases = waves
    return np.einsum("sk,skx->sx", amplitudes, np.sin(k[:, None] * x + phases[..., None]))


def on_domain(waves, domain, accuracy=2):
    values = evaluate_waves(waves, np.asarray(domain.spatial_axis[0], float))
    return FiniteDifferences(jnp.asarray(values, jnp.result_type(float))[..., None], domain, accuracy=accuracy)


def exact_solution(waves, x, t, viscosity=VISCOSITY):
    """The solution by Cole and Hopf (1950), u = ∫ (x - y)/t w dy / ∫ w dy, with u odd about the walls; in float64."""
    amplitudes, k, phases = waves
    reach = 1.2 * t + 12 * math.sqrt(2 * viscosity * t)
    s = np.linspace(-reach, reach, 4001)
    result = []
    for a, phase in zip(amplitudes, phases, strict=True):
        angles = k[:, None, None] * (x[:, None] + s) + phase[:, None, None]
        primitive = -np.einsum("k,kxs->xs", a / k, np.cos(angles))
        log_weights = -(s**2) / (4 * viscosity * t) - primitive / (2 * viscosity)
        weights = np.exp(log_weights - log_weights.max(1, keepdims=True))
        result.append(-(weights @ s) / t / weights.sum(1))
    return np.stack(result)


def restrict(values, domain, refinement):
    """Values on a finer grid, of shape (..., points, 1), at the points of the coarse one: injection."""
    first = 0 if domain.boundary_mode == ("periodic",) else refinement - 1
    return values[..., first::refinement, :]


@eqx.filter_jit
def roll_out(stepper, u):
    """The states after 0, 1, ..., HORIZON steps: (samples, times, points, 1)."""
    return jnp.moveaxis(pdeqx.train.rollout(stepper, u, HORIZON, include_initial=True).params, 0, 1)


class FluxCorrection(eqx.Module):
    """Differences of fluxes that a network puts between the points: what leaves one point arrives at its neighbour."""

    network: eqx.Module
    mode: str = eqx.field(static=True)

    def __call__(self, u):
        if self.mode == "periodic":
            fluxes = pad(self.network(u), [(1, 0)], self.mode)
        else:  # a flux at the wall as well: with the left wall as one more point
            fluxes = self.network(pad(u, [(1, 0)], self.mode))
        return jnp.diff(fluxes) / 5


def make_network(mode, use_fluxes=True):
    final = eqx.nn.Identity() if use_fluxes else lambda x: x / 20
    options = {"hidden_channels": 24, "depth": 3, "kernel_size": 5, "activation": jax.nn.gelu}
    network = pdeqx.arch.ConvNet(1, 1, 1, **options, final_activation=final, boundary_mode=mode, key=jr.PRNGKey(7))
    return FluxCorrection(network, mode) if use_fluxes else network


def make_loss(domain):
    def loss(stepper, windows):
        """Squared error over a window of states that starts at the reference, relative to the reference."""
        u = FiniteDifferences(windows[:, 0], domain, accuracy=2)
        error = 0.0
        for target in jnp.moveaxis(windows[:, 1:], 1, 0):  # unrolled: on a CPU faster than a scan
            u = stepper(u)
            error += jnp.sum((u.params - target) ** 2, (1, 2))
        return jnp.mean(error / jnp.sum(windows[:, 1:] ** 2, (1, 2, 3)))

    return loss


def train(stepper, trajectories, domain, *, fraction=1.0, stop_after=None):
    """Train the stepper's network stage by stage; `stop_after` ends the first stage early, with its own schedule."""
    losses = []
    for seed, (horizon, num_steps, rate) in enumerate(STAGES):
        starts = range(0, HORIZON - horizon + 1, 2)
        windows = np.concatenate([trajectories[:, start : start + horizon + 1] for start in starts])
        num_steps = max(2, round(fraction * num_steps))
        stepper, history = pdeqx.train.fit(
            stepper,
            make_loss(domain),
            optax.adam(optax.cosine_decay_schedule(rate, num_steps)),
            stop_after or num_steps,
            batches=pdeqx.train.shuffled(windows, BATCH_SIZE),
            key=jr.PRNGKey(seed),
            progress=False,
        )
        losses.append(history.losses["total"])
        if stop_after:
            break
    return stepper, np.concatenate(losses)


def prepare(mode, first=0):
    """The coarse domain and solver, trajectories to train on and to test on, and what the latter start from.

    The first samples are for training; without them, with `first=NUM_TRAINING`, this is quick.
    """
    coarse_domain, fine_domain = make_domain(mode), make_domain(mode, REFINEMENT)
    amplitudes, k, phases = draw_waves(mode, NUM_TRAINING + NUM_TEST, jr.PRNGKey(0))
    start = on_domain((amplitudes[first:], k, phases[first:]), fine_domain)
    trajectories = np.asarray(restrict(roll_out(make_solver(start[0]), start), coarse_domain, REFINEMENT))
    test_waves = (amplitudes[NUM_TRAINING:], k, phases[NUM_TRAINING:])
    coarse = make_solver(on_domain(test_waves, coarse_domain)[0])
    return coarse_domain, coarse, trajectories[:-NUM_TEST], trajectories[-NUM_TEST:], test_waves


def judge(stepper, start, reference, refinement):
    """The nRMSE after each step, mean over the samples, and the states on the coarse grid."""
    states = np.asarray(restrict(roll_out(stepper, start), start.domain, refinement))
    compare = jax.vmap(lambda p, t: pdeqx.train.nrmse(jnp.moveaxis(p, -1, 1), jnp.moveaxis(t, -1, 1)), 1)
    return np.asarray(jnp.mean(compare(states[:, 1:], reference[:, 1:]), 1), float), states


def measure_times(steppers, starts, repetitions=40):
    """Median milliseconds of one coarse time step of a whole batch, compiled, the steppers taking turns."""
    # The stepper is a constant of the call, so that handing over its arrays is not measured.
    calls = [jax.jit(lambda u, stepper=stepper: stepper(u).params) for stepper in steppers]
    for call, start in zip(calls, starts, strict=True):
        jax.block_until_ready(call(start))
    times = np.zeros((len(calls), repetitions))
    for turn in range(repetitions):
        for i, (call, start) in enumerate(zip(calls, starts, strict=True)):
            begin = time.perf_counter()
            jax.block_until_ready(call(start))
            times[i, turn] = time.perf_counter() - begin
    return 1e3 * np.median(times, axis=1)


def run(mode, fraction):
    """Everything about one domain: a record for the file, and one test sample for the picture."""
    domain, coarse, training, reference, waves = prepare(mode)
    # Name, refinement, accuracy, stepper and trained parameters of each row of the table.
    rows = [("coarse solver", 1, 2, coarse, 0)]
    record = {"training": {}}
    for name, use_fluxes in (("coarse + network", False), ("coarse + network of fluxes", True)):
        network = make_network(mode, use_fluxes)
        begin = time.perf_counter()
        stepper = CorrectedStepper(coarse, network, mode="sequential_with_bypass")
        stepper, losses = train(stepper, training, domain, fraction=fraction)
        record["training"][name] = {
            "seconds": time.perf_counter() - begin,
            "losses": {str(step): float(losses[step - 1]) for step in CHECKED_STEPS if step <= len(losses)},
            "last_loss": float(np.mean(losses[-50:])),
        }
        rows.append((name, 1, 2, stepper, pdeqx.count_parameters(network)))
    for refinement, accuracy in ((2, 2), (2, 4), (4, 2), (REFINEMENT, 2)):
        name = f"solver, {refinement} x points" + (", accuracy 4" if accuracy == 4 else "")
        start = on_domain(waves, make_domain(mode, refinement), accuracy)
        rows.append((name, refinement, accuracy, make_solver(start[0]), 0))
    start_all = lambda waves: [on_domain(waves, make_domain(mode, row[1]), row[2]) for row in rows]  # noqa: E731
    starts, steppers = start_all(waves), [row[3] for row in rows]
    timed = [start_all(draw_waves(mode, batch, jr.PRNGKey(1))) for batch in TIMED_BATCHES]
    milliseconds = np.stack([measure_times(steppers, states) for states in timed], axis=1)
    record["rows"], states = [], {}
    for (name, refinement, accuracy, stepper, parameters), start, ms in zip(rows, starts, milliseconds, strict=True):
        curve, states[name] = judge(stepper, start, reference, refinement)
        record["rows"].append(
            {
                "name": name,
                "points": start.domain.N[0],
                "substeps": num_substeps(start.domain, accuracy),
                "parameters": parameters,
                "mean": float(curve.mean()),
                "curve": [float(value) for value in curve],
                "ms_per_step": {str(batch): float(value) for batch, value in zip(TIMED_BATCHES, ms, strict=True)},
            }
        )
    x = np.asarray(domain.spatial_axis[0], float)
    record["reference_error"] = {}
    for step in SHOWN_STEPS:
        exact = exact_solution(waves, x, step * DT)
        error = np.linalg.norm(reference[:, step, :, 0] - exact, axis=1) / np.linalg.norm(exact, axis=1)
        record["reference_error"][str(step)] = float(error.mean())
    return record, {name: values[0, :, :, 0] for name, values in states.items()}


def table(record):
    """The rows as the page shows them."""
    header = ["solver", "points", "steps per dt", "parameters", "mean error", *(f"step {n}" for n in SHOWN_STEPS)]
    header += [f"ms per dt, {batch} states" for batch in TIMED_BATCHES]
    lines = [header, ["---"] * len(header)]
    for row in record["rows"]:
        is_reference = row["points"] == record["rows"][-1]["points"]
        errors = [row["mean"], *(row["curve"][step - 1] for step in SHOWN_STEPS)]
        shown = ["reference"] + ["-"] * len(SHOWN_STEPS) if is_reference else [f"{error:.5f}" for error in errors]
        counts = [str(row["points"]), str(row["substeps"]), f"{row['parameters']:,}"]
        times = [f"{row['ms_per_step'][str(batch)]:.2f}" for batch in TIMED_BATCHES]
        lines.append([row["name"], *counts, *shown, *times])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary(results):
    """What the tables say, in a sentence for each domain."""
    sentences = []
    for mode, place in zip(DOMAINS, ("On the periodic domain", "Between walls"), strict=True):
        coarse, plain, corrected, *_, fine = results["domains"][mode]["rows"]
        gain, plain_gain = (coarse["mean"] / row["mean"] for row in (corrected, plain))
        few, many = (fine["ms_per_step"][key] / corrected["ms_per_step"][key] for key in map(str, TIMED_BATCHES))
        sentences.append(
            f"{place} the network of fluxes makes the error of the coarse solver {gain:.1f} times lower (the same "
            f"network without the differences: {plain_gain:.1f} times), and a step takes {few:.1f} times less time "
            f"than the fine solver for {TIMED_BATCHES[0]} states, {many:.1f} times less for {TIMED_BATCHES[1]}."
        )
    return " ".join(sentences)


def plot(mode, record, sample):
    """One test sample and its errors, and the mean error over the steps."""
    from matplotlib.figure import Figure

    names = [row["name"] for row in record["rows"]]
    colours, reference = ("#D55E00", "#E69F00", "#0072B2"), sample[names[-1]]
    x = np.asarray(make_domain(mode).spatial_axis[0])
    figure = Figure(figsize=(9.0, 6.8), layout="constrained")
    (profile, curves), images = figure.subplots(2, 2)
    profile.plot(x, reference[10], "k-", linewidth=1, label="reference at these points")
    for i, marker in ((0, "o"), (2, "x")):
        profile.plot(x, sample[names[i]][10], marker, color=colours[i], markersize=4, fillstyle="none", label=names[i])
    profile.set(xlabel="x", ylabel="u", title=f"one unseen sample at step 10 (t = {10 * DT:g})")
    profile.legend(fontsize="small", loc="upper left" if mode == "dirichlet" else "lower left")
    for row, colour in zip(record["rows"], colours, strict=False):
        curves.plot(range(1, HORIZON + 1), row["curve"], color=colour, label=row["name"])
    curves.set(yscale="log", xlabel="step", ylabel="nRMSE, mean of unseen samples", title="error over the rollout")
    curves.grid(alpha=0.3)
    curves.legend(fontsize="small")
    for axes, i in zip(images, (0, 2), strict=True):
        image = axes.imshow(
            np.log10(np.maximum(np.abs(sample[names[i]] - reference).T, 1e-6)),
            **{"origin": "lower", "aspect": "auto", "extent": (0, HORIZON, 0, 1), "interpolation": "nearest"},
            **{"vmin": -5, "vmax": -0.5, "cmap": "magma"},
        )
        axes.set(xlabel="step", ylabel="x", title=f"its error: {names[i]}")
    figure.colorbar(image, ax=images, label="log10 |u - reference|", location="bottom", aspect=60)
    figure.suptitle(f"Burgers, {mode}: {len(x)} points, viscosity {VISCOSITY:g}")
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fraction", type=float, default=1.0, help="how much of the training to do")
    parser.add_argument("--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    setting = {
        "viscosity": VISCOSITY,
        "dt": DT,
        "test_samples": NUM_TEST,
        "stages": STAGES,
        "fraction": arguments.fraction,
    }
    setting |= {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "jax": jax.__version__}
    results = {"setting": setting, "domains": {}}
    with tempfile.TemporaryDirectory(dir=arguments.output, prefix=".unfinished-") as name:
        for mode in DOMAINS:
            results["domains"][mode], sample = run(mode, arguments.fraction)
            plot(mode, results["domains"][mode], sample).savefig(Path(name, f"{mode}.png"), dpi=100)
            print(f"\n{mode}\n{table(results['domains'][mode])}", flush=True)
        results["seconds"] = time.perf_counter() - begin
        Path(name, "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        for file in sorted(Path(name).iterdir()):
            os.replace(file, arguments.output / file.name)
    print(f"\n{summary(results)}\n{results['seconds']:.0f} s, written to {arguments.output}")


if __name__ == "__main__":
    main()
