"""Published errors that ours are put beside."""

from collections.abc import Mapping
from typing import Any

from ._networks import Network
from ._protocol import Training
from .scenarios import Burgers, plain

# The nRMSE's geometric mean over steps 1 to 100, read off the bar chart on APEBench's project page to within 0.01
# (there is no table). Koehler et al., NeurIPS 2024, arXiv:2411.00180.
_APEBENCH_BURGERS = {
    "Conv;34;10;relu": 0.026,
    "Res;26;8;relu": 0.012,
    "UNet;12;2;relu": 0.062,
    "Dil;2;32;2;relu": 0.057,
    "FNO;12;18;4;gelu": 0.068,
}


def published_error(record: Mapping[str, Any]) -> float | None:
    """The published value of a run's main error, if there is one for just this setting; by the run's record."""
    training = {name: value for name, value in record["training"].items() if name != "label"}
    is_theirs = record["scenario"]["config"] == Burgers().config and training == Training().config
    if not is_theirs or record["task"]["name"] != "predict":
        return None
    network = record["network"]
    for text, value in _APEBENCH_BURGERS.items():
        theirs = Network.parse(text)
        if (theirs.architecture, plain(dict(theirs.options))) == (network["architecture"], network["options"]):
            return value
    return None
