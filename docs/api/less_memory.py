"""What `Rematerialized` and `MixedPrecision` save: `python docs/api/less_memory.py` prints tables of `arch.md`.

Memory: the temporary memory that XLA plans for the gradient of a loss over a batch, in MB. Error: of the gradient, in
the Euclidean norm, relative to that of the plain network, in float32.
"""

import jax
import jax.numpy as jnp
import jax.random as jr

from pdequinox import arch, train
from pdequinox.compose import MixedPrecision, Rematerialized

NETWORKS = {
    "ClassicResNet": {},
    "ModernUNet": {"num_levels": 3},
    "UNO": {"hidden_channels": 32, "block_channels": (16, 32, 32, 32, 16), "init": "neuraloperator"},
}
WRAPPERS = {
    "plain": lambda network: network,
    "blocks recomputed": Rematerialized,
    "network recomputed": lambda network: Rematerialized(network, "network"),
    "bfloat16": MixedPrecision,
}
NUM_POINTS, BATCH, NUM_STEPS = 64, 4, 8


def one_step(network, x):
    return jnp.mean((jax.vmap(network)(x) - jnp.roll(x, 1, -1)) ** 2)


def unrolled(network, x):
    trajectory = jax.vmap(lambda u: train.rollout(network, u, NUM_STEPS))(x)
    return jnp.mean((trajectory - jnp.roll(x, 1, -1)[:, None]) ** 2)


def measure(loss, network, x):
    """Temporary megabytes, and the gradient as one vector."""
    compiled = jax.jit(jax.grad(loss)).lower(network, x).compile()
    gradient = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(compiled(network, x))])
    return compiled.memory_analysis().temp_size_in_bytes / 1e6, gradient


def main() -> None:
    x = jr.normal(jr.key(0), (BATCH, 1, NUM_POINTS, NUM_POINTS))
    for title, loss in (("one step", one_step), (f"rollout of {NUM_STEPS} steps", unrolled)):
        print("", " | ".join(["", title, *WRAPPERS, ""]).strip(), "|---" * (len(WRAPPERS) + 1) + "|", sep="\n")
        for name, options in NETWORKS.items():
            network = jax.jit(lambda key, name=name, options=options: getattr(arch, name)(2, 1, 1, **options, key=key))
            network, cells, reference = network(jr.key(1)), [], None
            for wrap in WRAPPERS.values():
                memory, gradient = measure(loss, wrap(network), x)
                reference = gradient if reference is None else reference
                error = jnp.linalg.norm(gradient - reference) / jnp.linalg.norm(reference)
                cells.append(f"{memory:.0f} MB, {error:.0e}" if cells else f"{memory:.0f} MB")
            print(f"| `{name}` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
