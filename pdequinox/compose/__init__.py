"""Networks from blocks, in a line or in a U; and wrappers that make something else of any network."""

from ._conditioned import Conditioned, conditioned
from ._constant_embedding_metadata_network import ConstantEmbeddingMetadataNetwork
from ._field_encoder import FieldEncoder
from ._hierarchical import Hierarchical
from ._history import History
from ._less_memory import MixedPrecision, Rematerialized
from ._multi_skip_hierarchical import MultiSkipHierarchical
from ._neural_operator import NeuralOperator
from ._position_embedding import PositionEmbedding, num_position_channels, position_channels
from ._residual_prediction import OutputScaling, ResidualPrediction
from ._sequential import Sequential

__all__ = [
    "Conditioned",
    "ConstantEmbeddingMetadataNetwork",
    "FieldEncoder",
    "Hierarchical",
    "History",
    "MixedPrecision",
    "MultiSkipHierarchical",
    "NeuralOperator",
    "OutputScaling",
    "PositionEmbedding",
    "Rematerialized",
    "ResidualPrediction",
    "Sequential",
    "conditioned",
    "num_position_channels",
    "position_channels",
]
