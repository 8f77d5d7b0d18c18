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


def test_columns_are_chosen(lab):
    output = lab.output(1)
    output.get_by_text("choose columns").click()
    output.get_by_role("group", name="columns").get_by_role("button", name="works offline").click()
    expect(output.get_by_role("columnheader")).to_have_text(["network", "GFLOP per picture", "published accuracy"])
    expect(output.locator("tbody td:visible")).to_have_text(["large", "31.00", "0.730"])


def test_a_budget_leaves_fewer_and_hides_the_scores(lab):
    output = lab.output(3)
    expect(output.get_by_role("status")).to_contain_text("4 of 4 candidates fit (no limits)")
    expect(output.locator(".tlkit-figure")).to_be_hidden()
    output.get_by_role("slider", name="compute, at most").focus()
    lab.page.keyboard.press("ArrowLeft")
    expect(output.get_by_role("status")).to_contain_text("3 of 4 candidates fit (at most 0.80 GFLOP per picture)")
    expect(output.locator("table td:first-child")).to_have_text(["tiny", "small", "wide", "large"])
    expect(output.get_by_role("radio", name="large")).to_be_disabled()
    expect(output.locator("tbody tr").nth(3)).to_contain_text("31.00 GFLOP per picture")


def test_a_row_is_chosen_by_keyboard_and_its_prediction_shows_the_scores(lab):
    output, n_cells = lab.output(3), lab.cells.count()
    keep = output.get_by_role("button", name="Keep my prediction")
    expect(keep).to_be_disabled()
    output.get_by_role("radio", name="tiny").focus()
    for key in ("ArrowDown", "b", "x", "End"):  # the last one that fits
        lab.page.keyboard.press(key)
    expect(output.get_by_role("radio", name="wide")).to_be_checked()
    expect(keep).to_be_enabled()
    lab.page.keyboard.press("Tab")
    lab.page.keyboard.press("Enter")
    expect(output.get_by_role("status")).to_contain_text("You predicted wide: number 2 of 3, 0.040 behind.")
    expect(output.locator(".tlkit-figure")).to_be_visible()
    expect(output.locator("table td:first-child")).to_have_text(["small", "wide", "tiny", "large"])
    expect(output.locator("table")).to_contain_text(re.compile("0.700"))
    assert lab.cells.count() == n_cells


def test_points_have_values_and_choose_rows(lab):
    output = lab.output(3)
    point = output.locator("[data-kind=candidate]").filter(visible=True).first
    point.hover()
    expect(output.locator(".tlkit-tip")).to_have_text(re.compile(r"(tiny|small|wide): 0\.\d{3}"))
    name = output.locator(".tlkit-tip").inner_text().split(":")[0]
    point.click()
    expect(output.get_by_role("radio", name=name)).to_be_checked()
    output.get_by_role("row").filter(has_text="small").click()
    expect(output.get_by_role("radio", name="small")).to_be_checked()


def test_weights_at_hand_only(lab):
    output = lab.output(3)
    output.get_by_role("radio", name="only those on this machine").click()
    expect(output.get_by_role("status")).to_contain_text("2 of 4 candidates fit")
    expect(output.get_by_role("status")).to_contain_text("wide, which doesn't fit this budget")


def test_the_browser_complained_of_nothing(lab):
    assert lab.errors == []
