"""Generate with transformers, on a CPU or a GPU."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers import LogitsProcessorList as Processors
from transformers import StoppingCriteriaList as Criteria

from dra_toolkit.evaluation.child.sampling import Finished, Sampler
from dra_toolkit.evaluation.requests import Emit, Generation, Request

CPU_BATCH, GPU_BATCH = 128, 64
UNBOUNDED = 1 << 30


class TransformersEngine:
    """A model in this process; the answers of a batch are generated side by side."""

    name = "transformers"

    def __init__(self, model: Mapping[str, Any], engine: Mapping[str, Any]) -> None:
        """Load the weights; model: `path`, `base` and `tokenizer` of the job."""
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        on_cpu = self._device.type == "cpu"
        dtype = ("float32" if on_cpu else "auto") if engine["dtype"] == "auto" else engine["dtype"]
        self.tokenizer = AutoTokenizer.from_pretrained(model["tokenizer"], padding_side="left")
        loaded: Any = AutoModelForCausalLM.from_pretrained(model["base"] or model["path"], dtype=dtype)
        if model["base"]:
            from peft import PeftModel

            loaded = PeftModel.from_pretrained(loaded, model["path"]).merge_and_unload()
        self._model: Any = loaded.to(self._device).eval()
        own = getattr(self._model.generation_config, "eos_token_id", None)  # which may be several
        ends = {*(own if isinstance(own, list) else [own]), self.tokenizer.eos_token_id} - {None}
        self._ends = sorted(map(int, ends))
        self._pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self._ends[0]
        # the checkpoint's own settings, such as a repetition penalty, are no part of what was asked for
        self._model.generation_config = GenerationConfig(eos_token_id=self._ends, pad_token_id=self._pad)
        made_for = getattr(self._model.config.get_text_config(), "max_position_embeddings", None) or UNBOUNDED
        self.max_length = min(made_for, engine["max_model_length"] or UNBOUNDED)
        self._batch = engine["batch_size"] or (CPU_BATCH if on_cpu else GPU_BATCH)

    def generate(self, requests: Iterable[Request], how: Generation, emit: Emit) -> None:
        """Generate in batches, in the order of the requests; a batch that does not fit into memory is halved."""
        asked, waiting = iter(requests), list[Request]()
        while True:
            waiting += islice(asked, max(0, self._batch - len(waiting)))
            if not waiting:
                return
            batch, done = waiting[: self._batch], set[int]()

            def finished(row: int, tokens: list[int], finish: str, batch: Any = batch, done: set[int] = done) -> None:
                done.add(row)
                text = self.tokenizer.decode(tokens, skip_special_tokens=True)
                emit(batch[row], text, len(tokens), finish)

            try:
                self._run(batch, how, finished)
            except torch.OutOfMemoryError:
                if self._batch == 1:
                    raise
                self._batch = max(1, self._batch // 2)
                torch.cuda.empty_cache()
            waiting = [request for row, request in enumerate(batch) if row not in done] + waiting[len(batch) :]

    @torch.inference_mode()
    def _run(self, batch: Sequence[Request], how: Generation, finished: Any) -> None:
        length = max(len(request.prompt_ids) for request in batch)
        ids = [[self._pad] * (length - len(r.prompt_ids)) + list(r.prompt_ids) for r in batch]
        mask = [[0] * (length - len(r.prompt_ids)) + [1] * len(r.prompt_ids) for r in batch]
        limits = [request.max_tokens for request in batch]
        sampler = Sampler([request.seed for request in batch], how, length, self._device)
        criterion: Any = Finished(limits, length, self._ends, finished)
        self._model.generate(
            input_ids=torch.tensor(ids, device=self._device),
            attention_mask=torch.tensor(mask, device=self._device),
            max_new_tokens=max(limits),
            do_sample=False,
            logits_processor=Processors([sampler]),
            stopping_criteria=Criteria([criterion]),
        )
