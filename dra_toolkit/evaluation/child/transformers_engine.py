"""Generate with transformers, on a CPU or a GPU."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers import LogitsProcessorList as Processors
from transformers import StoppingCriteriaList as Criteria

from dra_toolkit.evaluation.requests import Emit, Generation, Request

CPU_BATCH, GPU_BATCH = 128, 64
UNBOUNDED = 1 << 30
BLOCK = 256
OnRow = Callable[[int, list[int], str], None]


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


def draw(scores: torch.Tensor, uniforms: torch.Tensor, *, temperature: float, top_p: float) -> torch.Tensor:
    """Return a token for each row by inverting its distribution.

    scores: B x V logits; uniforms: B numbers in [0, 1). The likeliest tokens whose probability sums to `top_p` stay, at
    least one; temperature 0 takes the likeliest.
    """
    if temperature == 0:
        return scores.argmax(-1)
    probabilities = torch.softmax(scores.float() / temperature, -1)
    ordered, tokens = torch.sort(probabilities, dim=-1, descending=True, stable=True)
    cumulated = ordered.cumsum(-1)
    kept = (cumulated - ordered < top_p).sum(-1, keepdim=True)
    mass = cumulated.gather(-1, kept - 1)
    place = torch.searchsorted(cumulated, uniforms[:, None] * mass, right=True).minimum(kept - 1)
    return tokens.gather(-1, place)[:, 0]


class Sampler:
    """A logits processor that leaves nothing but the drawn token; transformers then takes the largest.

    Each sample is drawn with a stream of uniform numbers from its own seed, whatever its neighbours in the batch.
    """

    def __init__(self, seeds: Sequence[int], how: Generation, prompt_length: int, device: Any) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._how, self._start, self._device = how, prompt_length, device
        self._blocks: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores, minus infinity everywhere but at the drawn tokens."""
        step = input_ids.shape[1] - self._start
        while len(self._blocks) * BLOCK <= step:
            drawn = [torch.rand(BLOCK, generator=g, dtype=torch.float64) for g in self._generators]
            self._blocks.append(torch.stack(drawn).to(self._device, torch.float32))
        uniforms = self._blocks[step // BLOCK][:, step % BLOCK]
        tokens = draw(scores, uniforms, temperature=self._how.temperature, top_p=self._how.top_p)
        return torch.full_like(scores, -torch.inf).scatter_(-1, tokens[:, None], 0.0)


class Finished:
    """A stopping criterion for each row: an end token, or its own number of tokens; hands on what has ended."""

    def __init__(self, limits: Sequence[int], prompt_length: int, ends: Sequence[int], on_row: OnRow) -> None:
        self._limits, self._start, self._ends, self._on_row = limits, prompt_length, set(ends), on_row
        self._open = set(range(len(limits)))

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Return which rows have ended, B booleans."""
        last, length = input_ids[:, -1].tolist(), input_ids.shape[1] - self._start
        for row in sorted(self._open):
            ended = last[row] in self._ends
            if ended or length >= self._limits[row]:
                self._open.discard(row)
                tokens = input_ids[row, self._start :].tolist()
                self._on_row(row, tokens, "stop" if ended else "length")
        done = [row not in self._open for row in range(len(last))]
        return torch.tensor(done, device=input_ids.device, dtype=torch.bool)
