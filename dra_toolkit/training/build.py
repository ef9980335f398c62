"""From a resolved recipe to a trainer that is ready to start."""

import os
from collections.abc import Callable, Iterator, Sized
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import get_json_schema
from transformers.utils.chat_template_utils import DocstringParsingException, TypeHintParsingException
from trl import GRPOConfig, ModelConfig, get_peft_config, get_quantization_config

from dra_toolkit.dotted import call_users, load_dotted
from dra_toolkit.errors import DRAError, RecipeError, did_you_mean
from dra_toolkit.recipe import Recipe, known_keys
from dra_toolkit.recipe.check_users import ACCEPTED
from dra_toolkit.recipe.inferred import reward_arguments
from dra_toolkit.rewards import build_rewards
from dra_toolkit.training.data import model_path, pretrained
from dra_toolkit.training.hub import hub_problems_told
from dra_toolkit.training.hub_errors import first_words, model_errors
from dra_toolkit.training.trackers import project_name
from dra_toolkit.training.trainer import DRATrainer


def build_trainer(recipe: Recipe, checkpoints: Path, **given: Any) -> DRATrainer:
    """Load rewards and model, and return the trainer; DRATrainer gets what is given, data and processing class, as it is.

    Raises RecipeError where the recipe names a model or rewards that cannot be used, and MeasureError for such a measure.
    """
    model_name = model_path(recipe)
    model_config = ModelConfig(**recipe.owned_by("ModelConfig"))
    args = grpo_config(recipe, checkpoints, model_config)
    objective, own = recipe.objective, _own_code(recipe)
    for split in filter(None, (given["train_dataset"], given.get("eval_dataset"))):
        _check_environments(own["environment_factory"], split)
    own_code = "tools" if objective.tools else "environment_factory" if objective.environment_factory else None
    generation: AbstractContextManager[None] = nullcontext()
    if args.use_vllm and args.use_cpu:
        from dra_toolkit.training.vllm_cpu import vllm_without_gpu

        generation = vllm_without_gpu(checkpoints.parent / "vllm-weights")
    with generation, model_errors(model_name, recipe.model.model_revision), hub_problems_told(), _refusals(own_code):
        trainer = DRATrainer(
            model=model_name,
            args=args,
            peft_config=get_peft_config(model_config),
            quantization_config=get_quantization_config(model_config),
            diversity=recipe.diversity,
            embedder=recipe.embedder,
            dynamic_sampling_rounds=objective.dynamic_sampling_rounds,
            record=False,
            keep_embeddings=recipe.output.record_embeddings,
            **own,
            **given,
        )
        for tool in trainer.tools:
            get_json_schema(tool)  # as is done for every prompt
    return trainer


def grpo_config(recipe: Recipe, checkpoints: Path, model_config: ModelConfig) -> GRPOConfig:
    """Return TRL's configuration: the recipe's own values, and TRL's defaults for all it leaves out."""
    values = recipe.owned_by("GRPOConfig") | {"output_dir": str(checkpoints)}
    fractions = [name for name, key in known_keys().items() if "float" in key.kinds and not name.endswith("_steps")]
    # Optimizers do not take a whole number for a fraction.
    values |= {name: float(values[name]) for name in fractions if type(values.get(name)) is int}
    values["project"] = project_name(recipe)
    values.setdefault("run_name", recipe.output_dir.name)
    if values.get("push_to_hub"):
        values.setdefault("hub_model_id", recipe.output_dir.name)  # TRL would name it after the folder `checkpoints`
    if not torch.cuda.is_available():
        values["use_cpu"] = True  # without it several processes on a CPU each train alone
        # accelerate would say cpu:0, and torch cannot load an optimizer's state to a numbered CPU
        os.environ.setdefault("ACCELERATE_TORCH_DEVICE", "cpu")
    values["model_init_kwargs"] = {
        "revision": model_config.model_revision,
        "attn_implementation": model_config.attn_implementation,
        "dtype": model_config.dtype,
        **(values.get("model_init_kwargs") or {}),
    }
    try:
        return GRPOConfig(**values)
    except (ValueError, NotImplementedError) as error:
        raise RecipeError(f"recipe: TRL refuses it: {' '.join(str(error).split())}") from None


def _own_code(recipe: Recipe) -> dict[str, Any]:
    objective, tokenizers = recipe.objective, iter(recipe.objective.reward_processing_classes)
    scoring = [
        _reward_model(recipe, reward, next(tokenizers, reward)) if isinstance(reward, str) else (reward, None)
        for reward in build_rewards(objective.reward_funcs, reward_arguments(recipe))
    ]
    environments: Any = objective.environment_factory
    if isinstance(environments, dict):
        environments = {name: _factory(path) for name, path in environments.items()}
    return {
        "reward_funcs": [reward for reward, _ in scoring],
        "reward_processing_classes": [tokenizer for _, tokenizer in scoring],
        "tools": [load_dotted("tools", path, accepts=ACCEPTED["tools"]) for path in objective.tools] or None,
        "environment_factory": _factory(environments) if isinstance(environments, str) else environments,
        "rollout_func": objective.rollout_func and _rollout(objective.rollout_func),
    }


@contextmanager
def _refusals(key: str | None) -> Iterator[None]:
    try:
        yield
    except (ValueError, ImportError, DocstringParsingException, TypeHintParsingException) as error:
        if key is None or isinstance(error, DRAError):
            raise
        raise RecipeError(f"{key}: TRL refuses it: {first_words(error)}") from None


def _factory(path: str) -> Callable[[], Any]:
    factory = load_dotted("environment_factory", path)

    def make() -> Any:
        made = call_users("environment_factory", path, factory)
        if hasattr(made, "reset"):
            made.reset = partial(call_users, "environment_factory", f"{path}.reset", made.reset)
        return made

    return make


def _rollout(path: str) -> Callable[..., Any]:
    function = load_dotted("rollout_func", path)

    def sampled(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        found = call_users("rollout_func", path, function, prompts, trainer)
        given: dict[str, Any] = found if isinstance(found, dict) else {}
        rows = [given.get(key) or () for key in ("prompt_ids", "completion_ids")]
        sampled_all = all(isinstance(ids, Sized) and not isinstance(ids, str) and len(ids) > 0 for ids in chain(*rows))
        if "logprobs" in given and sampled_all and {len(each) for each in rows} == {len(prompts)}:
            return given
        expected = f"prompt_ids and completion_ids, tokens for each of {len(prompts)} prompts, and logprobs"
        raise RecipeError(f"rollout_func: {path!r} did not return what is expected: a dict with {expected}")

    return sampled


def _check_environments(environments: Any, dataset: Dataset) -> None:
    """Raise RecipeError where the data do not say which of several environments a row is for."""
    if isinstance(environments, dict):
        found = dataset["environment"][:] if "environment" in dataset.column_names else [None]
        if unknown := [name for name in found if name not in environments]:
            known = f"{', '.join(environments)}{did_you_mean(str(unknown[0]), list(environments))}"
            raise RecipeError(f"environment_factory: the column 'environment' says {unknown[0]!r}, expected {known}")


def _reward_model(recipe: Recipe, name: str, tokenizer_name: str) -> tuple[Any, Any]:
    """Return a reward model and the tokenizer that it reads with, or raise RecipeError where it gives no reward."""
    told: dict[str, Any] = {"num_labels": 1, "ignore_mismatched_sizes": True, "output_loading_info": True}
    told["trust_remote_code"] = recipe.model.trust_remote_code
    model, loaded = pretrained(AutoModelForSequenceClassification, name, key="reward_funcs", **told)
    if lacking := {*loaded["missing_keys"], *(weights for weights, *_ in loaded["mismatched_keys"])}:
        lacks = f"it lacks weights for {', '.join(sorted(lacking))}"
        raise RecipeError(f"reward_funcs: {name} does not give one number, {lacks}")
    tokenizer = pretrained(AutoTokenizer, tokenizer_name, key="reward_processing_classes")
    read = model.get_input_embeddings().num_embeddings
    if not tokenizer.chat_template or len(tokenizer) > read:
        found = f"{len(tokenizer)} tokens ({name} reads {read})" if tokenizer.chat_template else "no chat template"
        raise RecipeError(
            f"reward_processing_classes: the tokenizer of {tokenizer_name} has {found}; name the right one"
        )
    return model, tokenizer
