"""What a trained SmolLM2 reaches on the held-out problems: `python evaluate.py MODEL HELDOUT [SAMPLES]`."""

from __future__ import annotations

import json
import statistics
import sys
from math import comb
from pathlib import Path

from last_number import last_number


def main() -> None:
    """Sample as the recipe does, judge, and print pass@1, pass@8 and the share of distinct texts."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, problems = sys.argv[1], [json.loads(line) for line in Path(sys.argv[2]).read_text().splitlines()]
    samples = int(sys.argv[3]) if len(sys.argv) > 3 else 16
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(folder).to(device).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.padding_side = "left"
    chats = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": row["problem"]}], tokenize=False, add_generation_prompt=True
        )
        for row in problems
    ]
    ids = tokenizer(chats, return_tensors="pt", padding=True, add_special_tokens=False).to(device)
    torch.manual_seed(0)
    with torch.inference_mode():
        made = model.generate(
            **ids, do_sample=True, temperature=1.0, top_k=20, max_new_tokens=32, num_return_sequences=samples
        )
    texts = tokenizer.batch_decode(made[:, ids["input_ids"].shape[1] :], skip_special_tokens=True)
    golds = [row["solution"] for row in problems for _ in range(samples)]
    chats_said = [[{"role": "assistant", "content": text}] for text in texts]
    scores = last_number(completions=chats_said, solution=golds)
    groups = [slice(i * samples, (i + 1) * samples) for i in range(len(problems))]
    right = [sum(score == 1.0 for score in scores[group]) for group in groups]
    found = {
        f"pass@{k}": statistics.mean(1 - comb(samples - c, k) / comb(samples, k) for c in right)
        for k in (1, 8)
        if k <= samples
    }
    found["distinct"] = statistics.mean(len(set(texts[group])) / samples for group in groups)
    print(json.dumps({name: round(value, 4) for name, value in found.items()}))


if __name__ == "__main__":
    main()
