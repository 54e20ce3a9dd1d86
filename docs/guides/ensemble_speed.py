"""Time a training step of 8 networks at once beside 8 steps of one network after the other.

`python docs/guides/ensemble_speed.py [--against DIR]` prints both, on one core. DIR holds pdequinox 0.1.2, made by
`pip install --no-deps --target DIR pdequinox==0.1.2`: with it the same step under `eqx.filter_vmap`, of the networks of
that package with the same weights. Gradients are compared first, then processor time is measured in interleaved rounds;
the ratio is the median of the rounds' ratios.
"""

import argparse
import os
from pathlib import Path

if hasattr(os, "sched_setaffinity"):  # before JAX counts the cores
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

import pdequinox as pdeqx
from pdequinox.bench._rival import load_rival, move_weights
from pdequinox.bench._speed_runners import difference
from pdequinox.bench._stopwatch import interleave
from pdequinox.train import ensemble_loss, ensemble_optimizer, supervised_loss

NUM_MEMBERS, BATCH_SIZE = 8, 4
CASES = {
    "ClassicResNet 2D, hidden 32, 32 x 32 points": (2, 32, "ClassicResNet", {"hidden_channels": 32}),
    "ConvNet 1D, hidden 32, 256 points": (1, 256, "ConvNet", {"hidden_channels": 32}),
}


def make_ensemble(package, num_spatial_dims: int, name: str, options: dict):
    make = lambda key: getattr(package.arch, name)(num_spatial_dims, 1, 1, key=key, **options)  # noqa: E731
    return eqx.filter_vmap(make)(jr.split(jr.key(0), NUM_MEMBERS))


class Training:
    """A network or an ensemble, its optimizer, and what a compiled step changes."""

    def __init__(self, model, loss, optimizer, batch):
        self.params, static = eqx.partition(model, eqx.is_inexact_array)
        self.state, self.batch = optimizer.init(self.params), batch
        self.gradient = jax.jit(jax.grad(lambda params, batch: loss(eqx.combine(params, static), batch)))

        @jax.jit
        def step(params, state, batch):
            updates, state = optimizer.update(self.gradient(params, batch), state, params)
            return optax.apply_updates(params, updates), state

        self.step = step

    def __call__(self):
        self.params, self.state = jax.block_until_ready(self.step(self.params, self.state, self.batch))


def vmapped_loss(ensemble, batch):
    """What `ensemble_loss` computes, mapped over the members on a CPU too."""
    return jnp.sum(eqx.filter_vmap(supervised_loss, in_axes=(eqx.if_array(0), None))(ensemble, batch))


def trainings(case: tuple, rival) -> dict:
    """The three ways to take a step of all members."""
    num_dims, num_points, name, options = case
    batch = jr.normal(jr.key(1), (2, BATCH_SIZE, 1, *(num_points,) * num_dims))
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-4))
    ensemble = make_ensemble(pdeqx, num_dims, name, options)
    ours = Training(ensemble, ensemble_loss(supervised_loss), ensemble_optimizer(optimizer), batch)
    members = [
        Training(pdeqx.extract_from_ensemble(ensemble, i), supervised_loss, optimizer, batch)
        for i in range(NUM_MEMBERS)
    ]
    expected = ours.gradient(ours.params, batch)
    for i, member in enumerate(members):
        error = difference(pdeqx.extract_from_ensemble(expected, i), member.gradient(member.params, batch))
        np.testing.assert_array_less(error, 1e-4)

    def one_by_one():
        for member in members:
            member()

    functions = {"ours": ours, "one after the other": one_by_one}
    if rival is not None:
        label, package = rival
        model = move_weights(ensemble, make_ensemble(package, num_dims, name, options))
        theirs = Training(model, vmapped_loss, ensemble_optimizer(optimizer), batch)
        np.testing.assert_array_less(difference(expected, theirs.gradient(theirs.params, batch)), 1e-4)
        functions[f"{label}, vmapped"] = theirs
    return functions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="the folder with pdequinox 0.1.2")
    parser.add_argument("--rounds", type=int, default=11)
    arguments = parser.parse_args()
    rival = None if arguments.against is None else load_rival(arguments.against)
    for label, case in CASES.items():
        seconds = interleave(trainings(case, rival), num_rounds=arguments.rounds)
        print(f"{label}, batch {BATCH_SIZE}, {NUM_MEMBERS} members: {1e3 * np.median(seconds['ours']):.1f} ms a step")
        for name, theirs in list(seconds.items())[1:]:
            low, ratio, high = np.percentile(theirs / seconds["ours"], [25, 50, 75])
            print(
                f"    {name}: {1e3 * np.median(theirs):.1f} ms, ratio {ratio:.2f} (quartiles {low:.2f} to {high:.2f})"
            )


if __name__ == "__main__":
    main()
