"""YAML as people type it: every mistake is one error with its line, in bounded time, and dates stay texts."""

from __future__ import annotations

import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dra_toolkit.recipe.yaml_text import BadYamlError, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2024-13-45", {"a": "2024-13-45"}),
        ("a: 2024-02-30T25:61:61Z", {"a": "2024-02-30T25:61:61Z"}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: 0x_", {"a": "0x_"}),
        ("a: 0b_", {"a": "0b_"}),
        ("a: " + "9" * 5000, {"a": "9" * 5000}),
        ("a: 0x1F", {"a": 31}),
        ("a: .5", {"a": 0.5}),
        ("a: [1, 2]", {"a": [1, 2]}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("", None),
    ],
)
def test_values(text, value):
    assert read_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("b: 1\na: !!int abc", 2, "'abc' is no int"),
        ("a: !!float x", 1, "'x' is no float"),
        ('a: !!timestamp "x"', 1, "could not determine a constructor"),
        ("a: 1\nb: &x [*x]", 2, "*x contains itself"),
        ("a: &x {y: *x}", 1, "*x contains itself"),
        ("a: " + "[" * 2000, 1, "nested deeper than 64"),
        ("a: " + "[" * 100_000, 1, "nested deeper than 64"),
        ("{a: " * 2000, 1, "nested deeper than 64"),
        (
            "a: &a [1,1,1,1]\n"
            + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 20)}]\n" for p, c in zip("abcde", "bcdef", strict=True)),
            5,
            "more than 100,000 values",
        ),
        ("a: [1, 2\nb: 3", 2, "expected ',' or ']'"),
        ("a: 1\na: 2", 1, "key a stands twice"),
        ("? [a]\n: b", 1, "unhashable"),
        ("a: !!python/object/apply:os.system ['echo']", 1, "could not determine a constructor"),
        ("a: \x00", None, "special characters are not allowed"),
    ],
)
def test_mistakes(text, line, problem):
    with pytest.raises(BadYamlError) as caught:
        read_yaml(text)
    assert problem in str(caught.value)
    assert caught.value.line == line


@given(st.text(alphabet="ab:[]{}&*!?-,# \n'\"0x_.1|>%@~<=", max_size=60))
def test_any_text_is_read_or_told(text):
    with contextlib.suppress(BadYamlError):
        yaml.safe_dump(read_yaml(text))
