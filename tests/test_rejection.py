"""None of the above: scores against plain formulas, thresholds against counting, judgement against plain refitting."""

import importlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_networks import make_tiny_backbone

import tlkit as tl
from tlkit.evaluation.rejection import find_threshold
from tlkit.features.features import Features
from tlkit.heads.numerics import normalise
from tlkit.images.splits import assign_folds
from tlkit.training.checkpoints import hash_facts


def make_features(n_classes=4, n_pictures=80, n_features=12, seed=0, spread=0.5, group_size=1):
    """Return overlapping clusters of features whose pictures differ most along one direction."""
    random = np.random.default_rng(seed)
    labels = np.arange(n_pictures) % n_classes
    stretch = np.r_[4.0, np.ones(n_features - 1)]
    values = random.normal(size=(n_classes, n_features))[labels] + 1
    values += spread * stretch * random.normal(size=values.shape)
    names = np.arange(n_pictures).astype(str)
    groups = (np.arange(n_pictures) // (n_classes * group_size)).astype(str)
    return Features(values.astype(np.float32), labels, list("abcdefgh"[:n_classes]), names, groups, {})


def measure_plainly(values, learned, labels):
    """Return the Mahalanobis score of rows, picture by picture, with the whole covariance and its inverse."""
    values, learned = ([row / math.sqrt(sum(row**2)) for row in part.astype(float)] for part in (values, learned))
    pairs = list(zip(learned, labels.tolist(), strict=True))
    means = {label: np.mean([row for row, own in pairs if own == label], 0) for label in set(labels.tolist())}
    deviations = np.array([row - means[own] for row, own in pairs])
    covariance = sum(np.outer(row, row) for row in deviations) / len(deviations)
    mean_variance = np.trace(covariance) / len(covariance)
    inverse = np.linalg.inv(covariance + mean_variance * np.eye(len(covariance))) * mean_variance
    return np.array([-min((row - mean) @ inverse @ (row - mean) for mean in means.values()) for row in values])


def test_familiarity_is_the_distance_with_the_whole_covariance():
    known, new = make_features(), make_features(seed=1)
    rejection = tl.evaluation.fit_rejection(known)
    found = rejection.familiarity(new.values)
    np.testing.assert_allclose(found, measure_plainly(new.values, known.values, known.labels), rtol=1e-4)
    # Features that are all larger, as of a picture with more contrast, are as familiar.
    np.testing.assert_allclose(rejection.familiarity(4 * new.values), found, rtol=1e-9)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module("rejection")


def test_neighbors_is_the_distance_to_the_nearest_picture(script):
    kept, new = (normalise(make_features(seed=seed).values.astype(float)) for seed in range(2))
    nearest = [-min(math.dist(row, other) for other in kept) for row in new]
    np.testing.assert_allclose(script.score_neighbors(new, kept), nearest, rtol=1e-6)


def test_energy_and_probability_are_their_formulas_also_for_large_logits(script):
    logits = np.random.default_rng(0).normal(scale=3, size=(20, 5))
    energies = [math.log(sum(map(math.exp, row))) for row in logits]
    largest = [math.log(max(math.exp(value) for value in row) / sum(map(math.exp, row))) for row in logits]
    np.testing.assert_allclose(script.score_energy(logits), energies, rtol=1e-12)
    np.testing.assert_allclose(script.score_probability(logits), largest, rtol=1e-12)
    assert script.score_energy(np.array([[1000.0, 0.0]])) == 1000


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.29, 0.5, 0.95])
@pytest.mark.parametrize("n_known", [10, 19, 99])
def test_a_new_known_picture_is_rejected_with_at_most_the_share(share, n_known):
    """Each of n + 1 exchangeable pictures is the new one in turn; one picture more would exceed the share."""
    values = sorted(np.random.default_rng(n_known).normal(size=n_known + 1).tolist())
    n_rejected = sum(value < find_threshold(values[:i] + values[i + 1 :], share) for i, value in enumerate(values))
    assert n_rejected == math.floor(round(share * (n_known + 1), 9))


def test_left_out_classes_are_judged_as_by_hand():
    features = make_features(group_size=2)
    rejection = tl.evaluation.fit_rejection(features, 0.1)
    folds = assign_folds(features.labels, features.groups, 5, 0)

    def measure(without):
        found = np.empty(len(features))
        for fold in range(5):
            use = (folds != fold) & (features.labels != without)
            found[folds == fold] = measure_plainly(
                features.values[folds == fold], features.values[use], features.labels[use]
            )
        return found

    np.testing.assert_allclose(rejection.known, sorted(measure(None)), rtol=1e-4)
    for label, row in enumerate(rejection.left_out):
        found, is_out = measure(label), features.labels == label
        pairs = [(known > unknown) + (known == unknown) / 2 for known in found[~is_out] for unknown in found[is_out]]
        threshold = sorted(found[~is_out])[math.floor(0.1 * 61) - 1]
        assert row["class"] == features.classes[label] and row["n"] == 20
        assert row["auroc"] == pytest.approx(np.mean(pairs), abs=1e-9)
        assert row["false_acceptance"] == pytest.approx(np.mean(found[is_out] >= threshold))
    assert rejection.auroc == pytest.approx(np.mean([row["auroc"] for row in rejection.left_out]))
    assert rejection.false_acceptance == pytest.approx(np.mean([row["false_acceptance"] for row in rejection.left_out]))


def test_few_held_out_pictures_are_compared_with_the_training_pictures():
    """One picture of a class that the other folds lack would be the least familiar of all, without a class mean."""
    learned, held_out = make_features(seed=0), make_features(n_pictures=23, seed=0)
    rejection = tl.evaluation.fit_rejection(held_out, 0.1, learned)
    plain = measure_plainly(held_out.values, learned.values, learned.labels)
    np.testing.assert_allclose(rejection.known, sorted(plain), rtol=1e-4)
    assert rejection.find_threshold() == rejection.known[1]
    for label, row in enumerate(rejection.left_out):
        use, is_out = learned.labels != label, held_out.labels == label
        found = measure_plainly(held_out.values, learned.values[use], learned.labels[use])
        pairs = [(known > unknown) + (known == unknown) / 2 for known in found[~is_out] for unknown in found[is_out]]
        assert row["auroc"] == pytest.approx(np.mean(pairs), abs=1e-9)


def test_new_known_pictures_are_rejected_as_often_as_wished_with_more_features_than_pictures():
    """Directions found with the held-out pictures would fit them too well, and most new pictures be rejected."""
    shares = []
    for seed in range(4):
        everything = make_features(n_classes=3, n_pictures=450, n_features=300, seed=seed)
        rejection = tl.evaluation.fit_rejection(everything[:150], 0.2)
        shares.append(rejection.reject(rejection.familiarity(everything.values[150:])).mean())
    assert 0.1 < np.mean(shares) < 0.25


def test_pictures_of_a_group_are_held_out_together():
    """Copies of a picture would make it familiar: twins with the same group count as one."""
    half = make_features(n_classes=3, n_pictures=60, n_features=200)
    twice = Features(*(np.tile(part, reps) for part, reps in ((half.values, (2, 1)), (half.labels, 2))), half.classes,
                     np.arange(120).astype(str), np.tile(np.arange(60).astype(str), 2), {})  # fmt: skip
    alone, together = (np.median(tl.evaluation.fit_rejection(part).known) for part in (half, twice))
    assert together == pytest.approx(alone, rel=0.05)


def test_the_tensors_stay_small():
    with pytest.warns(UserWarning, match="2 classes"):
        rejection = tl.evaluation.fit_rejection(make_features(n_classes=2, n_pictures=150, n_features=8192))
    assert sum(tensor.nbytes for tensor in rejection.tensors.values()) <= 2 * 2**20
    assert rejection.tensors["directions"].shape == (8192, 62)
    assert {tensor.dtype.name for tensor in rejection.tensors.values()} == {"float32"}


def test_too_few_pictures_classes_or_groups_are_said():
    features = make_features()
    with pytest.raises(ValueError, match=r"18 pictures in .* groups, expected at least 19 pictures to reject a share"):
        tl.evaluation.fit_rejection(features[:18], 0.05)
    assert tl.evaluation.fit_rejection(features[:19], 0.05).find_threshold() > -np.inf
    assert tl.evaluation.fit_rejection(features[:18], 0).find_threshold() == -np.inf
    one_group = Features(features.values, features.labels, features.classes, features.names, ["g"] * 80, {})
    with pytest.raises(ValueError, match="in 1 groups"):
        tl.evaluation.fit_rejection(one_group)
    with pytest.raises(ValueError, match="share: 1, expected a number from 0 to below 1"):
        tl.evaluation.fit_rejection(features, 1)
    with pytest.warns(UserWarning, match="2 classes, expected three or more to judge"):
        two = tl.evaluation.fit_rejection(make_features(n_classes=2))
    assert two.left_out == [] and two.auroc is None and two.find_threshold() > -np.inf
    wider = Features(features.values, features.labels, [*features.classes, "z"], features.names, features.groups, {})
    with pytest.warns(UserWarning, match="none of class z"):
        assert len(tl.evaluation.fit_rejection(wider).left_out) == 4


@pytest.fixture(scope="module")
def trained_on():
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"])
    return images.few(2).with_classes(["bird", "bug", "tool"])


@pytest.fixture(scope="module")
def images(trained_on):
    images = tl.load_images("styles", domain="clipart").select(classes=trained_on.classes)
    return images.disjoint_from(trained_on).few(14).with_classes(trained_on.classes)


@pytest.fixture(scope="module")
def run(trained_on):
    strategy = tl.Strategy([tl.Phase([-1, "head"], 1, 1e-3)])
    return tl.transfer(make_tiny_backbone(), trained_on, strategy, progress=False)


def test_without_a_rejection_nothing_is_rejected_and_a_share_is_refused(run, images):
    table = run.classify(images[:5])
    probabilities = run.predict(images[:5])
    assert list(table) == ["file_name", "class", "probability", "rejected"] and not table["rejected"].any()
    assert table["class"].tolist() == [run.classes[label] for label in probabilities.argmax(axis=1)]
    assert np.array_equal(table["probability"], probabilities.max(axis=1))
    with pytest.raises(ValueError, match=r"reject: 0.1, but this run has no threshold: call run.fit_rejection"):
        run.classify(images[:5], reject=0.1)


def test_a_fitted_run_rejects_by_its_familiarity(run, images):
    run.fit_rejection(images, 0.1)
    features = tl.extract_features(run.backbone, images, engine="torch", progress=False)
    familiarity = measure_plainly(features.values, features.values, features.labels)
    for share, given in {0.1: None, 0.4: 0.4}.items():
        expected = familiarity < run.rejection.known[math.floor(share * 43 + 1e-9) - 1]
        assert run.classify(images, given)["rejected"].tolist() == expected.tolist()
    assert 0 < run.classify(images, 0.4)["rejected"].sum() < len(images)
    with pytest.raises(ValueError, match="reject: 5, expected a number from 0 to below 1"):
        run.classify(images, 5)


def test_files_are_named_and_strangers_rejected(run, images, tmp_path):
    run.fit_rejection(images)
    images.read(0).save(tmp_path / "bird.png")
    table = run.classify(tmp_path)
    assert table["file_name"].tolist() == [str(tmp_path / "bird.png")]
    black = np.zeros((20, 20, 3), np.uint8)
    assert run.classify([black])["rejected"].tolist() == [True]


def test_a_tuned_network_is_not_fitted_on_its_own_pictures_in_silence(run, images, trained_on):
    with pytest.warns(UserWarning, match="the network learned some"):
        run.fit_rejection(images + trained_on)


def test_a_saved_rejection_is_loaded_with_the_same_bits_and_older_runs_have_none(trained_on, tmp_path):
    backbone = tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)
    strategy = tl.Strategy([tl.Phase(["head"], 1, 1e-2)])
    run = tl.transfer(backbone, trained_on, strategy, progress=False)
    n_before = sum(value.nbytes for value in run.changes().values())
    run.rejection = tl.evaluation.fit_rejection(make_features(n_features=1024))
    tensors = run.rejection.tensors
    assert sum(value.nbytes for value in run.changes().values()) == n_before + sum(t.nbytes for t in tensors.values())
    run.save(tmp_path)
    loaded = tl.load_run(tmp_path).rejection
    assert loaded.describe() == run.rejection.describe()
    assert {name: value.tobytes() for name, value in loaded.tensors.items()} == {
        name: value.tobytes() for name, value in tensors.items()
    }
    run.rejection = None
    run.save(tmp_path)
    facts = json.loads((tmp_path / "run.json").read_text())
    assert facts.pop("rejection") is None
    del facts["sha256"]
    (tmp_path / "run.json").write_text(json.dumps(facts | {"sha256": hash_facts(facts)}))
    assert tl.load_run(tmp_path).rejection is None


def test_a_rejection_needs_neither_torch_nor_scikit_learn():
    code = (
        "import sys, numpy; from tlkit.evaluation.rejection import Rejection; "
        "r = Rejection('mahalanobis', {'centres': numpy.eye(2), 'directions': numpy.zeros((2, 1))}, [-1.0], 0.5, [], "
        "None, None); r.reject(r.familiarity(numpy.ones((1, 2)))); "
        "print([name for name in ('torch', 'sklearn', 'scipy', 'pandas') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert result.stdout.strip() == "[]"
