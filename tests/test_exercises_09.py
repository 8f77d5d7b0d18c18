"""Exercises of lesson 09: what is right passes, each usual slip gets its own hint."""

import math

import numpy as np
import pandas as pd
import pytest

from tlkit.lessons import check
from tlkit.lessons.lesson_09 import expect_maximum

GIVEN = {"chance": 0.5, "n_pictures": 14, "n_epochs": 10}


def expect_slowly(chance, n_pictures, n_epochs):
    """Over all counts the best may have, by the chance of each, from Pascal's triangle."""
    chances = [math.comb(n_pictures, n) * chance**n * (1 - chance) ** (n_pictures - n) for n in range(n_pictures + 1)]
    expected, at_most = 0.0, 0.0
    for n, one in enumerate(chances):
        before, at_most = at_most, at_most + one
        expected += n * (at_most**n_epochs - before**n_epochs)
    return expected / n_pictures


@pytest.mark.parametrize("given", [(0.5, 14, 10), (0.3, 5, 3), (0.9, 20, 1), (0.5, 1, 2)])
def test_the_expected_maximum_is_that_of_a_slow_sum(given):
    assert expect_maximum(*given) == pytest.approx(expect_slowly(*given))


def test_an_exact_a_rounded_and_a_thrown_answer_pass():
    right = expect_slowly(0.5, 14, 10)
    thrown = np.random.default_rng(0).binomial(14, 0.5, (20_000, 10)).max(axis=1).mean() / 14
    for answer in (right, round(right, 2), thrown, np.float32(right)):
        result = check("09_maximum", answer, **GIVEN)
        assert result.passed
        assert (
            result.sentence
            == f"{right:.2f}, although each is worth 0.50: {right - 0.5:+.2f} from taking the best of 10."
        )


MAXIMUM_SLIPS = {
    "that is the accuracy of each epoch": 0.5,
    "that is a number of pictures": expect_slowly(0.5, 14, 10) * 14,
    "that is in per cent": expect_slowly(0.5, 14, 10) * 100,
    "that is the best possible result": 1,
    "that is the worst of them": 1 - expect_slowly(0.5, 14, 10),
    "that is the best of two": expect_slowly(0.5, 14, 2),
    "that is the best on ten times as many pictures": expect_slowly(0.5, 140, 10),
    "that is one standard deviation above": 0.5 + math.sqrt(0.25 / 14),
    "another number: draw 10 epochs, each with 14 pictures that are right with probability 0.5": 0.1234,
    "this should be a number, and is a str": "most",
    "no answer yet; replace the three dots with a number": ...,
}


@pytest.mark.parametrize("hint", MAXIMUM_SLIPS)
def test_each_slip_of_the_maximum_gets_its_own_hint(hint):
    result = check("09_maximum", MAXIMUM_SLIPS[hint], **GIVEN)
    assert not result.passed
    assert hint in result.sentence


@pytest.fixture
def damage():
    """Turned breaks most; negatives are only new; mirrored breaks a little; gray nothing."""
    rows = [
        ("turned", 0.9, 0.5, 0.4),
        ("negative", 0.9, 0.3, 0.88),
        ("mirrored", 0.9, 0.7, 0.8),
        ("gray", 0.9, 0.9, 0.9),
    ]
    everything = [(policy, "all", *shares) for policy, *shares in rows]
    one_class = [(policy, "6", *shares[::-1]) for policy, *shares in rows]
    return pd.DataFrame(everything + one_class, columns=["policy", "class", "plain", "views", "trained_on_views"])


def test_the_policy_that_breaks_most_passes(damage):
    result = check("09_policy", "turned", damage=damage)
    assert result.passed
    assert result.sentence.startswith("turned: a head trained on such views recognises 0.40 instead of 0.90")


POLICY_SLIPS = {
    "negative has the lowest share in the column views (0.90 plain, 0.30 views, 0.88 trained on views)": "negative",
    "mirrored breaks some (0.90 plain, 0.70 views, 0.80 trained on views), another policy more": "mirrored",
    "gray breaks nothing": "gray",
    "'blur' is not in the table, which has turned, negative, mirrored, gray": "blur",
    "this should be the name of a policy (str), and is a list": ["turned"],
    "no answer yet; replace the three dots with the name of a policy": ...,
}


@pytest.mark.parametrize("hint", POLICY_SLIPS)
def test_each_slip_of_a_policy_gets_its_own_hint(damage, hint):
    result = check("09_policy", POLICY_SLIPS[hint], damage=damage)
    assert not result.passed
    assert hint in result.sentence
