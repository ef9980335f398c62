"""Keys of what is trained, and on what: the model and the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dra_toolkit.recipe.sections.declaring import Section, ours, trls


@dataclass(frozen=True, kw_only=True)
class Model(Section):
    """The model, and how it is loaded."""

    model_name_or_path: str = trls(needed=True, in_summary=True)
    model_revision: str = trls()
    trust_remote_code: bool = trls()
    dtype: str | None = trls()
    attn_implementation: str | None = trls()
    use_peft: bool = trls()
    lora_r: int = trls()
    lora_target_modules: list[str] | None = trls()
    load_in_4bit: bool = trls()
    load_in_8bit: bool = trls()
    chat_template_kwargs: dict[str, Any] | str | None = trls()


@dataclass(frozen=True, kw_only=True)
class Data(Section):
    """The data sets, and how prompts are made of them."""

    dataset_name: str | list[str] = ours(
        None, "Hub id, folder, or JSONL, CSV or Parquet file; a list mixes several.", in_summary=True
    )
    dataset_weights: list[float] | None = ours(
        None, "Shares of the data sets in the mixture; null takes every row of each."
    )
    dataset_config: str | None = trls()
    dataset_train_split: str = trls()
    dataset_test_split: str = trls()
    prompt_column: str | list[str] = ours(
        "problem", "Data column with the prompt, a text or a list of messages; a list has one for each data set."
    )
    solution_column: str | list[str] | None = ours(
        "solution", "Data column with the gold answer, given to the rewards; a list has one for each data set."
    )
    max_prompt_length: int | None = ours(
        None,
        "Prompts of more tokens, chat template included, are left out of the data and counted.",
        low=1,
        on_card=True,
    )
    system_prompt: str | None = ours(None, "System message put before every prompt.")
    eval_strategy: str = trls()

    @property
    def names(self) -> list[str]:
        """The data sets, one or several."""
        name: str | list[str] | None = self.dataset_name
        return name if isinstance(name, list) else [] if name is None else [name]

    def for_each(self, value: str | list[str] | None) -> Sequence[str | None]:
        """Return the value of a key for each data set: a list has one for each, a single value holds for all."""
        return value if isinstance(value, list) else [value] * len(self.names)
