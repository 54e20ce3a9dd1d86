"""Names with options, as they are typed."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdequinox.bench._options import bind_options, parse_options, split_list, write_options


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("10_000", 10_000),
        ("0.5", 0.5),
        (".5", 0.5),
        ("2.", 2.0),
        ("1e-3", 1e-3),
        ("true", True),
        ("False", False),
        ("none", None),
        ("periodic", "periodic"),
        ("/data/a=b:c.hdf5", "/data/a=b:c.hdf5"),
        ('"/data/a,b.hdf5"', "/data/a,b.hdf5"),
        ("'12'", "12"),
        (r'"a\"b\\"', 'a"b\\'),
        ('""', ""),
        ("[]", ()),
        ("[8, 9]", (8, 9)),
        ("[[dirichlet,neumann],periodic]", (("dirichlet", "neumann"), "periodic")),
        ('["a]",[1e3,none]]', ("a]", (1e3, None))),
        ("2d", "2d"),
        ("1__0", "1__0"),
    ],
)
def test_values_are_read_by_their_form(text, value):
    name, options = parse_options(f"name: first=1 ,second = {text} , third=3")
    assert name == "name"
    assert options == {"first": 1, "second": value, "third": 3}
    assert type(options["second"]) is type(value)


def test_a_name_needs_no_options():
    assert parse_options(" ConvNet ") == ("ConvNet", {})
    assert write_options("ConvNet", {}) == "ConvNet"


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3).map(tuple),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), _values, max_size=4))
def test_what_is_written_is_read_back(options):
    text = write_options("name", options)
    name, found = parse_options(text)
    assert name == "name"
    assert repr(found) == repr(options)  # tells 1 from 1.0 and True
    assert split_list(f"{text},{text},other") == [text, text, "other"] or not options


def test_plain_strings_are_written_without_quotes_and_numpy_s_numbers_as_numbers():
    options = {"mode": ["periodic", "dirichlet"], "path": "/a/b-c.h5", "text": "12", "n": np.int64(3)}
    assert write_options("name", options) == 'name:mode=[periodic,dirichlet],path=/a/b-c.h5,text="12",n=3'


@pytest.mark.parametrize("value", [len, float("nan"), {"a": 1}, (1, float("inf"))])
def test_what_cannot_be_typed_is_not_written(value):
    with pytest.raises(ValueError, match="`size` must be a finite number, a string, a truth value, `None` or a list"):
        write_options("name", {"size": value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "`text` must have the form 'NAME:option=value,option=value', got ''"),
        ("ConvNet,depth=2", "`text` must have the form 'NAME:option=value,option=value', got 'ConvNet,depth=2'"),
        ("a:b", "'a:b' must have the form 'option=value' at character 3, got 'b'"),
        ("a:", "must have the form 'option=value' at character 3, got nothing"),
        ("a:p=/d/a,b.h5", r"at character 10, got 'b.h5'. Put a list in brackets and a string with commas in quotes"),
        ("a:b=1,b=2", "must give `b` once at character 7, got 'b=2'"),
        ("a:b=", "must have a value at character 5, got nothing"),
        ("a:b=[1,,2]", "must have a value at character 8, got ',2]'"),
        ("a:b=[1,[2]", r"must close the bracket that opens at character 5, got '\[1,\[2\]'. Add ']'"),
        ("a:b=1]", "must have an opening bracket for the closing one at character 6, got ']'"),
        ("a:b='x", "must close the quote that opens at character 5"),
        ("a:b=[1]2", "must have nothing behind a list but a comma at character 5"),
        ("a:b=[1][2]", "must have nothing behind a list but a comma at character 5"),
        ("a:b='x'y", "must have nothing behind a quote but a comma at character 5"),
        ("a:b=1e999", "must have a finite number at character 5, got '1e999'"),
    ],
)
def test_errors_show_the_place(text, message):
    with pytest.raises(ValueError, match=message):
        parse_options(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Conv;34;10;relu,Res;26;8;relu", ["Conv;34;10;relu", "Res;26;8;relu"]),
        ("ConvNet:depth=2,hidden_channels=8,ClassicFNO", ["ConvNet:depth=2,hidden_channels=8", "ClassicFNO"]),
        ("a:b=[1,c=2], d = 'x,y=z' , e ,f:g=1", ["a:b=[1,c=2], d = 'x,y=z'", "e", "f:g=1"]),
        ("mine=A:b=1,c=2,D", ["mine=A:b=1,c=2", "D"]),
        ("A,mine=B,C", ["A", "mine=B", "C"]),
    ],
)
def test_lists_are_split_between_names(text, parts):
    assert split_list(text) == parts


def test_a_list_can_be_told_what_starts_a_name():
    text = "A:b=1,mine=B:c=2"
    assert split_list(text) == [text]
    assert split_list(text, starts=lambda piece: piece == "mine=B:c=2") == ["A:b=1", "mine=B:c=2"]


def test_a_list_has_no_empty_pieces():
    with pytest.raises(ValueError, match="'A,,B' must have a name between commas at character 3, got ',B'"):
        split_list("A,,B")


@dataclasses.dataclass(kw_only=True)
class Example:
    num_points: int = 3
    boundary_mode: str = "periodic"


def _make(channels, *, width=1, **rest):
    return channels, width, rest


def test_options_are_bound_to_a_class_or_function():
    assert bind_options(Example, {"num_points": 5}, "an example")() == Example(num_points=5)
    assert bind_options(_make, {"anything": 5}, "a function")(2) == (2, 1, {"anything": 5})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "num_point",
            r"`num_point` must be an option of an example, which has num_points, boundary_mode. Did you mean",
        ),
        ("xyz", r"`xyz` must be an option of an example, which has num_points, boundary_mode. Check the spelling."),
    ],
)
def test_unknown_options_are_refused_with_the_known_ones(name, message):
    with pytest.raises(ValueError, match=message):
        bind_options(Example, {name: 5}, "an example")


def test_hidden_arguments_are_no_options_and_further_ones_are():
    with pytest.raises(ValueError, match="`channels` must be an option of it, which has width, num_points, boundary"):
        bind_options(_make, {"channels": 5}, "it", hidden=("channels",), further=(Example,))
    assert bind_options(_make, {"num_points": 5}, "it", further=(Example,))(1) == (1, 1, {"num_points": 5})
