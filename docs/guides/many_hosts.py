"""Train a network whose samples and space lie over the devices of several hosts.

The same line on every host, with another number for the process:

    python many_hosts.py --coordinator 10.0.0.1:8476 --num-processes 2 --process 0 run.ckpt 1000

Without `--coordinator`, on the devices of one process. A cluster that JAX knows (Slurm, Open MPI, Cloud TPU) needs no
arguments: there `jax.distributed.initialize()` finds them itself. `tests/test_parallel_processes.py` runs this script.
"""

import argparse

import jax


def train(mesh: jax.sharding.Mesh, checkpoint: str, num_steps: int):
    """The losses of a training on a mesh with the axes "data" and "x"."""
    import jax.numpy as jnp
    import optax

    from pdequinox import Domain, arch
    from pdequinox.parallel import place, sample, space_sharded
    from pdequinox.train import Checkpoint, fit, shuffled, supervised_loss

    axes, domain = ("x", None), Domain((16, 8), 0.1, ("neumann", "periodic"))
    wave = sample(lambda x: jnp.cos(30 * x[0]) * x[1], domain, mesh, axes)

    @jax.jit
    def make_data(wave):  # arrays of all hosts are arguments of compiled functions, and stay where they are
        states = jax.random.normal(jax.random.key(2), (8, 1, 1, 1)) * wave
        return states, jnp.roll(states, 1, axis=3)

    network = arch.ConvNet(
        2, 1, 1, hidden_channels=4, depth=1, boundary_mode=domain.boundary_mode, key=jax.random.key(0)
    )

    def loss(model, batch):
        return supervised_loss(model, place(batch, mesh, axes, batch="data"))

    fitted = fit(
        space_sharded(network, mesh, axes),
        loss,
        optax.adam(1e-2),
        num_steps,
        batches=shuffled(make_data(wave), 4),
        key=jax.random.key(1),
        checkpoint=Checkpoint(checkpoint, every=10),
        progress=False,
    )
    return fitted.history.losses["total"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="the file that the training resumes from, on a disk of all hosts")
    parser.add_argument("num_steps", type=int)
    parser.add_argument("--coordinator", help="address and port of the first process")
    parser.add_argument("--num-processes", type=int)
    parser.add_argument("--process", type=int, help="the number of this process, from 0")
    parser.add_argument("--cpu-devices", type=int, help="make so many devices of the CPU, to try it out")
    parser.add_argument("--data", type=int, default=2, help="over how many devices samples lie; the others share space")
    arguments = parser.parse_args()
    if arguments.cpu_devices:
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_num_cpu_devices", arguments.cpu_devices)
    if arguments.coordinator:
        # If a process dies, or ends with an error, the others do not wait for it for minutes.
        jax.distributed.initialize(
            arguments.coordinator,
            arguments.num_processes,
            arguments.process,
            heartbeat_timeout_seconds=10,
            shutdown_timeout_seconds=20,
        )
    shape = (arguments.data, jax.device_count() // arguments.data)
    mesh = jax.make_mesh(shape, ("data", "x"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    losses = train(mesh, arguments.checkpoint, arguments.num_steps)
    if jax.process_index() == 0:
        print("losses", *losses, flush=True)


if __name__ == "__main__":
    main()
