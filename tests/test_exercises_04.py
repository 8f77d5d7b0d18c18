"""Exercises of lesson 04: right answers pass, and each usual slip gets its own hint."""

import numpy as np
import pytest
from made_features import make_features
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tlkit as tl
from tlkit.lessons import check

L2_PENALTY = 0.5


def ridge(features, l2_penalty, *, centred=True, low=-1.0, times_n=True, divided=True, back=True):
    """Ridge regression by hand, in as many equations as there are pictures, with what may be left out."""
    values = features.values.astype(float)
    scale = values.std() if divided else 1.0
    values = values / scale
    targets = np.where(features.labels[:, None] == np.arange(len(features.classes)), 1.0, low)
    centre, middle = values.mean(axis=0) * centred, targets.mean(axis=0) * centred
    rows, n = values - centre, len(values)
    inner = rows @ rows.T + l2_penalty * (n if times_n else 1) * np.eye(n)
    weight = (rows.T @ np.linalg.solve(inner, targets - middle)).T
    bias = middle - weight @ centre
    return weight / (scale if back else 1), bias


def leave_out(**what):
    return lambda features, l2_penalty: ridge(features, l2_penalty, **what)


@pytest.fixture(scope="module")
def features():
    return make_features(n_pictures=60)


def check_ridge(features, answer):
    return check("04_ridge", answer, features=features, l2_penalty=L2_PENALTY)


def test_ridge_by_hand_passes_and_is_the_librarys(features):
    result = check_ridge(features, ridge)
    assert repr(result) == "Passed: the same head; with the second formula it takes 60 equations instead of 4."
    head = tl.fit_head(features, "ridge", l2_penalty=L2_PENALTY)
    for by_hand, by_kit in zip(ridge(features, L2_PENALTY), head.linear(), strict=True):
        np.testing.assert_allclose(by_hand, by_kit, atol=1e-6)
    assert check_ridge(features, lambda features, l2_penalty: head.linear()).passed


def test_ridge_in_as_many_equations_as_features_passes_too(features):
    def primal(features, l2_penalty):
        values, n = features.values.astype(float), len(features)
        targets = np.where(features.labels[:, None] == np.arange(3), 1.0, -1.0)
        rows = (values - values.mean(axis=0)) / values.std()
        inner = rows.T @ rows + l2_penalty * n * np.eye(rows.shape[1])
        weight = np.linalg.solve(inner, rows.T @ targets).T / values.std()
        return weight, targets.mean(axis=0) - weight @ values.mean(axis=0)

    assert check_ridge(features, primal).passed


def forget_bias(features, l2_penalty):
    weight, _ = ridge(features, l2_penalty)
    return weight, np.zeros(len(weight))


def fail(features, l2_penalty):
    raise np.linalg.LinAlgError("Singular matrix")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (leave_out(centred=False), "subtract the mean over the pictures first"),
        (leave_out(low=0.0), "the targets are +1 and -1, not 1 and 0"),
        (leave_out(times_n=False), "l2_penalty times the number of pictures"),
        (leave_out(divided=False), "divide by it before"),
        (leave_out(back=False), "divide it by the scale too"),
        (forget_bias, "the weight is right, the bias isn't"),
        (
            lambda features, l2_penalty: [part * 1.0001 for part in ridge(features, l2_penalty)],
            "nearly: the numbers drift",
        ),
        (
            lambda features, l2_penalty: [part * 2 for part in ridge(features, l2_penalty)],
            "other weights: centre values",
        ),
        (lambda features, l2_penalty: (ridge(features, l2_penalty)[0].T, np.zeros(3)), "the weight is transposed"),
        (lambda features, l2_penalty: np.zeros((2, 3)), "it should return two arrays"),
        (lambda features, l2_penalty: tuple(np.zeros((2, 3))), "shapes (3,) and (3,), expected (3, 4) and (3,)"),
        (lambda features, l2_penalty: ridge(features, l2_penalty)[0], "it should return two arrays"),
        (lambda features, l2_penalty: None, "end with return weight"),
        (lambda features: ridge(features, 1), "the function ended in TypeError"),
        (fail, "the function ended in LinAlgError: Singular matrix"),
        (ridge(make_features(), 1.0), "should be your function, without brackets after it, and is a tuple"),
        (..., "no answer yet; replace the three dots with the name of your function"),
    ],
)
def test_each_slip_of_a_ridge_gets_its_own_hint(features, answer, hint):
    result = check_ridge(features, answer)
    assert not result.passed
    assert hint in result.sentence


def fit_scaled(learned, tested, *, scaler_sees):
    scaler = StandardScaler().fit(scaler_sees)
    head = LogisticRegression(max_iter=1000).fit(scaler.transform(learned.values), learned.labels)
    return head.predict(scaler.transform(tested.values))


def probe(learned, tested):
    return fit_scaled(learned, tested, scaler_sees=learned.values)


def probe_in_pipeline(learned, tested):
    return (
        make_pipeline(StandardScaler(), KNeighborsClassifier())
        .fit(learned.values, learned.labels)
        .predict(tested.values)
    )


def probe_that_saw_all(learned, tested):
    return fit_scaled(learned, tested, scaler_sees=np.concatenate([learned.values, tested.values]))


def probe_that_saw_the_tested(learned, tested):
    return fit_scaled(learned, tested, scaler_sees=tested.values)


def probe_scaled_apart(learned, tested):
    head = LogisticRegression(max_iter=1000).fit(StandardScaler().fit_transform(learned.values), learned.labels)
    return head.predict(StandardScaler().fit_transform(tested.values))


def probe_without_scaler(learned, tested):
    return KNeighborsClassifier().fit(learned.values, learned.labels).predict(tested.values)


def probe_with_tested_labels(learned, tested):
    return KNeighborsClassifier(1).fit(tested.values, tested.labels).predict(tested.values)


@pytest.mark.parametrize("answer", [probe, probe_in_pipeline])
def test_a_probe_without_a_leak_passes(features, answer):
    result = check("04_leak", answer, features=features)
    assert result.passed
    assert "depends on that picture and on the training pictures only" in result.sentence


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (probe_that_saw_all, "when strange ones were tested together with them: something was fitted"),
        (probe_that_saw_the_tested, "when strange ones were tested together with them: something was fitted"),
        (probe_scaled_apart, "nothing changed: they were scaled by their own mean"),
        (probe_without_scaler, "not all is scaled"),
        (probe_with_tested_labels, "with other labels for the test pictures it predicts something else"),
        (lambda learned, tested: np.zeros(len(tested), int), "it predicts the same class for every picture"),
        (lambda learned, tested: probe(learned, tested)[:5], "shape (5,), expected (30,)"),
        (lambda learned, tested: np.eye(3)[probe(learned, tested)], "head.predict gives these"),
        (lambda learned, tested: None, "one class per test picture"),
        (lambda learned, tested: np.array(list("abc"))[probe(learned, tested)], "none of the predictions is a label"),
        (lambda learned, tested: probe(learned, learned), "predict those, not the training pictures"),
        (lambda learned, tested: probe(tested), "the function ended in TypeError"),
        (7, "should be your function, without brackets after it, and is a int"),
        (..., "no answer yet; replace the three dots with the name of your function"),
    ],
)
def test_each_slip_of_a_probe_gets_its_own_hint(features, answer, hint):
    result = check("04_leak", answer, features=features)
    assert not result.passed
    assert hint in result.sentence


def test_checking_changes_no_features(features):
    before = features.values.copy()
    check("04_leak", probe, features=features)
    check_ridge(features, ridge)
    np.testing.assert_array_equal(features.values, before)
