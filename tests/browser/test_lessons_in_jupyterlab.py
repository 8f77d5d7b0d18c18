"""The lessons as a reader opens them: pictures before anything has run, then the first cells."""

from pathlib import Path

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
# How many pictures each shows, and a prediction. Lessons 01, 02 and 05 show more, and have files of their own.
LESSONS = {
    # The contact sheet and the explorer; the changes of accuracy are folded.
    "03_freeze.ipynb": (2, "its weight"),
    # The contact sheet, the explorer and its still picture; gains are folded.
    "04_extract_features.ipynb": (3, "no difference that matters"),
    # Contact sheet, the explorer and its still picture; answers are folded.
    "06_fine_tune_little.ipynb": (3, "0.9"),
    # Contact sheet, the toy, the explorer and its still picture; the gap and the pairs are folded.
    "07_another_domain.ipynb": (4, "dogs, frequent in the target"),
    # Contact sheet, the explorer and its still picture; gains are folded.
    "08_negative_transfer.ipynb": (3, "it stays"),
    # The gallery, the explorer and its still picture; the ablation and the cost of choosing are folded.
    "09_little_data.ipynb": (3, "helps"),
    # Contact sheet, heat maps, the explorer and its still picture; shares of heat, CKA and calibration are folded.
    "10_look_inside.ipynb": (4, "random head"),
}


@pytest.fixture(scope="module", params=list(LESSONS))
def lesson(request):
    return request.param


@pytest.fixture(scope="module")
def lab(open_lab, lesson):
    with open_lab(NOTEBOOKS / lesson) as lab:
        yield lab


def test_pictures_are_there_before_anything_has_run(lab, lesson):
    # The specification curves of claims are folded in details.
    pictures = lab.page.locator(".jp-NotebookPanel:visible .jp-OutputArea-output img:not(details img)")
    expect(pictures.first).to_be_attached()
    expect(pictures).to_have_count(LESSONS[lesson][0])


def test_the_first_cells_run_up_to_the_prediction(lab, lesson):
    lab.run_cell(0)
    lab.run_cell(1)
    lab.predict(1, LESSONS[lesson][1])
    assert lab.errors == []
