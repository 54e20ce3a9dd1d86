"""One case, compiled and ready to be timed: by this package, by another installation of it, or by torch."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from .. import cast
from ._rival import move_weights
from ._speed_cases import Case, Sizes, make_functions

MB = 2**20


@dataclasses.dataclass(frozen=True)
class Problem:
    """A case with our module and its inputs."""

    case: Case
    sizes: Sizes
    module: Any
    x: Array
    cotangent: Array


@dataclasses.dataclass(frozen=True)
class Runner:
    """A pass of a case."""

    call: Callable[[], Any]
    """Returns the result when the work is done."""
    facts: dict[str, float | None] = dataclasses.field(default_factory=dict)
    """What is known without running it."""
    as_here: Callable[[Any], Any] = lambda result: result
    """Our result in the order of this one's."""


def make_problem(case: Case, sizes: Sizes, package: Any, dtype: Any) -> Problem:
    """Build our module and draw its inputs."""
    keys = iter(jr.split(jr.PRNGKey(0), 3))
    module = cast(case.build(package, sizes, key=next(keys)), dtype)
    x = jr.normal(next(keys), case.input_shape(sizes), dtype)
    y = eqx.filter_eval_shape(jax.vmap(lambda u: case.apply(module, u)), x)
    return Problem(case, sizes, module, x, jr.normal(next(keys), y.shape, dtype))


def count_gflop(problem: Problem) -> dict[str, float | None]:
    """XLA's count for the plain program, in 10^9, per pass.

    That is the one which we give to accelerators: an operation per layer, with none of the tricks for CPUs. Loops are
    unrolled, since XLA counts a loop's body once.
    """
    params, functions = make_functions(problem.case, problem.module, unroll=True)
    counts = {}
    for name, function in functions.items():
        traced = jax.jit(function).trace(params, problem.x, problem.cotangent)
        costs = traced.lower(lowering_platforms=("tpu",)).cost_analysis()
        counts[name] = float(costs["flops"]) / 1e9 if costs else None
    return counts


def jax_runners(problem: Problem, module: Any, clock: Callable[[], float]) -> dict[str, Runner]:
    """Both passes of a module that has the same weights."""
    params, functions = make_functions(problem.case, module)
    arguments = (params, problem.x, problem.cotangent)
    return {name: compile_runner(function, arguments, clock) for name, function in functions.items()}


def rival_runners(package: Any) -> Callable[[Problem, Callable[[], float]], dict[str, Runner]]:
    """`jax_runners` of the same case in another package, with the same weights."""

    def runners(problem: Problem, clock: Callable[[], float]) -> dict[str, Runner]:
        module = problem.case.build(package, problem.sizes, key=jr.PRNGKey(0))
        return jax_runners(problem, move_weights(problem.module, module), clock)

    return runners


def compile_runner(function: Callable, arguments: tuple, clock: Callable[[], float]) -> Runner:
    start = clock()
    lowered = jax.jit(function).lower(*arguments)
    traced = clock()
    compiled = lowered.compile()
    done = clock()
    memory = compiled.memory_analysis()
    return Runner(
        call=lambda: jax.block_until_ready(compiled(*arguments)),
        facts={
            "trace_seconds": traced - start,
            "compile_seconds": done - traced,
            "temp_mb": memory.temp_size_in_bytes / MB if memory else None,
        },
    )


def matmul_runner(size: int = 1024) -> Runner:
    """A product of matrices in float32, the rate that all else is measured by."""
    left, right = (jr.normal(key, (size, size), jnp.float32) for key in jr.split(jr.PRNGKey(0)))
    return compile_runner(jnp.matmul, (left, right), clock=float)


@contextlib.contextmanager
def single_torch_thread() -> Iterator[None]:
    """Let torch use one core."""
    from ._torch_twin import import_torch

    torch = import_torch()

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def torch_runners(problem: Problem, clock: Callable[[], float]) -> dict[str, Runner]:
    """Both passes of the same layers in torch.

    Of a layer's gradient only the way back is timed, as XLA drops the forward pass there: what it needs is kept.
    """
    del clock  # nothing is compiled
    if jax.default_backend() != "cpu":
        raise ValueError(
            f"`against='torch'` must run on a CPU, got the backend {jax.default_backend()!r}. Set JAX_PLATFORMS=cpu."
        )
    from ._torch_twin import import_torch, torch_twin

    torch = import_torch()

    case = problem.case
    twin = torch_twin(problem.module)
    x, cotangent = (_to_torch(array) for array in (problem.x, problem.cotangent))
    params = list(twin.parameters())

    def apply(x: Any) -> Any:
        for _ in range(case.num_steps):
            x = torch.tanh(twin(x))
        return x if case.num_steps else twin(x)

    def forward() -> list[Any]:
        with torch.no_grad():
            return [apply(x)]

    def of_the_mean() -> Any:
        return torch.autograd.grad(apply(x).square().mean(), params)

    def of_the_loop() -> Any:
        return torch.autograd.grad(apply(leaf), inputs, cotangent)

    def back() -> Any:
        return torch.autograd.grad(y, inputs, cotangent, retain_graph=True)

    def twin_of_ours(result: Any) -> list[Any]:
        gradients, *of_input = (result,) if case.is_network else result
        static = eqx.filter(problem.module, eqx.is_inexact_array, inverse=True)
        return [*torch_twin(eqx.combine(gradients, static)).parameters(), *of_input]

    leaf = x.clone().requires_grad_()
    inputs = [*params, leaf]
    gradient = of_the_mean if case.is_network else of_the_loop
    if not (case.is_network or case.num_steps):
        y, gradient = apply(leaf), back
    return {"forward": Runner(forward), "gradient": Runner(gradient, as_here=twin_of_ours)}


def _to_torch(array: Array) -> Any:
    from ._torch_twin import import_torch

    torch = import_torch()

    values = torch.from_numpy(np.array(array.astype(jnp.promote_types(array.dtype, jnp.float32))))
    return values.to(getattr(torch, array.dtype.name))


def difference(ours: Any, theirs: Any) -> float:
    """The largest error of two results with arrays in the same order, relative to the largest value."""
    ours, theirs = ([_to_numpy(leaf) for leaf in jax.tree.leaves(result)] for result in (ours, theirs))
    shapes, expected = ([array.shape for array in arrays] for arrays in (theirs, ours))
    if shapes != expected:
        raise ValueError(f"`theirs` must have arrays of the shapes {expected}, got {shapes}. It is another problem.")
    scale = max(np.max(np.abs(array), initial=0) for array in ours)
    errors = [np.max(np.abs(a - b), initial=0) for a, b in zip(ours, theirs, strict=True)]
    return float(np.max(errors) / (scale or 1))


def _to_numpy(array: Any) -> np.ndarray:
    if isinstance(array, jax.Array):
        return np.asarray(array, np.float64)
    values = array.detach()
    return (values if values.is_complex() else values.double()).numpy()
