"""What primitives of JAX have in common, be they maps of one operand or of two."""

from collections.abc import Callable, Iterable
from functools import partial
from math import prod
from typing import Any

import jax
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import mlir, xla
from jaxtyping import Array


def define(
    primitive: Primitive,
    shape: Callable[..., tuple[Any, ...]],
    function: Callable[..., Array],
    *,
    on_cpu: Callable[..., Array] | None = None,
) -> None:
    """Let `primitive` be computed by `function`, or by `on_cpu` on one; its result has the dtype of its operands.

    `shape` takes the operands' types and the options, the functions take arrays and the options. Where XLA splits
    arrays over several devices by itself, `function` it is on CPUs too: a loop over a split axis would gather it.
    """
    primitive.def_abstract_eval(lambda *types, **options: types[0].update(shape=shape(*types, **options)))
    primitive.def_impl(partial(xla.apply_primitive, primitive))
    mlir.register_lowering(primitive, _rule(function))
    if on_cpu is not None:
        alone, split = _rule(on_cpu), _rule(function)

        def rule(context: Any, *operands: Any, **options: Any) -> Any:
            return (alone if _num_devices(context) == 1 else split)(context, *operands, **options)

        mlir.register_lowering(primitive, rule, platform="cpu")


def _num_devices(context: Any) -> int:
    """Over how many devices XLA splits arrays by itself: those along mesh axes that no `jax.shard_map` has taken."""
    axes = context.module_context.axis_context
    if hasattr(axes, "manual_axes"):
        return prod(size for name, size in axes.mesh.shape.items() if name not in axes.manual_axes)
    return getattr(axes, "num_devices", 1)


def alike(a: Array, b: Array) -> tuple[Array, Array]:
    """Two operands that vary over the same axes of a device mesh, as `jax.shard_map` wants those of a primitive."""
    only_a, only_b = _varying(a) - _varying(b), _varying(b) - _varying(a)
    return vary(a, only_b), vary(b, only_a)


def _varying(x: Array) -> frozenset:
    kind: Any = jax.typeof(x)
    return kind.manual_axis_type.varying if hasattr(kind, "manual_axis_type") else kind.vma


def vary(x: Array, axes: Iterable[str]) -> Array:
    """`x` as one that varies over these axes of a device mesh, among others."""
    names = tuple(sorted(set(axes) - _varying(x)))
    if not names:
        return x
    if hasattr(lax, "pcast"):
        return lax.pcast(x, names, to="varying")
    return getattr(lax, "pvary")(x, names)  # noqa: B009 (the name before jax 0.9)


def _rule(function: Callable[..., Array]) -> Any:
    """A lowering in which arrays are arrays: inside of `jax.shard_map` each device computes with its own."""
    lower = mlir.lower_fun(function, multiple_results=False)

    def rule(context: Any, *operands: Any, **options: Any) -> Any:
        types = [ShapedArray(kind.shape, kind.dtype) for kind in context.avals_in]
        return lower(context.replace(avals_in=types), *operands, **options)

    return rule
