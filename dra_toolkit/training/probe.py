"""What torch says of this machine, as one line of JSON: `python -m dra_toolkit.training.probe`.

A process of its own, so that whoever asks need not load torch, and so that a torch that crashes takes nothing with it.
"""

import json
from typing import Any

from dra_toolkit.safe_text import first_line

MATRIX = {"cpu": 1024, "cuda": 8192}
"""Side of the matrices that are multiplied: long enough to reach the device's speed, short enough for a moment."""
COPIED = {"cpu": 1 << 26, "cuda": 1 << 29}
"""Bytes that are copied to measure the memory."""
SECONDS = 0.3
"""How long each measurement goes on."""


def main() -> None:
    """Print what torch says."""
    print(json.dumps(look()))


def look() -> dict[str, Any]:
    """Return the fields of `TorchFacts`; `problem` alone if torch cannot be imported."""
    try:
        import torch
    except Exception as error:  # a broken build raises OSError, ImportError, RuntimeError, ...
        return {"problem": f"it cannot be imported ({first_line(error, 200)})"}
    devices, trouble = _devices(torch)
    facts: dict[str, Any] = {"version": str(torch.__version__), "build": _build(torch)}
    facts |= {"devices": devices, "device_problem": trouble}
    try:
        return facts | _measure(torch, "cuda" if devices else "cpu")
    except RuntimeError:
        return facts  # a GPU that is full cannot be measured; its free memory says so


def _build(torch: Any) -> str:
    cuda, hip = torch.version.cuda, getattr(torch.version, "hip", None)
    return f"CUDA {cuda}" if cuda else f"ROCm {hip}" if hip else "CPU"


def _devices(torch: Any) -> tuple[list[dict[str, Any]], str]:
    """Return the GPUs that torch can use, and why it can use none although it is built for them."""
    if _build(torch) == "CPU":
        return [], ""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return [], first_line(error, 200)
    return [_device(torch, index) for index in range(torch.cuda.device_count())], ""


def _device(torch: Any, index: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(index)
    try:
        free: int | None = torch.cuda.mem_get_info(index)[0]
    except RuntimeError:
        free = None
    return {
        "name": properties.name,
        "total": properties.total_memory,
        "free": free,
        "bf16": properties.major >= 8 or bool(getattr(torch.version, "hip", None)),
    }


def _measure(torch: Any, device: str) -> dict[str, float]:
    from torch.utils.benchmark import Timer

    side, dtype = MATRIX[device], torch.bfloat16 if device == "cuda" else torch.float32
    source = torch.ones(COPIED[device], device=device, dtype=torch.uint8)
    tensors = {"matrix": torch.ones(side, side, device=device, dtype=dtype)}
    tensors |= {"source": source, "target": torch.empty_like(source)}

    def seconds(statement: str) -> float:
        timer = Timer(statement, globals=tensors, num_threads=torch.get_num_threads())
        return timer.blocked_autorange(min_run_time=SECONDS).median

    return {
        "matmul_flops": 2 * side**3 / seconds("matrix @ matrix"),
        "bandwidth": 2 * COPIED[device] / seconds("target.copy_(source)"),
    }


if __name__ == "__main__":
    main()
