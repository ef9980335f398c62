"""Bring a data set into TRL's shape: a conversation in `prompt`, the gold answer in `solution`, the rest as it was."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from datasets import Dataset, Features, List, Value

from dra_toolkit.errors import RecipeError, did_you_mean
from dra_toolkit.rewards.text import content_text
from dra_toolkit.training.data_sources import Source

SYSTEM_ROLES = ("system", "developer")
TAKEN_BY_TRL = ("prompts", "completions")
"""Names that TRL gives to arguments of the reward functions, beside the data's columns."""
BATCH = 1000

Tell = Callable[[str], None]


def as_conversations(dataset: Dataset, source: Source, system_prompt: str | None, tell: Tell) -> Dataset:
    """Return the data set with the chat messages of each row in `prompt` and its gold answer in `solution`.

    The system prompt opens conversations without one of their own. Raises RecipeError for a column that is not there, and a
    prompt that is no text and no list of messages; tells of what may surprise.
    """
    _check_columns(dataset, source)
    only_text = _check_prompts(dataset, source, system_prompt, tell)
    _count_missing_solutions(dataset, source, tell)
    replaced = {source.prompt_column, "prompt"}
    if source.solution_column is not None:
        replaced |= {"solution"}  # the column stays under its own name too, which a reward of the user's may ask for
    clashing = [name for name in TAKEN_BY_TRL if name in dataset.column_names and name not in replaced]
    if clashing:
        tell(
            f"dataset_name: the column {', '.join(clashing)} of {source.name} is left out; TRL has its own of that name"
        )
    removed = [name for name in dataset.column_names if name in replaced or name in clashing]
    in_parts = not only_text and any(map(image_parts, values_of(dataset, source.prompt_column)))
    return dataset.map(
        partial(_row, source=source, system_prompt=system_prompt, in_parts=in_parts),
        remove_columns=removed,
        features=_features(dataset, source, removed) if only_text else None,
    )


def _check_columns(dataset: Dataset, source: Source) -> None:
    for key, column in (("prompt_column", source.prompt_column), ("solution_column", source.solution_column)):
        if column is not None and column not in dataset.column_names:
            raise RecipeError(
                f"{key}: {source.name} has no column {column!r}, it has {', '.join(dataset.column_names)}"
                f"{did_you_mean(column, dataset.column_names)}"
            )


def _check_prompts(dataset: Dataset, source: Source, system_prompt: str | None, tell: Tell) -> bool:
    """Look at every prompt, tell of what may surprise, and return whether all messages are a role and a text."""
    faults, own_system, answered, only_text = [], 0, 0, True
    for number, found in enumerate(values_of(dataset, source.prompt_column), start=1):
        if problem := _fault(found):
            faults.append((number, problem))
        elif isinstance(found, list):
            own_system += found[0]["role"] in SYSTEM_ROLES
            answered += found[-1]["role"] == "assistant"
            further = (value for message in found for key, value in message.items() if key not in ("role", "content"))
            only_text = only_text and not image_parts(found) and all(value is None for value in further)
    if faults:
        number, problem = faults[0]
        others = f" ({len(faults)} of {len(dataset)} rows cannot be used)" if len(faults) > 1 else ""
        raise RecipeError(
            f"prompt_column: {source.name}, row {number}: {source.prompt_column!r} {problem}, expected a text or a list of "
            f"messages with role and content{others}"
        )
    if own_system and system_prompt:
        tell(
            f"system_prompt: not added to {own_system} of {len(dataset)} prompts of {source.name}, which begin with a "
            "system message of their own"
        )
    if answered:
        tell(
            f"prompt_column: {answered} of {len(dataset)} prompts of {source.name} end with an assistant's message; if it "
            "is the answer, the policy is shown it"
        )
    return only_text


def _count_missing_solutions(dataset: Dataset, source: Source, tell: Tell) -> None:
    if source.solution_column is None:
        return
    found = values_of(dataset, source.solution_column)
    missing = sum(value is None or value != value or (isinstance(value, str) and not value.strip()) for value in found)
    if missing:
        tell(
            f"solution_column: {missing} of {len(dataset)} rows of {source.name} have no {source.solution_column!r}; "
            "rewards that compare with it abstain there"
        )


def values_of(dataset: Dataset, name: str) -> Iterator[Any]:
    """Yield the values of a column, read by batches."""
    for batch in dataset.select_columns([name]).iter(batch_size=BATCH):
        yield from batch[name]


def _fault(found: Any) -> str | None:
    if isinstance(found, str):
        return None if found.strip() else "is empty"
    if found is None or found == []:
        return "is empty"
    if not isinstance(found, list):
        return f"is {found!r}"[:80]
    if not all(isinstance(message, Mapping) and _is_message(message) for message in found):
        return "is a list of something else"
    if not any(message["content"] for message in found if message["role"] not in SYSTEM_ROLES):
        return "has no message with a content, but for the system's"
    return None


def _is_message(message: Mapping[str, Any]) -> bool:
    return isinstance(message.get("role"), str) and isinstance(message.get("content", 0), str | list | None)


def image_parts(messages: Any) -> bool:
    """Return whether a part of some message is more than text."""
    contents = [message.get("content") for message in messages] if isinstance(messages, list) else []
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return any(isinstance(part, Mapping) and part.get("type", "text") != "text" for part in parts)


def _row(row: dict[str, Any], source: Source, system_prompt: str | None, in_parts: bool) -> dict[str, Any]:
    found = row[source.prompt_column]
    messages: list[dict[str, Any]] = (
        [{"role": "user", "content": found}] if isinstance(found, str) else [_message(one) for one in found]
    )
    if system_prompt and messages[0]["role"] not in SYSTEM_ROLES:
        messages = [{"role": "system", "content": system_prompt}, *messages]
    for message in messages if in_parts else ():  # a column has one type
        if not isinstance(message["content"], list):
            message["content"] = [{"type": "text", "text": message["content"]}]
    return {"prompt": messages} | ({} if source.solution_column is None else {"solution": row[source.solution_column]})


def _message(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message without the fields that it lacks and other rows have, its text parts joined to one text."""
    rest = {key: value for key, value in found.items() if value is not None}
    content = found["content"]
    return {"role": found["role"]} | rest | {"content": content if image_parts([found]) else content_text(content)}


def _features(dataset: Dataset, source: Source, removed: list[str]) -> Features:
    """Return the columns' types after the change, fixed, so that data sets whose messages are texts always fit together."""
    features = {name: feature for name, feature in dataset.features.items() if name not in removed}
    features["prompt"] = List({"role": Value("string"), "content": Value("string")})
    if source.solution_column is not None:
        features["solution"] = dataset.features[source.solution_column]
    return Features(features)
