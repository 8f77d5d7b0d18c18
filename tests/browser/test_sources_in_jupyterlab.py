"""The source explorer by mouse and keyboard, in JupyterLab with and without kernel subshells."""

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    """
import tlkit as tl
from made_worths import CHANGES, make_worths
""",
    """
explorer = tl.widgets.SourceExplorer(*make_worths(CHANGES))
explorer
""",
]
N_RUN = 2


def button(output, row, name):
    return output.locator(".widget-toggle-buttons").nth(row).get_by_role("button", name=name, exact=True)


def test_source_weight_and_shots_are_chosen_by_mouse(lab):
    output = lab.output(1)
    status, picture = output.get_by_role("status"), output.locator("img")
    expect(status).to_contain_text("far pooled with 1 shot a class: accuracy")
    before = picture.get_attribute("src")
    button(output, 2, "5").click()
    expect(status).to_contain_text("far pooled with 5 shots a class: accuracy")
    expect(picture).not_to_have_attribute("src", before)
    button(output, 1, "0.25").click()
    expect(status).to_contain_text("far at 0.25 times the weight of 5 shots a class: accuracy")
    button(output, 0, "near").click()
    expect(status).to_contain_text("near at 0.25 times the weight of 5 shots a class: accuracy")


def test_a_weight_is_chosen_by_keyboard(lab):
    output, n_cells = lab.output(1), lab.cells.count()
    button(output, 1, "pooled").focus()
    lab.page.keyboard.press("Enter")
    expect(output.get_by_role("status")).to_contain_text("near pooled with 5 shots a class: accuracy")
    assert lab.cells.count() == n_cells  # JupyterLab took no key for a command of its own
    assert lab.errors == []
