"""Loading a second model next to a policy that is being trained, without either disturbing the other."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_EFFICIENT_LOADING = "FSDP_CPU_RAM_EFFICIENT_LOADING"


@contextmanager
def undisturbed(device: str) -> Iterator[None]:
    """Load weights whole on every process, in silence, and leave torch's random numbers where they were."""
    import torch

    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []))
        stack.enter_context(_whole_weights())
        stack.enter_context(_silence())
        yield


@contextmanager
def _whole_weights() -> Iterator[None]:
    """Suspend what makes `from_pretrained` load a fraction of the weights: they are meant for the policy.

    ZeRO-3 partitions every model that is loaded while its configuration is alive. FSDP's memory-saving mode leaves the
    weights zero on all local processes but the first.
    """
    from transformers.integrations import deepspeed

    reference = deepspeed._hf_deepspeed_config_weak_ref
    config = reference() if reference is not None else None
    efficient = os.environ.pop(_EFFICIENT_LOADING, None)
    deepspeed.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        if config is not None:
            deepspeed.set_hf_deepspeed_config(config)
        if efficient is not None:
            os.environ[_EFFICIENT_LOADING] = efficient


@contextmanager
def _silence() -> Iterator[None]:
    """Hide progress bars and load reports, which would break into the trainer's own output."""
    from transformers.utils import logging as transformers_logging

    loggers = [logging.getLogger(name) for name in ("transformers", "sentence_transformers")]
    levels = [logger.level for logger in loggers]
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()
