"""The table of networks and the chooser as a reader meets them: mouse and keyboard, in JupyterLab."""

import re

import pytest
from made_notebooks import write_notebook

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    """
import pandas as pd
import tlkit as tl

table = pd.DataFrame(
    {
        "name": ["tiny", "small", "wide", "large"],
        "n_flops": [0.1e9, 0.4e9, 0.8e9, 31e9],
        "accuracy": [0.62, 0.70, 0.66, 0.73],
        "offline": [True, True, False, False],
    }
)
""",
    "view = tl.widgets.BackboneTable(table)\nview",
    "view.shown['name'].tolist()",
    'chooser = tl.widgets.BackboneChooser(table, ["accuracy"])\nchooser',
]


@pytest.fixture(scope="module")
def lab(open_lab, tmp_path_factory):
    notebook = tmp_path_factory.mktemp("notebook") / "choosing.ipynb"
    write_notebook(notebook, [cell.strip() for cell in CELLS])
    with open_lab(notebook) as lab:
        for number in (0, 1, 3):
            lab.run_cell(number)
        yield lab


def names(lab):
    return lab.output(1).locator("tbody td:first-child")


def test_a_header_sorts_and_turns_the_order_round(lab):
    header = lab.output(1).get_by_role("columnheader", name="published accuracy")
    header.get_by_role("button").click()
    expect(names(lab)).to_have_text(["tiny", "wide", "small", "large"])
    expect(header).to_have_attribute("aria-sort", "ascending")
    header.get_by_role("button").click()
    expect(names(lab)).to_have_text(["large", "small", "wide", "tiny"])
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(lab.output(1).get_by_role("status")).to_have_text("4 of 4 rows, by published accuracy, descending")


def test_a_header_sorts_by_keyboard(lab):
    n_cells = lab.cells.count()
    lab.output(1).get_by_role("button", name="GFLOP per picture").focus()
    lab.page.keyboard.press("Enter")
    expect(names(lab)).to_have_text(["tiny", "small", "wide", "large"])
    lab.page.keyboard.press("Tab")
    lab.page.keyboard.press("Space")
    expect(names(lab)).to_have_text(["tiny", "wide", "small", "large"])
    assert lab.cells.count() == n_cells


def test_typing_filters_and_is_no_command_of_jupyterlab(lab):
    n_cells = lab.cells.count()
    field = lab.output(1).get_by_role("searchbox")
    field.focus()
    lab.page.keyboard.type("yes")
    expect(names(lab)).to_have_text(["tiny", "small"])
    for _ in "yes":
        lab.page.keyboard.press("Backspace")
    lab.page.keyboard.type("bax")  # in command mode b adds a cell, a another, x cuts one
    expect(names(lab)).to_have_count(0)
    expect(field).to_have_value("bax")
    assert lab.cells.count() == n_cells
    field.fill("large")
    expect(names(lab)).to_have_text(["large"])


def test_python_has_what_is_shown(lab):
    lab.run_cell(2)
    expect(lab.output(2)).to_have_text("['large']")


def test_a_budget_leaves_fewer_and_hides_the_scores(lab):
    output = lab.output(3)
    expect(output.get_by_role("status")).to_contain_text("4 of 4 candidates fit (no limits)")
    expect(output.locator("img")).to_have_count(0)
    handle = output.locator(".noUi-handle").first
    handle.focus()
    lab.page.keyboard.press("ArrowLeft")
    expect(output.get_by_role("status")).to_contain_text("3 of 4 candidates fit (at most 0.80 GFLOP per picture)")
    expect(output.locator("table td:first-child")).to_have_text(["tiny", "small", "wide"])


def test_a_kept_prediction_shows_the_scores(lab):
    output = lab.output(3)
    keep = output.get_by_role("button", name="Keep my prediction")
    expect(keep).to_be_disabled()
    output.get_by_role("button", name="wide").focus()
    lab.page.keyboard.press("Enter")
    expect(keep).to_be_enabled()
    keep.click()
    expect(output.get_by_role("status")).to_contain_text("You predicted wide: number 2 of 3, 0.040 behind.")
    expect(output.locator("img")).to_be_visible()
    expect(output.locator("table td:first-child")).to_have_text(["small", "wide", "tiny"])
    expect(output.locator("table")).to_contain_text(re.compile("0.700"))


def test_weights_at_hand_only(lab):
    output = lab.output(3)
    output.get_by_role("button", name="only those on this machine").click()
    expect(output.get_by_role("status")).to_contain_text("2 of 4 candidates fit")
    expect(output.get_by_role("status")).to_contain_text("wide, which doesn't fit this budget")


def test_the_browser_complained_of_nothing(lab):
    assert lab.errors == []
