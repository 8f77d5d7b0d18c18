"""Exercises of lesson 02: the right answer passes, each usual slip gets its own hint."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from tlkit.lessons import check


@pytest.fixture
def networks():
    return pd.DataFrame(
        {
            "name": ["small", "middle", "good", "large", "unmeasured"],
            "n_flops": pd.array([0.1e9, 0.5e9, 0.8e9, 1.6e9, 0.2e9], "Float64"),
            "accuracy": pd.array([0.67, 0.75, 0.78, 0.80, None], "Float64"),
        }
    )


@pytest.mark.parametrize("n_candidates", [3, 4, 5])
def test_the_smallest_p_is_that_of_all_orders_counted(n_candidates):
    perfect = np.arange(n_candidates)
    taus = [abs(kendalltau(perfect, order).statistic) for order in itertools.permutations(perfect)]
    counted = np.mean(np.isclose(taus, 1))
    result = check("02_smallest_p", counted, n_candidates=n_candidates)
    assert result.passed
    assert f"{counted:.3f}" in result.sentence
    assert check("02_smallest_p", kendalltau(perfect, perfect).pvalue, n_candidates=n_candidates).passed


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (1 / 6, "the reversed order is just as extreme"),
        (0.05, "how small p can get at all"),
        (0, "a perfect ranking also happens by chance"),
        (kendalltau([1, 2, 3], [1, 2, 3], method="asymptotic").pvalue, "the normal approximation"),
        (0.5, "how many orders are there"),
        (2, "a p-value lies between 0 and 1, and this is 2"),
        ("small", "a p-value is a number"),
        (True, "a p-value is a number"),
        (float("nan"), "lies between 0 and 1"),
        (..., "replace the three dots with a number between 0 and 1"),
    ],
)
def test_a_wrong_p_gets_a_hint(answer, hint):
    result = check("02_smallest_p", answer, n_candidates=3)
    assert not result.passed
    assert hint in result.sentence


def test_the_best_network_within_the_budget_passes(networks):
    result = check("02_best", "good", networks=networks, most_flops=1e9)
    assert result.passed
    assert result.sentence == "0.780, the highest of 3 networks within the budget."


def test_of_two_equally_good_networks_either_passes(networks):
    networks.loc[1, "accuracy"] = 0.78
    assert all(check("02_best", name, networks=networks, most_flops=1e9).passed for name in ("middle", "good"))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ("large", "large needs 1.60 GFLOP per picture, too many; a multiplication and its addition count as 2"),
        ("small", "small fits, and 2 that fit as well have a higher accuracy"),
        ("god", "the table has no 'god'; nearest: 'good'"),
        ("unmeasured", "the table has no 'unmeasured'"),
        (0.78, "a network is named by a str, and this is a float"),
        (..., "replace the three dots with the name of a network"),
    ],
)
def test_a_wrong_network_gets_a_hint(networks, answer, hint):
    result = check("02_best", answer, networks=networks, most_flops=1e9)
    assert not result.passed
    assert hint in result.sentence


def test_a_network_far_over_the_budget_is_not_a_matter_of_counting(networks):
    assert "count as 2" not in check("02_best", "large", networks=networks, most_flops=0.5e9).sentence
