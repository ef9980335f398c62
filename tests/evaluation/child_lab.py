"""Experiments that need lighteval, made in one process of their own because importing it changes torch for good.

`python child_lab.py POLICY OUTPUT` writes one JSON object with a section for each experiment.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.child import metric, scoring
from dra_toolkit.evaluation.results.answers import kept_scores

HOSTILE = {
    "tower of powers": "$\\boxed{9^{9^{9^{9}}}}$",
    "huge binomial": "$\\boxed{\\binom{100000000}{50000000}}$",
    "nested brackets": "$\\boxed{" + "(" * 3000 + "1" + ")" * 3000 + "}$",
    "300 brackets": "$\\boxed{" + "(" * 300 + "1" + ")" * 300 + "}$",
    "spaced digits": "The answer is " + "1 000 000 " * 10_000,
    "open formulas": "\\[ x = " * 14_000,
    "huge factorial": "$\\boxed{((10^{9})!)!}$",
}
ROW = {"id": "p", "query": "?", "gold": "\\boxed{4}"}
LATEX = {"extraction": "latex", "repaired": False}


def verdicts() -> dict[str, Any]:
    """Score answers whose verdict is known, with the comparison metric and the judge."""
    from dra_toolkit.evaluation.child.metric import judged, score

    asked = [
        ("expression", False, "204", "so $\\boxed{204}$"),
        ("expression", False, "204", "so $\\boxed{205}$"),
        ("latex", False, "$\\boxed{\\frac{1}{2}}$", "it is $\\boxed{0.5}$."),
        ("latex", False, "$\\boxed{x+1}$", "Therefore, the final answer is: $\\boxed{1+x}$. I hope it is correct"),
        ("latex", False, "$\\boxed{\\left(3,\\frac{\\pi}{2}\\right)}$", "$\\boxed{(3, \\pi/2)}$"),
        ("latex", False, "\\boxed{4}", "no answer at all"),
        ("latex", True, "thus \\boxed{3.83e35}.", "$\\boxed{3.83 \\times 10^{35} \\text{ erg/s}}$"),
        ("latex", True, "thus \\boxed{3.83e35}.", "$\\boxed{3.83 \\times 10^{34}}$"),
        ("latex", True, "so \\boxed{4.5e33} erg", "$\\boxed{4.52 \\times 10^{33}}$"),
        ("latex", True, "\\boxed{30} degrees", "$\\boxed{30^\\circ}$"),
        ("latex", True, "\\boxed{\\frac{1}{m} t}", "$\\boxed{\\frac{t}{m}}$"),
    ]
    made = [score({"extraction": e, "repaired": r}, {**ROW, "gold": gold}, text) for e, r, gold, text in asked]
    return {
        "correct": [m["correct"] for m in made],
        "judged": [judged({"repaired": r}, {"gold": gold}, text) for _, r, gold, text in asked],
        "answer": [m["answer"] for m in made],
    }


def wrong_tasks() -> list[str]:
    """Name lighteval tasks that do not exist; return what is said."""
    from dra_toolkit.errors import EvaluationError
    from dra_toolkit.evaluation.child.tasks import named_task

    said = []
    for name in ("lab_tasks.leters", "lab_tusks.letters"):
        try:
            named_task(name)
        except EvaluationError as error:
            said.extend(error.problems)
    return said


def hostile(folder: Path) -> dict[str, Any]:
    """Score hostile answers among ordinary ones, with limits as tight as a test can wait for."""
    metric.CPU_SECONDS = 1.0
    scoring.WAITING = 2
    guardian = scoring.Scoring(2)
    guardian.open(folder / "scores.jsonl", LATEX)
    for number, (name, text) in enumerate(HOSTILE.items()):
        guardian.submit({**ROW, "id": name}, 0, text)
        guardian.submit({**ROW, "id": f"ordinary {number}"}, 0, "$\\boxed{4}$")
    guardian.finish()
    guardian.open(folder / "scores-stubborn.jsonl", {"task": "lab_tasks.stubborn"})
    guardian.submit({**ROW, "id": "stubborn"}, 0, "$\\boxed{4}$")
    guardian.finish()
    guardian.close()
    scores = kept_scores(folder)
    first = {
        problem: {"correct": row["correct"], "how": row["how"], "seconds": row["seconds"]}
        for (problem, _, _), row in scores.items()
    }
    return {"scores": first, "killed": first.pop("stubborn")}


def cold(folder: Path) -> str:
    """Score the first answer of a worker with less time than importing lighteval takes; return how it was scored."""
    assert "lighteval" not in sys.modules
    metric.CPU_SECONDS = 1.0
    guardian = scoring.Scoring(1)
    guardian.open(folder / "scores-cold.jsonl", LATEX)
    guardian.submit({**ROW, "id": "cold"}, 0, "$\\boxed{4}$")
    guardian.finish()
    guardian.close()
    (row,) = kept_scores(folder).values()
    (folder / "scores-cold.jsonl").unlink()
    return str(row["how"])


def sampling(policy: Path) -> dict[str, Any]:
    """Generate the same requests in other batches, another order, and in part."""
    import torch

    from dra_toolkit.evaluation.child.sampling import draw
    from dra_toolkit.evaluation.child.transformers_engine import TransformersEngine
    from dra_toolkit.evaluation.requests import Generation, Request, sample_seed
    from dra_toolkit.evaluation.settings import Engine

    engine = TransformersEngine({"path": str(policy), "base": None, "tokenizer": str(policy)}, vars(Engine()))
    asked = []
    for number in range(20):
        prompt = engine.tokenizer.encode(f"What is {number} + 1? " * (1 + number % 3))
        seeds = [sample_seed(0, "b", str(number), sample) for sample in range(2)]
        asked += [
            Request(problem=str(number), sample=s, prompt_ids=tuple(prompt), seed=seed, max_tokens=12 + number % 5)
            for s, seed in enumerate(seeds)
        ]

    def run(requests: list[Request], batch: int, temperature: float = 1.0) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        engine._batch = batch
        how = Generation(temperature=temperature, top_p=0.95)
        engine.generate(
            requests, how, lambda r, text, n, end: found.update({f"{r.problem}/{r.sample}": [text, n, end]})
        )
        return found

    shuffled = random.Random(0).sample(asked, len(asked))
    first = run(asked, 40)
    half = run(shuffled[:15], 15)
    greedy = run(asked, 8, 0.0)
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).expand(20_000, 4)
    uniforms = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    drawn = draw(logits, uniforms, temperature=1.0, top_p=1.0)
    cut = draw(logits, uniforms, temperature=1.0, top_p=0.75)
    cold = draw(logits, uniforms, temperature=0.5, top_p=1.0)
    return {
        "first": first,
        "batches of one": run(asked, 1) == first,
        "batches of seven, shuffled": run(shuffled, 7) == first,
        "in two parts": {**half, **run(shuffled[15:], 9)} == first,
        "greedy is equal for both samples": all(greedy[f"{i}/0"] == greedy[f"{i}/1"] for i in range(20)),
        "limits kept": all(n <= 12 + int(k.split("/")[0]) % 5 for k, (_, n, _) in first.items()),
        "shares": torch.bincount(drawn, minlength=4).div(20_000).tolist(),
        "shares top-p": torch.bincount(cut, minlength=4).div(20_000).tolist(),
        "shares cold": torch.bincount(cold, minlength=4).div(20_000).tolist(),
    }


def adapter(policy: Path, folder: Path) -> dict[str, Any]:
    """Generate greedily with a base, with an adapter over it, and with the two merged and saved."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from dra_toolkit.evaluation.child.transformers_engine import TransformersEngine
    from dra_toolkit.evaluation.requests import Generation, Request
    from dra_toolkit.evaluation.settings import Engine

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32)
    settings = LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    adapted = get_peft_model(base, settings)
    adapted.save_pretrained(folder / "adapter")
    adapted.merge_and_unload().save_pretrained(folder / "merged")
    found = {}
    for name, path, over in (
        ("base", policy, None),
        ("adapter", folder / "adapter", policy),
        ("merged", folder / "merged", None),
    ):
        model = {"path": str(path), "base": str(over) if over else None, "tokenizer": str(policy)}
        engine = TransformersEngine(model, vars(Engine()))
        texts: list[str] = []
        ids = tuple(engine.tokenizer.encode("What is 1 + 1?"))
        asked = [Request(problem="p", sample=0, prompt_ids=ids, seed=0, max_tokens=16)]
        engine.generate(
            asked, Generation(temperature=0.0, top_p=1.0), lambda r, text, n, end, to=texts: to.append(text)
        )
        found[name] = texts
    return found


def vllm_arguments(policy: Path) -> dict[str, Any]:
    """Return what vLLM would be given."""
    from dra_toolkit.evaluation.child.vllm_engine import engine_arguments, sampling_arguments
    from dra_toolkit.evaluation.requests import Generation, Request
    from dra_toolkit.evaluation.settings import Engine

    request = Request(problem="p", sample=3, prompt_ids=(1, 2), seed=77, max_tokens=9)
    model = {"path": str(policy), "base": None, "tokenizer": str(policy)}
    return {
        "sampling": sampling_arguments(request, Generation(temperature=0.6, top_p=0.95)),
        "greedy": sampling_arguments(request, Generation(temperature=0.0, top_p=0.95)),
        "engine": engine_arguments(model, vars(Engine(backend="vllm", tensor_parallel=2, max_model_length=64))),
    }


def main() -> None:
    """Make every experiment."""
    policy, output = Path(sys.argv[1]), Path(sys.argv[2])
    results = {
        "cold": cold(output.parent),
        "verdicts": verdicts(),
        "wrong": wrong_tasks(),
        "hostile": hostile(output.parent),
    }
    results |= {"sampling": sampling(policy), "vllm": vllm_arguments(policy), "adapter": adapter(policy, output.parent)}
    output.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
