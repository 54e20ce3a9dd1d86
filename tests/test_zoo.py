"""All networks, all dimensions, all modes, all dtypes: shapes and refusals, by tracing only."""

import inspect
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pdequinox
from filled import KEY, filled
from pdequinox import arch
from references import MODES
from zoo import NUM_POINTS, TRAITS, ZOO

MIXES = {1: ("neumann",), 2: ("periodic", "dirichlet"), 3: ["cell-neumann", "Periodic", "DIRICHLET"]}
by_name = pytest.mark.parametrize("name", ZOO)
by_dimension = pytest.mark.parametrize("num_spatial_dims", [1, 2, 3])


def modes_of(name, num_spatial_dims):
    """Every mode, a mode per axis, and, where there is no need for a basis, a mode per end."""
    pair = (("dirichlet", "cell-neumann"),) * num_spatial_dims
    return [*MODES, MIXES[num_spatial_dims]] + [pair] * (not TRAITS[name].needs_basis)


def test_zoo_is_complete():
    assert set(ZOO) == set(TRAITS) == set(arch.__all__)


@by_name
@by_dimension
def test_shapes_and_dtypes_for_every_mode(name, num_spatial_dims):
    spatial = (NUM_POINTS,) * num_spatial_dims
    for boundary_mode in modes_of(name, num_spatial_dims):
        network = eqx.filter_eval_shape(ZOO[name], num_spatial_dims, 2, 3, boundary_mode=boundary_mode, key=KEY)
        for dtype in (jnp.float32, jnp.float64, jnp.bfloat16):
            with jax.enable_x64(dtype == jnp.float64):
                cast = jax.eval_shape(partial(pdequinox.cast, dtype=dtype), network)
                assert {leaf.dtype for leaf in jax.tree.leaves(cast)} == {jnp.dtype(dtype)}
                y = jax.eval_shape(lambda f, x: f(x), cast, jax.ShapeDtypeStruct((2, *spatial), dtype))
                assert y.shape == (3, *spatial) and y.dtype == dtype


@by_name
def test_a_network_holds_nothing_but_trainable_arrays(name):
    network = filled(ZOO[name], 1, 2, 3, boundary_mode="neumann")
    assert all(isinstance(leaf, jax.Array) and leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(network))
    hash(jax.tree.structure(network))


@by_name
def test_the_same_arguments_give_the_same_tree(name):
    """So a second network does not compile a second time."""
    first, second = (filled(ZOO[name], 1, 2, 3, boundary_mode=mode) for mode in ("periodic", "Periodic"))
    assert jax.tree.structure(first) == jax.tree.structure(second)


@by_name
@by_dimension
def test_a_batch_without_vmap_is_refused_and_vmap_is_named(name, num_spatial_dims):
    network = filled(ZOO[name], num_spatial_dims, 2, 3, boundary_mode="periodic")
    shape = (5, 2, *(NUM_POINTS,) * num_spatial_dims)
    with pytest.raises(ValueError, match=r"`x` must have .*jax\.vmap") as caught:
        network(jnp.ones(shape))
    message = str(caught.value)
    assert str(shape) in message and "2 channels" in message
    expected = ", ".join(["channels", *"xyz"[:num_spatial_dims]])
    assert f"({expected})" in message


@by_name
def test_other_channels_ranks_and_dtypes_are_refused(name):
    network = filled(ZOO[name], 2, 2, 3, boundary_mode="dirichlet")
    n = NUM_POINTS
    for shape in [(3, n, n), (n, n), (2, n), (2, n, n, n)]:
        with pytest.raises(ValueError, match="2 channels") as caught:
            network(jnp.ones(shape))
        assert str(shape) in str(caught.value)
    with pytest.raises(ValueError, match=r"dtype of the parameters \(float32\), got bfloat16.*pdequinox\.cast"):
        network(jnp.ones((2, n, n), jnp.bfloat16))


@by_name
@by_dimension
def test_a_wrong_mode_is_refused_by_every_network(name, num_spatial_dims):
    for wrong in ("peridic", ("neumann",) * (num_spatial_dims - 1) + ("wrap",)):
        with pytest.raises(ValueError, match="`boundary_mode` must be one of 'periodic', 'dirichlet'"):
            ZOO[name](num_spatial_dims, 2, 3, boundary_mode=wrong, key=KEY)
    with pytest.raises(ValueError, match=rf"one entry per axis \({num_spatial_dims}\)"):
        ZOO[name](num_spatial_dims, 2, 3, boundary_mode=("neumann",) * (num_spatial_dims + 1), key=KEY)
    with pytest.raises(ValueError, match="periodic at one end"):
        ZOO[name](num_spatial_dims, 2, 3, boundary_mode=(("periodic", "neumann"),) * num_spatial_dims, key=KEY)


@pytest.mark.parametrize("name", [name for name in ZOO if TRAITS[name].needs_basis])
def test_the_spectral_networks_refuse_mixed_ends_by_name(name):
    with pytest.raises(ValueError, match=r"same at both ends .*\('dirichlet', 'neumann'\)"):
        ZOO[name](1, 2, 3, boundary_mode=(("dirichlet", "neumann"),), key=KEY)


def test_the_dense_network_fits_one_grid():
    network = filled(arch.MLP, 2, 2, 3, num_points=(4, 6), width_size=5, depth=1)
    assert network(jnp.ones((2, 4, 6))).shape == (3, 4, 6)
    with pytest.raises(ValueError, match=r"\(2, 4, 6\) .* got \(2, 6, 4\)"):
        network(jnp.ones((2, 6, 4)))
    with pytest.raises(ValueError, match=r"`num_points` must be one integer or one per axis \(2\)"):
        arch.MLP(2, 2, 3, num_points=(4,), key=KEY)


def test_no_boundary_mode_means_periodic_where_it_was_optional():
    for network in (arch.ClassicFNO, arch.MLP):
        options = {"num_points": 8} if network is arch.MLP else {"num_modes": 3}
        trees = [
            jax.tree.structure(filled(network, 1, 2, 3, boundary_mode=mode, **options)) for mode in (None, "periodic")
        ]
        assert trees[0] == trees[1]


@pytest.mark.parametrize(
    ("name", "reach"),
    [
        ("Conv;34;10;relu", 11),
        ("Res;26;8;relu", 16),
        ("UNet;12;2;relu", 29),
        ("Dil;2;32;2;relu", 20),
        ("FNO;12;18;4;gelu", np.inf),
        ("MoRes;26;8;relu", 16),
        ("MoUNet;12;2;relu", 47),
    ],
)
@by_dimension
def test_receptive_fields_of_apebench_s_networks(name, reach, num_spatial_dims):
    network = eqx.filter_eval_shape(arch.presets[f"apebench/{name}"], num_spatial_dims, 1, 1, key=KEY)
    assert network.receptive_field == ((reach, reach),) * num_spatial_dims


@pytest.mark.parametrize(
    ("name", "options", "field"),
    [
        ("ConvNet", {}, (11, 11)),
        ("ConvNet", {"kernel_size": 4}, (11, 22)),
        ("ConvNet", {"kernel_size": 5, "depth": 2}, (6, 6)),
        ("ClassicResNet", {}, (12, 12)),
        ("ModernResNet", {}, (12, 12)),
        ("DilatedResNet", {}, (44, 44)),
        ("ClassicUNet", {}, (137, 137)),
        ("ModernUNet", {}, (227, 227)),
        ("ClassicFNO", {}, (np.inf, np.inf)),
        ("MLP", {"num_points": 16}, (16, 16)),
    ],
)
def test_receptive_fields_of_the_defaults_are_those_of_0_1(name, options, field):
    network = eqx.filter_eval_shape(getattr(arch, name), 2, 2, 3, **options, key=KEY)
    assert network.receptive_field == (field, field)
    assert all(isinstance(side, float) for pair in network.receptive_field for side in pair)


def defaults(name):
    parameters = inspect.signature(getattr(arch, name)).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ConvNet", {"hidden_channels": 16, "depth": 10, "kernel_size": 3, "use_bias": True, "use_final_bias": True}),
        ("MLP", {"width_size": 64, "depth": 3, "use_bias": True, "use_final_bias": True, "boundary_mode": None}),
        ("ClassicResNet", {"hidden_channels": 32, "num_blocks": 6, "use_norm": False, "boundary_mode": "periodic"}),
        ("ModernResNet", {"hidden_channels": 32, "num_blocks": 6, "use_norm": True, "boundary_mode": "periodic"}),
        ("DilatedResNet", {"hidden_channels": 32, "num_blocks": 2, "dilation_rates": (1, 2, 4, 8, 4, 2, 1)}),
        ("ClassicUNet", {"hidden_channels": 16, "num_levels": 4, "use_norm": True, "boundary_mode": "periodic"}),
        ("ModernUNet", {"hidden_channels": 16, "num_levels": 4, "num_blocks": 2, "channel_multipliers": None}),
        ("ClassicFNO", {"hidden_channels": 32, "num_modes": 12, "num_blocks": 4, "boundary_mode": None}),
    ],
)
def test_arguments_and_defaults_are_those_of_0_1(name, expected):
    ours = defaults(name)
    assert {key: ours[key] for key in expected} == expected
    assert ours["activation"] is (jax.nn.gelu if name == "ClassicFNO" else jax.nn.relu)
    if name in ("ConvNet", "ClassicResNet", "ModernResNet", "DilatedResNet", "ClassicUNet", "ModernUNet"):
        assert ours["kernel_size"] == 3
    if name in ("ClassicResNet", "ModernResNet", "DilatedResNet", "ClassicUNet", "ModernUNet"):
        assert ours["num_groups"] == 1
    if name == "ClassicFNO":
        assert ours["parity"] == "mixed"
