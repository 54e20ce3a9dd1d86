"""Time `gradient` beside jaxdf's, and the dispatch of an operator.

`python docs/guides/operator_speed.py [--against DIR]` prints both. DIR holds jaxdf, made by
`pip install --target DIR --no-deps jaxdf==0.3.0 plum-dispatch beartype rich`. Both run in this process, on one core
and one random field: outputs are compared first, then processor time is measured in interleaved rounds; the ratio is
the median of the rounds' ratios.
"""

import argparse
import os
import statistics
import sys
import time
import timeit

if hasattr(os, "sched_setaffinity"):  # before JAX counts the cores
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import jax
import jax.numpy as jnp
import numpy as np

from pdequinox import Domain, FiniteDifferences, OnGrid, operator
from pdequinox.operators import gradient


def milliseconds(function, argument, repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        function(argument).block_until_ready()
    return (time.process_time() - start) / repeats * 1e3


def compare(ours, theirs, argument, rounds: int = 11) -> tuple[float, float, float, float]:
    """Medians of the milliseconds of both and of their ratio, and the spread of the ratio."""
    np.testing.assert_allclose(ours(argument), theirs(argument), atol=1e-4)
    ours(argument), theirs(argument)
    timings = [(milliseconds(ours, argument, 20), milliseconds(theirs, argument, 2)) for _ in range(rounds)]
    ratios = sorted(slow / fast for fast, slow in timings)
    mine, peer = (statistics.median(column) for column in zip(*timings, strict=True))
    return mine, peer, statistics.median(ratios), ratios[-rounds // 4] - ratios[rounds // 4]


def dispatch() -> tuple[float, float]:
    """Microseconds of a call of an operator that does nothing, with given parameters, and of the bare function."""

    def nothing(u: OnGrid, *, params=None):
        return u

    u = OnGrid.empty(Domain(8, 1.0))
    op = operator(nothing)
    best = lambda call: min(timeit.repeat(call, time.process_time, number=10_000, repeat=9)) / 10_000 * 1e6  # noqa: E731
    return best(lambda: op(u, params=1)), best(lambda: nothing(u, params=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", help="the folder with jaxdf")
    folder = parser.parse_args().against
    called, bare = dispatch()
    print(f"dispatch: {called - bare:.2f} us per call ({called:.2f} with the call, {bare:.2f} without)")
    if not folder:
        return
    sys.path.append(folder)
    import jaxdf
    import jaxdf.operators

    for size in (128, 512):
        values = jnp.asarray(np.random.default_rng(0).standard_normal((size, size)), jnp.float32)
        for accuracy in (2, 8):

            def ours(v, size=size, accuracy=accuracy):
                return gradient(FiniteDifferences.from_grid(v, Domain((size, size), 1.0), accuracy=accuracy)).params

            def theirs(v, size=size, accuracy=accuracy):
                domain = jaxdf.Domain((size, size), (1.0, 1.0))
                field = jaxdf.FiniteDifferences(v[..., None], domain, accuracy=accuracy)
                return jaxdf.operators.gradient(field).params

            mine, peer, ratio, spread = compare(jax.jit(ours), jax.jit(theirs), values)
            print(
                f"gradient {size} x {size}, accuracy {accuracy}: {mine:.3f} ms, jaxdf {peer:.2f} ms, "
                f"ratio {ratio:.0f} (quartiles {spread:.0f} apart)"
            )


if __name__ == "__main__":
    main()
