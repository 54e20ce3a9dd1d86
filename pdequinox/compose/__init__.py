"""Networks from blocks: in a line, in a U, or with constants or positions added to the input."""

from ._constant_embedding_metadata_network import ConstantEmbeddingMetadataNetwork
from ._hierarchical import Hierarchical
from ._multi_skip_hierarchical import MultiSkipHierarchical
from ._position_embedding import PositionEmbedding, num_position_channels, position_channels
from ._sequential import Sequential

__all__ = [
    "ConstantEmbeddingMetadataNetwork",
    "Hierarchical",
    "MultiSkipHierarchical",
    "PositionEmbedding",
    "Sequential",
    "num_position_channels",
    "position_channels",
]
