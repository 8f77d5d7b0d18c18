"""The reliability diagram."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from test_calibration import make_predictions

from tlkit.evaluation import measure_calibration
from tlkit.plots import draw_reliability


@pytest.fixture(scope="module")
def calibration():
    return measure_calibration(*make_predictions(128), n_bins=10)


@pytest.fixture
def ax(calibration):
    return draw_reliability(calibration, Figure().subplots())


def test_each_bin_is_a_point_with_its_interval(calibration, ax):
    table = calibration.table
    (points,) = [part for part in ax.collections if type(part).__name__ == "PathCollection"]
    np.testing.assert_allclose(points.get_offsets(), table[["confidence", "accuracy"]])
    (container,) = ax.containers
    ends = np.array([segment[:, 1] for segment in container[2][0].get_segments()])
    np.testing.assert_allclose(ends, table[["accuracy_low", "accuracy_high"]])
    assert (np.argsort(points.get_sizes()) == np.argsort(table["n"])).all()


def test_the_band_and_the_line_of_true_probabilities_are_there_and_named(calibration, ax):
    bands = [part for part in ax.collections if type(part).__name__ in ("PolyCollection", "FillBetweenPolyCollection")]
    for band, row in zip(bands, calibration.table.itertuples(), strict=True):
        low, high = band.get_paths()[0].vertices.min(axis=0), band.get_paths()[0].vertices.max(axis=0)
        np.testing.assert_allclose([*low, *high], [row.low, row.calibrated_low, row.high, row.calibrated_high])
    assert ax.lines[0].get_xydata().tolist() == [[0, 0], [1, 1]]
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["if calibrated, 95 %", "accuracy = confidence", "measured, 95 % interval"]


def test_axes_are_named_and_the_strip_counts_the_pictures(calibration, ax):
    assert ax.get_xlabel() == "confidence (probability of the predicted class)"
    assert ax.get_ylabel() == "accuracy (share correct)"
    (strip,) = ax.child_axes
    assert strip.get_ylabel() == "pictures"
    assert [bar.get_height() for bar in strip.patches] == calibration.table["n"].tolist()
    assert f"{calibration.error:.3f}" in strip.get_title()
    assert f"{calibration.calibrated_high:.3f}" in strip.get_title()


def test_what_matters_is_gray_or_told_apart_by_shape(ax):
    # Band and line carry no colour at all; only the points do, and they are points.
    band, line = ax.collections[0].get_facecolor()[0][:3], ax.lines[0].get_color()
    assert len(set(band)) == 1
    assert line == "0.4"
