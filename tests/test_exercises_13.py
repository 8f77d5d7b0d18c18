"""Exercises of lesson 13: the right answer passes, each usual slip gets its own hint."""

import numpy as np
import pandas as pd
import pytest

from tlkit.lessons import check

# 6 of 10 tokens between the ends are unknown, in 3 of 4 texts, of which one has no other token.
TOKENS = [["[CLS]", *text.split(), "[SEP]"] for text in ("[UNK] [UNK]", "日 [UNK] : [UNK] [UNK]", "[UNK] 面", "鱼")]
SCORES = {"English": 0.9, "Chinese": 0.3, "Chinese, means subtracted": 0.36}


def test_the_share_of_unknown_tokens_passes():
    answer = np.mean([piece == "[UNK]" for text in TOKENS for piece in text[1:-1]])
    assert answer == 0.6
    for given in (answer, "0.6", np.float32(0.6)):
        result = check("13_unknown", given, tokens=TOKENS)
        assert result.passed and result.sentence.startswith("6 of 10 tokens: 0.60")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (6 / 18, "counts [CLS] and [SEP] too"),
        (4 / 10, "the share of known tokens"),
        ((1 + 0.6 + 0.5 + 0) / 4, "the mean of the texts' shares"),
        (3 / 4, "the share of texts with an unknown token"),
        (1 / 4, "the share of texts without any known token"),
        (1 / 5, "counts different tokens"),
        (6, "a number of tokens; divide"),
        (60, "this is in percent; give a share"),
        (6 / 4, "that is unknown over known tokens"),
        ("many", "this should be a number, and is a str"),
        (0.9, "how often does [UNK] occur"),
        (..., "replace the three dots with a number between 0 and 1"),
    ],
)
def test_a_wrong_share_of_tokens_gets_a_hint(answer, hint):
    result = check("13_unknown", answer, tokens=TOKENS)
    assert not result.passed
    assert hint in result.sentence


@pytest.mark.parametrize("scores", [SCORES, pd.Series(SCORES)])
def test_the_share_of_the_gap_passes(scores):
    for answer in ((0.36 - 0.3) / (0.9 - 0.3), 0.105):
        result = check("13_won_back", answer, scores=scores)
        assert result.passed
        assert result.sentence.startswith("0.060 of 0.600: 0.10")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (0.06, "that is the gain in accuracy"),
        (0.6, "that is the whole gap"),
        (0.54, "that is the gap that is left"),
        (0.9, "the share of the gap that is left"),
        (0.4, "over that in English"),
        (0.2, "that is the gain over the accuracy before"),
        (0.06 / 0.9, "divides by the accuracy in English"),
        (1.2, "the ratio of the accuracies"),
        (0.06 / 0.54, "divides by the gap that is left"),
        (10, "this is in percent; give a share"),  # and the gap over the gain
        (-0.1, "the sign: gain is after minus before"),
        ("a tenth", "this should be a number, and is a str"),
        (0.77, "how large is the gap"),
        (..., "replace the three dots with a number"),
    ],
)
def test_a_wrong_share_of_the_gap_gets_a_hint(answer, hint):
    result = check("13_won_back", answer, scores=SCORES)
    assert not result.passed
    assert hint in result.sentence
