"""Lesson 01 as a reader opens it: pictures before anything has run, then the first cells."""

from pathlib import Path

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

LESSON_01 = Path(__file__).resolve().parents[2] / "notebooks" / "01_why_transfer.ipynb"


@pytest.fixture(scope="module")
def lab(open_lab):
    with open_lab(LESSON_01) as lab:
        yield lab


def test_pictures_are_there_before_anything_has_run(lab):
    pictures = lab.page.locator(".jp-NotebookPanel:visible .jp-OutputArea-output img:not(details img)")
    expect(pictures.first).to_be_attached()
    # The contact sheet and the explorer; the curves are folded.
    expect(pictures).to_have_count(2)


def test_the_first_cells_run_up_to_the_prediction(lab):
    lab.run_cell(0)
    lab.run_cell(1)
    expect(lab.output(1).get_by_role("status")).to_contain_text("10 of 10 chips left")
    lab.predict(1, "it shrinks")


def test_the_browser_complained_of_nothing(lab):
    assert lab.errors == []
