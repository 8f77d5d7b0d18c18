"""The heat map explorer, what it reads and draws: words, controls, failures, drawings in gray."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from made_drawings import find_misplaced
from made_heat import make_random_run
from made_pictures import make_picture
from matplotlib.figure import Figure

from tlkit.inspection import study_heat_maps
from tlkit.plots import (
    draw_heat_map,
    draw_similarity,
    draw_similarity_curve,
)
from tlkit.plots.heat_maps import SIZE_INCHES, draw_correlations, draw_input, make_heat_page
from tlkit.summaries.heat_maps import HeatChoice, summarise_heat_maps
from tlkit.widgets import HeatMapExplorer

PICTURES = [make_picture(number, (20, 18)) for number in range(3)]
GRADIENTS = "integrated gradients"


@pytest.fixture(scope="module")
def study():
    return study_heat_maps(make_random_run(), PICTURES)


@pytest.fixture
def explorer(study):
    return HeatMapExplorer(study)


def test_a_reading_has_both_maps_and_how_like_each_other_they_are(study):
    summary = summarise_heat_maps(study, HeatChoice(2, "stage1", GRADIENTS))
    assert np.array_equal(summary.trained, study.maps[GRADIENTS][0, 2])
    assert np.array_equal(summary.random, study.maps[GRADIENTS][2, 2])
    assert summary.label == study.labels[2]
    row = study.correlations.query("method == @GRADIENTS and depth == 'stage1' and picture == 2")
    assert summary.correlation == row["correlation"].item()
    assert summary.sentence == (
        f"integrated gradients, picture 2, {study.labels[2]}, random down to stage1: {summary.similarity}; mean over "
        f"pictures {study.means.loc['stage1', GRADIENTS]:.2f}."
    )
    trained = summarise_heat_maps(study, HeatChoice(2, "trained", GRADIENTS))
    assert "nothing is random: rank correlation 1.00 with the map as trained (much the same)" in trained.sentence


def test_a_map_that_is_the_same_everywhere_has_no_correlation(study):
    choice = HeatChoice(0, "head", GRADIENTS)
    assert "rank correlation" in summarise_heat_maps(study, choice).similarity
    is_chosen = study.correlations.eval("method == @GRADIENTS and depth == 'head' and picture == 0")
    table = study.correlations.assign(correlation=study.correlations["correlation"].mask(is_chosen))
    flat = summarise_heat_maps(dataclasses.replace(study, correlations=table), choice)
    assert flat.similarity == "one of the maps is constant, so there is no rank correlation"


def test_the_page_is_the_drawing(study):
    summary = summarise_heat_maps(study, HeatChoice(0, "head", "Grad-CAM"))
    figure = make_heat_page(study).draw(summary, Figure(figsize=SIZE_INCHES))
    assert find_misplaced(figure) == ([], [])
    assert len(figure.axes) == 4
    assert [len(ax.images) for ax in figure.axes] == [1, 1, 1, 0]
    ax = draw_correlations(study, Figure().subplots())
    assert [text.get_text() for text in ax.get_xticklabels()] == study.depths
    assert len({(line.get_linestyle(), line.get_marker()) for line in ax.lines[:2]}) == 2


def test_empty_maps_are_counted_in_the_legend(study):
    table = study.correlations.copy()
    table.loc[(table["method"] == "Grad-CAM") & (table["picture"] == 0) & (table["depth"] == "head"), "correlation"] = (
        np.nan
    )
    ax = draw_correlations(dataclasses.replace(study, correlations=table), Figure().subplots())
    n_maps = (table["method"] == "Grad-CAM").sum()
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == [f"Grad-CAM (1 of {n_maps} maps are empty and left out)", *list(study.maps)[1:]]


def draw_map(heat, square):
    return draw_heat_map(heat, square, Figure().subplots(), title="a bird")


@pytest.mark.parametrize("shade", [0, 60, 255])
def test_more_heat_is_brighter_on_any_picture(shade):
    heat = np.tile(np.linspace(0, 3, 64), (64, 1))
    ax = draw_map(heat, np.full((64, 64, 3), shade, np.uint8))
    shown = np.asarray(ax.images[0].get_array()) @ [0.299, 0.587, 0.114]
    assert (np.diff(shown[32]) > -1).all()  # three rounded colours
    assert shown[32, 60] - shown[32, 4] > 80
    assert shown[32, 60] > 150 > shown[32, 4]


def test_what_is_hot_is_yellow_and_what_is_cold_is_the_picture_in_gray():
    square, heat = np.full((16, 16, 3), 40, np.uint8), np.zeros((16, 16))
    square[::2, :, 0] = 160
    heat[:, 8:] = 3.0
    ax = draw_map(heat, square)
    shown = np.asarray(ax.images[0].get_array()).astype(int)
    red, green, blue = shown[:, 12:].mean(axis=(0, 1))
    assert min(red, green) > blue + 50
    assert np.ptp(shown[:, :5], axis=2).max() == 0
    assert shown[0, 0, 0] > shown[1, 0, 0] + 10 and shown[0, 15].sum() > shown[1, 15].sum()  # the picture shows through
    assert ax.get_title() == "a bird"
    cold = draw_map(-heat, square)
    assert np.ptp(np.asarray(cold.images[0].get_array()), axis=2).max() == 0
    with pytest.raises(ValueError, match="heat: shape \\(4, 4\\), expected \\(16, 16\\)"):
        draw_map(heat[:4, :4], square)
    (strip,) = ax.child_axes
    assert [text.get_text() for text in strip.texts] == ["low", "high"]
    assert not draw_heat_map(heat, square, Figure().subplots(), legend=False).child_axes
    assert draw_input(square, Figure().subplots(), title="seen").get_title() == "seen"


def test_similarities_are_a_curve_above_its_band_or_a_matrix():
    table = pd.DataFrame(
        {"first": ["stem", "last"], "second": ["stem", "last"], "cka": [0.9, 0.01], "low": -0.02, "high": 0.02}
    )
    ax = Figure().subplots()
    for place, name in enumerate(("tuned", "random")):
        draw_similarity_curve(table, ax, label=name, index=place)
    assert ax.lines[0].get_ydata().tolist() == [0.9, 0.01]
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    assert len(ax.collections) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["tuned", "random"]
    matrix = draw_similarity(table, Figure().subplots())
    assert [text.get_text() for text in matrix.texts] == ["0.90", "(0.01)"]
    with pytest.raises(ValueError, match="table: it pairs stages of different names"):
        draw_similarity_curve(table.assign(second="stem"), ax)
