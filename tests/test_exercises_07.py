"""Exercises of lesson 07: what is right passes, each usual slip gets its own hint."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from tlkit.adaptation.alignment import align_mean
from tlkit.adaptation.solved_objectives import Align
from tlkit.heads.logistic import L2_PENALTY
from tlkit.lessons import check

CELL = ["source", "target", "seed"]


def make_side(share, seed):
    labels = (np.arange(200) >= share * 200).astype(int)
    return np.random.default_rng(seed).normal(size=(200, 2)) + 3 * labels[:, None] * (1, 0), labels


@pytest.fixture(scope="module")
def toy():
    return *make_side(0.8, 0), *make_side(0.25, 1)


def ask(source, labels, target):
    return Align("none").fit(source, labels, target, 2, seed=0).predict(target).argmax(axis=1)


def error(toy, source):
    _, labels, target, truth = toy
    return np.mean(ask(source, labels, target) != truth)


def test_the_error_after_aligning_the_means_passes(toy):
    right = error(toy, align_mean(toy[0], toy[2]))
    for answer in (right, round(right, 2), np.float32(right)):
        result = check("07_means", answer, toy=toy)
        assert result.passed
        assert result.sentence.startswith(f"{right:.2f} wrong after aligning, {error(toy, toy[0]):.2f} before")


def test_the_error_is_that_of_a_head_found_slowly(toy):
    source, labels, target, truth = toy
    moved = source + target.mean(axis=0) - source.mean(axis=0)
    # The same penalised likelihood, minimised without a gradient of its own.
    scale = moved.std()
    signs = 2 * labels - 1

    def loss(numbers):
        margins = signs * (moved / scale @ numbers[:2] + numbers[2])
        return np.logaddexp(0, -margins).sum() + L2_PENALTY * np.sum(numbers[:2] ** 2) / 2

    found = minimize(loss, np.zeros(3), tol=1e-9).x
    slow = np.mean((target / scale @ found[:2] + found[2] > 0) != truth)
    assert check("07_means", slow, toy=toy).passed


SLIPS = {
    "that is the share that it gets right": lambda toy: 1 - error(toy, align_mean(toy[0], toy[2])),
    "that is in per cent": lambda toy: 100 * error(toy, align_mean(toy[0], toy[2])),
    "that is the error before aligning": lambda toy: error(toy, toy[0]),
    "that is the mean over classes": lambda toy: np.mean(
        [(ask(align_mean(toy[0], toy[2]), toy[1], toy[2]) != label)[toy[3] == label].mean() for label in (0, 1)]
    ),
    "that is the error on the source": lambda toy: np.mean(ask(toy[0], toy[1], toy[0]) != toy[1]),
    "the source was moved the wrong way": lambda toy: error(toy, toy[0] - toy[2].mean(axis=0) + toy[0].mean(axis=0)),
    "the source was only centred": lambda toy: error(toy, toy[0] - toy[0].mean(axis=0)),
    "each class was moved to its own mean": lambda toy: error(
        toy,
        np.stack(
            [
                point + toy[2][toy[3] == label].mean(axis=0) - toy[0][toy[1] == label].mean(axis=0)
                for point, label in zip(toy[0], toy[1], strict=True)
            ]
        ),
    ),
    "another number: move the source": lambda toy: 0.123456,
    "this should be a number, and is a str": lambda toy: "most",
    "this should be a number, and is a ndarray": lambda toy: toy[1],
    "no answer yet; replace the three dots with a number": lambda toy: ...,
}


@pytest.mark.parametrize("hint", SLIPS)
def test_each_slip_of_an_error_gets_its_own_hint(toy, hint):
    result = check("07_means", SLIPS[hint](toy), toy=toy)
    assert not result.passed
    assert hint in result.sentence


@pytest.fixture(scope="module")
def runs():
    """Runs of three methods and the oracle on two pairs and two seeds, with two validators that know little."""
    random, rows = np.random.default_rng(0), []
    for source, target in (("photo", "sketch"), ("sketch", "photo")):
        for seed in (0, 1):
            for method in ("source_only", "coral", "priors", "oracle"):
                scores = dict(zip(("balanced_accuracy", "entropy", "bnm"), random.random(3), strict=True))
                if method == "oracle":
                    scores |= {"balanced_accuracy": 1.0, "entropy": np.nan, "bnm": np.nan}
                rows.append({"source": source, "target": target, "seed": seed, "method": method} | scores)
    return pd.DataFrame(rows)


def choose(runs, column, *, highest=True):
    methods = runs[runs["method"] != "oracle"]
    grouped = methods.groupby(CELL)[column]
    return methods.loc[grouped.idxmax() if highest else grouped.idxmin()]


@pytest.mark.parametrize("validator", ["entropy", "bnm"])
def test_the_highest_of_one_validator_passes_and_its_regret_is_told(runs, validator):
    chosen = choose(runs, validator)
    best = choose(runs, "balanced_accuracy").set_index(CELL)["balanced_accuracy"]
    lost = best - chosen.set_index(CELL)["balanced_accuracy"]
    for answer in (chosen, chosen[[*CELL, "method"]].sample(frac=1, random_state=0), chosen.set_index(CELL)["method"]):
        assert repr(check("07_blind", answer, runs=runs)) == (
            f"Passed: chosen blind by {validator}, these reach {chosen['balanced_accuracy'].mean():.3f} of "
            f"{best.mean():.3f}: a regret of {lost.mean():.3f} on average, {lost.max():.3f} at worst."
        )


def test_of_equal_scores_either_will_do(runs):
    tied = runs.assign(bnm=runs["bnm"].round(0))
    for kind in ("first", "last"):
        methods = tied[tied["method"] != "oracle"]
        top = methods[methods["bnm"] == methods.groupby(CELL)["bnm"].transform("max")]
        assert check("07_blind", top.drop_duplicates(CELL, keep=kind), runs=tied).passed


BLIND_SLIPS = {
    "these have the best accuracies": lambda runs: choose(runs, "balanced_accuracy"),
    "these are the lowest by bnm": lambda runs: choose(runs, "bnm", highest=False),
    "the oracle is among them": lambda runs: runs[runs["method"] == "oracle"],
    "one method for all": lambda runs: runs[runs["method"] == "coral"],
    "3 rows, expected 4": lambda runs: choose(runs, "bnm")[1:],
    "12 rows, expected 4": lambda runs: runs[runs["method"] != "oracle"],
    "method is missing": lambda runs: choose(runs, "bnm").drop(columns="method"),
    "source is missing": lambda runs: choose(runs, "bnm")["method"],
    "isn't among the runs": lambda runs: choose(runs, "bnm").assign(seed=7),
    "no validator chooses so; bnm comes nearest, with 3 of 4": lambda runs: pd.concat(
        [choose(runs, "bnm")[:3], choose(runs, "bnm", highest=False)[3:]]
    ),
    "should be a DataFrame or a Series by source, target and seed, not a str": lambda runs: "coral",
    "no answer yet; replace the three dots with a method for each pair and seed": lambda runs: ...,
}


@pytest.mark.parametrize("hint", BLIND_SLIPS)
def test_each_slip_of_a_blind_choice_gets_its_own_hint(runs, hint):
    result = check("07_blind", BLIND_SLIPS[hint](runs), runs=runs)
    assert not result.passed
    assert hint in result.sentence
