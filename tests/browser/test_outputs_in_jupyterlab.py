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
    'tl.widgets.Prediction("made", "Which one?", ["a", "b"])',
    'print("the answer")\nfigure',
    'print("the other answer")',
]
HIDDEN, TAGGED = 4, 5


@pytest.fixture(scope="module")
def lab(open_lab, tmp_path_factory):
    path = write_notebook(tmp_path_factory.mktemp("notebook") / "05_made.ipynb", CELLS)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[HIDDEN].metadata["jupyter"] = {"outputs_hidden": True}
    notebook.cells[TAGGED].metadata["tags"] = ["answer"]
    nbformat.write(notebook, path)
    with open_lab(path) as lab:
        lab.run_all()
        yield lab


def test_pictures_have_text_alternatives(lab):
    for number, words in ((1, "A line from 1 to 2."), (2, "The same line.")):
        picture = lab.output(number).get_by_role("img", name=words, exact=True)
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.naturalWidth") > 400


@pytest.mark.parametrize(("number", "text"), [(HIDDEN, "the answer"), (TAGGED, "the other answer")])
def test_answers_stay_folded_after_running_everything_and_a_click_opens_them(lab, number, text):
    answer = lab.cells.nth(number).get_by_text(text, exact=True)
    fold = lab.cells.nth(number).get_by_text("The result: predict first, then click here.")
    for _ in range(2):
        expect(fold).to_be_visible()
        expect(answer).to_be_hidden()
        if number == HIDDEN:
            expect(lab.output(HIDDEN).locator("img")).to_be_hidden()
            break  # JupyterLab forgets that it was folded
        lab.run_all()
    fold.click()
    expect(answer).to_be_visible()
    fold.focus()
    lab.page.keyboard.press("Enter")
    expect(answer).to_be_hidden()
    if number == HIDDEN:
        fold.click()
        expect(lab.output(HIDDEN).get_by_role("img", name="A line from 1 to 2.")).to_be_visible()


def test_text_alternatives_are_saved_with_the_notebook(lab):
    lab.reopen()
    for number, words in ((1, "A line from 1 to 2."), (2, "The same line.")):
        expect(lab.output(number).locator("img")).to_have_attribute("alt", words)
    assert lab.errors == []
