r"""Errors of predicted fields, one number per sample (Koehler et al., 2024)."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


def mse(prediction: ArrayLike, target: ArrayLike, *, weights: ArrayLike | None = None) -> Float[Array, " samples"]:
    r"""Mean squared error of each sample.

    $$ \frac{1}{C} \sum_{c=1}^{C} \left\langle (p_c - t_c)^2 \right\rangle,
       \qquad \langle f \rangle = \frac{\sum_x w(x) f(x)}{\sum_x w(x)} $$

    **Arguments:**

    - `prediction`: The fields $p$, of shape `(samples, channels, *spatial)`; in [u].
    - `target`: The fields $t$ they should be, of the same shape; in [u].
    - `weights`: Quadrature weights $w$ that broadcast against `spatial`; equal ones by default. On a grid that holds
        its end points these are [`pdequinox.boundary.quadrature_weights`][] of each axis, multiplied.

    **Returns:** One number per sample; in [u]².

    **Raises:** `ValueError` if the shapes differ.
    """
    prediction, target = checked_pair(prediction, target)
    return jnp.mean(mean_over_space((prediction - target) ** 2, weights), axis=1)


def nrmse(prediction: ArrayLike, target: ArrayLike, *, weights: ArrayLike | None = None) -> Float[Array, " samples"]:
    r"""Root mean squared error of each sample, normalised channel by channel: APEBench's nRMSE.

    $$ \frac{1}{C} \sum_{c=1}^{C}
       \sqrt{\frac{\langle (p_c - t_c)^2 \rangle}{\langle t_c^2 \rangle}} $$

    A prediction of zero has error one. Every channel counts alike, whatever its unit.

    **Arguments:** as for `mse`.

    **Returns:** One number per sample, without unit; not finite where a channel of `target` is zero throughout.

    **Raises:** `ValueError` if the shapes differ.

    ??? cite "Source"
        Koehler et al., *APEBench: A Benchmark for Autoregressive Neural Emulators of PDEs*, NeurIPS 2024,
        arXiv:2411.00180. Its code (`exponax.metrics.nRMSE`) sums over the channels: multiply by their number to
        compare. The geometric mean over time steps that APEBench reports is taken of the mean over samples.
    """
    prediction, target = checked_pair(prediction, target)
    error, size = (mean_over_space(field**2, weights) for field in (prediction - target, target))
    return jnp.mean(jnp.sqrt(error / size), axis=1)


def vrmse(prediction: ArrayLike, target: ArrayLike, *, weights: ArrayLike | None = None) -> Float[Array, " samples"]:
    r"""Root mean squared error of each sample in units of the target's standard deviation: The Well's VRMSE.

    $$ \frac{1}{C} \sum_{c=1}^{C}
       \sqrt{\frac{\langle (p_c - t_c)^2 \rangle}{\langle (t_c - \langle t_c \rangle)^2 \rangle}} $$

    A prediction of the target's mean has error one, whatever that mean is.

    **Arguments:** as for `mse`.

    **Returns:** One number per sample, without unit; huge or not finite where a channel of `target` is constant.

    **Raises:** `ValueError` if the shapes differ.

    ??? cite "Source"
        Ohana et al., *The Well: a Large-Scale Collection of Diverse Physics Simulations for Machine Learning*,
        NeurIPS 2024, arXiv:2412.00568. It adds a small number to the variance, which has the unit [u]²: ours adds
        none, so that the error does not depend on the unit. Its code divides the variance by the number of points
        less one, ours by their number.
    """
    prediction, target = checked_pair(prediction, target)
    fluctuation = target - mean_over_space(target, weights, keepdims=True)
    error, size = (mean_over_space(field**2, weights) for field in (prediction - target, fluctuation))
    return jnp.mean(jnp.sqrt(error / size), axis=1)


def relative_l2(
    prediction: ArrayLike, target: ArrayLike, *, weights: ArrayLike | None = None
) -> Float[Array, " samples"]:
    r"""Distance of each sample from the target in the $L^2$ norm, relative to the target's norm.

    $$ \frac{\lVert p - t \rVert}{\lVert t \rVert},
       \qquad \lVert u \rVert^2 = \sum_{c=1}^{C} \langle u_c^2 \rangle $$

    All channels share one norm, so they should share one unit. Equal to `nrmse` for a single channel.

    **Arguments:** as for `mse`.

    **Returns:** One number per sample, without unit; not finite where `target` is zero throughout.

    **Raises:** `ValueError` if the shapes differ.

    ??? cite "Source"
        The relative error of Li et al., *Fourier Neural Operator for Parametric Partial Differential Equations*,
        ICLR 2021, arXiv:2010.08895. Ours takes quadrature weights.
    """
    prediction, target = checked_pair(prediction, target)
    error, size = (mean_over_space(field**2, weights) for field in (prediction - target, target))
    return jnp.sqrt(jnp.sum(error, axis=1) / jnp.sum(size, axis=1))


def checked_pair(prediction: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    """Both as real floating arrays, if they have the same shape, with axes of samples and of channels."""
    for name, x in (("prediction", prediction), ("target", target)):
        if jnp.iscomplexobj(x):
            raise ValueError(f"`{name}` must be real, got {jnp.asarray(x).dtype}. Stack both parts as channels.")
    prediction, target = (
        x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(float) for x in map(jnp.asarray, (prediction, target))
    )
    if prediction.shape != target.shape or target.ndim < 2:
        raise ValueError(
            "`prediction` must have the shape of `target`, (samples, channels, *spatial), got "
            f"{prediction.shape} and {target.shape}. Add or remove axes: they are not broadcast."
        )
    return prediction, target


def mean_over_space(values: Array, weights: ArrayLike | None, *, keepdims: bool = False) -> Array:
    """The mean over all but the first two axes, weighted; in the dtype of the values."""
    if weights is not None:
        weights = jnp.asarray(weights, values.dtype)
        values = values * (weights / jnp.mean(jnp.broadcast_to(weights, values.shape[2:])))
    return jnp.mean(values, axis=tuple(range(2, values.ndim)), keepdims=keepdims)
