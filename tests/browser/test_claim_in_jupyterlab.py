"""The claim explorer by mouse and keyboard, in JupyterLab with and without kernel subshells, and the folded curve."""

import nbformat
import pytest
from made_claims import make_claim
from made_notebooks import write_notebook

from tlkit.plots.specification_curve import render_specification_curve

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

SENTENCE = (
    "Tuning everything harms. This holds in 11 of 12 replications (92%): can't tell 1, harms 11. "
    "The difference in accuracy ranges from -0.1 to -0.045."
)
CELLS = ["from made_explorers import CASES", 'CASES["ClaimExplorer"].make()']
N_RUN = 2


def test_levels_are_unticked_by_mouse_until_one_is_left(lab):
    output = lab.output(1)
    status, sheet = output.get_by_role("status"), output.locator(".tlkit-sheet")
    expect(status).to_have_text(SENTENCE)
    before = sheet.inner_html()
    output.get_by_role("button", name="clipart").click()
    expect(status).to_contain_text("This holds in 5 of 6 of the replications left (83%)")
    assert sheet.inner_html() != before
    sketch = output.get_by_role("group", name="domain").get_by_role("button", name="sketch")
    expect(sketch).to_have_attribute("aria-disabled", "true")
    sketch.click(force=True)
    expect(sketch).to_have_attribute("aria-pressed", "true")
    output.get_by_role("button", name="clipart").click()
    expect(sketch).to_have_attribute("aria-disabled", "false")
    expect(status).to_contain_text("This holds in 11 of 12 replications")


def test_levels_are_unticked_by_keyboard_and_no_key_is_a_command_of_jupyterlab(lab):
    output, n_cells = lab.output(1), lab.cells.count()
    status = output.get_by_role("status")
    output.get_by_role("group", name="image size px").get_by_role("button", name="96").focus()
    for key in ("End", "Space"):
        lab.page.keyboard.press(key)
    expect(status).to_contain_text("This holds in 8 of 8 of the replications left (100%)")
    for key in ("b", "x", "Home", "Enter"):
        lab.page.keyboard.press(key)
    expect(status).to_contain_text("This holds in 4 of 4 of the replications left")
    middle = output.get_by_role("group", name="image size px").get_by_role("button", name="128")
    expect(middle).to_have_attribute("aria-disabled", "true")
    lab.page.keyboard.press("Tab")
    assert lab.cells.count() == n_cells


def test_the_drawing_is_described_and_its_replications_are_read_by_keyboard(lab):
    output = lab.output(1)
    sheet, status = output.locator(".tlkit-sheet"), output.get_by_role("status")
    expect(sheet).to_have_attribute("aria-label", f"Figure. {status.text_content()}")
    sheet.focus()
    lab.page.keyboard.press("Home")
    expect(output.locator(".tlkit-tip")).to_contain_text("harms")
    expect(output.locator(".tlkit-unseen")).to_contain_text("first seed")
    box = output.locator(".tlkit-box").bounding_box()
    assert box["width"] <= 1210 and box["height"] <= 700
    assert lab.errors == []


def test_the_folded_curve_is_seen_and_described_in_a_stored_notebook_that_is_not_trusted(open_lab, tmp_path):
    shown = {"text/html": f"<details><summary>rate</summary>{render_specification_curve(make_claim())}</details>"}
    notebook = nbformat.read(write_notebook(tmp_path / "stored.ipynb", ["claim"]), as_version=4)
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", shown)]
    nbformat.write(notebook, tmp_path / "stored.ipynb")
    with open_lab(tmp_path / "stored.ipynb") as lab:
        picture = lab.output(0).locator("img")
        expect(picture).to_be_hidden()
        lab.output(0).get_by_text("rate").click()
        expect(picture).to_be_visible()
        expect(picture).to_have_attribute("alt", f"Specification curve. {SENTENCE}")
        assert picture.evaluate("image => image.naturalWidth") > 600
        picture.screenshot(path=tmp_path / "curve.png")
        assert lab.errors == []
