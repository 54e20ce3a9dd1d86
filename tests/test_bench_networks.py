"""How networks are written and built, APEBench's notation, and the networks of the main job."""

import functools as ft
import json
import runpy

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from pdequinox import arch, train
from pdequinox.bench import parse_network
from pdequinox.bench._activations import activation_named, activation_names
from pdequinox.bench._content import content_hash
from pdequinox.bench._networks import (
    Network,
    register_network,
)
from pdequinox.bench._options import split_list
from pdequinox.bench._study import APEBENCH_1D


def count(make, *args):
    return train.count_parameters(eqx.filter_eval_shape(make, *args, key=jr.PRNGKey(0)))


def test_burgers_networks_have_apebench_s_parameter_counts():
    counts = [31_757, 32_943, 27_193, 31_777, 32_527]
    assert [count(parse_network(text), 1, 1, 1) for text in APEBENCH_1D] == counts


@pytest.mark.parametrize(
    ("description", "num_spatial_dims", "parameters"),
    [
        ("MoRes;26;8;relu", 1, 33_775),
        ("MoUNet;12;2;relu", 1, 52_529),
        ("Dil;2;32;2;relu", 2, 93_217),
        ("FNO;12;18;4;gelu", 2, 747_919),
        ("UNet;12;2;relu", 3, 238_297),
    ],
)
def test_parsed_networks_have_apebench_s_parameter_counts(description, num_spatial_dims, parameters):
    assert count(parse_network(description), num_spatial_dims, 1, 1) == parameters


def test_a_parsed_network_is_the_architecture_with_these_options():
    parsed = parse_network(" dil ; 1; 4 ;2;TANH")(1, 2, 3, key=jr.PRNGKey(1))
    written = arch.DilatedResNet(
        1, 2, 3, hidden_channels=4, num_blocks=2, dilation_rates=(1, 2, 1), activation=jnp.tanh, key=jr.PRNGKey(1)
    )
    x = jr.normal(jr.PRNGKey(2), (2, 16))
    assert jnp.array_equal(parsed(x), written(x))


def test_a_parsed_network_takes_further_options():
    make = parse_network("FNO;3;4;2;gelu")
    x = jr.normal(jr.PRNGKey(0), (1, 15))
    periodic = make(1, 1, 1, key=jr.PRNGKey(1))(x)
    dirichlet = make(1, 1, 1, boundary_mode="dirichlet", key=jr.PRNGKey(1))(x)
    assert not jnp.allclose(periodic, dirichlet)


def test_an_mlp_is_told_its_grid():
    network = Network.parse("MLP;8;2;silu").build((1, 1, 1), (12,), "periodic", key=jr.PRNGKey(0))
    assert network(jnp.ones((1, 12))).shape == (1, 12)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("Vgg;3;4;relu", "`description` must start with one of Conv, Res, .*, got 'Vgg;3;4;relu'"),
        ("", "`description` must start with one of"),
        ("Res;26;relu", "must have the form 'Res;hidden_channels;num_blocks;activation', got 'Res;26;relu'"),
        ("Conv;34;10;relu;3", "must have the form 'Conv;hidden_channels;depth;activation'"),
        ("Res;26;zero;relu", "`num_blocks` must be a positive integer in 'Res;26;zero;relu', got 'zero'"),
        ("Res;0;8;relu", "`hidden_channels` must be a positive integer .* got '0'"),
        ("FNO;12;18;-4;gelu", "`num_blocks` must be a positive integer .* got '-4'"),
        ("Res;26;8;softmax", "`activation` must be one of celu, .*, got 'softmax'"),
    ],
)
def test_a_wrong_description_is_refused_by_name(description, message):
    with pytest.raises(ValueError, match=message):
        parse_network(description)


@pytest.mark.parametrize(
    ("written", "label", "architecture", "options"),
    [
        ("ConvNet", "ConvNet", "ConvNet", {}),
        (
            "ClassicFNO:num_modes=5,parity=same,activation=Swish",
            "ClassicFNO:num_modes=5,parity=same,activation=silu",
            "ClassicFNO",
            {"num_modes": 5, "parity": "same", "activation": "silu"},
        ),
        (
            "Res;26;08;ReLU",
            "Res;26;8;relu",
            "ClassicResNet",
            {"hidden_channels": 26, "num_blocks": 8, "activation": "relu"},
        ),
        (
            "FNO;12;18;4;gelu:parity=same",
            "FNO;12;18;4;gelu:parity=same",
            "ClassicFNO",
            {"num_modes": 12, "hidden_channels": 18, "num_blocks": 4, "activation": "gelu", "parity": "same"},
        ),
        ("pdearena/Unetmod-64", "pdearena/Unetmod-64", "pdearena/Unetmod-64", {}),
        ("apebench/Conv;34;10;relu", "apebench/Conv;34;10;relu", "apebench/Conv;34;10;relu", {}),
        (" mine = ClassicUNet:hidden_channels=12", "mine", "ClassicUNet", {"hidden_channels": 12}),
        ({"name": "ConvNet", "kernel_size": [3], "label": "mine"}, "mine", "ConvNet", {"kernel_size": (3,)}),
        ({"name": "one=ConvNet:depth=2,kernel_size=5", "depth": 3}, "one", "ConvNet", {"depth": 3, "kernel_size": 5}),
    ],
)
def test_a_network_is_read_in_every_form(written, label, architecture, options):
    network = Network.parse(written)
    assert (network.label, network.architecture, network.options) == (label, architecture, options)
    assert Network.parse(network) is network


@pytest.mark.parametrize(
    "written",
    ["DeepONet:branch=conv", "Dil;2;8;1;gelu:kernel_size=[5]", "TFNO:rank=0.5", "the_well/AViT-384", "UFNO", "MLP"],
)
def test_the_configuration_is_json_that_is_read_back(written):
    network = Network.parse(written)
    again = Network.parse({"label": network.label, **json.loads(json.dumps(network.config))})
    assert again.config == network.config
    assert again.label == network.label
    told = (12, 8), ("periodic", "dirichlet")
    options, restored = network.options_for(*told), again.options_for(*told)
    assert {name: restored[name] for name in options} == options


def test_the_configuration_tells_what_differs_and_nothing_else():
    def config(written):
        return Network.parse(written).config

    assert config("ConvNet") == config("mine=ConvNet:hidden_channels=16,activation=relu")
    assert config("Res;26;8;relu") == config("ClassicResNet:num_blocks=8,hidden_channels=26")
    assert config("ConvNet:activation=swish") == config("ConvNet:activation=silu") != config("ConvNet")
    assert config("AViT") != config("AViT:num_points=scenario")
    assert config("ClassicUNet:boundary_mode=periodic") != config("ClassicUNet")
    assert config("TFNO:num_modes=12,rank=0.1") == config("TFNO")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("ConvNet", {"boundary_mode": "dirichlet"}),
        ("ConvNet:boundary_mode=periodic", {"boundary_mode": "periodic"}),
        ("MLP", {"boundary_mode": "dirichlet", "num_points": (16, 8)}),
        ("WNO:num_points=8", {"boundary_mode": "dirichlet", "num_points": 8}),
        ("DeepONet", {"boundary_mode": "dirichlet", "num_points": (16, 8)}),
        ("DeepONet:branch=conv", {"boundary_mode": "dirichlet", "branch": "conv"}),
        ("AFNO", {"boundary_mode": "dirichlet"}),
        ("AViT:num_points=scenario", {"boundary_mode": "dirichlet", "num_points": (16, 8)}),
        ("the_well/AViT-384", {"boundary_mode": "dirichlet", "num_points": (16, 8)}),
    ],
)
def test_a_network_is_told_what_it_needs_of_the_scenario(written, expected):
    assert Network.parse(written).options_for((16, 8), "dirichlet") == expected
    assert Network.parse("MLP").options_for((8, 8), "dirichlet")["num_points"] == 8


@pytest.mark.parametrize(
    ("written", "make"),
    [
        (
            "ConvNet:hidden_channels=4,depth=1,activation=silu",
            ft.partial(arch.ConvNet, hidden_channels=4, depth=1, activation=jax.nn.silu),
        ),
        (
            "MLP:width_size=5,depth=1,final_activation=tanh",
            ft.partial(arch.MLP, num_points=12, width_size=5, depth=1, final_activation=jnp.tanh),
        ),
    ],
)
def test_a_built_network_is_the_architecture_but_for_the_last_bit(written, make):
    key, x = jr.PRNGKey(1), jr.normal(jr.PRNGKey(2), (2, 12))
    built = Network.parse(written).build((1, 2, 3), (12,), "neumann", key=key)
    written_out = make(1, 2, 3, boundary_mode="neumann", key=key)
    assert jax.tree.structure(built) == jax.tree.structure(written_out)
    for mine, other in zip(jax.tree.leaves(built), jax.tree.leaves(written_out), strict=True):
        assert np.allclose(mine, other, rtol=3e-7, atol=1e-7)
    assert np.allclose(built(x), written_out(x), atol=1e-6)


def test_a_network_is_built_inside_of_transformations_too():
    network = Network.parse("MLP:width_size=5,depth=1")
    keys = jr.split(jr.PRNGKey(0), 3)
    build = eqx.filter_vmap(lambda key: network.build((1, 2, 3), (12,), "neumann", key=key))
    several = eqx.filter_eval_shape(build, keys)
    assert several.flat_mlp.layers[0].weight.shape == (3, 5, 24)


def test_other_keys_make_other_networks():
    def build(written, seed):
        return Network.parse(written).build((1, 1, 1), (12,), "periodic", key=jr.PRNGKey(seed))

    one, two, again = (build("MLP:width_size=2,depth=1", seed) for seed in (0, 1, 0))
    assert eqx.tree_equal(one, again)
    assert not eqx.tree_equal(one, two)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("ClasicUNet", "`network` must be an architecture of .*, got 'ClasicUNet'. Did you mean ClassicUNet"),
        ("Vgg19", "got 'Vgg19'. `pdequinox zoo`"),
        ("Res", "got 'Res'. Did you mean Res;hidden_channels;num_blocks;activation"),
        ("FNO;3;4;relu", "must have the form 'FNO;num_modes;hidden_channels;num_blocks;activation'"),
        ("ClassicUNet:hiden=3", "`hiden` must be an option of ClassicUNet, .* Did you mean hidden_channels"),
        ("pdearena/Unetmod-64:hiden=3", "`hiden` must be an option of pdearena/Unetmod-64, which has hidden_channels"),
        ("UNO:separible=true", "`separible` must be an option of UNO, .* Did you mean separable"),
        ("ConvNet:key=3", "`key` must be an option of ConvNet"),
        ("ConvNet:activation=rellu", "`activation` must be one of celu, .*, got 'rellu'. Did you mean relu"),
        ("=ConvNet", "`label` must be a name before '=', got ''"),
        ("Res;26=ConvNet", "`label` must be a name before '=', got 'Res;26'"),
        ({"hidden_channels": 3}, "`network` must be a string, or a mapping with a `name`"),
        (arch.ConvNet, "`network` must be a string, or a mapping with a `name`"),
        ({"name": "ConvNet", "activation": jax.nn.relu}, "`activation` must be a finite number, a string"),
    ],
)
def test_a_network_that_does_not_exist_is_refused_by_name(written, message):
    with pytest.raises(ValueError, match=message):
        Network.parse(written)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("mine=ConvNet:depth=-1", "`mine` must fit fields in 1D with 12 points, .* error of ConvNet: `depth` must be"),
        ("ConvNet:depth=[1,2]", "`ConvNet:depth=.1,2.` must fit fields"),
        ("FNO:num_modes=3,boundary_mode=[[dirichlet,neumann]]", "must fit fields in 1D"),
        ("UNO:use_activation=true", "multiple values"),
    ],
)
def test_what_the_architecture_refuses_is_an_error_of_the_network(written, message):
    with pytest.raises(ValueError, match=message) as caught:
        Network.parse(written).build((1, 2, 3), (12,), "periodic", key=jr.PRNGKey(0))
    assert caught.value.__cause__ is not None


def test_labelled_networks_start_an_entry_of_a_list():
    text = "ConvNet:depth=2,mine=ClassicUNet:num_levels=2,boundary_mode=periodic,other=Res;26;8;relu,init=x"
    assert split_list(text, starts=Network.is_labelled) == [
        "ConvNet:depth=2",
        "mine=ClassicUNet:num_levels=2,boundary_mode=periodic",
        "other=Res;26;8;relu",
        "init=x",
    ]
    assert not Network.is_labelled("branch=mlp")


def _make(num_spatial_dims, in_channels, out_channels, *, hidden_channels=3, num_points, key):
    assert num_points == 12
    return arch.ConvNet(num_spatial_dims, in_channels, out_channels, hidden_channels=hidden_channels, depth=1, key=key)


def test_a_function_of_the_user_s_is_called_with_what_it_takes():
    network = Network.of("mine", _make, hidden_channels=4)
    built = network.build((1, 2, 3), (12,), "dirichlet", key=jr.PRNGKey(0))
    assert built(jnp.ones((2, 12))).shape == (3, 12)
    assert (network.label, network.architecture) == ("mine", "_make")
    told = Network.of("mine", arch.ConvNet).options_for((12,), "dirichlet")
    assert told == {"boundary_mode": "dirichlet"}


def test_a_registered_function_is_known_by_its_name():
    register_network("my-conv", _make)
    network = Network.parse("my-conv:hidden_channels=5")
    assert network.make is _make
    assert Network.parse(network.config).config == network.config
    assert Network.is_labelled("a=my-conv")
    with pytest.raises(ValueError, match="`my-conv` must be the network that the results belong to, got other code"):
        Network.parse({**network.config, "content": "0"})
    with pytest.raises(ValueError, match="`name` must be new, got 'my-conv'"):
        register_network("my-conv", arch.ConvNet)
    with pytest.raises(ValueError, match="`name` must be letters, digits"):
        register_network("a:b", arch.ConvNet)
    with pytest.raises(ValueError, match="`make` must be a function that builds a network, got 3"):
        Network.of("mine", 3)


CODE = """
import functools
import equinox as eqx
import jax.numpy as jnp

WIDTH = 3

def helper(x):
    return x * WIDTH

class Net(eqx.Module):
    weight: jnp.ndarray
    factor: float = 2.0

    def __init__(self, *setting, key):
        self.weight = jnp.ones(3)

    def __call__(self, x):
        return helper(x) * self.weight

def make(*setting, scale=1, key):
    return Net(*setting, key=key)

bound = functools.partial(make, scale=2)
nested = (lambda width: lambda *setting, key: Net(*setting, key=key) * width)(4)
"""


@pytest.mark.parametrize("name", ["make", "bound", "nested"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("WIDTH = 3", "WIDTH = 4"),
        ("return x * WIDTH", "return x + WIDTH"),
        ("helper(x) * self", "helper(x) + self"),
        ("factor: float = 2.0", "factor: float = 3.0"),
        ("factor: float", "other: float"),
    ],
)
def test_a_hash_of_code_knows_all_that_is_used(tmp_path, name, old, new):
    def hash_of(code):
        path = tmp_path / "code.py"
        path.write_text(code)
        return content_hash(runpy.run_path(str(path))[name])

    assert hash_of(CODE) == hash_of(CODE) == hash_of(f"# a comment\n{CODE}\nunused = 3\n")
    assert hash_of(CODE.replace(old, new)) != hash_of(CODE)


def test_a_hash_of_code_knows_bound_values():
    def build(width, *, scale=1):
        return lambda key: width * scale

    assert content_hash(build(3)) == content_hash(build(3)) != content_hash(build(4))
    assert content_hash(build(jnp.ones(3))) != content_hash(build(jnp.zeros(3)))
    assert content_hash(ft.partial(build, scale=2)) != content_hash(ft.partial(build, scale=3))
    assert content_hash(arch.ConvNet) != content_hash(arch.ClassicUNet)
    assert content_hash({1: {"a"}}) != content_hash({1: {"b"}})


def test_activations_are_functions_of_one_number():
    x = jax.ShapeDtypeStruct((2, 3), jnp.float32)
    assert {"relu", "gelu", "silu", "tanh"} < set(activation_names())
    for name in activation_names():
        assert jax.eval_shape(activation_named(name.upper()), x).shape == x.shape
