"""Weights of several losses that adapt during training: rules that are pure functions of a state."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._checks import check_integer


class LookbackState(NamedTuple):
    """The state of `ReLoBRaLo`."""

    count: Array
    initial: Array
    previous: Array
    weights: Array


@dataclasses.dataclass(frozen=True)
class ReLoBRaLo:
    r"""Relative loss balancing with random lookback: weight on the losses that fall slowest.

    $$ \hat w_i(t, s) = n \operatorname{softmax}_i \frac{L_i(t)}{\tau L_i(s)}, \qquad
       w(t) = \alpha \left( \rho_t w(t - 1) + (1 - \rho_t) \hat w(t, 0) \right) + (1 - \alpha) \hat w(t, t - 1) $$

    where $\rho_t$ is 1 with probability $\rho$ and 0 otherwise: then the history gives way to a look back at the
    first step. The n weights add up to n; losses that fall at one rate have weights of one, whatever their sizes.

    A rule holds no state: `init` makes it and `update` returns the next one, as in optax, so that it runs under `jit`,
    `scan` and `vmap`. No gradient flows through the weights.

    **Arguments:**

    - `alpha`: How much of the history is kept, from 0 to 1.
    - `temperature`: The number $\tau$: small for sharp differences, large for equal weights.
    - `rho`: The probability to keep the history.

    **Raises:** `ValueError` for `alpha` or `rho` outside of [0, 1], or a `temperature` that is not positive.

    ??? cite "Source"
        Bischof and Kraus, *Multi-Objective Loss Balancing for Physics-Informed Deep Learning*, arXiv:2110.09813.
        Ours starts with weights of one at the first step.
    """

    alpha: Any = 0.999
    temperature: Any = 0.1
    rho: Any = 0.99

    needs_gradient_norms: ClassVar[bool] = False
    """Whether `update` needs the norms of the gradients."""

    def __post_init__(self):
        _check_fraction("alpha", self.alpha)
        _check_fraction("rho", self.rho)
        if not self.temperature > 0:
            raise ValueError(f"`temperature` must be positive, got {self.temperature}. Use 0.1, for example.")

    def init(self, num_losses: Any) -> LookbackState:
        """The state before the first step."""
        zeros = jnp.zeros(check_integer("num_losses", num_losses))
        return LookbackState(jnp.zeros((), jnp.int32), zeros, zeros, zeros + 1)

    def update(
        self, losses: Any, state: LookbackState, key: Any, gradient_norms: Any = None
    ) -> tuple[Float[Array, " n"], LookbackState]:
        """The weights of this step and the next state.

        **Arguments:**

        - `losses`: The losses, of shape `(n,)`.
        - `state`: From `init` or the step before.
        - `key`: A JAX random key for this step.
        - `gradient_norms`: Ignored; accepted because other rules take them.

        **Raises:** `ValueError` for another number of losses than the state is for.
        """
        del gradient_norms
        losses = jax.lax.stop_gradient(_checked("losses", losses, state.weights))
        is_first = state.count == 0
        initial, previous = (jnp.where(is_first, losses, old) for old in (state.initial, state.previous))
        keep = jr.bernoulli(key, self.rho)
        history = jnp.where(keep, state.weights, self._relative(losses, initial))
        weights = self.alpha * history + (1 - self.alpha) * self._relative(losses, previous)
        return weights, LookbackState(state.count + 1, initial, losses, weights)

    def _relative(self, losses: Array, reference: Array) -> Array:
        limits = jnp.finfo(losses.dtype)
        # A loss that was zero and is zero has not changed: its ratio is one.
        ratio = (losses + limits.tiny) / (reference + limits.tiny) / self.temperature
        return len(losses) * jax.nn.softmax(jnp.minimum(ratio, limits.max))


@dataclasses.dataclass(frozen=True)
class GradientNormBalancing:
    r"""Weights that give the gradients of all losses the same norm.

    $$ w_i(t) = \alpha w_i(t - 1) + (1 - \alpha)
       \frac{\frac{1}{n} \sum_j \lVert \nabla L_j \rVert}{\lVert \nabla L_i \rVert} $$

    The weights start at one; a loss without gradient keeps its own. Used as `ReLoBRaLo`, but for the norms that
    `update` needs: they cost one pass back per loss.

    **Arguments:**

    - `alpha`: How much of the previous weights is kept, from 0 to 1.

    **Raises:** `ValueError` for `alpha` outside of [0, 1].

    ??? cite "Source"
        Wang et al., *An Expert's Guide to Training Physics-Informed Neural Networks*, 2023, arXiv:2308.08468, after
        Wang, Teng and Perdikaris, arXiv:2001.04536. There the sum stands in place of our mean, which gives equal
        gradients weights of one and so leaves the learning rate as it is.
    """

    alpha: Any = 0.9

    needs_gradient_norms: ClassVar[bool] = True
    """Whether `update` needs the norms of the gradients."""

    def __post_init__(self):
        _check_fraction("alpha", self.alpha)

    def init(self, num_losses: Any) -> Array:
        """The state before the first step: the weights."""
        return jnp.ones(check_integer("num_losses", num_losses))

    def update(
        self, losses: Any, state: Array, key: Any, gradient_norms: Any = None
    ) -> tuple[Float[Array, " n"], Array]:
        """The weights of this step and the next state.

        **Arguments:**

        - `losses`: Ignored; accepted because other rules take them.
        - `state`: From `init` or the step before.
        - `key`: Ignored as well.
        - `gradient_norms`: The norms of the gradients of the losses without weights, of shape `(n,)`.

        **Raises:** `ValueError` without norms, or for another number of them than the state is for.
        """
        del losses, key
        if gradient_norms is None:
            raise ValueError(
                "`gradient_norms` must be given to `GradientNormBalancing`, got None. Pass the norm of the gradient of "
                "each loss."
            )
        norms = jax.lax.stop_gradient(_checked("gradient_norms", gradient_norms, state))
        wanted = jnp.where(norms > 0, jnp.mean(norms) / jnp.where(norms > 0, norms, 1), state)
        weights = self.alpha * state + (1 - self.alpha) * wanted
        return weights, weights


def _check_fraction(name: str, value: Any) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` must lie in [0, 1], got {value}. It is a share of the history.")


def _checked(name: str, values: Any, weights: Array) -> Array:
    values = jnp.asarray(values)
    if values.shape != weights.shape:
        raise ValueError(
            f"`{name}` must have shape {weights.shape}, one number per loss, got {values.shape}. Stack them, or pass "
            "their number to `init`."
        )
    return values.astype(weights.dtype)
