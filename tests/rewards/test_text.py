"""What a completion says: to a parser of answers, and in all that the policy wrote."""

from __future__ import annotations

import json

import pytest

from dra_toolkit.groups import Message
from dra_toolkit.rewards.text import as_message, completion_text, policy_text, turns_of

CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 35, "b": 7}}}


def test_a_text_is_a_text():
    assert completion_text("x") == policy_text("x") == "x"
    assert turns_of("x") is None
    said = [{"role": "assistant", "content": "x"}]
    assert completion_text(said) == policy_text(said) == "x"
    assert turns_of(said) is None


def test_the_policy_wrote_its_texts_and_calls_and_not_what_tools_said():
    said = [
        {"role": "assistant", "content": "I add.", "tool_calls": [CALL]},
        {"role": "tool", "content": "42 from the tool"},
        {"role": "assistant", "content": "It is 42."},
    ]
    assert completion_text(said) == "It is 42."
    calls = json.dumps([{"name": "add", "arguments": {"a": 35, "b": 7}}])
    assert policy_text(said) == f"I add.\n{calls}\nIt is 42."
    assert turns_of(said) == (
        Message(role="assistant", content="I add.", calls=calls),
        Message(role="tool", content="42 from the tool"),
        Message(role="assistant", content="It is 42."),
    )


def test_what_ends_in_a_call_is_not_empty():
    said = [{"role": "assistant", "content": None, "tool_calls": [{"name": "add", "arguments": "{broken"}]}]
    assert policy_text(said) == '[{"name": "add", "arguments": "{broken"}]'
    assert turns_of(said) == (Message(role="assistant", content="", calls=policy_text(said)),)


def test_two_that_differ_in_a_call_alone_differ():
    one, other = (
        [
            {"role": "assistant", "tool_calls": [{"name": "step", "arguments": {"by": by}}]},
            {"role": "tool", "content": "ok"},
        ]
        for by in (1, 2)
    )
    assert policy_text(one) != policy_text(other)


def test_images_are_told_by_hash_and_size():
    from PIL import Image

    red, blue = (Image.new("RGB", (4, 3), colour) for colour in ("red", "blue"))
    marks = [
        as_message({"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": "what?"}]})
        for image in (red, blue, red)
    ]
    assert marks[0].images[0].startswith("sha256:")
    assert marks[0].images[0].endswith(" 4x3")
    assert marks[0] == marks[2]
    assert marks[0].images != marks[1].images
    assert marks[0].content == "what?"
    assert as_message({"role": "user", "content": [{"type": "image"}]}).images


ADD = '[{"name": "add", "arguments": {"a": 1}}]'
CALLS = {
    "a list": ({"tool_calls": [{"name": "add", "arguments": {"a": 1}}]}, ADD),
    "as JSON": ({"tool_calls": '[{"name": "add", "arguments": "{\\"a\\": 1}"}]'}, ADD),
    "one alone": ({"tool_calls": {"function": {"name": "add", "arguments": {"a": 1}}}}, ADD),
    "each as JSON": ({"tool_calls": ["add(1)"]}, '[{"name": "", "arguments": "add(1)"}]'),
    "no JSON": ({"tool_calls": "add(1)"}, '[{"name": "", "arguments": "add(1)"}]'),
    "of before tools": ({"function_call": {"name": "add", "arguments": '{"a": 1}'}}, ADD),
    "as a part": ({"content": [{"type": "tool_use", "id": "x", "name": "add", "input": {"a": 1}}]}, ADD),
    "nested without end": (
        {"tool_calls": [{"name": "add", "arguments": "[" * 100_000}]},
        json.dumps([{"name": "add", "arguments": "[" * 100_000}]),
    ),
    "with what JSON lacks": ({"tool_calls": [{"name": "add", "arguments": {"a": b"1"}}]}, ADD.replace("1", "\"b'1'\"")),
}


@pytest.mark.parametrize("shape", CALLS)
@pytest.mark.parametrize("before", ["", "I add."])
def test_a_call_is_kept_in_whatever_shape_it_comes(shape, before):
    message, written = CALLS[shape]
    said = [{"role": "assistant", "content": before}] * bool(before) + [
        {"role": "assistant", "content": None, **message}
    ]
    assert policy_text(said) == "\n".join(filter(None, (before, written)))
    assert turns_of(said)[-1].calls == written


@pytest.mark.parametrize("role", ["assistant", "model", "gpt", None])
def test_what_the_policy_said_goes_by_several_roles(role):
    said = [{"role": role, "content": "one"}, {"role": "tool", "content": "out"}, {"role": role, "content": "two"}]
    assert policy_text(said) == "one\ntwo"
    assert completion_text(said) == "two"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "a"}, "b", {"text": None}, None], "ab"),
        ({"type": "text", "text": "a"}, "a"),
        ([{"type": "tool_result", "content": [{"type": "text", "text": "7"}]}], "7"),
        (5, "5"),
        ([5, "x"], "5x"),
        (None, ""),
    ],
)
def test_the_content_of_a_message_is_a_text_or_parts_of_any_shape(content, text):
    assert as_message({"role": "user", "content": content}).content == text
    assert policy_text([{"role": "assistant", "content": content}]) == text
