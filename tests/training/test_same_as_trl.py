"""Scripts of TRL with one name changed: with the adjustment off every number is that of plain TRL; with it, they run."""

import pytest
import tiny
import torch
from datasets import DatasetDict, IterableDataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOTrainer

from dra_toolkit import DRATrainer, Run

ROWS = 16
EVALUATES = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": 8}


async def one_length(completion):
    return float(len(completion[0]["content"]) % 3)


async def lengths(completions, **_):
    return [await one_length(completion) for completion in completions]


def that_logs(completions, log_metric, log_extra, trainer_state, **_):
    log_metric("mine", 3.0 + trainer_state.global_step)
    log_extra("place", [str(place) for place in range(len(completions))])
    return (value for value in tiny.letters(completions))


def by_column(completions, solution, completion_ids, **_):
    pairs = zip(solution, completion_ids, strict=True)
    return torch.tensor([float(gold) + len(ids) for gold, ids in pairs])


class Remembers(TrainerCallback):
    def on_step_end(self, args, state, control, **given):
        assert given["model"] is not None


def streamed(count=ROWS):
    return IterableDataset.from_generator(lambda: iter(tiny.prompts(count)))


def with_golds(count):
    return tiny.prompts(count).add_column("solution", [*map(str, range(count))])


def own_optimizer(policy):
    model = AutoModelForCausalLM.from_pretrained(policy)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return {
        "model": model,
        "optimizers": (optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)),
        "processing_class": AutoTokenizer.from_pretrained(policy),
    }


SCRIPTS = {
    "streams": (lambda policy: {"train_dataset": streamed(), "eval_dataset": streamed(4)}, EVALUATES),
    "several rewards and evaluations": (
        lambda policy: {
            "reward_funcs": [tiny.letters, lengths, that_logs, by_column],
            "train_dataset": with_golds(ROWS),
            "eval_dataset": DatasetDict({"a": with_golds(4), "b": with_golds(2)}),
            "callbacks": [Remembers],
        },
        {
            **EVALUATES,
            "reward_weights": [1.0, 0.5, 2.0, 0.1],
            "scale_rewards": "batch",
            "num_generations_eval": 2,
            "eval_on_start": True,
        },
    ),
    "its own optimizer and generations used again": (
        own_optimizer,
        {"num_iterations": 2, "steps_per_generation": 2, "gradient_accumulation_steps": 2, "max_steps": 4},
    ),
    "an adapter and the best checkpoint": (
        lambda policy: {
            "peft_config": LoraConfig(r=4, target_modules=["q_proj", "v_proj"]),
            "eval_dataset": tiny.prompts(4),
        },
        {
            **EVALUATES,
            "beta": 0.1,
            "save_strategy": "steps",
            "save_steps": 1,
            "load_best_model_at_end": True,
            "metric_for_best_model": "eval_reward",
            "greater_is_better": True,
        },
    ),
}


def history(trainer):
    """Return all that TRL logs, but for times and what is ours."""
    strange = ("time", "per_second", "diversity/", "flos")
    return [
        {name: value for name, value in entry.items() if not any(word in name for word in strange)}
        for entry in trainer.state.log_history
    ]


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_number_is_trls_with_the_adjustment_off_and_the_script_runs_with_it(policy, tmp_path, script):
    given, config = SCRIPTS[script]
    found = {}
    for name, kind, more in (
        ("plain", GRPOTrainer, {}),
        ("off", DRATrainer, {"diversity": "none"}),
        ("on", DRATrainer, {}),
    ):
        arguments = {"model": str(policy), "reward_funcs": tiny.letters, "train_dataset": tiny.prompts(ROWS)}
        args = tiny.grpo_config(tmp_path / name, **{"max_steps": 2, **config})
        trainer = kind(**(arguments | given(policy)), args=args, **more)
        trainer.train()
        found[name] = history(trainer)
    assert repr(found["plain"]) == repr(found["off"])
    assert any(entry.get("loss") for entry in found["plain"])
    assert [*map(len, (found["on"], found["plain"]))] == [len(found["off"])] * 2
    for name in ("off", "on"):
        run = Run.open(tmp_path / name)
        assert run.directory.status()["state"] == "finished"
        assert run.steps("train")
        assert bool(run.steps("eval")) == ("eval_dataset" in given(policy))
