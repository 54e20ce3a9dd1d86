"""Saved networks: the same bits again, for what has a name; errors that name the file for all else."""

import functools
import os
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import safetensors.numpy

import pdequinox as pdeqx
from filled import filled
from pdequinox._plain_function import PlainFunction
from pdequinox.train import Normalizer, Parameter, load, save
from pdequinox.train._tensor_file import FORMAT, read_tensors, write_tensors
from zoo import ZOO

KEY = jr.key(0)
MODES = {"periodic": 1, "neumann": 1, "dirichlet": 2, "cell-neumann": 2}


def assert_same(ours, theirs):
    """The same structure, static parts included, and the same bits of the same dtypes in the same places."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert type(a) is type(b)
        if not eqx.is_array_like(a):
            assert a == b
        elif isinstance(a, jax.Array) and jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            assert jnp.all(a == b)
        else:
            a, b = np.asarray(a), np.asarray(b)
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ZOO)
def test_every_network_comes_back_to_the_last_bit(name, mode, tmp_path):
    path = tmp_path / "network.safetensors"
    network = filled(ZOO[name], MODES[mode], 2, 3, boundary_mode=mode)
    save(path, network)
    assert_same(load(path), network)
    shapes = eqx.filter_eval_shape(ZOO[name], MODES[mode], 2, 3, boundary_mode=mode, key=KEY)
    assert_same(load(path, like=shapes), network)
    assert os.listdir(tmp_path) == [path.name]


def test_other_dtypes_and_three_dimensions_come_back(tmp_path):
    network = filled(ZOO["ClassicFNO"], 3, 2, 3, activation=jax.nn.silu)
    for changed in (network, pdeqx.cast(network, jnp.bfloat16), pdeqx.combine_to_ensemble([network, network])):
        save(tmp_path / "network", changed)
        assert_same(load(tmp_path / "network"), changed)


VALUES = {
    "numbers": (1, -2.5, 1e-320, float("inf"), True, None, "name", 2 - 3j),
    "containers": {"a": [1, (2, {"b": []})], "c": ({}, ()), "d": frozenset({3, 4})},
    "arrays": [jnp.arange(3), np.arange(4.0).reshape(2, 2), np.zeros((0, 3)), jnp.array(True), jnp.array(-0.0)],
    "short": (jnp.array([1.5, jnp.nan], jnp.bfloat16), jnp.float16(2), jnp.array(3, jnp.int8), np.uint8(200)),
    "complex": (jnp.array([1 + 2j]), np.array(1j), np.complex64(3)),
    "scalars": (np.float32(1.1), np.float64(1.1), np.int64(7), np.bool_(True)),
    "keys": (jr.key(3), jr.split(jr.key(4)), jr.PRNGKey(5), jr.key(6, impl="rbg")),
    "dtypes": [jnp.float32, np.dtype("int8"), np.float64, jnp.bfloat16],
    "functions": [jax.nn.relu, jnp.tanh, jax.lax.erf, jax.nn.gelu, pdeqx.operators.laplacian, pdeqx.boundary.pad],
    "static functions": (PlainFunction(jax.nn.gelu), PlainFunction(jnp.sin)),
    "classes": (pdeqx.arch.ClassicFNO, eqx.nn.Linear),
    "modules": [eqx.nn.MLP(2, 3, 4, 1, key=KEY), eqx.nn.Identity(), eqx.nn.Lambda(jax.nn.relu)],
    "parts of pdequinox": (Parameter(2.0, "positive"), pdeqx.Domain((4, 5), 0.1, ("periodic", "dirichlet"))),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_of_every_kind_come_back(name, tmp_path):
    save(tmp_path / "values", VALUES[name])
    assert_same(load(tmp_path / "values"), VALUES[name])


def test_partial_functions_come_back(tmp_path):
    steep = functools.partial(jax.nn.leaky_relu, negative_slope=0.3)
    partials = [steep, jax.tree_util.Partial(jnp.dot, jnp.arange(3.0))]
    save(tmp_path / "values", partials)
    plain, tree = load(tmp_path / "values")
    assert (plain.func, plain.args, plain.keywords) == (jax.nn.leaky_relu, (), {"negative_slope": 0.3})
    assert_same(tree, partials[1])


class Pair(eqx.Module):
    """A module of a user that holds networks, and whose constructor cannot be called again."""

    first: eqx.Module
    others: dict
    table: np.ndarray
    names: tuple = eqx.field(static=True)

    def __init__(self, first, others):
        if getattr(Pair, "is_closed", False):
            raise AssertionError("the constructor was called")
        self.first, self.others, self.names, self.table = first, others, ("a", 2), np.arange(3)


def make_pair():
    network = filled(ZOO["ConvNet"], 1, 2, 3)
    statistics = Normalizer.from_data(np.random.default_rng(0).standard_normal((5, 2, 8)).astype(np.float32))
    return Pair(network, {"net": network, "normalizer": statistics, "mlp": eqx.nn.MLP(1, 1, 2, 1, key=KEY)})


def test_networks_inside_of_other_modules_come_back_without_a_call_of_their_constructors(tmp_path, monkeypatch):
    pair, path = make_pair(), tmp_path / "pair"
    save(path, pair)
    monkeypatch.setattr(Pair, "is_closed", True, raising=False)
    loaded = load(path, classes=[Pair])
    assert_same(loaded, pair)
    assert_same(load(path, like=pair), pair)
    with pytest.raises(
        ValueError, match=r"the class '.*Pair', which is not of pdequinox .* `load\(path, classes=\[Pair"
    ):
        load(path)


def test_a_class_of_a_script_is_found_by_its_name_in_another_script(tmp_path, monkeypatch):
    monkeypatch.setattr(Pair, "__module__", "__main__")
    save(tmp_path / "pair", make_pair())
    monkeypatch.setattr(Pair, "__module__", "elsewhere")
    assert isinstance(load(tmp_path / "pair", classes=[Pair]), Pair)


def test_what_has_no_name_is_refused_or_saved_as_arrays(tmp_path):
    network = filled(ZOO["ConvNet"], 1, 2, 3, activation=lambda x: x**2)
    message = r"`network.activation.function` must be .* got <lambda>\. Use one with a name there, or `save"
    with pytest.raises(ValueError, match=message):
        save(tmp_path / "network", network)
    assert not (tmp_path / "network").exists()
    save(tmp_path / "network", network, arrays_only=True)
    assert_same(load(tmp_path / "network", like=network), network)
    with pytest.raises(ValueError, match=r"`like` must be a network of the structure that '.*network' was saved with"):
        load(tmp_path / "network")


@pytest.mark.parametrize(
    "value, message",
    [
        ({"f": [len]}, r"`network\['f'\]\[0\]` must be .* got len\."),
        (jnp.save, r"`network` must be an array, a plain value, .* got save\."),
        (load, r"got load\."),
        (object(), r"got a object\."),
        (jax.ShapeDtypeStruct((3,), jnp.float32), r"`network` must hold arrays, got the shape of one at `network`"),
        (np.array(["a"]), r"arrays must hold numbers to be saved, got <U1"),
    ],
)
def test_values_of_other_kinds_are_refused_by_name(value, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        save(tmp_path / "value", value)


LINEAR = {"class": "equinox.nn.Linear", "fields": {"weight": None, "bias": None}}


@pytest.mark.parametrize(
    "content, message",
    [
        (
            {"function": "os.system"},
            r"written by pdequinox 0.* with the function 'os.system', which is not of jax.nn",
        ),
        ({"function": "jax.numpy.save"}, r"the function 'jax.numpy.save'"),
        ({"function": "jax.numpy.load"}, r"the function 'jax.numpy.load'"),
        ({"function": "jax.numpy.ndarray"}, r"the function 'jax.numpy.ndarray'"),
        ({"function": "pdequinox.train.save"}, r"the function 'pdequinox.train.save'"),
        ({"function": "pdequinox.load_weights_0_1"}, r"the function 'pdequinox.load_weights_0_1'"),
        ({"function": "pdequinox.train._save.os.system"}, r"the function 'pdequinox.train._save.os.system'"),
        ({"function": "jax.nn.nothing"}, r"the function 'jax.nn.nothing'"),
        ({"class": "subprocess.Popen", "fields": {}}, r"the class 'subprocess.Popen', which is not of pdequinox"),
        ({"class": "pdequinox.train._save.Path", "fields": {}}, r"the class 'pdequinox.train._save.Path'"),
        ({"class": "pdequinox.arch.nothing", "fields": {}}, r"the class 'pdequinox.arch.nothing'"),
        ({"type": "builtins.eval"}, r"the class 'builtins.eval'"),
        ({"default": ["os.Popen", "x"]}, r"the class 'os.Popen'"),
        ({"eval": "1"}, r"an entry of the kind 'eval'"),
        ({"list": [], "tuple": []}, r"the entry {'list': \[\], 'tuple': \[\]}"),
        (LINEAR, r"written by pdequinox 0.*, with a Linear whose fields differ .* in_features, out_features, use_bias"),
        ({"array": "nowhere"}, r"whose header makes no sense \(KeyError\('nowhere'\)\)"),
        ({"list": 3}, r"whose header makes no sense"),
        (
            functools.reduce(lambda node, _: {"list": [node]}, range(300), 1.5),
            r"makes no sense \(Recursion",
        ),
    ],
)
def test_headers_that_ask_for_other_things_are_refused(content, message, tmp_path):
    write_tensors(tmp_path / "crafted", "network", content, {})
    with pytest.raises(ValueError, match=message) as info:
        load(tmp_path / "crafted")
    assert str(tmp_path / "crafted") in str(info.value)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "net.safetensors"
    save(path, eqx.nn.MLP(2, 3, 4, 1, key=KEY))
    return path


@pytest.mark.parametrize(
    "content",
    [
        {"float": "banana"},
        {"float": "0x1p99999"},
        {"array": "missing"},
        {"tuple": 3},
        {"class": "pdequinox.train.Checkpoint", "fields": {"path": "x", "every": -1}},
        {"function": "jax.numpy.set_printoptions"},
    ],
)
def test_headers_that_make_no_sense_are_refused_with_the_name_of_the_file(content, tmp_path):
    write_tensors(tmp_path / "crafted", "network", content, {})
    with pytest.raises(ValueError, match=r"`path` must .*crafted'"):
        load(tmp_path / "crafted")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"`path` must be a file, got the folder"):
        load(tmp_path)


def test_a_damaged_file_is_refused_by_name(saved):
    """Whatever byte is cut off or changed, the network is refused or the same."""
    original, network = saved.read_bytes(), load(saved)
    random = np.random.default_rng(0)
    refused = 0
    for trial in range(400):
        damaged = bytearray(original)
        if trial < 40:
            damaged = damaged[: random.integers(len(original))]
        else:
            damaged[random.integers(len(original))] ^= 1 << int(random.integers(8))
        saved.write_bytes(damaged)
        try:
            loaded = load(saved)
        except ValueError as error:
            assert "`path` must be a file that pdequinox wrote" in str(error)
            assert str(saved) in str(error)
            refused += 1
        else:
            assert_same(loaded, network)
    assert refused > 390


def test_files_of_others_are_refused_by_name(saved, tmp_path):
    for data in (b"", b"text", b"\x00" * 100, bytes(range(256)) * 10):
        saved.write_bytes(data)
        with pytest.raises(ValueError, match=r"got '.*net.safetensors', one that cannot be read"):
            load(saved)
    safetensors.numpy.save_file({"weight": np.zeros(3)}, saved, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"a safetensors file of another program"):
        load(saved)
    safetensors.numpy.save_file({}, saved, metadata={"format": FORMAT, "format_version": "2"})
    with pytest.raises(ValueError, match=r"one of format version 2\. Update pdequinox"):
        load(saved)
    write_tensors(saved, "checkpoint", None, {})
    with pytest.raises(ValueError, match=r"one that holds a checkpoint, not a network"):
        load(saved)
    with pytest.raises(FileNotFoundError, match=r"`path` must be a file, got '.*nothing', which does not exist"):
        load(tmp_path / "nothing")


@pytest.mark.parametrize(
    "like, message",
    [
        (eqx.nn.MLP(2, 3, 5, 1, key=KEY), r"expected float32\[5, 2\] at \.layers\[0\]\.weight, got float32\[4, 2\]"),
        (
            eqx.nn.MLP(2, 3, 4, 2, key=KEY),
            r"`like` must have the structure .*: expected float32\[4, 4\] at \.la",
        ),
        (eqx.nn.Linear(2, 3, key=KEY), r"expected float32\[3, 2\] at \.weight, got no array"),
        (
            pdeqx.cast(eqx.nn.MLP(2, 3, 4, 1, key=KEY), jnp.float16),
            r"expected float16\[4, 2\] at .* got float32",
        ),
        ({}, r"expected no array at \.layers\[0\]\.weight, got float32\[4, 2\]"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(like, message, saved):
    with pytest.raises(ValueError, match=message):
        load(saved, like=like)


def test_double_precision_needs_to_be_enabled(tmp_path):
    path = tmp_path / "double"
    with jax.enable_x64(True):
        values = [jnp.arange(3.0), jnp.arange(2)]
        save(path, values)
        assert_same(load(path), values)
    with pytest.raises(ValueError, match=r"an array of float64\. Call `jax.config.update\('jax_enable_x64', True\)`"):
        load(path)


def test_a_write_that_fails_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def fail(_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="the disk is full"):
        save(saved, eqx.nn.Identity())
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_without_the_package_the_error_names_the_extra(saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for call in (lambda: save(saved, jnp.zeros(1)), lambda: load(saved)):
        with pytest.raises(ImportError, match=r'Install it: `pip install "pdequinox\[save\]"`'):
            call()


def test_the_header_names_the_classes_by_their_public_places(saved, tmp_path):
    header, arrays = read_tensors(saved, ("network",))
    assert header["package_version"] == pdeqx.__version__
    assert header["content"]["class"] == "equinox.nn.MLP"
    assert ".layers[0].weight" in arrays
    save(tmp_path / "network", filled(ZOO["ModernUNet"], 2, 2, 3))
    text = str(read_tensors(tmp_path / "network", ("network",))[0]["content"])
    assert "pdequinox.arch.ModernUNet" in text
    assert "._" not in text
