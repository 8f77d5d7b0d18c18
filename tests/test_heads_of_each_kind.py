"""The mathematics of each kind of head, against slow versions written on their own."""

import dataclasses
import warnings

import numpy as np
import pytest
from made_features import N_FEATURES, make_features, softmax

import tlkit as tl
from tlkit.heads import cosine, logistic, numerics, ridge
from tlkit.images import splits


def solve_ridge(values, targets, penalty):
    inputs = np.column_stack([values, np.ones(len(values))])
    ones = np.diag([1.0] * values.shape[1] + [0.0])  # the intercept is free
    return np.linalg.solve(inputs.T @ inputs + penalty * ones, inputs.T @ targets)


@pytest.mark.parametrize(("n_rows", "n_columns"), [(30, 4), (12, 20), (9, 9)])
def test_the_left_out_error_is_that_of_as_many_refits(n_rows, n_columns, monkeypatch):
    monkeypatch.setattr(ridge, "N_ROWS_AT_ONCE", 7)  # several blocks
    random = np.random.default_rng(0)
    values = random.normal(size=(n_rows, n_columns)) + 3
    targets = np.where(random.integers(0, 3, n_rows)[:, None] == np.arange(3), 1.0, -1.0)
    penalties = [0.1, 2.0, 50.0]
    expected = []
    for penalty in penalties:
        squares = []
        for left_out in range(n_rows):
            others = np.arange(n_rows) != left_out
            weights = solve_ridge(values[others], targets[others], penalty)
            squares.append((targets[left_out] - np.append(values[left_out], 1) @ weights) ** 2)
        expected.append(np.mean(squares))
    assert ridge.measure_leave_one_out(values, targets, penalties) == pytest.approx(expected, rel=1e-8)


def test_the_left_out_error_of_columns_that_depend_on_each_other():
    random = np.random.default_rng(1)
    values = np.repeat(random.normal(size=(30, 2)), 3, axis=1)
    targets = random.choice([-1.0, 1.0], (30, 1))
    error = 0
    for left_out in range(30):
        others = np.arange(30) != left_out
        weights = solve_ridge(values[others], targets[others], 0.5)
        error += (targets[left_out, 0] - np.append(values[left_out], 1) @ weights[:, 0]) ** 2 / 30
    assert ridge.measure_leave_one_out(values, targets, [0.5])[0] == pytest.approx(error)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_ridge_takes_the_penalty_whose_left_out_error_is_smallest(n_classes):
    features = make_features(n_classes, n_pictures=25)
    head = tl.fit_head(features, "ridge", l2_penalty="leave-one-out")
    values = features.values.astype(float) / features.values.std()
    targets = np.where(features.labels[:, None] == np.arange(n_classes), 1.0, -1.0)
    errors = {}
    for l2_penalty in ridge.L2_PENALTIES:
        error = 0
        for left_out in range(25):
            others = np.arange(25) != left_out
            weights = solve_ridge(values[others], targets[others], l2_penalty * 25)
            error += np.mean((targets[left_out] - np.append(values[left_out], 1) @ weights) ** 2) / 25
        errors[l2_penalty] = error
    assert head.settings["tried"] == pytest.approx(errors, rel=1e-4)
    best = min(errors, key=errors.get)
    assert head.settings["l2_penalty"] == pytest.approx(best)
    assert best not in (ridge.L2_PENALTIES[0], ridge.L2_PENALTIES[-1])
    same = tl.fit_head(features, "ridge", l2_penalty=best)
    assert np.array_equal(head.predict(features.values), same.predict(features.values))


def group_pictures(features, n_groups):
    """Put pictures of a class into groups, and make those of one group copies of each other but for a little noise."""
    random = np.random.default_rng(5)
    places = np.arange(len(features)) % n_groups
    groups = np.array([f"{label}-{place}" for label, place in zip(features.labels, places, strict=True)])
    values = features.values.copy()
    for group in np.unique(groups):
        members = groups == group
        values[members] = values[members][:1] + 0.01 * random.normal(size=(members.sum(), N_FEATURES))
    return dataclasses.replace(features, values=values, groups=groups)


def measure_held_out(features, l2_penalty, folds):
    """Return the cross-entropy of heads fitted without each fold, on that fold, by loops over folds and pictures."""
    losses = []
    unit = features.values.std()
    for fold in range(folds.max() + 1):
        learned = features[folds != fold]
        # The l2_penalty is that of features in the unit of all pictures, not in that of the fold.
        rescaled = l2_penalty * (unit / learned.values.std()) ** 2
        head = tl.fit_head(learned, "logistic", l2_penalty=rescaled)
        for value, label in zip(features.values[folds == fold], features.labels[folds == fold], strict=True):
            losses.append(-np.log(head.predict(value[None])[0, label]))
    return np.mean(losses)


@pytest.mark.slow
@pytest.mark.parametrize(("n_classes", "grouped"), [(2, True), (3, True), (3, False)])
def test_the_cross_validated_penalty_is_that_of_an_explicit_loop(n_classes, grouped, monkeypatch):
    features = make_features(n_classes, n_pictures=60)
    if grouped:
        features = group_pictures(features, 6)
    seen = []

    def assign_folds(labels, groups, n_folds, seed):
        seen.append(splits.assign_folds(labels, groups, n_folds, seed))
        return seen[-1]

    monkeypatch.setattr(logistic, "assign_folds", assign_folds)
    head = tl.fit_head(features, "logistic", l2_penalty="cross-validated", seed=3)
    (folds,) = seen
    assert folds.max() == 4
    for group in np.unique(features.groups):
        assert len(np.unique(folds[features.groups == group])) == 1
    expected = {l2_penalty: measure_held_out(features, l2_penalty, folds) for l2_penalty in (0.1, 1.0, 10.0, 100.0)}
    assert {l2_penalty: head.settings["tried"][l2_penalty] for l2_penalty in expected} == pytest.approx(
        expected, abs=2e-3
    )
    assert head.settings["l2_penalty"] == min(head.settings["tried"], key=head.settings["tried"].get)
    same = tl.fit_head(features, "logistic", l2_penalty=head.settings["l2_penalty"])
    assert np.array_equal(head.predict(features.values), same.predict(features.values))


def test_copies_in_a_group_do_not_loosen_the_penalty():
    features = make_features(n_pictures=90)
    labels = np.random.default_rng(0).permutation(features.labels)  # there is nothing to learn but the copies by heart
    features = group_pictures(dataclasses.replace(features, labels=labels), 5)
    alone = dataclasses.replace(features, groups=features.names)
    together, apart = (
        tl.fit_head(side, l2_penalty="cross-validated").settings["l2_penalty"] for side in (features, alone)
    )
    assert together > apart


def test_a_class_of_one_group_can_not_be_held_out_and_is_named():
    features = make_features(n_classes=3)
    groups = np.where(features.labels == 1, "one", features.names)
    lonely = dataclasses.replace(features, groups=groups)
    with pytest.warns(
        UserWarning, match=r"l2_penalty: 'cross-validated' .* only one group of class1; l2_penalty 10 is used"
    ) as told:
        head = tl.fit_head(lonely, l2_penalty="cross-validated")
    assert told[0].filename == __file__
    assert head.settings == {"l2_penalty": 10.0}
    assert np.array_equal(head.predict(lonely.values), tl.fit_head(lonely).predict(lonely.values))


def test_folds_that_hold_classes_whole_judge_nothing(monkeypatch):
    features = make_features(n_classes=2)
    monkeypatch.setattr(logistic, "assign_folds", lambda labels, groups, n_folds, seed: labels)
    with pytest.warns(UserWarning, match="each of these groups holds all pictures of its class; l2_penalty 10 is used"):
        head = tl.fit_head(features, l2_penalty="cross-validated")
    assert head.settings == {"l2_penalty": 10.0}


def test_groups_that_hold_several_classes_are_no_error():
    features = make_features(n_classes=2, n_pictures=24)
    # Both classes in two large groups, and one class beside: a fold may then lack a class.
    groups = np.where(np.arange(24) % 2, "a", "b")
    mixed = dataclasses.replace(features, groups=groups)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head = tl.fit_head(mixed, l2_penalty="cross-validated")
    assert all(np.isfinite(loss) for loss in head.settings["tried"].values())


@pytest.mark.parametrize(("n_classes", "absent"), [(2, ()), (4, (1,))])
def test_prototypes_are_the_nearest_class_means(n_classes, absent):
    features, asked = make_features(n_classes, absent=absent), make_features(seed=5).values
    values = features.values.astype(float)
    centre = values.mean(axis=0)
    unit = np.mean([np.sum((value - centre) ** 2) for value in values])
    probabilities = tl.fit_head(features, "prototype", sharpness=7.0).predict(asked)
    present = [label for label in range(n_classes) if label not in absent]
    for row, value in zip(probabilities, asked, strict=True):
        weights = {}
        for label in present:
            prototype = np.mean([other for other, own in zip(values, features.labels, strict=True) if own == label], 0)
            weights[label] = np.exp(-7.0 * np.sum((value - prototype) ** 2) / unit)
        for label in present:
            assert row[label] == pytest.approx(weights[label] / sum(weights.values()), abs=1e-6)


def test_cosine_probabilities_are_those_of_the_angles():
    features, asked = make_features(), make_features(seed=5).values
    head = tl.fit_head(features, "cosine", sharpness=4.0)
    assert np.linalg.norm(head.directions, axis=1) == pytest.approx(np.ones(3))
    for row, value in zip(head.predict(asked), asked.astype(float), strict=True):
        scores = []
        for direction in head.directions:
            scores.append(4.0 * np.dot(value, direction) / np.linalg.norm(value) / np.linalg.norm(direction))
        assert row == pytest.approx(softmax(np.array([scores]))[0], abs=1e-6)


def test_the_slope_of_the_cosine_loss_is_that_of_finite_differences():
    random = np.random.default_rng(0)
    units = numerics.normalise(random.normal(size=(7, 3)))
    targets = np.eye(4)[random.integers(0, 4, 7)]
    flat = random.normal(size=12)
    _, slope = cosine.measure_cosine_loss(flat, units, targets, 3.0)
    for place in range(12):
        step = np.zeros(12)
        step[place] = 1e-6
        ahead, behind = (cosine.measure_cosine_loss(flat + sign * step, units, targets, 3.0)[0] for sign in (1, -1))
        assert slope[place] == pytest.approx((ahead - behind) / 2e-6, abs=1e-7)


def test_cosine_directions_are_a_minimum_of_the_cross_entropy():
    features = make_features()
    head = tl.fit_head(features, "cosine")
    units = numerics.normalise(features.values.astype(float))
    random = np.random.default_rng(0)

    def measure(directions):
        scores = 10 * units @ numerics.normalise(directions).T
        return -np.mean(np.log(softmax(scores)[np.arange(40), features.labels]))

    found = measure(head.directions)
    for size in (1e-3, 1e-2, 1e-1):
        for _ in range(20):
            assert measure(head.directions + size * random.normal(size=head.directions.shape)) > found - 1e-7
    means = np.stack([units[features.labels == label].mean(axis=0) for label in range(3)])
    assert found < measure(means)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_perceptron_is_scikit_learns(n_classes):
    from sklearn.neural_network import MLPClassifier

    features, asked = make_features(n_classes), make_features(seed=5).values
    values = features.values / features.values.std()
    centre = values.mean(axis=0, dtype=float)
    expected = MLPClassifier((8,), solver="lbfgs", alpha=2.0, max_iter=500, random_state=3, tol=1e-6)
    expected.fit(values - centre, features.labels)
    settings = {"seed": 3, "n_hidden": 8, "l2_penalty": 2.0, "n_iterations": 500}
    probabilities = tl.fit_head(features, "mlp", **settings).predict(asked)
    assert np.abs(probabilities - expected.predict_proba(asked / features.values.std() - centre)).max() < 1e-5


def test_the_perceptron_learns_what_no_linear_head_can():
    random = np.random.default_rng(0)
    values = random.uniform(-1, 1, size=(200, N_FEATURES)).astype(np.float32)
    features = make_features(n_classes=2, n_pictures=200)
    quadrants = (values[:, 0] > 0) ^ (values[:, 1] > 0)
    crossed = dataclasses.replace(features, values=values, labels=quadrants.astype(np.int64))
    assert tl.fit_head(crossed, "mlp", l2_penalty=0.1).score(crossed) > 0.95
    assert tl.fit_head(crossed, "logistic").score(crossed) < 0.7


def test_a_perceptron_stops_at_its_iterations_without_a_warning():
    features = make_features()
    short, long = (tl.fit_head(features, "mlp", n_iterations=n).predict(features.values) for n in (1, 100))
    assert not np.allclose(short, long, atol=1e-2)


def test_copies_of_a_picture_vote_as_equals():
    features = make_features()
    values = features.values.copy()
    values[:5] = values[0] * np.float32([[1.0], [1.1], [1.3], [1.7], [1.9]])  # brighter, and the last digits differ
    labels = features.labels.copy()
    labels[:5] = [0, 0, 1, 1, 1]
    copies = dataclasses.replace(features, values=values, labels=labels)
    row = tl.fit_head(copies, "knn").predict(values[:1])[0]
    assert row == pytest.approx([0.4, 0.6, 0.0], abs=1e-5)
