"""The rule from an interval to a judgement, and the sentence of a figure."""

import numpy as np
import pytest

from wordsight.audit.claims import Limit, claim, counted, directed, figure, judge, points_of, share_of, widened
from wordsight.base.nouns import Result
from wordsight.evaluate.fairness import wilson_interval


@pytest.mark.parametrize(
    ("interval", "worse", "judgement"),
    [
        ((0.11, 0.3), "above", "problem"),
        ((0.1, 0.3), "above", "unclear"),  # the limit itself is harmless, and in the interval
        ((0.05, 0.3), "above", "unclear"),
        ((0.0, 0.1), "above", "fine"),
        ((0.0, 0.09), "below", "problem"),
        ((0.05, 0.3), "below", "unclear"),
        ((0.1, 0.3), "below", "fine"),
        (None, "above", "unclear"),
    ],
)
def test_a_problem_lies_wholly_beyond_the_limit(interval, worse, judgement):
    assert judge(interval, Limit(0.1, worse)) == judgement


def test_one_figure_keeps_its_interval_and_several_get_a_wider_one():
    result = Result("a", 0.2, (0.1, 0.3), 60)
    assert widened(result, among=1) == (0.1, 0.3)
    low, high = widened(result, among=10)
    assert (low, high) == pytest.approx((0.2 - 0.1 * 2.807 / 1.96, 0.2 + 0.1 * 2.807 / 1.96), abs=1e-4)
    assert widened(Result("a", 0.01, (0.0, 0.3), 60), among=10)[0] == 0.0
    assert widened(Result("a", 0.0, (-0.2, 0.2), 60, setting={"unit": "difference"}), among=2)[0] < -0.2


def test_equal_groups_are_hardly_ever_a_problem_when_many_are_judged():
    """Twenty groups that differ by nothing: at their own 95 % most audits would find a problem."""
    rng = np.random.default_rng(0)
    alone = together = 0
    for _ in range(200):
        hits = rng.binomial(200, 0.3, size=20)
        lows, highs = wilson_interval(hits, np.full(20, 200))
        results = [Result("g", h / 200, (lo, hi), 200) for h, lo, hi in zip(hits, lows, highs, strict=True)]
        alone += any(judge(one.interval, Limit(0.3, "above")) == "problem" for one in results)
        together += any(judge(widened(one, among=20), Limit(0.3, "above")) == "problem" for one in results)
    assert alone > 50
    assert together <= 12


def test_a_claim_has_its_figure_its_limit_and_what_it_was_judged_by():
    result = share_of("set/x", np.arange(200) < 30)
    one = claim("gibberish", result, "It fails in {}.", Limit(0.05, "above", among=4), about="noise")
    low, high = (100 * end for end in result.interval)
    assert one.text == f"It fails in 15.0 % (95 % interval {low:.1f} to {high:.1f}, n 200)."
    assert (one.judgement, one.about, one.result.interval) == ("problem", "noise", result.interval)
    assert one.result.setting["limit"] == 0.05
    assert one.result.setting["judged_low"] < result.interval[0]


def test_figures_have_their_units():
    assert figure(Result("a", 0.1, (0.05, 0.2), 30, setting={"unit": "difference"})) == (
        "10.0 points (95 % interval 5.0 to 20.0, n 30)"
    )
    assert figure(Result("a", 1.5, None, 1200, setting={"unit": "number"})) == "1.50 (n 1,200)"


def test_what_was_counted_is_exact_and_judged_by_its_value():
    tenth = counted("broken", 0.1, 10)
    one = claim("files", tenth, "1 of 10: {}.", Limit(0.05, "above", among=3))
    assert (one.judgement, one.text) == ("problem", "1 of 10: 10.0 % (n 10, all counted).")
    assert claim("files", tenth, "{}", Limit(0.1, "above")).judgement == "fine"


def test_intervals_of_shares_are_of_one_kind():
    none, one = (share_of("a", np.arange(10) < hits).interval for hits in (0, 1))
    assert none[0] == 0 < one[0] and none[1] < one[1]  # one that was seen cannot be none
    assert one == pytest.approx((0.018, 0.404), abs=1e-3)


def test_a_difference_is_said_without_a_sign():
    lost = Result("a", -0.038, (-0.08, 0.004), 30, setting={"unit": "difference"})
    assert directed(lost, "gains", "costs") == "costs 3.8 points (95 % interval -0.4 to 8.0, n 30)"


def test_equal_differences_have_an_interval_all_the_same():
    reach = 1 - 0.025 ** (1 / 50)
    assert points_of("d", np.zeros(50)).interval == (-reach, reach)
    assert points_of("d", np.ones(50)).interval == (1 - reach, 1.0)
    varied = points_of("d", np.arange(50) % 2 - 0.5, {"styles": 2})
    assert varied.interval[0] < 0 < varied.interval[1]
    assert varied.setting == {"styles": 2, "unit": "difference"}
