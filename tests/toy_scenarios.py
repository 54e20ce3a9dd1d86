"""Problems that take no time: a plug-in of `pdequinox bench`, as a user would write it."""

import jax.numpy as jnp
import jax.random as jr

from pdequinox.bench.scenarios import SCENARIOS, OwnEvolution, register_scenario

SIZES = {"num_train_samples": 4, "num_test_samples": 3, "train_temporal_horizon": 6, "test_temporal_horizon": 12}


def toy_heat(num_points=16, rate=0.1):
    """Explicit Euler steps of the heat equation on a circle."""

    def step(u):
        return u + rate * (jnp.roll(u, 1, -1) - 2 * u + jnp.roll(u, -1, -1))

    def draw(key):
        return jnp.sin(2 * jnp.pi * (jnp.arange(num_points) / num_points + jr.uniform(key)))[None]

    return OwnEvolution(step=step, draw=draw, title="toy-heat", **SIZES)


if "toy-heat" not in SCENARIOS:  # the tests import this file, and the command executes it
    register_scenario("toy-heat", toy_heat)
