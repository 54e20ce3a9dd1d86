"""The trilinear form behind all learnable maps: its three derivatives on every backend, and what JAX makes of them."""

import os
import re
import subprocess
import sys
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filled import filled
from pdequinox.conv import PhysicsConv, PhysicsConvTranspose, PointwiseLinearConv, SpectralConv, _lowering
from pdequinox.conv._correlation import form
from pdequinox.conv._lowering import Axis, lower, lower_on_cpu, shape_of

OPERANDS = {"y": "xw", "x": "wy", "w": "xy"}


def random(*shape, seed=0, dtype=np.float64):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def operands(axes, maps=(), samples=2, in_channels=3, out_channels=2, dtype=np.float64):
    return {
        "x": random(*maps, samples, in_channels, *(axis.points for axis in axes), seed=1, dtype=dtype),
        "w": random(*maps, out_channels, in_channels, *(axis.taps for axis in axes), seed=2, dtype=dtype),
        "y": random(*maps, samples, out_channels, *(axis.outputs for axis in axes), seed=3, dtype=dtype),
    }


def by_definition(axes, x, w):
    """The convolution, tap by tap, in NumPy, for one map."""
    taps = np.stack(np.meshgrid(*(range(axis.taps) for axis in axes), indexing="ij"), -1).reshape(-1, len(axes))
    y = 0
    for t in taps:
        seen = np.asarray(x)
        for number, (axis, k) in enumerate(zip(axes, t, strict=True), start=2):
            places = axis.stride * np.arange(axis.outputs) + axis.dilation * k - axis.low
            inside = (places >= 0) & (places < axis.points)
            shape = [1] * seen.ndim
            shape[number] = -1
            seen = np.take(seen, np.where(inside, places, 0), number) * inside.reshape(shape)
        y = y + np.einsum("oi,bi...->bo...", np.asarray(w)[(..., *t)], seen)
    return y


@st.composite
def an_axis(draw):
    taps, stride, dilation = (draw(st.integers(1, n)) for n in (5, 4, 4))
    points, reach = draw(st.integers(1, 9)), dilation * (taps - 1) + 1
    low, high = draw(st.integers(0, reach)), draw(st.integers(0, reach))
    outputs = max((points + low + high - reach) // stride + 1, 1)
    return Axis(points, taps, outputs, stride, dilation, low)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.lists(an_axis(), min_size=1, max_size=3), st.sampled_from([(), (2,)]), st.sampled_from([1, 3, 17]))
def test_every_formulation_is_the_definition(axes, maps, in_channels):
    axes = tuple(axes)
    with jax.enable_x64(True):
        given = operands(axes, maps, in_channels=in_channels)

        @jax.jit
        def both(given):
            return [
                [how(*(given[slot] for slot in OPERANDS[r]), result=r, axes=axes, precision=None) for r in OPERANDS]
                for how in (lower, lower_on_cpu)
            ]

        plain, on_cpu = both(given)
        for (result, a), b in zip(zip(OPERANDS, plain, strict=True), on_cpu, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-11, err_msg=result)
            assert a.shape == shape_of(result, axes, *(given[slot] for slot in OPERANDS[result]))
        single = [(given["x"], given["w"])] if not maps else zip(given["x"], given["w"], strict=True)
        wanted = np.stack([by_definition(axes, x, w) for x, w in single])
        np.testing.assert_allclose(on_cpu[0], wanted.reshape(on_cpu[0].shape), atol=1e-11)
        values = [jnp.sum(array * given[result]) for result, array in zip(OPERANDS, on_cpu, strict=True)]
        np.testing.assert_allclose(values, values[0], atol=1e-9, err_msg="not derivatives of one form")


@pytest.mark.parametrize("samples", [2, 7, 20])
@pytest.mark.parametrize("maps", [(), (5,), (2, 5)])
def test_without_axes_every_map_is_a_matrix(maps, samples, float64):
    given = operands((), maps, samples=samples, in_channels=4, out_channels=3)
    wanted = {"y": "...bi,...oi->...bo", "x": "...oi,...bo->...bi", "w": "...bi,...bo->...oi"}
    for result, equation in wanted.items():
        a, b = (given[slot] for slot in OPERANDS[result])
        for how in (lower, lower_on_cpu):
            found = jax.jit(lambda a, b, how=how, r=result: how(a, b, result=r, axes=(), precision=None))(a, b)
            np.testing.assert_allclose(found, np.einsum(equation, a, b), atol=1e-12)


AXES = {
    "1D": (Axis(7, 3, 7, 1, 1, 1),),
    "2D": (Axis(8, 3, 4, 2, 1, 1), Axis(7, 2, 5, 1, 2, 0)),
    "3D": (Axis(5, 3, 5, 1, 1, 1), Axis(4, 1, 4), Axis(6, 2, 3, 2, 1, 0)),
    "points": (Axis(6, 1, 6),),
    "matrices": (),
}
axes_of_all_kinds = pytest.mark.parametrize("axes", AXES.values(), ids=AXES)


@axes_of_all_kinds
@pytest.mark.parametrize("result", OPERANDS)
def test_derivatives_of_all_orders_and_modes(axes, result, float64):
    given = operands(axes)
    a, b = (given[slot] for slot in OPERANDS[result])
    da, db = 0.5 * a + 1, 2 * b - 1

    def f(a, b):
        return form(result, axes, a, b)

    @jax.jit
    def all_of_them(a, b):
        value, tangent = jax.jvp(f, (a, b), (da, db))
        pulled = jax.vjp(f, a, b)[1](given[result])

        def loss(a, b):
            return jnp.sum(f(a, b) ** 2 * given[result])

        reverse = jax.jvp(jax.grad(loss, (0, 1)), (a, b), (da, db))[1]
        forward = jax.grad(lambda *arguments: jax.jvp(loss, arguments, (da, db))[1], (0, 1))(a, b)
        return value, tangent, pulled, reverse, forward

    value, tangent, pulled, reverse, forward = all_of_them(a, b)
    np.testing.assert_allclose(value, f(a, b), atol=1e-11)
    np.testing.assert_allclose(tangent, f(da, b) + f(a, db), atol=1e-11)
    assert float(jnp.vdot(pulled[0], da) + jnp.vdot(pulled[1], db)) == pytest.approx(
        float(jnp.vdot(given[result], tangent)), rel=1e-12
    )
    for one, other in zip(reverse, forward, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


@axes_of_all_kinds
@pytest.mark.parametrize("result", OPERANDS)
@pytest.mark.parametrize("maps", [(), (2,)])
def test_vmap_of_either_operand_or_both_nested_and_along_any_axis(axes, result, maps, float64):
    given = operands(axes, maps)
    a, b = (given[slot] for slot in OPERANDS[result])
    many_a, many_b = jnp.stack([a, 2 * a + 1, -a]), jnp.stack([b, b - 1, 3 * b], axis=-1)

    def f(a, b):
        return form(result, axes, a, b)

    @jax.jit
    def all_of_them(many_a, many_b):
        return (
            jax.vmap(f, (0, None))(many_a, b),
            jax.vmap(f, (None, -1), out_axes=-1)(a, many_b),
            jax.vmap(f, (0, -1))(many_a, many_b),
            jax.vmap(jax.vmap(f, (0, None)), (None, -1))(many_a, many_b),
        )

    only_a, only_b, both, outer = all_of_them(many_a, many_b)
    parts_a, parts_b = list(many_a), [many_b[..., k] for k in range(3)]
    np.testing.assert_allclose(only_a, jnp.stack([f(a, b) for a in parts_a]), atol=1e-11)
    np.testing.assert_allclose(only_b, jnp.stack([f(a, b) for b in parts_b], axis=-1), atol=1e-11)
    np.testing.assert_allclose(both, jnp.stack([f(*ab) for ab in zip(parts_a, parts_b, strict=True)]), atol=1e-11)
    np.testing.assert_allclose(outer, jnp.stack([jnp.stack([f(a, b) for a in parts_a]) for b in parts_b]), atol=1e-11)


@axes_of_all_kinds
def test_in_a_loop_the_numbers_are_the_same(axes, float64):
    given = operands(axes)

    def step(total, _):
        value, pull = jax.vjp(lambda x, w: form("y", axes, x, w), given["x"] + total, given["w"])
        return total + jnp.sum(value), pull(value)

    looped = jax.jit(lambda start: jax.lax.scan(step, start, length=2)[1])(jnp.zeros(()))
    total, first = step(jnp.zeros(()), None)
    _, second = step(total, None)
    for found, one, two in zip(looped, first, second, strict=True):
        np.testing.assert_allclose(found, jnp.stack([one, two]), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@axes_of_all_kinds
def test_half_precision_is_that_of_its_numbers_and_not_of_its_sums(axes, dtype):
    given = operands(axes, samples=3, in_channels=40, dtype=np.float32)
    for result, slots in OPERANDS.items():
        a, b = (given[slot].astype(dtype) for slot in slots)
        found = jax.jit(lambda a, b, r=result: form(r, axes, a, b))(a, b)
        wanted = form(result, axes, a.astype(jnp.float32), b.astype(jnp.float32))
        assert found.dtype == dtype
        scale = float(jnp.max(jnp.abs(wanted)))
        np.testing.assert_allclose(found.astype(jnp.float32), wanted, atol=1.5 * float(jnp.finfo(dtype).eps) * scale)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@axes_of_all_kinds
@pytest.mark.parametrize("result", OPERANDS)
def test_what_is_for_cpus_stays_there(axes, result, platform):
    given = operands(axes, (2,), dtype=np.float32)
    a, b = (given[slot] for slot in OPERANDS[result])
    exported = jax.export.export(jax.jit(lambda a, b: form(result, axes, a, b)), platforms=[platform])(a, b)
    text = exported.mlir_module()
    assert not any(word in text for word in ("while", "HIGHEST", "inlineable"))
    convolutions, products = text.count("stablehlo.convolution"), text.count("stablehlo.dot_general")
    assert (convolutions, products) == ((0, 1) if all(axis.is_pointwise for axis in axes) else (1, 0))


PLAIN, STRIDED, LONG = Axis(6, 3, 4), Axis(9, 3, 4, stride=2), Axis(33, 3, 16, stride=2)
CALLED = {
    "y": ("y", (PLAIN, PLAIN), 2, 1, False),
    "y, large kernel": ("y", (PLAIN, PLAIN), 2, 20, True),
    "y, large samples": ("y", (Axis(70, 3, 68), Axis(70, 3, 68)), 2, 14, True),
    "y, 3D": ("y", (PLAIN, PLAIN, PLAIN), 2, 1, True),
    "x": ("x", (PLAIN, PLAIN), 2, 1, True),
    "x, strided": ("x", (LONG, LONG), 2, 1, False),
    "x, strided, large kernel": ("x", (STRIDED, STRIDED), 2, 1, True),
    "w": ("w", (PLAIN, PLAIN), 2, 1, True),
    "few rows": ("y", (), 2, 3, False),
    "many rows": ("y", (), 7, 3, True),
}


@pytest.mark.parametrize(("result", "axes", "samples", "channels", "apart"), CALLED.values(), ids=CALLED)
def test_on_a_cpu_a_map_may_be_one_call_that_stays_one(result, axes, samples, channels, apart):
    given = operands(axes, () if axes else (5,), samples=samples, in_channels=17, out_channels=channels)
    program = jax.jit(lambda a, b: 2 * form(result, axes, a + 1, b))
    lowered = program.lower(*(given[slot].astype(np.float32) for slot in OPERANDS[result]))
    calls = re.findall(r"call @(?:_one_convolution|_product)\(.*inlineable", lowered.as_text())
    assert len(calls) == apart
    (entry,) = (part for part in lowered.compile().as_text().split("\n\n") if "ENTRY" in part)
    assert ("inlineable" in entry) == apart


@pytest.fixture
def one_by_one_above(monkeypatch):
    """Set the size of a sample above which samples are taken one by one."""

    def limit(size):
        monkeypatch.setattr(_lowering, "SAMPLE", size)
        jax.clear_caches()

    yield limit
    jax.clear_caches()


@pytest.mark.parametrize("result", ["y", "w"])
@pytest.mark.parametrize(
    "axes", [(Axis(7, 3, 5), Axis(5, 3, 3)), (Axis(9, 3, 3, stride=3), Axis(9, 2, 3, 2, 3, -1))], ids=["plain", "other"]
)
def test_a_2d_convolution_takes_large_samples_one_by_one(result, axes, one_by_one_above, float64):
    given = operands(axes, samples=5, in_channels=17)
    a, b = (given[slot] for slot in OPERANDS[result])
    mapped = partial(lower_on_cpu, a, b, result=result, axes=axes, precision=None)
    size = 17 * axes[0].points * axes[1].points
    one_by_one_above(size)
    assert "scan" not in str(jax.make_jaxpr(mapped)())
    at_once = mapped()
    one_by_one_above(size - 1)
    assert "scan" in str(jax.make_jaxpr(mapped)())
    np.testing.assert_allclose(mapped(), at_once, rtol=1e-12, atol=1e-12)


def test_no_outputs_along_an_axis_are_no_outputs():
    axes = (Axis(2, 3, 0), Axis(5, 3, 3))
    given = operands(axes)
    assert [form(r, axes, *(given[slot] for slot in OPERANDS[r])).shape for r in OPERANDS] == [
        given[r].shape for r in OPERANDS
    ]
    assert not jnp.any(form("x", axes, given["w"], given["y"]))


def test_operands_that_do_not_fit_are_refused():
    x, w = random(2, 3, 7, dtype=np.float32), random(2, 3, 3, dtype=np.float32)
    axis = Axis(7, 3, 5)
    assert form("y", (axis,), x, w).shape == (2, 2, 5)
    for a, b in ((x, w[:, :2]), (x, w[..., :2]), (x[:, :, :6], w), (x, w.astype(jnp.bfloat16)), (x[None], w)):
        with pytest.raises(TypeError, match="The operands of a correlation must fit each other"):
            form("y", (axis,), a, b)


def test_a_jaxpr_says_what_is_computed_and_transposes_stay_of_its_kind():
    axes = AXES["2D"]
    given = operands(axes, dtype=np.float32)
    text = str(jax.make_jaxpr(jax.grad(lambda w: jnp.sum(form("y", axes, given["x"], w) ** 2)))(given["w"]))
    assert text.count("correlation_form") == 2 and "conv_general_dilated" not in text


def layer_of(name):
    return {
        "conv": lambda: filled(PhysicsConv, 2, 2, 3, 3, boundary_mode=("neumann", "periodic")),
        "conv 3D": lambda: filled(PhysicsConv, 3, 2, 3, 3, stride=2, boundary_mode="periodic"),
        "transposed": lambda: filled(PhysicsConvTranspose, 1, 2, 3, 3, 2, boundary_mode="periodic"),
        "spectral": lambda: filled(SpectralConv, 2, 2, 3, 2, boundary_mode=("dirichlet", "periodic")),
        "pointwise": lambda: filled(PointwiseLinearConv, 1, 2, 3),
    }[name]()


layers = pytest.mark.parametrize("name", ["conv", "conv 3D", "transposed", "spectral", "pointwise"])


def samples_for(layer, count=2):
    return random(count, 2, *(6, 5, 4)[: layer.num_spatial_dims], dtype=np.float32)


@layers
def test_the_precision_is_that_of_the_place_of_the_call(name):
    layer = layer_of(name)
    x = samples_for(layer)[0]

    def precise(x):
        with jax.default_matmul_precision("highest"):
            return layer(x)

    text = jax.export.export(jax.jit(precise), platforms=["cuda"])(x).mlir_module()
    assert text.count("HIGHEST") >= 2 and "DEFAULT" not in text


@layers
def test_batches_that_are_empty_or_of_unknown_size(name):
    layer = layer_of(name)
    params, static = eqx.partition(layer, eqx.is_array)

    def loss(params, x):
        return jnp.sum(jax.vmap(eqx.combine(params, static))(x) ** 2)

    x = samples_for(layer)
    assert jax.vmap(layer)(x[:0]).shape == (0, *layer(x[0]).shape)
    gradient = jax.jit(jax.grad(loss))(params, x[:0])
    assert all(not jnp.any(leaf) for leaf in jax.tree.leaves(gradient))
    (size,) = jax.export.symbolic_shape("b")
    some = jax.ShapeDtypeStruct((size, *x.shape[1:]), x.dtype)
    assert jax.export.export(jax.jit(jax.vmap(layer)))(some).out_avals[0].shape[0] == size


@layers
def test_without_jit_the_numbers_are_the_same(name):
    layer = layer_of(name)
    x = samples_for(layer)[0]
    with jax.disable_jit():
        slow = layer(x)
    np.testing.assert_allclose(slow, layer(x), atol=1e-6)


@layers
def test_a_batch_may_be_sharded_over_devices(name):
    """One device stands for many: the program must sum the loss and the gradient of each parameter all the same."""
    layer = layer_of(name)
    params, static = eqx.partition(layer, eqx.is_array)
    mesh = jax.make_mesh((1,), ("b",), axis_types=(jax.sharding.AxisType.Auto,))
    everywhere, shards = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec("b")

    def loss(params, x):
        return jnp.mean(jax.vmap(eqx.combine(params, static))(x) ** 2)

    sharded = jax.shard_map(
        lambda params, x: jax.lax.pmean(loss(params, x), "b"),
        mesh=mesh,
        in_specs=(everywhere, shards),
        out_specs=everywhere,
    )
    x = samples_for(layer)
    program = str(jax.make_jaxpr(jax.grad(sharded))(params, x))
    assert len(re.findall(r"= psum\w*\[", program)) == 1 + len(jax.tree.leaves(params))
    found, wanted = (jax.jit(jax.grad(f, (0, 1)))(params, x) for f in (sharded, loss))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_arrays_that_xla_splits_stay_split():
    """On two CPUs a convolution of a split batch needs nothing of the other, its gradients one sum."""
    code = """
import jax, jax.numpy as jnp
from pdequinox.conv._correlation import form
from pdequinox.conv._lowering import Axis

axes = (Axis(70, 3, 68),) * 2
mesh = jax.make_mesh((2,), ("b",), axis_types=(jax.sharding.AxisType.Auto,))
split, whole = (jax.NamedSharding(mesh, jax.P(*names)) for names in (["b"], []))
x = jax.device_put(jnp.ones((4, 17, 70, 70)), split)
w = jax.device_put(jnp.ones((2, 17, 3, 3)), whole)
y = jax.device_put(jnp.ones((4, 2, 68, 68)), split)
for result, a, b in (("y", x, w), ("x", w, y), ("w", x, y)):
    text = jax.jit(lambda a, b: form(result, axes, a, b)).lower(a, b).compile().as_text()
    print(result, text.count(" all-gather("), text.count(" all-reduce("))
"""
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["y 0 0", "x 0 0", "w 0 1"]
