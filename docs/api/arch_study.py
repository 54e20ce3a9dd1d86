"""Train every network on two small problems: `python docs/api/arch_study.py [NAME ...]` prints a table of `arch.md`.

Every network has about 30,000 parameters (its width is chosen for that), Adam with a warm-up and a cosine decay of
the step size, and the same batches. One seed.

- Poisson: forces to displacements of a string fixed at both ends, 63 points; the operator is global.
- Transport: one step of an advection-diffusion equation on a periodic axis, by 10.5 of 64 points; the operator is a
  convolution of about 20 points, but far from the point itself.
"""

import inspect
import sys
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from pdequinox import arch, count_parameters, sample_data, train

NUM_PARAMETERS = 30_000
NUM_STEPS = 500
# What is not the default, to fit the size; the width is found.
OPTIONS = {
    "AFNO": {"num_blocks": 4, "patch_size": 2, "num_groups": 4},
    "AViT": {"num_blocks": 3, "patch_sizes": (2,), "num_heads": 4, "num_groups": 4},
    "CNO": {"num_levels": 2, "num_blocks": 2, "num_neck_blocks": 2, "lifting_channels": 16},
    "AttentionUNet": {"num_levels": 2},
    "ClassicUNet": {"num_levels": 2},
    "ConvNeXtUNet": {"num_levels": 2},
    "DeepONet": {"num_basis": 32},
    "FactorizedFNO": {"projection_channels": 32},
    "FourierUNet": {"num_levels": 2, "channel_multipliers": (2, 4), "num_final_groups": 4, "num_modes": 12},
    "LocalNO": {},
    "ModernUNet": {"num_levels": 2},
    "PDEArenaUNet": {"num_levels": 2, "channel_multipliers": (2, 4), "num_final_groups": 4},
    "UFNO": {"num_levels": 2, "projection_channels": 32},
    "UNet2015": {"num_levels": 2},
    "UNO": {"lifting_channels": 32, "projection_channels": 32},
    "WNO": {"num_levels": 2, "projection_channels": 32},
}
# Other initial values of the spectral weights.
VARIANTS = {
    'ClassicFNO, init="neuraloperator"': ("ClassicFNO", {"init": "neuraloperator"}),
    'FNO, init="normal"': ("FNO", {"init": "normal"}),
}


def sized(name: str, num_points: int, boundary_mode: str, **more):
    """The network of this name whose width brings it nearest to the number of parameters."""
    build = getattr(arch, name)
    known = inspect.signature(build).parameters
    options = {**OPTIONS.get(name, {}), **more, "boundary_mode": boundary_mode}
    if "num_points" in known:
        options["num_points"] = num_points
    width = "width_size" if "width_size" in known else "hidden_channels"
    best = None
    for value in (*range(2, 32, 2), *range(32, 129, 4)):
        blocks = {"block_channels": (value // 2, value, value, value, value // 2)} if name == "UNO" else {}
        make = partial(build, 1, 1, 1, **{width: value}, **options, **blocks)
        try:
            count = count_parameters(eqx.filter_eval_shape(make, key=jr.key(0)))
        except ValueError:
            continue  # groups or heads that do not divide the width
        if best is None or abs(count - NUM_PARAMETERS) < abs(best[0] - NUM_PARAMETERS):
            best = count, make
    return best


def poisson(key):
    forces, displacements = sample_data.poisson_1d_dirichlet(63, 640, key=key)
    return forces / forces.std(), displacements / displacements.std()


def transport(key, num_points: int = 64, shift: float = 10.5, decay: float = 2e-3):
    """Random fields with 24 waves, and the same after transport and diffusion, exactly."""
    waves = np.arange(num_points // 2 + 1)
    coefficients = jr.normal(key, (640, 2, len(waves)))
    spectrum = jnp.where((waves > 0) & (waves < 25), coefficients[:, 0] + 1j * coefficients[:, 1], 0)
    factor = np.exp(-2j * np.pi * waves * shift / num_points - decay * waves**2)
    fields = [jnp.fft.irfft(spectrum * f, num_points)[:, None] for f in (1, factor)]
    return tuple(field / fields[0].std() for field in fields)


def error(make, x, y) -> float:
    """The relative error on 128 samples that were not trained on."""
    optimizer = optax.adam(optax.warmup_cosine_decay_schedule(0.0, 3e-3, 100, NUM_STEPS))
    network = jax.jit(make)(key=jr.key(0))
    batches = train.shuffled((x[:512], y[:512]), 32)
    fitted = train.fit(
        network, train.supervised_loss, optimizer, NUM_STEPS, batches=batches, key=jr.key(1), progress=False
    )
    predicted = jax.jit(lambda f, x: jax.vmap(f)(x))(fitted.model, x[512:])
    return float(train.nrmse(predicted, y[512:]).mean())


def main(names) -> None:
    data = {"dirichlet": poisson(jr.key(0)), "periodic": transport(jr.key(1))}
    print("| network | parameters | Poisson | transport |\n|---|---:|---:|---:|")
    for label in names or (*arch.__all__, *VARIANTS):
        name, more = VARIANTS.get(label, (label, {}))
        cells = []
        for mode, (x, y) in data.items():
            count, make = sized(name, x.shape[-1], mode, **more)
            cells.append(f"{error(make, x, y):.3f}")
        print(f"| `{label}` | {count:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
