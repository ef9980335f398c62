"""What a model reaches on the held-out problems of the recipe `smollm2`.

python evaluate.py MODEL HELDOUT.jsonl [SAMPLES] [--keep FILE.jsonl]     sample, judge, print; keep the texts
python evaluate.py --compare FILE.jsonl FILE.jsonl                       differences of two kept ones, by problem
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from math import comb
from pathlib import Path
from typing import Any

import numpy as np

from dra_toolkit.recipe import load_recipe

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "recipes"))
from smollm2 import form, last_number  # noqa: E402

RECIPE = load_recipe("smollm2")
SYSTEM, NEW_TOKENS, TOP_K = (RECIPE[key] for key in ("system_prompt", "max_completion_length", "top_k"))
RESAMPLED = 10_000


def sample(folder: Path, problems: Sequence[dict[str, str]], samples: int) -> list[dict[str, Any]]:
    """Sample as the recipe does; return each problem with its texts, their tokens and their scores."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(folder).to(device).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.padding_side = "left"
    torch.manual_seed(0)
    found = []
    for row in problems:
        said = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": row["problem"]}]
        chat = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(chat, return_tensors="pt", add_special_tokens=False).to(device)
        drawn = {"do_sample": True, "temperature": 1.0, "top_k": TOP_K, "num_return_sequences": samples}
        with torch.inference_mode():
            made = model.generate(**ids, **drawn, max_new_tokens=NEW_TOKENS)[:, ids["input_ids"].shape[1] :]
        texts = tokenizer.batch_decode(made, skip_special_tokens=True)
        scores = last_number([[{"content": text}] for text in texts], [row["solution"]] * samples)
        tokens = (made != tokenizer.pad_token_id).sum(1).tolist()
        found.append({**row, "texts": texts, "scores": scores, "tokens": tokens})
    return found


def measures(rows: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return, for each problem: pass@1, pass@8, forms of 8 right ones at most, the shares of different and of cut texts."""
    found: dict[str, list[float]] = {"pass@1": [], "pass@8": [], "right forms of 8": [], "distinct": [], "cut": []}
    for row in rows:
        n = len(row["texts"])
        right = [text for text, score in zip(form(row["texts"]), row["scores"], strict=True) if score == 1.0]
        for k in (1, 8):
            found[f"pass@{k}"].append(_drawn(n, len(right), k))
        found["right forms of 8"].append(sum(_drawn(n, right.count(each), 8) for each in set(right)))
        found["distinct"].append(len(set(row["texts"])) / n)
        found["cut"].append(sum(tokens >= NEW_TOKENS for tokens in row["tokens"]) / n)
    return {name: np.array(values) for name, values in found.items()}


def _drawn(n: int, c: int, k: int) -> float:
    """Return the probability that k of n hold at least one of c."""
    return 1 - comb(n - c, min(k, n)) / comb(n, min(k, n))


def interval(values: np.ndarray) -> list[float]:
    """Return the mean over problems and its 95 % interval by the bootstrap."""
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLED, len(values)))
    low, high = np.quantile(values[drawn].mean(1), (0.025, 0.975))
    return [round(float(each), 4) for each in (values.mean(), low, high)]


def kept(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Print one line of JSON: each measure's mean and the ends of its interval."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("heldout", type=Path)
    parser.add_argument("samples", type=int, nargs="?", default=16)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--compare", action="store_true")
    chosen = parser.parse_args()
    if chosen.compare:
        one, other = (measures(kept(path)) for path in (chosen.model, chosen.heldout))
        print(json.dumps({name: interval(other[name] - one[name]) for name in one}))
        return
    rows = sample(chosen.model, kept(chosen.heldout), chosen.samples)
    if chosen.keep:
        chosen.keep.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    print(json.dumps({name: interval(values) for name, values in measures(rows).items()}))


if __name__ == "__main__":
    main()
