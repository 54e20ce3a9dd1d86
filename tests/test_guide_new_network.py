"""The guide "add your own network": its code runs, and what it builds is as good as the networks of the package."""

import re
from functools import cache
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pdequinox
from filled import KEY, filled
from references import MODES

GUIDE = Path(__file__).parents[1] / "docs/guides/new_network.md"


@cache
def guide() -> dict:
    """The names that the code of the guide defines, all of it run in turn."""
    namespace = {"__name__": "guide"}
    for code in re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        exec(compile(code, str(GUIDE), "exec"), namespace)
    return namespace


def test_the_guide_says_what_its_code_prints(capsys):
    guide.cache_clear()
    guide()
    assert capsys.readouterr().out.splitlines()[0] == "(2, 32, 33)"


@pytest.mark.parametrize("num_spatial_dims", [1, 2, 3])
def test_its_network_takes_every_mode_dimension_and_dtype(num_spatial_dims):
    build, pair = guide()["TwoWidthsUNet"], (("dirichlet", "cell-neumann"),) * num_spatial_dims
    for mode in (*MODES, pair):
        options = {"hidden_channels": 4, "num_levels": 1, "boundary_mode": mode, "key": KEY}
        network = eqx.filter_eval_shape(build, num_spatial_dims, 2, 3, **options)
        for dtype in (jnp.float32, jnp.bfloat16):
            cast = eqx.filter_eval_shape(pdequinox.cast, network, dtype)
            x = jax.ShapeDtypeStruct((2, *(9,) * num_spatial_dims), dtype)
            y = jax.eval_shape(lambda f, x: f(x), cast, x)
            assert y.shape == (3, *(9,) * num_spatial_dims) and y.dtype == dtype


def test_every_leaf_of_its_network_gets_a_gradient():
    network = filled(guide()["TwoWidthsUNet"], 1, 2, 3, hidden_channels=4, num_levels=1, boundary_mode="neumann")
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 9)), jnp.float32)
    gradient = jax.jit(jax.grad(lambda network: jnp.mean(network(x) ** 2)))(network)
    assert all(np.any(leaf) for leaf in jax.tree.leaves(gradient))


def test_its_factory_binds_the_options_of_its_block():
    with pytest.raises(TypeError, match="widht"):
        guide()["TwoWidthsBlockFactory"](widht=5)
