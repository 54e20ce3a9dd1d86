"""The deep operator network (Lu et al., 2021)."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._checks import check_input, check_integer, check_sizes, per_axis
from ..blocks import ChannelMLPBlock, as_activation
from ..boundary import AxisMode, BoundaryMode, grid, normalize_boundary_mode, refuse_devices, vanishes_at_a_wall
from ..compose import FieldEncoder
from ..conv import ReceptiveField

BRANCHES = ("mlp", "conv", "resnet")


class DeepONet(eqx.Module):
    r"""A basis of functions of the coordinates, and its coefficients as functions of the input field.

    $$ y_o(x) = b_o + \sum_k \beta_{o k}(u)\, \tau_k(x) $$

    The trunk $\tau$ is a perceptron of the coordinates on the unit box, an activation included at its end; of a
    periodic axis it sees sines and cosines, so that the output is periodic and smooth. The branch $\beta$ is

    - `"mlp"`: a perceptron of all values of the field, on a grid of `num_points` only, as in the source;
    - `"conv"`, `"resnet"`: convolutions with a stride of 2, after each a residual block or not, and the mean over the
      coarsest grid, for any grid ([`pdequinox.compose.FieldEncoder`][]).

    ??? cite "Source"
        Lu et al., *Learning nonlinear operators via DeepONet*, Nature Machine Intelligence 2021, arXiv:1910.03193.
        Outputs that share the trunk, sines and cosines of periodic axes, the factor that is zero at walls: Lu et al.,
        *A comprehensive and fair comparison of two neural operators*, CMAME 2022, arXiv:2111.05512. Sizes are ours, and
        initial values are uniform instead of Glorot's.
    """

    branch: Callable
    trunk: ChannelMLPBlock
    bias: Array
    activation: Callable = eqx.field(converter=as_activation)
    num_spatial_dims: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    num_points: tuple[int, ...] | None = eqx.field(static=True)
    num_frequencies: int = eqx.field(static=True)
    use_wall_factor: bool = eqx.field(static=True)
    boundary_mode: tuple[AxisMode, ...] = eqx.field(static=True)

    def __init__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        branch: str = "mlp",
        num_points: int | Sequence[int] | None = None,
        num_basis: int = 128,
        width_size: int = 256,
        depth: int = 3,
        hidden_channels: int = 32,
        num_levels: int = 3,
        kernel_size: int | Sequence[int] = 3,
        num_frequencies: int = 1,
        use_wall_factor: bool = False,
        activation: Callable = jax.nn.relu,
        boundary_mode: BoundaryMode = "periodic",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `num_spatial_dims`, `in_channels`, `out_channels`, `boundary_mode`, `key`: As everywhere.
        - `branch`: `"mlp"`, `"conv"` or `"resnet"`.
        - `num_points`: The grid of the branch `"mlp"`; one integer or one per axis. The others need none.
        - `num_basis`: The number of basis functions.
        - `width_size`, `depth`: The number of units of each hidden layer, and of hidden layers, of the perceptrons.
        - `hidden_channels`: The channels of the first convolution of the other branches; doubled by each further one.
        - `num_levels`: The number of these convolutions.
        - `kernel_size`: Their number of taps; one integer or one per axis.
        - `num_frequencies`: The number of sines and cosines per periodic axis: the first harmonics of its period.
        - `use_wall_factor`: Whether to multiply the output by a polynomial that is zero at the walls where u = 0.
        - `activation`: A function of one array, or a module with parameters.

        **Raises:** `ValueError` for another branch, numbers that are too small, and points that are given to a branch
        that needs none or missing for the one that does.
        """
        self.num_spatial_dims, self.in_channels, self.out_channels = check_sizes(
            num_spatial_dims, in_channels, out_channels
        )
        self.boundary_mode = normalize_boundary_mode(boundary_mode, num_spatial_dims)
        if branch not in BRANCHES:
            raise ValueError(
                f"`branch` must be one of {', '.join(map(repr, BRANCHES))}, got {branch!r}. Check the spelling."
            )
        if (branch == "mlp") == (num_points is None):
            raise ValueError(
                f'`num_points` must be given for `branch="mlp"` and for no other, got {num_points!r} with '
                f"{branch!r}. The other branches fit any grid."
            )
        self.num_points = None if num_points is None else per_axis("num_points", num_points, num_spatial_dims)
        self.num_frequencies = check_integer("num_frequencies", num_frequencies)
        self.use_wall_factor = use_wall_factor
        coefficients = self.out_channels * check_integer("num_basis", num_basis)
        coordinates = sum(2 * num_frequencies if mode == "periodic" else 1 for mode in self.boundary_mode)
        # Points are a line to the trunk, on the grid or not, and all values those of one point to the branch.
        perceptron = partial(
            ChannelMLPBlock,
            1,
            hidden_channels=check_integer("width_size", width_size),
            num_layers=check_integer("depth", depth) + 1,
            activation=activation,
        )
        branch_key, trunk_key = jr.split(key)
        self.trunk = perceptron(coordinates, num_basis, key=trunk_key)
        if self.num_points is not None:
            self.branch = perceptron(self.in_channels * math.prod(self.num_points), coefficients, key=branch_key)
        else:
            self.branch = FieldEncoder(
                num_spatial_dims,
                in_channels,
                coefficients,
                hidden_channels=hidden_channels,
                num_levels=num_levels,
                kernel_size=kernel_size,
                use_residual_blocks=branch == "resnet",
                activation=activation,
                boundary_mode=boundary_mode,
                key=branch_key,
            )
        self.bias = jnp.zeros(self.out_channels)
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        """**Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`; a batch needs `jax.vmap`.

        **Returns:** An array of shape `(out_channels, *spatial)`.

        **Raises:** `ValueError` for another shape or dtype.
        """
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.bias.dtype)
        axes = [grid(n, 1.0, mode) for n, mode in zip(x.shape[1:], self.boundary_mode, strict=True)]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, self.num_spatial_dims)
        return self.evaluate(x, points).reshape(self.out_channels, *x.shape[1:])

    def evaluate(self, x: Array, points: ArrayLike) -> Array:
        """The output at any points.

        **Arguments:**

        - `x`: An array of shape `(in_channels, *spatial)`.
        - `points`: Coordinates on the unit box, of shape `(points, num_spatial_dims)`.

        **Returns:** An array of shape `(out_channels, points)`.

        **Raises:** `ValueError` for other shapes or another dtype.
        """
        x = check_input(x, self.in_channels, self.num_spatial_dims, self.bias.dtype)
        if self.num_points is not None and x.shape[1:] != self.num_points:
            raise ValueError(
                f"`x` must have the shape {(self.in_channels, *self.num_points)} that the network was made for, got "
                f"{x.shape}. Make another one with `num_points={x.shape[1:]}`, or take a branch that fits any grid."
            )
        if np.ndim(points) != 2 or np.shape(points)[1] != self.num_spatial_dims:
            raise ValueError(
                f"`points` must have the shape (points, {self.num_spatial_dims}), got {np.shape(points)}. Give the "
                "coordinates of each point in a row."
            )
        if self.num_points is not None:
            refuse_devices("DeepONet", x.size)
        coordinates, factor = self._coordinates(points if isinstance(points, Array) else np.asarray(points))
        dtype = jnp.float32 if jnp.finfo(x.dtype).bits < 32 else x.dtype
        basis = self.activation(self.trunk(jnp.asarray(coordinates, x.dtype)))
        coefficients = self.branch(x if self.num_points is None else x.reshape(-1, 1)).reshape(self.out_channels, -1)
        y = jnp.einsum("ok,kn->on", coefficients, basis, preferred_element_type=dtype)
        y = (y + self.bias.astype(dtype)[:, None]).astype(x.dtype)
        return y * jnp.asarray(factor, x.dtype) if self.use_wall_factor else y

    def _coordinates(self, points):
        """What the trunk sees of points, and the factor that is zero at walls with u = 0; on the host if they are."""
        module = np if isinstance(points, np.ndarray) else jnp
        channels, factor = [], module.ones_like(points[:, 0])
        for x, mode in zip(points.T, self.boundary_mode, strict=True):
            if mode == "periodic":
                waves = [2 * np.pi * k for k in range(1, self.num_frequencies + 1)]
                channels += [function(wave * x) for wave in waves for function in (module.sin, module.cos)]
            else:
                channels.append(x)
                left, right = (mode, mode) if isinstance(mode, str) else mode
                for end, distance in ((left, x), (right, 1 - x)):
                    factor = factor * (2 * distance if vanishes_at_a_wall(end) else 1)
        return module.stack(channels), factor

    @property
    def receptive_field(self) -> ReceptiveField:
        """Everything."""
        return ((math.inf, math.inf),) * self.num_spatial_dims
