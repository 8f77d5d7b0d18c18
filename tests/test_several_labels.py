"""Several labels per picture: sets, splits, the head, the score and comparisons, against scikit-learn's slow way."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from made_networks import make_tiny_backbone
from made_pictures import make_picture
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.multiclass import OneVsRestClassifier

import tlkit as tl
from tlkit.evaluation import MultiLabelEvaluation, evaluate_probabilities
from tlkit.evaluation.intervals import t_interval, two_way_interval
from tlkit.evaluation.multilabel_evaluation import list_pseudo_values
from tlkit.images.splits import assign_folds, split_for

NAMES = ["bird", "sky", "water"]


def make_rows(n=60, seed=0):
    """Return rows of pictures whose colours follow their labels a little, two pictures per group."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        has = (random.random(3) < (0.5, 0.3, 0.15)).astype(int)
        pixels = random.integers(0, 120, (24, 24, 3)) + 60 * has
        rows.append(
            {"image": pixels.astype(np.uint8), **dict(zip(NAMES, has.tolist(), strict=True)), "who": number // 2}
        )
    return rows


@pytest.fixture(scope="module")
def images():
    return tl.load_images(make_rows(), label=NAMES, group="who")


@pytest.fixture(scope="module")
def features(images):
    values = np.random.default_rng(1).normal(size=(len(images), 20)) + images.labels @ np.ones((3, 20)) * 0.4
    return tl.Features(values.astype(np.float32), images.labels, NAMES, images.names, images.groups, {})


def count_per_fold(labels, folds):
    return np.stack([labels[folds == fold].sum(axis=0) for fold in range(folds.max() + 1)])


def test_labels_are_those_of_the_columns_in_all_forms(tmp_path, images):
    rows = make_rows()
    expected = np.array([[row[name] for name in NAMES] for row in rows])
    assert images.labels.shape == (60, 3) and images.classes == NAMES
    assert np.array_equal(images.labels, expected) and images.labels.dtype == np.int64
    pairs = [(row["image"], [row[name] for name in NAMES]) for row in rows]
    assert np.array_equal(tl.load_images(pairs, label=NAMES).labels, expected)
    table = pd.DataFrame(rows[:6])
    for number in range(6):
        make_picture(number).save(tmp_path / f"{number}.png")
    table["image"] = [f"{number}.png" for number in range(6)]
    table.to_csv(tmp_path / "table.csv", index=False)
    from_file = tl.load_images(tmp_path / "table.csv", label=NAMES, group="who")
    assert np.array_equal(from_file.labels, expected[:6])
    assert [name.rpartition("/")[2] for name in from_file.names] == table["image"].tolist()
    table["image"] = [str(tmp_path / name) for name in table["image"]]
    assert np.array_equal(tl.load_images(table.astype(dict.fromkeys(NAMES, bool)), label=NAMES).labels, expected[:6])
    assert images[7][1] == expected[7].tolist() and repr(images).startswith("ImageSet(60 pictures, 3 labels")


@pytest.mark.parametrize(
    ("change", "label", "message"),
    [
        ({"sky": -1}, NAMES, "label: sky is -1 in row 0 of the list, expected 0 or 1"),
        ({"sky": float("nan")}, NAMES, "it is unknown, so leave the picture or the column out"),
        ({"sky": 0.5}, NAMES, "sky is 0.5"),
        ({"sky": "yes"}, NAMES, "sky is 'yes'"),
        ({}, ["bird", "cloud"], "no column 'cloud'"),
        ({}, ["bird", "bird"], "two or more columns"),
        ({}, ["bird"], "two or more columns"),
        ({}, [], "two or more columns"),
    ],
)
def test_labels_that_cannot_be_read_are_refused(change, label, message):
    rows = make_rows(6)
    rows[0] |= change
    with pytest.raises(ValueError, match=re.escape(message)):
        tl.load_images(rows, label=label)


def test_copies_with_other_labels_are_reported():
    rows = make_rows(6)
    rows[1] = rows[0] | {"sky": 1 - rows[0]["sky"]}
    with pytest.warns(UserWarning, match="1 picture in more than one class"):
        assert tl.load_images(rows, label=NAMES).groups[0] == tl.load_images(rows, label=NAMES).groups[1]


def test_folders_have_no_label_columns(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        make_picture().save(tmp_path / name / "1.png")
    with pytest.raises(ValueError, match="no columns, expected None"):
        tl.load_images(tmp_path, label=NAMES)


def test_sets_keep_their_labels(images):
    assert images[:4].labels.tolist() == images.labels[:4].tolist()
    assert (images[:4] + images[4:]).content_hash == images.content_hash
    assert images.with_classes(NAMES[::-1]).labels.tolist() == images.labels[:, ::-1].tolist()
    assert images.with_classes(NAMES[::-1]).content_hash != images.content_hash
    assert images.select(classes=["sky", "water"]).labels[:, 1:].any(axis=1).all()
    assert len(images.select(classes=["sky", "water"])) == images.labels[:, 1:].any(axis=1).sum()
    changed = images.labels.copy()
    changed[-1, 0] = 1 - changed[-1, 0]
    assert dataclasses.replace(images, labels=changed).content_hash != images.content_hash
    with pytest.raises(ValueError, match="read-only"):
        images.labels[0] = 1
    with pytest.raises(ValueError, match="expected the labels bird, sky, water in any order"):
        images.with_classes([*NAMES, "cloud"])
    with pytest.raises(TypeError, match="unsupported operand"):
        images + tl.load_images("styles", domain="photo")


def test_the_description_counts_pictures_once_in_total(images):
    table = images.describe().table
    assert table.index.tolist() == [*NAMES, "none of these", "total"]
    none = int((~images.labels.any(axis=1)).sum())
    assert table["total"].tolist() == [*images.labels.sum(axis=0), none, len(images)]
    assert table.loc["sky", "groups"] == len(set(images.groups[images.labels[:, 1] == 1]))
    assert repr(images.describe()).startswith(repr(images))
    assert images.describe()._repr_html_().count("<img") == 4


@pytest.mark.parametrize("seed", range(5))
def test_folds_divide_every_label_and_no_group(seed, images):
    labels = (np.random.default_rng(seed).random((300, 6)) < (0.5, 0.3, 0.2, 0.1, 0.05, 0.03)).astype(int)
    each, pairs = np.arange(300).astype(str), (np.arange(300) // 2).astype(str)
    folds = assign_folds(labels, each, 5, seed)
    counts = count_per_fold(labels, folds)
    rarest = labels.sum(axis=0).argmin()
    assert np.ptp(counts[:, rarest]) <= 1  # it is divided first
    assert np.ptp(counts, axis=0).max() <= 2 and np.ptp(np.bincount(folds)) <= 2
    random = np.random.default_rng(seed).permutation(300) % 5
    assert np.ptp(counts, axis=0).sum() < np.ptp(count_per_fold(labels, random), axis=0).sum()
    grouped = assign_folds(labels, pairs, 5, seed)
    assert (grouped[::2] == grouped[1::2]).all()
    assert np.ptp(count_per_fold(labels, grouped), axis=0).max() <= 5
    assert np.array_equal(grouped, assign_folds(labels, pairs, 5, seed))
    assert not np.array_equal(grouped, assign_folds(labels, pairs, 5, seed + 1))


def test_sides_of_a_split_share_no_group_and_follow_published_folds(images):
    train, test = images.split(test_fold=2, seed=3)
    assert not set(train.groups) & set(test.groups) and len(train) + len(test) == len(images)
    published = dataclasses.replace(images, folds=np.arange(len(images)) // 2 % 5)
    assert published.split(test_fold=1)[1].folds.tolist() == [1] * 12
    only_one = images[images.labels[:, 2] == 1][:1] + images[images.labels[:, 2] == 0]
    with pytest.warns(UserWarning, match="every picture of water is on the test side"):
        for fold in range(5):
            only_one.split(test_fold=fold, seed=1)


def test_shots_are_drawn_for_each_label_and_nested(images):
    two, five = images.few(2, seed=4), images.few(5, seed=4)
    assert (two.counts >= 2).all() and (five.counts >= 5).all() and set(two.names) < set(five.names)
    assert (~two.labels.any(axis=1)).sum() >= 2  # pictures without a label too
    with pytest.warns(UserWarning, match="water has"):
        images.few(30)
    with pytest.raises(ValueError, match="take fewer shots"):
        images.few(30, strict=True)


@pytest.mark.parametrize("balance", [None, "weights"])
@pytest.mark.parametrize("n_pictures", [60, 15])
def test_the_head_is_one_regression_per_label(n_pictures, balance, features):
    features = features[:n_pictures]
    head = tl.fit_head(features, l2_penalty=2.0, balance=balance)
    scale = features.values.std()
    kind = LogisticRegression(C=1 / 2.0, tol=1e-10, max_iter=10_000, class_weight=balance and "balanced")
    slow = OneVsRestClassifier(kind).fit(features.values.astype(float) / scale, features.labels)
    expected = slow.predict_proba(features.values.astype(float) / scale)
    assert np.abs(head.predict(features.values) - expected).max() < 1e-4
    macro = average_precision_score(features.labels, expected, average="macro")
    assert head.score(features) == pytest.approx(macro, abs=1e-6)
    weight, bias = head.linear()
    scores = features.values @ weight.T + bias
    assert np.abs(1 / (1 + np.exp(-scores)) - expected).max() < 1e-4


def test_labels_that_none_or_all_have_need_no_regression(features):
    labels = features.labels.copy()
    labels[:, 0], labels[:, 2] = 1, 0
    head = tl.fit_head(dataclasses.replace(features, labels=labels))
    probabilities = head.predict(features.values)
    assert (probabilities[:, 0] > 1 - 1e-9).all() and (probabilities[:, 2] == 0).all()
    assert 0 < probabilities[:, 1].min() < probabilities[:, 1].max() < 1
    with pytest.raises(ValueError, match="60 pictures with the same labels"):
        tl.fit_head(dataclasses.replace(features, labels=np.ones_like(labels)))


def measure_precision(truth, scores):
    """Return the average precision by its definition: precision × gain in recall at each threshold."""
    total, found_before = 0.0, 0
    for threshold in sorted(set(scores), reverse=True):
        chosen = scores >= threshold
        found = truth[chosen].sum()
        total += (found - found_before) * found / chosen.sum()
        found_before = found
    return total / truth.sum()


def make_evaluation(n, n_groups, seed=3):
    random = np.random.default_rng(seed)
    labels, scores = (random.random((n, 3)) < 0.4).astype(int), random.random((n, 3)).round(1)  # with ties
    names = np.arange(n).astype(str)
    return MultiLabelEvaluation(scores, labels, NAMES, names, (np.arange(n) % n_groups).astype(str))


def test_average_precision_is_that_of_its_definition():
    made = make_evaluation(50, 50)
    slow = [measure_precision(*pair) for pair in zip(made.labels.T, made.probabilities.T, strict=True)]
    assert made.table["average_precision"].tolist() == pytest.approx(slow, abs=1e-12)
    assert made.mean_average_precision == pytest.approx(np.mean(slow), abs=1e-12)


def test_pseudo_values_leave_out_one_group_each():
    made = make_evaluation(40, 20)
    ours, whole, slow = list_pseudo_values(made), made.mean_average_precision, []
    for group in set(made.groups):
        kept = made.groups != group
        one = average_precision_score(made.labels[kept], made.probabilities[kept], average="macro")
        slow.append(20 * whole - 19 * one)
    expected = np.array(slow) + whole - np.mean(slow)
    assert np.sort(ours) == pytest.approx(np.sort(expected), abs=1e-9) and ours.mean() == pytest.approx(whole)
    assert len(list_pseudo_values(make_evaluation(400, 200))) == 50


def test_labels_without_positives_are_left_out_and_named(images):
    test = dataclasses.replace(images, labels=images.labels * [1, 0, 1])
    probabilities = np.random.default_rng(5).random((60, 3))
    evaluation = evaluate_probabilities(probabilities, test)
    assert isinstance(evaluation, MultiLabelEvaluation) and evaluation.left_out == ["sky"]
    slow = [average_precision_score(test.labels[:, label], probabilities[:, label]) for label in (0, 2)]
    assert evaluation.mean_average_precision == pytest.approx(np.mean(slow), abs=1e-12)
    assert evaluation.table["average_precision"].isna().tolist() == [False, True, False]
    assert ", without sky, which no picture has" in repr(evaluation)
    predictions = evaluation.predictions
    assert len(predictions) == 180 and predictions["has_label"].sum() == test.labels.sum()
    assert predictions["probability"].tolist() == probabilities.ravel().tolist()
    for wrong in (probabilities * 2, -probabilities, np.full((60, 3), np.nan)):
        with pytest.raises(ValueError, match="probabilities: "):
            evaluate_probabilities(wrong, test)


def measure_slowly(backbone, train, test, l2_penalty=10.0):
    values = [tl.extract_features(backbone, part, progress=False).values.astype(float) for part in (train, test)]
    scale = values[0].astype(np.float32).std()
    slow = OneVsRestClassifier(LogisticRegression(C=1 / l2_penalty, tol=1e-10, max_iter=10_000))
    probabilities = slow.fit(values[0] / scale, train.labels).predict_proba(values[1] / scale)
    return probabilities, average_precision_score(test.labels, probabilities, average="macro")


def test_a_comparison_gives_scores_verdicts_and_predictions(images):
    backbone, other = make_tiny_backbone(), tl.Probe("logistic", l2_penalty=0.01, name="weak")
    told = []
    made = tl.compare(
        backbone,
        images,
        ["linear_probe", other],
        shots=4,
        progress=False,
        on_run=lambda runs, _: told.append(len(runs)),
    )
    slow = {}
    for name, penalty in (("linear_probe", 10.0), ("weak", 0.01)):
        slow[name] = []
        for seed in range(5):
            _, train, test = split_for(images, seed)
            slow[name].append(measure_slowly(backbone, train.few(4, seed=seed), test, penalty)[1])
    scores = made.runs.pivot(index="seed", columns="strategy", values="mean_average_precision")
    for name in slow:
        assert scores[name].to_numpy() == pytest.approx(np.array(slow[name]), abs=1e-6)
    gains = np.subtract(slow["weak"], slow["linear_probe"])
    row = made.table.set_index("strategy").loc["weak"]
    assert (row["gain"], row["gain_low"], row["gain_high"]) == pytest.approx(
        (gains.mean(), *t_interval(gains)), abs=1e-6
    )
    assert not {"accuracy", "balanced_accuracy"} & {*made.table, *made.runs}
    assert made.verdicts.keys() == {("weak", 4)} and told == [1] * 10
    assert len(made.predictions) == 2 * 60 * 3  # each picture is tested once
    drawn = made.draw(Figure().subplots())
    assert "average precision" in drawn.get_xlabel()


def test_on_a_fixed_test_set_intervals_hold_over_seeds_and_groups(images):
    backbone, (train, test) = make_tiny_backbone(), images.split()
    arms = ["linear_probe", tl.Probe("logistic", l2_penalty=0.01, name="weak")]
    with pytest.raises(ValueError, match=r"test: \d pictures, none of a known class, expected one or more"):
        tl.compare(backbone, train, arms, shots=4, test=test[~test.labels.any(axis=1)], progress=False)
    made = tl.compare(backbone, train, arms, shots=4, seeds=3, test=test, progress=False)
    worth = {}
    for name in ("linear_probe", "weak"):
        own = made.predictions[made.predictions["strategy"] == name]
        worth[name] = []
        for seed in range(3):
            one = own[own["seed"] == seed].pivot(index="picture", columns="label", values="probability")
            one = one.loc[test.names, NAMES].to_numpy()
            tested = MultiLabelEvaluation(one, test.labels, NAMES, test.names, test.groups)
            worth[name].append(list_pseudo_values(tested))
    differences = np.stack(worth["weak"]) - np.stack(worth["linear_probe"])
    row = made.table.set_index("strategy").loc["weak"]
    expected = differences.mean(), *two_way_interval(differences, np.arange(differences.shape[1]))
    assert (row["gain"], row["gain_low"], row["gain_high"]) == pytest.approx(expected, abs=1e-9)
    low = two_way_interval(np.stack(worth["weak"]), np.arange(differences.shape[1]))[0]
    assert row["mean_average_precision_low"] == pytest.approx(low, abs=1e-9)
    assert "test_hash" in made.description


@pytest.mark.parametrize("arms", [["linear_probe", "fine_tune"], ["linear_probe", tl.Probe("knn")]])
def test_arms_that_cannot_take_several_labels_are_refused(arms, images):
    with pytest.raises(ValueError, match="several labels per picture are only compared by"):
        tl.compare(make_tiny_backbone(), images, arms, progress=False)


def test_a_test_set_of_one_class_each_is_refused(images):
    one_class = tl.load_images("styles", domain="photo")[:10]
    with pytest.raises(TypeError, match="test: one class per picture"):
        tl.compare(make_tiny_backbone(), images, ["linear_probe", tl.Probe("logistic", name="b")], test=one_class)
    with pytest.raises(TypeError, match="test: several labels per picture"):
        tl.compare(make_tiny_backbone(), one_class, ["linear_probe", "hand_made"], test=images)
