"""The adapter for verl, in verl's own trainer class: its registry, its TransferQueue, its advantages; no GPU, no workers."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

verl = pytest.importorskip("verl")
torch = pytest.importorskip("torch")

from hydra import compose, initialize_config_dir  # noqa: E402

from dra_toolkit import DiversitySettings, Run, adjust_rows  # noqa: E402
from dra_toolkit.diversity import ESTIMATORS  # noqa: E402
from dra_toolkit.embedding import EmbedderSettings, load_embedder  # noqa: E402
from dra_toolkit.errors import RunError  # noqa: E402
from dra_toolkit.inspection.lint.linting import lint  # noqa: E402
from dra_toolkit.inspection.verify import verify  # noqa: E402

SIZES = {"a": 8, "b": 8, "c": 5, "d": 8}
SEPARATE = ["actor_rollout_ref.rollout.nnodes=1", "actor_rollout_ref.rollout.checkpoint_engine.backend=nccl"]


class Letters:
    """A tokenizer of one-letter words; 0 ends a text."""

    eos_token_id = 0
    pad_token_id = 0

    def decode(self, ids, skip_special_tokens=True):
        return " ".join(chr(96 + int(i)) for i in ids if int(i))


@pytest.fixture(scope="module")
def queue():
    import ray
    import transfer_queue as tq

    ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False)
    config = compose_config()
    tq.init(config.transfer_queue)
    yield tq
    tq.close()
    ray.shutdown()


def compose_config(*overrides: str):
    folder = os.path.join(os.path.dirname(verl.__file__), "trainer", "config")
    with initialize_config_dir(folder, version_base=None):
        config = compose(
            "ppo_trainer", overrides=["data.max_response_length=12", "algorithm.adv_estimator=grpo", *overrides]
        )
    config.transfer_queue.backend.SimpleStorage.num_data_storage_units = 1
    return config


def trainer_of(folder, *overrides: str, mode: str = "sync", settings: str = ""):
    from verl.trainer.ppo.v1 import get_trainer_cls

    file = folder / "dra.yaml"
    file.write_text(f"output_dir: {folder / 'run'}\nembedder: hash\n{settings}")
    config = compose_config(f"trainer.v1.trainer_mode=dra_{mode}", f"+dra.settings={file}", *overrides)
    trainer = get_trainer_cls(config.trainer.v1.trainer_mode)(config)
    trainer.tokenizer, trainer.global_steps = Letters(), 1
    return trainer


def rows_of(sizes: dict[str, int], seed: int = 0, turns: int = 1):
    """Rows of whole groups, shuffled: completions of random letters with a few repeats, rewards 0, 0.5 or 1."""
    rng = np.random.default_rng(seed)
    rows = []
    for uid, size in sizes.items():
        for session in range(size):
            reward = float(rng.choice([0, 0.5, 1]))
            for turn in range(turns):
                length = int(rng.integers(2, 12))
                ids = torch.tensor([*rng.integers(1, 4, length - 1), 0 if rng.random() < 0.7 else 5])
                scores = torch.zeros(length)
                scores[-1] = reward
                rows.append(
                    (f"{uid}_{session}_{turn}", row_fields(uid, ids, scores, torch.ones(length, dtype=torch.int64)))
                )
    order = rng.permutation(len(rows))
    return [rows[i] for i in order]


def row_fields(uid, ids, scores, mask):
    return {
        "uid": uid,
        "raw_prompt": [{"role": "user", "content": f"prompt {uid}"}],
        "reward_model": {"ground_truth": "a"},
        "responses": ids,
        "response_mask": mask,
        "rm_scores": scores,
        "rollout_log_probs": torch.full((len(ids),), -0.5),
        "old_log_probs": torch.full((len(ids),), -0.5),
    }


def put(tq, rows, partition: str, tags=None):
    from verl.utils.tensordict_utils import list_of_dict_to_tensordict

    keys = [key for key, _ in rows]
    tags = tags or [{} for _ in keys]
    return tq.kv_batch_put(
        keys=keys, partition_id=partition, fields=list_of_dict_to_tensordict([fields for _, fields in rows]), tags=tags
    )


def read(tq, batch, name):
    return list(tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=[name])[name].unbind())


def verls_own(scores, groups):
    """verl's GRPO, called on scores in the order of the rows."""
    from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage

    values = torch.tensor(np.asarray(scores, dtype=np.float32))[:, None]
    found, _ = compute_grpo_outcome_advantage(values, torch.ones_like(values), np.array(groups, dtype=object))
    return found[:, 0].numpy()


@pytest.mark.parametrize("mode", ["sync", "colocate_async", "separate_async"])
def test_every_mode_is_registered_and_keeps_verls_own_name_inside(tmp_path, mode):
    overrides = ["data.train_batch_size=4", "actor_rollout_ref.actor.ppo_mini_batch_size=1"]
    overrides += SEPARATE if mode == "separate_async" else []
    trainer = trainer_of(tmp_path, *overrides, mode=mode)
    try:
        assert type(trainer).__mro__[2].__name__.startswith("PPOTrainer")
        assert trainer.trainer_mode == mode
    finally:
        trainer.dra.recorded.close()


def test_ragged_shuffled_groups_get_verls_advantages_of_adjusted_rewards(queue, tmp_path, capsys):
    trainer = trainer_of(tmp_path)
    assert "DRA is on in verl: diversity graph_cut, embedder hash" in capsys.readouterr().out
    rows, metrics = rows_of(SIZES), {}
    batch = trainer._compute_advantage(put(queue, rows, "p1"), metrics)
    texts = [Letters().decode(fields["responses"]) for _, fields in rows]
    ids = [fields["uid"] for _, fields in rows]
    totals = np.array([float(fields["rm_scores"].sum()) for _, fields in rows])
    vectors = load_embedder(EmbedderSettings(name="hash")).embed(texts).vectors
    expected = adjust_rows(ids, totals=totals, embeddings=vectors).adjusted
    used = np.array([float(each[0]) for each in read(queue, batch, "advantages")])
    np.testing.assert_allclose(used, verls_own(expected, ids), atol=1e-6)
    assert np.abs(used - verls_own(totals, ids)).max() > 0.05
    assert [float(each.sum()) for each in read(queue, batch, "rm_scores")] == totals.tolist()  # verl logs its own
    assert metrics["diversity/weight"] < 1
    trainer.dra.recorded.close()
    run = Run.open(tmp_path / "run")
    records = list(run.groups(step=1))
    assert sorted(len(record.group) for record in records) == sorted(SIZES.values())
    by_text = {(record.group.prompt[0].content, text) for record in records for text in record.group.completions}
    assert by_text == {(f"prompt {uid}", text) for uid, text in zip(ids, texts, strict=True)}
    first = next(record for record in records if record.group.prompt[0].content == "prompt c")
    places = [row for row, uid in enumerate(ids) if uid == "c"]
    np.testing.assert_allclose(first.advantages, used[places], atol=1e-7)
    assert (first.group.gold, run.facts()[0].estimator) == ("a", ESTIMATORS["verl"])
    checked = verify(run)
    assert checked.problems == []
    assert checked.largest_replay_error < 1e-5


def test_only_the_last_output_of_a_session_is_a_member_and_padding_is_none(queue, tmp_path):
    trainer = trainer_of(tmp_path)
    rows = rows_of({"a": 4, "b": 3}, seed=1, turns=3)
    pad = row_fields("pad0", torch.tensor([0]), torch.zeros(1), torch.zeros(1, dtype=torch.int64))
    rows += [(f"pad0_{i}_0", pad) for i in range(2)]
    tags = [{"is_padding": key.startswith("pad")} for key, _ in rows]
    batch = trainer._compute_advantage(put(queue, rows, "p2", tags), {})
    last = [i for i, (key, _) in enumerate(rows) if key.endswith("_2")]
    texts = [Letters().decode(rows[i][1]["responses"]) for i in last]
    ids = [rows[i][1]["uid"] for i in last]
    totals = np.array([float(rows[i][1]["rm_scores"].sum()) for i in last])
    vectors = load_embedder(EmbedderSettings(name="hash")).embed(texts).vectors
    expected = verls_own(adjust_rows(ids, totals=totals, embeddings=vectors).adjusted, ids)
    told = read(queue, batch, "advantages")
    np.testing.assert_allclose([float(told[i][0]) for i in last], expected, atol=1e-6)
    by_session = {rows[i][0].rsplit("_", 1)[0]: value for i, value in zip(last, expected, strict=True)}
    for (key, _), values in zip(rows, told, strict=True):
        wanted = by_session.get(key.rsplit("_", 1)[0], 0.0)
        np.testing.assert_allclose(values.numpy(), wanted, atol=1e-6)
    trainer.dra.recorded.close()
    assert sum(len(record.group) for record in Run.open(tmp_path / "run").groups(step=1)) == 7


def test_output_of_tools_is_not_the_policys(queue, tmp_path):
    trainer = trainer_of(tmp_path)
    rows = rows_of({"a": 4}, seed=2)
    mask = torch.ones(6, dtype=torch.int64)
    mask[2:4] = 0
    scores = torch.zeros(6)
    scores[-1] = 1.0
    rows[0] = (rows[0][0], row_fields("a", torch.tensor([1, 1, 9, 9, 2, 0]), scores, mask))
    trainer._compute_advantage(put(queue, rows, "p3"), {})
    trainer.dra.recorded.close()
    (record,) = Run.open(tmp_path / "run").groups(step=1)
    assert (record.group.completions[0], int(record.group.token_counts[0])) == ("a a b", 4)
    assert [(turn.role, turn.content) for turn in record.group.turns[0]] == [
        ("assistant", "a a"),
        ("tool", "i i"),
        ("assistant", "b"),
    ]
    assert record.group.turns[1:] == (None,) * 3


def test_a_measure_that_acts_on_advantages_puts_ours_in_their_place(queue, tmp_path):
    trainer = trainer_of(tmp_path, "algorithm.norm_adv_by_std_in_grpo=False", settings="diversity: set_utility\n")
    rows = rows_of(SIZES, seed=3)
    batch = trainer._compute_advantage(put(queue, rows, "p4"), {})
    texts = [Letters().decode(fields["responses"]) for _, fields in rows]
    ids = [fields["uid"] for _, fields in rows]
    totals = np.array([float(fields["rm_scores"].sum()) for _, fields in rows])
    vectors = load_embedder(EmbedderSettings(name="hash")).embed(texts).vectors
    settings = DiversitySettings(measure="set_utility")
    expected = adjust_rows(ids, totals=totals, embeddings=vectors, settings=settings).advantages("none")
    used = [float(each[0]) for each in read(queue, batch, "advantages")]
    np.testing.assert_allclose(used, expected, atol=1e-6)
    trainer.dra.recorded.close()


def test_a_reward_that_is_nan_is_told_and_nothing_is_trained(queue, tmp_path):
    trainer = trainer_of(tmp_path)
    rows = rows_of({"a": 4}, seed=4)
    rows[1][1]["rm_scores"][-1] = float("nan")
    with pytest.raises(
        RunError,
        match=r"1 of 4 completions of step 1 have no finite total, .* a \(reward nan\)",
    ):
        trainer._compute_advantage(put(queue, rows, "p5"), {})
    trainer.dra.recorded.close()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["algorithm.adv_estimator=rloo"], "expected adv_estimator=grpo"),
        (["algorithm.use_kl_in_reward=True"], "use_kl_in_reward=False"),
        (["dra.settings=null"], "dra.settings: missing"),
    ],
)
def test_what_the_record_could_not_describe_is_refused(tmp_path, overrides, said):
    with pytest.raises(RunError, match=said):
        trainer_of(tmp_path, *overrides)


def test_another_version_of_verl_is_told_in_one_line(monkeypatch, capsys):
    from dra_toolkit.adapters import verl as adapter

    monkeypatch.setattr(verl, "__version__", "0.7.0")
    monkeypatch.setattr(sys, "argv", ["main_ppo", "trainer.v1.trainer_mode=dra_sync"])
    adapter.register()
    assert capsys.readouterr().err == "DRA is off in verl: found verl 0.7.0, expected 0.9.x; install verl==0.9.1\n"


def dump_by_verl(folder, keys_of):
    """Write two steps with verl's own code, of 8 prompts with 4 sessions each and two outputs of each session."""
    from types import SimpleNamespace

    from verl.trainer.ppo.v1.trainer_base import PPOTrainer

    drawn = np.random.default_rng(0)
    for step in (1, 2):
        rows = [(p, session, turn) for p in range(8) for session in range(4) for turn in (0, 1)]
        writer = SimpleNamespace(global_steps=step, _write_generations=PPOTrainer._write_generations)
        PPOTrainer._init_dump_executor(writer)
        PPOTrainer._dump_generations(
            writer,
            inputs=[f"user\nWhat is {p} + {step}?\nassistant\n" for p, _, _ in rows],
            outputs=[f"step {step}: prompt {p}, way {session}, turn {turn}" for p, session, turn in rows],
            gts=[str(p + step) for p, _, _ in rows],
            scores=drawn.integers(0, 2, size=len(rows)).astype(float).tolist(),
            reward_extra_infos_dict={"uid": [keys_of(step, *row) for row in rows]},
            dump_path=str(folder),
        )
        PPOTrainer._shutdown_dump_executor(writer)
    return lint(folder)


def test_a_dump_that_verl_wrote_is_clean_and_its_lost_groups_are_found(tmp_path):
    report = dump_by_verl(tmp_path / "sound", lambda step, p, session, turn: f"{step}-{p}_{session}_{turn}")
    assert (report.format, report.completions, report.groups, report.findings) == ("verl", 64, 16, ())
    split = dump_by_verl(tmp_path / "split", lambda step, p, session, turn: f"{step}-{p}-{session}_0_{turn}")
    assert {found.kind for found in split.findings} >= {"groups of one", "ids finer than the group"}
