"""The cut explorer by mouse and keyboard, in JupyterLab with and without kernel subshells."""

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    """
import dataclasses

import tlkit as tl
from made_cuts import make_cut_table
from made_features import make_features

images = tl.load_images("styles", domain="sketch")[:12]
made = make_features(n_pictures=12)
features = {cut: dataclasses.replace(made, names=images.names, groups=images.groups) for cut in ("early", "late")}
""",
    "explorer = tl.widgets.CutExplorer(features, make_cut_table(), images)\nexplorer",
]
N_RUN = 2


def test_a_cut_and_a_head_are_chosen_by_mouse(lab):
    output = lab.output(1)
    status, picture = output.get_by_role("status"), output.locator("img")
    before = picture.get_attribute("src")
    output.get_by_role("button", name="late").click()
    expect(status).to_contain_text("logistic behind late: 0.50")
    expect(picture).not_to_have_attribute("src", before)
    output.get_by_role("button", name="conv").click()
    expect(status).to_contain_text("conv behind late: not measured.")


def test_another_picture_is_chosen_by_keyboard(lab):
    output, n_cells = lab.output(1), lab.cells.count()
    picture = output.locator("img")
    before = picture.get_attribute("src")
    output.get_by_role("slider").focus()
    lab.page.keyboard.press("ArrowRight")
    expect(picture).not_to_have_attribute("src", before)
    expect(output.locator(".widget-readout")).to_have_text("1")
    assert lab.cells.count() == n_cells  # JupyterLab took no key for a command of its own
    assert lab.errors == []
