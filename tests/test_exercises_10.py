"""Exercises of lesson 10: right answers pass, and each usual slip gets its own hint."""

import dataclasses

import numpy as np
import pytest

import tlkit as tl
from tlkit.inspection import cka
from tlkit.lessons import check


def center(values, *, first=True, shrink=2, last=True):
    """The kernel without its diagonal and means, or with one of the usual slips."""
    kernel = values @ values.T
    if first:
        np.fill_diagonal(kernel, 0)
    n, sums = len(kernel), kernel.sum(axis=0)
    kernel = kernel - (sums + sums[:, None]) / (n - shrink) + sums.sum() / ((n - shrink / 2) * (n - shrink))
    if last:
        np.fill_diagonal(kernel, 0)
    return kernel


def make(centring):
    def align(a, b):
        ours, theirs = centring(a), centring(b)
        return np.sum(ours * theirs) / np.sqrt(np.sum(ours**2) * np.sum(theirs**2))

    return align


def center_with_means(values):
    kernel = values @ values.T
    means = kernel.mean(axis=0)
    return kernel - means - means[:, None] + means.mean()


def empty_only(values):
    kernel = values @ values.T
    np.fill_diagonal(kernel, 0)
    return kernel


def spoil(a, b):
    result = make(center)(a, b)
    a -= 1
    return result


def use_norms(a, b):
    ours, theirs = center(a), center(b)
    return (ours * theirs).sum() / np.linalg.norm(ours) / np.linalg.norm(theirs)


def compare_features(a, b):
    return make(center)(a.T, b.T)


@pytest.mark.parametrize("answer", [make(center), use_norms, lambda a, b: str(use_norms(a, b))])
def test_a_function_of_ones_own_passes(answer):
    result = check("10_debiased", answer)
    assert result.passed
    assert "and the biased one 0.91" in result.sentence


@pytest.mark.parametrize("answer", [cka, lambda a, b: cka(a, b), lambda a, b: tl.inspection.cka(a, b, debiased=True)])
def test_the_kits_own_function_is_no_answer(answer):
    result = check("10_debiased", answer)
    assert not result.passed
    assert "that calls the kit's cka; write your own" in result.sentence


SLIPS = {
    "that is still the biased one": make(center_with_means),
    "nothing was centred after it": make(empty_only),
    "with n where n - 2 belongs": make(lambda values: center(values, shrink=0)),
    "emptied once more": make(lambda values: center(values, last=False)),
    "not divided by the two norms": lambda a, b: np.sum(center(a) * center(b)),
    "another number: empty the diagonal": lambda a, b: 0.1234,
    "the function ended in ZeroDivisionError": lambda a, b: 1 / 0,
    "it changes the features": spoil,
    "should be your function, without brackets after it, and is a float": 0.5,
    "no answer yet; replace the three dots with your function": ...,
    "returns an array of shape": lambda a, b: center(a) * center(b),
    "this should be a number, and is a NoneType": lambda a, b: None,
    "that compares features; the kernel compares pictures": compare_features,
    "the function ended in TypeError": lambda a: 1.0,
}


@pytest.mark.parametrize("hint", SLIPS)
def test_each_slip_of_an_alignment_gets_its_own_hint(hint):
    result = check("10_debiased", SLIPS[hint])
    assert not result.passed
    assert hint in result.sentence


@pytest.fixture(scope="module")
def sides():
    """Return (train, test) of three groups on both sides, each with several pictures."""
    images = tl.load_images("styles", domain="clipart")
    train = dataclasses.replace(images[:14], groups=[*"aaabbbcc", *(f"own{number}" for number in range(6))])
    test = dataclasses.replace(images[14:24], groups=[*"aaabbc", *"wxyz"])
    return train, test


def test_the_groups_on_both_sides_pass(sides):
    train, test = sides
    for answer in (3, np.int64(3), 3.0):
        result = check("10_groups", answer, train=train, test=test)
        assert result.passed
        assert result.sentence.startswith("3 groups are on both sides, and with them 6 of 10 test pictures")


GROUP_SLIPS = {
    "these are the test pictures": 6,
    "these are the training pictures": 8,
    "these are the pictures of such groups, on both sides": 14,
    "these are all groups": 13,
    "these are the groups of the test side": 7,
    "these are the groups of the training side": 9,
    "the groups of the test side alone": 4,
    "with one name on both sides": 0,
    "another number: take the groups of both sides as sets": 5,
    "this should be a number, and is a str": "many",
    "this is a collection": {"a", "b", "c"},
    "so this should be a whole number, and not a share": 0.6,
    "no answer yet; replace the three dots with a whole number": ...,
}


@pytest.mark.parametrize("hint", GROUP_SLIPS)
def test_each_slip_of_counting_gets_its_own_hint(sides, hint):
    train, test = sides
    result = check("10_groups", GROUP_SLIPS[hint], train=train, test=test)
    assert not result.passed
    assert hint in result.sentence
