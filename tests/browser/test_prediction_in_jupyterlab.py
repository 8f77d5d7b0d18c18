"""Predictions as a reader meets them: sealed results, a busy kernel, a page loaded again, a new kernel, none at all."""

import pytest
from made_notebooks import write_notebook

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    "import time\n\nimport tlkit as tl",
    'prediction = tl.widgets.Prediction("gain", "Does the gain grow or shrink?", ["grows", "shrinks"])\nprediction',
    "time.sleep(8)",
    'prediction.compare("grows")',
    "prediction.kept, prediction.late",
]


@pytest.fixture(params=["perCommTarget", "disabled"])
def lab(open_lab, tmp_path, request):
    """Open a fresh notebook for each test, and run the cells up to the prediction."""
    notebook = write_notebook(tmp_path / "03_gain.ipynb", CELLS)
    settings = {"@jupyterlab/apputils-extension/kernels-settings": {"commsOverSubshells": request.param}}
    with open_lab(notebook, settings) as lab:
        lab.run_cell(0)
        lab.run_cell(1)
        yield lab


def find_chips(lab, option, number=1):
    return lab.output(number).get_by_role("spinbutton", name=option)


def spread(lab, number=1):
    """Put 3 chips on grows and 7 on shrinks, by keyboard."""
    find_chips(lab, "grows", number).press("3")
    find_chips(lab, "shrinks", number).press("End")


def find_keep(lab, number=1):
    return lab.output(number).get_by_role("button", name="Keep my prediction")


def find_status(lab, number=1):
    return lab.output(number).get_by_role("status")


def check_file(lab, expected):
    """Fail unless a new kernel finds the prediction in progress.json."""
    lab.run_cell(4)
    expect(lab.output(4)).to_have_text(expected)


def test_chips_are_spread_by_mouse_and_keyboard(lab):
    output, n_cells = lab.output(1), lab.cells.count()
    grows, shrinks = find_chips(lab, "grows"), find_chips(lab, "shrinks")
    expect(find_status(lab)).to_contain_text("10 of 10 chips left")
    output.get_by_role("button", name="one chip more on grows").click()
    grows.locator("i").nth(3).click()
    expect(grows).to_have_attribute("aria-valuenow", "4")
    output.get_by_role("button", name="one chip less on grows").click()
    find_keep(lab).click(force=True)
    expect(find_status(lab)).to_contain_text("7 of 10 chips left")
    shrinks.focus()
    for key in ("ArrowRight", "ArrowUp", "b", "x", "ArrowLeft", "End", "ArrowRight"):
        lab.page.keyboard.press(key)
    expect(shrinks).to_have_attribute("aria-valuenow", "7")
    expect(find_status(lab)).to_contain_text("All chips are placed")
    output.get_by_label("Because").fill("b, x and d d stay here")
    find_keep(lab).press("Enter")
    expect(find_status(lab)).to_contain_text("Your prediction is kept")
    expect(find_status(lab)).to_be_focused()
    lab.page.keyboard.press("x")
    with lab.page.expect_response(lambda answer: answer.request.method == "PUT" and ".ipynb" in answer.url):
        lab.page.keyboard.press("Control+s")
    lab.page.keyboard.press("x")
    assert lab.cells.count() == n_cells
    output.get_by_role("button", name="Change my prediction").click()
    grows.press("ArrowLeft")
    shrinks.press("8")
    find_keep(lab).click()
    check_file(lab, "({'grows': 2, 'shrinks': 8}, False)")
    assert lab.errors == []


def test_a_busy_kernel_keeps_nobody_waiting_and_the_result_unseals(lab):
    lab.start_all()
    expect(lab.cells.nth(2).locator(".jp-InputPrompt")).to_have_text("[*]:")
    spread(lab)
    find_keep(lab).click()
    expect(find_status(lab)).to_contain_text("Your prediction is kept", timeout=1000)
    expect(lab.cells.nth(2).locator(".jp-InputPrompt")).to_have_text("[*]:")
    lab.wait_for_run(4)
    for number in (1, 3):
        expect(lab.output(number)).to_contain_text("Measured: grows. 3 of your 10 chips are on it.")
    check_file(lab, "({'grows': 3, 'shrinks': 7}, False)")
    assert lab.errors == []


def test_a_result_is_sealed_until_a_prediction_is_kept(lab):
    lab.run_cell(3)
    expect(find_status(lab, 3)).to_contain_text("It stays sealed until you keep your prediction.")
    expect(lab.output(3)).not_to_contain_text("Measured")
    spread(lab, 3)
    find_keep(lab, 3).click()
    for number in (1, 3):
        expect(lab.output(number)).to_contain_text("Measured: grows. 3 of your 10 chips are on it.")
    check_file(lab, "({'grows': 3, 'shrinks': 7}, False)")


def test_a_result_that_is_opened_makes_the_prediction_late(lab):
    lab.run_cell(3)
    lab.output(3).get_by_role("button", name="Show the result without predicting").click()
    expect(lab.output(3)).to_contain_text("Measured: grows.")
    spread(lab)
    find_keep(lab).click()
    expect(find_status(lab)).to_contain_text("made after the result was shown")
    check_file(lab, "({'grows': 3, 'shrinks': 7}, True)")


def test_a_page_loaded_again_has_what_was_placed_and_kept(lab):
    spread(lab)
    lab.output(1).get_by_label("Because").fill("a guess")
    lab.output(1).get_by_label("Because").blur()
    lab.reload()
    expect(find_chips(lab, "shrinks")).to_have_attribute("aria-valuenow", "7")
    expect(lab.output(1).get_by_label("Because")).to_have_value("a guess")
    find_keep(lab).click()
    lab.reload()
    expect(find_status(lab)).to_contain_text("Your prediction is kept")
    check_file(lab, "({'grows': 3, 'shrinks': 7}, False)")
    assert lab.errors == []


def test_a_prediction_kept_before_the_kernel_died_reaches_the_next_one(lab):
    lab.start_all()
    expect(lab.cells.nth(2).locator(".jp-InputPrompt")).to_have_text("[*]:")
    spread(lab)
    find_keep(lab).click()
    lab.restart_kernel()
    lab.run_cell(0)
    lab.run_cell(1)
    expect(find_status(lab)).to_contain_text("Your prediction is kept")
    lab.run_cell(3)
    expect(lab.output(3)).to_contain_text("3 of your 10 chips are on it.")
    check_file(lab, "({'grows': 3, 'shrinks': 7}, False)")
    # And from the file alone, if the browser has forgotten it.
    lab.page.evaluate("localStorage.clear()")
    lab.restart_kernel()
    lab.run_cell(0)
    lab.run_cell(1)
    expect(find_status(lab)).to_contain_text("Your prediction is kept")
    check_file(lab, "({'grows': 3, 'shrinks': 7}, False)")


def test_a_lesson_opened_again_with_a_new_kernel_shows_it(lab):
    spread(lab)
    find_keep(lab).click()
    lab.run_cell(3)
    expect(lab.output(3)).to_contain_text("Measured: grows.")
    lab.reopen()
    expect(find_status(lab)).to_contain_text("Your prediction is kept")
    expect(lab.output(3)).to_contain_text("Measured: grows. 3 of your 10 chips are on it.")
    expect(lab.page.get_by_text("Error displaying widget")).to_have_count(0)
    assert lab.own_errors == []
