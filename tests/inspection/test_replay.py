"""Replay against the plain way: one group after the other, with the trainer's own functions."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from recorded import FACTS, make_run, record, record_all

from dra_toolkit.diversity import DiversitySettings, adjust, group_advantages
from dra_toolkit.embedding.hashed import HashEmbedder
from dra_toolkit.errors import RecipeError, RunError
from dra_toolkit.inspection.replay.run import replay_groups, replay_run
from dra_toolkit.inspection.replay.settings import read_changes, recipe_lines
from dra_toolkit.runs import Recorder, Run
from dra_toolkit.runs.compaction import compact

UNEVEN = (3, 5, 4, 3, 1, 2)


def negative(original):
    """Return a group with totals below and above zero, so that their sign matters."""
    totals = original.adjustment.totals - 0.6
    adjustment = adjust(similarity=original.adjustment.similarity, totals=totals)
    return replace(
        original,
        group=replace(original.group, rewards={"a": totals, "b b": np.zeros_like(totals)}),
        adjustment=adjustment,
        plain_advantages=group_advantages(totals[None])[0],
        advantages=group_advantages(adjustment.adjusted[None])[0],
    )


@pytest.fixture(scope="module")
def batches():
    """Three steps of groups of several sizes, the second in two batches."""
    one = [[negative(record(step, i, G=G, seed=i, keep=True)) for i, G in enumerate(UNEVEN)] for step in (1, 2, 3)]
    again = [negative(record(2, i, G=4, seed=50 + i, batch=1, keep=True)) for i in range(3)]
    return [one[0], one[1], again, one[2]]


@pytest.fixture(scope="module")
def run(tmp_path_factory, batches):
    directory = make_run(tmp_path_factory.mktemp("replay") / "run")
    record_all(directory, *batches)
    return Run(directory)


def plainly(batch, settings, scaling):
    """Return the advantages of a batch, group by group, without the code under test."""
    adjusted = [
        adjust(similarity=r.adjustment.similarity, totals=r.adjustment.totals, settings=settings, step=r.step)
        for r in batch
    ]
    if scaling != "batch":
        return [group_advantages(a.adjusted[None], scaling)[0] for a in adjusted]
    std = np.concatenate([a.adjusted for a in adjusted]).std(ddof=1)
    return [(a.adjusted - a.adjusted.mean()) / (std + 1e-4) for a in adjusted]


class TestRecordedSettings:
    def test_reproduce_the_recorded_advantages(self, run):
        report = replay_run(run)
        assert report.differences.worst.error < 1e-12
        assert report.differences.beyond_rounding == 0
        total = report.differences.total()
        assert (total.groups, total.completions) == (3 * len(UNEVEN) + 3, 3 * sum(UNEVEN) + 12)
        assert (total.flips, total.rank_swaps, total.moved_share) == (0, 0, pytest.approx(0, abs=1e-12))

    def test_a_wrong_advantage_is_found_where_it_is(self, tmp_path):
        wrong = record(2, 1, G=4)
        advantages = wrong.advantages.copy()
        advantages[2] += 0.01
        directory = make_run(tmp_path / "run")
        record_all(directory, [record(1)], [record(2, 0, G=4), replace(wrong, advantages=advantages)])
        found = replay_run(Run(directory)).differences
        place = found.worst
        assert (place.step, place.group, place.completion) == (2, 1, 2)
        assert place.error == pytest.approx(0.01)
        assert found.beyond_rounding == 1

    def test_what_float32_does_to_a_nearly_solved_group_is_no_error(self, tmp_path):
        solved = record(1, 0, G=4)
        E = np.tile(np.array([[1.0, 0.0, 0.0, 0.0]], dtype=np.float32), (4, 1)) + 1e-2 * np.eye(4, dtype=np.float32)
        adjustment = adjust(embeddings=E, totals=np.full(4, 3.0))
        trained = group_advantages(adjustment.adjusted.astype(np.float32).astype(np.float64)[None])[0]
        group = replace(solved.group, rewards={"a": np.full(4, 3.0), "b b": np.zeros(4)})
        directory = make_run(tmp_path / "run")
        record_all(directory, [replace(solved, group=group, adjustment=adjustment, advantages=trained)])
        found = replay_run(Run(directory)).differences
        assert found.worst.error > 1e-5
        assert found.beyond_rounding == 0

    def test_an_advantage_that_is_no_number_counts_as_wrong(self, tmp_path):
        wrong = record(1, 1, G=4)
        directory = make_run(tmp_path / "run")
        record_all(directory, [record(1), replace(wrong, advantages=np.array([np.nan, *wrong.advantages[1:]]))])
        found = replay_run(Run(directory)).differences
        assert (found.wrong.group, found.wrong.completion, found.wrong.error) == (1, 0, float("inf"))
        assert found.beyond_rounding == 1
        assert np.isfinite(found.total().moved)

    def test_evaluation_was_never_adjusted(self, tmp_path):
        directory = make_run(tmp_path / "run")
        evaluated = record(1, mode="eval")
        record_all(directory, [replace(evaluated, advantages=evaluated.plain_advantages)])
        report = replay_run(Run(directory), mode="eval")
        assert report.settings.measure == "none"
        assert report.differences.worst.error < 1e-12

    def test_compaction_changes_nothing(self, tmp_path, batches):
        directory = make_run(tmp_path / "run")
        record_all(directory, *batches)
        before = replay_run(Run(directory), read_changes(["diversity=none"]))
        compact(directory.groups, everything=True, grace=0)
        after = replay_run(Run(directory), read_changes(["diversity=none"]))
        assert [p.is_dir() for p in directory.groups.iterdir()] == [True]
        assert list(after.differences.steps) == list(before.differences.steps)
        for step, sums in after.differences.steps.items():
            assert asdict(sums) == pytest.approx(asdict(before.differences.steps[step]), rel=1e-12)
        assert after.differences.groups == before.differences.groups

    def test_a_batch_recorded_again_counts_once(self, tmp_path, batches):
        directory = make_run(tmp_path / "run")
        record_all(directory, *batches)
        compact(directory.groups, everything=True, grace=0)
        record_all(directory, batches[1])
        assert replay_run(Run(directory)).differences.total().groups == 3 * len(UNEVEN) + 3

    def test_settings_that_changed_along_the_run_are_each_their_own(self, tmp_path):
        directory = make_run(tmp_path / "run")
        record_all(directory, [record(1)])
        plain = record(2)
        recorder = Recorder(directory.groups, replace(FACTS, diversity=DiversitySettings(measure="none")), tell=print)
        recorder.submit([replace(plain, advantages=plain.plain_advantages)])
        recorder.close()
        report = replay_run(Run(directory))
        assert report.settings_vary
        assert report.differences.worst.error < 1e-12


class TestOtherSettings:
    @pytest.mark.parametrize("scaling", ["group", "batch", "none"])
    @pytest.mark.parametrize(
        ("overrides", "settings"),
        [
            (["diversity=none"], {"measure": "none"}),
            (
                ["negative_totals=multiply", "diversity_weights=mean_one"],
                {"negative_totals": "multiply", "weights": "mean_one"},
            ),
            (
                ["similarity_floor=null", "zero_spread_groups=skip"],
                {"similarity_floor": None, "zero_spread_groups": "skip"},
            ),
        ],
    )
    def test_are_those_of_the_trainer_for_every_group(self, run, batches, overrides, settings, scaling):
        report = replay_run(run, read_changes([*overrides, f"scale_rewards={scaling}"]), top=100)
        wanted = replace(DiversitySettings(), **settings)
        moved = {
            (r.step, r.batch, r.index): np.abs(after - r.advantages)
            for batch in batches
            for r, after in zip(batch, plainly(batch, wanted, scaling), strict=True)
        }
        found = {(g.step, g.batch, g.group): g.moved for g in report.differences.groups}
        assert found == pytest.approx({key: each.sum() for key, each in moved.items() if each.max() > 1e-4})
        assert report.differences.total().moved == pytest.approx(sum(each.sum() for each in moved.values()))
        assert report.differences.total().changed_groups == len(found)

    def test_counts_are_those_of_two_loops(self, run, batches):
        report = replay_run(run, read_changes(["diversity=none", "scale_rewards=none"]))
        flips = swaps = 0
        recorded = replayed = moved = weighted = weights = 0.0
        for batch in batches:
            for r, after in zip(batch, plainly(batch, DiversitySettings(measure="none"), "none"), strict=True):
                before = r.advantages
                flips += sum(a * b < 0 and min(abs(a), abs(b)) > 1e-6 for a, b in zip(before, after, strict=True))
                for i in range(len(before)):
                    for j in range(i):
                        swaps += (before[i] - before[j]) * (after[i] - after[j]) < 0
                recorded += np.abs(before).sum()
                replayed += np.abs(after).sum()
                moved += np.abs(after - before).sum()
                weighted += (np.abs(after - before) * r.group.token_counts).sum()
                weights += (np.abs(before) * r.group.token_counts).sum()
        total = report.differences.total()
        assert flips > 0
        assert swaps > 0
        assert (total.flips, total.rank_swaps) == (flips, swaps)
        assert (total.recorded, total.replayed) == (pytest.approx(recorded), pytest.approx(replayed))
        assert total.moved_share == pytest.approx(moved / recorded)
        assert total.moved_share_tokens == pytest.approx(weighted / weights)
        assert sum(s.flips for s in report.differences.steps.values()) == flips

    @pytest.mark.parametrize("measure", ["log_det", "facility_location", "mmr", "darling", "cluster_size", "dqo"])
    def test_other_measures_agree_with_groups_in_memory(self, run, batches, measure):
        report = replay_run(run, read_changes([f"diversity={measure}"]), top=100)
        moved = {}
        for batch in batches:
            for one in replay_groups(batch, report.settings, "group"):
                key = (one.record.step, one.record.batch, one.record.index)
                moved[key] = np.abs(one.advantages - one.record.advantages)
        found = {(g.step, g.batch, g.group): g.moved for g in report.differences.groups}
        assert found == pytest.approx({key: each.sum() for key, each in moved.items() if each.max() > 1e-4}, rel=1e-4)

    def test_only_some_steps(self, run):
        report = replay_run(run, read_changes(["diversity=none"]), steps=(2, 2))
        assert list(report.differences.steps) == [2]
        with pytest.raises(RunError, match="no train groups are recorded of steps 8 to 9"):
            replay_run(run, steps=(8, 9))

    def test_embedding_anew(self, tmp_path):
        texts = ["one two three", "one two three", "four five", "six"]
        directory = make_run(tmp_path / "run")
        original = record(1, 0, G=4, texts=texts)
        record_all(directory, [original])
        seen = []
        report = replay_run(Run(directory), read_changes(["embedder=hash"]), embedded=seen.append)
        adjustment = adjust(embeddings=HashEmbedder().embed(texts).vectors, totals=original.adjustment.totals)
        expected = np.abs(group_advantages(adjustment.adjusted[None])[0] - original.advantages).sum()
        assert report.differences.total().moved == pytest.approx(expected)
        assert sum(seen) == 4
        assert report.embedder == "hash"

    def test_rank_slices_are_replayed_from_recorded_embeddings(self, tmp_path):
        settings = DiversitySettings(scope="rank_slice", slice_rows=3)
        records = [record(1, i, G=4, seed=i, keep=True) for i in range(3)]
        E = np.stack([r.embeddings for r in records]).astype(np.float16).astype(np.float32)
        totals = np.stack([r.adjustment.totals for r in records])
        adjustment = adjust(embeddings=E, totals=totals, settings=settings)
        advantages = group_advantages(adjustment.adjusted)
        sliced = [
            replace(r, adjustment=adjustment[i], advantages=advantages[i], embeddings=E[i])
            for i, r in enumerate(records)
        ]
        directory = make_run(tmp_path / "run")
        recorder = Recorder(directory.groups, replace(FACTS, diversity=settings), tell=print)
        recorder.submit(sliced)
        recorder.close()
        assert replay_run(Run(directory)).differences.worst.error < 1e-6
        by_group = replay_groups(sliced, settings)
        np.testing.assert_allclose([g.advantages for g in by_group], advantages, atol=1e-6)

    def test_rank_slices_without_embeddings_say_what_helps(self, tmp_path):
        directory = make_run(tmp_path / "run")
        record_all(directory, [record(1, i, G=4) for i in range(2)])
        with pytest.raises(RunError, match="embedder=hash, or the run's own, embeds the texts anew"):
            replay_run(Run(directory), read_changes(["diversity_scope=rank_slice", "per_device_train_batch_size=2"]))

    def test_unmeasured_similarity_says_what_helps(self, tmp_path):
        bare = record(1)
        nothing = np.full_like(bare.adjustment.similarity, np.nan)
        bare = replace(bare, adjustment=replace(bare.adjustment, similarity=nothing, adjusted=bare.adjustment.totals))
        directory = make_run(tmp_path / "run")
        recorder = Recorder(
            directory.groups, replace(FACTS, embedder="none", diversity=DiversitySettings(measure="none")), tell=print
        )
        recorder.submit([replace(bare, advantages=bare.plain_advantages)])
        recorder.close()
        run = Run(directory)
        assert replay_run(run).differences.worst.error < 1e-12
        with pytest.raises(RunError, match="embedder=hash, or the run's own, embeds the texts anew"):
            replay_run(run, read_changes(["diversity=graph_cut"]))
        assert replay_run(run, read_changes(["diversity=graph_cut", "embedder=hash"])).differences.total().groups == 1


def by_length(texts):
    """Return labels as a user's own function does."""
    return [len(text) % 2 for text in texts]


class TestLabels:
    def test_of_the_users_own_function(self, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(str(Path(__file__).parent))
        groups = [record(step, G=4, texts=["a", "bb", "ccc", "d" * step]) for step in (1, 2)]
        directory = make_run(tmp_path / "run")
        record_all(directory, *[[group] for group in groups])
        settings = DiversitySettings(measure="cluster_size", labels="test_replay.by_length")
        expected = [
            group_advantages(
                adjust(
                    similarity=group.adjustment.similarity,
                    totals=group.adjustment.totals,
                    labels=np.array(by_length(group.group.completions)),
                    settings=settings,
                ).adjusted[None]
            )[0]
            for group in groups
        ]
        changes = read_changes(["diversity=cluster_size", "diversity_labels=test_replay.by_length"])
        again = make_run(tmp_path / "again")
        record_all(again, *[[replace(group, advantages=each)] for group, each in zip(groups, expected, strict=True)])
        assert replay_run(Run(again), changes).differences.worst.error < 1e-9
        assert replay_run(Run(directory), changes).differences.worst.error > 0.01

    def test_a_function_that_is_not_there(self):
        with pytest.raises(RecipeError, match="no package or module 'no_such_module'"):
            read_changes(["diversity=cluster_size", "diversity_labels=no_such_module.at_all"])


class TestChanges:
    def test_every_problem_is_told_at_once_with_the_nearest_key(self):
        with pytest.raises(RecipeError) as caught:
            read_changes(["negatve_totals=multiply", "scale_rewards=grup", "seed=3", "oops"])
        told = "\n".join(caught.value.problems)
        assert len(caught.value.problems) == 4
        assert "did you mean 'negative_totals'" in told
        assert "did you mean 'group'" in told
        assert "no recorded group depends on it" in told
        assert "expected key=value" in told

    def test_embedders_that_cannot_embed_here(self):
        for name in ("policy", "none", "hsh"):
            with pytest.raises(RecipeError, match="embedder"):
                read_changes([f"embedder={name}"])
        with pytest.raises(RecipeError, match="no effect on a replay without embedder=NAME"):
            read_changes(["embedder_max_length=3"])

    def test_impossible_together(self):
        with pytest.raises(RecipeError, match="diversity_scope: mmr compares the completions of one prompt"):
            read_changes(["diversity=mmr", "diversity_scope=rank_slice"]).settings(FACTS, "train")

    def test_lines_are_a_recipe(self, tmp_path):
        from dra_toolkit.diversity import diversity_settings
        from dra_toolkit.recipe import load_recipe

        settings = read_changes(["diversity=log_det", "log_det_ridge=0.2", "diversity_weights=mean_one"]).settings(
            FACTS, "train"
        )
        path = tmp_path / "r.yaml"
        head = "model_name_or_path: builtin:ways\ndataset_name: builtin:ways\nreward_funcs: [format]\n"
        path.write_text(head + "\n".join(recipe_lines(settings, "none", "hash")))
        assert diversity_settings(load_recipe(path)) == settings


class TestGroupsInMemory:
    def test_agree_with_the_run(self, run, batches):
        settings = DiversitySettings(negative_totals="multiply")
        for batch in batches:
            for scaling in ("group", "batch", "none"):
                found = [g.advantages for g in replay_groups(batch, settings, scaling)]
                for ours, plain in zip(found, plainly(batch, settings, scaling), strict=True):
                    np.testing.assert_allclose(ours, plain, atol=1e-12)
        assert replay_groups([], settings) == []

    def test_one_group(self):
        (one,) = replay_groups([record(1)], DiversitySettings())
        np.testing.assert_allclose(one.advantages, record(1).advantages)
        np.testing.assert_allclose(one.adjustment.weights, record(1).adjustment.weights)
