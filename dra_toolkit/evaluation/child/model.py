"""A lighteval model over our engines: asks for what is missing, keeps every answer as it comes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lighteval.models.abstract_model import LightevalModel, ModelConfig
from lighteval.models.model_input import GenerationParameters
from lighteval.models.model_output import ModelResponse
from lighteval.tasks.requests import Doc

from dra_toolkit.evaluation.child.events import Events
from dra_toolkit.evaluation.child.requests import EngineProtocol, Generation, Request
from dra_toolkit.evaluation.child.scoring import Scoring
from dra_toolkit.evaluation.results.json_lines import SampleRows, read_lines
from dra_toolkit.evaluation.results.stored import ANSWERS_FILE
from dra_toolkit.evaluation.settings import sample_seed


class NoCache:
    """Stands where lighteval keeps its own cache, which takes no notice of replaced weights or data."""

    def _init_registry(self, registry: Any) -> None:
        """Nothing to prepare."""


class KeepingModel(LightevalModel):
    """What lighteval's pipeline asks: answers that are on disk already are not generated again."""

    def __init__(
        self, engine: EngineProtocol, scoring: Scoring, events: Events, *, label: str, benchmark: Mapping[str, Any]
    ) -> None:
        sampling = benchmark["sampling"]
        self._engine, self._scoring, self._events = engine, scoring, events
        self._benchmark, self._sampling = benchmark, sampling
        self._cache = NoCache()
        self.config = ModelConfig(
            model_name=label,
            generation_parameters=GenerationParameters(
                temperature=sampling["temperature"],
                top_p=sampling["top_p"],
                max_new_tokens=sampling["max_new_tokens"],
                seed=sampling["seed"],
            ),
            system_prompt=sampling["system_prompt"],
        )
        self.rows: dict[str, Mapping[str, Any]] = benchmark["rows"]
        self.answers = SampleRows(Path(benchmark["folder"]) / ANSWERS_FILE)
        if benchmark.get("alike"):
            self._take_over(Path(benchmark["alike"]))
        self.seconds = 0.0
        """Spent generating."""
        self.generated = 0

    def _take_over(self, path: Path) -> None:
        """Keep the answers of an evaluation that differs in the number of samples alone: their seeds are the same."""
        for row in read_lines(path):
            here = (row["problem"], row["sample"]) in self.answers.rows
            if not here and row["problem"] in self.rows and row["sample"] < self._sampling["n"]:
                self.answers.add(row)

    @property
    def tokenizer(self) -> Any:
        return self._engine.tokenizer

    @property
    def add_special_tokens(self) -> bool:
        return False

    @property
    def max_length(self) -> int:
        return self._engine.max_length

    def greedy_until(self, docs: list[Doc]) -> list[ModelResponse]:
        """Return n answers for each document; the name is lighteval's, the answers are sampled."""
        n, name = self._sampling["n"], self._benchmark["name"]
        prompts = {doc.specific["problem"]: self._prompt(doc) for doc in docs}
        missing = []
        for doc in docs:
            problem = doc.specific["problem"]
            for sample in range(n):
                kept = self.answers.rows.get((problem, sample))
                if kept is not None:
                    self._scoring.submit(self.rows[problem], sample, kept["text"])
                else:
                    missing.append(self._request(problem, sample, prompts[problem][1]))
        total = len(docs) * n
        self._done, self._total = total - len(missing), total
        self._events.progress(name, self._done, total)
        how = Generation(
            temperature=self._sampling["temperature"],
            top_p=self._sampling["top_p"],
            stop=tuple(self._benchmark.get("stop", ())),
        )
        started = time.perf_counter()
        possible = [request for request in missing if request.max_tokens > 0]
        for request in missing:
            if request.max_tokens <= 0:
                self._emit(request, "", 0, "length")
        if possible:
            self._engine.generate(possible, how, self._emit)
        self.seconds = time.perf_counter() - started
        self.generated = len(missing)
        return [
            ModelResponse(
                input=prompts[doc.specific["problem"]][0],
                input_tokens=list(prompts[doc.specific["problem"]][1]),
                text=[self.answers.rows[doc.specific["problem"], sample]["text"] for sample in range(n)],
            )
            for doc in docs
        ]

    def _request(self, problem: str, sample: int, prompt_ids: tuple[int, ...]) -> Request:
        room = self._engine.max_length - len(prompt_ids)
        return Request(
            problem=problem,
            sample=sample,
            prompt_ids=prompt_ids,
            seed=sample_seed(self._sampling["seed"], self._benchmark["name"], problem, sample),
            max_tokens=min(self._sampling["max_new_tokens"], room),
        )

    def _emit(self, request: Request, text: str, tokens: int, finish: str) -> None:
        stops = [at for stop in self._benchmark.get("stop", ()) if (at := text.find(stop)) >= 0]
        text = text[: min(stops)] if stops else text
        text = text.encode("utf-8", "replace").decode()
        self.answers.add(
            {
                "problem": request.problem,
                "sample": request.sample,
                "seed": request.seed,
                "text": text,
                "tokens": tokens,
                "finish": "stop" if stops else finish,
            }
        )
        self._scoring.submit(self.rows[request.problem], request.sample, text)
        self._done += 1
        self._events.progress(self._benchmark["name"], self._done, self._total)

    def _prompt(self, doc: Doc) -> tuple[str, tuple[int, ...]]:
        """Return a document's prompt as text and as tokens, with one BOS at most."""
        query = f"{doc.instruction}{doc.query}" if doc.instruction else doc.query
        if not self._sampling["chat_template"]:
            return query, tuple(self.tokenizer.encode(query))
        system = self._sampling["system_prompt"]
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": query})
        text = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return text, tuple(self.tokenizer.encode(text, add_special_tokens=False))

    def loglikelihood(self, docs: list[Doc]) -> list[ModelResponse]:
        """Not asked by tasks that generate."""
        raise NotImplementedError

    def loglikelihood_rolling(self, docs: list[Doc]) -> list[ModelResponse]:
        """Not asked by tasks that generate."""
        raise NotImplementedError
