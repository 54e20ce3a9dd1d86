"""Activations as parts of networks: what has no parameters is static, and copies and pickles keep the structure."""

import copy
import functools
import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from filled import KEY
from pdequinox import arch
from pdequinox.blocks import as_activation
from zoo import ZOO


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("activation", [jax.nn.relu, jax.nn.gelu, jnp.tanh])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_copied_and_pickled_networks_have_the_same_structure(name, activation, duplicate):
    network = eqx.filter_eval_shape(ZOO[name], 1, 2, 3, boundary_mode="neumann", activation=activation, key=KEY)
    assert jax.tree.structure(duplicate(network)) == jax.tree.structure(network)


def test_a_function_without_a_name_still_deep_copies():
    network = arch.ConvNet(1, 2, 3, depth=1, activation=lambda x: x**2, key=KEY)
    assert jax.tree.structure(copy.deepcopy(network)) == jax.tree.structure(network)


def test_a_rebuilt_network_does_not_compile_again():
    count = 0

    @jax.jit
    def apply(network, x):
        nonlocal count
        count += 1
        return network(x)

    for _ in range(2):
        apply(arch.ConvNet(1, 2, 3, depth=1, key=KEY), jnp.ones((2, 8)))
    assert count == 1


def test_modules_without_parameters_become_static_and_others_stay():
    assert jax.tree.leaves(as_activation(eqx.nn.Lambda(jax.nn.relu))) == []
    assert len(jax.tree.leaves(as_activation(eqx.nn.PReLU()))) == 1


def test_print_names_the_function_without_an_address():
    assert repr(as_activation(jax.nn.relu)) == "PlainFunction(relu)"


def test_partial_functions_with_the_same_arguments_are_the_same_activation():
    """So a network whose activation is one compiles once, and comes back from a pickle as it was."""
    first, second = (as_activation(functools.partial(jax.nn.gelu, approximate=False)) for _ in range(2))
    assert first == second and hash(first) == hash(second)
    assert jax.tree.structure(pickle.loads(pickle.dumps(first))) == jax.tree.structure(second)
    assert first != as_activation(functools.partial(jax.nn.gelu, approximate=True))
    assert float(first(jnp.ones(()))) == pytest.approx(0.8413447)
