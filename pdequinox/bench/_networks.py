"""What is compared: a network as it is written, and how it is built for a scenario."""

import dataclasses
import functools as ft
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
from jax.core import Tracer
from jaxtyping import PRNGKeyArray

from .. import arch, blocks
from ._activations import activation_named, is_activation
from ._content import content_hash, qualified_name
from ._notation import KINDS, canonical, read_notation
from ._options import bind_options, did_you_mean, option_names, parse_options, write_options

_ARGUMENTS = ("num_spatial_dims", "in_channels", "out_channels", "key")

# What takes the options that an architecture hands on.
_FURTHER: dict[Callable, tuple[Callable, ...]] = {
    arch.FNO: (blocks.FNOBlock,),
    arch.TFNO: (arch.FNO, blocks.FNOBlock),
    arch.UNO: (blocks.FNOBlock,),
}

SCENARIO = "scenario"
"""The value of an option that is the scenario's: `AViT:num_points=scenario` has a table of positions on its grid."""

_registered: dict[str, Callable] = {}


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of a comparison. `Network.parse` reads what a user writes, `Network.of` takes a function.

    | written | is |
    |---|---|
    | `ClassicUNet:hidden_channels=12,activation=gelu` | an architecture of `pdequinox.arch` with options |
    | `pdearena/Unetmod-64:hidden_channels=16` | a preset, with options that replace its own |
    | `Res;26;8;relu` | APEBench's notation, see [`pdequinox.bench.parse_network`][] |
    | `FNO;12;18;4;gelu:parity=same` | that with further options |
    | `mine=ConvNet:depth=4` | one with a label |
    | `{"name": "ConvNet", "depth": 4, "label": "mine"}` | the same, in a file |

    Activations are functions of `jax.nn` by name.
    """

    architecture: str
    """Of `pdequinox.arch`, a preset, or the name of a function."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    """As they are typed: numbers, strings, truth values, `None`, and tuples of them."""
    label: str = ""
    """For tables; what is typed for the network if none is given."""
    make: Callable | None = None
    """The function, if the network is no architecture of the package."""

    def __post_init__(self):
        options = {name: _as_typed(name, value) for name, value in self.options.items()}
        written = write_options(self.architecture, options)  # refuses what cannot be typed
        object.__setattr__(self, "options", options)  # the fields of a frozen class
        object.__setattr__(self, "label", self.label or written)
        make = self.constructor
        further = _FURTHER.get(make, ())
        bind_options(make, options, self.architecture, hidden=_ARGUMENTS, further=further)

    @classmethod
    def parse(cls, written: "str | Mapping[str, Any] | Network") -> "Network":
        """Read a network in one of the forms above, or its `config`.

        **Raises:** `ValueError` for an unknown name or option, and a form that cannot be read. What the architecture
        itself refuses is found by `build`.
        """
        if isinstance(written, Network):
            return written
        options = dict(written) if isinstance(written, Mapping) else {"name": written}
        name, label, content = options.pop("name", None), options.pop("label", ""), options.pop("content", None)
        if not isinstance(name, str) or not isinstance(label, str):
            raise ValueError(
                "`network` must be a string, or a mapping with a `name` and options, got "
                f"{written!r}. Write 'ClassicUNet:hidden_channels=12', say, and use `Network.of` for a function."
            )
        network = _read(name, label, options)
        if content is not None and content != network.config.get("content"):
            raise ValueError(
                f"`{name}` must be the network that the results belong to, got other code. Start a new folder."
            )
        return network

    @classmethod
    def of(cls, label: str, make: Any, **options: Any) -> "Network":
        """A network of your own.

        **Arguments:**

        - `label`: Its name in tables.
        - `make`: A function or class that is called with `num_spatial_dims, in_channels, out_channels` and `key=`, and
            with `boundary_mode=` and `num_points=` of the scenario if it takes arguments of these names.
        - `options`: Plain values that it is called with too.

        **Raises:** `ValueError` for what cannot be called, or does not have these options.
        """
        return cls(qualified_name(_checked(make)), options, label, make)

    @staticmethod
    def is_labelled(piece: str) -> bool:
        """Whether what looks like an option, `mine=ConvNet`, is a network with a label: for `split_list`."""
        name = piece.partition("=")[2].partition(":")[0].strip()
        kind = name.partition(";")[0].strip().lower()
        is_notation = ";" in name and kind in map(str.lower, KINDS)
        return is_notation or name in arch.__all__ or name in arch.presets or name in _registered

    def build(
        self, setting: tuple[int, int, int], shape: tuple[int, ...], boundary_mode: Any, *, key: PRNGKeyArray
    ) -> Any:
        """The network with fresh parameters. Options win over what the scenario says.

        The constructor of an architecture is compiled as one program, with little optimisation, and kept for other
        keys; initial values may differ from those of the constructor itself in the last bit. A function of your own is
        called as it is.

        **Arguments:**

        - `setting`: The number of spatial dimensions, input and output channels.
        - `shape`: The number of points of each axis, for networks that are made for one grid.
        - `boundary_mode`: Of the scenario.

        **Raises:** `ValueError` that names the network, if it cannot be built so.
        """
        options = self.options_for(shape, boundary_mode)
        try:
            if self.make is None and not isinstance(key, Tracer):
                return _program(write_options(self.architecture, options), tuple(setting))(key)
            return _construct(self.make or _architecture(self.architecture), setting, options, key)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            num_spatial_dims, in_channels, out_channels = setting
            raise ValueError(
                f"`{self.label}` must fit fields in {num_spatial_dims}D with {' x '.join(map(str, shape))} points, "
                f"{in_channels} channels in and {out_channels} out, boundary_mode={boundary_mode!r}, got an error of "
                f"{self.architecture}: {error}"
            ) from error

    def options_for(self, shape: tuple[int, ...], boundary_mode: Any) -> dict[str, Any]:
        """All options that the constructor is called with for a scenario."""
        told = {"boundary_mode": boundary_mode, "num_points": shape[0] if len(set(shape)) == 1 else tuple(shape)}
        options = {**self._told, **self.options}
        return {
            name: _as_typed(name, told[name]) if name in told and value == SCENARIO else value
            for name, value in options.items()
        }

    @property
    def config(self) -> dict[str, Any]:
        """All that defines the network, as plain values: its name, and its options with their defaults.

        `parse` reads it. The label is no part of it. A preset keeps its name. A function of your own has a hash of its
        code.
        """
        if self.make is not None:
            return {"name": self.architecture, **_plain(self.options), "content": content_hash(self.make)}
        if self.architecture in arch.presets:
            return {"name": self.architecture, **_plain({**self._told, **self.options})}
        typed = {name: _name_of(value) if callable(value) else value for name, value in self.defaults.items()}
        known = {name: value for name, value in typed.items() if value is not _UNNAMED}
        return {"name": self.architecture, **_plain({**known, **self._told, **self.options})}

    @property
    def defaults(self) -> dict[str, Any]:
        """The options that the constructor, or the preset, has if they are not given."""
        found: dict[str, Any] = {}
        for function in (*_FURTHER.get(self.constructor, ()), self.constructor):
            parameters = inspect.signature(function).parameters.values() if function is not blocks.FNOBlock else ()
            found |= {p.name: p.default for p in parameters if p.default is not p.empty}
        return {**found, **self._preset_options}

    @property
    def option_names(self) -> list[str]:
        """The options that may be given."""
        further = _FURTHER.get(self.constructor, ())
        return option_names(self.constructor, hidden=_ARGUMENTS, further=further) or []

    @property
    def constructor(self) -> Callable:
        """What knows the options."""
        made = self.make or _architecture(self.architecture)
        return made.architecture if isinstance(made, arch.Preset) else made

    @property
    def _preset_options(self) -> Mapping[str, Any]:
        return arch.presets[self.architecture].options if self.architecture in arch.presets else {}

    @property
    def _told(self) -> dict[str, str]:
        """The options that are the scenario's if they are not given."""
        parameters = inspect.signature(self.constructor).parameters
        of_preset = self._preset_options
        told = ["boundary_mode"] if "boundary_mode" in parameters else []
        if self.constructor is arch.DeepONet:
            needs_points = {**of_preset, **self.options}.get("branch", "mlp") == "mlp"
        else:
            is_optional = self.make is None and "num_points" in parameters and parameters["num_points"].default is None
            needs_points = "num_points" in of_preset or ("num_points" in parameters and not is_optional)
        return dict.fromkeys([*told, "num_points"] if needs_points else told, SCENARIO)


def register_network(name: str, make: Any) -> Callable:
    """Make a function or class known by a name, as `Network.parse` and the command line take it.

    **Arguments:**

    - `name`: The name, without punctuation.
    - `make`: As for `Network.of`.

    **Returns:** `make`.

    **Raises:** `ValueError` for a name that is taken or has punctuation, and what cannot be called.
    """
    if not name.replace("-", "_").isidentifier():
        raise ValueError(f"`name` must be letters, digits, '-' and '_', got {name!r}. Change it.")
    is_taken = _registered.get(name, make) is not make or name in arch.__all__ or name in KINDS
    if is_taken:
        raise ValueError(f"`name` must be new, got {name!r}, which is there already. Choose another one.")
    _registered[name] = _checked(make)
    return make


def _construct(make: Callable, setting: tuple[int, int, int], options: Mapping[str, Any], key: PRNGKeyArray) -> Any:
    named = {
        name: activation_named(value) if is_activation(name) and isinstance(value, str) else value
        for name, value in options.items()
    }
    return make(*setting, **named, key=key)


@ft.cache
def _program(written: str, setting: tuple[int, int, int]) -> Callable[[PRNGKeyArray], Any]:
    """The compiled constructor of an architecture, found by what it is called with."""
    architecture, options = parse_options(written)
    static = []

    def initial_values(key: PRNGKeyArray) -> Any:
        params, rest = eqx.partition(_construct(_architecture(architecture), setting, options, key), eqx.is_array)
        static[:] = [rest]
        return params

    # Compiling takes nearly all of the time.
    compiled = jax.jit(initial_values, compiler_options={"xla_backend_optimization_level": 0})
    return lambda key: eqx.combine(compiled(key), static[0])


def _architecture(name: str) -> Callable:
    """**Raises:** `ValueError` for an unknown name."""
    if name in arch.__all__:
        return getattr(arch, name)
    if name in arch.presets:
        return arch.presets[name]
    forms = {kind: f"{kind};{';'.join(numbers)};activation" for kind, (_, numbers) in KINDS.items()}
    close = did_you_mean(name, (*arch.__all__, *arch.presets, *_registered, *forms))
    for kind, form in forms.items():
        close = close.replace(f" {kind}?", f" {form}?").replace(f" {kind} or ", f" {form} or ")
    raise ValueError(
        f"`network` must be an architecture of `pdequinox.arch`, a preset, or in APEBench's notation, got {name!r}. "
        + (close or "`pdequinox zoo` and `pdequinox zoo --presets` list them.")
    )


def _read(text: str, label: str, further: Mapping[str, Any]) -> Network:
    head, options = parse_options(text)
    own_label, equals, name = (part.strip() for part in head.rpartition("="))
    if equals and (not own_label or ";" in own_label):
        raise ValueError(
            f"`label` must be a name before '=', got {own_label!r} in {text!r}. Write 'mine=ConvNet', say."
        )
    label, options = label or own_label, {**options, **further}
    if ";" in name and name not in arch.presets:
        architecture, mine = read_notation(name)
        return Network(architecture, {**mine, **options}, label or write_options(canonical(name), options))
    return Network(name, options, label, _registered.get(name))


def _checked(make: Any) -> Callable:
    if not callable(make):
        raise ValueError(f"`make` must be a function that builds a network, got {make!r}. Wrap it in a function.")
    return make


def _as_typed(name: str, value: Any) -> Any:
    """With tuples for lists, and the one name of an activation."""
    if is_activation(name) and isinstance(value, str):
        return activation_named(value).__name__
    return tuple(_as_typed("", entry) for entry in value) if isinstance(value, list | tuple) else value


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON would hold them."""
    return {name: _as_list(value) for name, value in options.items()}


def _as_list(value: Any) -> Any:
    return [_as_list(entry) for entry in value] if isinstance(value, tuple) else value


_UNNAMED = object()


def _name_of(function: Callable) -> Any:
    """The name of a function of `jax.nn`."""
    name = getattr(function, "__name__", "")
    return name if getattr(jax.nn, name, None) is function else _UNNAMED


def build_for_grid(
    make: Callable[..., Any], setting: tuple[int, int, int], num_points: int, *, key: PRNGKeyArray
) -> Any:
    """Call an architecture for a setting of dimensions, input and output channels.

    One that works on one grid only (MLP) is told which.
    """
    grid = {"num_points": num_points} if "num_points" in inspect.signature(make).parameters else {}
    return make(*setting, **grid, key=key)
