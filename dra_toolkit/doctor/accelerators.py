"""How fast known GPUs are, by their makers' data sheets: dense bfloat16 (or float16) tensor speed, and memory bandwidth."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONG_PRODUCT = 0.75
"""Share of the data sheet's FLOP/s that a long matrix product reaches; devices that are not listed are measured."""

# name as drivers report it: (TFLOP/s dense in bfloat16, or float16 where there is none; GB/s). The first match counts.
SHEETS: tuple[tuple[str, float, float], ...] = (
    (r"GB200|B200", 2250, 8000),
    (r"GH200", 989, 4000),
    (r"H200", 989, 4800),
    (r"H100.*PCIe", 756, 2000),
    (r"H100", 989, 3350),
    (r"H20\b", 148, 4000),
    (r"A100.*80GB", 312, 1935),
    (r"A100|A800", 312, 1555),
    (r"L40S", 362, 864),
    (r"L40", 181, 864),
    (r"L4\b", 121, 300),
    (r"A40\b", 150, 696),
    (r"A30\b", 165, 933),
    (r"A10G", 70, 600),
    (r"A10\b", 125, 600),
    (r"RTX 6000 Ada", 364, 960),
    (r"RTX A6000", 155, 768),
    (r"RTX 5090", 209, 1792),
    (r"RTX 4090", 165, 1008),
    (r"RTX 3090", 71, 936),
    (r"V100", 125, 900),
    (r"T4\b", 65, 320),
    (r"MI300X", 1307, 5300),
    (r"MI250", 383, 3277),
)


@dataclass(frozen=True, kw_only=True)
class Device:
    """What one process computes on."""

    name: str
    flops: float
    """FLOP/s of a long matrix product: in bfloat16 on a GPU, in float32 on a CPU."""
    bandwidth: float
    """Bytes/s of its memory."""
    memory: int
    """Bytes of memory."""
    is_gpu: bool = True


def known_device(name: str, memory: int) -> Device | None:
    """Return a GPU by the name that its driver gives it; None if it is not listed."""
    for pattern, teraflops, gigabytes in SHEETS:
        if re.search(pattern, name, re.IGNORECASE):
            return Device(name=name, flops=LONG_PRODUCT * teraflops * 1e12, bandwidth=gigabytes * 1e9, memory=memory)
    return None
