"""The freeze score explorer as a reader meets it: painted by mouse and keyboard, run, cancelled, run again."""

import re

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    """
import tempfile
import time
from pathlib import Path

import tlkit as tl
from made_networks import make_tiny_backbone
from made_pictures import write_classes
from tlkit.training import loop

real_step = loop.take_step


def take_step(*arguments):
    time.sleep(0.1)  # as long as a step of a real network may take
    real_step(*arguments)


loop.take_step = take_step
images = tl.load_images(write_classes(Path(tempfile.mkdtemp()) / "pets", {"cat": 12, "dog": 12}))
train, test = images.split(test_fold=0)
""",
    """
start = tl.Strategy([tl.Phase(["all"], 4, 1e-4)])
known = ["linear_probe", "lp_ft"]
explorer = tl.widgets.FreezeScoreExplorer(make_tiny_backbone(), train, test, strategy=start, compare_with=known)
explorer
""",
    "explorer.rates",
    "print(explorer.python)",
    "explorer.run().wait().completed, list(explorer.table['score'])",
]
N_RUN = 2


def find_cell(lab, row, epoch):
    return lab.output(1).locator(f"td[data-row='{row}'][data-column='{epoch - 1}']")


def read_grid(lab):
    rows = lab.output(1).get_by_role("grid").locator("tbody tr")
    return [row.locator("td[data-row]").all_inner_texts() for row in rows.all()]


def find_middle(cell):
    box = cell.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_cells_are_painted_by_dragging(lab):
    output, mouse = lab.output(1), lab.page.mouse
    assert read_grid(lab) == [["1e-4"] * 4] * 3
    summary = output.locator(".tlkit-summary")
    before = summary.inner_text()
    output.get_by_role("radio", name="0: frozen").click()
    find_cell(lab, 0, 4).scroll_into_view_if_needed()
    mouse.move(*find_middle(find_cell(lab, 0, 1)))
    mouse.down()
    mouse.move(*find_middle(find_cell(lab, 0, 3)))  # at one go, as a fast hand does
    mouse.up()
    mouse.move(*find_middle(find_cell(lab, 1, 4)))  # the button is up: nothing is painted
    assert read_grid(lab) == [["frozen"] * 3 + ["1e-4"], ["1e-4"] * 4, ["1e-4"] * 4]
    expect(output.locator(".tlkit-here")).to_have_text("stem, epoch 3: frozen")
    expect(summary).not_to_have_text(before)
    expect(summary).to_contain_text("The frozen stages up to stem are computed once for the epochs that freeze them.")
    lab.run_cell(2)
    expect(lab.output(2)).to_have_text(re.compile(r"\[\[0\.0, 0\.0, 0\.0, 0\.0001\],\s+\[0\.0001, "))


def test_cells_are_painted_by_keyboard_and_no_key_is_a_command_of_jupyterlab(lab):
    output, keyboard, n_cells = lab.output(1), lab.page.keyboard, lab.cells.count()
    find_cell(lab, 0, 3).focus()
    for key in ("Home", "ArrowRight", "ArrowDown", "ArrowDown"):
        keyboard.press(key)
    expect(find_cell(lab, 2, 2)).to_be_focused()
    expect(output.locator(".tlkit-here")).to_have_text("head, epoch 2: learning rate 1e-4")
    keyboard.press("4")
    expect(output.locator(".tlkit-here")).to_have_text("head, epoch 2: learning rate 3e-3")
    expect(output.get_by_role("radio", name="4: 3e-3")).to_be_checked()
    keyboard.press("Shift+ArrowRight")
    keyboard.press("Shift+ArrowUp")
    keyboard.press("ArrowRight")
    keyboard.press("Space")
    for key in (
        "b",
        "d",
        "d",
        "ArrowRight",
        "End",
        "Escape",
    ):  # "b" adds a cell in command mode, "d" "d" takes one away
        keyboard.press(key)
    assert read_grid(lab)[1:] == [["1e-4", "1e-4", "3e-3", "3e-3"], ["1e-4", "3e-3", "3e-3", "1e-4"]]
    assert find_cell(lab, 1, 4).evaluate("cell => getComputedStyle(cell).outlineStyle") == "solid"  # focus is seen
    assert lab.cells.count() == n_cells


def test_epochs_and_the_solved_head_are_chosen(lab):
    output, keyboard = lab.output(1), lab.page.keyboard
    output.get_by_role("slider", name="epochs").focus()
    keyboard.press("ArrowRight")
    assert [row[-2:] for row in read_grid(lab)] == [["1e-4"] * 2, ["3e-3"] * 2, ["1e-4"] * 2]
    keyboard.press("ArrowLeft")
    assert len(read_grid(lab)[0]) == 4
    box = output.get_by_role("group", name="before the first epoch").get_by_role("button", name="solve the head")
    box.focus()
    keyboard.press("Space")
    python = output.get_by_label("Python that makes this score")
    expect(python).to_contain_text('tl.Phase(["head"], None)')
    expect(output.get_by_role("columnheader", name="solve")).to_be_visible()
    lab.run_cell(3)
    assert lab.output(3).inner_text().split() == python.inner_text().split()
    box.click()
    expect(python).not_to_contain_text("None")


def test_the_python_is_copied(lab):
    output = lab.output(1)
    output.get_by_role("button", name="Copy the Python").click()
    expect(output.locator(".tlkit-copied")).to_have_text(re.compile("copied|selected"))


def test_a_run_is_cancelled_and_another_one_ends(lab):
    output = lab.output(1)
    status, curve = output.get_by_role("status"), output.locator("[data-kind=epoch]")
    run, cancel = (output.get_by_role("button", name=name) for name in ("Run the painted score", "Cancel"))
    expect(curve).to_have_count(0)
    expect(cancel).to_be_disabled()
    run.click()
    expect(status).to_contain_text(re.compile(r"painted: epoch \d of 4, step \d of \d"))
    expect(run).to_be_disabled()
    expect(curve.first).to_be_attached()  # the curves go on while it trains
    cancel.click()
    expect(status).to_contain_text(re.compile(r"cancelled \d+\.\d s after the click, with \d of 4 epochs done"))
    expect(cancel).to_be_disabled()
    run.click()
    expect(status).to_contain_text(re.compile(r"painted: \d+ of \d+ test pictures right \(\d\.\d\d\)\. Trained in"))
    expect(run).to_be_enabled()


def test_the_painted_score_is_set_beside_known_ones(lab):
    output = lab.output(1)
    output.get_by_role("button", name="Compare with the catalogue").click()
    expect(output.get_by_role("status")).to_contain_text("Compared: linear probe, lp ft.")
    rows = output.get_by_role("region", name="results of the scores").locator("tbody tr")
    expect(rows).to_have_count(3)
    assert [row.split("\t")[0] for row in rows.all_inner_texts()] == ["painted", "linear probe", "lp ft"]
    output.locator("[data-kind=score]").first.hover()
    expect(output.locator(".tlkit-tip")).to_have_text(re.compile(r"painted: \d\.\d\d \(95 % interval"))


def test_a_known_strategy_is_loaded_and_run_from_a_cell(lab):
    start = lab.output(1).get_by_role("radiogroup", name="start with")
    start.get_by_role("radio", name="linear probe").click()
    expect(lab.output(1).get_by_role("grid").locator("td.tlkit-solved")).to_have_count(3)
    expect(start.get_by_role("radio", name="linear probe")).to_be_checked()
    assert read_grid(lab) == [["frozen"]] * 3
    lab.run_cell(4)
    expect(lab.output(4)).to_have_text("(True, ['painted', 'linear_probe', 'lp_ft', 'painted 2'])")


def test_a_rate_never_breaks_over_two_lines(lab):
    expect(find_cell(lab, 0, 1)).to_have_css("white-space", "nowrap")


def test_the_browser_complained_of_nothing(lab):
    assert lab.errors == []
