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
    """Return (output, status line, sheet of the drawing) of the explorer's cell."""
    output = lab.output(1)
    return output, output.get_by_role("status"), output.locator(".tlkit-sheet")


def test_stages_are_thawed_by_mouse_beside_the_drawing_and_in_it(lab):
    output, status, sheet = find_explorer(lab)
    expect(status).to_contain_text("The frozen stages don't change by a single bit.")
    stage = output.get_by_role("button", name="stage1")
    stage.click()
    expect(stage).to_have_attribute("aria-pressed", "false")
    cell = sheet.locator("[data-kind=stage][data-place='1']").first
    expect(cell).to_have_attribute("data-words", "weights of stage1: moves")
    cell.hover()
    expect(output.locator(".tlkit-tip")).to_have_text("weights of stage1: moves")
    cell.click()
    expect(stage).to_have_attribute("aria-pressed", "true")
    expect(cell).to_have_attribute("data-words", "weights of stage1: still")


def test_stages_and_norm_layers_are_changed_by_keyboard(lab):
    output, status, _ = find_explorer(lab)
    n_cells = lab.cells.count()
    statistics = output.get_by_role("radio", name="statistics")
    output.get_by_role("button", name="stem").focus()
    for key, pressed in (("Enter", "false"), ("ArrowRight", "true"), ("Enter", "false")):
        lab.page.keyboard.press(key)
        focused = output.locator("button:focus")
        expect(focused).to_have_attribute("aria-pressed", pressed)
    expect(status).to_contain_text("No stage is frozen.")
    # Norm layers of no stage: there is nothing to choose.
    expect(statistics).to_have_attribute("aria-disabled", "true")
    statistics.click(force=True)
    expect(statistics).to_have_attribute("aria-checked", "false")
    lab.page.keyboard.press("Escape")
    output.get_by_role("button", name="stage1").focus()
    lab.page.keyboard.press("Space")
    expect(statistics).to_have_attribute("aria-disabled", "false")  # Python knows of the stage now
    output.get_by_role("radio", name="frozen").focus()
    lab.page.keyboard.press("ArrowRight")
    expect(status).to_contain_text("In the frozen stages norm statistics still move.")
    assert lab.cells.count() == n_cells  # JupyterLab took no key for a command of its own


def test_text_stays_text_and_follows_the_theme(lab):
    _, _, sheet = find_explorer(lab)
    text = sheet.get_by_text("memory of a step")
    colour = text.evaluate("text => getComputedStyle(text).fill")
    assert colour == text.evaluate("text => getComputedStyle(text.closest('.tlkit-box')).color")


def test_a_failure_while_drawing_is_shown(lab):
    output, status, _ = find_explorer(lab)
    lab.run_cell(2)
    output.get_by_role("radio", name="trainable").click()
    expect(status).to_contain_text("This could not be shown: TypeError")
    lab.run_cell(3)
    expect(lab.output(3)).to_have_text("'TypeError'")
    assert lab.errors == []
