"""Make the policy and the problems of the tool example: python recipes/tool_use/make.py [FOLDER] [--steps N]

A transformer of a few hundred thousand parameters learns, from written-out dialogues, to answer sums in three ways: at once,
with one call of `add`, or with two (the ones first, then the tens). TRL's parser reads the calls, as RESPONSE says.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - a program that is all about these
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM  # noqa: TID253

SIGNS = ("<pad>", "<end>", "<unknown>", "<user>", "<assistant>", "<tool>")
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": '
PIECES = (*SIGNS, CALL, ', "b": ', "}}\n</tool_call>", "What is ", " + ", "?", "The sum is ", *"0123456789")
TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content or '' }}"
    "{% for call in message.tool_calls or [] %}<tool_call>\n"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}\n</tool_call>'
    "{% endfor %}<end>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
RESPONSE = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<assistant>",
    "fields": {
        "content": {"content": "text", "close_pattern": r"<end>\s*"},
        "tool_calls": {
            "open": "<tool_call>",
            "close_pattern": r"</tool_call>\s*",
            "content": "json",
            "repeats": True,
            "transform": {"type": "function", "function": "{content}"},
        },
    },
}
"""How transformers and TRL read what the policy wrote: text, and calls."""
SHARES = {"at once": 0.3, "one call": 0.4, "two calls": 0.3}


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer with a token for each piece of a dialogue."""
    made = Tokenizer(models.WordLevel({piece: number for number, piece in enumerate(PIECES)}, unk_token="<unknown>"))
    pattern = "|".join(re.escape(piece) for piece in sorted(PIECES, key=len, reverse=True))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(f"{pattern}|[\\s\\S]"), behavior="isolated")
    made.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<end>", unk_token="<unknown>", chat_template=TEMPLATE
    )
    # Added tokens are matched before any splitting, which transformers does its own way for a model of Qwen2's kind.
    tokenizer.add_tokens(
        [AddedToken(piece, normalized=False, special=False) for piece in PIECES if piece not in SIGNS[:3]]
    )
    tokenizer.response_template = RESPONSE
    return tokenizer


def called(a: int, b: int) -> list[dict[str, Any]]:
    """Return the turns of one call: what is asked of the tool, and what it says."""
    function = {"name": "add", "arguments": {"a": a, "b": b}}
    asked = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}
    return [asked, {"role": "tool", "name": "add", "content": str(a + b)}]


def dialogue(a: int, b: int, way: str) -> list[dict[str, Any]]:
    """Return a whole dialogue about a + b."""
    turns: list[dict[str, Any]] = [{"role": "user", "content": f"What is {a} + {b}?"}]
    if way == "one call":
        turns += called(a, b)
    elif way == "two calls":
        turns += [*called(a, b % 10), *called(a + b % 10, b - b % 10)]
    return [*turns, {"role": "assistant", "content": f"The sum is {a + b}"}]


def batches(
    tokenizer: PreTrainedTokenizerFast, steps: int, rows: int = 64
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield token ids and labels, (rows, T); only what the assistant writes is learnt."""
    source = random.Random(0)
    assistant, end, pad = (tokenizer.convert_tokens_to_ids(sign) for sign in ("<assistant>", "<end>", "<pad>"))
    for _ in range(steps):
        ways = source.choices(list(SHARES), list(SHARES.values()), k=rows)
        texts = [
            tokenizer.apply_chat_template(dialogue(*numbers(source), way), tokenize=True, return_dict=False)
            for way in ways
        ]
        longest = max(map(len, texts))
        ids = torch.tensor([[*text, *[pad] * (longest - len(text))] for text in texts])
        labels = torch.full_like(ids, -100)
        for row, text in enumerate(texts):
            speaks = False
            for place, token in enumerate(text):
                if speaks:
                    labels[row, place] = token
                speaks = token == assistant or (speaks and token != end)
        yield ids, labels


def numbers(source: random.Random) -> tuple[int, int]:
    """Return two numbers to add."""
    return source.randrange(10, 50), source.randrange(10, 50)


def main() -> None:
    """Make both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("build/tool_use"))
    parser.add_argument("--steps", type=int, default=600)
    chosen = parser.parse_args()
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    policy = Qwen2ForCausalLM(config)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=max(chosen.steps, 2))
    for step, (ids, labels) in enumerate(batches(tokenizer, chosen.steps), start=1):
        loss = policy(input_ids=ids, attention_mask=(ids != tokenizer.pad_token_id).long(), labels=labels).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 50 == 0:
            print(f"step {step}/{chosen.steps}  loss {loss.item():.3f}", flush=True)
    policy.save_pretrained(chosen.folder / "model")
    tokenizer.save_pretrained(chosen.folder / "model")
    source = random.Random(1)
    rows = [numbers(source) for _ in range(256)]
    lines = [json.dumps({"problem": f"What is {a} + {b}?", "solution": str(a + b)}) + "\n" for a, b in rows]
    (chosen.folder / "problems.jsonl").write_text("".join(lines), encoding="utf-8")
    print(f"made {chosen.folder}")


if __name__ == "__main__":
    main()
