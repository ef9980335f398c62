"""The word tokenizer of the quickstart model: about 130 tokens, and decode(encode(text)) == text for every task text.

A token is a word, a single digit, a tag, `\\boxed` or a punctuation mark, each with and without a space before it, so
decoding is plain joining. `<think>`, `</think>` and `\\boxed` are ordinary tokens: they must survive a decoding that
skips special tokens, because the reward reads them. Other words become `<unk>`, or vanish under `Qwen2Tokenizer`.
"""

import re
from typing import Any

from dra_toolkit.quickstart.addition_ways import STYLES
from dra_toolkit.quickstart.derivations import render
from dra_toolkit.quickstart.task import Problem

PAD, EOS, BOS, UNKNOWN = "<pad>", "<eos>", "<bos>", "<unk>"

PIECE = r" ?(?:</?think>|\\boxed|[A-Za-z]+|[0-9]|[^ A-Za-z0-9])| "
"""What one token covers, as a regular expression that the `tokenizers` library and Python's `re` read alike."""

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if not loop.first -%}{{ '\\n' }}{%- endif -%}"
    "{{ message['content'] }}"
    "{%- if message['role'] == 'assistant' -%}{{ eos_token }}{%- endif -%}"
    "{%- endfor -%}"
)
"""A single user message is rendered as its bare text, so plain and conversational prompts have the same ids."""


def vocabulary() -> list[str]:
    """List all tokens in the order of their ids: special tokens first, then the pieces of the task's texts."""
    example = Problem(47, 38)
    texts = [example.prompt, *(render(example, style) for style in STYLES)]
    pieces = {piece.lstrip(" ") for text in texts for piece in re.findall(PIECE, text)}
    words = sorted((pieces | set("0123456789")) - {""})
    return [PAD, EOS, BOS, UNKNOWN, "\n", " ", *words, *(f" {word}" for word in words)]


def build_tokenizer() -> Any:
    """Build the tokenizer, a `PreTrainedTokenizerFast` with its chat template; it adds no token by itself."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    ids = {token: n for n, token in enumerate(vocabulary())}
    backend = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(PIECE), behavior="isolated")
    backend.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        eos_token=EOS,
        bos_token=BOS,
        unk_token=UNKNOWN,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=512,
        chat_template=CHAT_TEMPLATE,
    )
    # transformers loads every tokenizer that lies beside a Qwen2 config as its byte-level Qwen2Tokenizer, with that
    # class's own way of splitting; added tokens are matched before any splitting, so both give the same ids.
    words = [token for token in ids if token not in tokenizer.all_special_tokens]
    tokenizer.add_tokens([AddedToken(word, normalized=False, special=False) for word in words])
    return tokenizer
