"""Exercises of lesson 09: right answers pass, and each usual slip gets its own hint."""

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
    "this is the accuracy of each epoch": 0.5,
    "this is a number of pictures": expect_slowly(0.5, 14, 10) * 14,
    "this is in percent": 70,
    "this is the best possible result": 1,
    "this is the worst of them": 1 - expect_slowly(0.5, 14, 10),
    "this is the best of two": expect_slowly(0.5, 14, 2),
    "this is the best on ten times as many pictures": expect_slowly(0.5, 140, 10),
    "this is one standard deviation above": 0.5 + math.sqrt(0.25 / 14),
    "this is the gain alone": expect_slowly(0.5, 14, 10) - 0.5,
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
def scores():
    """Two folds, three candidates: choosing by the outer scores would take others than choosing by the inner ones."""
    rows = [
        (0, "knn", 0.70, 0.52),
        (0, "ridge", 0.74, 0.58),
        (0, "prototype", 0.40, 0.63),
        (1, "knn", 0.75, 0.66),
        (1, "ridge", 0.64, 0.78),
        (1, "prototype", 0.30, 0.32),
    ]
    return pd.DataFrame(rows, columns=["fold", "candidate", "inner", "outer"])


def test_the_outer_scores_of_the_inner_choices_pass_to_two_digits(scores):
    for answer in (0.62, (0.58 + 0.66) / 2, np.float64(0.62), 0.624):
        result = check("09_honest", answer, scores=scores)
        assert result.passed
        assert result.sentence.startswith("0.62: no choice has seen")
        assert result.sentence.endswith("The best outer scores promise 0.71.")


HONEST_SLIPS = {
    "this takes the best outer score of each fold": (0.63 + 0.78) / 2,
    "this takes the candidate with the best mean outer score": (0.58 + 0.78) / 2,
    "this is the highest outer score of all": 0.78,
    "this is the inner score of the choices": 0.745,
    "this is the best mean inner score": 0.725,
    "this takes one candidate for all folds": (0.52 + 0.66) / 2,
    "this is the mean over all candidates": 0.58167,
    "this is the mean of all inner scores": (0.70 + 0.74 + 0.40 + 0.75 + 0.64 + 0.30) / 6,
    "this takes the lowest inner score": (0.63 + 0.32) / 2,
    "this is one fold alone": 0.58,
    "this is the best fold": 0.66,
    "this is the error": 0.38,
    "this is in percent": 62,
    "another number: in each fold": 0.1234,
    "this should be a number, and is a str": "knn",
    "no answer yet; replace the three dots with a number": ...,
}


@pytest.mark.parametrize("hint", HONEST_SLIPS)
def test_each_slip_of_the_honest_number_gets_its_own_hint(scores, hint):
    result = check("09_honest", HONEST_SLIPS[hint], scores=scores)
    assert not result.passed
    assert hint in result.sentence
