"""Group objectives that take the place of the advantage: by hand, against enumeration, and what holds for all of them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_toolkit.diversity import (
    MEASURES,
    DiversitySettings,
    PromptHistory,
    adjust,
    adjusted_advantages,
    group_advantages,
    idle_note,
    replaces_advantages,
)
from dra_toolkit.diversity.measures.sets_of_k import best_of, none_right, pass_at_k, pkpo, poly_epo
from dra_toolkit.errors import MeasureError

ONE_OF_FOUR = np.array([1.0, 0, 0, 0])
REPLACING = [name for name, measure in MEASURES.items() if measure.acts_by == "replacement"]


def advantages(measure: str, totals, similarity=None, scale="group", options=None, **known):
    totals = np.atleast_2d(np.asarray(totals, dtype=float))
    G = totals.shape[-1]
    similarity = np.broadcast_to(np.eye(G) if similarity is None else similarity, (len(totals), G, G))
    settings = DiversitySettings(measure=measure, options=options or {})
    known = {name: value if name == "history" else np.atleast_2d(value) for name, value in known.items()}
    adjustment = adjust(similarity=similarity, totals=totals, settings=settings, **known)
    return adjusted_advantages(adjustment, scale, settings)[0]


class TestByHand:
    def test_maxrl_is_the_distance_from_the_mean_in_means(self):
        np.testing.assert_allclose(advantages("maxrl", ONE_OF_FOUR), [3, -1, -1, -1])
        np.testing.assert_allclose(advantages("maxrl", [1, 1, 0, 0]), [1, 1, -1, -1])

    @pytest.mark.parametrize("same", [0.0, 1.0])
    def test_maxrl_leaves_solved_and_hopeless_groups_alone(self, same):
        np.testing.assert_array_equal(advantages("maxrl", [same] * 4), 0)

    def test_maxrl_asks_who_is_right_not_how_much_the_rewards_add_up_to(self):
        found = advantages("maxrl", [2.5, 0.5, 0.5, -1], correct=np.array([True, False, False, False]))
        np.testing.assert_allclose(found, [3, -1, -1, -1])

    def test_maxrl_with_graph_cut(self):
        """Two copies and one other are right: 1/2, 1/2, 1 of mean 2/3, so 3/4, 3/4, 3/2; m = 3/4."""
        S = np.eye(4)
        S[0, 1] = S[1, 0] = 1
        S[2, 3] = S[3, 2] = 1  # like a wrong one, which does not count
        found = advantages("maxrl_graph_cut", [1, 1, 1, 0], S)
        np.testing.assert_allclose(found, [0, 0, 1, -1], atol=1e-12)

    def test_maxrl_with_labels_gives_every_way_the_same(self):
        """Labels a a a b of four right, c of four wrong: each way of the right ones gets half of what m = 1/2 gives."""
        found = advantages("maxrl_labels", [1, 1, 1, 1, 0, 0, 0, 0], labels=np.array([0, 0, 0, 1, 0, 1, 2, 2]))
        np.testing.assert_allclose(found, [1 / 3, 1 / 3, 1 / 3, 3, -1, -1, -1, -1])
        assert (found[:3] + 1).sum() == pytest.approx(found[3] + 1)

    def test_maxrl_with_log_probs(self):
        """Ranks 2 and 1 of two right: 1 - 1/2 and 1 - 1/4, of mean 5/8: 0.8 and 1.2; m = 1/2. A wrong one takes no rank."""
        found = advantages("maxrl_log_probs", [1, 1, 0, 0], log_probs=np.array([-1.0, -2, -3, -1.5]))
        np.testing.assert_allclose(found, [0.6, 1.4, -1, -1])

    def test_pass_at_k(self):
        """c = 1 of 4, k = 2: R = 1 - 3/6, s = 1/2; wrong: 1/2 - C(2,1)/C(3,1) = -1/6."""
        np.testing.assert_allclose(
            advantages("pass_at_k", ONE_OF_FOUR, options={"pass_at_k_k": 2}), [1, -1 / 3, -1 / 3, -1 / 3]
        )

    def test_pass_at_k_has_nothing_to_say_where_any_k_hold_a_right_one(self):
        np.testing.assert_array_equal(advantages("pass_at_k", [1, 1, 1, 0], options={"pass_at_k_k": 2}), 0)

    def test_pkpo_of_zeros_and_ones(self):
        """Without baseline: k/n for the right one, k/n (1 - C(2,1)/C(3,1)) for the wrong ones."""
        np.testing.assert_allclose(pkpo(ONE_OF_FOUR, 2), [1 / 2, 1 / 6, 1 / 6, 1 / 6])

    def test_pkpo_less_the_others_best(self):
        """The others of a wrong one are as good without it; those of the right one are never right."""
        np.testing.assert_allclose(advantages("pkpo", ONE_OF_FOUR, options={"pkpo_k": 2}), [1 / 2, 0, 0, 0])
        plain = advantages("pkpo", ONE_OF_FOUR, options={"pkpo_k": 2, "pkpo_baseline": 0})
        np.testing.assert_allclose(plain, [1 / 2, 1 / 6, 1 / 6, 1 / 6])

    def test_w_reinforce(self):
        np.testing.assert_allclose(advantages("w_reinforce", [1, 0, 0]), [0.1, -1, -1])
        np.testing.assert_allclose(advantages("w_reinforce", [0, 0]), [-1, -1])

    def test_leave_one_out_is_dr_grpo_by_a_constant(self):
        found = advantages("leave_one_out", [1, 0, 0.5, 0])
        np.testing.assert_allclose(found, [1 - 0.5 / 3, -0.5, 0.5 - 1 / 3, -0.5])
        np.testing.assert_allclose(found, 4 / 3 * group_advantages(np.array([[1, 0, 0.5, 0]]), "none")[0])

    def test_differential_smoothing_moves_among_the_right(self):
        """log p of the right ones -2 and -6, mean -4: 0.2 times 2 from the one to the other."""
        known = {"log_probs": np.array([-1.0, -2, -9, -9]), "lengths": np.array([2.0, 3, 1, 5])}
        found = advantages("differential_smoothing", [1, 1, 0, 0], scale="none", **known)
        np.testing.assert_allclose(found, [0.5 - 0.4, 0.5 + 0.4, -0.5, -0.5])
        wrong = {"differential_smoothing_wrong": 0.01, "differential_smoothing_strength": 0}
        found = advantages("differential_smoothing", [1, 1, 0, 0], scale="none", options=wrong, **known)
        np.testing.assert_allclose(found, [0.5, 0.5, -0.5 + 0.18, -0.5 - 0.18])

    def test_poly_epo_of_pairs(self):
        """Sets of two of three, values 1 1 0, 0 and 1 copies: f = 0, 1/2, 1/2; mean 1/3; holding each: 1/4, 1/4, 1/2."""
        S = np.eye(3)
        S[0, 1] = S[1, 0] = 1
        found = advantages("poly_epo", [1, 1, 0], S, options={"poly_epo_k": 2})
        np.testing.assert_allclose(found, [-1 / 12, -1 / 12, 1 / 6])


class TestHistory:
    @pytest.mark.parametrize(
        ("history", "expected"), [((0, 0), 1), ((2, 0), 1 / 2), ((0, 2), 3 / 2), ((0, 10**9), 2)], ids=str
    )
    def test_the_gate_is_the_gain_of_pass_at_k(self, history, expected):
        """k = 2: 2 E[1 - p] = 2 (1 + wrong) / (2 + right + wrong)."""
        found = advantages(
            "history_gate",
            [1, 0],
            scale="none",
            options={"history_gate_k": 2},
            history=np.broadcast_to(np.array(history, dtype=float), (1, 2, 2)),
        )
        np.testing.assert_allclose(found, [0.5 * expected, -0.5 * expected])

    def test_the_baseline_is_all_but_the_completion_itself(self):
        """3 right and 1 wrong before, 1 of 4 now: 4 of 9 without the right one, 5 of 9 without a wrong one."""
        found = advantages("history_baseline", ONE_OF_FOUR, history=np.broadcast_to([3.0, 1.0], (1, 4, 2)))
        np.testing.assert_allclose(found, [5 / 9, -5 / 9, -5 / 9, -5 / 9])

    def test_visits_are_discounted_and_groups_of_others_do_not_count(self):
        history = PromptHistory(0.5, [("a", 4, 0), ("b", 1, 1), ("a", 1, 3)])
        np.testing.assert_allclose(history.before(["a", "b", "c"]), [[3, 3], [1, 1], [0, 0]])

    def test_a_group_without_its_history_is_one_line(self):
        with pytest.raises(MeasureError, match=r"history_gate needs history of each .* not there; dra train keeps it"):
            advantages("history_gate", [1, 0])


drawn = st.tuples(st.integers(2, 8), st.integers(1, 8), st.integers(0, 2**31))


@given(drawn)
def test_pkpo_is_what_listing_all_sets_gives(chosen):
    n, k, seed = chosen
    k = min(k, n)
    r = np.random.default_rng(seed).choice([-1.0, 0, 0.5, 1], n)
    sets = list(itertools.combinations(range(n), k))
    held = np.array([sum(max(r[list(s)]) for s in sets if i in s) for i in range(n)]) / len(sets)
    np.testing.assert_allclose(pkpo(r, k), held, atol=1e-12)
    if k > 1:
        less = [
            sum(max(r[list(s)]) - max(r[[j for j in s if j != i]]) for s in sets if i in s) / len(sets)
            for i in range(n)
        ]
        np.testing.assert_allclose(pkpo(r, k, baseline=True), less, atol=1e-12)
    np.testing.assert_allclose(best_of(r, k), np.mean([max(r[list(s)]) for s in sets]), atol=1e-12)


@given(drawn)
def test_poly_epo_is_what_listing_all_sets_gives(chosen):
    n, k, seed = chosen
    k = min(max(k, 2), n)
    rng = np.random.default_rng(seed)
    r, D = rng.random(n), rng.random((n, n))
    D = (D + D.T) / 2
    f = {
        s: np.mean(r[list(s)]) * np.mean([D[a, b] for a, b in itertools.combinations(s, 2)])
        for s in itertools.combinations(range(n), k)
    }
    holding = [np.mean([value for s, value in f.items() if i in s]) for i in range(n)]
    np.testing.assert_allclose(poly_epo(r, D, k), np.array(holding) - np.mean(list(f.values())), atol=1e-12)


@given(drawn)
def test_pass_at_k_advantages_are_centred_and_k_of_one_is_grpo(chosen):
    n, k, seed = chosen
    r = (np.random.default_rng(seed).random((3, n)) < 0.5).astype(float)
    count = np.full((3, 1), float(n))
    np.testing.assert_allclose(pass_at_k(r, count, min(k, n)).sum(axis=-1), 0, atol=1e-9)
    std = r.std(axis=-1, keepdims=True)
    grpo = np.divide(r - r.mean(axis=-1, keepdims=True), std, out=np.zeros_like(r), where=std > 0)
    np.testing.assert_allclose(pass_at_k(r, count, 1), grpo, atol=1e-9)


def test_none_right_is_a_ratio_of_binomials():
    for n, c, k in itertools.product(range(1, 9), range(9), range(1, 9)):
        if c <= n and k <= n:
            assert none_right(n, c, k) == pytest.approx(math.comb(n - c, k) / math.comb(n, k))


@pytest.mark.parametrize("name", REPLACING)
@pytest.mark.parametrize("scale", ["batch", "none"])
def test_scaling_by_the_group_cannot_cancel_what_takes_the_place_of_the_advantage(name, scale):
    known = {
        "labels": np.array([0, 0, 1, 0]),
        "log_probs": np.array([-1.0, -2, -3, -2]),
        "history": np.zeros((1, 4, 2)),
    }
    rewards = [1, 1, 1, 0]
    np.testing.assert_allclose(advantages(name, rewards, **known), advantages(name, rewards, scale=scale, **known))
    assert replaces_advantages(DiversitySettings(measure=name), "group")


@pytest.mark.parametrize("name", ["maxrl_graph_cut", "maxrl_labels", "maxrl_log_probs"])
@given(st.integers(0, 2**31))
def test_compositions_leave_a_side_what_maxrl_gives_it(name, seed):
    rng = np.random.default_rng(seed)
    r = (rng.random(6) < 0.5).astype(float)
    E = rng.standard_normal((6, 3))
    E /= np.linalg.norm(E, axis=-1, keepdims=True)
    known = {"similarity": E @ E.T, "labels": rng.integers(0, 3, 6), "log_probs": -rng.random(6)}
    found, plain = advantages(name, r, **known), advantages("maxrl", r)
    np.testing.assert_allclose(found[r > 0].sum(), plain[r > 0].sum(), atol=1e-9)
    np.testing.assert_allclose(found[r == 0], plain[r == 0])


class TestUnknownLogProbs:
    @pytest.mark.parametrize("name", [name for name, measure in MEASURES.items() if "log_probs" in measure.needs])
    @pytest.mark.parametrize("unknown", [-np.inf, np.inf])
    def test_one_that_is_not_finite_is_as_one_that_is_not_there(self, name, unknown):
        rest, lengths = [-1.0, -2, -3], np.array([3.0, 1, 4, 2])
        found, expected = (
            advantages(name, [1, 1, 0, 0], log_probs=np.array([first, *rest]), lengths=lengths)
            for first in (unknown, np.nan)
        )
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, expected)


def idle(measure, options=None, G=8, scale="group"):
    named = {f"{measure}_{name}": value for name, value in (options or {}).items()}
    return idle_note(DiversitySettings(measure=measure, options=named), scale, G)


class TestSettingsThatDoNothing:
    @pytest.mark.parametrize("measure", ["pass_at_k", "poly_epo"])
    def test_a_set_as_large_as_the_group_leaves_no_advantage(self, measure):
        assert idle(measure, {"k": 8}) == f"{measure} with {measure}_k: 8 gives groups of 8 no advantage"
        assert idle(measure, {"k": 7}) is None

    @pytest.mark.parametrize(
        ("measure", "options"),
        [
            ("ucpo", {"tau": 0}),
            ("unlikeliness", {"strength": 0}),
            ("uniqueness", {"power": 0}),
            ("set_utility", {"scale": 0}),
            ("dqo", {"scale": 0}),
            ("mmr", {"trade_off": 1}),
            ("history_gate", {"k": 1}),
            ("differential_smoothing", {"strength": 0}),
            ("darling", {"floor": 1}),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("scale", ["group", "batch", "none"])
    def test_an_option_that_takes_the_effect_away(self, measure, options, scale):
        assert idle(measure, options, scale=scale).endswith("gives groups of 8 the advantages of diversity: none")

    def test_group_scaling_cancels_what_a_pair_shares(self):
        """Each of two is as like the other as the other is like it: one factor for both, which the spread has too."""
        assert idle("graph_cut", G=2) == "graph_cut gives groups of 2 the advantages of diversity: none"
        assert idle("graph_cut", G=3) is None
        assert idle("graph_cut", G=2, scale="none") is None

    def test_one_cluster_of_right_answers_is_cancelled_for_rewards_of_0_and_1_alone(self):
        found = idle("cluster_size")
        assert found == "cluster_size gives groups of 8 the advantages of diversity: none, where rewards are 0 and 1"
        assert idle("cluster_size", scale="none") is None

    def test_a_composition_whose_rarity_says_nothing_is_maxrl(self):
        assert idle("maxrl_log_probs", {"strength": 0}).endswith("the advantages of diversity: maxrl")
        assert idle("maxrl_labels").endswith("the advantages of diversity: maxrl")
        by_ways = DiversitySettings(measure="maxrl_labels", labels="similarity", label_threshold=0.5)
        assert idle_note(by_ways, "group", 8) is None

    def test_as_they_come_with_labels_that_tell_ways_apart_all_do_something(self):
        ways = {name: DiversitySettings(measure=name, labels="similarity", label_threshold=0.5) for name in MEASURES}
        assert [name for name, settings in ways.items() if idle_note(settings, "group", 8)] == []


def test_an_adjustment_without_any_similarity_is_told():
    with pytest.raises(MeasureError, match="neither embeddings nor similarity"):
        adjust(totals=np.ones(3))
    found = adjust(totals=np.array([1.0, 0, 0, 0]), settings=DiversitySettings(measure="maxrl"))
    np.testing.assert_array_equal(found.bonus, [3, -1, -1, -1])
