"""The table of architectures."""

import jax.random as jr
import pytest

from pdequinox import arch, count_parameters
from pdequinox.bench import main, zoo, zoo_of_presets
from zoo import TRAITS


def test_the_zoo_holds_every_architecture_with_its_size_and_field():
    entries = {entry.name: entry for entry in zoo(1, 32)}
    assert list(entries) == arch.__all__
    network = arch.ConvNet(1, 1, 1, key=jr.PRNGKey(0))
    assert entries["ConvNet"].parameters == count_parameters(network) == 7_169
    assert entries["ConvNet"].receptive_field == network.receptive_field == ((11, 11),)
    assert entries["MLP"].parameters == (32 * 64 + 64) + 2 * (64 * 64 + 64) + (64 * 32 + 32)
    assert all(entry.flops > 0 for entry in entries.values())
    assert {name for name, entry in entries.items() if not entry.takes_mixed_ends} == {
        name for name in entries if TRAITS[name].needs_basis
    }


def test_flops_are_those_of_the_convolutions():
    # ConvNet's 11 layers of 3 taps: 1 -> 16 -> ... -> 16 -> 1 channels, a multiplication and an addition each.
    (entry,) = (entry for entry in zoo(2, 20) if entry.name == "ConvNet")
    multiplications = 9 * 20**2 * (16 + 9 * 16 * 16 + 16)
    assert entry.flops == pytest.approx(2 * multiplications, rel=0.05)


def test_the_command_prints_the_zoo(capsys, monkeypatch):
    few = {name: arch.presets[name] for name in ("pdebench/UNet2d", "apebench/FNO;12;18;4;gelu")}
    monkeypatch.setattr(arch, "presets", few)
    assert main(["zoo", "--dims", "2", "--points", "16"]) == 0
    output = capsys.readouterr().out
    assert "16 × 16 points" in output
    assert all(name in output for name in (*arch.__all__, *few))
    assert all(text in output for text in ("2,357,441", "7,762,465", "92/137", "32,527", "alike", "1→1"))


def test_the_command_looks_for_a_name(capsys):
    assert main(["zoo", "unetCLASSIC", "--points", "16"]) == 0
    output = capsys.readouterr().out
    assert "the_well/UNetClassic-48" in output and "17,479,595" in output and "44→11" in output
    assert "Architectures" not in output and "pdearena" not in output
    assert main(["zoo", "perceiver"]) == 0
    assert "No network has 'perceiver' in its name." in capsys.readouterr().out


def test_presets_are_measured_in_their_own_dimension():
    (entry,) = zoo_of_presets(pattern="unet1d")
    assert (entry.name, entry.architecture, entry.setting) == ("pdebench/UNet1d", "UNet2015", (1, 1, 1))
    assert entry.num_points == 160 and entry.takes_mixed_ends and entry.parameters == 2_707_809
    with pytest.raises(ValueError, match="`num_points` must be positive, got 0"):
        zoo_of_presets(0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((4,), "`num_spatial_dims` must be 1, 2 or 3, got 4"), ((1, 0), "`num_points` must be positive, got 0")],
)
def test_the_zoo_refuses_sizes_that_make_no_grid(arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo(*arguments)
