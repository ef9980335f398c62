"""A task that was not made here: palindromes of given letters, from reasoning-gym (PyPI); a program tells solutions apart.

    pip install reasoning-gym
    python benchmarks/arena/run.py --task palindromes       the arena on it
    python benchmarks/arena/palindromes.py FOLDER           makes its base model anew

Of the generator's problems of 6 and 7 letters those with three different pairs are taken: each has six solutions, one for
each order of its pairs, and the generator's own scoring says what is one. A way is the palindrome itself. The prompt is
the list of letters without the instruction around it, as the model is none of language: the quickstart's, with letters
as tokens, warmed up on solutions of which half have a slip.
"""

from __future__ import annotations

import functools
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LETTERS = "abcdefghijklmnopqrstuvwxyz"
GENERATOR, LENGTHS = "palindrome_generation", (6, 7)
WAYS = 6
TRAIN, HELD_OUT = 3000, 400
WARM_UP_STEPS, BATCH, RATE, SLIP = 1500, 64, 3e-3, 0.5


@dataclass(frozen=True)
class Palindrome:
    """A problem, by the letters in the order in which it gives them."""

    letters: str

    @property
    def prompt(self) -> str:
        """The letters as the generator lists them."""
        return ", ".join(self.letters)

    @property
    def solutions(self) -> list[str]:
        """All palindromes of the letters."""
        pairs = sorted(letter for letter in set(self.letters) for _ in range(self.letters.count(letter) // 2))
        middle = next((letter for letter in set(self.letters) if self.letters.count(letter) % 2), "")
        return sorted({half + middle + half[::-1] for half in _orders("".join(pairs))})


def _orders(text: str) -> Iterator[str]:
    if len(text) < 2:
        yield text
    for place, letter in enumerate(text):
        for rest in _orders(text[:place] + text[place + 1 :]):
            yield letter + rest


@functools.cache
def problems() -> tuple[list[Palindrome], list[Palindrome]]:
    """Return the problems to train on and those held out, no two with the same letters."""
    import reasoning_gym

    wanted = TRAIN + HELD_OUT
    made = reasoning_gym.create_dataset(
        GENERATOR, size=4 * wanted, seed=0, min_length=LENGTHS[0], max_length=LENGTHS[1]
    )
    found: dict[str, Palindrome] = {}
    for entry in made:
        problem = Palindrome("".join(entry["metadata"]["letters"]))
        if len(problem.solutions) == WAYS:
            found.setdefault("".join(sorted(problem.letters)), problem)
    chosen = list(found.values())[:wanted]
    return chosen[HELD_OUT:], chosen[:HELD_OUT]


@functools.cache
def _scoring() -> Any:
    import reasoning_gym

    return reasoning_gym.get_score_answer_fn(GENERATOR)


def is_right(text: str, problem: Palindrome) -> bool:
    """Return whether the generator accepts a completion as a whole."""
    return bool(_scoring()(text, {"metadata": {"letters": list(problem.letters)}}) >= 1.0)


def valid(completions: Sequence[Any], letters: Sequence[str], **kwargs: Any) -> list[float]:
    """Score 1 for each palindrome of all the given letters, else 0: what the recipe names."""
    from dra_toolkit.rewards.text import completion_text

    asked = zip(completions, letters, strict=True)
    return [float(is_right(completion_text(completion), Palindrome(given))) for completion, given in asked]


def training_data() -> Path:
    """Return the file of the problems to train on, made where it is not there yet."""
    from dra_toolkit.quickstart import cache_dir

    path = cache_dir() / "palindromes-1" / "train.jsonl"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = ({"problem": p.prompt, "solution": p.solutions[0], "letters": p.letters} for p in problems()[0])
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def build_tokenizer() -> Any:
    """Return a tokenizer of single characters."""
    from tokenizers import AddedToken, Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    from dra_toolkit.quickstart.tokenizer import BOS, CHAT_TEMPLATE, EOS, PAD, UNKNOWN

    ids = {token: n for n, token in enumerate([PAD, EOS, BOS, UNKNOWN, "\n", " ", ",", *LETTERS])}
    backend = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    backend.decoder = decoders.Fuse()
    special = {"pad_token": PAD, "eos_token": EOS, "bos_token": BOS, "unk_token": UNKNOWN}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=64,
        chat_template=CHAT_TEMPLATE,
        **special,
    )
    tokenizer.add_tokens([AddedToken(each, normalized=False, special=False) for each in ids if len(each) == 1])
    return tokenizer


def slipped(text: str, rng: random.Random) -> str:
    """Return a text with one letter replaced by another of its letters."""
    place = rng.randrange(len(text))
    return text[:place] + rng.choice([each for each in set(text) if each != text[place]]) + text[place + 1 :]


def warmed_up(tokenizer: Any, train: Sequence[Palindrome]) -> Any:
    """Return a model that takes every way equally often, and is right about half of the time."""
    import torch

    from dra_toolkit.quickstart.base_model import IGNORED, WarmUp, build_model, one_thread_seeded

    rng = random.Random(0)
    with one_thread_seeded(0):
        model = build_model(tokenizer, WarmUp()).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.0)
        for step in range(WARM_UP_STEPS):
            batch = []
            for problem in rng.choices(train, k=BATCH):
                answer = rng.choice(problem.solutions)
                answer = slipped(answer, rng) if rng.random() < SLIP else answer
                prompt = tokenizer(problem.prompt)["input_ids"]
                batch.append((prompt, [*tokenizer(answer)["input_ids"], tokenizer.eos_token_id]))
            longest = max(len(p) + len(a) for p, a in batch)
            padded = [(p, a, longest - len(p) - len(a)) for p, a in batch]
            ids = torch.tensor([[*p, *a, *[tokenizer.pad_token_id] * rest] for p, a, rest in padded])
            labels = torch.tensor([[*[IGNORED] * len(p), *a, *[IGNORED] * rest] for p, a, rest in padded])
            optimizer.param_groups[0]["lr"] = RATE * min(1.0, (step + 1) / 50, (WARM_UP_STEPS - step) / 500)
            logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if step % 100 == 99:
                print(f"step {step + 1} of {WARM_UP_STEPS}: loss {float(loss.detach()):.3f}", flush=True)
        return model.eval()


def main() -> None:
    """Make the base model in a folder and say what it does."""
    from evaluate import evaluate

    place = Path(sys.argv[1])
    tokenizer = build_tokenizer()
    model = warmed_up(tokenizer, problems()[0])
    tokenizer.save_pretrained(place)
    model.save_pretrained(place)
    print(evaluate(place, "palindromes", "dev"))


if __name__ == "__main__":
    main()
