"""Importance weights against the ratio of densities they stand for, and against skada's."""

import numpy as np
import pytest
from made_domains import make_pair

from tlkit.adaptation import solved_objectives
from tlkit.adaptation.solved_objectives import weigh_source
from tlkit.heads.logistic import solve_logistic
from tlkit.images.splits import assign_folds


def slow_weights(source, target, groups, l2_penalty, threshold, seed):
    """Ratios by gradient descent on the same classifiers, one at a time, cut by bisection."""
    values = np.concatenate([source, target])
    values = values / values.std()
    y = np.array([0.0] * len(source) + [1.0] * len(target))
    folds = assign_folds(y.astype(int), groups, 5, seed)
    ratios = np.empty(len(source))
    for i in range(len(source)):
        x, answers = values[folds != folds[i]], y[folds != folds[i]]
        weight, bias = np.zeros(x.shape[1]), 0.0
        for _ in range(4000):
            errors = 1 / (1 + np.exp(-(x @ weight + bias))) - answers
            weight = weight - 0.02 * (x.T @ errors + l2_penalty * weight)
            bias = bias - 0.02 * errors.sum()
        ratios[i] = np.exp(values[i] @ weight + bias) * np.sum(answers == 0) / np.sum(answers == 1)
    low, high = 0.0, ratios.max() / ratios.mean() * 2
    for _ in range(200):
        cut = (low + high) / 2
        cut_ratios = np.minimum(ratios, cut * ratios.mean())
        low, high = (cut, high) if cut_ratios.max() < threshold * cut_ratios.mean() else (low, cut)
    cut_ratios = np.minimum(ratios, high * ratios.mean())
    return cut_ratios / cut_ratios.mean()


@pytest.mark.parametrize("threshold", [1.5, 100.0])
def test_weights_equal_a_slow_version(threshold, monkeypatch):
    monkeypatch.setattr(solved_objectives, "_CLASSIFIER_L2_PENALTY", 2.0)
    source, _, target, _ = make_pair(10, 12, 2, moved=0.5)
    groups = np.arange(22) // 2
    weights = weigh_source(source, target, groups[:10], groups[10:], clipping_threshold=threshold, seed=1)
    expected = slow_weights(source, target, groups.astype(str), 2.0, threshold, 1)
    assert weights == pytest.approx(expected, rel=1e-3)
    assert weights.mean() == pytest.approx(1)
    assert weights.max() <= threshold * 1.0001


def test_weights_are_the_ratio_of_two_gaussians(monkeypatch):
    monkeypatch.setattr(solved_objectives, "_CLASSIFIER_L2_PENALTY", 1e-3)
    random = np.random.default_rng(1)
    source, target = random.normal(size=(3000, 1)), random.normal(size=(3000, 1)) + 0.7
    weights = weigh_source(source, target, clipping_threshold=50)
    # The log ratio is 0.7 x − 0.7² / 2.
    slope, height = np.polyfit(source[:, 0], np.log(weights), 1)
    assert slope == pytest.approx(0.7, abs=0.1)
    assert height == pytest.approx(-(0.7**2) / 2, abs=0.05)


def test_a_weighted_fit_is_that_of_copies():
    source, labels, _, _ = make_pair()
    times = np.arange(40) // 3 % 3
    weighted = solve_logistic(source, labels, weights=times)
    copied = solve_logistic(np.repeat(source, times, axis=0), np.repeat(labels, times))
    for ours, theirs in zip(weighted, copied, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)


def test_no_picture_is_judged_by_a_classifier_that_learned_from_its_group(monkeypatch):
    learned = []

    def note(values, labels, l2_penalty):
        learned.append(set(np.round(values[:, 0] * values_scale).astype(int)))
        return solve_logistic(values, labels, l2_penalty=l2_penalty)

    monkeypatch.setattr(solved_objectives, "solve_logistic", note)
    groups = np.concatenate([np.arange(24) // 2, np.arange(18) // 2 + 6])  # six groups are in both domains
    values = np.column_stack([groups, np.random.default_rng(0).normal(size=42)]).astype(float)
    values_scale = values.std()
    solved_objectives.weigh_source(values[:24], values[24:], groups[:24], groups[24:])
    judged = [set(groups) - seen for seen in learned]
    assert len(learned) == 5
    assert sorted(group for held in judged for group in held) == sorted(set(groups))


def test_equal_domains_weigh_alike():
    source, _, _, _ = make_pair(n=400)
    assert weigh_source(source[::2], source[1::2]) == pytest.approx(np.ones(200), abs=0.3)


def test_the_same_seed_gives_the_same_bits():
    source, _, target, _ = make_pair(moved=0.3)
    first, again, other = (weigh_source(source, target, seed=seed) for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


def test_what_can_not_be_weighed_is_refused():
    source, _, target, _ = make_pair()
    with pytest.raises(ValueError, match=r"clipping_threshold: 0.5, expected a number from 1 to inf"):
        weigh_source(source, target, clipping_threshold=0.5)
    with pytest.raises(ValueError, match="source_groups: outside fold 1 of 2 all pictures are of one domain"):
        weigh_source(source, target, np.zeros(40), np.ones(30))
