"""Networks from blocks: in a line, in a U, or with constants or positions added to the input."""

from ._constant_embedding_metadata_network import ConstantEmbeddingMetadataNetwork
from ._field_encoder import FieldEncoder
from ._hierarchical import Hierarchical
from ._position_embedding import PositionEmbedding, num_position_channels, position_channels
from ._sequential import Sequential

__all__ = [
    "ConstantEmbeddingMetadataNetwork",
    "FieldEncoder",
    "Hierarchical",
    "PositionEmbedding",
    "Sequential",
    "num_position_channels",
    "position_channels",
]
