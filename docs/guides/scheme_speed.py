"""Which mode of automatic differentiation is fastest: every scheme on a network, alone and inside a training gradient.

Run `taskset -c 0 python docs/guides/scheme_speed.py`; it prints the table of docs/api/operators.md. Times are process
time on one core, interleaved round by round; a ratio is the median of the rounds' ratios to the default scheme.
"""

import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdequinox.operators import gradient, hessian, jacobian, laplacian

TRACE = "trace of the Hessian"
SCHEMES = ("fwd-over-fwd", "fwd-over-rev", "rev-over-fwd", "rev-over-rev")
FIRST = ("forward", "reverse")
ROUNDS, POINTS = 15, 500


def evaluate(op, scheme, network, points):
    """The operator on the network, point by point."""
    if scheme == TRACE:
        return jnp.trace(jax.vmap(hessian(network))(points), axis1=-2, axis2=-1)
    return jax.vmap(op(network, scheme=scheme))(points)


def loss(network, op, scheme, points):
    return jnp.mean(evaluate(op, scheme, network, points) ** 2)


def seconds(function, *args) -> float:
    start = time.process_time()
    jax.block_until_ready(function(*args))
    return time.process_time() - start


def measure(op, names, ndim, channels):
    """Milliseconds of the default, and for each scheme the ratio to it, alone and inside a gradient."""
    network = eqx.nn.MLP(ndim, channels, 64, 3, jnp.tanh, key=jax.random.PRNGKey(0))
    points = jax.random.normal(jax.random.PRNGKey(1), (POINTS, ndim))
    family = "automatic_differentiation"
    functions = {}
    names = {name: name if name == TRACE else f"{family}:{name}" for name in names}
    for scheme in (family, *names.values()):
        functions[scheme, "alone"] = eqx.filter_jit(lambda network, points, s=scheme: evaluate(op, s, network, points))
        functions[scheme, "gradient"] = eqx.filter_jit(
            lambda network, points, s=scheme: eqx.filter_grad(loss)(network, op, s, points)
        )
    for function in functions.values():
        jax.block_until_ready(function(network, points))
    order, times = list(functions), {name: [] for name in functions}
    shuffle = np.random.default_rng(0)
    for _ in range(ROUNDS):
        shuffle.shuffle(order)
        for name in map(tuple, order):
            times[name].append(seconds(functions[name], network, points))
    ratio = lambda scheme, kind: float(np.median(np.divide(times[scheme, kind], times[family, kind])))  # noqa: E731
    default = [1e3 * float(np.median(times[family, kind])) for kind in ("alone", "gradient")]
    return default, [[ratio(scheme, kind) for kind in ("alone", "gradient")] for scheme in names.values()]


def main():
    print(f"Network: 3 hidden layers of 64, tanh; {POINTS} points. Ratios to the default: alone / inside a gradient.\n")
    for op, names in ((gradient, FIRST), (jacobian, FIRST), (hessian, SCHEMES), (laplacian, (*SCHEMES, TRACE))):
        print(f"| {op} | values | default, ms | {' | '.join(names)} |")
        print("|---|---|---|" + "---|" * len(names))
        for ndim in (1, 2, 3, 10, *([20] if op is laplacian else [])):
            for channels in {gradient: ["scalar"], jacobian: [3]}.get(op, ["scalar", 3]):
                default, ratios = measure(op, names, ndim, channels)
                cells = [f"{alone:.1f} / {training:.1f}" for alone, training in ratios]
                size = 1 if channels == "scalar" else channels
                print(f"| {ndim}D | {size} | {default[0]:.1f} / {default[1]:.1f} | {' | '.join(cells)} |")
        print()


if __name__ == "__main__":
    main()
