"""Explorers of a choice by mouse and keyboard, in JupyterLab with and without kernel subshells."""

import dataclasses
import re

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect


@dataclasses.dataclass(frozen=True)
class Steps:
    """Use of an explorer: the first sentence, clicks (row, button, sentence, pressed buttons), and keys.

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
        [((2, "source only"), "Enter", "yonder → here, source only: balanced accuracy", None)],
    ),
    "AugmentationExplorer": Steps(
        "last 2 stages + invert, 5 training pictures",
        [(0, "crop + cutmix", "last 2 stages + crop + cutmix, 5 training pictures", [])],
        [
            (None, "ArrowRight", "last 2 stages + crop + cutmix", "1"),
            ((0, "none"), "Enter", "last 2 stages + none", "1"),
        ],
    ),
    "CutExplorer": Steps(
        "logistic behind early: accuracy 0.30",
        [(0, "late", "logistic behind late: accuracy 0.50", []), (1, "conv", "conv behind late: not measured.", [])],
        [(None, "ArrowRight", "conv behind late: not measured.", "1")],
    ),
    "HeatMapExplorer": Steps(
        "Grad-CAM, picture 0,",
        [
            (0, re.compile("^2: "), "Grad-CAM, picture 2,", []),
            (1, "integrated gradients", "integrated gradients, picture 2,", []),
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
        [((1, "pooled"), "Enter", "near pooled with 5 shots", None)],
    ),
    "TrainedShareExplorer": Steps(
        "linear probe trains",
        [(0, "lora", "lora trains", []), (1, "memory (MiB)", "lora", []), (2, "outside", "lora", [])],
        [((0, "lp ft"), "Enter", "lp ft", None)],
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
    return output.locator(".widget-toggle-buttons").nth(row).get_by_role("button", name=text, exact=True)


def test_everything_is_chosen_by_mouse(output, name):
    status, picture = output.get_by_role("status"), output.locator("img")
    expect(status).to_contain_text(STEPS[name].first)
    for row, text, sentence, pressed in STEPS[name].clicks:
        before = picture.get_attribute("src")
        find_button(output, row, text).click()
        expect(status).to_contain_text(sentence)
        expect(picture).not_to_have_attribute("src", before)
        for button in ((row, text), *pressed):
            expect(find_button(output, *button)).to_have_class(re.compile("mod-active"))


def test_the_keyboard_chooses_and_no_key_is_a_command_of_jupyterlab(lab, output, name):
    n_cells, picture = lab.cells.count(), output.locator("img")
    for button, key, sentence, beside in STEPS[name].keys:
        before = picture.get_attribute("src")
        (output.locator(".noUi-handle") if button is None else find_button(output, *button)).focus()
        lab.page.keyboard.press(key)
        expect(picture).not_to_have_attribute("src", before)
        expect(output.get_by_role("status")).to_contain_text(sentence)
        if beside is not None:
            expect(output.locator(".widget-readout")).to_have_text(beside)
    assert lab.cells.count() == n_cells
    assert lab.errors == []
