"""Losses, metrics, loaders, rollout, fit; weights in and out. Networks are callables here, anybody's."""

from . import sample_data
from ._band_rmse import band_rmse
from ._batches import shuffled
from ._checkpoint import Checkpoint
from ._correlation import correlation, correlation_time
from ._ensemble import ensemble_loss, ensemble_optimizer
from ._fit import Fitted, fit
from ._history import History, NonFiniteLossError
from ._load_weights_0_1 import load_weights_0_1
from ._loaders import cycling_dataloader, dataloader
from ._loss_balancing import GradientNormBalancing, ReLoBRaLo
from ._losses import supervised_loss, unrolled_loss, windows
from ._measured_receptive_field import measured_receptive_field
from ._metrics import mse, nrmse, relative_l2, vrmse
from ._normalizer import Normalized, Normalizer
from ._parameters import cast, combine_to_ensemble, count_parameters, extract_from_ensemble
from ._relative_h1 import relative_h1
from ._rollout import rollout
from ._save import load, save
from ._trackers import EarlyStopping, Tracker
from ._trainable_parameter import Parameter

__all__ = [
    "Checkpoint",
    "EarlyStopping",
    "Fitted",
    "GradientNormBalancing",
    "History",
    "NonFiniteLossError",
    "Normalized",
    "Normalizer",
    "Parameter",
    "ReLoBRaLo",
    "Tracker",
    "band_rmse",
    "cast",
    "combine_to_ensemble",
    "correlation",
    "correlation_time",
    "count_parameters",
    "cycling_dataloader",
    "dataloader",
    "ensemble_loss",
    "ensemble_optimizer",
    "extract_from_ensemble",
    "fit",
    "load",
    "load_weights_0_1",
    "measured_receptive_field",
    "mse",
    "nrmse",
    "relative_h1",
    "relative_l2",
    "rollout",
    "sample_data",
    "save",
    "shuffled",
    "supervised_loss",
    "unrolled_loss",
    "vrmse",
    "windows",
]
