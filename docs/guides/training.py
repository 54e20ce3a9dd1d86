"""Trainings with known answers: coefficients, a boundary value problem, a diffusivity; and the pace of the loop.

    python docs/guides/training.py                     # the numbers and the picture of the guide
    python docs/guides/training.py --fraction 0.01 --output short

A minute on two CPU cores; needs `pip install -e ".[bench]"` for the picture.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

import pdequinox as pdeqx
from pdequinox.operators import laplacian
from pdequinox.train import GradientNormBalancing, Parameter, ReLoBRaLo, Tracker, fit, shuffled, supervised_loss

FOLDER = Path(__file__).with_suffix("")
TRUE = {"a": 3.14, "b": -2.71, "c": 42.0}
RECOVERY_STEPS, PINN_STEPS, INVERSE_STEPS, PACE_STEPS = 30_000, 5_000, 2_000, 300
POINTS = (16, 32, 101)
DIFFUSIVITY, NUM_SENSORS, NOISE = 0.3, 20, 0.01
BALANCES = {"equal weights": None, "ReLoBRaLo": ReLoBRaLo(), "gradient norms": GradientNormBalancing()}


class Stopwatch:
    """Times the steps after the first one, which waits for the compilation."""

    def __init__(self):
        self.marks = []

    def __call__(self, step, loss):
        self.marks.append((step, time.perf_counter()))

    @property
    def seconds(self):
        return self.marks[-1][1] - self.marks[0][1]

    @property
    def milliseconds_per_step(self):
        return 1e3 * self.seconds / max(1, self.marks[-1][0] - self.marks[0][0])


def curve(model, x):
    return model["a"] * jnp.sin(jnp.pi * x) + model["b"] * jnp.cos(jnp.pi * x) + model["c"] * x * (1 - x)


def recover(num_steps=RECOVERY_STEPS):
    """Three coefficients of a curve from its values at 101 points; two of its three functions are much alike."""
    x = jnp.linspace(0, 1, 101)
    values = curve(TRUE, x)
    start = {name: jnp.zeros(()) for name in TRUE}
    trackers = {"model": Tracker(lambda model: model, 100)}
    watch = Stopwatch()
    loss = lambda model: jnp.mean((curve(model, x) - values) ** 2)  # noqa: E731
    model, history = fit(start, loss, optax.adam(1e-2), num_steps, trackers=trackers, progress=watch)
    errors = {name: float(abs(model[name] / value - 1)) for name, value in TRUE.items()}
    return errors, watch.seconds, history


class Clamped(eqx.Module):
    """A function on (0, 1) that vanishes at both ends, whatever its network says."""

    network: eqx.Module

    def __call__(self, x):
        return jnp.prod(x * (1 - x)) * self.network(x)


def make_clamped(seed=0):
    return Clamped(eqx.nn.MLP(1, "scalar", 32, 3, activation=jnp.tanh, key=jr.PRNGKey(seed)))


def force(x):
    return jnp.sin(jnp.pi * x[0])


def relative_l2(u, scale=1.0):
    """The error of a solution of -scale u'' = sin(pi x)."""
    x = jnp.linspace(0, 1, 501)[:, None]
    exact = jax.vmap(force)(x) / (scale * jnp.pi**2)
    return float(jnp.linalg.norm(jax.vmap(u)(x) - exact) / jnp.linalg.norm(exact))


def solve_poisson(num_points, num_steps=PINN_STEPS, seed=0):
    """-u'' = sin(pi x) by a physics-informed network that satisfies u(0) = u(1) = 0 exactly."""
    x = jnp.linspace(0, 1, num_points)[:, None]
    loss = lambda u: jnp.mean(jax.vmap(lambda x: laplacian(u)(x) + force(x))(x) ** 2)  # noqa: E731
    watch = Stopwatch()
    optimizer = optax.adam(optax.cosine_decay_schedule(5e-3, num_steps))
    u, _ = fit(make_clamped(seed), loss, optimizer, num_steps, progress=watch)
    return relative_l2(u), watch.seconds


def find_diffusivity(balance, num_steps=INVERSE_STEPS):
    """k of -k u'' = sin(pi x) from noisy values of u, with u as a network; both are trained together."""
    sensors = jnp.linspace(0, 1, NUM_SENSORS + 2)[1:-1, None]
    exact = jax.vmap(force)(sensors) / (DIFFUSIVITY * jnp.pi**2)
    measured = exact + NOISE * jnp.max(exact) * jr.normal(jr.PRNGKey(1), exact.shape)
    x = jnp.linspace(0, 1, 32)[:, None]
    losses = {
        "equation": lambda m: jnp.mean(jax.vmap(lambda x: m["k"].value * laplacian(m["u"])(x) + force(x))(x) ** 2),
        "data": lambda m: jnp.mean((jax.vmap(m["u"])(sensors) - measured) ** 2),
    }
    optimizers = {"u": optax.adam(optax.cosine_decay_schedule(5e-3, num_steps)), "k": optax.adam(1e-2)}
    model, history = fit(
        {"u": make_clamped(), "k": Parameter(1.0, "positive")},
        losses,
        optimizers,
        num_steps,
        trackers={"k": Tracker(lambda m: m["k"].value, 20)},
        balance=balance,
        key=jr.PRNGKey(0),
        progress=False,
    )
    # What the noise leaves to be known: k of the exact profile that fits the values best.
    best = float(DIFFUSIVITY * jnp.sum(exact**2) / jnp.sum(exact * measured))
    return float(model["k"].value), best, relative_l2(model["u"], DIFFUSIVITY), history


def measure_pace(num_steps=PACE_STEPS):
    """Milliseconds of one step, from Python and in a compiled loop, the two taking turns."""
    rows = {}
    inputs = jr.normal(jr.PRNGKey(0), (32, 1, 64, 64))
    cases = {
        "MLP 32 x 3 on 16 points": (make_clamped(), None),
        "ConvNet 16 x 3 on 32 samples of 64 points": (
            pdeqx.arch.ConvNet(1, 1, 1, hidden_channels=16, depth=3, key=jr.PRNGKey(1)),
            (inputs[:, :, 0], inputs[:, :, 1]),
        ),
        "ConvNet 16 x 3 on 4 samples of 64 x 64 points": (
            pdeqx.arch.ConvNet(2, 1, 1, hidden_channels=16, depth=3, key=jr.PRNGKey(1)),
            (inputs[:4], inputs[4:8]),
        ),
    }
    points = jnp.linspace(0, 1, 16)[:, None]
    pointwise = lambda u: jnp.mean(jax.vmap(lambda x: laplacian(u)(x) + force(x))(points) ** 2)  # noqa: E731
    for name, (model, data) in cases.items():
        times = {"python": [], "loop": []}
        for _ in range(3):
            for way, steps_per_call in (("python", 1), ("loop", 50)):
                watch = Stopwatch()
                options = {"steps_per_call": steps_per_call, "progress": watch, "key": jr.PRNGKey(2)}
                if data is None:
                    fit(model, pointwise, optax.adam(1e-3), max(100, num_steps), **options)
                else:
                    batches = shuffled(data, len(data[0]))
                    count = max(100, num_steps // (3 if data[0].ndim == 4 else 1))
                    fit(model, supervised_loss, optax.adam(1e-3), count, batches=batches, **options)
                times[way].append(watch.milliseconds_per_step)
        rows[name] = {way: float(np.median(values)) for way, values in times.items()}
    return rows


def settled(row):
    """The first recorded step after which k stays within two percent of its true value."""
    is_close = np.abs(np.array(row["path"]) / DIFFUSIVITY - 1) < 0.02
    wrong = np.flatnonzero(~is_close)
    return row["steps"][min(wrong[-1] + 1, len(is_close) - 1)] if len(wrong) else 0


def tables(results):
    """The tables of the page, by name."""
    recovery, poisson = results["recovery"], results["poisson"]
    lines = {"recovery": ["| | a | b | c | seconds |", "|---|---|---|---|---|"]}
    errors = " | ".join(f"{recovery['errors'][name]:.1e}" for name in TRUE)
    lines["recovery"].append(f"| relative error | {errors} | {recovery['seconds']:.2f} |")
    lines["poisson"] = ["| points | relative L² error | seconds |", "|---|---|---|"]
    lines["poisson"] += [f"| {n} | {row['error']:.1e} | {row['seconds']:.2f} |" for n, row in poisson.items()]
    lines["inverse"] = ["| weights | steps to 2 % | k after all steps | relative L² error of u |", "|---|---|---|---|"]
    for name, row in results["inverse"].items():
        lines["inverse"].append(f"| {name} | {settled(row)} | {row['k']:.4f} | {row['error']:.1e} |")
    lines["pace"] = ["| a step, in ms | from Python | in a loop | Python / loop |", "|---|---|---|---|"]
    for name, row in results["pace"].items():
        lines["pace"].append(
            f"| {name} | {row['python']:.3f} | {row['loop']:.3f} | {row['python'] / row['loop']:.2f} |"
        )
    return {name: "\n".join(rows) for name, rows in lines.items()}


def summary(results):
    """What the measured values can tell about k at best."""
    best = results["inverse"]["equal weights"]["best"]
    return f"Of all exact profiles the one with k = {best:.4f} fits the noisy values best: what is left is their noise."


def plot(results):
    """The three coefficients over the steps; the diffusivity with and without balance; the weights."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    coefficients, diffusivity, weights = figure.subplots(1, 3)
    recovery = results["recovery"]
    for name, colour in zip(TRUE, ("#D55E00", "#0072B2", "#009E73"), strict=True):
        coefficients.plot(recovery["steps"], recovery["path"][name], color=colour, label=name)
        coefficients.axhline(TRUE[name], color=colour, linestyle=":", linewidth=1)
    coefficients.set(xlabel="step", title="coefficients (dotted: true)")
    coefficients.legend(fontsize="small")
    for (name, row), colour in zip(results["inverse"].items(), ("0.5", "#D55E00", "#0072B2"), strict=True):
        diffusivity.plot(row["steps"], row["path"], color=colour, label=name)
        if row["weights"]:
            weights.plot(row["weight_steps"], row["weights"], color=colour, label=name)
    diffusivity.axhline(DIFFUSIVITY, color="black", linestyle=":", linewidth=1)
    diffusivity.set(xlabel="step", title="diffusivity (dotted: true)", yscale="log")
    diffusivity.legend(fontsize="small")
    weights.set(xlabel="step", title="weight of data / of equation", yscale="log")
    weights.legend(fontsize="small")
    return figure


def run(fraction):
    """All the numbers of the page."""
    share = lambda num_steps: max(100, round(fraction * num_steps))  # noqa: E731
    errors, seconds, history = recover(share(RECOVERY_STEPS))
    steps, path = history.trackers["model"]
    thin = slice(None, None, 5)
    results = {
        "recovery": {
            "errors": errors,
            "seconds": seconds,
            "steps": steps[thin].tolist(),
            "path": {name: values[thin].round(4).tolist() for name, values in path.items()},
        },
        "poisson": {},
        "inverse": {},
    }
    for num_points in POINTS:
        error, seconds = solve_poisson(num_points, share(PINN_STEPS))
        results["poisson"][str(num_points)] = {"error": error, "seconds": seconds}
    for name, balance in BALANCES.items():
        k, best, error, history = find_diffusivity(balance, share(INVERSE_STEPS))
        steps, path = history.trackers["k"]
        weights = history.weights
        ratio = [] if weights is None else (weights["data"] / weights["equation"])[::20].tolist()
        results["inverse"][name] = {
            "k": k,
            "best": best,
            "error": error,
            "steps": steps.tolist(),
            "path": path.round(5).tolist(),
            "weight_steps": list(range(0, 20 * len(ratio), 20)),
            "weights": ratio,
        }
    results["pace"] = measure_pace(share(PACE_STEPS))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fraction", type=float, default=1.0, help="how much of the training to do")
    parser.add_argument("--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    results = {"setting": {"fraction": arguments.fraction, "machine": machine, "jax": jax.__version__}}
    results |= run(arguments.fraction)
    results["seconds"] = time.perf_counter() - begin
    plot(results).savefig(arguments.output / "training.png", dpi=100)
    (arguments.output / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for name, table in tables(results).items():
        print(f"\n{name}\n{table}")
    print(f"\n{results['seconds']:.0f} s, written to {arguments.output}")


if __name__ == "__main__":
    main()
