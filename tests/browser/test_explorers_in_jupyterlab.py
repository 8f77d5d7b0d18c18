"""Explorers of a choice by mouse and keyboard, in JupyterLab with and without kernel subshells."""

import dataclasses
import re

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect


@dataclasses.dataclass(frozen=True)
class Steps:
    """Use of an explorer: the first sentence, clicks (row, button, sentence, chosen buttons), and keys.

    Keys are (row and name of a button, or None for the slider; key; sentence; text beside the slider or None).
    """

    first: str
    clicks: list
    keys: list


STEPS = {
    "AdaptationExplorer": Steps(
        "here → there, coral: balanced accuracy",
        [
            (1, "yonder", "here → yonder, coral: balanced accuracy", [(0, "here")]),
            (2, "align mean", "here → yonder, align mean: balanced accuracy", []),
            (0, "yonder", "yonder → here, align mean: balanced accuracy", [(1, "here")]),
        ],
        [
            ((2, "align mean"), "Home", "yonder → here, source only: balanced accuracy", None),
            ((2, "source only"), "ArrowRight", "yonder → here, align mean: balanced accuracy", None),
        ],
    ),
    "AugmentationExplorer": Steps(
        "last 2 stages + invert, 5 training pictures",
        [(0, "crop + cutmix", "last 2 stages + crop + cutmix, 5 training pictures", [])],
        [
            (None, "ArrowRight", "last 2 stages + crop + cutmix", "1"),
            ((0, "crop + cutmix"), "Home", "last 2 stages + none", "1"),
        ],
    ),
    "CutExplorer": Steps(
        "logistic at cut early: accuracy 0.30",
        [(0, "late", "logistic at cut late: accuracy 0.50", []), (1, "knn", "knn at cut late: accuracy 0.40", [])],
        [
            # Past conv, which wasn't measured there.
            ((1, "knn"), "ArrowRight", "logistic at cut late: accuracy 0.50", "0"),
            (None, "ArrowRight", "logistic at cut late: accuracy 0.50", "1"),
        ],
    ),
    "HeatMapExplorer": Steps(
        "Grad-CAM, picture 0,",
        [
            (0, re.compile("^2: "), "Grad-CAM, picture 2,", []),
            (2, "integrated gradients", "integrated gradients, picture 2,", []),
        ],
        [
            (None, "ArrowRight", "random down to stage1", "stage1"),
            (None, "ArrowRight", "random down to stem", "stem"),
        ],
    ),
    "SourceExplorer": Steps(
        "far pooled with 1 shot",
        [
            (2, "5", "far pooled with 5 shots", []),
            (1, "0.25", "far at 0.25 times the weight of 5 shots", []),
            (0, "near", "near at 0.25 times the weight of 5 shots", []),
        ],
        [((1, "0.25"), "End", "near pooled with 5 shots", None)],
    ),
    "TrainedShareExplorer": Steps(
        "linear probe trains",
        [(0, "lora", "lora trains", []), (1, "memory (MiB)", "lora", []), (2, "outside", "lora", [])],
        [((0, "lora"), "ArrowDown", "lp ft trains", None)],
    ),
}
CELLS = ["from made_explorers import CASES", *(f'CASES["{name}"].make()' for name in STEPS)]
N_RUN = len(CELLS)


@pytest.fixture(params=list(STEPS))
def name(request):
    return request.param


@pytest.fixture
def output(lab, name):
    return lab.output(1 + list(STEPS).index(name))


def find_button(output, row, text):
    return output.locator(".tlkit-options").nth(row).get_by_role("radio", name=text, exact=True)


def test_everything_is_chosen_by_mouse(output, name):
    status, sheet = output.get_by_role("status"), output.locator(".tlkit-sheet")
    expect(status).to_contain_text(STEPS[name].first)
    for row, text, sentence, chosen in STEPS[name].clicks:
        before = sheet.inner_html()
        find_button(output, row, text).click()
        expect(status).to_contain_text(sentence)
        expect(output.locator(".tlkit-box")).to_have_attribute("aria-busy", "false")
        assert sheet.inner_html() != before
        for button in ((row, text), *chosen):
            expect(find_button(output, *button)).to_have_attribute("aria-checked", "true")


def test_the_keyboard_chooses_and_no_key_is_a_command_of_jupyterlab(lab, output, name):
    n_cells = lab.cells.count()
    for button, key, sentence, beside in STEPS[name].keys:
        (output.get_by_role("slider") if button is None else find_button(output, *button)).focus()
        lab.page.keyboard.press(key)
        expect(output.get_by_role("status")).to_contain_text(sentence)
        if beside is not None:
            expect(output.get_by_role("slider")).to_have_attribute("aria-valuetext", beside)
    for key in ("b", "x"):  # JupyterLab would insert a cell, and cut this one
        lab.page.keyboard.press(key)
    assert lab.cells.count() == n_cells
    assert lab.errors == []


def test_a_figure_is_described_and_its_marks_are_read_by_keyboard(lab, output):
    sheet = output.locator(".tlkit-sheet")
    expect(output.get_by_role("status")).not_to_be_empty()
    expect(sheet).to_have_attribute("aria-label", f"Figure. {output.get_by_role('status').text_content()}")
    sheet.focus()
    lab.page.keyboard.press("Home")
    expect(output.locator(".tlkit-tip")).to_be_visible()
    words = output.locator(".tlkit-tip").inner_text()
    expect(output.locator(".tlkit-unseen")).to_have_text(words)
    lab.page.keyboard.press("Escape")
    expect(output.locator(".tlkit-tip")).to_be_hidden()


def test_all_controls_and_the_drawing_are_in_view_at_once(output):
    box = output.locator(".tlkit-box").bounding_box()
    assert box["width"] <= 1210 and box["height"] <= 700
