"""Drawings: on the axes they are given, without pyplot and without a screen."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_comparisons import make_comparison
from made_marks import drop_ids
from made_pictures import make_picture
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import tlkit as tl
from tlkit.plots import draw_confusion
from tlkit.plots.comparison import N_COLUMNS, N_ROWS, draw_mistakes, make_comparison_page
from tlkit.plots.confusion import draw_confusion_cells
from tlkit.summaries.comparison import ArmChoice, summarise_arm

HERE = Path(__file__).parent
PATH = os.pathsep.join([str(HERE), str(HERE.parent)])
CAPTURED = {"capture_output": True, "text": True, "check": False}


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "fruit"])


@pytest.fixture(scope="module")
def comparison(images):
    return make_comparison(images)


def read_made(name):
    return make_picture(len(name), size=(60, 40))


def texts(ax):
    return [text.get_text() for text in ax.texts]


def read_cells(ax):
    """Return {(row, column): (share that the shade stands for, words)} of a confusion matrix."""
    shares = np.linspace(0, 1, 101)
    colours, cells = colormaps["Blues"](shares), {}
    for patch in ax.patches:
        place, words = patch.get_gid().removeprefix("cell:").split("|")
        row, column = place.split(":")
        share = shares[np.abs(colours - patch.get_facecolor()).sum(axis=1).argmin()]
        cells[int(row), int(column)] = (pytest.approx(share), words)
    return cells


def test_confusion_shades_are_shares_of_the_true_class():
    ax = draw_confusion([[3, 1], [0, 4]], ["bird", "bug"], Figure().subplots())
    assert read_cells(ax) == {
        (0, 0): (0.75, "bird predicted as bird: 3 (75%)"),
        (0, 1): (0.25, "bird predicted as bug: 1 (25%)"),
        (1, 1): (1, "bug predicted as bug: 4 (100%)"),
    }
    assert ax.get_ylabel() == "true class"
    assert ax.get_xlabel() == "predicted class"


def test_confusion_of_a_class_without_test_pictures_is_drawn():
    ax = draw_confusion([[2, 0], [0, 0]], ["bird", "bug"], Figure().subplots())
    assert read_cells(ax) == {(0, 0): (1, "bird predicted as bird: 2 (100%)")}


def test_confusion_numbers_lie_in_their_cells():
    ax = draw_confusion([[0, 0, 88], [0, 0, 0], [0, 0, 0]], ["a", "b", "c"], Figure().subplots())
    (number,), (cell,) = ax.texts, ax.patches
    assert number.get_text() == "88"
    inside = number.get_window_extent(FigureCanvasAgg(ax.figure).get_renderer())
    assert cell.get_bbox().corners().tolist() == [[1.5, -0.5], [1.5, 0.5], [2.5, -0.5], [2.5, 0.5]]
    assert all(cell.contains_point(corner) for corner in inside.corners())


def test_confusion_of_another_size_is_refused():
    ax = draw_confusion([[3, 1], [0, 4]], ["bird", "bug"], Figure().subplots())
    with pytest.raises(ValueError, match=r"confusion: shape \(3, 3\) with 2 classes"):
        draw_confusion_cells(np.eye(3), ax)


def test_mistakes_carry_the_true_class_and_what_it_was_taken_for(comparison):
    mistakes = summarise_arm(comparison, ArmChoice("random_features", 1)).mistakes
    ax = draw_mistakes(mistakes, read_made, Figure().subplots())
    first = mistakes.iloc[0]
    assert texts(ax)[0] == f"{first['label']}\n→ {first['predicted']} ({first['probability']:.2f})"
    assert len(ax.images) == N_COLUMNS * N_ROWS


def test_mistakes_keep_the_shape_of_their_pictures(comparison):
    mistakes = summarise_arm(comparison, ArmChoice("random_features", 1)).mistakes.head(1)
    ax = draw_mistakes(mistakes, read_made, Figure().subplots())
    left, right, bottom, top = ax.images[0].get_extent()
    assert (right - left) / (bottom - top) == pytest.approx(60 / 40, rel=0.02)


def test_no_mistakes_are_said(comparison):
    ax = draw_mistakes(
        summarise_arm(comparison, ArmChoice("linear_probe", 1)).mistakes.head(0), read_made, Figure().subplots()
    )
    assert texts(ax) == ["no mistakes"]


@pytest.mark.slow
def test_a_page_that_is_drawn_again_equals_one_drawn_afresh(comparison):
    choices = [ArmChoice("random_features", 1), ArmChoice("linear_probe", 20), ArmChoice("linear_probe", 5)]
    summaries = [summarise_arm(comparison, choice) for choice in choices]
    page = make_comparison_page(comparison, summaries[0].classes, read_made)
    n_artists = [len(ax.get_children()) for ax in page.axes]
    for summary in summaries:
        afresh = make_comparison_page(comparison, summaries[0].classes, read_made).render(summary)
        assert drop_ids(page.render(summary)) == drop_ids(afresh)
    assert [len(ax.get_children()) for ax in page.axes] == n_artists  # or each change would be slower than the last


def test_a_page_survives_a_picture_that_cannot_be_read(comparison):
    summary = summarise_arm(comparison, ArmChoice("random_features", 1))
    broken = [True]

    def read(name):
        if broken:
            raise OSError("gone")
        return read_made(name)

    page = make_comparison_page(comparison, summary.classes, read)
    with pytest.raises(OSError, match="gone"):
        page.render(summary)
    broken.clear()
    afresh = make_comparison_page(comparison, summary.classes, read_made)
    assert drop_ids(page.render(summary)) == drop_ids(afresh.render(summary))


def test_a_page_marks_the_arm_with_one_number_of_shots_too(images):
    comparison = make_comparison(images, shots=(5,))
    figure = Figure()
    summary = summarise_arm(comparison, ArmChoice("linear_probe", 5))
    make_comparison_page(comparison, summary.classes, read_made).draw(summary, figure)
    assert figure.axes[0].lines[-1].get_xydata().tolist() == [[summary.accuracy, 1]]


@pytest.mark.slow
def test_drawing_leaves_pyplot_alone():
    # Widgets draw beside cells, on another thread, and pyplot's one current figure would be shared with them.
    code = """
import sys
from made_comparisons import make_comparison
import tlkit as tl
images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "fruit"])
tl.widgets.ComparisonExplorer(make_comparison(images), images).shots = 20
print("matplotlib.figure" in sys.modules, "matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE, env=os.environ | {"PYTHONPATH": PATH}, **CAPTURED)
    assert done.stdout.split() == ["True", "False"], done.stderr
