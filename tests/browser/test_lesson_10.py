"""Lesson 10 as a reader opens it: pictures before anything has run, then the first cells."""

from pathlib import Path

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

LESSON_10 = Path(__file__).resolve().parents[2] / "notebooks" / "10_look_inside.ipynb"


@pytest.fixture(scope="module")
def lab(open_lab):
    with open_lab(LESSON_10) as lab:
        yield lab


def test_pictures_are_there_before_anything_has_run(lab):
    pictures = lab.page.locator(".jp-NotebookPanel:visible .jp-OutputArea-output img")
    expect(pictures.first).to_be_attached()
    # Contact sheet, heat maps, correlations, the explorer and its still picture, channels, CKA, both heads' maps.
    expect(pictures).to_have_count(8)


def test_the_first_cells_run_up_to_the_prediction(lab):
    lab.run_cell(0)
    lab.run_cell(1)
    output = lab.output(1)
    output.get_by_role("button", name="much the same map").click()
    output.get_by_role("button", name="Keep my prediction").click()
    expect(output.get_by_role("status")).to_contain_text("Your prediction: much the same map")
    assert lab.errors == []
