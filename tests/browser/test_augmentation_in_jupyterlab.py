"""The augmentation explorer by mouse and keyboard, in JupyterLab with and without kernel subshells."""

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    """
import tlkit as tl
from made_ablations import make_ablation
from made_networks import make_tiny_backbone

images = tl.load_images("styles", domain="clipart")
""",
    """
explorer = tl.widgets.AugmentationExplorer(make_tiny_backbone(), images.few(1), make_ablation(images))
explorer
""",
]
N_RUN = 2


def test_a_policy_is_chosen_by_mouse(lab):
    output = lab.output(1)
    status, picture = output.get_by_role("status"), output.locator("img")
    expect(status).to_contain_text("last 2 stages + invert, 5 training pictures a class")
    before = picture.get_attribute("src")
    output.get_by_role("button", name="crop + cutmix", exact=True).click()
    expect(status).to_contain_text("last 2 stages + crop + cutmix, 5 training pictures a class")
    expect(picture).not_to_have_attribute("src", before)


def test_draws_are_gone_through_by_keyboard(lab):
    output, n_cells = lab.output(1), lab.cells.count()
    picture = output.locator("img")
    before = picture.get_attribute("src")
    output.get_by_role("slider").focus()
    lab.page.keyboard.press("ArrowRight")
    expect(picture).not_to_have_attribute("src", before)
    expect(output.locator(".widget-readout")).to_have_text("1")
    output.get_by_role("button", name="none", exact=True).focus()
    lab.page.keyboard.press("Enter")
    expect(output.get_by_role("status")).to_contain_text("last 2 stages + none")
    assert lab.cells.count() == n_cells  # JupyterLab took no key for a command of its own
    assert lab.errors == []
