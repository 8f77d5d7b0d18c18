"""Checks of arguments: each error names the argument, the value, and the values expected."""

import math
import os

import numpy as np
import pandas as pd
import pytest
from made_pictures import make_picture

import tlkit as tl
from tlkit.arguments import (
    check_class_indices,
    check_count,
    check_number,
    check_predictions,
    check_shape,
    import_extra,
    read_labels,
    resolve_index,
)
from tlkit.evaluation import measure_brier
from tlkit.features.arrays import check_groups, check_labels, check_rows
from tlkit.features.features import Features
from tlkit.inspection.network_inputs import choose_labels


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "expected"),
    [
        ({"above": 0}, [1e-9, 5], [0, -1, math.inf, math.nan], "a number above 0"),
        ({"at_least": 0}, [0, 5], [-1e-9, math.inf, math.nan], "a number of at least 0"),
        ({"above": 0, "at_most": 1}, [0.1, 1], [0, 1.1, math.nan], "a number above 0 and at most 1"),
        ({"above": 0.5, "below": 1}, [0.6], [0.5, 1, math.nan], "a number above 0.5 and below 1"),
        ({"at_least": 0, "at_most": 1}, [0, 1], [-0.1, 1.1, math.nan], "a number from 0 to 1"),
        ({"at_least": 0, "below": 1}, [0, 0.9], [-0.1, 1, math.nan], "a number from 0 to below 1"),
        ({"at_least": 1, "at_most": math.inf}, [1, math.inf], [0.9, math.nan], "a number from 1 to inf"),
    ],
)
def test_numbers_within_bounds_are_returned_and_others_refused(bounds, inside, outside, expected):
    for value in inside:
        for kind in (float, np.float32, np.float64):
            checked = check_number("share", kind(value), **bounds)
            assert type(checked) is float and checked == kind(value)
    for value in outside:
        with pytest.raises(ValueError) as caught:
            check_number("share", value, **bounds)
        assert str(caught.value) == f"share: {value!r}, expected {expected}"
    for value in (True, np.True_, None, "1", 1j, [1], np.array([1.0])):
        with pytest.raises(TypeError) as caught:
            check_number("share", value, **bounds, hint="; see the notes")
        assert str(caught.value) == f"share: {value!r}, expected {expected}; see the notes"


def test_a_text_in_place_of_a_number():
    assert check_number("penalty", "auto", above=0, or_text="auto") == "auto"
    assert check_number("penalty", 2, above=0, or_text="auto") == 2.0
    with pytest.raises(ValueError, match=r"^penalty: 'none', expected a number above 0 or 'auto'$"):
        check_number("penalty", "none", above=0, or_text="auto")
    with pytest.raises(TypeError, match=r"^penalty: None, expected a number above 0 or 'auto'$"):
        check_number("penalty", None, above=0, or_text="auto")


def test_whole_numbers():
    assert type(check_count("n", np.int64(3), 1)) is int
    with pytest.raises(TypeError, match=r"^n: 2.0 is a float, expected a whole number of at least 1$"):
        check_count("n", 2.0, 1)
    for value in (0, 6, True):
        with pytest.raises(ValueError, match=rf"^n: {value}, expected a whole number from 1 to 5$"):
            check_count("n", value, 1, 5)


def test_shapes():
    check_shape("groups", ["a", "b"], (2,), "one group per picture")
    with pytest.raises(ValueError, match=r"^groups: shape \(1,\), expected \(2,\), one group per picture$"):
        check_shape("groups", ["a"], (2,), "one group per picture")


def test_class_indices_and_predictions():
    assert check_class_indices("labels", [1, 0], 2, 2).dtype == np.int64
    for labels in ([1], [[1, 0]], [0.5, 1.0], ["a", "b"], [True, False]):
        with pytest.raises(TypeError, match=r"^labels: shape .* expected \(2,\) whole numbers from 0 to 1"):
            check_class_indices("labels", labels, 2, 2)
    for wrong in (-1, 2):
        with pytest.raises(ValueError, match=rf"^labels: {wrong}, expected class indices from 0 to 1"):
            check_class_indices("labels", [0, wrong], 2, 2)
    probabilities, labels = check_predictions([[0.5, 0.5]], [1])
    assert probabilities.dtype == np.float64 and labels.tolist() == [1]
    with pytest.raises(ValueError, match="probabilities: no rows"):
        check_predictions(np.empty((0, 2)), [])


@pytest.mark.parametrize("index", [1.5, "a", [[0, 1]], [0.5], None])
def test_an_index_that_selects_nothing_is_refused(index):
    with pytest.raises(
        TypeError, match=r"^index: .*expected an int, a slice, a list of int or an \(n,\) mask of bool$"
    ):
        resolve_index(index, 3)
    assert resolve_index([], 3).tolist() == []
    assert resolve_index([-1, 0], 3).tolist() == [2, 0]


NAMES = ["cat", "cow", "cat", "dog"]
OF_NAMES = [
    NAMES,
    np.array(NAMES),
    np.array(NAMES, dtype=object),
    np.array(NAMES, dtype=np.dtypes.StringDType()),
    [np.str_(name) for name in NAMES],
    *(pd.Series(NAMES, index=[3, 1, 2, 0]).astype(kind) for kind in ("str", "object", "category", "string")),
]
NUMBERS = [4, 7, 4, 9]
OF_NUMBERS = [
    NUMBERS,
    np.array(NUMBERS, dtype=object),
    np.array(NUMBERS, dtype=np.uint8),
    *(pd.Series(NUMBERS).astype(kind) for kind in ("int64", "Int64", "object", "category")),
]


@pytest.mark.parametrize("labels", [*OF_NAMES, *OF_NUMBERS], ids=lambda labels: str(getattr(labels, "dtype", "list")))
def test_labels_are_taken_in_any_form(labels):
    indices, n_classes = check_labels(labels)
    assert (indices.tolist(), n_classes) == ([0, 1, 0, 2], 3)
    assert read_labels("labels", labels).dtype.kind in "iuU"


@pytest.mark.parametrize(
    ("labels", "error", "expected"),
    [
        (["cat", None], TypeError, "labels: None at place 1 is a NoneType, expected names of classes"),
        (pd.Series(["cat", pd.NA, "dog"], dtype="string"), TypeError, "labels: .* at place 1 is a NA"),
        (pd.Series(["cat", None], dtype="category"), TypeError, "labels: nan at place 1 is a float"),
        (np.array(["cat", 1], dtype=object), TypeError, "labels: 1 at place 1 is a int, expected names"),
        (["cat", math.nan], TypeError, "labels: nan at place 1 is a float, expected names"),
        (("cat", 1), TypeError, "labels: 1 at place 1 is a int, expected names"),
        (pd.Series([1, None], dtype="Int64"), TypeError, "labels: "),
        ([0.0, 1.0], TypeError, "values of type float64"),
        ([0.0, math.nan], TypeError, "values of type float64"),
        ([], ValueError, "labels: none, expected the class of at least one picture"),
        ([["cat"], ["dog"]], TypeError, "were the arguments swapped"),
    ],
)
def test_labels_that_are_no_classes_are_named(labels, error, expected):
    with pytest.raises(error, match=expected):
        check_labels(labels)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_probabilities_that_are_not_finite_are_named(value):
    with pytest.raises(ValueError, match="probabilities: some values are NaN or infinite"):
        check_predictions([[0.5, 0.5], [value, 0.5]], [0, 1])
    with pytest.raises(ValueError, match="probabilities: no rows"):
        check_predictions(np.empty((0, 2)), [])


MASKED = np.ma.array([[0.5, 0.5], [9.0, 1.0]], mask=[[False, False], [True, True]])


@pytest.mark.parametrize(
    "call",
    [
        lambda: tl.evaluation.measure_brier(MASKED, [0, 1]),
        lambda: tl.evaluation.measure_brier([[0.5, 0.5], [0.9, 0.1]], np.ma.array([0, 1], mask=[False, True])),
        lambda: tl.selection.score_logme(MASKED, [0, 1]),
        lambda: tl.selection.score_logme([[0.5, 0.5], [0.9, 0.1]], np.ma.array([0, 1], mask=[False, True])),
        lambda: tl.adaptation.distance_mmd(MASKED, [[0.5, 0.5], [0.9, 0.1]]),
        lambda: tl.adaptation.correct_priors(MASKED, [0.5, 0.5], [0.9, 0.1]),
        lambda: tl.inspection.cka(np.ma.array(np.eye(5), mask=np.eye(5)), np.eye(5)),
        lambda: tl.fit_head(make_features([[0.5, 0.5], [0.9, 0.1]], [0, 1])).predict(MASKED),
        lambda: make_features(MASKED, [0, 1]),
        lambda: make_features([[0.5, 0.5], [0.9, 0.1]], np.ma.array([0, 1], mask=[False, True])),
        lambda: make_features([[0.5, 0.5], [0.9, 0.1]], np.ma.array([[0, 1], [1, 0]], mask=[[0, 0], [0, 1]])),
        lambda: tl.adaptation.detect_collapse([[0.5, 0.5]], MASKED[1]),
        lambda: tl.adaptation.correct_priors([[0.5, 0.5]], MASKED[1], [0.9, 0.1]),
        lambda: tl.adaptation.correct_priors([[0.5, 0.5]], [0.9, 0.1], MASKED[1]),
        lambda: tl.adaptation.regret(MASKED[1], [0.9, 0.1]),
        lambda: tl.adaptation.regret([0.9, 0.1], MASKED[1]),
        lambda: tl.adaptation.score_deep_embedded([[0.5, 0.5], [0.9, 0.1]], [0, 1], MASKED[1]),
        lambda: check_groups(MASKED[1], [0, 1], 2, 2),
        lambda: check_groups([0, 1], MASKED[1], 2, 2),
        lambda: tl.selection.score_knn(
            np.eye(4), [0, 0, 1, 1], np.ma.array([0, 1, 2, 3], mask=[True, False, False, False])
        ),
        lambda: resolve_index(np.ma.array([0, 1], mask=[False, True]), 3),
        lambda: choose_labels(None, np.eye(2), np.ma.array([0, 1], mask=[False, True])),
        lambda: tl.load_images([(np.ma.array(np.zeros((9, 9), np.uint8), mask=np.eye(9)), name) for name in "ab"]),
    ],
)
def test_masked_entries_are_not_taken_for_values(call):
    with pytest.raises(ValueError, match="some entries are masked, expected values"):
        call()


def make_features(values, labels):
    return Features(values, labels, ["a", "b"], ["x", "y"], ["x", "y"], {"backbone": "any", "engine": "any"})


def test_arrays_whose_mask_is_empty_and_tensors_of_any_kind_are_values():
    torch = pytest.importorskip("torch")
    values = np.array([[0.5, 0.5], [0.75, 0.25]])
    nullable = pd.DataFrame(values).astype("Float64")
    tensors = torch.tensor(values, requires_grad=True), torch.tensor(values).bfloat16()
    for given in (np.ma.array(values), *tensors, nullable, values.astype(object)):
        assert np.array_equal(make_features(given, [0, 1]).values, values)
        assert np.array_equal(check_rows("source", given), values)
        corrected = tl.adaptation.correct_priors(given, [0.5, 0.5], [0.9, 0.1])
        assert np.array_equal(corrected, tl.adaptation.correct_priors(values, [0.5, 0.5], [0.9, 0.1]))


def test_nullable_numbers_with_gaps_are_refused():
    gaps = pd.DataFrame([[0.5, 0.5], [0.75, 0.25]]).astype("Float64").mask(np.eye(2) > 0)
    with pytest.raises(TypeError, match=r"source: shape .* of type object, expected"):
        check_rows("source", gaps)
    with pytest.raises(TypeError, match=r"probabilities: shape .* of type object, expected"):
        tl.adaptation.correct_priors(gaps, [0.5, 0.5], [0.9, 0.1])


def test_probabilities_of_a_network_in_bfloat16_are_scored():
    torch = pytest.importorskip("torch")
    scores = torch.randn(2000, 40, generator=torch.Generator().manual_seed(0)) * 3
    labels = scores.argmax(dim=1)
    rounded = measure_brier(scores.bfloat16().softmax(dim=1), labels)
    assert rounded == pytest.approx(measure_brier(scores.softmax(dim=1), labels), abs=2e-3)
    for sums_to_less in ([[0.5, 0.49]], [[0.5, 0.497]]):  # the second is a rounding of bfloat16 alone
        with pytest.raises(ValueError, match="some rows are no probabilities"):
            check_predictions(sums_to_less, [0])


@pytest.mark.parametrize("gap", [None, math.nan, "", pd.NA])
def test_missing_groups_are_no_group(gap):
    given = pd.Series(["a", gap, "b", "b"], dtype=object)
    with pytest.raises(
        ValueError, match="target_groups: missing for 1 of 4 pictures, the first is number 1: fill them in"
    ):
        check_groups(["a", "b"], given, 2, 4)
    with pytest.raises(ValueError, match="groups: missing for 1 of 4 pictures"):
        tl.selection.score_knn(np.eye(4), [0, 0, 1, 1], given)
    with pytest.raises(ValueError, match="groups: missing for 1 of 4 pictures"):
        Features(np.eye(4), [0, 0, 1, 1], ["a", "b"], list("wxyz"), given, {})


def test_whole_numbers_name_the_same_group_whatever_their_type():
    assert check_groups([1, 2], pd.Series([2.0, 3.0]), 2, 2).tolist() == [0, 1, 1, 2]
    assert check_groups([1, 2], pd.Series([2, 3], dtype="Int64"), 2, 2).tolist() == [0, 1, 1, 2]
    assert check_groups([1.5, 2], [2, 3], 2, 2).tolist() == [0, 2, 1, 3]


@pytest.mark.parametrize(
    ("values", "labels", "message"),
    [
        (np.ones((2, 0)), [0, 1], r"shape \(2, 0\) with 2 labels"),
        (np.ones((2, 3)), 3, r"shape \(2, 3\) with no labels"),
        (np.ones((2, 3)), [0], r"shape \(2, 3\) with 1 labels"),
        (np.ones(2), [0, 1], r"shape \(2,\) with 2 labels"),
    ],
)
def test_features_of_other_shapes_are_refused(values, labels, message):
    with pytest.raises(ValueError, match=f"values: {message}, expected .n_samples, n_features"):
        make_features(values, labels)


def test_a_head_predicts_features_as_it_does_their_values_and_masks_of_several_labels_are_refused():
    features = make_features([[0.5, 0.5], [0.9, 0.1]], [0, 1])
    head = tl.fit_head(features)
    assert np.array_equal(head.predict(features), head.predict(features.values))
    tensor = pytest.importorskip("torch").tensor(features.values)
    for given in (pd.DataFrame(features.values), tensor, tensor.clone().requires_grad_()):
        assert np.array_equal(head.predict(given), head.predict(features.values))
    rows = [{"image": make_picture(row), "a": row, "b": 1 - row} for row in range(2)]
    images = tl.load_images(rows, label=["a", "b"])
    with pytest.raises(ValueError, match="some entries are masked"):
        tl.evaluation.evaluate_probabilities(MASKED, images)


def test_a_rejection_of_an_array_is_refused():
    with pytest.raises(TypeError, match="features: a ndarray, expected Features"):
        tl.evaluation.fit_rejection(np.ones((4, 2)))


def test_a_switch_of_the_users_for_reports_of_onnxruntime_stays(monkeypatch):
    for given, expected in ((None, "1"), ("0", "0")):
        monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
        if given is not None:
            monkeypatch.setenv("ORT_DISABLE_TELEMETRY", given)
        import_extra("This needs", "nothing", "json")
        assert os.environ["ORT_DISABLE_TELEMETRY"] == expected
