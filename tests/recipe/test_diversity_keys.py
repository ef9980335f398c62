"""Recipe keys of the diversity measures: what is accepted, what each problem says, what a preset sets."""

from __future__ import annotations

import pytest

from dra_toolkit.diversity import MEASURES, diversity_settings, measure_options
from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import known_keys, load_recipe

BASE = {
    "model_name_or_path": "builtin:ways",
    "dataset_name": "builtin:ways",
    "reward_funcs": "[format]",
    "embedder": "hash",
    "zero_spread_groups": "skip",
    "diversity_labels": "similarity",
}


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def loaded(*overrides: str, **settings: str):
        path = tmp_path / "r.yaml"
        path.write_text("".join(f"{key}: {value}\n" for key, value in (BASE | settings).items()))
        return load_recipe(path, overrides)

    return loaded


def problem(load, *overrides: str, **settings: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load(*overrides, **settings)
    (line,) = caught.value.problems
    assert "\n" not in line
    return line


@pytest.mark.parametrize("name", [*MEASURES, "none"])
def test_every_measure_is_a_value_of_one_key(load, name):
    recipe = load(diversity=name)
    settings = diversity_settings(recipe)
    assert settings.measure == name
    own = {key for key in measure_options() if name in MEASURES and key.startswith(f"{name}_")}
    assert set(settings.options) >= {key for key in own if key.removeprefix(f"{name}_") in settings.option_values()}


def test_defaults_are_the_papers(load):
    settings = diversity_settings(load(zero_spread_groups="adjust", diversity_labels="answer"))
    assert settings == type(settings)()


def test_every_setting_reaches_the_maths(load):
    settings = diversity_settings(
        load(
            diversity="mmr",
            mmr_trade_off="0.25",
            similarity_floor="null",
            similarity_centre="group_mean",
            diversity_weights="mean_one",
            negative_totals="shift",
            zero_spread_groups="cap",
            diversity_label_threshold="0.5",
            diversity_start_step="3",
            diversity_stop_step="9",
            diversity_ramp_steps="2",
        )
    )
    assert settings.options == {"mmr_trade_off": 0.25}
    assert (settings.similarity_floor, settings.similarity_centre) == (None, "group_mean")
    assert (settings.weights, settings.negative_totals, settings.zero_spread_groups) == ("mean_one", "shift", "cap")
    assert (settings.labels, settings.label_threshold) == ("similarity", 0.5)
    assert (settings.start_step, settings.stop_step, settings.ramp_steps) == (3, 9, 2)


def test_a_measure_of_ones_own_lies_beside_the_recipe(load, tmp_path):
    (tmp_path / "mine.py").write_text("def measure(): ...\nraise SystemExit('a recipe is read without running it')")
    assert load(diversity="mine.measure", diversity_labels="mine.labels")["diversity"] == "mine.measure"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"diversity": "logdet"}, "did you mean 'log_det'"),
        ({"diversity": "nowhere_at_all.measure"}, "no package or module 'nowhere_at_all'"),
        ({"diversity": "not-a-path.x"}, "or a dotted path package.module.function"),
        (
            {"diversity": "darling", "diversity_labels": "nowhere_at_all.f"},
            "diversity_labels: found 'nowhere_at_all.f'",
        ),
        ({"diversity": "darling", "diversity_labels": "answers"}, "did you mean 'answer'"),
        ({"diversity": "mmr", "mmr_trade_off": "1.5"}, "mmr_trade_off: found 1.5, expected a number from 0 to 1"),
        ({"mmr_tradeoff": "1"}, "unknown key; did you mean 'mmr_trade_off'"),
        ({"negative_totals": "shifted"}, "did you mean 'shift'"),
        ({"similarity_centre": "mean"}, "expected one of none, group_mean"),
        ({"diversity_preset": "robst"}, "did you mean 'robust'"),
        ({"diversity_start_step": "0"}, "diversity_start_step: found 0, expected at least 1"),
        ({"diversity_start_step": "5", "diversity_stop_step": "4"}, "diversity_stop_step: found 4"),
        ({"diversity_ramp_steps": "-1"}, "diversity_ramp_steps: found -1"),
        ({"diversity": "evol", "diversity_scope": "rank_slice"}, "diversity_scope: evol compares"),
        ({"diversity": "dqo", "embedder": "none"}, "embedder: none cannot measure the redundancy that diversity: dqo"),
        ({"diversity": "darling", "embedder": "none"}, "that diversity_labels: similarity needs"),
        ({"embed_part": "answers"}, "did you mean 'answer'"),
        ({"embed_part": "[]"}, "embed_part: found []"),
        ({"embed_part": "[answer, answer]"}, "expected one part, or several different ones"),
        ({"embed_part": "answer", "embedder": "policy"}, "'policy' reads the tokens of whole completions"),
    ],
    ids=str,
)
def test_a_problem_is_one_line_that_says_what_was_expected(load, settings, said):
    assert said in problem(load, **settings)


@pytest.mark.parametrize(
    "settings", [{"diversity": "unlikeliness"}, {"diversity": "darling", "diversity_labels": "answer"}], ids=str
)
def test_measures_that_read_no_similarity_need_no_embedder(load, settings):
    assert load(embedder="none", **settings)["embedder"] == "none"


class TestPreset:
    parts = ("diversity_weights", "negative_totals", "zero_spread_groups")

    def test_robust(self, load):
        recipe = load("zero_spread_groups=adjust", diversity_preset="robust")
        assert [recipe[part] for part in self.parts] == ["mean_one", "multiply", "adjust"]
        assert [recipe.settings[part].origin for part in self.parts] == ["derived", "derived", "override"]

    def test_paper_is_the_default_and_sets_nothing(self, load):
        recipe = load()
        assert recipe["diversity_preset"] == "paper"
        assert recipe.settings["diversity_weights"].origin == "dra default"

    def test_says_where_it_was_measured(self):
        assert "docs/experiment.md" in known_keys()["diversity_preset"].help


class TestEmbedPart:
    def test_one_part_or_several(self, load):
        assert load().embedder.parts == ("completion",)
        assert load(embed_part="answer").embedder.parts == ("answer",)
        assert load(embed_part="[answer, reasoning]").embedder.parts == ("answer", "reasoning")


class TestNotes:
    def test_clusters_by_answer(self, load):
        note, _ = load(diversity="darling", diversity_labels="answer").notes
        assert note.startswith("diversity_labels: the correct completions of a problem share one answer")

    def test_log_probabilities_without_vllm(self, load):
        (note,) = load(diversity="unlikeliness").notes
        assert note.startswith("diversity: unlikeliness reads log-probabilities")
        assert load(diversity="unlikeliness", use_vllm="true").notes == ()

    def test_options_of_another_measure(self, load):
        assert load(mmr_trade_off="0.5").notes == ("mmr_trade_off: has no effect with diversity: graph_cut",)
        assert load(diversity="mmr", mmr_trade_off="0.5").notes == ()

    def test_measures_that_add_divide_no_negative_total(self, load):
        assert load(diversity="evol", reward_funcs="[cosine]", scale_rewards="none").notes == ()
        assert load(diversity="graph_cut", reward_funcs="[cosine]").notes != ()

    def test_groups_without_spread_do_not_matter_to_advantages(self, load):
        assert load(diversity="set_utility", zero_spread_groups="adjust").notes == ()
