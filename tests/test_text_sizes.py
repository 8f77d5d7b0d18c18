"""Texts of drawings are large enough to read, whatever is drawn."""

import contextlib
import doctest
import io

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

import tlkit as tl
from tlkit.plots.style import TEXT_PT

# Widgets that draw nothing with matplotlib.
_WITHOUT_FIGURE = {"BackboneTable", "PictureCleaner", "PictureLabeler", "Prediction", "Quiz", "FreezeScorePainter"}
PUBLIC = [("plots", name) for name in tl.plots.__all__ if name != "describe"]
PUBLIC += [("widgets", name) for name in tl.widgets.__all__ if name not in _WITHOUT_FIGURE]


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are made, and the (size, content) of all texts that are drawn, from now on."""
    figures, texts = [], set()
    make, draw = matplotlib.figure.Figure.__init__, Text.draw

    def make_and_note(self, *arguments, **settings):
        make(self, *arguments, **settings)
        figures.append(self)

    def draw_and_note(self, *arguments, **settings):
        if self.get_visible() and self.get_text():
            texts.add((self.get_fontsize(), self.get_text()))
        return draw(self, *arguments, **settings)

    monkeypatch.setattr(matplotlib.figure.Figure, "__init__", make_and_note)
    monkeypatch.setattr(Text, "draw", draw_and_note)
    return figures, texts


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "name"), PUBLIC)
def test_no_text_is_too_small(drawn, folder, name):
    """Each example of a public drawing or explorer is run, and all that it draws is looked at."""
    figures, texts = drawn
    (example,) = doctest.DocTestFinder(recurse=False).find(
        getattr(getattr(tl, folder), name), name, extraglobs={"np": np, "pd": pd, "tl": tl}
    )
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        doctest.DocTestRunner(verbose=False).run(example, clear_globs=False)
    assert shown.getvalue() == ""
    for figure in figures:
        FigureCanvasAgg(figure).draw()
    assert figures
    assert texts or name == "render_contact_sheet"
    assert [text for text in sorted(texts) if text[0] < TEXT_PT] == []
