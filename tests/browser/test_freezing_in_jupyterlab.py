"""The freezing explorer by mouse and keyboard, in JupyterLab with and without kernel subshells."""

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    """
import tlkit as tl
from made_networks import make_batch, make_tiny_backbone
from tlkit.backbones.freezing.measurement import measure_freezing

costs = measure_freezing(make_tiny_backbone(), make_batch(), n_classes=5)
""",
    "explorer = tl.widgets.FreezingExplorer(costs)\nexplorer",
    "explorer._page.render = None",
    "type(explorer.error).__name__",
]
N_RUN = 2


def find_explorer(lab):
    """Return (output, status line, picture) of the explorer's cell."""
    output = lab.output(1)
    return output, output.get_by_role("status"), output.locator("img")


def test_stages_are_thawed_by_mouse(lab):
    output, status, picture = find_explorer(lab)
    expect(status).to_contain_text("The frozen stages don't change by a single bit.")
    before = picture.get_attribute("src")
    output.get_by_role("button", name="stage1: frozen").click()
    expect(output.get_by_role("button", name="stage1: learns")).to_be_visible()
    expect(picture).not_to_have_attribute("src", before)


def test_stages_and_norm_layers_are_changed_by_keyboard(lab):
    output, status, _ = find_explorer(lab)
    n_cells = lab.cells.count()
    output.get_by_role("button", name="stem: frozen").focus()
    lab.page.keyboard.press("Enter")
    expect(output.get_by_role("button", name="stem: learns")).to_be_visible()
    expect(status).to_contain_text("No stage is frozen.")
    lab.page.keyboard.press("Enter")
    expect(output.get_by_role("button", name="stem: frozen")).to_be_visible()
    output.get_by_role("button", name="statistics").focus()
    lab.page.keyboard.press("Enter")
    expect(status).to_contain_text("In the frozen stages norm statistics still move.")
    assert lab.cells.count() == n_cells  # JupyterLab took no key for a command of its own


def test_the_picture_is_a_whole_page(lab):
    _, _, picture = find_explorer(lab)
    assert picture.evaluate("image => image.complete && image.naturalWidth") == 980


def test_a_failure_while_drawing_is_shown(lab):
    output, status, _ = find_explorer(lab)
    lab.run_cell(2)
    output.get_by_role("button", name="trainable").click()
    expect(status).to_contain_text("This could not be shown: TypeError")
    lab.run_cell(3)
    expect(lab.output(3)).to_have_text("'TypeError'")
    assert lab.errors == []
