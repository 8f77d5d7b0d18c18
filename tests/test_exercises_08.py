"""Exercises of lesson 08: the right answer passes, each usual slip gets its own hint."""

import numpy as np
import pandas as pd
import pytest

from tlkit.evaluation.gains import give_verdict
from tlkit.lessons import check

WEIGHTS = [0.1, 0.25, 0.5, 1]


def make_gains(*intervals):
    rows = [{"gain": (low + high) / 2, "gain_low": low, "gain_high": high} for low, high in intervals]
    return pd.DataFrame(rows)


GAINS = make_gains((-0.02, 0.04), (-0.09, 0.03), (-0.13, -0.01), (-0.2, -0.05))


def ask_weight(answer, gains=GAINS):
    return check("08_weight", answer, gains=gains, weights=WEIGHTS)


def test_the_largest_weight_without_harm_passes():
    result = ask_weight(0.25)
    assert result.passed
    assert "between -0.09 and +0.03: no harm is shown, which isn't the same as harmless." in result.sentence
    assert all(ask_weight(answer).passed for answer in (np.float64(0.25), np.array(0.25), "0.25"))
    assert ask_weight(1, make_gains(*[(-0.01, 0.01)] * 4)).passed


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (0.5, "at 0.5 the whole interval lies below zero"),
        (1, "at 1 the whole interval lies below zero"),
        (0.1, "the mean is still not below zero"),
        (0.3, "0.3 was not measured; there are 0.1, 0.25, 0.5, 1."),
        ("sketch × 0.25", "this should be a number, and is a str."),
        ([0.1, 0.25], "this should be a number, and is a list."),
        (GAINS.loc[1], "this should be a number, and is a Series."),
        (-0.09, "-0.09 was not measured"),
        (True, "at 1 the whole interval lies below zero"),
        (..., "no answer yet; replace the three dots with a weight"),
    ],
)
def test_a_wrong_weight_gets_a_hint(answer, hint):
    result = ask_weight(answer)
    assert not result.passed
    assert hint in result.sentence


def test_a_weight_beyond_one_that_harms_is_none_without_harm():
    gains = make_gains((-0.02, 0.04), (-0.09, -0.03), (-0.13, 0.01), (-0.2, 0.05))
    assert "a smaller weight, 0.25, is shown to harm already" in ask_weight(0.5, gains).sentence
    assert ask_weight(0.1, gains).passed


def test_where_all_harm_there_is_nothing_to_choose():
    assert "every weight harms" in ask_weight(0.1, make_gains(*[(-0.2, -0.1)] * 4)).sentence


def test_another_weight_without_harm_is_sent_on():
    gains = make_gains((-0.05, 0.04), (-0.09, 0.03), (-0.12, 0.01), (-0.2, -0.05))
    assert "go on to the last one without harm" in ask_weight(0.1, gains).sentence


@pytest.mark.parametrize("strict", [False, True])
def test_both_readings_of_a_border_pass(strict):
    def judge(low, high):
        if (low > 0 if strict else low >= 0) or (high < 0 if strict else high <= 0):
            return "helps" if low >= 0 else "harms"
        within = low > -0.02 and high < 0.02 if strict else low >= -0.02 and high <= 0.02
        return "no difference that matters" if within else "can't tell"

    assert check("08_claim", judge, gains=GAINS[1:]).passed


def test_the_verdict_by_hand_passes():
    result = check("08_claim", give_verdict, gains=GAINS)
    assert result.passed
    assert result.sentence == "of these 4 intervals, 2 allow no claim at all."


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda low, high: "helps" if low + high > 0 else "harms", "zero isn't excluded"),
        (
            lambda low, high: give_verdict(low, high).replace("can't tell", "no difference that matters"),
            "does not prove equality",
        ),
        (lambda low, high: give_verdict(low, high, margin=0.0), "within two points of zero"),
        (
            lambda low, high: "no difference that matters" if high - low < 0.02 else give_verdict(low, high),
            "above zero",
        ),
        (lambda low, high: "harm", "it returns 'harm'; expected one of"),
        (lambda low, high: "can't tell", "below zero, even if only by a little"),
        (lambda low, high: give_verdict(low, high, margin=0.05), "a difference of 0."),
        (lambda low, high: "helps" if high > 0 else "harms", "zero isn't excluded"),
        (lambda low, high: give_verdict(-high, -low), "it returns 'helps': all of it lies below zero"),
        (lambda low, high: None, "is there a return?"),
        (lambda low, high: "Helps", "expected one of"),
        (lambda low, high: low > 0, "it returns False; expected one of"),
        (lambda low, high: np.array([]), "expected one of"),
        (lambda low, high: pd.Series(["helps", "harms"]), "expected one of"),
        (lambda interval: "helps", "the function ended in TypeError"),
        (lambda low, high: 1 / 0, "the function ended in ZeroDivisionError: division by zero"),
        (lambda low, high: lower > 0, "the function ended in NameError"),  # noqa: F821
        ("helps", "this should be your function, without brackets after it, and is a str."),
        (..., "replace the three dots with a function"),
    ],
)
def test_each_slip_of_a_verdict_gets_its_own_hint(answer, hint):
    result = check("08_claim", answer, gains=GAINS)
    assert not result.passed
    assert hint in result.sentence
