"""The operator-params guide of jaxdf, section by section: its calls run here after a change of imports.

The calls, names of the API, keys and printed values are the guide's; the photograph is scikit-image's and nothing is
plotted. `docs/guides/operator_params.md` is the same tour in our own terms.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from skimage.data import camera
from skimage.transform import resize

from pdequinox import Domain, FiniteDifferences, FourierSeries, OnGrid, operator
from pdequinox.conv import reflection_conv
from pdequinox.operators import (
    diag_jacobian,
    get_implementations,
    gradient,
    has_implementation,
    laplacian,
    sum_over_dims,
)

IMG = resize(camera(), (128, 128), anti_aliasing=True).astype(np.float32)
DOMAIN = Domain(N=IMG.shape, dx=(1.0, 1.0))


@pytest.fixture(scope="module")
def u_fourier():
    return FourierSeries.from_grid(jnp.asarray(IMG), DOMAIN)


@pytest.fixture(scope="module")
def u_fd():
    return FiniteDifferences.from_grid(jnp.asarray(IMG), DOMAIN)


def test_setup_prints_the_fields(u_fourier, u_fd):
    domain = "domain=Domain(N=(128, 128), dx=(1.0, 1.0))"
    assert f"Fourier field: {u_fourier}" == f"Fourier field: FourierSeries(params=f32[128,128,1], {domain})"
    assert f"FD field: {u_fd}".split() == [
        "FD",
        "field:",
        "FiniteDifferences(",
        *f"params=f32[128,128,1], {domain} )".split(),
    ]


def test_section_1_inspecting(u_fourier, u_fd):
    # Other rooms add theirs when they are imported: `mesh` its NodalField.
    assert {("Continuous",), ("FiniteDifferences",), ("FourierSeries",)} <= {*get_implementations(gradient)}
    assert has_implementation(gradient, FourierSeries) and has_implementation(gradient, FiniteDifferences)
    fourier_params = gradient.default_params(u_fourier)
    assert type(fourier_params).__name__ == "dict" and list(fourier_params.keys()) == ["k_vec"]
    assert [k.shape for k in fourier_params["k_vec"]] == [(65,), (65,)]
    fd_params = gradient.default_params(u_fd)
    assert type(fd_params).__name__ == "list" and len(fd_params) == 2 and fd_params[0].shape == (9, 1)
    printed = [0.00357143, -0.03809524, 0.2, -0.8, 0, 0.8, -0.2, 0.03809524, -0.00357143]
    np.testing.assert_allclose(fd_params[0].flatten(), printed, atol=5e-9)
    assert gradient(u_fourier).params[..., 0].shape == gradient(u_fd).params[..., 0].shape == (128, 128)


def test_section_2_overriding(u_fd):
    simple_kernel_1d = np.array([-0.5, 0.0, 0.5])
    simple_stencil = [
        simple_kernel_1d.reshape(-1, 1) / DOMAIN.dx[0],
        simple_kernel_1d.reshape(1, -1) / DOMAIN.dx[1],
    ]
    grad_simple = gradient(u_fd, params=simple_stencil)
    for axis in (0, 1):
        rolled = (jnp.roll(IMG, -1, axis) - jnp.roll(IMG, 1, axis)) / 2
        np.testing.assert_allclose(grad_simple.params[..., axis], rolled, atol=1e-7)
    assert jnp.max(jnp.abs(grad_simple.params - gradient(u_fd).params)) > 0.01


def test_section_3_sharing(u_fourier):
    shared_k = {"k_vec": u_fourier._freq_axis}
    lap = sum_over_dims(diag_jacobian(gradient(u_fourier, params=shared_k), params=shared_k))
    lap_builtin = laplacian(u_fourier)
    assert lap.params.shape == lap_builtin.params.shape == (128, 128, 1)
    # They differ by the Nyquist modes, of which the photograph has little.
    assert 1e-4 < jnp.max(jnp.abs(lap.params - lap_builtin.params)) < 0.1 * jnp.max(jnp.abs(lap.params))


def test_section_4_nesting(u_fourier):
    def edge_detect_init(u: FourierSeries, *args, **kwargs):
        return {"gradient": gradient.default_params(u)}

    @operator(init_params=edge_detect_init)
    def edge_detect(u: FourierSeries, *, params=None):
        g = gradient(u, params=params["gradient"])
        return u.replace_params(jnp.sqrt(jnp.sum(g.params**2, axis=-1, keepdims=True)))

    edges = edge_detect(u_fourier)
    p = edge_detect.default_params(u_fourier)
    assert list(p.keys()) == ["gradient"] and list(p["gradient"].keys()) == ["k_vec"]
    np.testing.assert_allclose(edges.params[..., 0], jnp.linalg.norm(gradient(u_fourier).params, axis=-1), atol=1e-6)


class PointwiseNet(eqx.Module):
    scale: jax.Array
    bias: jax.Array

    def __call__(self, x):
        return self.scale * x + self.bias


def test_section_5_networks_as_parameters(u_fourier):
    def pointwise_init(u: OnGrid, *args, **kwargs):
        return PointwiseNet(scale=jnp.ones(u.params.shape), bias=jnp.zeros(u.params.shape))

    @operator(init_params=pointwise_init)
    def pointwise_op(u: OnGrid, *, params=None):
        return u.replace_params(params(u.params))

    np.testing.assert_array_equal(pointwise_op(u_fourier).params, u_fourier.params)
    enhancer = PointwiseNet(
        scale=jnp.full(u_fourier.params.shape, 2.0),
        bias=jnp.full(u_fourier.params.shape, -0.3),
    )
    np.testing.assert_allclose(pointwise_op(u_fourier, params=enhancer).params, 2 * u_fourier.params - 0.3, atol=1e-6)

    def loss(net):
        return jnp.mean(pointwise_op(u_fourier, params=net).params ** 2)

    grads = jax.grad(loss)(enhancer)
    assert type(grads).__name__ == "PointwiseNet"
    assert jnp.all(jnp.isfinite(grads.scale)) and jnp.all(jnp.isfinite(grads.bias))
    np.testing.assert_allclose(grads.scale, jax.jit(jax.grad(loss))(enhancer).scale, rtol=1e-5)


class StencilGenerator(eqx.Module):
    linear1: eqx.nn.Linear
    linear2: eqx.nn.Linear
    linear3: eqx.nn.Linear

    def __init__(self, stencil_size, key):
        k1, k2, k3 = jax.random.split(key, 3)
        self.linear1 = eqx.nn.Linear(2, 16, key=k1)
        self.linear2 = eqx.nn.Linear(16, 16, key=k2)
        self.linear3 = eqx.nn.Linear(16, stencil_size, key=k3)

    def __call__(self, stats):
        x = jax.nn.tanh(self.linear1(stats))
        x = jax.nn.tanh(self.linear2(x))
        return self.linear3(x)


def test_section_6_generated_stencils(u_fd):
    @operator
    def nn_gradient(u: FiniteDifferences, *, params=None):
        field_stats = jnp.array([jnp.mean(u.params), jnp.var(u.params)])
        stencil_1d = params(field_stats)
        array = u.on_grid
        outs = []
        for axis in range(u.domain.ndim):
            kernel = stencil_1d
            for _ in range(u.domain.ndim - 1):
                kernel = jnp.expand_dims(kernel, 0)
            kernel = jnp.moveaxis(kernel, -1, axis)
            outs.append(reflection_conv(kernel, array[..., 0], reverse=True))
        return u.replace_params(jnp.stack(outs, axis=-1))

    gen = StencilGenerator(stencil_size=5, key=jax.random.PRNGKey(0))
    result = nn_gradient(u_fd, params=gen)
    stencil = gen(jnp.array([jnp.mean(u_fd.params), jnp.var(u_fd.params)]))
    expected = sum(stencil[m] * jnp.roll(IMG, 2 - m, axis=1) for m in range(5))
    assert result.params.shape == (128, 128, 2)
    np.testing.assert_allclose(result.params[..., 1], expected, atol=1e-5)

    def gen_loss(generator):
        return jnp.mean((nn_gradient(u_fd, params=generator).params - gradient(u_fd).params) ** 2)

    grads = jax.grad(gen_loss)(gen)
    assert all(jnp.all(jnp.isfinite(leaf)) and jnp.any(leaf != 0) for leaf in jax.tree.leaves(grads))


class GradientCorrector(eqx.Module):
    conv1: eqx.nn.Conv2d
    conv2: eqx.nn.Conv2d
    conv3: eqx.nn.Conv2d

    def __init__(self, key):
        k1, k2, k3 = jax.random.split(key, 3)
        self.conv1 = eqx.nn.Conv2d(2, 8, kernel_size=5, padding=2, key=k1)
        self.conv2 = eqx.nn.Conv2d(8, 8, kernel_size=5, padding=2, key=k2)
        self.conv3 = eqx.nn.Conv2d(8, 2, kernel_size=5, padding=2, key=k3)

    def __call__(self, x):
        x = jnp.moveaxis(x, -1, 0)
        x = jax.nn.gelu(self.conv1(x))
        x = jax.nn.gelu(self.conv2(x))
        return jnp.moveaxis(self.conv3(x), 0, -1)


def test_section_7_training_a_correction(u_fd):
    """The values are jaxdf's own on this photograph; docs/guides holds the long training."""
    u_coarse = FiniteDifferences.from_grid(jnp.asarray(IMG), DOMAIN)
    u_coarse = FiniteDifferences(u_coarse.params, DOMAIN, accuracy=2)
    target, baseline = gradient(u_fd), gradient(u_coarse)
    assert f"{float(jnp.mean((target.params - baseline.params) ** 2)):.6f}" == "0.000447"

    def corrected_init(u: FiniteDifferences, *args, **kwargs):
        return {"stencil": gradient.default_params(u), "corrector": GradientCorrector(jax.random.PRNGKey(0))}

    @operator(init_params=corrected_init)
    def corrected_gradient(u: FiniteDifferences, *, params=None):
        base = gradient(u, params=params["stencil"])
        return base.replace_params(base.params + params["corrector"](base.params))

    assert corrected_gradient(u_coarse).params.shape == (128, 128, 2)

    def train_loss(corrector):
        params = {**corrected_gradient.default_params(u_coarse), "corrector": corrector}
        return jnp.mean((corrected_gradient(u_coarse, params=params).params - target.params) ** 2)

    corrector = GradientCorrector(jax.random.PRNGKey(42))
    optimizer = optax.adam(3e-4)
    opt_state = optimizer.init(corrector)

    @jax.jit
    def step(net, opt_state):
        loss_val, grads = jax.value_and_grad(train_loss)(net)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(net, updates), opt_state, loss_val

    losses = []
    for _ in range(3):
        corrector, opt_state, loss_val = step(corrector, opt_state)
        losses.append(float(loss_val))
    assert losses[0] == pytest.approx(0.00189991, rel=1e-4)
    assert losses[2] < losses[1] < losses[0]
    impulse = corrector(jnp.zeros((128, 128, 2)).at[64, 64, :].set(1.0))
    assert impulse[57:71, 57:71].shape == (14, 14, 2)
