"""Exercises of lesson 01: the right answer passes, each usual slip gets its own hint."""

import warnings

import numpy as np
import pandas as pd
import pytest
from made_comparisons import make_comparison
from scipy.stats import t

import tlkit as tl
from tlkit.lessons import check


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart")


@pytest.fixture(scope="module")
def train(images):
    return images.split(test_fold=0)[0]


@pytest.fixture(scope="module")
def comparison(images):
    return make_comparison(images)


def check_interval(comparison, answer):
    return check("01_interval", answer, comparison=comparison, strategy="linear_probe", shots=5)


def score(comparison, strategy):
    runs = comparison.runs[comparison.runs["shots"] == 5]
    return runs[runs["strategy"] == strategy].set_index("seed")["accuracy"]


def around(mean, half):
    return mean - half, mean + half


def test_the_number_that_few_really_draws_passes(train):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="shots: ")
        drawn = len(train.few(20))
    assert drawn < 20 * len(train.classes)
    result = check("01_pictures", drawn, train=train, shots=20)
    assert result.passed
    assert repr(result).startswith(f"Passed: {drawn} pictures, {20 * len(train.classes) - drawn} fewer")
    for same in (np.int64(drawn), float(drawn), np.array(drawn), np.array([drawn]), pd.Series([drawn])):
        assert repr(check("01_pictures", same, train=train, shots=20)) == repr(result)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (20 * 14, "if every class had 20 pictures"),
        ("all", "that is every training picture"),
        (20, "that is the number for a single class"),
        (14, "that is the number of classes"),
        ("large", "the smaller ones give all they have"),
        ("smallest", "only the smallest class is that small"),
        ("missing", "these are the missing pictures"),
        (3, "or, if it has fewer, all it has"),
        ([20] * 14, "a number of pictures is a whole number, and this is a list"),
        (259.5, "a number of pictures is a whole number, and this is a float"),
        (True, "this is a bool"),
        (..., "no answer yet; replace the three dots with a whole number"),
        (None, "no answer yet"),
    ],
)
def test_a_wrong_count_gets_a_hint(train, answer, hint):
    counts = np.bincount(train.labels)
    named = {
        "all": len(train),
        "large": int(20 * (counts >= 20).sum()),
        "smallest": int(counts.min() * len(counts)),
        "missing": int(np.maximum(20 - counts, 0).sum()),
    }
    result = check("01_pictures", named[answer] if isinstance(answer, str) else answer, train=train, shots=20)
    assert not result.passed
    assert hint in repr(result)
    assert repr(result).startswith("Not yet: ")


def test_the_interval_by_hand_passes(comparison):
    gains = score(comparison, "linear_probe") - score(comparison, "random_features")
    by_hand = around(gains.mean(), t.ppf(0.975, 4) * gains.std() / 5**0.5)
    assert check_interval(comparison, by_hand).passed
    assert check_interval(comparison, np.round(by_hand, 3)).passed
    assert check_interval(comparison, np.round(by_hand, 2)).passed
    row = comparison.table.set_index(["strategy", "shots"]).loc[("linear_probe", 5)]
    assert row["gain_low"] < by_hand[0] and by_hand[1] < row["gain_high"]


def test_each_slip_on_the_way_to_an_interval_gets_its_own_hint(comparison):
    arm, baseline = score(comparison, "linear_probe"), score(comparison, "random_features")
    gains, student = arm - baseline, t.ppf(0.975, 4)
    mean, deviation = gains.mean(), gains.std()
    row = comparison.table.set_index(["strategy", "shots"]).loc[("linear_probe", 5)]
    slips = {
        "1.96 is for many seeds": around(mean, 1.96 * deviation / 5**0.5),
        "divide by the root of the number": around(mean, student * deviation),
        "std(ddof=1)": around(mean, student * gains.std(ddof=0) / 5**0.5),
        "subtract first": around(mean, student * ((arm.var() + baseline.var()) / 5) ** 0.5),
        "that is the table's, wider": (row["gain_low"], row["gain_high"]),
        "the interval of the accuracy": around(arm.mean(), student * arm.std() / 5**0.5),
        "that is the 90 % interval": around(mean, t.ppf(0.95, 4) * deviation / 5**0.5),
        "seeds minus one": around(mean, t.ppf(0.975, 5) * deviation / 5**0.5),
        "that is the mean and half of the width": (mean, student * deviation / 5**0.5),
        "the signs are reversed": around(-mean, student * deviation / 5**0.5),
        "these are in percent": np.multiply(100, around(mean, student * deviation / 5**0.5)),
        "the lower end comes first": (0.9, 0.1),
        "the middle is right": around(mean, 0.5),
        "the middle should be the mean": (0.0, 0.001),
        "an interval is a pair of numbers": 0.3,
        "and this is 'wide'": "wide",
        "replace the three dots with a pair of numbers": ...,
    }
    for hint, answer in slips.items():
        result = check_interval(comparison, answer)
        assert hint in result.sentence
        assert not result.passed
