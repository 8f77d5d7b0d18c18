"""Suspected label errors: planted ones come first, and the table says what a slow count says."""

import dataclasses

import numpy as np
import pytest
from made_features import make_features

from tlkit.heads import fit_head
from tlkit.images.splits import assign_folds
from tlkit.inspection import find_label_errors
from tlkit.inspection.label_errors import find_confident


def plant(features, n_planted, seed):
    """Return features of which so many labels are the next class's, and the names of these pictures."""
    rows = np.random.default_rng(seed).choice(len(features), n_planted, replace=False)
    labels = features.labels.copy()
    labels[rows] = (labels[rows] + 1) % len(features.classes)
    return dataclasses.replace(features, labels=labels), set(features.names[rows])


def make_clear_features(seed=0, n_pictures=200):
    """Return features of classes that lie apart, but for a tenth of the pictures."""
    features = make_features(n_classes=4, n_pictures=n_pictures, seed=seed)
    centres = 12 * np.eye(4)[features.labels]
    return dataclasses.replace(features, values=(features.values + centres).astype(np.float32))


@pytest.mark.parametrize("seed", range(4))
def test_planted_errors_are_among_the_first_suspects(seed):
    features, planted = plant(make_clear_features(seed), 10, seed)
    table = find_label_errors(features, seed=seed)
    assert len(table) == 200
    assert len(planted & set(table["picture"][:20])) >= 8
    confident = set(table["picture"][table["confident"]])
    assert len(planted & confident) >= 5
    assert len(confident) < 40


def test_each_picture_is_judged_by_a_head_that_learned_from_other_groups():
    features = make_features(n_classes=3, n_pictures=40)
    features = dataclasses.replace(features, groups=np.array([f"g{number // 2}" for number in range(40)]))
    table = find_label_errors(features, n_folds=4, seed=2).set_index("picture")
    folds = assign_folds(features.labels, features.groups, 4, 2)
    for number in range(40):
        head = fit_head(features[folds != folds[number]])
        row, label = head.predict(features.values[[number]])[0].tolist(), int(features.labels[number])
        other = max((place for place in range(3) if place != label), key=lambda place: row[place])
        found = table.loc[features.names[number]]
        assert found["probability"] == pytest.approx(row[label])
        assert found["suggested_probability"] == pytest.approx(row[other])
        assert found["margin"] == pytest.approx(row[label] - row[other])
        assert (found["label"], found["suggested"]) == (features.classes[label], features.classes[other])
        mates = features.groups == features.groups[number]
        assert len(set(folds[mates])) == 1


def slow_confident(probabilities, labels):
    n_classes, found = len(probabilities[0]), []
    thresholds = {}
    for label in range(n_classes):
        own = [row[label] for row, given in zip(probabilities, labels, strict=True) if given == label]
        if own:
            thresholds[label] = sum(own) / len(own)
    for row, given in zip(probabilities, labels, strict=True):
        counted = [label for label in thresholds if row[label] >= thresholds[label]]
        found.append(bool(counted) and max(counted, key=lambda label: row[label]) != given)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_rule_of_confident_learning_equals_a_slow_version(seed):
    random = np.random.default_rng(seed)
    probabilities, labels = random.dirichlet(np.full(4, 0.4), 60), random.integers(0, 3, 60)
    assert find_confident(probabilities, labels).tolist() == slow_confident(probabilities.tolist(), labels.tolist())
    assert find_confident(probabilities, labels).any()


def test_the_order_depends_on_the_pictures_alone():
    features = make_features(n_classes=3, n_pictures=40)
    first, again = (find_label_errors(features, seed=1) for _ in range(2))
    assert first.equals(again)
    assert not first.equals(find_label_errors(features, seed=2))


def test_maps_are_pooled():
    features = make_features(n_classes=3, n_pictures=30, map_size=2)
    pooled = dataclasses.replace(features, values=features.values.mean(axis=(2, 3)))
    assert find_label_errors(features).equals(find_label_errors(pooled))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n_folds": 1}, "n_folds: 1, expected"),
        ({"seed": -1}, "seed: -1"),
        ({"n_folds": 41}, "n_folds: 41, but there are"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        find_label_errors(make_features(n_pictures=40), **settings)


def test_one_class_and_values_that_are_no_numbers_are_refused():
    features = make_features(n_pictures=20)
    with pytest.raises(ValueError, match=r"features: .* of 1 class, expected two"):
        find_label_errors(dataclasses.replace(features, labels=np.zeros(20, np.int64)))
    values = features.values.copy()
    values[3, 0] = np.nan
    with pytest.raises(ValueError, match="features: some values are NaN"):
        find_label_errors(dataclasses.replace(features, values=values))
