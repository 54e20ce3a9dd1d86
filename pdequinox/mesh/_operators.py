"""The differential operators on nodal fields: stencils on a mesh as their parameters."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from .._checks import check_channels
from ..operators import (
    FiniteDifference,
    curl,
    divergence,
    dot_product,
    gradient,
    hessian,
    jacobian,
    laplacian,
    resolve_scheme,
)
from . import _stencils
from ._fit import pairs_of
from ._nodal_field import NodalField


def _method(name: str, u: NodalField, scheme: Any, valid: tuple[str, ...]) -> str:
    """The method of finite differences that a scheme names, if the operator has it."""
    method = resolve_scheme(FiniteDifference, scheme).method
    if method not in valid:
        names = ["finite_difference" if entry == "volume" else f"finite_difference:{entry}" for entry in valid]
        raise ValueError(
            f"`scheme` of `{name}` on a mesh in {u.domain.ndim}D must be one of {', '.join(map(repr, names))}, got "
            f"{scheme if scheme is not None else FiniteDifference(method)!r}. Pick one of them."
        )
    return method


def stencil(indices: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The parameters of an operator."""
    return {"indices": indices, "weights": weights}


def apply_stencil(name: str, u: NodalField, params: Any, num_derivatives: int) -> Array:
    r"""The sums $v_i = \sum_k w_{ik} u_{j_{ik}}$, of shape `(*batch, num_points, C, num_derivatives)`."""
    if not isinstance(params, dict) or set(params) != {"indices", "weights"}:
        raise ValueError(
            f"`params` of `{name}` must be a dictionary with `indices` and `weights`, got "
            f"{jax.tree.structure(params)}. See `{name}.default_params(u)`."
        )
    shape, indices = np.shape(params["indices"]), jnp.asarray(params["indices"])
    if len(shape) != 2 or shape[0] != u.domain.num_points or not jnp.issubdtype(indices.dtype, jnp.integer):
        raise ValueError(
            f"`params` of `{name}` must have integer `indices` of shape ({u.domain.num_points}, k), got "
            f"{indices.dtype} of shape {shape}. Give one row per point of the mesh."
        )
    if np.shape(params["weights"]) != (*shape, num_derivatives):
        raise ValueError(
            f"`params` of `{name}` must have `weights` of shape {(*shape, num_derivatives)}, got "
            f"{np.shape(params['weights'])}. Give one row per point of the mesh."
        )
    if (
        isinstance(params["indices"], np.ndarray)
        and not 0 <= params["indices"].min() <= params["indices"].max() < shape[0]
    ):
        raise ValueError(
            f"`params` of `{name}` must have `indices` from 0 to {shape[0] - 1}, got {params['indices'].min()} to "
            f"{params['indices'].max()}. They are numbers of points of the mesh."
        )
    dtype = jnp.promote_types(u.params.dtype, jnp.float32)
    if jnp.iscomplexobj(params["weights"]):
        dtype = jnp.promote_types(dtype, jnp.complex64)
    values, weights = u.params.astype(dtype), jnp.asarray(params["weights"], dtype)
    # Channel by channel: together they would be one small matrix per point, which a CPU does not vectorise.
    sums = [row_sums(indices, weights, values[..., channel]) for channel in range(u.dims)]
    is_complex = jnp.issubdtype(dtype, jnp.complexfloating)
    return jnp.stack(sums, axis=-2).astype(dtype if is_complex else u.params.dtype)


def row_sums(indices: Any, weights: Array, values: Array) -> Array:
    """The sums of one channel, of shape `(*batch, num_points)`, by each of the weights in the last axis.

    Rows of one length need no segment sum: a gather and one product of a vector and a matrix per point, whose additions
    have a fixed order on a GPU too.
    """
    return jnp.einsum("...nk,nkm->...nm", values[..., indices], weights, precision=lax.Precision.HIGHEST)


def _first_params(name: str, u: NodalField, scheme: Any) -> dict[str, np.ndarray]:
    method = _method(name, u, scheme, (*_stencils.AVERAGES, "lsq"))
    return stencil(*_stencils.first_derivatives(u.domain, method))


def _gradient_params(u: NodalField, *, scheme: Any = None) -> dict[str, np.ndarray]:
    return _first_params("gradient", u, scheme)


def _jacobian_params(u: NodalField, *, scheme: Any = None) -> dict[str, np.ndarray]:
    return _first_params("jacobian", u, scheme)


def _divergence_params(u: NodalField, *, scheme: Any = None) -> dict[str, np.ndarray]:
    return _first_params("divergence", u, scheme)


def _curl_params(u: NodalField, *, scheme: Any = None) -> dict[str, np.ndarray]:
    return _first_params("curl", u, scheme)


def _laplacian_params(u: NodalField, *, scheme: Any = None) -> dict[str, np.ndarray]:
    method = _method("laplacian", u, scheme, (*_stencils.AVERAGES, "lsq", "cotangent"))
    return stencil(*_stencils.laplacian(u.domain, method))


def _hessian_params(u: NodalField, *, scheme: Any = None) -> dict[str, np.ndarray]:
    method = _method("hessian", u, scheme, (*_stencils.AVERAGES, "lsq"))
    return stencil(*_stencils.second_derivatives(u.domain, method))


def _jacobian(name: str, u: NodalField, params: Any) -> Array:
    """The derivatives of all channels, of shape `(*batch, num_points, C, ndim)`."""
    return apply_stencil(name, u, params, u.domain.ndim)


@gradient.register(NodalField, init_params=_gradient_params)
def _gradient(u: NodalField, *, params: Any = None) -> NodalField:
    check_channels("gradient", u.dims, (1,), "Use `jacobian`.")
    return u.replace_params(_jacobian("gradient", u, params)[..., 0, :])


@jacobian.register(NodalField, init_params=_jacobian_params)
def _all_derivatives(u: NodalField, *, params: Any = None) -> NodalField:
    values = _jacobian("jacobian", u, params)
    return u.replace_params(values.reshape(*values.shape[:-2], -1))


@divergence.register(NodalField, init_params=_divergence_params)
def _divergence(u: NodalField, *, params: Any = None) -> NodalField:
    check_channels("divergence", u.dims, (u.domain.ndim,), "Give one component per axis.")
    return u.replace_params(jnp.trace(_jacobian("divergence", u, params), axis1=-2, axis2=-1)[..., None])


@curl.register(NodalField, init_params=_curl_params)
def _curl(u: NodalField, *, params: Any = None) -> NodalField:
    ndim = u.domain.ndim
    if ndim not in (2, 3):
        raise ValueError(f"`curl` must get a field in 2D or 3D, got one in {ndim}D. See `gradient`.")
    check_channels("curl", u.dims, (3,) if ndim == 3 else (1, 2), "Give one component per axis.")
    slopes = _jacobian("curl", u, params)
    if u.dims == 1:
        return u.replace_params(jnp.stack([slopes[..., 0, 1], -slopes[..., 0, 0]], axis=-1))
    planes = ((1, 2), (2, 0), (0, 1)) if ndim == 3 else ((0, 1),)
    return u.replace_params(jnp.stack([slopes[..., j, i] - slopes[..., i, j] for i, j in planes], axis=-1))


@laplacian.register(NodalField, init_params=_laplacian_params)
def _laplacian(u: NodalField, *, params: Any = None) -> NodalField:
    return u.replace_params(apply_stencil("laplacian", u, params, 1)[..., 0])


@hessian.register(NodalField, init_params=_hessian_params)
def _hessian(u: NodalField, *, params: Any = None) -> NodalField:
    ndim = u.domain.ndim
    pairs = pairs_of(ndim)
    values = apply_stencil("hessian", u, params, len(pairs))
    # Each mixed derivative is there once.
    entries = np.array([pairs.index((min(a, b), max(a, b))) for a in range(ndim) for b in range(ndim)])
    values = values[..., entries]
    return u.replace_params(values.reshape(*values.shape[:-2], -1))


@dot_product.register(NodalField)
def _dot_product(u: NodalField, v: Any, *, quadrature: bool = True, params: Any = None) -> Array:
    if params is not None:
        raise ValueError("`params` must be left out for an operator that has none, got some.")
    u.check_alike(v)
    if u.dims != v.dims:
        raise ValueError(f"`v` must have as many channels as `u` ({u.dims}), got {v.dims}. Select components.")
    integrand = jnp.sum(jnp.conj(u.params) * v.params, axis=-1)
    weights = u.domain.node_volumes if quadrature else np.ones(u.domain.num_points)
    return jnp.matmul(integrand, jnp.asarray(weights, integrand.dtype), precision=lax.Precision.HIGHEST)
