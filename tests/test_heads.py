"""Heads: what all kinds have in common, and the three oldest against slow solutions written on their own."""

import dataclasses
import inspect
import json
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from made_features import N_FEATURES, make_features, make_features_for, softmax
from made_rows import DIGESTS
from threadpoolctl import ThreadpoolController

import tlkit as tl
from tlkit.features.features import Features
from tlkit.heads import KINDS, numerics
from tlkit.heads.kinds import check_settings

WHOLE = "expected a whole number of at least 1"

POOLED_KINDS = [kind for kind in KINDS if kind != "conv"]


def solve_logistic_slowly(values, labels, classes, l2_penalty):
    """Minimise the summed cross-entropy plus l2_penalty / 2 × squared weights by plain gradient descent."""
    inputs = np.column_stack([values, np.ones(len(values))])
    targets = (labels[:, None] == classes).astype(float)
    weights = np.zeros((inputs.shape[1], len(classes)))
    penalised = np.ones_like(weights)
    penalised[-1] = 0  # the intercept is free
    # The steepest curvature bounds the step that still goes downhill.
    step = 1 / (np.linalg.norm(inputs, 2) ** 2 / 2 + l2_penalty)
    for _ in range(200_000):
        slope = inputs.T @ (softmax(inputs @ weights) - targets) + l2_penalty * penalised * weights
        weights -= step * slope
        if np.abs(slope).max() < 1e-9:
            break
    return weights


@pytest.mark.parametrize("l2_penalty", [0.5, 10.0])
def test_logistic_is_the_optimum_of_the_stated_objective(l2_penalty):
    features = make_features()
    scaled = features.values / features.values.std()
    weights = solve_logistic_slowly(scaled, features.labels, np.arange(3), l2_penalty)
    expected = softmax(np.column_stack([scaled, np.ones(len(scaled))]) @ weights)
    probabilities = tl.fit_head(features, "logistic", l2_penalty=l2_penalty).predict(features.values)
    assert np.abs(probabilities - expected).max() < 1e-3


def test_two_classes_are_the_optimum_of_one_weight_vector():
    features = make_features(n_classes=2)
    scaled = features.values / features.values.std()
    signs = 2 * features.labels - 1
    inputs = np.column_stack([scaled, np.ones(len(scaled))])
    weights = np.zeros(N_FEATURES + 1)
    penalty = 10.0 * np.array([1, 1, 1, 1, 0])
    for _ in range(50):  # Newton's steps on the logistic loss of the signed margin
        share = 1 / (1 + np.exp(signs * (inputs @ weights)))
        slope = -inputs.T @ (signs * share) + penalty * weights
        curvature = inputs.T @ (inputs * (share * (1 - share))[:, None]) + np.diag(penalty)
        weights -= np.linalg.solve(curvature, slope)
    expected = 1 / (1 + np.exp(-inputs @ weights))
    probabilities = tl.fit_head(features, "logistic", l2_penalty=10.0).predict(features.values)
    assert np.abs(probabilities[:, 1] - expected).max() < 1e-3
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(40))


@pytest.mark.parametrize(("n_classes", "absent"), [(2, ()), (3, ()), (5, (0, 3)), (4, (1, 2))])
def test_the_linear_layer_of_a_logistic_head_gives_its_probabilities(n_classes, absent):
    features = make_features(n_classes, absent=absent)
    head = tl.fit_head(features, "logistic")
    weight, bias = head.linear()
    assert weight.shape == (n_classes, N_FEATURES)
    assert weight.dtype == bias.dtype == np.float32
    values = 5 * make_features(seed=9).values
    probabilities = softmax(values @ weight.T + bias)
    assert np.abs(probabilities - head.predict(values)).max() < 1e-5
    assert np.array_equal(probabilities.argmax(axis=1), head.predict(values).argmax(axis=1))
    assert not probabilities[:, list(absent)].max(initial=0) > 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_without_pictures_has_probability_zero(kind):
    features = make_features_for(kind, n_classes=5, absent=(0, 3))
    probabilities = tl.fit_head(features, kind).predict(features.values)
    assert probabilities.shape == (40, 5)
    assert not probabilities[:, [0, 3]].any()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(40))
    assert probabilities.min() >= 0


@pytest.mark.parametrize("n_neighbors", [1, 5, 100])
def test_knn_is_the_vote_of_the_nearest_by_cosine(n_neighbors):
    features, asked = make_features(), make_features(seed=5).values
    probabilities = tl.fit_head(features, "knn", n_neighbors=n_neighbors).predict(asked)
    for row, value in zip(probabilities, asked, strict=True):
        distances = []
        for other, label in zip(features.values.astype(float), features.labels, strict=True):
            cosine = np.dot(value, other) / (np.linalg.norm(value) * np.linalg.norm(other))
            distances.append((1 - cosine, label))
        votes = np.zeros(3)
        for distance, label in sorted(distances)[:n_neighbors]:
            votes[label] += 1 / distance
        assert row == pytest.approx(votes / votes.sum(), abs=1e-3)


def test_knn_of_a_training_picture_is_its_own_class():
    features = make_features()
    assert tl.fit_head(features, "knn").score(features) == 1.0


@pytest.mark.parametrize("n_classes", [2, 3])
def test_ridge_is_the_closed_form(n_classes):
    features, asked = make_features(n_classes), make_features(n_classes, seed=5).values
    scale = features.values.std()
    inputs = np.column_stack([features.values / scale, np.ones(40)])
    targets = np.where(features.labels[:, None] == np.arange(n_classes), 1.0, -1.0)
    penalty = 0.3 * 40 * np.diag([1, 1, 1, 1, 0])
    weights = np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ targets)
    expected = softmax(np.column_stack([asked / scale, np.ones(len(asked))]) @ weights)
    probabilities = tl.fit_head(features, "ridge", l2_penalty=0.3).predict(asked)
    assert np.abs(probabilities - expected).max() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_the_unit_of_the_features_does_not_matter(kind):
    small, large = make_features_for(kind, scale=1e-3), make_features_for(kind, scale=1e3)
    probabilities = [tl.fit_head(features, kind).predict(features.values) for features in (small, large)]
    # The perceptron's loss has many hollows: another last digit may lead some way along another path.
    assert np.abs(probabilities[0] - probabilities[1]).max() < (2e-2 if kind == "mlp" else 1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_features_give_the_same_bits(kind):
    features = make_features_for(kind)
    first, second = (tl.fit_head(features, kind).predict(features.values) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_asked_is_nothing_answered(kind):
    features = make_features_for(kind)
    assert tl.fit_head(features, kind).predict(features.values[:0]).shape == (0, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_features_that_do_not_differ_are_no_error(kind):
    features = make_features_for(kind)
    same = dataclasses.replace(features, values=np.ones_like(features.values))
    assert np.isfinite(tl.fit_head(same, kind).predict(same.values)).all()


def test_logistic_is_solved_to_convergence_on_more_features_than_pictures():
    random = np.random.default_rng(0)
    labels = np.arange(70) % 14
    values = np.maximum(0, random.normal(size=(70, 1280))).astype(np.float32)
    names = np.array([f"{number}" for number in range(70)])
    features = Features(values, labels, DIGESTS[:14], names, names, {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tl.fit_head(features, l2_penalty=0.01).score(features) == 1.0


def test_the_score_is_the_share_of_right_answers():
    features = make_features()
    head = tl.fit_head(features)
    n_right = 0
    for row, label in zip(head.predict(features.values), features.labels, strict=True):
        n_right += all(row[label] > value for other, value in enumerate(row) if other != label)
    assert head.score(features) == pytest.approx(n_right / 40)
    assert 0.5 < head.score(features) < 1


def replace_value(features, value):
    values = features.values.copy()
    values[3, 2] = value
    return dataclasses.replace(features, values=values)


@pytest.mark.parametrize(
    ("features", "options", "words"),
    [
        (make_features(), {"kind": "forest"}, r"kind: 'forest' is unknown; known: 'conv', 'cosine', 'knn', "),
        (make_features(), {"kind": "ridges"}, r"kind: 'ridges' is unknown; nearest: 'ridge'"),
        (make_features(), {"l2_penalty": 0}, r"l2_penalty: 0, expected a number above 0 or 'cross-validated'"),
        (make_features(), {"l2_penalty": float("nan")}, r"l2_penalty: nan, expected a number above 0"),
        (
            make_features(),
            {"l2_penalty": "leave-one-out"},
            r"l2_penalty: 'leave-one-out', expected .* 'cross-validated'",
        ),
        (make_features(), {"kind": "knn", "n_neighbors": 0}, f"n_neighbors: 0, {WHOLE}"),
        (make_features(), {"kind": "prototype", "sharpness": -1}, r"sharpness: -1, expected a number above 0"),
        (make_features(), {"kind": "cosine", "sharpness": np.inf}, r"sharpness: inf, expected a number above 0"),
        (make_features(), {"kind": "mlp", "n_hidden": 0}, f"n_hidden: 0, {WHOLE}"),
        (make_features(), {"kind": "mlp", "n_iterations": 0}, f"n_iterations: 0, {WHOLE}"),
        (make_features(), {"seed": -1}, r"seed: -1, expected a whole number of at least 0"),
        (make_features(), {"kind": "conv"}, r"features: shape \(40, 4\), but a 'conv' head is fitted on maps .* 'mlp'"),
        (make_features(map_size=3), {"kind": "conv", "kernel_size": 2}, r"kernel_size: 2, expected 1 or 3"),
        (make_features(map_size=3), {"kind": "conv", "n_channels": 0}, f"n_channels: 0, {WHOLE}"),
        (make_features(map_size=3), {"kind": "conv", "n_epochs": 0}, f"n_epochs: 0, {WHOLE}"),
        (make_features(map_size=3), {"kind": "conv", "batch_size": 0}, f"batch_size: 0, {WHOLE}"),
        (make_features(map_size=3), {"kind": "conv", "weight_decay": -1}, r"weight_decay: -1, expected a number"),
        (make_features(map_size=3), {"kind": "conv", "learning_rate": 0}, r"learning_rate: 0, expected a number"),
        (make_features(map_size=3), {"kind": "conv", "learning_rate": 1e30}, r"learning_rate: 1e\+30 made the weights"),
        (make_features(3, absent=(0, 2)), {}, r"features: 40 pictures of 1 class, expected two classes or more"),
        (make_features()[:0], {}, r"features: 0 pictures of 0 class"),
        (replace_value(make_features(), np.nan), {}, r"features: some values are NaN or infinite; extract them again"),
        (replace_value(make_features(), np.inf), {}, r"features: some values are NaN or infinite"),
    ],
)
def test_what_no_head_can_be_fitted_on_is_answered(features, options, words):
    with pytest.raises(ValueError, match=words):
        tl.fit_head(features, **options)


@pytest.mark.parametrize(
    ("kind", "l2_penalty", "words"),
    [
        ("ridge", True, r"l2_penalty: True, expected .* or 'leave-one-out'"),
        ("mlp", "leave-one-out", r"l2_penalty: .*, expected a number above 0$"),
    ],
)
def test_a_penalty_that_is_no_number_is_refused(kind, l2_penalty, words):
    with pytest.raises(TypeError, match=words):
        tl.fit_head(make_features(), kind, l2_penalty=l2_penalty)


@pytest.mark.parametrize(
    ("kind", "setting", "words"),
    [
        ("knn", "l2_penalty", r"l2_penalty: no setting of a 'knn' head; known: 'n_neighbors'"),
        ("ridge", "l2_penatly", r"l2_penatly: no setting of a 'ridge' head; nearest: 'l2_penalty'"),
        ("logistic", "n_neighbors", r"n_neighbors: no setting of a 'logistic' head; known: 'balance', 'l2_penalty'"),
        ("mlp", "features", None),
    ],
)
def test_a_setting_of_another_kind_is_refused(kind, setting, words):
    with pytest.raises(TypeError, match=words):
        tl.fit_head(make_features(), kind, **{setting: 3})


@pytest.mark.parametrize("kind", ["knn", "cosine", "mlp"])
def test_a_head_that_is_no_linear_layer_says_so(kind):
    with pytest.raises(ValueError, match=rf"kind: a {kind} head is no linear layer; fit a 'logistic', .*module\(\)"):
        tl.fit_head(make_features(), kind).linear()


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_head_was_not_fitted_on_is_refused(kind):
    features = make_features_for(kind)
    head = tl.fit_head(features, kind)
    wrongs = [features.values[:, 1:], features.values[0], features.values[..., None]]
    for wrong in wrongs + ([features.values.mean(axis=(2, 3))] if kind == "conv" else []):
        with pytest.raises(ValueError, match=rf"values: shape \({wrong.shape[0]},.* expected .*n, 4.* fitted on"):
            head.predict(wrong)
    with pytest.raises(ValueError, match="values: some values are NaN"):
        head.predict(np.full_like(features.values, np.nan))


@pytest.mark.parametrize("kind", POOLED_KINDS)
def test_maps_are_pooled_by_their_mean(kind):
    maps = make_features(map_size=3)
    pooled = dataclasses.replace(maps, values=maps.values.reshape(40, N_FEATURES, 9).mean(axis=2))
    asked = make_features(map_size=5, seed=4).values
    expected = tl.fit_head(pooled, kind).predict(asked.reshape(40, N_FEATURES, 25).mean(axis=2))
    assert np.abs(tl.fit_head(maps, kind).predict(asked) - expected).max() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_is_the_same_after_pickling_and_shows_its_settings(kind):
    features = make_features_for(kind)
    head = tl.fit_head(features, kind)
    copy = pickle.loads(pickle.dumps(head))
    assert isinstance(copy, tl.Head)
    assert np.array_equal(copy.predict(features.values), head.predict(features.values))
    assert repr(head).startswith(f"Head({kind}, 3 classes, ")
    assert all(f"{name}={value!r}" in repr(head) for name, value in head.settings.items())


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_another_seed_starts_elsewhere(kind):
    features = make_features_for(kind)
    first, second = (tl.fit_head(features, kind, seed=seed).predict(features.values) for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("kind", KINDS)
def test_the_explanation_names_the_settings_and_defaults_of_each_kind(kind):
    _, _, explained = tl.fit_head.__doc__.partition(f'"{kind}": ')
    explained = explained.partition('\n        "')[0]
    settings = inspect.signature(check_settings(kind, {})).parameters.values()
    told = [setting for setting in settings if setting.name not in ("features", "seed")]
    assert told
    for setting in told:
        written = [f"{setting.name}={setting.default}"]
        if isinstance(setting.default, float):
            written.append(f"{setting.name}={setting.default:.0e}".replace("e-0", "e-"))
        assert any(text in explained for text in written), setting


def test_many_pictures_are_asked_in_blocks(monkeypatch):
    features = make_features()
    head = tl.fit_head(features)
    at_once = head.predict(features.values)
    monkeypatch.setattr("tlkit.heads.head.N_ROWS_AT_ONCE", 7)
    assert head.predict(features.values) == pytest.approx(at_once, abs=1e-12)


def test_libraries_whose_threads_are_limited_are_searched_for_after_imports_alone(monkeypatch):
    searched = []
    monkeypatch.setattr(numerics, "ThreadpoolController", lambda: searched.append(0) or ThreadpoolController())
    numerics._find_libraries.cache_clear()
    before = ThreadpoolController().info()
    for n_searched, name in enumerate(("first", "second"), start=1):
        monkeypatch.setitem(sys.modules, name, sys)
        for _ in range(3):
            with numerics.limit_threads(np.zeros(3)):
                assert {library["num_threads"] for library in ThreadpoolController().info()} == {1}
        assert len(searched) == n_searched
    assert ThreadpoolController().info() == before


@pytest.mark.slow
def test_what_computes_is_loaded_before_its_threads_are_limited():
    """Else the limit would hold from the second call on, and that would give other bits than the first."""
    code = """
import sys
import threadpoolctl
sys.path.insert(0, "tests")
import tlkit as tl
from made_features import make_features_for
found, limit, seen = threadpoolctl.ThreadpoolController, threadpoolctl.ThreadpoolController.limit, []
def watch(self, limits, user_api):
    seen.append((limits, library in sys.modules, self.info() == found().info()))
    return limit(self, limits=limits, user_api=user_api)
found.limit = watch
libraries = {"cosine": "scipy.optimize", "logistic": "sklearn.linear_model", "mlp": "sklearn.neural_network"}
libraries["conv"] = "torch"
for kind, library in libraries.items():
    assert library not in sys.modules
    tl.fit_head(make_features_for(kind), kind)
assert seen == [(1, True, True)] * 8, seen
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.slow
def test_all_kinds_but_the_convolutional_one_work_without_torch():
    code = f"""
import json, sys
sys.path.insert(0, "tests")
import tlkit as tl
from made_features import make_features
features = make_features()
tl.fit_head(features, "prototype").predict(features.values)
assert "sklearn" not in sys.modules
for kind in {POOLED_KINDS}:
    tl.fit_head(features, kind).predict(features.values)
for kind, l2_penalty in [("logistic", "cross-validated"), ("ridge", "leave-one-out")]:
    tl.fit_head(features, kind, l2_penalty=l2_penalty)
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {"sklearn.linear_model", "sklearn.neural_network", "tlkit.heads.perceptron"} <= loaded
    assert loaded.isdisjoint({"tlkit.heads.convolutional", "torch", "torchvision", "timm", "openvino", "matplotlib"})


def test_features_are_taken_by_slice_indices_and_mask():
    features = make_features()
    for index in (slice(3, 9), [3, 4, 5, 6, 7, 8], np.isin(np.arange(40), range(3, 9))):
        some = features[index]
        assert len(some) == 6
        assert np.array_equal(some.values, features.values[3:9])
        assert np.array_equal(some.labels, features.labels[3:9])
        assert some.names.tolist() == features.names[3:9].tolist() == some.groups.tolist()
    with pytest.raises(TypeError, match=r"index: 3, expected a slice, indices or a mask; \.values\[i\] is one row"):
        features[3]


def test_features_may_be_maps():
    maps = make_features(map_size=3)
    assert repr(maps) == "Features(40 pictures × 4 × 3 × 3, 3 classes: made, none)"
    assert maps[:5].values.shape == (5, 4, 3, 3)
    with pytest.raises(ValueError, match=r"values: shape \(40, 4, 3\) with 40 labels, .* or maps \(n_samples, n_feat"):
        dataclasses.replace(maps, values=maps.values[..., 0])


def test_features_and_labels_of_different_length_are_refused():
    features = make_features()
    with pytest.raises(ValueError, match=r"values: shape \(40, 4\) with 39 labels, expected \(n_samples, n_features\)"):
        Features(features.values, features.labels[1:], features.classes, features.names, features.groups, {})


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"values": [[1, 2]] * 40}, TypeError, "values: of type int64, expected floats"),
        ({"labels": np.full(40, 3)}, ValueError, "labels: 3, expected class indices from 0 to 2"),
        ({"labels": np.full(40, -1)}, ValueError, "labels: -1, expected class indices from 0 to 2"),
        ({"labels": np.zeros(40)}, TypeError, "labels: shape .* of type float64, expected"),
        ({"labels": np.zeros(40, bool)}, TypeError, "labels: shape .* of type bool, expected"),
        ({"labels": ["bird"] * 40}, TypeError, "labels: shape .* of type <U4, expected"),
        ({"groups": ["a"] * 39}, ValueError, r"groups: shape \(39,\), expected \(40,\), one per picture"),
    ],
)
def test_features_check_what_sets_of_pictures_check(change, error, message):
    with pytest.raises(error, match=message):
        dataclasses.replace(make_features(), **change)


def test_features_take_labels_of_tables():
    features = make_features()
    again = dataclasses.replace(features, labels=pd.Series(features.labels).astype("category"))
    assert again.labels.dtype == np.int64
    assert np.array_equal(again.labels, features.labels)


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_is_of_the_classes_of_the_head(kind):
    features = make_features_for(kind)
    head = tl.fit_head(features, kind)
    turned = dataclasses.replace(features, classes=features.classes[::-1])
    with pytest.raises(ValueError, match=r"features: of the classes .*, expected those of the head in their order"):
        head.score(turned)


def test_a_head_that_is_not_finite_predicts_nothing():
    features = make_features()
    for kind, part in (("logistic", "weight"), ("cosine", "directions"), ("mlp", "bias")):
        head = tl.fit_head(features, kind)
        damaged = dataclasses.replace(head, **{part: np.full_like(getattr(head, part), np.nan)})
        for use in (lambda head: head.predict(features.values), lambda head: head.score(features)):
            with pytest.raises(ValueError, match="head: its probabilities: some values are NaN or infinite"):
                use(damaged)
