"""Adaptation as a solved linear head: against two steps done apart, slow versions, and toy shifts."""

import dataclasses
import functools

import numpy as np
import pytest
from made_domains import make_blobs, make_pair
from made_features import make_features, softmax

import tlkit as tl
from tlkit.adaptation.alignment import align_coral, align_mean, align_subspace, align_transport
from tlkit.adaptation.priors import estimate_priors
from tlkit.adaptation.solved_head import solve_head
from tlkit.adaptation.solved_methods import METHODS
from tlkit.adaptation.solved_objectives import Align, Reweigh, weigh_source
from tlkit.heads.logistic import solve_logistic


def ask(weight, bias, values):
    return (values @ weight.T + bias).argmax(axis=1)


@pytest.mark.parametrize("absent", [(), (1,)])
def test_the_head_is_that_of_fit_head(absent):
    features = make_features(4, absent=absent)
    weight, bias = solve_head(features.values, features.labels, 4)
    expected = tl.fit_head(features, "logistic").predict(features.values)
    assert softmax(features.values @ weight.T + bias) == pytest.approx(expected, abs=1e-5)
    assert (softmax(features.values @ weight.T + bias)[:, list(absent)] < 1e-9).all()


@pytest.mark.parametrize(
    ("objective", "align"),
    [
        (Align("none"), lambda source, target: source),
        (Align("mean"), align_mean),
        (Align("coral", alignment_parameter=0.4), functools.partial(align_coral, shrinkage=0.4)),
        (
            Align("subspace", alignment_parameter=3),
            functools.partial(align_subspace, n_components=3),
        ),
        (Align("transport"), align_transport),
    ],
)
def test_an_alignment_is_that_of_its_function_and_then_a_head(objective, align):
    source, labels, target, _ = make_pair(moved=1.0, mixed=0.3)
    aligned = align(source, target)
    solved = objective.fit(source, labels, target, 3, seed=0)
    assert solved.source == pytest.approx(aligned)
    expected = solve_head(aligned, labels, 3)
    for ours, theirs in zip(objective.solve(source, labels, target, 3, seed=0), expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_an_std_offset_standardises_both_domains_by_themselves():
    source, labels, target, _ = make_pair(moved=1.0, mixed=0.3)
    units = [values.std(axis=0) + 0.3 * values.std(axis=0).mean() for values in (source, target)]
    ours, theirs = (source - source.mean(axis=0)) / units[0], (target - target.mean(axis=0)) / units[1]
    weight, bias = solve_head(align_coral(ours, theirs), labels, 3)
    solved = Align("coral", std_offset=0.3).fit(source, labels, target, 3, seed=0)
    assert solved.predict(target) == pytest.approx(softmax(theirs @ weight.T + bias), abs=1e-9)
    assert solved.predict(solved.source) == pytest.approx(
        softmax(align_coral(ours, theirs) @ weight.T + bias), abs=1e-9
    )


def test_balance_is_that_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    source, _, target, _ = make_pair()
    labels = np.repeat([0, 1, 2], [25, 10, 5])
    weight, bias = Align("none", balance=True, l2_penalty=2.0).solve(source, labels, target, 3, seed=0)
    scale = source.std()
    expected = LogisticRegression(C=1 / 2, class_weight="balanced", tol=1e-8, max_iter=5000).fit(source / scale, labels)
    assert softmax(target @ weight.T + bias) == pytest.approx(expected.predict_proba(target / scale), abs=1e-4)


def slow_self_training(source, labels, target, n_classes, n_rounds, fraction):
    weight, bias = solve_head(source, labels, n_classes)
    for _ in range(n_rounds):
        said = softmax(target @ weight.T + bias)
        taken = []
        for k in range(n_classes):
            members = sorted(
                (row for row in range(len(target)) if said[row].argmax() == k), key=lambda row: -said[row, k]
            )
            taken += [(row, k) for row in members[: int(np.ceil(fraction * len(members)))]]
        guesses = [k for _, k in taken]
        weights = [len(source) / len(set(guesses)) / guesses.count(k) for k in guesses]
        values = np.concatenate([source, target[[row for row, _ in taken]]])
        everything = [1.0] * len(source) + weights
        weight, bias = solve_head(values, [*labels, *guesses], n_classes, weights=everything)
    return weight, bias


@pytest.mark.parametrize(("n_rounds", "fraction"), [(1, 0.5), (3, 0.3), (2, 1.0)])
def test_self_training_equals_a_slow_loop(n_rounds, fraction):
    source, labels, target, _ = make_pair(moved=0.6)
    weight, bias = Align("none", n_rounds=n_rounds, pseudo_label_fraction=fraction).solve(
        source, labels, target, 3, seed=0
    )
    expected = slow_self_training(source, labels, target, 3, n_rounds, fraction)
    assert softmax(target @ weight.T + bias) == pytest.approx(softmax(target @ expected[0].T + expected[1]), abs=1e-4)


@pytest.mark.parametrize("method", ["em", "confusion"])
def test_priors_move_the_biases_by_their_logarithms(method):
    source, labels, target, _ = make_blobs(matrix=[[0.5, 0], [0, 0.5]], shares=(0.2, 0.8))
    plain = Align("none").fit(source, labels, target, 2, seed=0)
    moved = Align("none", priors=method).fit(source, labels, target, 2, seed=0)
    assert (moved.weight == plain.weight).all()
    if method == "em":
        estimated = estimate_priors(plain.predict(source), labels, plain.predict(target))
        assert moved.bias - plain.bias == pytest.approx(np.log(np.maximum(estimated, 1e-3) / 0.5))
    assert (moved.bias - plain.bias)[1] > 0.2


def test_reweighing_is_a_head_with_these_weights():
    source, labels, target, _ = make_pair(moved=0.5)
    weights = weigh_source(source, target, seed=3)
    scale = source.std()
    weight, bias = solve_logistic(source / scale, labels, weights=weights)
    solved = Reweigh().fit(source, labels, target, 3, seed=3)
    assert solved.weight == pytest.approx(weight / scale)
    assert solved.bias == pytest.approx(bias)
    assert (solved.source == source).all()


@pytest.mark.parametrize("name", METHODS)
def test_hidden_labels_are_not_learned_though_the_pictures_are_aligned(name):
    source, labels, target, _ = make_pair(moved=0.5)
    hidden = np.where(np.arange(40) < 15, -1, labels)
    solved = METHODS[name].fit(source, hidden, target, 3, seed=0)
    whole = METHODS[name].fit(source, labels, target, 3, seed=0)
    assert solved.source == pytest.approx(whole.source)
    assert not np.allclose(solved.weight, whole.weight)


def test_a_head_leaves_out_pictures_without_a_label():
    source, labels, target, _ = make_pair()
    hidden = np.where(np.arange(40) < 15, -1, labels)
    for objective in (Align("none"), Align("none", balance=True), Align("none", n_rounds=2)):
        with_hidden = objective.solve(source, hidden, target, 3, seed=0)
        without = objective.solve(source[15:], labels[15:], target, 3, seed=0)
        for ours, theirs in zip(with_hidden, without, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("name", METHODS)
def test_each_method_solves_equal_domains_and_gives_the_same_bits(name):
    source, labels, target, target_labels = make_pair(n=90, m=60)
    first, again = (METHODS[name].solve(source, labels, target, 3, seed=1) for _ in range(2))
    assert all((ours == theirs).all() for ours, theirs in zip(first, again, strict=True))
    assert first[0].shape == (3, 5) and first[1].shape == (3,)
    assert np.mean(ask(*first, target) == target_labels) > 0.85


@pytest.mark.parametrize(
    ("shift", "solve"),
    [
        (
            {"shift": (8.0, 0.0)},
            {"align_mean", "align_scale", "coral", "subspace", "transport", "coral_self_training"},
        ),
        # Nothing moved but the shares: what leaves the pictures where they are.
        ({"shares": (0.1, 0.9)}, {"source_only", "importance", "priors"}),
        # A quarter turn, which none can see.
        ({"matrix": [[0.0, 1.0], [-1.0, 0.0]]}, set()),
    ],
)
def test_a_toy_shift_is_solved_by_those_that_can(shift, solve):
    source, labels, target, target_labels = make_blobs(**shift)
    right = {}
    for name, method in METHODS.items():
        head = dataclasses.replace(method, l2_penalty=1.0).solve(source, labels, target, 2, seed=0)
        right[name] = np.mean(ask(*head, target) == target_labels)
    assert {name for name, share in right.items() if share > 0.98} == solve, right


def test_objectives_are_plain_values():
    for method in METHODS.values():
        again = type(method)(**dataclasses.asdict(method))
        assert again == method


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alignment": "corall"}, "alignment: 'corall' is unknown; nearest: 'coral'"),
        ({"alignment": "mean", "alignment_parameter": 0.5}, "alignment_parameter: 0.5, but 'mean' has no parameter"),
        ({"std_offset": -1}, "std_offset: -1, expected a number of at least 0"),
        ({"pseudo_label_fraction": 0}, "pseudo_label_fraction: 0, expected a number above 0 and at most 1"),
        ({"pseudo_label_fraction": 0.2}, "pseudo_label_fraction: 0.2, but n_rounds is 0: leave one out"),
        ({"n_rounds": -1}, "n_rounds: -1, expected a whole number"),
        ({"l2_penalty": 0}, "l2_penalty: 0, expected a number above 0"),
        ({"priors": "EM"}, "priors: 'EM' is unknown; nearest: 'em'"),
        ({"priors": "em", "balance": True}, "priors: 'em' corrects the class shares that the head learned"),
    ],
)
def test_settings_that_are_none_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Align(**settings)


@pytest.mark.parametrize("objective", [Align("mean"), Reweigh()])
def test_labels_that_are_no_class_indices_are_named(objective):
    source, labels, target, _ = make_pair()
    for wrong in (labels + 1, labels - 2):
        with pytest.raises(ValueError, match=r"labels: -?[23], expected class indices from 0 to 2"):
            objective.fit(source, wrong, target, 3, seed=0)
    for wrong in (labels + 0.5, labels.astype(str), labels[1:]):
        with pytest.raises(TypeError, match=r"labels: shape \(\d+,\) of type .*, expected \(40,\) whole numbers"):
            objective.fit(source, wrong, target, 3, seed=0)


def test_one_class_is_refused():
    source, _, target, _ = make_pair()
    with pytest.raises(ValueError, match="labels: 40 pictures of 1 class, expected two"):
        Align("mean").solve(source, np.zeros(40, int), target, 3, seed=0)
