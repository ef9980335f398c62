"""What the three offline embedders see of the strategies of the quickstart task: the table of `dra audit`.

`python benchmarks/auditing.py` samples groups from the quickstart's base model, labels each completion with the way that it
takes, and audits hash, MiniLM and the model's own states on them.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from common import write, write_markdown
from transformers import AutoModelForCausalLM, AutoTokenizer

from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.inspection.audit import HEADS, LabelledGroup, audit, cells, verdict
from dra_toolkit.quickstart import ways
from dra_toolkit.quickstart.base_model import sample
from dra_toolkit.quickstart.checker import styles_of
from dra_toolkit.quickstart.task import problems


def main() -> None:
    """Sample, audit and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", type=int, default=200)
    parser.add_argument("--samples", type=int, default=8)
    arguments = parser.parse_args()
    folder = ways().model
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    chosen = problems(0).held_out[: arguments.groups]

    def tokens_of(texts: object) -> list[list[int]]:
        return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]  # type: ignore[attr-defined]

    groups = [
        LabelledGroup(texts=tuple(texts), labels=tuple(styles_of(texts)))
        for texts in sample(model, tokenizer, chosen, samples=arguments.samples, seed=0)
    ]
    audited = [audit(groups, load_embedder(EmbedderSettings(name=name))) for name in ("hash", "minilm")]
    policy = load_embedder(EmbedderSettings(name="policy"), policy=lambda: model)
    audited.append(audit(groups, policy, tokens_of=tokens_of))
    write("auditing", {"embedders": [asdict(found) for found in audited]})
    lines = [
        f"{len(groups)} groups of {arguments.samples} sampled from the quickstart's base model, labelled by the way that "
        "each completion takes; completions without a recognised way are left out, and pairs of equal texts too.",
        "",
        f"| {' | '.join(HEADS)} | verdict |",
        "| --- |" + " ---: |" * (len(HEADS) - 1) + " --- |",
        *(f"| {' | '.join(cells(found))} | {verdict(found)} |" for found in audited),
    ]
    write_markdown("auditing", "Strategies or phrasing: what offline embedders see", lines)


if __name__ == "__main__":
    main()
