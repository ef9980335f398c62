"""Seeded faults in generated dumps of four formats are all found; what real trainers wrote is clean."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.diversity import ESTIMATORS, group_advantages, total_rewards

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

Row = dict[str, Any]
G, PROMPTS = 4, ("What is 2 + 3?", "What is 4 + 4?", "What is 5 + 1?", "What is 9 - 2?")


def sound() -> list[Row]:
    """Return two steps of four groups of four, with advantages as TRL makes them."""
    rows = []
    for step in (1, 2):
        for p, prompt in enumerate(PROMPTS):
            rewards = np.array([[1.0, 0.0, float((p + step) % 2), 0.0]])
            advantages = group_advantages(rewards, ESTIMATORS["trl"])[0]
            rows += [
                {
                    "step": step, "group": f"{step}-{p}", "prompt": prompt, "text": f"way {i} in step {step}: {p}{i}",
                    "reward": rewards[0, i], "advantage": float(advantages[i]), "gold": str(p),
                }
                for i in range(G)
            ]  # fmt: skip
    return rows


def write(format: str, rows: list[Row], folder: Path) -> Path:
    """Write rows as a trainer would; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    steps = dict.fromkeys(row["step"] for row in rows)
    for step in steps:
        of_step = [row for row in rows if row["step"] == step]
        if format == "verl":
            made = [
                {
                    "input": r["prompt"], "output": r["text"], "score": r["reward"], "step": step, "gts": r["gold"],
                    "uid": r["group"],
                }
                for r in of_step
            ]  # fmt: skip
            (folder / f"{step}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
        elif format == "trl":
            (folder / "completions").mkdir(exist_ok=True)
            columns = {
                "step": "step",
                "prompt": "prompt",
                "completion": "text",
                "right": "reward",
                "advantage": "advantage",
                "solution": "gold",
            }
            more = [name for name in of_step[0] if name == "diversity"]
            table = {new: [r[old] for r in of_step] for new, old in [*columns.items(), *zip(more, more, strict=True)]}
            pq.write_table(pa.table(table), folder / "completions" / f"completions_{step:05d}.parquet")
        elif format == "ms-swift":
            names = {"prompt": "prompt", "completion": "text", "Right": "reward", "advantages": "advantage"}
            columns = {new: [r[old] for r in of_step] for new, old in names.items()}
            with open(folder / "completions.jsonl", "a") as file:
                file.write(json.dumps({"step": [str(step)] * len(of_step), **columns}) + "\n")
        else:
            with open(folder / "rows.jsonl", "a") as file:
                file.writelines(json.dumps({**r, "completion": r["text"]}) + "\n" for r in of_step)
    return folder


def look(source: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Return the exit status of `dra lint`, and what it found by kind."""
    ran = CliRunner().invoke(app, ["lint", str(source), *arguments, "--json"])
    assert ran.stdout, ran.output
    report = json.loads(ran.stdout)
    return ran.exit_code, {found["kind"]: found for found in report["findings"]}


def named(format: str) -> tuple[str, ...]:
    return ("--group-column", "group") if format == "jsonl" else ()


FORMATS = ("verl", "trl", "ms-swift", "jsonl")
WITH_IDS = ("verl", "jsonl")


@pytest.mark.parametrize("format", FORMATS)
def test_a_sound_dump_has_no_finding(tmp_path, format):
    assert look(write(format, sound(), tmp_path), *named(format)) == (0, {})


def slime(row: Row) -> Row:
    """Return a row as the documented line writes slime's samples."""
    return {
        "group_index": row["group"], "prompt": [{"role": "user", "content": row["prompt"]}], "response": row["text"],
        "reward": row["reward"], "label": row["gold"],
    }  # fmt: skip


def skyrl(row: Row) -> Row:
    """Return a row as SkyRL dumps trajectories: chats, an id of prompt and repetition, the environment's reward."""
    return {
        "input_prompt": [{"role": "user", "content": row["prompt"]}],
        "output_response": [{"role": "assistant", "content": row["text"]}], "score": row["reward"],
        "data_source": "own", "uid": row["group"], "stop_reason": "stop",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("made", "options"),
    [
        (slime, "--group-column group_index --completion-column response --reward-column reward"),
        (
            skyrl,
            "--group-column uid --prompt-column input_prompt --completion-column output_response --reward-column score",
        ),
    ],
)
def test_a_sound_dump_of_another_shape_has_no_finding(tmp_path, made, options):
    rows = sound()
    for step in (1, 2):
        of_step = (json.dumps(made(row)) + "\n" for row in rows if row["step"] == step)
        (tmp_path / f"{step}.jsonl").write_text("".join(of_step))
    assert look(tmp_path, *options.split()) == (0, {})
    status, found = look(write_only(tmp_path / "one", made(rows[0])), *options.split())
    assert status == 1
    assert "groups of one" in found


def write_only(folder: Path, row: Row) -> Path:
    folder.mkdir()
    (folder / "1.jsonl").write_text(json.dumps(row) + "\n")
    return folder


def test_sessions_and_outputs_of_verl_are_one_completion_each(tmp_path):
    rows = [
        {"input": r["prompt"], "output": f"turn {turn}: {r['text']}", "score": r["reward"], "step": r["step"],
         "gts": r["gold"], "uid": f"{r['group']}_{i % G}_{turn}"}
        for i, r in enumerate(sound()) for turn in (0, 1)
    ]  # fmt: skip
    for step in (1, 2):
        (tmp_path / f"{step}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows if r["step"] == step))
    assert look(tmp_path) == (0, {})


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_pickle_is_refused_in_one_line_and_not_opened(tmp_path, is_folder):
    (tmp_path / "rollout_1.pt").write_bytes(b"PK\x03\x04 no pickle at all")
    ran = CliRunner().invoke(app, ["lint", str(tmp_path if is_folder else tmp_path / "rollout_1.pt")])
    assert ran.exit_code == 2
    said = " ".join(ran.stderr.split())
    assert "rollout_1.pt, a pickle, which may run code and is not opened" in said
    assert "docs/import-export.md" in said
    assert "Traceback" not in ran.output


def change(function: Callable[[int, Row], Row]) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [function(i, row) for i, row in enumerate(rows)]


FAULTS: dict[str, tuple[str, tuple[str, ...], Callable[[list[Row]], list[Row]]]] = {
    "every prompt carries a mark of its sample": (
        "groups of one", FORMATS,
        change(lambda i, r: {**r, "prompt": f"{r['prompt']} [sample {i}]", "group": f"{i}"}),
    ),
    "an identity for each row": ("ids finer than the group", WITH_IDS, change(lambda i, r: {**r, "group": f"row {i}"})),
    "an identity for all rows": ("several prompts in a group", WITH_IDS, change(lambda i, r: {**r, "group": "one"})),
    "an identity for two prompts": (
        "several prompts in a group", WITH_IDS, change(lambda i, r: {**r, "group": f"{r['step']}-{i // 8}"}),
    ),
    "two identities for each prompt": (
        "a prompt in several groups", WITH_IDS, change(lambda i, r: {**r, "group": f"{r['group']}-{i % 2}"}),
    ),
    "a lost row": ("unequal groups", FORMATS, lambda rows: rows[:1] + rows[2:]),
    "each row twice": ("duplicated rows", FORMATS, lambda rows: [row for row in rows for _ in range(2)]),
    "a step written again": (
        "duplicated rows", WITH_IDS, lambda rows: rows + [{**r, "step": 3, "group": f"3{r['group']}"} for r in rows[16:]],
    ),
    "a reward that never varies": ("rewards that never vary", FORMATS, change(lambda i, r: {**r, "reward": 0.5})),
    "nothing tells completions apart": ("all-equal groups", FORMATS, change(lambda i, r: {**r, "reward": i // 16 + 0.0})),
    "empty completions": ("completions lost", FORMATS, change(lambda i, r: {**r, "text": "" if i == 3 else r["text"]})),
    "advantages of raw rewards": (
        "advantages are not centred", ("trl", "ms-swift", "jsonl"), change(lambda i, r: {**r, "advantage": r["reward"]}),
    ),
    "advantages of other rewards": (
        "advantages of no known estimator", ("trl", "ms-swift", "jsonl"),
        change(lambda i, r: {**r, "advantage": (0.9, 0.3, -0.4, -0.8)[i % 4]}),
    ),
    "an adjustment's column": ("rewards adjusted twice", ("trl",), change(lambda i, r: {**r, "diversity": -0.1 * (i % 3)})),
    "golds that say nothing": (
        "unreadable golds", ("verl", "trl", "jsonl"),
        change(lambda i, r: {**r, "gold": "so $a$ and $b$ are both smaller than it"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "format"), [(fault, format) for fault, made in FAULTS.items() for format in made[1]])
def test_a_seeded_fault_is_found(tmp_path, fault, format):
    kind, _, seed = FAULTS[fault]
    status, found = look(write(format, seed(sound()), tmp_path), *named(format))
    assert status == 1
    assert kind in found
    assert found[kind]["count"] > 0
    assert all(found[kind][part] for part in ("example", "why", "mends", "of"))


def test_shuffled_rows_of_a_format_without_identities_are_groups_of_one(tmp_path):
    rows = sound()
    mixed = [rows[step * 16 + i * 4 + g] for step in range(2) for g in range(4) for i in range(4)]
    assert "groups of one" in look(write("trl", mixed, tmp_path))[1]


def test_torn_lines_are_counted_and_the_rest_is_looked_at(tmp_path):
    folder = write("verl", sound(), tmp_path)
    with open(folder / "1.jsonl", "a") as file:
        file.write('{"input": "torn')
    assert look(folder)[1]["rows that cannot be read"]["count"] == 1


def test_cut_completions_that_are_rewarded_are_found_in_a_run(tmp_path):
    from dataclasses import replace

    from recorded import make_run, record, record_all

    found = record(1, 0)
    cut = replace(found, group=replace(found.group, finish_reasons=("length",) * len(found.group)))
    directory = make_run(tmp_path / "r")
    record_all(directory, [cut, record(1, 1)])
    status, kinds = look(directory.path)
    assert (status, kinds["cut completions rewarded"]["count"]) == (1, 1)


def test_advantages_of_a_run_must_be_those_of_its_settings(tmp_path):
    from dataclasses import replace

    from recorded import make_run, record, record_all

    sound_groups = [record(step, index) for step in (1, 2) for index in range(3)]
    directory = make_run(tmp_path / "sound")
    record_all(directory, sound_groups[:3], sound_groups[3:])
    assert look(directory.path) == (0, {})
    plain = replace(sound_groups[4], advantages=sound_groups[4].plain_advantages)
    directory = make_run(tmp_path / "left out")
    record_all(directory, sound_groups[:3], [sound_groups[3], plain, sound_groups[5]])
    status, kinds = look(directory.path)
    told = kinds["advantages of other settings"]
    assert (status, [*kinds]) == (1, ["advantages of other settings"])
    assert (told["count"], told["of"], told["unit"]) == (3, 18, "completions")
    assert told["example"].startswith("train step 2, group 1: ")


@pytest.mark.parametrize("beta", [0.05, 0])
def test_a_kl_term_in_the_advantages_is_no_finding_where_it_belongs_there(tmp_path, beta):
    from dataclasses import replace

    from recorded import FACTS, make_run, record, record_all

    from dra_toolkit.inspection.verify import verify
    from dra_toolkit.runs import Run

    directory = make_run(tmp_path / "run", f"beta: {beta}\n")
    record_all(directory, [record(1, i) for i in range(3)], facts=replace(FACTS, estimator=ESTIMATORS["rloo"]))
    checked = verify(Run.open(directory.path))
    assert (look(directory.path)[0], bool(checked.problems)) == ((0, False) if beta else (1, True))
    assert any("KL term" in note for note in checked.notes) == bool(beta)


@pytest.mark.parametrize("spoilt", [False, True])
def test_an_imported_run_has_the_findings_of_its_dump_on_advantages(tmp_path, spoilt):
    from dra_toolkit.runs.importers.importing import import_run

    rows = sound()
    for i, row in enumerate(rows if spoilt else ()):
        row["advantage"] = float(i % 5)
    write("trl", rows, tmp_path / "dump")
    import_run(tmp_path / "dump", tmp_path / "run")
    of_dump, of_run = look(tmp_path / "dump"), look(tmp_path / "run")
    assert [*of_run[1]] == [*of_dump[1]]
    assert ("advantages of no known estimator" in of_run[1]) is spoilt


def test_a_dump_that_was_written_anew_is_seen_as_it_is(tmp_path):
    folder = write("ms-swift", sound(), tmp_path)
    assert look(folder) == (0, {})
    file = folder / "completions.jsonl"
    file.write_text(file.read_text().replace('"Right"', '"Far right"'))
    assert look(folder) == (0, {})
    file.write_text("")
    assert CliRunner().invoke(app, ["lint", str(folder)]).exit_code == 2


def test_words_of_the_report(tmp_path):
    ran = CliRunner().invoke(app, ["lint", str(write("trl", sound()[1:], tmp_path / "a"))])
    assert "unequal groups: 1 of 8 groups, such as train step 1, group 0 has 3 completions" in ran.stdout
    assert "What mends it: look for the samples that are missing" in ran.stdout
    ran = CliRunner().invoke(app, ["lint", str(write("trl", sound(), tmp_path / "b"))])
    assert (ran.exit_code, ran.stdout.splitlines()[-1]) == (0, "nothing found")
    ran = CliRunner().invoke(app, ["lint", str(tmp_path / "nowhere")])
    assert (ran.exit_code, "there is no such file or folder" in ran.output) == (2, True)


def test_a_policy_that_says_little_is_not_taken_for_rows_that_were_written_twice(tmp_path):
    drawn = np.random.default_rng(0)
    rows = [
        {"step": step, "group": f"{step}-{p}", "prompt": f"{p} + 1", "completion": f"{said}.", "r_reward": int(said)}
        for step in range(60) for p in range(8) for said in drawn.choice(3, 8, p=(0.15, 0.75, 0.1))
    ]  # fmt: skip
    twice = [row for row in rows if row["step"] < 30] + [row for row in rows if row["step"] == 29]
    for name, written in (("once", rows), ("twice", twice)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in written))
    assert "duplicated rows" not in look(tmp_path / "once.jsonl", *named("jsonl"))[1]
    assert "duplicated rows" in look(tmp_path / "twice.jsonl", *named("jsonl"))[1]


def weighted(made: str, weights: tuple[float, ...], *, abstains: bool = False) -> list[Row]:
    """Return rows of several rewards, with the advantages that an engine makes of their weighted sum, as float32."""
    drawn = np.random.default_rng(0)
    rewards = drawn.integers(0, 5, size=(2, 8, G, len(weights))) / 4
    rewards[drawn.random(rewards.shape) < 0.2 * abstains] = np.nan
    rows = []
    for step, of_step in enumerate(rewards, start=1):
        advantages = group_advantages(total_rewards(of_step, np.array(weights)), ESTIMATORS[made]).astype(np.float32)
        rows += [
            {
                "step": step, "group": f"{step}-{p}", "prompt": f"What is {p} + {step}?", "completion": f"{step} {p} {i}",
                **{f"r{k}_reward": None if np.isnan(r) else r for k, r in enumerate(of_step[p, i])},
                "advantage": float(advantages[p, i]),
            }
            for p in range(8) for i in range(G)
        ]  # fmt: skip
    return rows


WEIGHTS = ((1.0, 0.5), (2.0, 0.5, 0.25), (1.0, 0.0), (0.2, 0.8, 1.0, 2.0), (1.0, -0.1), (1 / 3, 1.0))


@pytest.mark.parametrize("made", ["trl", "trl_batch", "trl_none", "trl_async", "rloo", "verl", "openrlhf"])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("abstains", [False, True])
def test_weights_of_rewards_are_found_from_the_advantages(tmp_path, made, weights, abstains):
    rows = weighted(made, weights, abstains=abstains)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = CliRunner().invoke(app, ["lint", str(tmp_path), *named("jsonl"), "--json"])
    report = json.loads(ran.stdout)
    assert (ran.exit_code, report["findings"]) == (0, [])
    said = [
        float(part.split()[1])
        for part in report["reward_weights"].removesuffix(", found from the advantages").split(", ")
    ]
    np.testing.assert_allclose(np.array(said) / max(said), np.array(weights) / max(weights), atol=1e-3)
    ran = CliRunner().invoke(app, ["lint", str(tmp_path), *named("jsonl")])
    assert "reward weights: r0_reward " in ran.stdout


@pytest.mark.parametrize(
    "spoil",
    [
        lambda i, row: {**row, "advantage": -row["advantage"]},
        lambda i, row: {**row, "advantage": (0.9, 0.3, -0.4, -0.8)[i * 7 % 5 % 4]},
    ],
)
def test_advantages_that_no_weights_explain_are_still_found(tmp_path, spoil):
    rows = change(spoil)(weighted("trl", (1.0, 0.5)))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "advantages of no known estimator" in look(tmp_path, *named("jsonl"))[1]


@pytest.mark.parametrize("weights", [[1.0, 0.5], [2.0, 0.0], [0.2, 0.8]])
@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_what_trl_wrote_of_weighted_rewards_is_clean_and_imports_with_these_weights(tmp_path, weights, scale):
    import tiny
    from trl import GRPOTrainer

    from dra_toolkit.inspection.verify import verify
    from dra_toolkit.runs import Run
    from dra_toolkit.runs.importers.importing import import_run

    def shorter(completions, **columns):
        return [1 / (1 + len(text if isinstance(text, str) else text[0]["content"])) for text in completions]

    policy = tiny.save_policy(tmp_path / "policy")
    changes = {"log_completions": True, "max_steps": 3, "reward_weights": weights, "scale_rewards": scale}
    config = tiny.grpo_config(tmp_path / "out", **changes)
    functions = [tiny.letters, shorter]
    GRPOTrainer(model=str(policy), reward_funcs=functions, args=config, train_dataset=tiny.prompts()).train()
    assert look(tmp_path / "out") == (0, {})
    import_run(tmp_path / "out", tmp_path / "run")
    run = Run.open(tmp_path / "run")
    found = np.array(list(run.facts()[0].reward_weights.values()))
    np.testing.assert_allclose(found / found.max(), np.array(weights) / max(weights), atol=1e-2)
    checked = verify(run)
    assert (checked.problems, checked.notes) == ([], ["steps: not compared, an imported run has no metrics"])
    assert checked.largest_replay_error < 1e-4


@pytest.mark.parametrize("kind", ["grpo", "gmpo", "ours"])
def test_what_real_trainers_wrote_is_clean(tmp_path, kind):
    import tiny
    from trl import GRPOTrainer
    from trl.experimental.gmpo import GMPOConfig, GMPOTrainer

    from dra_toolkit import DRATrainer

    policy = tiny.save_policy(tmp_path / "policy")
    trainer = {"grpo": GRPOTrainer, "gmpo": GMPOTrainer, "ours": DRATrainer}[kind]
    changes = {"log_completions": True, "max_steps": 3}
    config = (
        GMPOConfig(str(tmp_path / "out"), **(tiny.SETTINGS | changes))
        if kind == "gmpo"
        else tiny.grpo_config(tmp_path / "out", **changes)
    )
    trainer(model=str(policy), reward_funcs=tiny.letters, args=config, train_dataset=tiny.prompts()).train()
    assert look(tmp_path / "out") == (0, {})
