"""One job: a checkpoint and its unfinished benchmarks, one engine; shards are taken as the engine asks for more."""

import datetime
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from dra_toolkit.evaluation.requests import Generation, Request, sample_seed
from dra_toolkit.evaluation.results import claims
from dra_toolkit.evaluation.results.answers import (
    ANSWERS,
    SCORES,
    Kept,
    Lines,
    Sample,
    forget,
    kept_answers,
    kept_scores,
    read_lines,
)
from dra_toolkit.evaluation.results.stored import OUTCOMES_FILE, is_finished, taken_over, write_outcomes
from dra_toolkit.evaluation.statistics.scores import Bools, pass_at_k, score
from dra_toolkit.runs.files import publish_text

PROGRESS_SECONDS = 0.3
PARTS = ("loading", "generation", "scoring")
Tell = Callable[..., None]
Scores = Mapping[Sample, Mapping[str, Any]]


def run_job(job: Mapping[str, Any], tell: Tell, when_forked: Callable[[], None]) -> None:
    """Take shards of the job's benchmarks until none is free; a benchmark without any left is put together at once.

    when_forked: called as soon as no further process is forked here.
    """
    from dra_toolkit.evaluation.child.scoring import Scoring

    if any(benchmark["metric"].get("task") for benchmark in job["benchmarks"]):
        import dra_toolkit.evaluation.child.tasks  # noqa: F401  # once, before the workers' time is bounded

    with closing(Scoring(job["scorers"])) as scoring:
        when_forked()
        cells = [Cell(benchmark, scoring, tell) for benchmark in job["benchmarks"]]
        tell("phase", text="loading the model")
        started = time.perf_counter()
        if job["engine"]["backend"] == "vllm":
            from dra_toolkit.evaluation.child.vllm_engine import VLLMEngine as Engine
        else:
            from dra_toolkit.evaluation.child.transformers_engine import TransformersEngine as Engine  # type: ignore
        engine = Engine(job["model"], job["engine"])
        loading = time.perf_counter() - started
        for cell in cells:
            cell.finish(engine, loading)
            loading = 0.0


class Cell:
    """A checkpoint on a benchmark, as one of the processes sees it that work on it."""

    def __init__(self, benchmark: Mapping[str, Any], scoring: Any, tell: Tell) -> None:
        self._benchmark, self._scoring, self._tell = benchmark, scoring, tell
        self.folder, self._name, self._sampling = Path(benchmark["folder"]), benchmark["name"], benchmark["sampling"]
        self.claims, self._present = claims.Claims(self.folder), f"{claims.PRESENT}-{claims.writer()}"
        self.claims.take(self._present)  # so that other processes rather begin with other checkpoints
        self._rows = {row["id"]: row for row in read_lines(Path(benchmark["problems_file"]))}
        self._samples = [(problem, sample) for problem in self._rows for sample in range(self._sampling["n"])]
        self._shards = claims.shards(self._samples)
        self._prompts: dict[str, tuple[int, ...]] = {}
        self._mine: list[str] = []
        self._generated, self._told = 0, 0.0

    def finish(self, engine: Any, loading: float) -> None:
        """Do what is left to do; once it is finished, by whichever process, delete what it was put together from."""
        if not is_finished(self.folder):
            self._evaluate(engine, loading)
        self.claims.release(self._present)
        if is_finished(self.folder):  # perhaps by another process, after this one had looked
            forget(self.folder)
            shutil.rmtree(self.claims.folder, ignore_errors=True)

    def _evaluate(self, engine: Any, loading: float) -> None:
        """Generate and score what is missing of the shards that are free, and put everything together if that was all."""
        started = time.perf_counter()
        self._engine = engine
        self._kept, self._scored = kept_answers(self.folder), kept_scores(self.folder)
        self._alike = taken_over(Path(self._benchmark["alike"])) if self._benchmark["alike"] else {}
        self._answers = Lines(self.folder / f"{ANSWERS}-{claims.writer()}.jsonl")
        self._scoring.open(self.folder / f"{SCORES}-{claims.writer()}.jsonl", self._benchmark["metric"])
        self._done = len(self._kept)
        how = {name: self._sampling[name] for name in ("temperature", "top_p")}
        engine.generate(self._requests(), Generation(**how, stop=tuple(self._benchmark["stop"])), self._emit)
        generation = time.perf_counter() - started
        self._tell("phase", text=f"scoring what is left of {self._name}")
        self._scoring.finish()
        self._answers.close()
        scoring = time.perf_counter() - started - generation
        took = {"loading": loading, "generation": generation, "scoring": scoring, "generated": self._generated}
        for name in self._mine:
            self.claims.done(name, took)
            took = {}
        if all(map(self.claims.is_done, self._shards)) and self.claims.take(claims.PUBLISH):
            if not is_finished(self.folder):
                self._publish()
            self.claims.release(claims.PUBLISH)

    def _requests(self) -> Iterator[Request]:
        """Yield what is missing of one shard after the other, each claimed when the first of its answers is asked for."""
        for name, samples in self._shards.items():
            if not self.claims.take(name):
                continue
            if is_finished(self.folder):  # and with that who did what is forgotten: nothing looks done any more
                break
            self._mine.append(name)
            missing = [self._request(*sample) for sample in samples if not self._is_there(*sample)]
            self._progress()
            for request in sorted(missing, key=lambda request: len(request.prompt_ids)):
                self._generated += 1
                if request.max_tokens > 0:
                    yield request
                else:
                    self._emit(request, "", 0, "length")

    def _is_there(self, problem: str, sample: int) -> bool:
        """Return whether an answer is there, here or in an evaluation of another n, and have it scored if it is not yet."""
        kept, alike = self._kept.get((problem, sample)), self._alike.get((problem, sample))
        if kept is not None:
            if (problem, sample, kept.digest) not in self._scored:
                self._scoring.submit(self._rows[problem], sample, kept.text)
        elif alike is not None:
            self._add({"problem": problem, "sample": sample, **alike})
        return kept is not None or alike is not None

    def _request(self, problem: str, sample: int) -> Request:
        prompt = self._prompts.get(problem) or self._prompts.setdefault(problem, self._prompt(self._rows[problem]))
        seed = sample_seed(self._sampling["seed"], self._name, problem, sample)
        room = min(self._sampling["max_new_tokens"], self._engine.max_length - len(prompt))
        return Request(problem=problem, sample=sample, prompt_ids=prompt, seed=seed, max_tokens=room)

    def _prompt(self, row: Mapping[str, Any]) -> tuple[int, ...]:
        """Return a problem's prompt as tokens, with one BOS at most."""
        query, tokenizer = f"{row.get('instruction') or ''}{row['query']}", self._engine.tokenizer
        if not self._sampling["chat_template"]:
            return tuple(tokenizer.encode(query))
        system = self._sampling["system_prompt"]
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": query})
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return tuple(tokenizer.encode(text, add_special_tokens=False))

    def _emit(self, request: Request, text: str, tokens: int, finish: str) -> None:
        stops = [at for stop in self._benchmark["stop"] if (at := text.find(stop)) >= 0]
        told = {"text": text[: min(stops)] if stops else text, "tokens": tokens, "finish": "stop" if stops else finish}
        self._add({"problem": request.problem, "sample": request.sample, "seed": request.seed, **told})

    def _add(self, answer: dict[str, Any]) -> None:
        answer["text"] = answer["text"].encode("utf-8", "replace").decode()
        self._answers.add(answer)
        self._scoring.submit(self._rows[answer["problem"]], answer["sample"], answer["text"])
        self._done += 1
        self._progress()

    def _progress(self) -> None:
        if self._done >= len(self._samples) or time.monotonic() - self._told >= PROGRESS_SECONDS:
            self._told = time.monotonic()
            self._tell("progress", benchmark=self._name, done=self._done, of=len(self._samples))

    def _publish(self) -> None:
        """Write outcomes and results."""
        started = time.perf_counter()
        answers, made = kept_answers(self.folder), kept_scores(self.folder)
        digests = {sample: answers[sample].digest for sample in self._samples if sample in answers}
        scores = {sample: made[(*sample, known)] for sample, known in digests.items() if (*sample, known) in made}
        if len(scores) < len(self._samples):  # a machine that lost its power lost lines as well
            shutil.rmtree(self.claims.folder)
            raise RuntimeError(f"{self.folder}: answers of finished shards are missing; they are made anew")
        facts = self._facts(scores)
        correct = np.array([scores[sample]["correct"] for sample in self._samples], dtype=bool)
        write_results(self.folder / "lighteval" / "results", facts, correct.reshape(len(self._rows), -1))
        facts["seconds"]["other"] = round(time.perf_counter() - started, 3)
        write_outcomes(self.folder / OUTCOMES_FILE, self._outcomes(answers, scores), facts)
        told = {name: facts[name] for name in ("accuracy", "seconds", "generated")}
        self._tell("evaluated", benchmark=self._name, **told)

    def _facts(self, scores: Scores) -> dict[str, Any]:
        found, wanted = hash_examples(list(self._rows.values())), self._benchmark["hash_examples"]
        notes = [self._benchmark["facts"]["comparable_note"]]
        if wanted and wanted != found:
            notes.append(f"the prompts are not those of Open-RS (hash_examples {found}, theirs {wanted})")
        took = self.claims.facts(self._shards)
        return {
            **self._benchmark["facts"],
            "hash_examples": found,
            "comparable_note": "; ".join(filter(None, notes)) or None,
            "backend": self._engine.name,
            "seconds": {part: round(sum(each.get(part, 0.0) for each in took), 3) for part in PARTS},
            "scoring_cpu_seconds": round(sum(score["seconds"] for score in scores.values()), 3),
            "generated": sum(each.get("generated", 0) for each in took),
            "accuracy": sum(score["correct"] for score in scores.values()) / len(scores),
            "unscored": sum(score["how"] != "scored" for score in scores.values()),
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
            "versions": _versions(self._engine.name),
        }

    def _outcomes(self, answers: Mapping[Sample, Kept], scores: Scores) -> Iterator[dict[str, Any]]:
        """Yield one row for each sample, in the order of the problems."""
        facts = self._benchmark["facts"]
        same = {name: facts[name] for name in ("label", "run", "step", "model", "benchmark")}
        places = {problem: index for index, problem in enumerate(self._rows)}
        for problem, sample in self._samples:
            answer, score = answers[problem, sample], scores[problem, sample]
            yield {
                **same,
                "problem": problem,
                "problem_index": places[problem],
                "sample": sample,
                "seed": answer.seed,
                **{name: score[name] for name in ("correct", "answer", "how")},
                "correct_judged": score.get("judged"),
                "tokens": answer.tokens,
                "finish_reason": answer.finish,
                "gold": self._rows[problem]["gold"],
                "completion": answer.text,
            }


def _versions(backend: str) -> dict[str, str]:
    found = {}
    for name in ("dra-toolkit", "lighteval", "torch", "transformers", "math-verify", backend, f"{backend}-cpu"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def hash_examples(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return lighteval's hash over the prompts of a task, whatever their order."""
    from xxhash import xxh64

    single = sorted(xxh64(row["query"].encode()).hexdigest() for row in rows)
    return str(xxh64("".join(single).encode()).hexdigest())


def write_results(folder: Path, facts: Mapping[str, Any], correct: Bools) -> None:
    """Write `results_<date>.json` below a folder; the answers themselves stand in outcomes.parquet, which it names.

    correct: (P, n)
    """
    P, n = correct.shape
    ks = sorted({2**i for i in range(1, 12) if 2**i <= n} | ({n} if n > 1 else set()))
    # extractive_match is the name of it in Open-RS's logs; of several samples it is their mean
    values = {"extractive_match": correct.mean(axis=1)} | {f"pass@k:k={k}&n={n}": pass_at_k(correct, k) for k in ks}
    results: dict[str, float] = {}
    for name, of in values.items():
        made = score(np.asarray(of))
        results |= {name: made.value, f"{name}_stderr": made.error if P > 1 else 0.0}
    sampling = facts["settings"]
    given = {name: sampling[name] for name in ("temperature", "top_p", "max_new_tokens", "seed")}
    model = {"model_name": facts["model"], "generation_parameters": given, "system_prompt": sampling["system_prompt"]}
    task = f"{facts['benchmark']}|0"
    written = {
        "config_general": {"model_name": f"{facts['run'] or ''}/{facts['label']}".strip("/"), "model_config": model},
        "results": {task: results},
        "versions": {task: 1},
        "config_tasks": {task: {"name": facts["benchmark"], "num_samples": [n], "metric": "KeptScores"}},
        "summary_tasks": {task: {"hashes": {"hash_examples": facts["hash_examples"]}, "non_truncated": P}},
        "details": "outcomes.parquet",
    }
    folder.mkdir(parents=True, exist_ok=True)
    publish_text(folder / f"results_{facts['finished'].replace(':', '-')}.json", json.dumps(written, indent=2) + "\n")
