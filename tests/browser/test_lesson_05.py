"""Lesson 05 as a reader opens it: pictures before anything has run, then the first cells, then the explorer."""

from pathlib import Path

import nbformat
import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

LESSON_05 = Path(__file__).resolve().parents[2] / "notebooks" / "05_fine_tune.ipynb"


@pytest.fixture(scope="module")
def lab(open_lab):
    with open_lab(LESSON_05) as lab:
        yield lab


@pytest.fixture(scope="module")
def place_of_explorer():
    """Return the number, from 0, of the code cell that makes the explorer."""
    cells = [cell for cell in nbformat.read(LESSON_05, as_version=4).cells if cell.cell_type == "code"]
    return next(place for place, cell in enumerate(cells) if "FreezeScoreExplorer" in cell.source)


def test_pictures_are_there_before_anything_has_run(lab):
    pictures = lab.page.locator(".jp-NotebookPanel:visible .jp-OutputArea-output img:not(details img)")
    expect(pictures.first).to_be_attached()
    # The contact sheet, the scores, the explorer, and its still picture; answers are folded.
    expect(pictures).to_have_count(4)


def test_the_first_cells_run_up_to_the_prediction(lab):
    lab.run_cell(0)
    lab.run_cell(1)
    lab.predict(1, "can't tell")


def test_the_explorer_takes_a_known_strategy_without_the_trainings_before_it(lab, place_of_explorer):
    lab.run_cell(2)
    lab.run_cell(3)
    lab.run_cell(place_of_explorer)
    output = lab.output(place_of_explorer)
    output.get_by_role("radio", name="linear probe").click()
    expect(output.get_by_text('tl.Phase(["head"], None)')).to_be_visible()
    expect(output.get_by_text('tl.Phase(["all"]')).to_have_count(0)
    assert lab.errors == []
