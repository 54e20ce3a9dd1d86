"""Blocks and the factories that are derived from them."""

import functools
import inspect
import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from filled import KEY, apply, filled
from pdequinox import blocks
from pdequinox.blocks import Block, BlockFactory, factory_of
from references import MODES

SHARED = {"num_spatial_dims", "in_channels", "out_channels", "activation", "boundary_mode", "key"}
NAMES = [name for name in blocks.__all__ if name.endswith("Block") and name != "Block"]
by_name = pytest.mark.parametrize("name", NAMES)
# Of a grid of six points per axis.
SIZES = {
    "LinearConvDownBlock": 3,
    "LinearConvUpBlock": 12,
    "MaxPoolBlock": 3,
    "PatchEmbedBlock": 1,
    "PatchUnembedBlock": 48,
}
WITHOUT_PARAMETERS = {"MaxPoolBlock"}
with_parameters = pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_PARAMETERS])


def pair(name):
    return getattr(blocks, name), getattr(blocks, f"{name}Factory")


def test_the_nine_blocks_of_0_1_and_their_factories_exist():
    expected = {"ClassicDoubleConv", "ClassicRes", "ClassicSpectral", "DilatedRes", "LinearChannelAdjust"}
    expected |= {"LinearConv", "LinearConvDown", "LinearConvUp", "ModernRes"}
    assert {name.removesuffix("Block") for name in NAMES} >= expected
    factories = {f"{name}Factory" for name in NAMES}
    others = {"AttentionGate", "BandLimitedActivation", "Block", "BlockFactory", "as_activation", "factory_of"}
    others |= {"make_norm", "make_skip", "pointwise_factories", "without_activation"}
    assert set(blocks.__all__) == {*NAMES, *factories, *others}


@by_name
def test_every_block_takes_the_six_shared_arguments_and_keyword_options(name):
    block, _ = pair(name)
    parameters = inspect.signature(block).parameters
    assert set(parameters) >= SHARED
    assert list(parameters)[:3] == ["num_spatial_dims", "in_channels", "out_channels"]
    for parameter in list(parameters.values())[3:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.name in SHARED or parameter.default is not inspect.Parameter.empty
    assert parameters["key"].default is inspect.Parameter.empty
    assert issubclass(block, Block)


@by_name
def test_a_factory_has_the_options_of_its_block(name):
    block, factory = pair(name)
    of_block, of_factory = (inspect.signature(f).parameters for f in (block, factory))
    assert list(of_factory) == [p for p in of_block if p not in SHARED]
    assert all(of_factory[p].default == of_block[p].default for p in of_factory)
    assert factory.__name__ == f"{name}Factory" and factory.__module__ == block.__module__


@by_name
def test_a_misspelt_option_raises_where_the_factory_is_made(name):
    with pytest.raises(TypeError, match="kernelsize"):
        pair(name)[1](kernelsize=3)
    with pytest.raises(TypeError, match="key"):
        pair(name)[1](key=KEY)


def square(x):
    return x**2


@with_parameters
def test_factories_and_what_they_make_can_be_pickled(name):
    _, factory = pair(name)
    assert pickle.loads(pickle.dumps(factory)) is factory
    bound = factory(use_bias=False)
    again = pickle.loads(pickle.dumps(bound))
    arguments = dict(num_spatial_dims=1, in_channels=2, out_channels=3, activation=square, boundary_mode="neumann")
    assert jax.tree.structure(filled(again, **arguments)) == jax.tree.structure(filled(bound, **arguments))
    filled_block = filled(bound, **arguments)
    copied = pickle.loads(pickle.dumps(filled_block))
    assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (filled_block, copied)), strict=True))


@by_name
@pytest.mark.parametrize("num_spatial_dims", [1, 2, 3])
def test_every_block_maps_every_mode(name, num_spatial_dims):
    block, _ = pair(name)
    shape = (6,) * num_spatial_dims
    expected = SIZES.get(name, 6)
    options = {"num_points": 6} if name == "WaveletBlock" else {}
    mix = {1: "cell-neumann", 2: ("periodic", "dirichlet"), 3: ("periodic", "neumann", "cell-dirichlet")}
    for channels in [(4, 4), *[(2, 4)] * (name not in WITHOUT_PARAMETERS)]:
        for mode in (*MODES, mix[num_spatial_dims]):
            built = eqx.filter_eval_shape(
                functools.partial(
                    block, num_spatial_dims, *channels, activation=jnp.tanh, boundary_mode=mode, **options
                ),
                key=KEY,
            )
            x = jax.ShapeDtypeStruct((channels[0], *shape), jnp.float32)
            assert jax.eval_shape(lambda f, x: f(x), built, x).shape == (channels[1], *(expected,) * num_spatial_dims)
            assert len(built.receptive_field) == num_spatial_dims


@by_name
def test_every_block_refuses_wrong_modes(name):
    with pytest.raises(ValueError, match="`boundary_mode` must be one of"):
        pair(name)[0](1, 2, 3, activation=jnp.tanh, boundary_mode="peridic", key=KEY)
    with pytest.raises(ValueError, match=r"one entry per axis \(2\)"):
        pair(name)[0](2, 2, 3, activation=jnp.tanh, boundary_mode=("neumann",), key=KEY)


@with_parameters
def test_no_factory_has_lost_zero_bias_init(name):
    block = pair(name)[1](zero_bias_init=True)(1, 2, 3, activation=jnp.tanh, boundary_mode="neumann", key=KEY)
    biases = [
        leaf for path, leaf in jax.tree_util.tree_leaves_with_path(block) if getattr(path[-1], "name", "") == "bias"
    ]
    assert biases and not any(np.any(leaf) for leaf in biases)


def test_options_of_a_factory_may_be_given_by_position():
    bound = blocks.DilatedResBlockFactory(5, (1, 3), use_norm=False)
    assert bound.func is blocks.DilatedResBlock
    assert bound.keywords == {"kernel_size": 5, "dilation_rates": (1, 3), "use_norm": False}


@pytest.mark.parametrize(("channels", "use_norm"), [((4, 4), True), ((2, 4), True), ((2, 4), False)])
def test_a_classic_residual_block_activates_after_the_sum(channels, use_norm, float64):
    block = filled(
        blocks.ClassicResBlock, 1, *channels, use_norm=use_norm, activation=jnp.tanh, boundary_mode="neumann"
    )
    x = jnp.asarray(np.random.default_rng(0).standard_normal((channels[0], 7)))
    y = block.norm_1(block.conv_1(x)) if use_norm else block.conv_1(x)
    y = block.conv_2(jnp.tanh(y))
    y = block.norm_2(y) if use_norm else y
    skip = x if channels[0] == channels[1] else block.bypass_conv(x)
    skip = block.bypass_norm(skip) if channels[0] != channels[1] and use_norm else skip
    np.testing.assert_allclose(apply(block, x), jnp.tanh(y + skip), atol=1e-12)


@pytest.mark.parametrize("channels", [(4, 4), (2, 4)])
def test_a_modern_residual_block_activates_before_its_convolutions(channels, float64):
    block = filled(blocks.ModernResBlock, 1, *channels, activation=jnp.tanh, boundary_mode="neumann")
    x = jnp.asarray(np.random.default_rng(0).standard_normal((channels[0], 7)))
    y = block.conv_1(jnp.tanh(block.norm_1(x)))
    y = block.conv_2(jnp.tanh(block.norm_2(y)))
    skip = x if channels[0] == channels[1] else block.bypass_conv(block.bypass_norm(x))
    np.testing.assert_allclose(apply(block, x), y + skip, atol=1e-12)


def test_a_spectral_block_adds_a_pointwise_map_and_honours_its_mode_and_parity(float64):
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 7)))
    for mode, parity in [("periodic", "mixed"), ("dirichlet", "mixed"), ("dirichlet", "same")]:
        block = filled(
            blocks.ClassicSpectralBlock, 1, 2, 3, num_modes=3, parity=parity, activation=jnp.tanh, boundary_mode=mode
        )
        assert block.spectral_conv.boundary_mode == (mode,) and block.spectral_conv.parity == parity
        expected = jnp.tanh(block.spectral_conv(x) + block.by_pass_conv(x))
        np.testing.assert_allclose(apply(block, x), expected, atol=1e-12)


def test_the_up_block_takes_output_padding_at_the_call():
    block = filled(blocks.LinearConvUpBlock, 1, 2, 3, boundary_mode="neumann")
    assert block(jnp.ones((2, 4))).shape == (3, 8)
    assert block(jnp.ones((2, 4)), output_padding=0).shape == (3, 7)


@pytest.mark.parametrize("mode", MODES)
def test_pooling_takes_the_largest_of_each_box_and_fills_up_the_last_by_the_mode(mode):
    x = np.random.default_rng(0).standard_normal((2, 5, 4)) - 3
    y = blocks.MaxPoolBlock(2, 2, 2, factor=(2, 4), boundary_mode=mode, key=KEY)(jnp.asarray(x))
    ghost = {"periodic": x[:, 0], "dirichlet": 0 * x[:, 0], "neumann": x[:, 3], "cell-dirichlet": -x[:, 4]}
    last = np.maximum(x[:, 4], ghost.get(mode, x[:, 4])).max(1)
    expected = np.stack([x[:, :2].max((1, 2)), x[:, 2:4].max((1, 2)), last], 1)[..., None]
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"`out_channels` must equal `in_channels` \(2\) when pooling, got 3"):
        blocks.MaxPoolBlock(2, 2, 3, boundary_mode=mode, key=KEY)


@pytest.mark.parametrize("use_norm", [True, False])
def test_a_modern_spectral_block_is_a_modern_residual_block_with_spectral_layers(use_norm, float64):
    block = filled(
        blocks.ModernSpectralBlock,
        1,
        2,
        3,
        num_modes=2,
        use_norm=use_norm,
        activation=jnp.tanh,
        boundary_mode="neumann",
    )
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 7)))
    layer = lambda conv, u: conv.spectral_conv(u) + conv.by_pass_conv(u)  # noqa: E731
    y = layer(block.conv_1, jnp.tanh(block.norm_1(x)))
    y = layer(block.conv_2, jnp.tanh(block.norm_2(y)))
    np.testing.assert_allclose(apply(block, x), y + block.bypass_conv(x), atol=1e-12)
    assert block.bypass_conv.bias is not None and isinstance(block.bypass_norm, eqx.nn.Identity)


def test_a_dilated_block_needs_a_rate():
    with pytest.raises(ValueError, match=r"`dilation_rates` must be a sequence with at least one entry, got \(\)"):
        blocks.DilatedResBlock(1, 2, 3, dilation_rates=(), boundary_mode="periodic", key=KEY)


@pytest.mark.parametrize("use_norm", [True, False])
def test_an_unknown_norm_is_refused_whether_it_is_used_or_not(use_norm):
    with pytest.raises(ValueError, match=r"`norm` must be one of 'group', .*, None, got 'batch'"):
        blocks.ClassicDoubleConvBlock(1, 2, 3, norm="batch", use_norm=use_norm, boundary_mode="periodic", key=KEY)


def test_norm_groups_divide_the_channels():
    with pytest.raises(ValueError, match=r"`groups` must divide the number of channels \(5\), got 2"):
        blocks.ClassicResBlock(1, 4, 5, use_norm=True, num_groups=2, boundary_mode="periodic", key=KEY)


def test_a_block_of_one_s_own_needs_a_call_and_a_receptive_field():
    class Incomplete(Block):
        def __call__(self, x):
            return x

    with pytest.raises(TypeError, match="abstract"):
        Incomplete()
    with pytest.raises(TypeError, match="abstract"):
        BlockFactory()


def test_a_factory_can_be_derived_from_a_block_of_one_s_own():
    Scale = ScaleBlock
    factory = factory_of(Scale)
    assert list(inspect.signature(factory).parameters) == ["scale"]
    block = factory(3.0)(1, 2, 2, activation=jnp.tanh, boundary_mode="periodic", key=KEY)
    assert isinstance(block, ScaleBlock) and block.scale == 3.0
    with pytest.raises(TypeError, match="skale"):
        factory(skale=3.0)


class ScaleBlock(Block):
    """A block of one's own: multiplies by a static number."""

    scale: float = eqx.field(static=True)
    num_spatial_dims: int = eqx.field(static=True)

    def __init__(self, num_spatial_dims, in_channels, out_channels, *, scale=2.0, activation, boundary_mode, key):
        del in_channels, out_channels, activation, boundary_mode, key
        self.scale = scale
        self.num_spatial_dims = num_spatial_dims

    def __call__(self, x):
        return self.scale * x

    @property
    def receptive_field(self):
        return ((0.0, 0.0),) * self.num_spatial_dims
