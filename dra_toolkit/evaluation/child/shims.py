"""What lighteval 0.13.0 needs to run here; each of the three has a test that fails when it is needed no longer.

1. Building the task registry imports every built-in task: one calls an argument that huggingface_hub 2 has dropped,
   another downloads a file into site-packages; and it refuses tasks that are called like a built-in one, such as aime24.
   -> the registry holds the tasks that it is given, and no other.
2. The logger of details hashes texts with xxhash, which from version 4 on takes bytes only.
   -> texts are encoded first; the hashes are the same.
3. A task's data come from the Hub or from a folder whose files are called like its splits, and not from a file.
   -> a task whose `hf_repo` is a .jsonl file reads that; any other is left to lighteval.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # lighteval imports git, which else insists on its program


def apply() -> None:
    """Put the shims into place; calling it again changes nothing."""
    import logging

    import datasets
    import xxhash
    from lighteval.logging import info_loggers
    from lighteval.tasks.lighteval_task import LightevalTask
    from lighteval.tasks.registry import Registry

    if getattr(Registry, "_dra_shimmed", False):
        return
    Registry._dra_shimmed = True
    original = LightevalTask.download_dataset_worker

    def only_given(custom_tasks: ModuleType, load_multilingual: bool = False) -> dict[str, Any]:
        return Registry._extract_configs(Registry.create_custom_tasks_module(custom_tasks))

    def hash_text(text: str | bytes) -> Any:
        return xxhash.xxh64(text.encode() if isinstance(text, str) else text)

    def load(task: Any) -> Any:
        if not str(task.dataset_path).endswith(".jsonl"):
            return original(task)
        from dra_toolkit.evaluation.results.json_lines import read_lines

        rows = read_lines(Path(task.dataset_path))
        return datasets.DatasetDict({split: datasets.Dataset.from_list(rows) for split in task.evaluation_split})

    Registry.load_all_task_configs = staticmethod(only_given)
    info_loggers.xxhash = SimpleNamespace(xxh64=hash_text)
    LightevalTask.download_dataset_worker = staticmethod(load)
    logging.getLogger("lighteval").setLevel(logging.ERROR)  # it prints whole completions that it cannot parse
    datasets.disable_progress_bars()
