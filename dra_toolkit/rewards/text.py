"""The text of a completion, whichever of TRL's two shapes it comes in: what it answers, and all that the policy wrote.

A completion in turns is a list of messages: the policy's, with calls of tools, and what the tools said.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dra_toolkit.groups import Message, Prompt, Turns

Completion = str | Sequence[Mapping[str, Any]]
POLICY = ("assistant", "model", "gpt", None)  # roles by which what the policy said goes


def completion_text(completion: Completion) -> str:
    """Return the text of one completion: the string itself, or what its last assistant message says.

    What a tokenizer split into `reasoning_content` (or `thinking`) and `content` is joined again by a `</think>` line.
    """
    if isinstance(completion, str):
        return completion
    spoken = [message for message in completion if message.get("role") in POLICY] or list(completion)
    return message_text(spoken[-1]) if spoken else ""


def policy_text(completion: Completion) -> str:
    """Return all that the policy wrote of one completion: its texts and calls, in order, without what tools said."""
    if isinstance(completion, str):
        return completion
    own = [as_message(message) for message in completion if message.get("role") in POLICY]
    return "\n".join(text for message in own for text in (message.content, message.calls) if text)


def turns_of(completion: Completion) -> Turns | None:
    """Return what was said in turn; None where that is one text and nothing else."""
    if isinstance(completion, str):
        return None
    turns = tuple(map(as_message, completion))
    return None if len(turns) < 2 and all(message.is_plain for message in turns) else turns


def as_message(message: Mapping[str, Any]) -> Message:
    """Return a chat message with its calls as JSON and its images by hash and size."""
    from dra_toolkit.groups import Message  # numpy, which the workers that judge answers do not need

    content = message.get("content")
    if isinstance(content, str) and message.keys() == {"role", "content"}:
        return Message(role=str(message["role"]), content=content)
    parts, given = _parts(content), message.get("tool_calls") or message.get("function_call")
    with contextlib.suppress(ValueError, RecursionError):
        given = json.loads(given) if isinstance(given, str) else given
    used = [part for part in parts if isinstance(part, Mapping) and part.get("type") == "tool_use"]
    calls = [_call(call) for call in (*_parts(given), *used)]
    return Message(
        role=str(message.get("role", "")),
        content=message_text(message),
        calls=json.dumps(calls, ensure_ascii=False, default=str) if calls else "",
        images=tuple(_image(p) for p in parts if isinstance(p, Mapping) and "image" in str(p.get("type", ""))),
    )


def as_prompt(prompt: Completion) -> Prompt:
    """Return a prompt, a text or a list of messages, as messages."""
    return tuple(map(as_message, [{"role": "text", "content": prompt}] if isinstance(prompt, str) else prompt))


def message_text(message: Mapping[str, Any]) -> str:
    """Return what a message says, its reasoning first where a tokenizer split it off."""
    content = content_text(message.get("content"))
    reasoning = message.get("reasoning_content") or message.get("thinking")
    return f"{reasoning}\n</think>\n{content}" if reasoning else content


def _call(call: Any) -> dict[str, Any]:
    """Return name and arguments of a call, in whichever of the usual shapes it comes; what is none is its arguments."""
    found = call if isinstance(call, Mapping) else {"arguments": call}
    found = found["function"] if isinstance(found.get("function"), Mapping) else found
    arguments = found.get("arguments", found.get("input"))
    with contextlib.suppress(ValueError, RecursionError):  # what the policy wrote need not be JSON
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    return {"name": str(found.get("name", "")), "arguments": arguments}


def _image(part: Mapping[str, Any]) -> str:
    """Return hash and size of an image; of one that is only named, the hash of its name."""
    image = next((part[key] for key in ("image", "image_url", "url", "path") if part.get(key) is not None), "")
    if isinstance(image, Mapping):
        image = image.get("bytes") or image.get("url") or image.get("path") or ""
    size = getattr(image, "size", None)
    found = image.tobytes() if hasattr(image, "tobytes") else image if isinstance(image, bytes) else str(image).encode()
    said = f" {size[0]}x{size[1]}" if isinstance(size, tuple) and len(size) == 2 else ""
    return f"sha256:{hashlib.sha256(found).hexdigest()[:16]}{said}"


def of_texts(score: Callable[[str], float]) -> Callable[..., list[float | None]]:
    """Return the reward that gives each completion the score of its text."""

    def reward(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        return [score(text) for text in map(completion_text, completions)]

    return reward


def content_text(content: Any) -> str:
    """Return the text of a message's content: a string, nothing, or parts of which some are text or hold it."""
    texts = (p.get("text") or content_text(p.get("content")) if isinstance(p, Mapping) else p for p in _parts(content))
    return "".join(str(text) for text in texts if text is not None)


def _parts(content: Any) -> Sequence[Any]:
    return content if isinstance(content, list | tuple) else [] if content is None else [content]
