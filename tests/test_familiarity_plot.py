"""Histograms of familiarity: their shares, the threshold, and the legend."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from test_rejection import make_features

import tlkit as tl

OTHERS = {"walls": [-9.0, -8.0, -8.5, 0.0], "_sketches": [-0.1, -0.2]}


@pytest.fixture(scope="module")
def rejection():
    return tl.evaluation.fit_rejection(make_features(), 0.1)


@pytest.fixture(scope="module")
def ax(rejection):
    return tl.plots.draw_familiarity(rejection, OTHERS, Figure().subplots())


def test_each_histogram_holds_all_pictures_of_its_group(rejection, ax):
    """Areas below the outlines add up to one; the first bin from the left with walls is theirs alone."""
    known, *others = ax.patches
    edges = np.unique(known.get_xy()[:, 0])
    for polygon, values in zip([known, *others], [rejection.known, *OTHERS.values()], strict=True):
        corners = polygon.get_xy()
        middles = (edges[1:] + edges[:-1]) / 2
        heights = [max(y for x, y in corners if abs(x - m) < (edges[1] - edges[0]) * 0.51) for m in middles]
        expected = np.histogram(values, edges)[0] / len(values)
        assert max(heights) == pytest.approx(expected.max())
    assert edges[0] == -9


def test_the_line_is_the_threshold_and_the_legend_counts_what_lies_below_it(rejection, ax):
    assert set(ax.lines[0].get_xdata()) == {rejection.find_threshold()}
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["known: 9 % rejected", "walls: 75 % rejected", " _sketches: 0 % rejected", "threshold"]


def test_groups_differ_by_colour_and_line_and_the_known_one_is_gray(ax):
    known, *others = ax.patches
    assert len(set(known.get_facecolor()[:3])) == 1
    assert len({(to_hex(polygon.get_edgecolor()), str(polygon.get_linestyle())) for polygon in others}) == 2
    assert "familiarity" in ax.get_xlabel() and ax.get_ylabel() == "share of pictures"
