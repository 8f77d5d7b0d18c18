"""Vector graphics: what can be pointed at, and how pictures and markers are written."""

import numpy as np
import pytest
from made_marks import read_marks
from matplotlib.figure import Figure

from tlkit.plots.vector import mark, render_vector


@pytest.fixture
def ax():
    axes = Figure(figsize=(2, 2), dpi=72).add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 2), ylim=(0, 2))
    return axes


def render(*artists):
    return render_vector(artists, (2, 2))


def test_each_marker_is_written_at_its_place_with_its_words_and_one_style_for_all(ax):
    (line,) = ax.plot([0.5, 1, 1.5], [0.5, 1.5, 1], "o", color="#123456")
    drawing = render(mark(line, "point", 7, words=["<a>", "b|c", '"d"']))
    assert read_marks(drawing) == [("point:7:0", "<a>"), ("point:7:1", "b|c"), ("point:7:2", '"d"')]
    for x, y in ((36, 108), (72, 36), (108, 72)):
        assert f'x="{x}.0" y="{y}.0"' in drawing
    assert drawing.count("#123456") == 2  # fill and stroke


def test_markers_without_a_place_are_left_out(ax):
    (line,) = ax.plot([0.5, np.nan, 1.5], [0.5, 1, np.nan], "o")
    assert render(line).count("<use ") == 1


@pytest.mark.parametrize(("n_pixels", "magnified"), [(8, True), (200, False)])
def test_a_picture_can_be_pointed_at_and_its_large_pixels_stay_sharp(ax, n_pixels, magnified):
    picture = ax.imshow(np.zeros((n_pixels, n_pixels, 3)), interpolation="none", extent=(0, 2, 0, 2))
    drawing = render(mark(picture, "picture", 3, words="bird"))
    assert read_marks(drawing) == [("picture:3", "bird")]
    assert ("image-rendering: pixelated" in drawing) == magnified
