"""Exercises of lesson 07: right answers pass, and each usual slip gets its own hint."""

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


def test_moving_both_domains_to_zero_passes_too(toy):
    source, labels, target, truth = toy
    both = source - source.mean(axis=0), labels, target - target.mean(axis=0), truth
    assert check("07_means", error(both, both[0]), toy=toy).passed


SLIPS = {
    "that is the share that it gets right": lambda toy: 1 - error(toy, align_mean(toy[0], toy[2])),
    "this is in percent": lambda toy: 100 * error(toy, align_mean(toy[0], toy[2])),
    "that is a number of points": lambda toy: len(toy[3]) * error(toy, align_mean(toy[0], toy[2])),
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
    "another number: move the source by": lambda toy: float("nan"),
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


def choose(runs, choose_row):
    """Return the balanced accuracies of the rows that a function takes from each split."""
    splits = runs[runs["method"] != "oracle"].set_index("method").groupby(CELL)
    return np.array([rows["balanced_accuracy"][choose_row(rows)] for _, rows in splits])


RULES = {
    "a function": (lambda scores: scores["bnm"].idxmax(), lambda rows: rows["bnm"].idxmax()),
    "a score by name": ("entropy", lambda rows: rows["entropy"].idxmax()),
    "a method by name": ("coral", lambda rows: "coral"),
    "a fixed method": (lambda scores: np.str_("priors"), lambda rows: "priors"),
    "no adaptation": (lambda scores: "source_only", lambda rows: "source_only"),
    "a mean of ranks": (lambda scores: scores.rank().mean(axis=1).idxmax(), lambda rows: mean_rank(rows).idxmax()),
}


def mean_rank(rows):
    return rows[["entropy", "bnm"]].rank().mean(axis=1)


@pytest.mark.parametrize("name", RULES)
def test_any_rule_passes_with_its_regret_beside_those_of_simple_ones(runs, name):
    rule, choose_row = RULES[name]
    best = choose(runs, lambda rows: rows["balanced_accuracy"].idxmax())
    lost = best - choose(runs, choose_row)
    result = check("07_blind", rule, runs=runs)
    assert result.passed
    regrets = {
        method: (best - choose(runs, lambda rows, m=method: m)).mean() for method in ("source_only", "coral", "priors")
    }
    fixed = min(regrets, key=regrets.get)
    assert result.sentence == (
        f"your rule has a regret of {lost.mean():.3f} on average, {lost.max():.3f} at worst. Beside it: always {fixed} "
        f"(the best fixed method in hindsight) {regrets[fixed]:.3f}, source only {regrets['source_only']:.3f}."
    )


def test_a_rule_sees_no_accuracy_and_cannot_change_the_scores(runs):
    seen = []

    def rule(scores):
        seen.append(list(scores))
        scores["bnm"] = 0.0
        return "coral"

    before = runs.copy()
    assert check("07_blind", rule, runs=runs).passed
    assert seen == [["entropy", "bnm"]] * 4
    assert runs.equals(before)


BLIND_SLIPS = {
    "these have the lowest bnm; for all scores, higher is better": lambda scores: scores["bnm"].idxmin(),
    "'oracle'": lambda scores: scores["oracle"],
    "the oracle was trained on the target's labels": lambda scores: "oracle",
    "the oracle was trained on the target's labels: it is no method": "oracle",
    "it returns 'corall'; there are the methods source_only, coral, priors": lambda scores: "corall",
    "'corall'; there are the methods coral, priors, source_only": "corall",
    "it returns 'bnm', which is a score; expected the method that has the highest": lambda scores: "bnm",
    "expected the name of a method, such as idxmax gives": lambda scores: scores["bnm"].max(),
    "(int64); expected the name of a method": lambda scores: scores["bnm"].to_numpy().argmax(),
    "(Series); expected the name of a method": lambda scores: scores.idxmax(),
    "it returns None: is there a return?": lambda scores: None,
    "the rule looks for 'balanced_accuracy'": lambda scores: scores["balanced_accuracy"].idxmax(),
    "Accuracies would take labels of the target": lambda scores: scores["accuracy"].idxmax(),
    "the function ended in TypeError": lambda: "coral",
    "the function ended in ZeroDivisionError": lambda scores: 1 / 0,
    "a rule is a function, not yet called, or a name, and this is a float": 0.03,
    "a rule is a function, not yet called, or a name, and this is a DataFrame": pd.DataFrame({"method": ["coral"]}),
    "no answer yet; replace the three dots with a rule": ...,
}


@pytest.mark.parametrize("hint", BLIND_SLIPS)
def test_each_slip_of_a_rule_gets_its_own_hint(runs, hint):
    result = check("07_blind", BLIND_SLIPS[hint], runs=runs)
    assert not result.passed
    assert hint in result.sentence
