"""Published errors that ours are put beside."""

from typing import Any

# The nRMSE's geometric mean over steps 1 to 100, read off the bar chart on APEBench's project page to within 0.01
# (there is no table). Koehler et al., NeurIPS 2024, arXiv:2411.00180.
_APEBENCH_BURGERS = {
    "Conv;34;10;relu": 0.026,
    "Res;26;8;relu": 0.012,
    "UNet;12;2;relu": 0.062,
    "Dil;2;32;2;relu": 0.057,
    "FNO;12;18;4;gelu": 0.068,
}


def published_error(run: Any) -> float | None:
    """The published value of a run's main error, if there is one for just this setting."""
    from ._networks import Network
    from ._protocol import Training
    from .scenarios import Burgers

    if run.scenario != Burgers() or run.training != Training() or run.task.name != "predict":
        return None
    for text, value in _APEBENCH_BURGERS.items():
        if Network.parse(text).config == run.network.config:
            return value
    return None
