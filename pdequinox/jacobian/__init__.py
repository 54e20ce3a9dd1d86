"""Derivatives by the parameters of a model: Jacobian, tangent kernel, angles between gradients."""

from ._cosine import cosine_similarity, gradient_cosine_matrix, jacobian_cosine
from ._ntk import KernelSpectrum, ntk, ntk_regularizer, ntk_spectrum
from ._param_jacobian import param_jacobian

__all__ = [
    "KernelSpectrum",
    "cosine_similarity",
    "gradient_cosine_matrix",
    "jacobian_cosine",
    "ntk",
    "ntk_regularizer",
    "ntk_spectrum",
    "param_jacobian",
]
