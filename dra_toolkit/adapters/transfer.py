"""Fields of a batch in TransferQueue, where verl's v1 trainers keep what was sampled."""

from __future__ import annotations

from typing import Any

import torch


def get(batch: Any, *fields: str) -> dict[str, list[Any]]:
    """Return the fields that are there, each a list of N tensors or objects."""
    import transfer_queue as tq

    found = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=list(fields))
    there = {name: found[name] for name in fields if name in set(found.keys())}
    return {name: list(each.unbind() if isinstance(each, torch.Tensor) else each) for name, each in there.items()}


def put(batch: Any, **fields: list[torch.Tensor]) -> None:
    """Replace fields by tensors of any lengths, N of each."""
    import transfer_queue as tq
    from tensordict import TensorDict

    nested = {name: torch.nested.as_nested_tensor(rows, layout=torch.jagged) for name, rows in fields.items()}
    tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=TensorDict(nested, len(batch.keys)))
