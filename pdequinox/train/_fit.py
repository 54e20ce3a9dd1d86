"""The training loop: any model, any losses, any optax optimizers."""

import dataclasses
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PyTree

from .._checks import check_integer
from .._fingerprint import fingerprint_in_place
from .._selection import selected
from ..boundary import without_layouts
from ._batches import Source, make_source
from ._checkpoint import Saver, arrays_by_path
from ._history import History, Recorder
from ._parts import check_optimizer, optimizer_of_parts
from ._progress import make_progress
from ._step import Carry, Compiled, Constants, Step, has_convolutions, strong
from ._trackers import Best, Trackers
from ._training import Training


class Fitted(NamedTuple):
    """What `fit` returns."""

    model: PyTree
    """The trained model."""
    history: History
    """The record of the training."""


def fit(
    model: PyTree,
    loss: Any,
    optimizer: Any,
    num_steps: Any,
    *,
    batches: Any = None,
    trackers: Any = None,
    key: Any = None,
    loss_weights: Any = None,
    balance: Any = None,
    where: Any = None,
    ema: Any = None,
    early_stopping: Any = None,
    checkpoint: Any = None,
    steps_per_call: Any = "auto",
    progress: Any = True,
) -> Fitted:
    r"""Train a model by gradient descent: a network, a dictionary of numbers and networks, any pytree.

    Nothing that is passed in is changed or freed. Losses and tracked values stay on the device until they are needed.

    **The same numbers, to the last bit,** whether or not there are trackers and checkpoints, and whether or not a run
    was interrupted: all steps are computed by the same machine code, for any number of them in a call, and what a step
    draws at random depends on `key` and the number of the step.

    **Loop or Python?** A compiled loop over steps saves the time between them: on a CPU a small MLP trains 3 times
    faster (`docs/guides/training.py` measures it). But XLA's CPU backend has only slow code for its own convolutions
    in a loop; those of `pdequinox.conv` keep their speed. With `steps_per_call="auto"` the steps run in a compiled
    loop, unless the losses hold a `jax.lax` convolution and the backend is a CPU, or the batches come from an iterable.

    **Arguments:**

    - `model`: A network or any pytree. Its floating arrays are trained, all else stays as it is.
    - `loss`: A function `(model) -> number`, or `(model, batch) -> number` with `batches`; or a dict of named ones,
        whose weighted sum is minimised.
    - `optimizer`: An optax optimizer, with schedules and clipping from optax; also one that asks for the value of the
        loss (such as `optax.lbfgs`). Or a dict with one for each top-level part of the model (an attribute or a key),
        `None` for a part that is frozen.
    - `num_steps`: The number of steps, with those before the checkpoint that a run resumes from.
    - `batches`: What the losses get after the model: `shuffled(data, batch_size)`; a function of a random key, such as
        one that draws points, called inside of the compiled step; or an iterable of batches (a loader), which is
        started again when it is used up. On resumption its first items are skipped.
    - `trackers`: A dict of functions of the model, evaluated every 100 steps, or of `Tracker(function, every)`.
    - `key`: A JAX random key, for batches that are shuffled or drawn, and for `balance`.
    - `loss_weights`: A dict with a number for each named loss; ones by default.
    - `balance`: A rule that adapts these weights instead: `ReLoBRaLo()` or `GradientNormBalancing()`.
    - `where`: What to train: a function such as `lambda model: (model.layers[-1], model.scale)`, or booleans in the
        structure of the model (or of a prefix of it). All else is frozen.
    - `ema`: The decay of a moving average of the parameters, such as 0.999, corrected for the start (where the
        average began at zero). The model with it is `history.ema_model`.
    - `early_stopping`: An `EarlyStopping`. Then the model is the best that was seen, not the last one.
    - `checkpoint`: A file name, or `Checkpoint(path, every)`. If the file exists, `fit` resumes from it, and refuses it
        if the losses (as traced), the data, the initial model, what is trained, the key or the options differ. The
        optimizer may have other numbers, such as a longer schedule; a checkpoint does not know them. The model in the
        file, the last one, is also what `load(path, like=model)` returns.
    - `steps_per_call`: `"auto"`; or 1 for single steps from Python; or the largest number of steps in a compiled call.
        Single steps and the loop are different machine code and agree to rounding errors.
    - `progress`: Whether to show the progress on the standard error stream; or a function that gets
        `(steps done, loss of the last one)` instead, five times per second at most, and after the last step.

    **Returns:** `Fitted(model, history)`.

    **Raises:** `NonFiniteLossError` with the step, the last good model and the history, if a loss, a gradient or an
    update is not finite. `ValueError` for arguments that do not fit together, for a model or a selection without
    floating arrays, for a part without optimizer, for a loader that ends, and for the checkpoint of another training.
    """
    check_integer("num_steps", num_steps)
    _check_steps_per_call(steps_per_call)
    if key is not None and not eqx.is_array(key):
        raise ValueError(f"`key` must be a JAX random key, got {key!r}. Pass `key=jax.random.key(0)`, say.")
    losses, names = _named(loss)
    weights = _weights(loss_weights, names, balance)
    mask = selected(model, where)
    if isinstance(optimizer, Mapping):
        optimizer, mask = optimizer_of_parts(optimizer, model, mask)
    else:
        optimizer = check_optimizer(optimizer)
    params, others = eqx.partition(model, mask)
    params = jax.tree.map(strong, params)
    frozen, static = eqx.partition(others, eqx.is_array)
    rebuild = lambda params, frozen: eqx.combine(params, frozen, static)  # noqa: E731

    source = make_source(batches, key)
    step = Step(losses, weights, balance, optimizer, _decay(ema), source, rebuild)
    constants = Constants(frozen, source.constants, _balance_key(balance, key))
    with without_layouts():
        dtype, jaxpr = _inspect(step, params, constants, names or ("loss",))
    count, use_loop = _choose_loop(steps_per_call, source, has_convolutions(jaxpr.jaxpr))
    watched = Trackers(trackers, params, frozen, rebuild)
    carry = step.start(params)
    best = None
    if early_stopping is not None:
        watched.check_monitor(early_stopping, num_steps)
        best = Best(early_stopping, carry.params)
    recorder = Recorder(names, balance is not None, len(losses), watched.shapes)

    saver, first = None, 0
    if checkpoint is not None:
        settings = {
            "the losses": list(names),
            "the weights of the losses": list(weights),
            "the balance of the losses": _describe(balance),
            "the batches": list(source.settings),
            "the key": _numbers(key),
            "the trackers": watched.every,
            "the moving average": ema,
            "early stopping": _describe(early_stopping),
            "what is trained": list(arrays_by_path(params)),
            "the data": fingerprint_in_place(jax.tree.leaves(source.constants)),
            f"the losses, as JAX {jax.__version__} traces them": fingerprint_in_place(jaxpr.consts, str(jaxpr)),
        }
        saver = Saver(checkpoint, settings, model, frozen, rebuild)
        carry, first = saver.load(carry, num_steps, best, recorder)

    def finish(carry: Carry, params: PyTree, num_taken: int) -> Fitted:
        averaged = None if ema is None else rebuild(_averaged(carry, ema), frozen)
        history = recorder.history(num_taken, averaged, None if best is None else best.step)
        return Fitted(rebuild(params, frozen), history)

    training = Training(
        Compiled(step, carry, constants, recorder.num_columns, dtype, use_loop=use_loop),
        carry,
        first,
        trackers=watched,
        recorder=recorder,
        best=best,
        saver=saver,
        progress=make_progress(progress, first, num_steps),
        fixed_count=count,
        finish=finish,
    )
    training.run(num_steps)
    return finish(training.carry, training.carry.params if best is None else best.params, training.step)


def _check_steps_per_call(steps_per_call: Any) -> None:
    if isinstance(steps_per_call, str) and steps_per_call != "auto":
        raise ValueError(f"`steps_per_call` must be 'auto' or an integer, got {steps_per_call!r}. Use 'auto'.")
    if not isinstance(steps_per_call, str):
        check_integer("steps_per_call", steps_per_call)


def _named(loss: Any) -> tuple[tuple[Callable, ...], tuple[str, ...]]:
    """The losses and their names; a single function has none."""
    if callable(loss):
        return (loss,), ()
    if not isinstance(loss, Mapping) or not loss or not all(map(callable, loss.values())):
        raise ValueError(
            f"`loss` must be a function or a dict of names and functions, got {loss!r}. Define a function of the model."
        )
    for name in loss:
        if not isinstance(name, str) or name == "total":
            raise ValueError(f"`loss` must have strings other than 'total' for names, got {name!r}. Choose another.")
    return tuple(loss.values()), tuple(loss)


def _weights(loss_weights: Any, names: tuple[str, ...], balance: Any) -> tuple[float, ...]:
    """One number for each loss."""
    if loss_weights is None and balance is None:
        return (1.0,) * max(1, len(names))
    if not names:
        raise ValueError(
            "`loss` must be a dict of names and functions for `loss_weights` or `balance`, got a function. Pass a dict."
        )
    if balance is not None:
        if loss_weights is not None:
            raise ValueError("`loss_weights` must be None with `balance`, which computes them, got both. Drop one.")
        return (1.0,) * len(names)
    if not isinstance(loss_weights, Mapping) or set(loss_weights) != set(names):
        raise ValueError(
            f"`loss_weights` must be a dict with a number for each of {', '.join(names)}, got {loss_weights!r}. Use "
            "the names of the losses."
        )
    return tuple(float(loss_weights[name]) for name in names)


def _describe(rule: Any) -> str | None:
    """What tells rules apart, in any process."""
    if rule is None:
        return None
    return repr(rule) if dataclasses.is_dataclass(rule) else type(rule).__name__


def _balance_key(balance: Any, key: Any) -> Any:
    if balance is None:
        return None
    if not all(hasattr(balance, name) for name in ("init", "update", "needs_gradient_norms")):
        raise ValueError(f"`balance` must be a rule for the weights, got {balance!r}. Pass `ReLoBRaLo()`, say.")
    if key is None:
        raise ValueError("`key` must be a JAX random key for `balance`, got None. Pass `key=jax.random.key(0)`, say.")
    return jr.fold_in(key, 2**32 - 1)  # no step has this number


def _decay(ema: Any) -> float | None:
    if ema is None:
        return None
    if isinstance(ema, bool) or not isinstance(ema, Real) or not 0 < float(ema) < 1:
        raise ValueError(f"`ema` must be a number between 0 and 1, got {ema!r}. Use 0.999, say.")
    return float(ema)


def _averaged(carry: Carry, ema: float) -> PyTree:
    """The moving average of the parameters; that of none is what they are."""
    share = 1 - float(ema) ** int(carry.step)
    if share == 0:
        return carry.params
    return jax.tree.map(lambda total, leaf: (total / share).astype(leaf.dtype), carry.average, carry.params)


def _numbers(key: Any) -> list[int] | None:
    if key is None:
        return None
    return np.asarray(jr.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key).tolist()


def _inspect(step: Step, params: PyTree, constants: Constants, names: tuple[str, ...]) -> tuple[Any, Any]:
    """The dtype of the losses, and what they compute."""
    evaluate = jax.make_jaxpr(step.evaluate, return_shape=True)
    jaxpr, shapes = evaluate(params, constants, step.source.example(), jnp.int32(0))
    for name, shape in zip(names, shapes, strict=True):
        if not hasattr(shape, "dtype"):
            raise ValueError(
                f"`loss` must return one real number, got {type(shape).__name__} for {name!r}. Auxiliary values belong "
                "into `trackers`."
            )
        if shape.shape != () or not jnp.issubdtype(shape.dtype, jnp.floating):
            raise ValueError(
                f"`loss` must return one real number, got shape {shape.shape} of {shape.dtype} for {name!r}. Take "
                "a mean."
            )
    return jnp.result_type(*shapes), jaxpr


def _choose_loop(steps_per_call: Any, source: Source, is_convolutional: bool) -> tuple[int | None, bool]:
    """How many steps there are in a call (None: as many as seems good), and whether they are a compiled loop."""
    if steps_per_call == "auto":
        is_slow = is_convolutional and jax.default_backend() == "cpu"
        return None, not (is_slow or source.is_loader)
    if steps_per_call > 1 and source.is_loader:
        raise ValueError(
            f"`steps_per_call` must be 'auto' or 1 for batches from an iterable, got {steps_per_call}. Pass "
            "`shuffled(data, batch_size)` for a compiled loop."
        )
    return (None, False) if steps_per_call == 1 else (int(steps_per_call), True)
