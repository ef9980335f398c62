"""Generate with vLLM: every request with its own seed and its own length, and each answer handed on as it ends."""

import os
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.requests import Emit, Generation, Request
from dra_toolkit.runs.files import read_json

IN_FLIGHT = 512
"""Requests that the engine has at once: twice what it runs side by side, so that it never waits."""


class VLLMEngine:
    """One vLLM engine for all benchmarks of a checkpoint."""

    name = "vllm"

    def __init__(self, model: Mapping[str, Any], engine: Mapping[str, Any]) -> None:
        """Start the engine; a LoRA adapter is served over its base."""
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")  # CUDA must not be forked
        from transformers import AutoTokenizer
        from vllm import LLM  # type: ignore[import-not-found]

        self.tokenizer = AutoTokenizer.from_pretrained(model["tokenizer"])
        self._llm: Any = LLM(**engine_arguments(model, engine))
        self.max_length = int(self._llm.llm_engine.model_config.max_model_len)
        self._lora = None
        if model["base"]:
            from vllm.lora.request import LoRARequest  # type: ignore[import-not-found]

            self._lora = LoRARequest("adapter", 1, model["path"])

    def generate(self, requests: Iterable[Request], how: Generation, emit: Emit) -> None:
        """Keep the engine full of requests, and step it until all have ended."""
        from vllm import SamplingParams, TokensPrompt

        engine, asked = self._llm.llm_engine, iter(requests)
        running: dict[str, Request] = {}
        while True:
            for request in islice(asked, IN_FLIGHT - len(running)):
                name = f"{request.problem}/{request.sample}"
                running[name] = request
                prompt = TokensPrompt(prompt_token_ids=list(request.prompt_ids))
                parameters = SamplingParams(**sampling_arguments(request, how))
                engine.add_request(name, prompt, parameters, lora_request=self._lora)
            if not running:
                return
            for output in engine.step():
                if output.finished:
                    answer = output.outputs[0]
                    finish = "stop" if answer.finish_reason == "stop" else "length"
                    emit(running.pop(output.request_id), answer.text, len(answer.token_ids), finish)


def engine_arguments(model: Mapping[str, Any], engine: Mapping[str, Any]) -> dict[str, Any]:
    """Return what vLLM's `LLM` is started with."""
    arguments: dict[str, Any] = {name: engine[name] for name in ("dtype", "gpu_memory_utilization")}
    arguments |= {"model": model["base"] or model["path"], "tokenizer": model["tokenizer"]}
    arguments |= {"tensor_parallel_size": engine["tensor_parallel"], "seed": 0, "disable_log_stats": True}
    if engine["max_model_length"]:
        arguments["max_model_len"] = engine["max_model_length"]
    if model["base"]:
        arguments |= {"enable_lora": True, "max_lora_rank": lora_rank(model["path"])}
    return arguments


def sampling_arguments(request: Request, how: Generation) -> dict[str, Any]:
    """Return the sampling parameters of one request; its length never cuts the prompt."""
    top_p = how.top_p if how.temperature > 0 else 1.0
    alike = {"temperature": how.temperature, "top_p": top_p, "stop": list(how.stop) or None}
    return {**alike, "max_tokens": request.max_tokens, "seed": request.seed}


def lora_rank(adapter: str) -> int:
    """Return the rank that vLLM must be prepared for: the smallest that it knows and the adapter fits in."""
    rank = int(read_json(Path(adapter, "adapter_config.json")).get("r", 16))
    return next((known for known in (8, 16, 32, 64, 128, 256, 320, 512) if known >= rank), rank)
