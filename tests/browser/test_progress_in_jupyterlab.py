"""Progress in JupyterLab: a line below the running cell, with the time left, that is gone when the cell ends."""

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    "import time\nimport tlkit as tl\nfrom tlkit.notices import show_progress",
    """
print("before")
for place in show_progress(None, "made", "letter", iterable=range(8)):
    time.sleep(0.4)
print("after")
""",
]
N_RUN = 1


def test_a_line_shows_progress_and_is_gone_when_the_cell_ends(lab, tmp_path):
    lab.cells.nth(1).locator(".jp-InputPrompt").click()
    lab.page.keyboard.press("Control+Enter")
    line = lab.cells.nth(1).locator(".widget-html")
    expect(line).to_contain_text("made: 0 of 8 letters", timeout=5_000)
    expect(line).to_contain_text("letters, about 1 s left")
    assert line.get_by_role("progressbar", name="made").get_attribute("max") == "8"
    lab.page.screenshot(path=tmp_path / "line.png")
    lab.wait_for_run(1)
    expect(line).to_have_count(0)
    expect(lab.output(1).filter(visible=True)).to_have_text(["before\n", "after\n"])
    lab.page.screenshot(path=tmp_path / "gone.png")


def test_a_saved_notebook_that_is_opened_again_shows_no_error(lab):
    lab.reload()
    expect(lab.output(1).filter(has_text="after")).to_be_visible()
    expect(lab.page.locator(".jp-NotebookPanel:visible")).not_to_contain_text("Error displaying widget")
    assert lab.errors == []
