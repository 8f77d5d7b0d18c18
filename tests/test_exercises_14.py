"""Exercises of lesson 14: the right answer passes, each usual slip gets its own hint."""

import numpy as np
import pytest
from scipy import stats

from tlkit.lessons import check

MARKS = {"right verdict": 30, "without interval": 20, "false accusation": 10, "missed flaw": 40}
HONEST, FLAWED = np.array([0.70, 0.74, 0.66, 0.72]), [0.80, 0.82, 0.79, 0.83]


def accuse(answer, probability=0.3):
    return check("14_accuse", answer, probability=probability, marks=MARKS)


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.9])
def test_the_points_of_an_accusation_are_those_of_all_drawn_cases(probability):
    flaws = np.arange(1000) < 1000 * probability
    accusing = np.where(flaws, 20, -10 + 30)  # after a false accusation the case is acquitted
    acquitting = np.where(flaws, -40, 30)
    result = accuse((accusing - acquitting).mean(), probability)
    assert result.passed and "above a probability of 0.14" in result.sentence
    assert accuse(str(60 * probability - 10 * (1 - probability)), probability).passed


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (0.3 * 60, "forgets the fine"),
        (-0.7 * 10, "the loss alone"),
        (0.3 * 20 - 0.7 * 10, "whoever acquits a flawed pipeline loses points"),
        (0.3 * 70 - 0.7 * 10, "without its audit, an interval earns nothing"),
        (0.3 * 20 + 0.7 * 20, "these are the points of accusing"),
        (0.3 * 60 - 0.7 * 10 - 0.7 * 30, "you still acquit; only the fine is lost"),
        (0.7 * 60 - 0.3 * 10, "the probabilities are swapped"),
        (-11, "the sign"),
        (0.3 * 60 - 10, "multiply the fine by the probability"),
        (1 / 7, "the probability above which accusing pays"),
        (5.5, "add up the gain"),
        ("few", "this should be a number, and is a str"),
        (..., "replace the three dots with a number"),
    ],
)
def test_wrong_points_get_a_hint(answer, hint):
    result = accuse(answer)
    assert not result.passed
    assert hint in result.sentence


def give(answer):
    return check("14_effect", answer, honest=HONEST, flawed=FLAWED)


def test_the_interval_of_paired_differences_passes():
    interval = stats.ttest_rel(FLAWED, HONEST).confidence_interval(0.95)
    result = give((interval.low, interval.high))
    assert result.passed and result.sentence.startswith(f"{interval.low:+.3f} to {interval.high:+.3f} over 4 seeds")
    assert all(give([round(interval.low, digits), round(interval.high, digits)]).passed for digits in (2, 3))


def around(middle, half):
    return middle - half, middle + half


CHANGES = np.subtract(FLAWED, HONEST)
MEAN, SPREAD, T = CHANGES.mean(), CHANGES.std(ddof=1), stats.t.ppf(0.975, 3)
HALF = T * SPREAD / 2


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (around(MEAN, 1.96 * SPREAD / 2), "take Student's t"),
        (around(MEAN, T * SPREAD), "the spread of single seeds"),
        (around(MEAN, T * CHANGES.std() / 2), "by the seeds minus one"),
        (around(MEAN, T * np.sqrt(HONEST.var(ddof=1) + np.var(FLAWED, ddof=1)) / 2), "subtract seed by seed"),
        (around(MEAN, HALF)[::-1], "the lower end comes first"),
        (around(-MEAN, HALF), "the sign"),
        (around(np.mean(FLAWED), T * np.std(FLAWED, ddof=1) / 2), "the interval of the flawed score"),
        ((100 * (MEAN - HALF), 100 * (MEAN + HALF)), "these are in percent; give shares"),
        ((0.5, 0.6), "the middle is the mean of the differences"),
        (0.1, "an interval is a pair of numbers"),
        (..., "replace the three dots with a pair of numbers"),
    ],
)
def test_a_wrong_interval_gets_a_hint(answer, hint):
    result = give(answer)
    assert not result.passed
    assert hint in result.sentence
