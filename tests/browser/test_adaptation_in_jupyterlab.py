"""The adaptation explorer by mouse and keyboard, in JupyterLab with and without kernel subshells."""

import re

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    """
import tlkit as tl
from made_studies import make_study

images, features = make_study(("here", "there", "yonder"))
""",
    """
explorer = tl.widgets.AdaptationExplorer(features, images, methods=["align_mean", "coral"])
explorer
""",
]
N_RUN = 2


def button(output, row, name):
    return output.locator(".widget-toggle-buttons").nth(row).get_by_role("button", name=name, exact=True)


def test_domains_and_method_are_chosen_by_mouse(lab):
    output = lab.output(1)
    status, picture = output.get_by_role("status"), output.locator("img")
    expect(status).to_contain_text("here → there, coral: balanced accuracy")
    before = picture.get_attribute("src")
    button(output, 1, "yonder").click()
    expect(status).to_contain_text("here → yonder, coral: balanced accuracy")
    expect(picture).not_to_have_attribute("src", before)
    button(output, 2, "align mean").click()
    expect(status).to_contain_text("here → yonder, align mean: balanced accuracy")
    button(output, 0, "yonder").click()
    expect(status).to_contain_text("yonder → here, align mean: balanced accuracy")
    expect(button(output, 1, "here")).to_have_class(re.compile("mod-active"))


def test_a_method_is_chosen_by_keyboard(lab):
    output, n_cells = lab.output(1), lab.cells.count()
    button(output, 2, "source only").focus()
    lab.page.keyboard.press("Enter")
    expect(output.get_by_role("status")).to_contain_text("yonder → here, source only: balanced accuracy")
    assert lab.cells.count() == n_cells  # JupyterLab took no key for a command of its own
    assert lab.errors == []
