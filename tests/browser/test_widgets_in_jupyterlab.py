"""The widgets as a reader meets them: mouse, keyboard, failures, in JupyterLab with and without kernel subshells."""

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    """
import tempfile
from pathlib import Path

import tlkit as tl
from made_comparisons import make_comparison
from made_pictures import write_classes

folder = write_classes(Path(tempfile.mkdtemp()) / "pictures", {"bird": 10, "bug": 10, "fruit": 10})
images = tl.load_images(folder)
""",
    "explorer = tl.widgets.ComparisonExplorer(make_comparison(images), images)\nexplorer",
    """
for picture in images.pictures:
    Path(picture.location).unlink()
explorer._read_thumbnail.cache_clear()
explorer._kept.clear()
""",
    "type(explorer.error).__name__",
]
N_RUN = 2


def find_explorer(lab):
    """Return (output, status line, sheet of the drawing) of the explorer's cell."""
    output = lab.output(1)
    return output, output.get_by_role("status"), output.locator(".tlkit-sheet")


def test_strategy_changes_by_mouse(lab):
    output, status, sheet = find_explorer(lab)
    expect(status).to_contain_text("linear probe, 5 training pictures per class: accuracy")
    before = sheet.inner_html()
    output.get_by_role("radio", name="random features").click()
    expect(status).to_contain_text("random features, 5 training pictures per class: accuracy")
    expect(status).to_contain_text("the baseline that the others are compared with")
    assert sheet.inner_html() != before


def test_strategy_changes_by_keyboard(lab):
    output, status, sheet = find_explorer(lab)
    output.get_by_role("radio", name="random features").focus()
    lab.page.keyboard.press("Home")
    expect(status).to_contain_text("random features")
    before, n_cells = sheet.inner_html(), lab.cells.count()
    lab.page.keyboard.press("End")
    expect(status).to_contain_text("linear probe")
    assert sheet.inner_html() != before
    assert lab.cells.count() == n_cells  # JupyterLab took no key for a command of its own


def test_shots_change_by_keyboard(lab):
    output, status, sheet = find_explorer(lab)
    output.get_by_role("slider", name="shots").focus()
    lab.page.keyboard.press("Home")
    expect(status).to_contain_text(", 1 training picture per class")
    before = sheet.inner_html()
    lab.page.keyboard.press("ArrowRight")
    expect(status).to_contain_text(", 5 training pictures per class")
    assert sheet.inner_html() != before
    expect(output.get_by_text("5 training pictures per class", exact=True)).to_be_visible()


def test_a_cell_of_the_confusion_matrix_and_a_mistake_have_words(lab):
    output, _, sheet = find_explorer(lab)
    for kind, words in (("cell", " predicted as "), ("mistake", ", predicted ")):
        sheet.locator(f"[data-kind={kind}]").first.hover()
        expect(output.locator(".tlkit-tip")).to_contain_text(words)


def test_a_failure_while_drawing_is_shown(lab):
    output, status, _ = find_explorer(lab)
    lab.run_cell(2)
    target = "random features" if "linear probe" in status.inner_text() else "linear probe"
    output.get_by_role("radio", name=target).click()
    expect(status).to_contain_text("This could not be shown: ")
    lab.run_cell(3)
    expect(lab.output(3)).not_to_have_text("'NoneType'")


def test_the_browser_complained_of_nothing(lab):
    assert lab.errors == []
