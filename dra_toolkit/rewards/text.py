"""The text of a completion, whichever of TRL's two shapes it comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Completion = str | Sequence[Mapping[str, Any]]


def completion_text(completion: Completion) -> str:
    """Return the text of one completion: the string itself, or what its last assistant message says.

    Some tokenizers split a message into `reasoning_content` (or `thinking`) and `content`; the two are joined again
    with a `</think>` line between them.
    """
    if isinstance(completion, str):
        return completion
    spoken = [message for message in completion if message.get("role") == "assistant"] or list(completion)
    if not spoken:
        return ""
    content = content_text(spoken[-1].get("content"))
    reasoning = spoken[-1].get("reasoning_content") or spoken[-1].get("thinking")
    return f"{reasoning}\n</think>\n{content}" if reasoning else content


def completion_texts(completions: Sequence[Completion]) -> list[str]:
    """Return the text of each completion."""
    return [completion_text(completion) for completion in completions]


def content_text(content: Any) -> str:
    """Return the text of a message's content: a string, nothing, or a list of parts of which some are text."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part if isinstance(part, str) else part.get("text") or "" for part in content)
