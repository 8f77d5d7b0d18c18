"""Text alternatives of pictures in notebooks that are run: in an open notebook, and in a batch."""

import re

import nbformat
import pytest
from made_notebooks import write_notebook
from matplotlib.figure import Figure
from nbclient import NotebookClient

import tlkit as tl

WORDS = 'A line from 1 to "2" & more.'
CELLS = [
    "import matplotlib.pyplot as plt\nimport tlkit as tl\nfrom IPython.display import Image, display",
    f"figure, ax = plt.subplots()\nax.plot([1, 2])\ntl.plots.describe(figure, {WORDS!r})",
    f"figure, ax = plt.subplots()\ntl.plots.describe(figure, {WORDS!r})\nplt.close()\nfigure",
    f"figure.savefig('made.png')\ntl.plots.describe(Image('made.png'), {WORDS!r})",
    "import pickle\nrepr(pickle.loads(pickle.dumps(figure))) == repr(figure)",
]


def run(tmp_path):
    """Return the outputs of each cell."""
    notebook = nbformat.read(write_notebook(tmp_path / "made.ipynb", CELLS), as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    return [cell.outputs for cell in NotebookClient(notebook, resources=resources).execute().cells]


@pytest.mark.slow
def test_stored_pictures_keep_their_words_in_the_metadata(tmp_path, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    _, plotted, shown, image, pickled = run(tmp_path)
    for outputs in (plotted, shown, image):
        (output,) = outputs
        assert set(output.data) == {"image/png", "text/plain"}
        assert output.metadata["image/png"]["alt"] == WORDS
    assert plotted[0].data["text/plain"] == "<Figure size 640x480 with 1 Axes>"
    assert pickled[0].data["text/plain"] == "True"


@pytest.mark.slow
def test_an_open_notebook_gets_an_image_with_words(tmp_path, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "made.ipynb")
    _, *pictures, _ = run(tmp_path)
    for (output,) in pictures:
        assert set(output.data) == {"text/html", "text/plain"}
        assert re.match(
            '<img alt="A line from 1 to &quot;2&quot; &amp; more." src="data:image/png;base64,iVBOR',
            output.data["text/html"],
        )


def test_a_picture_is_returned_and_a_figure_is_not():
    assert tl.plots.describe(Figure(), "words") is None
    assert tl.plots.describe(picture := type("Picture", (), {})(), "words") is picture


def test_no_words_are_refused():
    with pytest.raises(ValueError, match="words: empty"):
        tl.plots.describe(Figure(), " ")


def test_outside_of_notebooks_the_usual_display_is_used():
    figure = Figure()
    tl.plots.describe(figure, "words")
    with pytest.raises(NotImplementedError):
        figure._ipython_display_()
