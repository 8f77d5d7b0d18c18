"""Exercises of lesson 11: right answers pass, each usual slip gets its own hint."""

import numpy as np
import pytest

from tlkit.lessons import check

KNOWN = np.sort(np.random.default_rng(3).gamma(9, 2, 100))


def check_threshold(answer, share=0.05):
    return check("11_threshold", answer, familiarity=KNOWN, share=share)


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("share", [0.05, 0.1])
def test_any_threshold_that_rejects_that_share_passes(method, share):
    result = check_threshold(np.quantile(KNOWN, share, method=method), share)
    assert result.passed
    assert "of 100 known pictures lie below it" in result.sentence


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (np.quantile(KNOWN, 0.95), "rejects the most familiar"),
        (KNOWN.min(), "the lowest familiarity of all"),
        (0.05 * KNOWN.mean(), "a share of the mean"),
        (KNOWN.mean(), "that is the mean"),
        (np.median(KNOWN), "that is the median"),
        (KNOWN.min() + 0.05 * np.ptp(KNOWN), "cuts the range"),
        (KNOWN.mean() - 2 * KNOWN.std(), "two standard deviations"),
        (0.05, "that is the share itself"),
        (KNOWN[30], "30 of 100 known pictures lie below it"),
        (KNOWN.max() + 1, "100 of 100"),
        (KNOWN, "should be a number, and is a ndarray"),
        (float("nan"), "0 of 100"),
        (..., "replace the three dots with a number"),
    ],
)
def test_a_wrong_threshold_gets_a_hint(answer, hint):
    result = check_threshold(answer)
    assert not result.passed
    assert hint in result.sentence


DAY = {"n_known": 700, "n_strangers": 300, "share": 0.1, "false_acceptance": 0.4}


def test_the_share_of_strangers_is_that_of_a_simulated_day():
    random = np.random.default_rng(0)
    n = 1_000_000
    is_stranger = random.random(n) < 0.3
    is_accepted = random.random(n) < np.where(is_stranger, 0.4, 0.9)
    result = check("11_strangers", is_stranger[is_accepted].mean(), **DAY)
    assert result.passed
    assert "120 of 750 accepted pictures" in result.sentence
    assert check("11_strangers", "0.16", **DAY).passed


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (120, "divide by all accepted pictures"),
        (0.4, "the question starts from the accepted"),
        (0.3, "before anything is rejected"),
        (120 / 1000, "divide by the accepted pictures only"),
        (120 / 820, "some known pictures are rejected"),
        (180 / 810, "those strangers are rejected"),
        (120 / 190, "rejected known pictures as the accepted"),
        (630 / 750, "share of known pictures"),
        (0.25, "count strangers and known among the accepted"),
        (16, "this is in percent; give a share"),
        (4.5, "a share lies between 0 and 1, and this is 4.5"),
        ("few", "this should be a number"),
        (float("nan"), "count strangers and known"),
        (..., "a number between 0 and 1"),
    ],
)
def test_a_wrong_share_of_strangers_gets_a_hint(answer, hint):
    result = check("11_strangers", answer, **DAY)
    assert not result.passed
    assert hint in result.sentence
