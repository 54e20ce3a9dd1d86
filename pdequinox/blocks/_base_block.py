"""The block protocol, and how a factory is derived from a block."""

import functools
import inspect
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Array, PRNGKeyArray

from ..boundary import BoundaryMode
from ..conv import ReceptiveField

_SHARED = {"num_spatial_dims", "in_channels", "out_channels", "activation", "boundary_mode", "key"}


class Block(eqx.Module):
    """Base class of blocks: networks' parts that map `(in_channels, *spatial)` to `(out_channels, *spatial)`.

    A block is constructed as `Block(num_spatial_dims, in_channels, out_channels, *, <options>, activation,
    boundary_mode, key)`. It accepts all six shared arguments and `del`s what it has no use for. Blocks that change
    the grid do so by an integer factor; those that refine it may take `output_padding=` at call time.

    Subclassing is a convenience, not a condition: `Sequential` and `Hierarchical` take any callable that is
    constructed like this.
    """

    @abstractmethod
    def __call__(self, x: Array) -> Array:
        """Map an array of shape `(in_channels, *spatial)` to one of shape `(out_channels, *spatial)`."""

    @property
    @abstractmethod
    def receptive_field(self) -> ReceptiveField:
        """How far an output sees to the left and right, per axis, in points."""


class BlockFactory(eqx.Module):
    """Base class of your own factories: a block's options without its shared arguments.

    A block whose options are bound (a `functools.partial`, or what the factories of this room return) is a factory
    as well; subclass this one if you prefer a class.
    """

    @abstractmethod
    def __call__(
        self,
        num_spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        activation: Callable,
        boundary_mode: BoundaryMode,
        key: PRNGKeyArray,
    ) -> Any:
        """Make the block."""


def factory_of(block: type) -> Callable[..., Callable]:
    """Derive `XBlockFactory` from `XBlock`: the same options, in the same order, bound by `functools.partial`.

    A misspelt option raises a `TypeError` where the factory is made.
    """
    options = inspect.Signature(
        [
            parameter.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
            for parameter in inspect.signature(block).parameters.values()
            if parameter.name not in _SHARED
        ]
    )

    def factory(*args, **kwargs):
        return functools.partial(block, **options.bind(*args, **kwargs).arguments)

    factory.__name__ = factory.__qualname__ = f"{block.__name__}Factory"
    factory.__module__ = block.__module__
    factory.__doc__ = f"A factory of [`pdequinox.blocks.{block.__name__}`][] with these options."
    factory.__signature__ = options  # type: ignore[attr-defined]
    return factory
