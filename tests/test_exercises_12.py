"""Exercises of lesson 12: the right answer passes, each usual slip gets its own hint."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from tlkit.lessons import check


@pytest.mark.parametrize("n_candidates", [3, 4, 5])
def test_the_smallest_p_is_that_of_all_orders_counted(n_candidates):
    perfect = np.arange(n_candidates)
    taus = [abs(kendalltau(perfect, order).statistic) for order in itertools.permutations(perfect)]
    counted = np.mean(np.isclose(taus, 1))
    result = check("12_smallest_p", counted, n_candidates=n_candidates)
    assert result.passed
    assert f"{counted:.3f}" in result.sentence
    assert check("12_smallest_p", round(counted, 2), n_candidates=n_candidates).passed
    assert check("12_smallest_p", kendalltau(perfect, perfect).pvalue, n_candidates=n_candidates).passed


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (1 / 6, "the reversed order is just as extreme"),
        (0.17, "the reversed order is just as extreme"),
        (0.05, "how small p can get at all"),
        (0, "a perfect ranking also happens by chance"),
        (1, "that is tau"),
        (kendalltau([1, 2, 3], [1, 2, 3], method="asymptotic").pvalue, "the normal approximation"),
        (0.5, "how many orders are there"),
        (2, "a p-value lies between 0 and 1, and this is 2"),
        (6, "a p-value lies between 0 and 1, and this is 6"),
        ("small", "this should be a number, and is a str"),
        (float("nan"), "lies between 0 and 1"),
        (..., "replace the three dots with a number between 0 and 1"),
    ],
)
def test_a_wrong_p_gets_a_hint(answer, hint):
    result = check("12_smallest_p", answer, n_candidates=3)
    assert not result.passed
    assert hint in result.sentence


@pytest.fixture
def ranking():
    return pd.DataFrame({"logme": [0.2, 1.2, 0.5, 0.1], "accuracy": [0.7, 0.6, 0.65, 0.4]}, index=[4, 3, 2, 1])


@pytest.mark.parametrize("answer", [0.1, 0.7 - 0.6, "0.10", np.float64(0.104)])
def test_the_regret_of_the_first_pick_passes(ranking, answer):
    result = check("12_regret", answer, ranking=ranking, score="logme")
    assert result.passed
    assert result.sentence.startswith("0.700 - 0.600 = 0.100")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (0.6, "the accuracy of the candidate with the highest logme"),
        (0.7, "subtract the accuracy of the score's pick"),
        (1, "a difference in the score, not in accuracy"),
        (-0.1, "swap the two"),
        (0.3, "the gap between best and worst"),
        (0.6 - 0.5875, "the lead over the mean candidate"),
        (10, "this is in percent; give a share, from 0 to 1"),
        ("candidate", "this should be a number, and is a str"),
        ([0.1, 0.2], "this should be a number, and is a list"),
        (0.45, "which accuracy has the score's pick?"),
        (..., "replace the three dots with a number between 0 and 1"),
    ],
)
def test_a_wrong_regret_gets_a_hint(ranking, answer, hint):
    result = check("12_regret", answer, ranking=ranking, score="logme")
    assert not result.passed
    assert hint in result.sentence
