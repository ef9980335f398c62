"""The keys of 2025's recipes (TRL 0.14 to 0.17, transformers 4.48 to 4.50, open-r1, DRA-GRPO) that have changed since."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dra_toolkit.recipe.values import BadValueError

MARKERS = ("vllm_device", "vllm_max_model_len", "SMI_reweighting", "extractor_name")
"""Keys that no recipe of today has: a recipe with one of them gets the defaults of its time."""
NOTHING = object()
"""What a legacy value means today where it asked for nothing."""


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """A legacy key that has an equivalent."""

    today: str
    of: str
    """Where it was valid."""
    read: Callable[[Any], Any] = lambda found: found
    """Return today's value, or NOTHING; raises BadValueError."""
    remark: str = ""
    """What else to know, beginning with its punctuation."""


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A legacy key without an equivalent."""

    of: str
    why: str
    """Why it is not needed, or what to say in its place."""
    only: tuple[Any, ...] | None = None
    """Values that can be left out; any other is an error, because it would be lost. None: every value."""


def _device(found: Any) -> Any:
    if found is None:
        return NOTHING
    if isinstance(found, str) and re.fullmatch(r"auto|cuda(:\d+)?", found):
        return 1
    raise BadValueError(f"found {found!r}, expected auto or cuda:N")


def _dtype(found: Any) -> Any:
    return "float32" if found is None else found


def _reweighting(found: Any) -> Any:
    if not isinstance(found, bool):
        raise BadValueError(f"found {found!r}, expected true or false")
    return "graph_cut" if found else "none"


def _extractor(found: Any) -> Any:
    if found not in ("jina", "nomic"):
        raise BadValueError(f"found {found!r}, expected jina or nomic; embedder takes others too")
    return found


def _ratio(found: Any) -> Any:
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 1:
        raise BadValueError(f"found {found!r}, expected a number from 0 to below 1, the share of all steps")
    return found


def _adafactor(found: Any) -> Any:
    if not isinstance(found, bool):
        raise BadValueError(f"found {found!r}, expected true or false")
    return "adafactor" if found else NOTHING


def _unless_null(found: Any) -> Any:
    return NOTHING if found is None else found


TRL, TRANSFORMERS, OPEN_R1, DRA = "TRL", "transformers", "open-r1", "DRA-GRPO"
_trl = functools.partial(Renamed, of=TRL)
_transformers = functools.partial(Renamed, of=TRANSFORMERS, read=_unless_null)
_open_r1 = functools.partial(Renamed, of=OPEN_R1, read=_unless_null)

RENAMED: dict[str, Renamed] = {
    "SMI_reweighting": Renamed(today="diversity", of=DRA, read=_reweighting),
    "extractor_name": Renamed(today="embedder", of=DRA, read=_extractor),
    "torch_dtype": _trl(today="dtype", read=_dtype),
    "vllm_device": _trl(today="vllm_gpus", read=_device, remark=", a vLLM server on a GPU after the training ones"),
    "vllm_max_model_len": _trl(today="vllm_max_model_length"),
    "vllm_guided_decoding_regex": _trl(today="vllm_structured_outputs_regex"),
    "wandb_log_unique_prompts": _trl(today="log_unique_prompts"),
    "warmup_ratio": Renamed(
        today="warmup_steps", of=TRANSFORMERS, read=_ratio, remark=", where a number below 1 is the share of all steps"
    ),
    "evaluation_strategy": _transformers(today="eval_strategy"),
    "no_cuda": Renamed(today="use_cpu", of=TRANSFORMERS),
    "per_gpu_train_batch_size": _transformers(today="per_device_train_batch_size"),
    "per_gpu_eval_batch_size": _transformers(today="per_device_eval_batch_size"),
    "push_to_hub_model_id": _transformers(today="hub_model_id"),
    "torchdynamo": _transformers(today="torch_compile_backend"),
    "adafactor": Renamed(today="optim", of=TRANSFORMERS, read=_adafactor),
    "wandb_project": _open_r1(today="project"),
    "dataset_prompt_column": _open_r1(today="prompt_column"),
    "repetition_n_grams": _open_r1(today="repetition_penalty_ngram_size"),
    "repetition_max_penalty": _open_r1(today="repetition_penalty_max_penalty"),
    "cosine_max_value_correct": _open_r1(today="cosine_correct_short"),
    "cosine_min_value_correct": _open_r1(today="cosine_correct_long"),
    "cosine_max_len": _open_r1(today="cosine_max_length", remark=", in tokens; the released code counted characters"),
}
"""Legacy name -> today's key, whose value is read by `read`."""

_LAUNCH = "say accelerate_config: fsdp2 or fsdp_config"
_AS_RELEASED = (
    "its values are the released recipes' own; a reward of your own has others (docs/rewards-and-embedders.md)"
)
_WRONG = "the released code exchanged the two values for wrong answers; say cosine_wrong_short and cosine_wrong_long"
_CODE = "it belongs to rewards that run code, which are not here"
_REVISIONS = "say hub_revisions: true to push every checkpoint as a revision of its own"
_dropped = functools.partial(Dropped, of=TRANSFORMERS)

DROPPED: dict[str, Dropped] = {
    "overwrite_output_dir": _dropped(why="a run is never overwritten unasked; say dra train --overwrite or --resume"),
    "vllm_dtype": Dropped(of=TRL, why="vLLM takes the model's own dtype", only=(None, "auto")),
    "vllm_enable_prefix_caching": Dropped(of=TRL, why="vLLM decides it; the completions are the same"),
    "use_liger_loss": Dropped(of=TRL, why="it saved memory and left the loss the same"),
    "gradient_checkpointing_use_reentrant": Dropped(
        of=TRL, why="GRPO did not read it; say gradient_checkpointing_kwargs: {use_reentrant: false}"
    ),
    "group_by_length": _dropped(why="GRPO draws its prompts by itself"),
    "logging_dir": _dropped(why="set the environment variable TENSORBOARD_LOGGING_DIR"),
    "save_safetensors": _dropped(why="weights are always saved as safetensors"),
    "include_inputs_for_metrics": _dropped(why="GRPO computes no such metrics"),
    "include_tokens_per_second": _dropped(why="it only logged"),
    "jit_mode_eval": _dropped(why="it only concerned inference"),
    "use_legacy_prediction_loop": _dropped(why="it only concerned prediction"),
    "use_mps_device": _dropped(why="the device is found by itself"),
    "ray_scope": _dropped(why="it only concerned hyperparameter search with Ray"),
    "tpu_num_cores": _dropped(why="it only concerned TPUs"),
    "tpu_metrics_debug": _dropped(why="it only concerned TPUs"),
    "fp16_opt_level": _dropped(why="it only concerned apex"),
    "fp16_backend": _dropped(why="apex is not supported", only=("auto", "cuda_amp", "cpu_amp")),
    "half_precision_backend": _dropped(why="apex is not supported", only=("auto", "cuda_amp", "cpu_amp")),
    "use_ipex": _dropped(why="Intel's extension is not supported", only=(False,)),
    "past_index": _dropped(why="GRPO keeps no past", only=(-1,)),
    "mp_parameters": _dropped(why="SageMaker's launcher is not supported", only=("", None)),
    "tp_size": _dropped(why="tensor parallel training is not supported", only=(0, 1, None)),
    "dispatch_batches": _dropped(why="say accelerator_config: {dispatch_batches: ...}", only=(None,)),
    "split_batches": _dropped(why="say accelerator_config: {split_batches: ...}", only=(None,)),
    "fsdp_min_num_params": _dropped(why=_LAUNCH, only=(0,)),
    "fsdp_transformer_layer_cls_to_wrap": _dropped(why=_LAUNCH, only=(None,)),
    "push_to_hub_organization": _dropped(why="say hub_model_id: ORGANIZATION/NAME", only=(None,)),
    "push_to_hub_token": _dropped(why="a token must not stand in a file; use `hf auth login`", only=(None,)),
    "chat_template": Dropped(of=OPEN_R1, why="save the template with the model's tokenizer", only=(None,)),
    "cosine_min_value_wrong": Dropped(of=OPEN_R1, why=_WRONG, only=()),
    "cosine_max_value_wrong": Dropped(of=OPEN_R1, why=_WRONG, only=()),
    "benchmarks": Dropped(of=OPEN_R1, why="training evaluates no benchmarks"),
    "callbacks": Dropped(of=OPEN_R1, why=_REVISIONS),
    "hub_model_revision": Dropped(of=OPEN_R1, why=_REVISIONS),
    "push_to_hub_revision": Dropped(of=OPEN_R1, why=_REVISIONS),
    "overwrite_hub_revision": Dropped(of=OPEN_R1, why=_REVISIONS),
    "wandb_entity": Dropped(of=OPEN_R1, why="set the environment variable WANDB_ENTITY"),
    "wandb_run_group": Dropped(of=OPEN_R1, why="set the environment variable WANDB_RUN_GROUP"),
    "code_language": Dropped(of=OPEN_R1, why=_CODE),
    "code_provider": Dropped(of=OPEN_R1, why=_CODE),
    "code_eval_test_batch_size": Dropped(of=OPEN_R1, why=_CODE),
    "parallel_code_exec_per_proc": Dropped(of=OPEN_R1, why=_CODE),
    "ioi_provider": Dropped(of=OPEN_R1, why=_CODE),
    "e2b_router_url": Dropped(of=OPEN_R1, why=_CODE),
    "morph_router_url": Dropped(of=OPEN_R1, why=_CODE),
    **{
        f"cosine_as_released_{name}": Dropped(of="DRA Toolkit 0.1", why=_AS_RELEASED, only=(value,))
        for name, value in (
            *(("min_value_correct", 0.5), ("max_value_correct", 1.0)),
            *(("min_value_wrong", 0.0), ("max_value_wrong", -0.5)),
        )
    },
}
"""Legacy name -> why nothing stands in its place."""
