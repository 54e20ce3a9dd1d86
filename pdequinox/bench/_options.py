"""Names with options, as they are typed: `ClassicUNet:hidden_channels=12,num_levels=2`."""

import difflib
import functools as ft
import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

_KEY = re.compile(r"\s*([A-Za-z_]\w*)\s*=")
_INTEGER = re.compile(r"[+-]?\d+(_\d+)*")
_NUMBER = re.compile(r"[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)([eE][+-]?\d+)?")
_BARE = re.compile(r"[\w./~+:;@%-]+")  # what needs no quotes
_WORDS = {"true": True, "false": False, "none": None}


def parse_options(text: str) -> tuple[str, dict[str, Any]]:
    """Read a name with options: `NAME` or `NAME:option=value,option=value`.

    | value | becomes |
    |---|---|
    | `12`, `10_000` | an integer |
    | `0.5`, `1e-3` | a number |
    | `true`, `false`, `none` | `True`, `False`, `None` |
    | `[8,9]`, `[[dirichlet,neumann],periodic]` | a tuple |
    | `periodic`, `/data/a.hdf5` | a string |
    | `"a, b"`, `'12'` | a string that has commas, brackets or spaces, or looks like something else |

    In quotes, a backslash keeps the quote or backslash behind it.

    **Returns:** The name and the options, in the order in which they are written.

    **Raises:** `ValueError` that shows the place, for whatever does not have this form.
    """
    name, colon, rest = text.partition(":")
    name = name.strip()
    if not name or "," in name:
        raise ValueError(
            f"`text` must have the form 'NAME:option=value,option=value', got {text!r}. Start with a name."
        )
    options: dict[str, Any] = {}
    for place, piece in _split(text, text.find(":") + 1, rest) if colon else ():
        key = _KEY.match(piece)
        if not key:
            raise _error(
                text, place, "have the form 'option=value'", "Put a list in brackets and a string with commas in quotes"
            )
        if key[1] in options:
            raise _error(text, place, f"give `{key[1]}` once", "Leave one out")
        options[key[1]] = _read(text, place + key.end(), piece[key.end() :])
    return name, options


def write_options(name: str, options: Mapping[str, Any]) -> str:
    """A name with options, as `parse_options` reads them.

    **Raises:** `ValueError` for a value that cannot be typed, such as a function.
    """
    written = ",".join(f"{key}={write_value(value, key)}" for key, value in options.items())
    return f"{name}:{written}" if written else name


def write_value(value: Any, key: str = "value") -> str:
    """One value, as it is typed."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(write_value(entry, key) for entry in value)}]"
    if isinstance(value, str):
        is_plain = _BARE.fullmatch(value) and isinstance(_read_bare(value), str)
        return value if is_plain else '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
    raise ValueError(
        f"`{key}` must be a finite number, a string, a truth value, `None` or a list of them, got {value!r}. Write "
        "functions by their name."
    )


def split_list(text: str, *, starts: Callable[[str], bool] = lambda piece: False) -> list[str]:
    """Split a list of names with options at those commas that separate names, not options.

    A piece between two commas, outside of brackets and quotes, is an option of the name before it if it has the form
    `option=...` and that name has a colon; else it starts the next name. `Res;26;8;relu,ConvNet:depth=2` are two, and
    `ConvNet:depth=2,kernel_size=5,ClassicFNO` too.

    **Arguments:**

    - `text`: The list.
    - `starts`: Whether a piece of the form `option=...` starts a name nevertheless, because it is one with a label.

    **Raises:** `ValueError` that shows the place, for an empty piece and unmatched brackets and quotes.
    """
    specs: list[str] = []
    for place, piece in _split(text, 0, text):
        if not piece.strip():
            raise _error(text, place, "have a name between commas", "Remove the comma")
        if specs and ":" in specs[-1] and _KEY.match(piece) and not starts(piece.strip()):
            specs[-1] += f",{piece.rstrip()}"
        else:
            specs.append(piece.strip())
    return specs


def bind_options(
    make: Callable,
    options: Mapping[str, Any],
    what: str,
    *,
    hidden: Iterable[str] = (),
    further: Iterable[Callable] = (),
) -> "ft.partial[Any]":
    """A constructor with options, if it has them all.

    **Arguments:**

    - `make`: A class or function.
    - `options`: Options by name.
    - `what`: What the constructor makes, for the message.
    - `hidden`: Arguments that are no options.
    - `further`: What takes the options that `make` hands on; without it, anything is taken by one that does.

    **Raises:** `ValueError` for an unknown option, with the known ones.
    """
    known = option_names(make, hidden=hidden, further=further)
    for name in options:
        if known is not None and name not in known:
            raise ValueError(
                f"`{name}` must be an option of {what}, which has {', '.join(known) or 'none'}. "
                f"{did_you_mean(name, known) or 'Check the spelling.'}"
            )
    return ft.partial(make, **options)


def option_names(make: Callable, *, hidden: Iterable[str] = (), further: Iterable[Callable] = ()) -> list[str] | None:
    """The options of a constructor; `None` if it takes any."""
    names: dict[str, None] = {}
    for function in (make, *further):
        parameters = inspect.signature(function).parameters.values()
        if not further and any(p.kind is p.VAR_KEYWORD for p in parameters):
            return None
        names |= {p.name: None for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return [name for name in names if name not in set(hidden)]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that suggests what may have been meant; empty if nothing is close."""
    lower = {other.lower(): other for other in known}
    close = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(lower[other] for other in close)}?" if close else ""


def _error(text: str, place: int, rule: str, remedy: str) -> ValueError:
    got = repr(text[place:]) if text[place:] else "nothing"
    return ValueError(f"{text!r} must {rule} at character {place + 1}, got {got}. {remedy}.")


def _split(text: str, start: int, part: str) -> list[tuple[int, str]]:
    """The pieces of `part`, which starts at `start` of `text`, between commas outside of brackets and quotes."""
    pieces, begin, opened, quote = [], 0, [], None
    position = 0
    while position < len(part):
        character = part[position]
        if quote is not None:
            if character == "\\":
                position += 1
            elif character == part[quote]:
                quote = None
        elif character in "\"'":
            quote = position
        elif character == "[":
            opened.append(position)
        elif character == "]":
            if not opened:
                raise _error(text, start + position, "have an opening bracket for the closing one", "Add or remove one")
            opened.pop()
        elif character == "," and not opened:
            pieces.append((start + begin, part[begin:position]))
            begin = position + 1
        position += 1
    if quote is not None:
        raise _error(text, start + quote, "close the quote that opens", "Add a quote at its end")
    if opened:
        raise _error(text, start + opened[-1], "close the bracket that opens", "Add ']'")
    return [*pieces, (start + begin, part[begin:])]


def _read(text: str, place: int, part: str) -> Any:
    """The value that `part`, which starts at `place` of `text`, stands for."""
    place += len(part) - len(part.lstrip())
    part = part.strip()
    if not part:
        raise _error(text, place, "have a value", 'Write "" for an empty string')
    if part[0] == "[":
        if not part.endswith("]") or _closes(part) != len(part) - 1:
            raise _error(text, place, "have nothing behind a list but a comma", "Put a string with brackets in quotes")
        inside = part[1:-1]
        return tuple(_read(text, *piece) for piece in _split(text, place + 1, inside)) if inside.strip() else ()
    if part[0] in "\"'":
        quoted = re.fullmatch(rf"{part[0]}((?:[^\\{part[0]}]|\\.)*){part[0]}", part, flags=re.DOTALL)
        if not quoted:
            raise _error(text, place, "have nothing behind a quote but a comma", "Put all of the string in quotes")
        return re.sub(r"\\([\"'\\])", r"\1", quoted[1])
    value = _read_bare(part)
    if isinstance(value, float) and not math.isfinite(value):
        raise _error(text, place, "have a finite number", "Write a smaller one")
    return value


def _closes(part: str) -> int:
    """Where the bracket closes that opens first."""
    depth, position, quote = 0, 0, ""
    while True:
        character = part[position]
        if quote:
            position += character == "\\"
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        else:
            depth += (character == "[") - (character == "]")
            if depth == 0:
                return position
        position += 1


def _read_bare(part: str) -> Any:
    if part.lower() in _WORDS:
        return _WORDS[part.lower()]
    if _INTEGER.fullmatch(part):
        return int(part)
    return float(part) if _NUMBER.fullmatch(part) else part
