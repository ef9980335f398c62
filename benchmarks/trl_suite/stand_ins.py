"""Local stand-ins for the tiny models that TRL's own tests fetch: their names, classes and sizes, random weights.

The tokenizer is Qwen's whole vocabulary, whose token ids the tests write out; a wheel on PyPI brings its ranks
(`pip download --no-deps qwen-agent`, Apache-2.0). They are laid out as a Hub cache, so that `from_pretrained` finds them.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
import vision  # noqa: F401 - before anything imports torchvision
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

OWNER = "trl-internal-testing"
COMMIT = "0" * 40
WORDS = 151936
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
ADDED = """
    <|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|>
    <|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|> <tool_call>
    </tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|> <tool_response>
    </tool_response> <think> </think>
"""
"""What follows the ranks, in order, from id 151643 on; those of `<|...|>` are special."""
SMALL: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 8,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 32,
    "eos_token_id": 151645,
    "pad_token_id": 151643,
    "bos_token_id": None,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
ROPE = {"rope_type": "default", "mrope_section": [1, 1], "type": "default"}
VISION_TEXT = SMALL | {"hidden_size": 16, "rope_scaling": ROPE, "rope_parameters": ROPE | {"rope_theta": 10000.0}}
IMAGE_TOKENS = {"vision_start_token_id": 151652, "vision_end_token_id": 151653, "image_token_id": 151655}
IMAGE_TOKENS |= {"video_token_id": 151656}
TEXT = {
    "tiny-Qwen2ForCausalLM-2.5": ("Qwen2", {}, "qwen2_5"),
    "tiny-Qwen3ForCausalLM": ("Qwen3", {"head_dim": 4}, "qwen3"),
    "tiny-Qwen3MoeForCausalLM": ("Qwen3Moe", EXPERTS | {"head_dim": 16}, "qwen3"),
    "tiny-LlamaForCausalLM-3.2": ("Llama", {}, "llama3_2"),
    "tiny-MistralForCausalLM-0.2": ("Mistral", {}, "qwen2_5"),
    "tiny-Cohere2ForCausalLM": ("Cohere2", {"logit_scale": 1.0}, "qwen2_5"),
    "tiny-Gemma2ForCausalLM": ("Gemma2", {"head_dim": 4}, "qwen2_5"),
    "tiny-GptOssForCausalLM": ("GptOss", {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 4}, "qwen2_5"),
    "tiny-Glm4MoeForCausalLM": (
        "Glm4Moe",
        EXPERTS | {"head_dim": 2, "n_routed_experts": 4, "attention_bias": True, "use_qk_norm": True},
        "qwen2_5",
    ),
}
SCORING = {
    "tiny-Qwen2ForSequenceClassification-2.5": ("Qwen2", {}, "qwen2_5"),
    "tiny-Qwen3ForSequenceClassification": ("Qwen3", {"head_dim": 4}, "qwen3"),
    "tiny-LlamaForSequenceClassification-3.2": ("Llama", {}, "llama3_2"),
}


def make(folder: Path, checkout: Path) -> Path:
    """Make every stand-in below `folder`, once; return the cache for HF_HOME. checkout: TRL's repository."""
    home = folder / "hf"
    if (home / "made").exists():
        return home
    tokenizer = _tokenizer(_ranks(folder))
    for name, (kind, changes, template) in TEXT.items():
        _save(home, name, _model(f"{kind}ForCausalLM", kind, changes), _with_template(tokenizer, template))
    for name, (kind, changes, template) in SCORING.items():
        model = _model(f"{kind}ForSequenceClassification", kind, changes | {"num_labels": 1})
        _save(home, name, model, _with_template(tokenizer, template))
    _save_remote(home, checkout, _with_template(tokenizer, "llama3_2"))
    for name, build in VISION.items():
        _save(home, name, *build(tokenizer))
    (home / "made").touch()
    return home


def _model(class_name: str, kind: str, changes: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    return _as_trl_does(getattr(transformers, class_name)(getattr(transformers, f"{kind}Config")(**(SMALL | changes))))


def _as_trl_does(model: Any) -> Any:
    """Give linear layers and embeddings weights that let something be learnt in three steps, in bfloat16."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.xavier_uniform_(module.weight)
        elif isinstance(module, torch.nn.Embedding):
            torch.nn.init.normal_(module.weight, std=0.02)
    return model.to(torch.bfloat16)


def _place(home: Path, name: str) -> Path:
    repository = home / "hub" / f"models--{OWNER}--{name}"
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(COMMIT)
    return repository / "snapshots" / COMMIT


def _save(home: Path, name: str, model: Any, processing: Any) -> None:
    place = _place(home, name)
    model.save_pretrained(place)
    processing.save_pretrained(place)


def _save_remote(home: Path, checkout: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """Save the model whose classes stand beside its weights: TRL's own two files."""
    place = _place(home, "tiny-RemoteForCausalLM")
    _model("LlamaForCausalLM", "Llama", {}).save_pretrained(place)
    tokenizer.save_pretrained(place)
    code = checkout / "scripts" / "generate_tiny_models" / "for_causal_lm" / "_remote_code"
    for name in ("configuration_remote.py", "modeling_remote.py"):
        shutil.copy(code / name, place / name)
    classes = {
        "AutoConfig": "configuration_remote.RemoteConfig",
        "AutoModel": "modeling_remote.RemoteModel",
        "AutoModelForCausalLM": "modeling_remote.RemoteForCausalLM",
        "AutoModelForSequenceClassification": "modeling_remote.RemoteForSequenceClassification",
    }
    config = json.loads((place / "config.json").read_text())
    config |= {"model_type": "remote", "architectures": ["RemoteForCausalLM"], "auto_map": classes}
    (place / "config.json").write_text(json.dumps(config))


def _qwen_vl(kind: str, template: str, changes: dict[str, Any]) -> Callable[[Any], tuple[Any, Any]]:
    def build(tokenizer: PreTrainedTokenizerFast) -> tuple[Any, Any]:
        sizes = {"hidden_size": 16, "num_heads": 4, "depth": 2} | changes
        text = {**VISION_TEXT, "max_position_embeddings": 4096}
        config = getattr(transformers, f"{kind}Config")(text_config=text, vision_config=sizes, **IMAGE_TOKENS)
        torch.manual_seed(0)
        model = getattr(transformers, f"{kind}ForConditionalGeneration")(config).to(torch.bfloat16)
        processor = getattr(transformers, f"{kind}Processor")(
            image_processor=transformers.Qwen2VLImageProcessor(),
            tokenizer=_with_template(tokenizer, template),
            video_processor=transformers.Qwen2VLVideoProcessor(),
            chat_template=_template(template),
        )
        return model, processor

    return build


VISION = {
    "tiny-Qwen2VLForConditionalGeneration": _qwen_vl("Qwen2VL", "qwen2_5_vl", {"embed_dim": 64}),
    "tiny-Qwen2_5_VLForConditionalGeneration": _qwen_vl(
        "Qwen2_5_VL", "qwen2_5_vl", {"fullatt_block_indexes": [1], "out_hidden_size": 16, "intermediate_size": 32}
    ),
}


def _template(name: str) -> str:
    import trl

    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text()


def _with_template(tokenizer: PreTrainedTokenizerFast, name: str) -> PreTrainedTokenizerFast:
    tokenizer.chat_template = _template(name)
    return tokenizer


def _ranks(folder: Path) -> dict[bytes, int]:
    folder.mkdir(parents=True, exist_ok=True)
    found = next(folder.glob("qwen_agent-*.whl"), None)
    if found is None:
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), "qwen-agent"]
        subprocess.run(download, check=True, env={**os.environ, "PIP_NO_INPUT": "1"})
        found = next(folder.glob("qwen_agent-*.whl"))
    with zipfile.ZipFile(found) as wheel:
        lines = wheel.read("qwen_agent/utils/qwen.tiktoken").splitlines()
    return {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}


def _tokenizer(ranks: dict[bytes, int]) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE with these ranks: each merge is the split of a token whose parts come first."""
    text = dict(zip(range(256), _signs(), strict=True))
    merges = []
    for token, rank in ranks.items():
        splits = ((token[:at], token[at:]) for at in range(1, len(token)))
        known = [(ranks[left], ranks[right], left, right) for left, right in splits if left in ranks and right in ranks]
        merges += [(rank, *each[:2], *each[2:]) for each in sorted(known)]
    merges.sort(key=lambda each: each[:3])

    def written(token: bytes) -> str:
        return "".join(text[byte] for byte in token)

    vocabulary = {written(token): rank for token, rank in ranks.items()}
    pairs = [(written(left), written(right)) for *_, left, right in merges]
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    split = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    made.decoder = decoders.ByteLevel()
    made.add_tokens([AddedToken(token, special=token.startswith("<|"), normalized=False) for token in ADDED.split()])
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>")


def _signs() -> list[str]:
    """Return the sign that byte-level tokenizers write for each byte: itself where it is printable, else one from 256 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    signs, further = [], 256
    for byte in range(256):
        signs.append(chr(byte if byte in printable else further))
        further += byte not in printable
    return signs


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
