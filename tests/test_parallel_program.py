"""What compiled programs of sharded layers say to each other, and the memory they take."""

import importlib.util
import os
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from filled import filled
from meshes import mesh_of
from pdequinox import Domain, FiniteDifferences, arch, blocks, conv
from pdequinox.operators import laplacian
from pdequinox.parallel import Collective, collectives, space_sharded
from pdequinox.parallel._collectives import messages_in

PERMUTE, SUM = "collective-permute", "all-reduce"


def gradient(layer, x):
    return eqx.filter_grad(lambda pair: jnp.sum(jnp.tanh(pair[0](pair[1]))))((layer, x))


def messages(layer, x, axes=("y", "x"), of=None):
    spread = space_sharded(layer, mesh_of(y=2, x=4), axes)
    return collectives(*((spread, x) if of is None else (of, spread, x)))


@pytest.mark.parametrize("mode", ["periodic", "dirichlet", "neumann", ("cell-dirichlet", "neumann")])
def test_a_convolution_fetches_one_ghost_layer_from_each_neighbour(mode):
    layer = filled(conv.PhysicsConv, 2, 2, 3, 3, boundary_mode=(mode, mode))
    for n in (16, 32):
        found = messages(layer, jnp.zeros((2, n, n)))
        shapes = [(2, 1, n // 4)] * 2 + [(2, n // 2 + 2, 1)] * 2
        assert [(message.kind, message.shapes) for message in found] == [(PERMUTE, (shape,)) for shape in shapes]
        one_axis = messages(layer, jnp.zeros((2, n, n)), axes=("x", None))
        assert one_axis == (Collective(PERMUTE, ((2, 1, n),), 8 * n),) * 2


def test_the_gradient_of_a_convolution_sends_ghosts_back_and_sums_the_kernel():
    layer = filled(conv.PhysicsConv, 2, 2, 3, 3, boundary_mode="neumann")
    found = messages(layer, jnp.zeros((2, 16, 16)), axes=("x", None), of=gradient)
    assert [message.kind for message in found].count(PERMUTE) == 4
    assert {shape for message in found if message.kind == PERMUTE for shape in message.shapes} == {(2, 1, 16)}
    assert {shape for message in found if message.kind == SUM for shape in message.shapes} == {(3, 2, 3, 3), (3, 1, 1)}
    assert {message.kind for message in found} == {PERMUTE, SUM}


@pytest.mark.parametrize("axes", [("y", "x"), ("x", None)])
def test_a_spectral_block_sums_its_modes_once_whatever_the_grid(axes):
    block = filled(
        partial(blocks.ClassicSpectralBlock, num_modes=4), 2, 2, 2, activation=jnp.tanh, boundary_mode="periodic"
    )
    modes = Collective(SUM, ((2, 2, 8, 4),), 4 * 2 * 2 * 8 * 4)  # real and imaginary part, channels, 2 m, m
    for n in (16, 32):
        assert messages(block, jnp.zeros((2, n, n)), axes) == (modes,)
        of_gradient = messages(block, jnp.zeros((2, n, n)), axes, of=gradient)
        assert {message.kind for message in of_gradient} == {SUM}
        # The modes again, and the weights of the pointwise bypass.
        shapes = sorted({shape for message in of_gradient for shape in message.shapes}, key=len)
        assert shapes == [(2,), (2, 2), (2, 2, 8, 4)]
        assert [shape for message in of_gradient for shape in message.shapes].count((2, 2, 8, 4)) == 2


def test_sums_over_points_do_not_grow_with_the_grid():
    norm = conv.GroupNorm(2, 4)
    assert messages(norm, jnp.zeros((4, 16, 16))) == (
        Collective(SUM, ((1, 2),), 8),
        Collective(SUM, ((2, 2),), 16),
    )
    attention = filled(
        partial(blocks.PhysicsAttentionBlock, num_heads=2, num_slices=3, kernel_size=1),
        2,
        4,
        4,
        activation=jnp.tanh,
        boundary_mode="periodic",
    )
    for n in (16, 32):
        assert messages(attention, jnp.zeros((4, n, n))) == (Collective(SUM, ((1, 3, 2, 3),), 72),)


def test_a_stencil_fetches_as_many_points_as_it_reaches():
    u = FiniteDifferences(jnp.zeros((32, 8, 1)), Domain((32, 8), 0.1, "dirichlet"), accuracy=4)
    found = collectives(space_sharded(laplacian, mesh_of(x=4), ("x", None)), u)
    assert found == (Collective(PERMUTE, ((2, 8, 1),), 64),) * 2


def test_a_filter_fetches_its_half_width_and_a_basis_the_axis():
    def halved(x, filter_size=None):
        return conv.resample(x, (16, 16), "cell-neumann", filter_size=filter_size)

    x = jnp.zeros((1, 32, 16))
    found = messages(partial(halved, filter_size=4), x, axes=("x", None))
    assert {message.kind for message in found} == {PERMUTE} and all(m.shapes[0][1] <= 5 for m in found)
    assert messages(halved, x, axes=("x", None)) == (Collective("all-gather", ((1, 32, 16),), 2048),)


def test_programs_of_gpus_start_messages_and_wait_for_them():
    program = """
      %a = ((f32[2,4], bf16[3]), (f32[8,4], bf16[12])) all-gather-start(%x, %y), channel_id=1
      %b = (f32[2,4]{1,0}, f32[2,4]{1,0}, u32[], u32[]) collective-permute-start(%x), channel_id=2
      %c = f8e4m3fn[16] all-reduce-start(%x), channel_id=3
      %d = (c64[4], pred[8]) all-to-all(%x, %y), channel_id=4
      %e = f32[8] add(%x, %y)
    """
    assert messages_in(program) == (
        Collective("all-gather", ((8, 4), (12,)), 152),
        Collective("collective-permute", ((2, 4),), 32),
        Collective("all-reduce", ((16,),), 16),
        Collective("all-to-all", ((4,), (8,)), 40),
    )


def temporary_bytes(function, *args):
    dynamic, static = eqx.partition((function, args), eqx.is_array)

    def run(dynamic):
        function, args = eqx.combine(dynamic, static)
        return eqx.filter(function(*args), eqx.is_array)

    return jax.jit(run).lower(dynamic).compile().memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize(
    "build",
    [
        partial(arch.ClassicUNet, hidden_channels=8, num_levels=2),
        partial(arch.ClassicFNO, hidden_channels=8, num_modes=4, num_blocks=2),
    ],
    ids=["ClassicUNet", "ClassicFNO"],
)
def test_memory_is_shared_out_among_the_devices(build):
    network, x = filled(build, 3, 1, 1, boundary_mode="cell-neumann"), jnp.zeros((1, 32, 32, 32))
    spread = space_sharded(network, mesh_of(y=2, x=4), ("y", "x", None))
    for of in (lambda network, x: network(x), gradient):
        assert temporary_bytes(of, spread, x) <= temporary_bytes(of, network, x) / (0.6 * 8)


@pytest.fixture
def guide(monkeypatch):
    """The script of the page, and the rows of its table of layers."""
    folder = Path(__file__).parents[1] / "docs/guides"
    for name in ("XLA_FLAGS", "JAX_PLATFORMS"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # the script sets them, too late for this process
    spec = importlib.util.spec_from_file_location("many_devices", folder / "many_devices.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lines = (folder / "many_devices.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")]
    return module, {row[0]: row[1:] for row in rows}


def test_the_table_of_the_page_is_what_compiled_layers_say(guide):
    module, rows = guide
    cases = module.layer_cases()
    assert set(cases) < set(rows)
    for name in ("`PhysicsConv`, 3 taps", "`SpectralConv`, 8 modes", "`GroupNorm`, 2 groups", "`SelfAttentionBlock`"):
        layer, formula = cases[name]
        spread = space_sharded(layer, module.mesh_of(y=2, x=4), ("y", "x"))
        assert rows[name][:2] == [formula, module.summary(collectives(spread, jnp.zeros((8, 64, 64))))]
