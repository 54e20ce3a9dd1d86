"""Arguments as tired people type them: NumPy's integers, wrong types, wrong sizes."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY
from pdequinox import arch, boundary, conv

# Run in a Python of its own, where no type checker speaks before the package does.
WRONG_TYPES = """
import warnings

warnings.simplefilter("error")
import jax, jax.numpy as jnp, numpy as np, pytest
from pdequinox import Hierarchical, arch, boundary, conv

key = jax.random.PRNGKey(0)
two, three = np.int64(2), np.int64(3)
network = arch.ClassicUNet(1, two, three, hidden_channels=np.int64(4), num_levels=np.int64(1), key=key)
layers = (
    conv.PhysicsConv(1, two, three, three, boundary_mode="periodic", key=key),
    conv.PointwiseLinearConv(np.int64(1), two, three, key=key),
    conv.SpectralConv(1, two, three, three, key=key),
)
assert type(network.num_levels) is int
assert all(type(size) is int for layer in layers for size in (layer.in_channels, layer.num_spatial_dims))
assert type(conv.GroupNorm(np.int64(1), two).channels) is int

for num_spatial_dims in ("1", 1.0, 0):
    for name in arch.__all__:
        options = {"num_points": 8} if name in ("MLP", "WNO") else {}
        with pytest.raises(ValueError, match=f"`num_spatial_dims` must be an integer .* got {num_spatial_dims!r}"):
            getattr(arch, name)(num_spatial_dims, 2, 3, **options, key=key)
with pytest.raises(ValueError, match="`dilation_rates` must be a sequence with at least one entry, got 2"):
    arch.DilatedResNet(1, 2, 3, dilation_rates=2, key=key)
options = dict(hidden_channels=4, num_levels=2, num_blocks=1, activation=jax.nn.relu, boundary_mode="periodic")
with pytest.raises(ValueError, match=r"`channel_multipliers` must have one entry per level \\(2\\), got 2"):
    Hierarchical(1, 2, 3, **options, channel_multipliers=2, key=key)
with pytest.raises(ValueError, match="`widths` must be one pair .* got 2"):
    boundary.pad(jnp.ones((1, 5)), 2, "neumann")
with pytest.raises(ValueError, match="`activation` must be a function of one array or a module, got 'relu'"):
    arch.ConvNet(1, 2, 3, activation="relu", key=key)
"""


def test_numpy_integers_are_welcome_and_other_types_are_refused():
    subprocess.run([sys.executable, "-c", WRONG_TYPES], check=True, timeout=120)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width_size": 0}, "`width_size` must be an integer of at least 1, got 0"),
        ({"depth": -1}, "`depth` must be an integer of at least 0, got -1"),
    ],
)
def test_mlp_refuses_wrong_sizes(options, message):
    with pytest.raises(ValueError, match=message):
        arch.MLP(1, 2, 3, num_points=8, **options, key=KEY)


def test_integers_are_refused_where_the_result_would_be_truncated():
    for integers in (
        lambda: conv.GroupNorm(1, channelwise_affine=False)(jnp.arange(6).reshape(2, 3)),
        lambda: boundary.pad(jnp.arange(6)[None], [(1, 1)], "neumann", degree=2),
    ):
        with pytest.raises(ValueError, match=r"`x` must hold floating-point (or complex )?numbers, got int32"):
            integers()


def test_pad_refuses_free_ends_for_convolutions():
    with pytest.raises(ValueError, match=r"`modes` must not be 'free' .* without a `degree`"):
        boundary.pad(jnp.ones((1, 5)), [(1, 1)], "Free")


def test_pad_counts_negative_axes_from_the_end():
    x = jnp.arange(10.0).reshape(2, 5)
    np.testing.assert_array_equal(
        boundary.pad(x, [(2, 1)], "neumann", axes=[-1]), boundary.pad(x, [(2, 1)], "neumann", axes=[1])
    )


def test_modes_may_come_as_an_array_of_strings():
    modes = np.array(["periodic", "dirichlet"])
    assert boundary.normalize_boundary_mode(modes, 2) == ("periodic", "dirichlet")


@pytest.mark.parametrize("mode", [None, 1.0, "dirichelt"])
def test_a_wrong_mode_is_answered_with_the_valid_ones_and_what_is_not_supported(mode):
    with pytest.raises(ValueError, match=f"'cell-neumann', got {mode!r}.* inhomogeneous"):
        boundary.normalize_boundary_mode(mode, 2)


@pytest.mark.parametrize("mode", ["dirichlet", "cell-dirichlet", ("dirichlet", "neumann")])
def test_quadrature_is_spectral_for_products_of_two_fields_and_second_order_for_one(mode):
    wave = np.pi / 4 if isinstance(mode, tuple) else np.pi / 2

    def errors(num_points):
        x, weights = boundary.grid(num_points, 2.0, mode), boundary.quadrature_weights(num_points, 2.0, mode)
        single = abs(weights @ np.sin(wave * x) - (1 - np.cos(2 * wave)) / wave)
        return single, abs(weights @ np.sin(wave * x) ** 2 - 1)

    coarse, fine = errors(15), errors(31)
    assert coarse[0] / fine[0] == pytest.approx(4, rel=0.1)
    assert fine[1] < 1e-14
