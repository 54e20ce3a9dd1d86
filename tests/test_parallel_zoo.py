"""Every network with its space over eight devices: outputs and gradients are those of one device."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pdequinox
from filled import apply, filled
from meshes import mesh_of
from pdequinox.boundary import MODES
from pdequinox.parallel import space_sharded
from zoo import TRAITS, ZOO

# The dtype, the mesh, the axes that lie over it, the points and the modes of space. Networks take turns with two
# designs: each meets 2D and 3D, both meshes and every mode, and every mode lies along an axis that is split.
ON_2X4, ON_1X8 = ({"a": 2, "b": 4}, ("b", "a", None)), ({"a": 1, "b": 8}, ("b", "a", None))
DESIGNS = (
    {
        "2D, 2x4": (jnp.float64, *ON_2X4, (16, 8), ("periodic", "dirichlet")),
        "3D, 1x8": (jnp.float32, *ON_1X8, (16, 4, 8), ("neumann", "cell-dirichlet", "cell-neumann")),
    },
    {
        "2D, 1x8": (jnp.float32, *ON_1X8, (32, 8), ("cell-dirichlet", "neumann")),
        "3D, 2x4": (jnp.float64, *ON_2X4, (16, 8, 4), ("cell-neumann", "dirichlet", "periodic")),
    },
)
LOCAL = [name for name in ZOO if name not in ("MLP", "DeepONet")]
CASES = [(name, case, DESIGNS[k % 2][case]) for k, name in enumerate(LOCAL) for case in DESIGNS[k % 2]]
# Of programs that run once it is the compilation that takes the time.
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
TOLERANCE = {jnp.float32: 1e-5, jnp.float64: 1e-12}


@pytest.mark.parametrize("design", DESIGNS)
def test_every_network_meets_every_mode(design):
    assert {mode for *_, modes in design.values() for mode in modes} == set(MODES)


@pytest.mark.parametrize(("name", "case", "settings"), CASES, ids=[f"{name}-{case}" for name, case, _ in CASES])
def test_values_and_gradients_are_those_of_one_device(name, case, settings):
    dtype, sizes, axes, shape, modes = settings
    axes = axes[: len(shape)]
    if name == "CNO" and modes[0] == "neumann":
        # There its coarser grid of 16 points has 9, so that both walls stay where they are.
        modes = (modes[1], modes[0], *modes[2:])
    elif len(shape) == 3 and not TRAITS[name].needs_basis and name != "CNO":
        modes = ((modes[0], "neumann"), *modes[1:])
    if name == "Transolver":
        dtype = jnp.float64  # in single precision its gradient by the temperature is known to 1e-4 only
    build = ZOO[name]
    fewer = {"num_levels": 1, "num_blocks": 1, "num_points": shape}
    build = partial(build, **{option: value for option, value in fewer.items() if option in build.keywords})
    with jax.enable_x64(dtype == jnp.float64), jax.numpy_dtype_promotion("strict"):
        build = partial(build, activation=jax.nn.gelu)
        network = pdequinox.cast(filled(build, len(shape), 2, 3, boundary_mode=modes), dtype)
        draw = np.random.default_rng(0).standard_normal
        x, weights = jnp.asarray(draw((2, *shape)), dtype), jnp.asarray(draw((3, *shape)), dtype)

        def loss(network, x):
            y = network(x)
            return jnp.sum(weights * jnp.tanh(y)), y

        compute = jax.jit(jax.grad(loss, (0, 1), has_aux=True), compiler_options=FAST)
        wanted = compute(network, x)
        (of_network, of_x), y = compute(space_sharded(network, mesh_of(**sizes), axes), x)
    assert y.sharding.num_devices == 8 and not y.sharding.is_fully_replicated
    for found, expected in zip(((of_network.network, of_x), y), wanted, strict=True):
        # The devices of the two results differ.
        found, expected = (jax.tree.map(np.asarray, tree) for tree in (found, expected))
        largest = max(np.max(np.abs(leaf)) for leaf in jax.tree.leaves(expected))
        assert jax.tree.structure(found) == jax.tree.structure(expected)
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            # A leaf much smaller than the largest is a difference of large sums, on one device as well.
            scale = max(np.max(np.abs(b)), 0.1 * largest) if dtype == jnp.float64 else largest
            np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("name", ["AttentionUNet", "ClassicFNO", "CNO", "ConvNet", "MgNO", "Transolver", "UNO", "WNO"])
def test_one_channel_in_1d_is_that_of_one_device(name):
    fewer = {"num_points": 64} if "num_points" in ZOO[name].keywords else {}
    network = filled(partial(ZOO[name], **fewer), 1, 1, 1, boundary_mode="cell-neumann")
    x = np.random.default_rng(0).standard_normal((1, 64)).astype(np.float32)
    wanted = np.asarray(apply(network, x))
    found = np.asarray(apply(space_sharded(network, mesh_of(x=8), ("x",)), x))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * np.max(np.abs(wanted)))


@pytest.mark.parametrize("name", ["MLP", "DeepONet"])
def test_a_network_of_all_values_at_once_says_that_it_cannot_be_sharded(name):
    network = filled(partial(ZOO[name], num_points=16), 2, 1, 1, boundary_mode="neumann")
    with pytest.raises(ValueError, match=f"{name}, which makes one vector of all 256 values"):
        space_sharded(network, mesh_of(x=8), ("x", None))(jnp.zeros((1, 16, 16)))


def test_coarser_grids_of_neumann_nodes_do_not_fit():
    network = filled(ZOO["CNO"], 2, 1, 1, boundary_mode="neumann")
    with pytest.raises(
        ValueError, match=r"must give a multiple of 8 points \(8 devices\) along spatial axis 0.*got 17"
    ):
        space_sharded(network, mesh_of(x=8), ("x", None))(jnp.zeros((1, 32, 8)))


def test_a_deep_o_net_of_convolutions_can():
    build = partial(ZOO["DeepONet"], branch="conv", num_points=None, hidden_channels=4, num_levels=2)
    network = filled(build, 2, 2, 3, boundary_mode="cell-neumann")
    x = np.random.default_rng(0).standard_normal((2, 32, 8)).astype(np.float32)
    np.testing.assert_allclose(
        apply(space_sharded(network, mesh_of(x=8), ("x", None)), x), apply(network, x), rtol=1e-4, atol=1e-5
    )
