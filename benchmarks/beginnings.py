"""Processor time of MiniLM where long texts are tokenized wholly, and no further than they are read."""

import random
import time

from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.embedding.sentence import SentenceEmbedder

TEXTS, WORDS, TURNS = 12, 6000, 3


def main() -> None:
    """Print the seconds of each turn, one after the other in one process."""
    with open("docs/maths.md", encoding="utf-8") as page:
        words = page.read().split()
    draw = random.Random(0)
    texts = [" ".join(draw.choices(words, k=WORDS)) for _ in range(TEXTS)]
    embedder = load_embedder(EmbedderSettings(name="minilm"))
    beginnings = SentenceEmbedder._beginnings
    for _ in range(TURNS):
        for name, looked_at in (("whole", lambda self, whole: whole), ("beginnings", beginnings)):
            SentenceEmbedder._beginnings = looked_at  # type: ignore[method-assign, assignment]
            started = time.process_time()
            embedder.embed(texts)
            print(f"{name:12}{time.process_time() - started:.3f} s")


if __name__ == "__main__":
    main()
