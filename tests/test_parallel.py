"""Networks, operators, steppers and trainings whose space lies over several devices."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from filled import KEY, apply, filled, jit
from meshes import mesh_of
from pdequinox import Domain, FiniteDifferences, FourierSeries, OnGrid, arch, conv
from pdequinox._fingerprint import fingerprint_in_place
from pdequinox.correction import CorrectedStepper, corrected, learned_stencil, on_field
from pdequinox.operators import RK4, gradient, heterog_laplacian, laplacian
from pdequinox.parallel import collectives, place, sample, sharding, space_sharded
from pdequinox.train import Checkpoint, fit, load, rollout, shuffled, supervised_loss

MODES = ("periodic", ("dirichlet", "neumann"), ("cell-neumann", "cell-dirichlet"), ("neumann", "cell-neumann"))


def values(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def assert_same(found, wanted, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1e-3, np.max(np.abs(b))))


def convolutional(**options):
    return filled(partial(arch.ConvNet, hidden_channels=4, depth=1, **options), 2, 1, 1, boundary_mode="neumann")


@pytest.mark.parametrize("name", ["ConvNet", "ModernResNet", "ClassicFNO"])
def test_a_batch_of_rollouts_over_data_and_space_is_that_of_one_device(name):
    """A gradient through a scan of a vmap, of a mesh whose axes are both split."""
    build = {
        "ConvNet": partial(arch.ConvNet, hidden_channels=4, depth=1),
        "ModernResNet": partial(arch.ModernResNet, hidden_channels=4, num_blocks=1),
        "ClassicFNO": partial(arch.ClassicFNO, hidden_channels=4, num_modes=3, num_blocks=1),
    }[name]
    mesh = mesh_of(data=2, x=4)
    network, states = filled(build, 2, 2, 2, boundary_mode=("neumann", "periodic")), values(4, 2, 16, 8)

    def loss(network, states):
        return jnp.mean(jax.vmap(lambda state: rollout(network, state, 3))(states) ** 2)

    compute = jit(jax.value_and_grad(loss))
    wanted = compute(network, states)
    found = compute(space_sharded(network, mesh, ("x", None)), place(states, mesh, ("x", None), batch="data"))
    assert_same(found, wanted)


@pytest.mark.parametrize("mode", MODES)
def test_layers_of_every_form_over_devices(mode):
    """Strides, halos that are wider than a shard, groups, even kernels, coarse grids that start at the second point."""
    make = partial(filled, boundary_mode=mode if isinstance(mode, str) else (mode,))
    layers = [
        make(conv.PhysicsConv, 1, 2, 4, 4, 2),
        make(conv.PhysicsConv, 1, 2, 4, 5, 1, 3),
        make(conv.PhysicsConv, 1, 2, 4, 2, groups=2),
        make(conv.PhysicsConvTranspose, 1, 2, 4, 3, 2, 1),
        make(partial(conv.PhysicsConvTranspose, alignment="cell"), 1, 2, 4, 6, 2, 1),
        make(conv.PatchConv, 1, 2, 4, 2),
        make(conv.PatchConvTranspose, 1, 2, 4, 3),
        make(conv.DifferentialConv, 1, 2, 4, 5),
        make(partial(conv.LocalIntegralConv, radius=0.3, num_rings=2), 1, 2, 4),
        make(partial(conv.MultigridConv, num_iterations=((1, 1), 1), use_residual=True), 1, 2, 4),
    ]
    mesh, x = mesh_of(x=8), values(2, 32)

    def outputs(layers, x):
        return [layer(x) for layer in layers]

    def gradient(layers, x):
        return jax.grad(lambda *pair: sum(jnp.sum(jnp.sin(y)) for y in outputs(*pair)), (0, 1))(layers, x)

    compute = jit(lambda layers, x: (outputs(layers, x), gradient(layers, x)))
    wanted = compute(layers, x)
    assert_same(compute([space_sharded(layer, mesh, ("x",)) for layer in layers], x), wanted, 2e-5)


@pytest.mark.parametrize("mode", MODES)
def test_finite_differences_over_devices(mode):
    domain = Domain((32, 16), (0.1, 0.2), (mode, "cell-neumann"))
    u = FiniteDifferences(values(3, 32, 16, 1), domain, accuracy=4)
    c = FiniteDifferences(1 + values(32, 16, 1) ** 2, domain, accuracy=4, free_axes=(0, 1))

    def terms(u, c):
        return laplacian(u), heterog_laplacian(u, c), gradient(u)

    spread = space_sharded(terms, mesh_of(x=8), ("x", None))
    compute = jit(lambda function, u, c: function(u, c))
    assert_same(compute(spread, u, c), eqx.filter_jit(terms)(u, c))


def test_a_fourier_series_is_gathered_along_the_axis_that_is_transformed():
    u = FourierSeries(values(16, 8, 2), Domain((16, 8), 0.1))
    spread = space_sharded(laplacian, mesh_of(x=4), ("x", None))
    result = apply(spread, u)
    assert_same(result, laplacian(u))
    assert result.params.sharding.spec == PartitionSpec("x")


def test_corrected_operators_and_stencils_over_devices():
    domain = Domain((16, 16), 0.1, "dirichlet")
    u = FiniteDifferences(values(16, 16, 1), domain, accuracy=4)
    make = partial(arch.ConvNet, hidden_channels=4, depth=1)
    for better in (corrected(laplacian, make), learned_stencil(laplacian, make)):
        params = better.default_params(u, key=KEY)
        spread = space_sharded(better, mesh_of(y=2, x=4), ("y", "x"))

        def loss(params, u, operator):
            return jnp.mean(operator(u, params=params).params ** 2)

        wanted, found = (
            eqx.filter_jit(eqx.filter_value_and_grad(partial(loss, operator=f)))(params, u) for f in (better, spread)
        )
        assert_same(found, wanted, 1e-4)


def test_a_corrected_stepper_over_devices():
    domain = Domain((16, 16), 0.1, ("dirichlet", "neumann"))
    u = FiniteDifferences(values(16, 16, 1), domain, accuracy=2)
    stepper = CorrectedStepper(RK4(lambda u: 0.01 * laplacian(u), 0.1), convolutional(), "sequential_with_bypass")
    spread = space_sharded(stepper, mesh_of(x=8), (None, "x"))

    def loss(stepper, u):
        return jnp.mean(rollout(stepper, u, 3).params ** 2)

    compute = jit(jax.value_and_grad(loss))
    assert_same(compute(spread, u), compute(stepper, u))
    assert_same(
        apply(space_sharded(on_field(convolutional()), mesh_of(x=8), ("x", None)), u),
        apply(on_field(convolutional()), u),
    )


@pytest.mark.parametrize("transform", [jax.jit, jax.checkpoint])
def test_an_inner_function_that_jax_has_traced_is_traced_anew_for_each_layout(transform):
    network = filled(conv.PhysicsConv, 2, 1, 1, 3, boundary_mode="neumann")
    traced, x = transform(lambda x: network(x)), jnp.asarray(values(1, 16, 16))
    wanted, mesh = traced(x), mesh_of(x=4)
    for axes, shape in ((("x", None), (1, 1, 16)), ((None, "x"), (1, 16, 1))):
        spread = space_sharded(traced, mesh, axes)
        assert [message.shapes for message in collectives(spread, x)] == [(shape,)] * 2
        assert_same(spread(x), wanted)


def test_a_field_and_a_network_may_come_from_another_mesh():
    first, second = mesh_of(x=4), mesh_of(y=2, x=4)
    network, u = convolutional(), jnp.asarray(values(1, 16, 16))
    on_first = jax.jit(lambda network: network)(space_sharded(network, first, ("x", None)))
    v = on_first(u)
    network = jax.device_put(network, NamedSharding(first, PartitionSpec()))
    assert_same(space_sharded(network, second, ("y", "x"))(v), on_first(v))


def test_a_perceptron_may_take_a_batch_over_devices():
    network = filled(partial(arch.MLP, num_points=8), 2, 1, 1)
    mesh, x = mesh_of(data=8), jnp.asarray(values(16, 1, 8, 8))
    spread = space_sharded(network, mesh, (None, None))
    y = jit(jax.vmap(spread))(place(x, mesh, (None, None), batch="data"))
    assert_same(y, jax.vmap(network)(x))


def test_the_mean_of_a_norm_does_not_round_with_an_offset():
    norm, offset = conv.GroupNorm(2, 4), 1e4
    x = values(4, 16, 16) + np.float32(offset)
    with jax.enable_x64(True):
        wanted = conv.GroupNorm(2, 4)(jnp.asarray(x, float))
    spread = space_sharded(norm, mesh_of(y=2, x=4), ("y", "x"))
    np.testing.assert_allclose(spread(jnp.asarray(x)), wanted, atol=1e-5)


def training(network, mesh, axes, steps, path=None, every=4):
    inputs = values(8, 1, 16, 16)
    data = inputs, np.roll(inputs, 1, 2)
    model = network
    if mesh is not None:
        model, data = space_sharded(network, mesh, axes), place(data, mesh, axes)

    def loss(model, batch):
        batch = batch if mesh is None else place(batch, mesh, axes, batch="data")
        return supervised_loss(model, batch)

    checkpoint = None if path is None else Checkpoint(path, every)
    return fit(
        model, loss, optax.adam(1e-2), steps, batches=shuffled(data, 4), key=KEY, checkpoint=checkpoint, progress=False
    )


def test_fit_over_data_and_space_and_a_checkpoint_for_other_devices(tmp_path):
    network, path = convolutional(), tmp_path / "run.safetensors"
    wanted = training(network, None, None, 8)
    training(network, mesh_of(data=2, x=4), ("x", None), 4, path)
    resumed = training(network, mesh_of(data=1, x=2), (None, "x"), 8, path)
    assert resumed.history.losses["total"].shape == (8,)
    assert_same(resumed.history.losses["total"], wanted.history.losses["total"], 1e-4)
    assert_same(resumed.model.network, wanted.model, 1e-4)
    on_one = load(path, like=space_sharded(network, mesh_of(x=1), ("x", None))).network
    assert_same(on_one, resumed.model.network, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "complex64", "complex128", "int8", "bool"])
def test_data_have_one_fingerprint_wherever_they_lie(dtype, float64):
    x = jnp.trunc(2 * values(3, 8, 6)).astype(dtype)  # with zeros
    spread = jax.device_put(x, NamedSharding(mesh_of(y=2, x=4), PartitionSpec(None, "x", "y")))
    assert fingerprint_in_place([spread]) == fingerprint_in_place([x])
    others = [x[::-1], x.at[0, 0, 0].set(x[0, 0, 0] == 0), x[:, :, :5], x.reshape(3, 6, 8)]
    assert len({fingerprint_in_place([other]) for other in [x, *others]}) == 5
    key = jax.random.key(3)
    assert fingerprint_in_place([key]) != fingerprint_in_place([jax.random.key(4)])


@pytest.mark.parametrize("transform", [jax.jit, jax.checkpoint])
def test_fit_spreads_a_loss_that_is_compiled_or_recomputed(transform, monkeypatch):
    """It is traced for the checkpoint, without devices, before it is traced for the step."""
    name, calls = f"over_{transform.__name__}", []  # a mesh that no other test has traced anything for
    mesh, axes = mesh_of(**{name: 4}), (name, None)
    shard_map = jax.shard_map
    monkeypatch.setattr(jax, "shard_map", lambda *args, **options: calls.append(1) or shard_map(*args, **options))
    x = values(4, 1, 16, 16)
    loss = transform(supervised_loss)
    batches = shuffled(place((x, x), mesh, axes), 2)
    fit(space_sharded(convolutional(), mesh, axes), loss, optax.adam(1e-2), 1, batches=batches, key=KEY, progress=False)
    assert len(calls) >= 2


def test_a_checkpoint_of_other_data_is_refused_wherever_they_lie(tmp_path):
    path, mesh, axes = tmp_path / "run.safetensors", mesh_of(x=8), ("x", None)
    data = values(4, 1, 16, 16)

    def run(data):
        data = jax.device_put(data, NamedSharding(mesh, PartitionSpec(None, None, "x")))
        model, batches = space_sharded(convolutional(), mesh, axes), shuffled((data, data), 2)
        fit(model, supervised_loss, optax.adam(1e-2), 2, batches=batches, key=KEY, checkpoint=path, progress=False)

    run(data)
    with pytest.raises(ValueError, match="which differs in the data"):
        run(data[::-1].copy())


def test_initial_states_are_made_by_the_devices():
    domain = Domain((16, 12), (0.1, 0.2), ("dirichlet", "periodic"), origin=(0.0, 1.0))
    mesh, seen = mesh_of(y=2, x=4), []

    def state(point):
        seen.append(point)
        return jnp.stack([jnp.sin(point[0]) * point[1], point[1]])

    u = sample(state, domain, mesh, ("y", "x"))
    grid = domain.grid
    assert_same(u, np.stack([np.sin(grid[..., 0]) * grid[..., 1], grid[..., 1]]), 1e-6)
    assert u.sharding == sharding(mesh, ("y", "x")) and u.addressable_shards[0].data.shape == (2, 8, 3)
    assert all(isinstance(point, jax.core.Tracer) for point in seen)
    assert sample(lambda x: x[0], domain, mesh, ("y", None)).shape == (1, 16, 12)
    with pytest.raises(ValueError, match="one entry per axis of the domain"):
        sample(state, domain, mesh, ("x",))
    with pytest.raises(ValueError, match="`domain` must have a multiple of 4 points along axis 1"):
        sample(state, Domain((16, 10), 0.1), mesh, (None, "x"))


def test_arrays_and_fields_are_placed():
    mesh = mesh_of(data=2, x=4)
    u = OnGrid(values(6, 8, 8, 2), Domain((8, 8), 0.1))
    placed = place({"array": values(6, 3, 8, 8), "field": u}, mesh, (None, "x"), batch="data")
    assert placed["array"].sharding.spec == PartitionSpec("data", None, None, "x")
    assert placed["field"].params.sharding.spec == PartitionSpec("data", None, "x")
    assert_same(placed["field"], u, 0)
    assert place(values(3, 8, 8), mesh, ("x", None)).sharding == sharding(mesh, ("x", None))
    assert place(values(5, 3, 8, 8), mesh, ("x", None)).sharding.spec == PartitionSpec(None, None, "x", None)
    inside = jax.jit(lambda x: place(x, mesh, ("x", None)))(values(3, 8, 8))
    assert inside.sharding.spec == PartitionSpec(None, "x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mesh": None}, "`mesh` must be a jax.sharding.Mesh"),
        ({"mesh": "explicit"}, "`mesh` must have axes of the type Auto"),
        ({"axes": "x"}, "`axes` must have one entry per spatial axis"),
        ({"axes": PartitionSpec("z", None)}, "must name different axes of the mesh"),
        ({"axes": ("x", "x")}, "must name different axes of the mesh"),
        ({"network": 3}, "`network` must be a function of a field"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    given = {"network": convolutional(), "mesh": mesh_of(x=4), "axes": ("x", None)} | options
    if given["mesh"] == "explicit":
        given["mesh"] = jax.make_mesh((4,), ("x",), (jax.sharding.AxisType.Explicit,), devices=jax.devices()[:4])
    with pytest.raises(ValueError, match=message):
        space_sharded(**given)


def test_wrong_arrays_are_named():
    mesh, network = mesh_of(x=4), convolutional()
    spread = space_sharded(network, mesh, ("x", None))
    with pytest.raises(ValueError, match=r"must have shape .* with 1 channels, got \(2, 16, 16\)"):
        spread(values(2, 16, 16))
    with pytest.raises(ValueError, match="`args` must have a multiple of 4 points along spatial axis 0"):
        spread(values(1, 18, 16))
    with pytest.raises(ValueError, match="`tree` must have a multiple of 4 samples"):
        place(values(2, 1, 16, 16), mesh, (None, None), batch="x")
    with pytest.raises(ValueError, match=r"`tree` must hold arrays of shape \(channels"):
        place(values(16, 16), mesh, ("x", None))
    with pytest.raises(ValueError, match="`axes` must have one entry per spatial axis of the argument"):
        space_sharded(network, mesh, ("x",))(values(1, 16, 16))
    up = filled(conv.PhysicsConvTranspose, 1, 1, 1, 3, 2, boundary_mode="periodic")
    with pytest.raises(ValueError, match=r"`output_padding` must .* got 31. Use `output_padding=1`"):
        space_sharded(up, mesh, ("x",))(values(1, 16))
    with pytest.raises(ValueError, match="`axes` must name a mesh axis, or None, for each spatial axis"):
        place(OnGrid(values(8, 8, 1), Domain((8, 8), 0.1)), mesh, ("x",))
    u_net = filled(partial(arch.ClassicUNet, hidden_channels=4, num_levels=3), 2, 1, 1, boundary_mode="periodic")
    with pytest.raises(ValueError, match=r"a multiple of 8 points \(4 devices times the stride 2\)"):
        space_sharded(u_net, mesh, ("x", None))(values(1, 16, 16))
