"""Networks of equal size."""

import pytest

from pdequinox import arch
from pdequinox.bench._match import count, match_parameters
from pdequinox.bench._networks import Network

LINE = (1, 1, 1), (160,), "periodic"
PLANE = (2, 1, 1), (64, 64), "periodic"

# The least sizes of networks that are too large for 30,000 parameters as they are.
TOO_LARGE = {"AViT": "229,088", "CNO": "45,023", "FourierUNet": "826,361", "PDEArenaUNet": "811,769"}
# The options that help.
_SHALLOW = "num_levels=2,num_blocks=1,channel_multipliers=[1,2],num_final_groups=4"
SMALLER = {
    "AViT": "num_blocks=2,num_groups=4,num_heads=2",
    "CNO": "num_levels=3,num_neck_blocks=2",
    "FourierUNet": f"{_SHALLOW},num_fourier_levels=1,num_modes=8",
    "PDEArenaUNet": _SHALLOW,
}
# Where whole channels are a coarse measure.
COARSE = {"ConvNeXtUNet": 0.42, "CNO": 0.12, "FourierUNet": 0.14, "ModernUNet": 0.17, "UNet2015": 0.19}


@pytest.mark.parametrize("name", arch.__all__)
def test_every_architecture_can_be_brought_to_a_size(name):
    network = Network.parse(name)
    if name in TOO_LARGE:
        with pytest.raises(ValueError, match=f"near a size that {name} can have, .* the closest is {TOO_LARGE[name]}"):
            match_parameters(network, 30_000, *LINE)
        network = Network.parse(f"{name}:{SMALLER[name]}")
    matched = match_parameters(network, 30_000, *LINE)
    assert count(matched, *LINE) == pytest.approx(30_000, rel=COARSE.get(name, 0.1))
    assert matched.label == network.label
    assert set(network.options) < set(matched.options)


@pytest.mark.parametrize(
    ("written", "size", "widths"),
    [
        ("ConvNet", 30_000, {"hidden_channels": 19}),
        ("MLP", 100_000, {"width_size": 12}),
        ("DeepONet:branch=conv", 30_000, {"width_size": 68, "hidden_channels": 8}),
        ("AViT", 1_000_000, {"hidden_channels": 96}),
        ("ClassicUNet:num_levels=2,num_groups=4", 30_000, {"hidden_channels": 8}),
        ("Transolver:num_heads=5", 30_000, {"hidden_channels": 20}),
        ("pdearena/ResNet-128", 30_000, {"hidden_channels": 20}),
        (
            "UNO",
            1_000_000,
            {
                "hidden_channels": 42,
                "block_channels": (21, 42, 42, 42, 21),
                "lifting_channels": 168,
                "projection_channels": 168,
            },
        ),
    ],
)
def test_widths_keep_their_proportion_and_what_must_divide_them(written, size, widths):
    network = Network.parse(written)
    matched = match_parameters(network, size, *PLANE)
    assert matched.options == {**network.options, **widths}


@pytest.mark.parametrize("target", [10_000, 29_000, 31_000, 10_000_000])
def test_no_other_width_is_closer(target):
    matched = match_parameters(Network.parse("Res;26;8;relu"), target, *LINE)
    width = matched.options["hidden_channels"]

    def distance(hidden_channels):
        network = Network.parse(f"ClassicResNet:num_blocks=8,hidden_channels={hidden_channels}")
        return abs(count(network, *LINE) / target - 1)

    assert distance(width) <= min(distance(width - 1), distance(width + 1))


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("Res;26;8;relu", "ClassicResNet:num_blocks=8,activation=relu"),
        ("ClassicUNet:hidden_channels=12,num_levels=2", "ClassicUNet:num_levels=2"),
        ("mine=Res;26;8;relu", "mine"),
    ],
)
def test_a_label_does_not_tell_a_width_that_is_no_more(written, label):
    assert match_parameters(Network.parse(written), 30_000, *LINE).label == label


def _make(num_spatial_dims, in_channels, out_channels, *, width_size=3, key):
    return arch.ConvNet(num_spatial_dims, in_channels, out_channels, hidden_channels=width_size, depth=2, key=key)


def test_a_function_with_a_width_can_be_matched():
    matched = match_parameters(Network.of("mine", _make), 1_000, *LINE)
    assert matched.make is _make
    assert count(matched, *LINE) == pytest.approx(1_000, rel=0.1)


def test_what_cannot_be_matched_is_refused():
    with pytest.raises(ValueError, match=r"`network` must have the option hidden_channels or width_size .* got mine"):
        match_parameters(Network.of("mine", lambda *setting, key: None), 1_000, *LINE)
    with pytest.raises(ValueError, match="`num_parameters` must be an integer of at least 1, got 0"):
        match_parameters(Network.parse("ConvNet"), 0, *LINE)
    with pytest.raises(ValueError, match="error of ConvNet: `kernel_size`"):
        match_parameters(Network.parse("ConvNet:kernel_size=0"), 1_000, *LINE)
    with pytest.raises(ValueError, match=r"got 30: the closest is .* with hidden_channels=1. Change depth too"):
        match_parameters(Network.parse("ConvNet:depth=4"), 30, *PLANE)
