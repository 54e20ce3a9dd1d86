"""One of two processes with four devices each that train a network together, as `test_parallel_processes.py` starts it.

python two_processes.py PORT RANK CHECKPOINT NUM_STEPS
"""

import sys

import jax


def train(mesh, checkpoint, num_steps):
    """A training whose samples and space lie over devices; the losses."""
    import numpy as np
    import optax

    from pdequinox import Domain, arch
    from pdequinox.parallel import place, sample, space_sharded
    from pdequinox.train import Checkpoint, fit, shuffled, supervised_loss

    axes, domain = ("x", None), Domain((16, 8), 0.1, ("neumann", "periodic"))
    start = sample(lambda x: jax.numpy.cos(30 * x[0]) * x[1], domain, mesh, axes)
    network = arch.ConvNet(
        2, 1, 1, hidden_channels=4, depth=1, boundary_mode=domain.boundary_mode, key=jax.random.key(0)
    )
    model = space_sharded(network, mesh, axes)
    scales = np.random.default_rng(0).standard_normal((8, 1, 1, 1)).astype(np.float32)
    states = jax.jit(lambda start: scales * start)(start)
    data = jax.jit(lambda states: (states, jax.numpy.roll(states, 1, 3)))(states)

    def loss(model, batch):
        return supervised_loss(model, place(batch, mesh, axes, batch="data"))

    return fit(
        model,
        loss,
        optax.adam(1e-2),
        num_steps,
        batches=shuffled(data, 4),
        key=jax.random.key(1),
        checkpoint=Checkpoint(checkpoint, every=10),
        progress=False,
    ).history.losses["total"]


if __name__ == "__main__":
    port, rank, checkpoint, num_steps = sys.argv[1:]
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", 4)
    jax.distributed.initialize(
        f"127.0.0.1:{port}", 2, int(rank), initialization_timeout=120, heartbeat_timeout_seconds=10
    )
    import numpy as np

    # Neighbours along x are in different processes.
    mesh = jax.sharding.Mesh(np.array(jax.devices()).reshape(4, 2).T, ("data", "x"))
    losses = train(mesh, checkpoint, int(num_steps))
    print("losses", *losses, flush=True)
