"""The attention gate of skip connections (Oktay et al., 2018)."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_sizes
from ..boundary import BoundaryMode, normalize_boundary_mode
from ..conv import PointwiseLinearConv, ReceptiveField
from ._activation import as_activation


class AttentionGate(eqx.Module):
    r"""Multiply a skip by a number between 0 and 1 at each point, which the skip and what comes from below decide.

    $$ \alpha = \sigma\big(\psi \cdot a(W_s s + W_g g + b_g) + b_\psi\big), \qquad y = \alpha s $$

    A `skip_factory` for [`pdequinox.compose.Hierarchical`][]; not a block, because it has two inputs.

    ??? cite "Source"
        Oktay et al., *Attention U-Net*, MIDL 2018, arXiv:1804.03999. The original brings the skip to the coarser grid
        and interpolates the gate back; ours takes the up-sampled signal, on the grid of the skip, so that there is
        nothing to interpolate.
    """

    from_skip: PointwiseLinearConv
    from_gate: PointwiseLinearConv
    to_gate: PointwiseLinearConv
    activation: Callable = eqx.field(converter=as_activation)

    def __init__(
        self,
        num_spatial_dims: int,
        skip_channels: int,
        gate_channels: int,
        *,
        hidden_channels: int | None = None,
        activation: Callable = jax.nn.relu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`: The number of axes of the grid.
        - `skip_channels`: The number of channels of the skip, and of the output.
        - `gate_channels`: The number of channels of the signal from below.
        - `hidden_channels`: The number of channels between; half of `skip_channels` by default, one at least.
        - `activation`: A function of one array, or a module with parameters.
        - `boundary_mode`: Without effect, because the gate is local; validated.
        - `key`: A JAX random key.

        **Raises:** `ValueError` for sizes that are not positive integers.
        """
        normalize_boundary_mode(boundary_mode, num_spatial_dims)
        check_sizes(num_spatial_dims, skip_channels, gate_channels)
        if hidden_channels is None:
            hidden_channels = max(1, skip_channels // 2)
        skip_key, gate_key, last_key = jr.split(key, 3)
        self.from_skip = PointwiseLinearConv(num_spatial_dims, skip_channels, hidden_channels, False, key=skip_key)
        self.from_gate = PointwiseLinearConv(num_spatial_dims, gate_channels, hidden_channels, key=gate_key)
        self.to_gate = PointwiseLinearConv(num_spatial_dims, hidden_channels, 1, key=last_key)
        self.activation = activation

    def __call__(self, skip: Array, gate: Array) -> Array:
        """**Arguments:**

        - `skip`: An array of shape `(skip_channels, *spatial)`.
        - `gate`: An array of shape `(gate_channels, *spatial)`.

        **Returns:** The gated skip.
        """
        hidden = self.activation(self.from_skip(skip) + self.from_gate(gate))
        return jax.nn.sigmoid(self.to_gate(hidden)) * skip

    @property
    def receptive_field(self) -> ReceptiveField:
        """Zero to both sides."""
        return self.to_gate.receptive_field
