"""Lesson 12 as a reader opens it: pictures before anything has run, then the first cells."""

from pathlib import Path

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

LESSON_12 = Path(__file__).resolve().parents[2] / "notebooks" / "12_study.ipynb"


@pytest.fixture(scope="module")
def lab(open_lab):
    with open_lab(LESSON_12) as lab:
        yield lab


def test_pictures_are_there_before_anything_has_run(lab):
    pictures = lab.page.locator(".jp-NotebookPanel:visible .jp-OutputArea-output img:not(details img)")
    expect(pictures.first).to_be_attached()
    # The contact sheet and the explorer's still picture; answers and the curves of claims are folded.
    expect(pictures).to_have_count(2)


def test_the_first_cells_run_up_to_the_candidates(lab):
    for cell in range(3):
        lab.run_cell(cell)
    assert lab.errors == []
