"""Outputs of lessons as a reader meets them: pictures with text alternatives, and folded outputs that a click opens."""

import nbformat
import pytest
from made_notebooks import write_notebook

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    "import matplotlib.pyplot as plt\nimport tlkit as tl\nfrom IPython.display import Image",
    """
figure, ax = plt.subplots()
ax.plot([1, 2])
figure.savefig("a.png")
tl.plots.describe(figure, "A line from 1 to 2.")
""".strip(),
    'tl.plots.describe(Image("a.png"), "The same line.")',
    'print("the answer")\nfigure',
]
FOLDED = 3


@pytest.fixture(scope="module")
def lab(open_lab, tmp_path_factory):
    path = write_notebook(tmp_path_factory.mktemp("notebook") / "05_made.ipynb", CELLS)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[FOLDED].metadata["jupyter"] = {"outputs_hidden": True}
    nbformat.write(notebook, path)
    with open_lab(path) as lab:
        lab.run_all()
        yield lab


def test_pictures_have_text_alternatives(lab):
    for number, words in ((1, "A line from 1 to 2."), (2, "The same line.")):
        picture = lab.output(number).get_by_role("img", name=words, exact=True)
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.naturalWidth") > 400


def find_fold(lab):
    """Return the button that stands for a folded output."""
    return lab.cells.nth(FOLDED).locator(".jp-Placeholder-content")


def test_a_folded_output_stays_folded_after_running_everything_and_a_click_opens_it(lab):
    answer = lab.cells.nth(FOLDED).get_by_text("the answer", exact=True)
    expect(find_fold(lab)).to_be_visible()
    expect(answer).to_be_hidden()
    lab.run_all()
    expect(find_fold(lab)).to_be_visible()
    expect(answer).to_be_hidden()
    find_fold(lab).click()
    expect(answer).to_be_visible()
    expect(lab.output(FOLDED).get_by_role("img", name="A line from 1 to 2.")).to_be_visible()


def test_text_alternatives_are_saved_with_the_notebook(lab):
    lab.reopen()
    for number, words in ((1, "A line from 1 to 2."), (2, "The same line.")):
        expect(lab.output(number).locator("img")).to_have_attribute("alt", words)
    assert lab.errors == []
