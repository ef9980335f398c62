"""Checkpoints that cannot be evaluated, each told in one line; steps; and what counts as another checkpoint."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from eval_runs import add_checkpoint, dra_eval, finish, make_run

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.models.fingerprint import Fingerprints
from dra_toolkit.evaluation.models.targets import (
    Target,
    around,
    chosen_steps,
    coarse,
    locate,
    target_of_model,
    targets_of_run,
)
from dra_toolkit.evaluation.requests import sample_seed
from dra_toolkit.evaluation.settings import Engine, Sampling
from dra_toolkit.runs.layout import RunDirectory


def problem_of(folder, *, chat_template: bool = True) -> str:
    with pytest.raises(EvaluationError) as caught:
        locate(Target(label="x", model=str(folder)), chat_template=chat_template)
    (problem,) = caught.value.problems
    assert str(folder) in problem
    return problem


class TestBadCheckpoints:
    def test_a_sound_one(self, checkpoint):
        assert locate(Target(label="x", model=str(checkpoint)), chat_template=True).path == checkpoint

    def test_without_weights(self, checkpoint):
        (checkpoint / "model.safetensors").unlink()
        assert "has no weights" in problem_of(checkpoint)

    def test_weights_of_another_format_are_named(self, checkpoint):
        (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
        assert "found pytorch_model.bin, which is not read" in problem_of(checkpoint)

    def test_weights_cut_off(self, checkpoint):
        content = (checkpoint / "model.safetensors").read_bytes()
        (checkpoint / "model.safetensors").write_bytes(content[:-10])
        assert "is cut off" in problem_of(checkpoint)

    def test_a_missing_shard(self, checkpoint):
        (checkpoint / "model.safetensors").rename(checkpoint / "model-00001-of-00002.safetensors")
        names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
        (checkpoint / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
        assert "1 of its 2 shards missing: model-00002-of-00002.safetensors" in problem_of(checkpoint)

    def test_an_adapter_whose_base_is_absent(self, checkpoint, tmp_path):
        adapter = tmp_path / "adapter"
        adapter.mkdir()
        (adapter / "adapter_model.safetensors").write_bytes(b"")
        (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": f"{tmp_path}/gone"}))
        said = problem_of(adapter)
        assert "is a LoRA adapter whose base model is absent" in said
        assert f"{tmp_path}/gone does not exist" in said
        (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(checkpoint)}))
        found = locate(Target(label="x", model=str(adapter)), chat_template=True)
        assert (found.path, found.base, found.tokenizer) == (adapter, checkpoint, checkpoint)

    def test_no_chat_template_says_both_ways_out(self, checkpoint):
        (checkpoint / "chat_template.jinja").unlink(missing_ok=True)
        path = checkpoint / "tokenizer_config.json"
        settings = json.loads(path.read_text())
        settings.pop("chat_template", None)
        path.write_text(json.dumps(settings))
        said = problem_of(checkpoint)
        assert "has no chat template; add chat_template.jinja" in said
        assert "--no-chat-template" in said
        locate(Target(label="x", model=str(checkpoint)), chat_template=False)

    def test_a_model_that_is_nowhere(self, tmp_path):
        assert "does not exist" in problem_of(tmp_path / "nothing" / "here")

    def test_no_network_says_how_to_fetch_a_model_beforehand(self):
        with pytest.raises(EvaluationError, match=r"hf download org/never-fetched --revision step-00050"):
            locate(target_of_model("org/never-fetched@step-00050"), chat_template=True)


class TestRun:
    def test_base_is_step_zero_and_incomplete_ones_are_skipped(self, policies, benchmarks, tmp_path):
        run = make_run(tmp_path / "r", policies, benchmarks[0])
        add_checkpoint(run, 30, policies[1])
        (run / "checkpoints" / "checkpoint-30" / "model.safetensors").unlink()
        found = targets_of_run(RunDirectory(run))
        assert {step: target.label for step, target in found.targets.items()} == {
            0: "step-0",
            10: "step-10",
            20: "step-20",
        }
        assert found.targets[0].model == str(policies[0])
        assert ["has no weights" in line for line in found.skipped] == [True]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--steps", "15"], "there is no checkpoint of step 15"),
            (["--all-steps", "--steps", "10"], "--all-steps and --steps: choose one"),
            ([], "say what to evaluate: --all-steps"),
            (["--all-steps", "--n", "0"], "--n: found 0, expected 1 or more"),
            (
                ["--all-steps", "--temperature", "0", "--n", "4"],
                "the 4 samples of a problem would be equal; give --n 1",
            ),
            (["--all-steps", "--benchmark", "aime2"], "did you mean 'aime2"),
            (["--all-steps", "--backend", "jax"], "found 'jax', expected one of transformers, vllm"),
            (["--steps", "10", "--revisions"], "name the model on the Hub"),
        ],
    )
    def test_mistakes_are_one_line_and_start_nothing(self, policies, benchmarks, tmp_path, arguments, said):
        run = make_run(tmp_path / "r", policies, benchmarks[0])
        given = [] if "--benchmark" in arguments else ["--benchmark", str(benchmarks[0])]
        printed = finish(dra_eval(run, *arguments, *given), status=2)
        assert said in printed
        assert "Traceback" not in printed
        assert not (run / "evals" / "logs").exists()


class TestSteps:
    def test_numbers_ranges_and_strides(self):
        known = [0, 50, 100, 150, 200, 250, 300]
        assert chosen_steps("50,150..250:50", known) == [50, 150, 200, 250]
        assert chosen_steps("100..300", known) == [100, 150, 200, 250, 300]
        assert chosen_steps("0", known) == [0]

    def test_mistakes_are_told_together(self):
        with pytest.raises(EvaluationError) as caught:
            chosen_steps("51,x,300..100,400..500", [0, 50, 100])
        assert len(caught.value.problems) == 4
        assert "no checkpoint of step 51" in caught.value.problems[0]
        assert "there are 0, 50, 100" in caught.value.problems[0]

    def test_coarse_and_around(self):
        steps = [10, 20, 30, 40, 50, 60]
        assert coarse(steps, 3) == [10, 40, 60]
        assert around(steps, 40, 3) == [20, 30, 50, 60]
        assert around(steps, 10, 2) == [20]


class TestFingerprints:
    def test_replaced_content_of_the_same_size_is_noticed(self, checkpoint, tmp_path):
        model = locate(Target(label="x", model=str(checkpoint)), chat_template=True)
        hashes = Fingerprints(tmp_path)
        before = hashes.model(model)
        hashes.remember()
        assert Fingerprints(tmp_path).model(model) == before
        weights = checkpoint / "model.safetensors"
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        old = weights.stat()
        weights.write_bytes(content)
        os.utime(weights, ns=(old.st_atime_ns, old.st_mtime_ns))
        after = Fingerprints(tmp_path).model(model)
        assert after["weights"]["model.safetensors"] != before["weights"]["model.safetensors"]
        assert after["tokenizer"] == before["tokenizer"]

    def test_chat_template_and_generation_settings_count(self, checkpoint, tmp_path):
        model = locate(Target(label="x", model=str(checkpoint)), chat_template=True)
        before = Fingerprints(tmp_path).model(model)
        (checkpoint / "chat_template.jinja").write_text("{{ messages }}")
        assert Fingerprints(tmp_path).model(model) != before
        (checkpoint / "generation_config.json").write_text("{}")
        assert Fingerprints(tmp_path).model(model)["weights"] != before["weights"]

    def test_files_are_hashed_once(self, checkpoint, tmp_path):
        path = checkpoint / "model.safetensors"
        Fingerprints(tmp_path).remember()
        hashes = Fingerprints(tmp_path)
        first = hashes.file(path)
        hashes.remember()
        remembered = json.loads((tmp_path / ".hashes.json").read_text())
        remembered[str(path.resolve())][-1] = "remembered"
        (tmp_path / ".hashes.json").write_text(json.dumps(remembered))
        assert Fingerprints(tmp_path).file(path) == "remembered" != first

    def test_a_damaged_memory_only_costs_time(self, checkpoint, tmp_path):
        (tmp_path / ".hashes.json").write_text("{torn")
        assert len(Fingerprints(tmp_path).file(checkpoint / "model.safetensors")) == 64


def test_seeds_depend_on_everything_that_names_a_sample():
    seeds = {sample_seed(s, b, p, n) for s in (0, 1) for b in ("a", "b") for p in ("x", "y") for n in (0, 1)}
    assert len(seeds) == 16
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert sample_seed(0, "aime24", "x", 3) == sample_seed(0, "aime24", "x", 3)


def test_settings_refuse_what_cannot_be():
    for wrong in ({"n": 0}, {"n": 1, "temperature": -1}, {"n": 1, "top_p": 0}, {"n": 1, "max_new_tokens": 0}):
        with pytest.raises(EvaluationError, match="expected"):
            Sampling(**wrong)
    with pytest.raises(EvaluationError, match="only --backend vllm"):
        Engine(tensor_parallel=2)


def test_two_checkpoints_of_one_folder_name_have_labels_of_their_own(checkpoint, tmp_path):
    other = tmp_path / "b" / "checkpoint"
    shutil.copytree(checkpoint, other)
    assert target_of_model(str(checkpoint)).label != target_of_model(str(other)).label
