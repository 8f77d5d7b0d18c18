"""Exercises of lesson 00: the right answer passes, each usual slip gets its own hint."""

import types

import numpy as np
import pytest

from tlkit.lessons import check

EVALUATION = types.SimpleNamespace(labels=np.array([0, 1, 2, 2, 1]), predicted=np.array([0, 1, 2, 0, 1]))
STRANGERS = np.linspace(0.05, 0.95, 19)
KNOWN = np.array([0.5, 0.86, 0.95, 0.99])


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (4, "Passed: 4 of 5 pictures, an accuracy of 0.800."),
        (np.int64(4), "Passed"),
        (4.0, "Passed: 4 of 5 pictures"),
        (np.array([4]), "Passed: 4 of 5 pictures"),
        (1, "Not yet: these are the wrong ones"),
        (5, "Not yet: these are all held-out pictures"),
        (3, "Not yet: this is the number of classes; count pictures."),
        (2, "Not yet: compare the two arrays"),
        ([True, True, True, False, True], "Not yet: a number of pictures is a whole number, and this is a list"),
        (0.8, "Not yet: a number of pictures is a whole number, and this is a float"),
        (..., "Not yet: no answer yet; replace the three dots with a whole number"),
    ],
)
def test_a_count_of_correct_predictions_gets_its_verdict(answer, sentence):
    assert repr(check("00_right", answer, evaluation=EVALUATION)).startswith(sentence)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (0.9, "Passed: 5% of the strangers are answered, and 50% of the known pictures."),
        (0.905, "Passed: 5% of the strangers"),
        (0.8, "Not yet: above 0.8, 16% of the strangers are still answered: go higher."),
        (0.99, "Not yet: 0.98 would stop enough strangers too, and fewer known pictures: go lower."),
        (-0.1, "Not yet: a confidence lies between 0 and 1, and this is -0.1."),
        (90, "Not yet: a confidence lies between 0 and 1, and this is 90."),
        (np.array([0.9]), "Passed: 5% of the strangers"),
        ("high", "Not yet: this should be a number, and is a str."),
        (..., "Not yet: no answer yet"),
    ],
)
def test_a_threshold_gets_its_verdict(answer, sentence):
    assert repr(check("00_threshold", answer, strangers=STRANGERS, known=KNOWN)).startswith(sentence)
