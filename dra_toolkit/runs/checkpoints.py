"""Which checkpoints of a run are complete."""

from __future__ import annotations

import json
from pathlib import Path

PREFIX = "checkpoint-"


def complete_checkpoints(folder: Path) -> list[Path]:
    """Return the complete checkpoints, the newest last."""
    numbered = [p for p in folder.glob(f"{PREFIX}*") if p.name.removeprefix(PREFIX).isdigit()]
    return [p for p in sorted(numbered, key=checkpoint_step) if what_is_missing(p) is None]


def checkpoint_step(checkpoint: Path) -> int:
    """Return the optimizer step after which a checkpoint was saved."""
    return int(checkpoint.name.removeprefix(PREFIX))


def what_is_missing(checkpoint: Path) -> str | None:
    """Return what keeps a checkpoint from being resumed, or None if it is complete.

    The trainer writes trainer_state.json last, so where it is whole everything before it was written.
    """
    try:
        state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "trainer_state.json"
    except ValueError:
        return "trainer_state.json (torn)"
    if state.get("global_step") != checkpoint_step(checkpoint):
        return f"trainer_state.json of step {checkpoint_step(checkpoint)}"
    return _missing_weights(checkpoint)


def _missing_weights(checkpoint: Path) -> str | None:
    for index in checkpoint.glob("*.safetensors.index.json"):
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        missing = sorted(shard for shard in shards if not (checkpoint / shard).is_file())
        return missing[0] if missing else None
    sharded = any(p.is_dir() for p in checkpoint.glob("*pytorch_model_fsdp*")) or any(checkpoint.glob("global_step*"))
    has_weights = sharded or any(checkpoint.glob("*.safetensors"))
    return None if has_weights else "model weights (*.safetensors)"
