"""Notes on legal settings that may surprise: each comes when it should, only then, and names the key that changes it."""

from __future__ import annotations

import pytest

from dra_toolkit.recipe import load_recipe

QUIET = {
    "model_name_or_path": "builtin:ways",
    "dataset_name": "builtin:ways",
    "reward_funcs": "[format]",
    "embedder": "hash",
    "num_generations": "8",
    "per_device_train_batch_size": "8",
    "zero_spread_groups": "skip",
}
"""A recipe that gives no note; TRL's defaults are scale_rewards: group, float32 and save_steps: 500."""
LORA = {"use_peft": "true", "lora_r": "8", "lora_alpha": "16"}


@pytest.fixture
def notes(tmp_path):
    def load(**settings: str) -> tuple[str, ...]:
        path = tmp_path / "r.yaml"
        path.write_text("".join(f"{key}: {value}\n" for key, value in (QUIET | settings).items()))
        found = load_recipe(path).notes
        assert all("\n" not in note for note in found)
        return found

    return load


def test_nothing_to_say(notes):
    assert notes() == ()


class TestNegativeTotals:
    @pytest.mark.parametrize("reward", ["cosine", "cosine_as_released", "length", "repetition_penalty"])
    def test_rewards_below_zero_that_are_divided(self, notes, reward):
        found = [note for note in notes(reward_funcs=f"[format, {reward}]") if note.startswith("negative_totals: ")]
        assert len(found) == 1
        assert f" {reward} " in found[0]
        assert "multiply" in found[0]
        assert "format" not in found[0]

    def test_every_such_reward_is_named(self, notes):
        (found,) = notes(reward_funcs="[cosine, format, length]")
        assert "cosine, length can be negative" in found

    @pytest.mark.parametrize("reward", ["format", "accuracy", "tag_count", "reasoning_steps"])
    def test_rewards_that_are_never_negative(self, notes, reward):
        assert notes(reward_funcs=f"[{reward}]") == ()

    def test_multiplied(self, notes):
        assert notes(reward_funcs="[cosine]", negative_totals="multiply") == ()


class TestSizeOfUpdates:
    def test_raw_weights_without_scaling(self, notes):
        (found,) = notes(scale_rewards="none")
        assert found.startswith("diversity_weights: ")
        assert "mean_one" in found

    @pytest.mark.parametrize("scaling", ["group", "batch"])
    def test_scaled_advantages_keep_their_size(self, notes, scaling):
        assert notes(scale_rewards=scaling) == ()

    def test_weights_of_mean_one(self, notes):
        assert notes(scale_rewards="none", diversity_weights="mean_one") == ()


class TestGroupsWithoutSpread:
    def test_scaled_by_group(self, notes):
        (found,) = notes(zero_spread_groups="adjust")
        assert found.startswith("zero_spread_groups: ")
        assert "skip" in found

    @pytest.mark.parametrize("scaling", ["batch", "none"])
    def test_otherwise_scaled(self, notes, scaling):
        found = notes(zero_spread_groups="adjust", scale_rewards=scaling, diversity_weights="mean_one")
        assert found == ()


class TestReleasedCosine:
    def test_counts_characters(self, notes):
        (found,) = notes(reward_funcs="[cosine_as_released]", negative_totals="multiply")
        assert found.startswith("cosine_as_released: counts characters against 1000,")
        assert "the reward cosine " in found

    def test_says_the_length_that_was_given(self, notes):
        (found,) = notes(
            reward_funcs="[cosine_as_released]", negative_totals="multiply", cosine_as_released_max_len="3584"
        )
        assert "against 3584," in found

    def test_cosine_done_right(self, notes):
        assert notes(reward_funcs="[cosine]", negative_totals="multiply") == ()


class TestRankSlices:
    def test_slices_that_split_groups(self, notes):
        (found,) = notes(
            diversity_scope="rank_slice",
            per_device_train_batch_size="4",
            gradient_accumulation_steps="6",
            num_generations="6",
        )
        assert found.startswith("diversity_scope: rank slices of 4 rows split groups of 6 ")
        assert "per_device_train_batch_size" in found

    def test_slices_of_whole_groups(self, notes):
        settings = {"per_device_train_batch_size": "12", "num_generations": "6"}
        assert notes(diversity_scope="rank_slice", **settings) == ()

    def test_split_groups_do_not_matter_to_the_group_scope(self, notes):
        settings = {"per_device_train_batch_size": "4", "num_generations": "6", "gradient_accumulation_steps": "6"}
        assert notes(**settings) == ()


@pytest.mark.parametrize("measure", ["set_utility", "uniqueness"])
def test_cap_says_that_it_does_nothing_to_advantages(notes, measure):
    assert any("cap has no effect on advantages" in note for note in notes(diversity=measure, zero_spread_groups="cap"))


@pytest.mark.parametrize(("measure", "told"), [("mmr", True), ("dqo", True), ("evol", True), ("log_det", False)])
def test_settings_of_a_factor_say_that_a_measure_adds(notes, measure, told):
    assert any("adds and does not" in note for note in notes(diversity=measure, diversity_weights="mean_one")) is told


def test_no_adjustment_no_note_on_it(notes):
    """With diversity: none, nothing works against the adjustment, however many of its traps are set."""
    traps = {
        "reward_funcs": "[cosine_as_released]",
        "scale_rewards": "none",
        "zero_spread_groups": "adjust",
        "diversity_scope": "rank_slice",
        "per_device_train_batch_size": "4",
        "num_generations": "6",
        "gradient_accumulation_steps": "6",
    }
    starts = [note.partition(":")[0] for note in notes(**traps)]
    assert starts == ["negative_totals", "diversity_weights", "cosine_as_released", "diversity_scope"]
    assert notes(diversity="none", **traps) == ()


class TestRounding:
    half = {"dtype": "bfloat16"}  # noqa: RUF012

    def test_small_steps_in_bfloat16(self, notes):
        (found,) = notes(**self.half)
        assert found.startswith("dtype: ")
        assert "learning_rate 1e-06" in found
        assert "float32" in found
        assert "accelerate_config: zero2" in found

    def test_also_without_the_adjustment(self, notes):
        assert len(notes(diversity="none", **self.half)) == 1

    @pytest.mark.parametrize("more", [{"dtype": "float32"}, {"learning_rate": "1.0e-5"}, LORA])
    def test_not_with(self, notes, more):
        assert notes(**(self.half | more)) == ()

    @pytest.mark.parametrize("config", ["zero2", "zero3", "fsdp2"])
    def test_not_where_the_optimizer_keeps_float32(self, notes, config):
        assert notes(accelerate_config=config, **self.half) == ()

    def test_not_with_deepspeed_of_the_recipes_own(self, notes):
        assert notes(deepspeed="ds.json", **self.half) == ()

    @pytest.mark.parametrize("config", ["single_gpu", "ddp"])
    def test_still_where_every_process_has_the_plain_weights(self, notes, config):
        (found,) = notes(accelerate_config=config, **self.half)
        assert found.startswith("dtype: ")


class TestResuming:
    def test_checkpoint_in_the_middle_of_a_generation(self, notes):
        (found,) = notes(num_iterations="4", save_steps="6")
        assert found.startswith("save_steps: 6 is not a multiple of 4,")

    @pytest.mark.parametrize(
        "settings",
        [
            {"num_iterations": "4", "save_steps": "8"},
            {"num_iterations": "1", "save_steps": "7"},
            {"num_iterations": "4", "save_strategy": "no"},
            {"num_iterations": "4", "save_steps": "0.3"},
            {"gradient_accumulation_steps": "4", "save_steps": "7"},
            {"gradient_accumulation_steps": "4", "num_iterations": "2", "save_steps": "4"},
            {"steps_per_generation": "4", "gradient_accumulation_steps": "2", "save_steps": "2"},
        ],
        ids=str,
    )
    def test_checkpoints_between_generations(self, notes, settings):
        assert notes(**settings) == ()

    @pytest.mark.parametrize(
        ("settings", "shared"),
        [
            ({"gradient_accumulation_steps": "4", "num_iterations": "2"}, 2),
            ({"steps_per_generation": "4"}, 4),
            ({"generation_batch_size": "32"}, 4),
            ({"generation_batch_size": "32", "gradient_accumulation_steps": "2", "num_iterations": "3"}, 6),
        ],
        ids=str,
    )
    def test_steps_that_share_a_generation_are_counted(self, notes, settings, shared):
        (found,) = notes(save_steps="5", **settings)
        assert f"not a multiple of {shared}," in found

    def test_generations_that_end_inside_a_step(self, notes):
        """Three micro-steps to a generation, two to a step: only every third step ends with a generation."""
        uneven = {"steps_per_generation": "3", "gradient_accumulation_steps": "2"}
        assert notes(save_steps="3", **uneven) == ()
        (found,) = notes(save_steps="1", **uneven)
        assert "not a multiple of 3," in found


class TestIdleParameters:
    def test_reward_that_is_not_used(self, notes):
        (found,) = notes(cosine_max_length="100")
        assert found.startswith("cosine_max_length: ")
        assert "cosine is not among reward_funcs" in found

    def test_reward_whose_name_begins_like_another(self, notes):
        (found,) = notes(reward_funcs="[cosine]", negative_totals="multiply", cosine_as_released_max_len="100")
        assert found.startswith("cosine_as_released_max_len: ")
        assert "cosine_as_released is not among reward_funcs" in found

    def test_reward_that_is_used(self, notes):
        assert notes(reward_funcs="[cosine]", negative_totals="multiply", cosine_max_length="100") == ()

    def test_override_counts_as_given(self, tmp_path):
        path = tmp_path / "r.yaml"
        path.write_text("".join(f"{key}: {value}\n" for key, value in QUIET.items()))
        (found,) = load_recipe(path, ["reasoning_steps_steps=4"]).notes
        assert found.startswith("reasoning_steps_steps: ")


def test_notes_name_keys_that_exist(notes):
    """What stands before the colon is a recipe key, or a reward of reward_funcs."""
    from dra_toolkit.recipe import known_keys
    from dra_toolkit.rewards import REWARDS

    found = notes(
        reward_funcs="[cosine_as_released]",
        scale_rewards="none",
        diversity_scope="rank_slice",
        per_device_train_batch_size="4",
        num_generations="6",
        gradient_accumulation_steps="6",
        dtype="bfloat16",
        num_iterations="2",
        save_steps="3",
        cosine_max_length="9",
    )
    assert len(found) == 7
    assert {note.partition(":")[0] for note in found} <= set(known_keys()) | set(REWARDS)


class TestObjectives:
    def test_an_objective_with_group_scaling_has_nothing_to_say(self, notes):
        assert notes(diversity="maxrl") == ()

    @pytest.mark.parametrize("scaling", ["none", "batch"])
    def test_scaling_of_an_advantage_that_is_replaced(self, notes, scaling):
        (found,) = notes(diversity="pkpo", scale_rewards=scaling)
        assert found == f"scale_rewards: {scaling} has no effect, since diversity: pkpo replaces the advantage"

    def test_a_baseline_that_is_another_setting_by_a_constant(self, notes):
        (found,) = notes(diversity="leave_one_out")
        assert found.startswith("diversity: leave_one_out is the advantage of scale_rewards: none times a constant")

    def test_rewards_that_do_not_count(self, notes):
        (found,) = notes(diversity="maxrl", reward_funcs="[format, accuracy]")
        assert found.startswith("diversity: maxrl reads only whether a completion is right")
        assert notes(diversity="pkpo", reward_funcs="[format, accuracy]") == ()

    def test_sets_larger_than_the_group(self, notes):
        assert notes(diversity="pkpo", pkpo_k="16") == ("pkpo_k: 16 counts as 8, the num_generations of a group",)

    @pytest.mark.parametrize(
        ("measure", "idle"), [("cluster_size", "none, where rewards are 0 and 1"), ("maxrl_labels", "maxrl")]
    )
    def test_labels_by_answers_that_say_nothing_of_the_right_ones(self, notes, measure, idle):
        labels, does_nothing = notes(diversity=measure)
        assert labels.startswith("diversity_labels: the correct completions of a problem share one answer")
        assert does_nothing == f"diversity: {measure} gives groups of 8 the advantages of diversity: {idle}"

    def test_a_recipe_that_asks_for_nothing(self, notes):
        assert notes(diversity="poly_epo", poly_epo_k="8") == (
            "diversity: poly_epo with poly_epo_k: 8 gives groups of 8 no advantage",
        )
        assert notes(num_generations="2") == (
            "diversity: graph_cut gives groups of 2 the advantages of diversity: none",
        )
        assert notes(num_generations="2", scale_rewards="batch") == ()


class TestKeysOfTRLThatDoNothing:
    """Each given another value than TRL's default; tests/training/test_trl_contract.py says why it is in the table."""

    @pytest.mark.parametrize(
        ("key", "value", "why"),
        [
            ("log_multimodal", "false", "unless the data have images"),
            ("router_aux_loss_coef", "0.1", "unless the model is a mixture of experts; TRL refuses it for any other"),
            ("label_names", "[labels]", "GRPO's loss has no labels"),
            ("label_smoothing_factor", "0.1", "GRPO's loss has no labels"),
            ("eval_do_concat_batches", "false", "evaluation in GRPO predicts nothing"),
            ("batch_eval_metrics", "true", "evaluation in GRPO predicts nothing"),
            ("include_for_metrics", "[loss]", "evaluation in GRPO predicts nothing"),
            ("eval_accumulation_steps", "2", "evaluation in GRPO predicts nothing"),
            ("train_sampling_strategy", "sequential", "GRPO has an order of prompts of its own"),
            ("length_column_name", "tokens", "GRPO has an order of prompts of its own"),
        ],
    )
    def test_say_so(self, notes, key, value, why):
        assert notes(**{key: value}) == (f"{key}: has no effect, {why}",)
