"""The heat map explorer by mouse and keyboard, in JupyterLab with and without kernel subshells."""

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    """
import tlkit as tl
from made_heat import make_random_run
from made_pictures import make_picture

study = tl.inspection.study_heat_maps(make_random_run(), [make_picture(number, (20, 18)) for number in range(3)])
""",
    """
explorer = tl.widgets.HeatMapExplorer(study)
explorer
""",
]
N_RUN = 2


def test_picture_and_method_are_chosen_by_mouse(lab):
    output = lab.output(1)
    status, picture = output.get_by_role("status"), output.locator("img")
    expect(status).to_contain_text("Grad-CAM, picture 0,")
    before = picture.get_attribute("src")
    output.locator(".widget-toggle-buttons").nth(0).get_by_role("button").nth(2).click()
    expect(status).to_contain_text("Grad-CAM, picture 2,")
    expect(picture).not_to_have_attribute("src", before)
    output.get_by_role("button", name="integrated gradients").click()
    expect(status).to_contain_text("integrated gradients, picture 2,")


def test_the_depth_is_chosen_by_keyboard(lab):
    output, n_cells = lab.output(1), lab.cells.count()
    output.locator(".noUi-handle").focus()
    lab.page.keyboard.press("ArrowRight")
    expect(output.get_by_role("status")).to_contain_text("random down to stage1")
    lab.page.keyboard.press("ArrowRight")
    expect(output.get_by_role("status")).to_contain_text("random down to stem")
    assert lab.cells.count() == n_cells  # JupyterLab took no key for a command of its own
    assert lab.errors == []
