"""Calibration and proper scores against slow versions of their definitions, and what chance does."""

import itertools
import math

import numpy as np
import pytest
from made_features import softmax

from tlkit.evaluation import (
    Evaluation,
    measure_brier,
    measure_calibration,
    measure_calibration_error,
    measure_log_loss,
    tabulate_reliability,
)
from tlkit.evaluation.scores import FLOOR


def make_predictions(n, n_classes=4, seed=0, sharpness=1.5, temperature=1.0):
    """Return probabilities, and labels drawn from them at another temperature; at 1 the probabilities are true."""
    random = np.random.default_rng(seed)
    scores = sharpness * random.normal(size=(n, n_classes))
    truth = softmax(scores / temperature).cumsum(axis=1)
    labels = np.minimum((random.random((n, 1)) > truth).sum(axis=1), n_classes - 1)
    return softmax(scores), labels


def slow_brier(probabilities, labels):
    total = 0.0
    for row, label in zip(probabilities, labels, strict=True):
        for place, probability in enumerate(row):
            total += (probability - (1 if place == label else 0)) ** 2
    return total / len(labels)


def slow_log_loss(probabilities, labels, floor):
    return sum(-math.log(max(row[label], floor)) for row, label in zip(probabilities, labels, strict=True)) / len(
        labels
    )


def slow_error(probabilities, labels, edges):
    """The sum over bins (low, high] of n of bin / n × |accuracy - confidence|."""
    total = 0.0
    for low, high in itertools.pairwise(edges):
        members = [
            (max(row), list(row).index(max(row)) == label)
            for row, label in zip(probabilities, labels, strict=True)
            if low < max(row) <= high
        ]
        if members:
            confidence = sum(sure for sure, _ in members) / len(members)
            accuracy = sum(right for _, right in members) / len(members)
            total += len(members) / len(labels) * abs(accuracy - confidence)
    return total


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_classes", [2, 5])
def test_scores_equal_slow_versions(seed, n_classes):
    probabilities, labels = make_predictions(50, n_classes, seed)
    probabilities[0] = np.eye(n_classes)[(labels[0] + 1) % n_classes]  # a true class that was ruled out
    assert measure_brier(probabilities, labels) == pytest.approx(slow_brier(probabilities, labels), abs=1e-12)
    for floor in (FLOOR, 1e-3):
        expected = slow_log_loss(probabilities, labels, floor)
        assert measure_log_loss(probabilities, labels, floor=floor) == pytest.approx(expected, abs=1e-12)
    assert measure_log_loss(probabilities, labels, floor=0) == math.inf


@pytest.mark.parametrize("n_bins", [1, 10, 15])
@pytest.mark.parametrize("seed", range(3))
def test_the_error_equals_a_slow_version(seed, n_bins):
    probabilities, labels = make_predictions(80, seed=seed)
    probabilities[:5] = [0.4, 0.2, 0.2, 0.2]  # on an edge of ten bins, which belongs to the bin below
    probabilities[5] = [0.0, 1.0, 0.0, 0.0]
    edges = [number / n_bins for number in range(n_bins + 1)]
    found = measure_calibration_error(probabilities, labels, n_bins=n_bins)
    assert found == pytest.approx(slow_error(probabilities, labels, edges), abs=1e-12)


def test_bins_of_equal_mass_hold_about_as_many_pictures_and_equal_confidences_stay_together():
    probabilities, labels = make_predictions(100)
    table = tabulate_reliability(probabilities, labels, n_bins=5, binning="mass")
    assert table["n"].tolist() == [20] * 5
    edges = [0.0, *table["high"]]
    found = measure_calibration_error(probabilities, labels, n_bins=5, binning="mass")
    assert found == pytest.approx(slow_error(probabilities, labels, edges), abs=1e-12)
    alike = np.tile([0.7, 0.3], (9, 1))
    assert tabulate_reliability(alike, [0] * 9, n_bins=5, binning="mass")["n"].tolist() == [9]


def test_the_table_equals_a_slow_count_with_wilson_s_interval():
    probabilities, labels = make_predictions(60)
    table = tabulate_reliability(probabilities, labels, n_bins=5)
    assert table["n"].sum() == 60
    for row in table.itertuples():
        members = [place for place, sure in enumerate(probabilities.max(axis=1)) if row.low < sure <= row.high]
        rights = [probabilities[place].argmax() == labels[place] for place in members]
        n, share = len(members), sum(rights) / len(members)
        assert (row.n, row.accuracy) == (n, pytest.approx(share))
        assert row.confidence == pytest.approx(sum(probabilities[place].max() for place in members) / n)
        z = 1.959964
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        assert (row.accuracy_low, row.accuracy_high) == pytest.approx((centre - half, centre + half), abs=1e-6)


def test_the_band_of_a_bin_is_that_of_the_binomial_where_all_are_as_sure():
    from scipy.stats import binom

    probabilities = np.tile([0.7, 0.3], (40, 1))
    (row,) = tabulate_reliability(probabilities, [0] * 40, n_draws=4000).itertuples()
    assert (row.calibrated_low * 40, row.calibrated_high * 40) == pytest.approx(
        binom.ppf([0.025, 0.975], 40, 0.7), abs=1
    )


def test_the_mean_error_of_true_probabilities_is_that_of_the_binomial():
    from scipy.stats import binom

    calibration = measure_calibration(np.tile([0.7, 0.3], (40, 1)), [0] * 40, n_draws=4000)
    counts = np.arange(41)
    expected = (binom.pmf(counts, 40, 0.7) * abs(counts / 40 - 0.7)).sum()
    assert calibration.calibrated_mean == pytest.approx(expected, abs=0.003)


@pytest.mark.slow
@pytest.mark.parametrize("binning", ["width", "mass"])
def test_true_probabilities_are_within_their_band_as_often_as_it_says_and_others_are_not(binning):
    n_trials = 200
    settings = {"n_draws": 200, "binning": binning}
    n_off = sum(
        measure_calibration(*make_predictions(128, seed=seed), **settings).is_miscalibrated for seed in range(n_trials)
    )
    assert n_off / n_trials <= 0.08  # 5 % but for chance: of 200 trials 16 or fewer in 98 of 100
    n_found = sum(
        measure_calibration(*make_predictions(128, seed=seed, temperature=3.0), **settings).is_miscalibrated
        for seed in range(20)
    )
    assert n_found >= 18


def test_over_and_underconfidence_are_distinguished():
    assert ": overconfident. Calibration error" in measure_calibration(*make_predictions(300, temperature=3.0)).sentence
    assert (
        ": underconfident. Calibration error" in measure_calibration(*make_predictions(300, temperature=0.3)).sentence
    )
    calibrated = measure_calibration(*make_predictions(300))
    assert ": no sign of miscalibration. Calibration error" in repr(calibrated)
    assert repr(calibrated).startswith("Calibration(Brier score 0.")


def test_the_same_seed_gives_the_same_bits_however_many_are_drawn_at_once(monkeypatch):
    from tlkit.evaluation import reliability

    predictions = make_predictions(50)
    first, other = (measure_calibration(*predictions, seed=seed).calibrated_high for seed in (3, 4))
    monkeypatch.setattr(reliability, "_NUMBERS_AT_ONCE", 170)
    assert measure_calibration(*predictions, seed=3).calibrated_high == first
    assert first != other


def test_an_evaluation_gives_them_too():
    probabilities, labels = make_predictions(30)
    names = np.array([f"{number}.png" for number in range(30)])
    evaluation = Evaluation(probabilities, labels, list("abcd"), names, names, 1)
    assert evaluation.brier == measure_brier(probabilities, labels)
    assert evaluation.log_loss == measure_log_loss(probabilities, labels)


@pytest.mark.parametrize(
    ("probabilities", "labels", "error", "said"),
    [
        ([0, 1], [[0.5, 0.5], [0.5, 0.5]], TypeError, r"probabilities: shape \(2,\).* were the arguments swapped"),
        ([[2.0, -1.0]], [0], ValueError, "probabilities: some rows are no probabilities"),
        (np.zeros((0, 2)), [], ValueError, "probabilities: no row"),
        ([[0.5, 0.5]], [0.0], TypeError, r"labels: shape \(1,\) of type float64, expected \(1,\) whole numbers"),
        ([[0.5, 0.5]], [0, 1], TypeError, r"labels: shape \(2,\)"),
        ([[0.5, 0.5]], [2], ValueError, "labels: 2, expected class indices from 0 to 1; bring both"),
        ([[0.5, 0.5]], [-1], ValueError, "labels: -1"),
    ],
)
def test_what_can_be_no_predictions_is_refused(probabilities, labels, error, said):
    for measure in (measure_brier, measure_log_loss, measure_calibration, tabulate_reliability):
        with pytest.raises(error, match=said):
            measure(probabilities, labels)


def test_settings_that_cannot_be_used_are_refused():
    predictions = make_predictions(5)
    with pytest.raises(ValueError, match="floor: 2, expected a number from 0 to 1"):
        measure_log_loss(*predictions, floor=2)
    for settings, said in (
        ({"n_bins": 0}, "n_bins: 0"),
        ({"binning": "with"}, "nearest: 'width'"),
        ({"seed": -1}, "seed"),
    ):
        with pytest.raises(ValueError, match=said):
            measure_calibration(*predictions, **settings)
