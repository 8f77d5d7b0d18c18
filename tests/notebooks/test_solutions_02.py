"""The folded solutions of lesson 02 pass, and what stands there before them doesn't."""

from pathlib import Path

import nbformat
import pytest
from guards import find_solutions
from test_solutions_03 import find_check

import tlkit as tl

LESSON_02 = Path(__file__).resolve().parents[2] / "notebooks" / "02_choose_a_network.ipynb"


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(LESSON_02, as_version=4)


@pytest.fixture
def names():
    return {"tl": tl, "networks": tl.backbones.table()}


def test_the_solutions_pass(notebook, names):
    results = [find_check(source, names) for source in find_solutions(notebook)]
    assert [result.passed for result in results] == [True, True]


def test_what_the_exercises_begin_with_does_not(notebook, names):
    begun = [cell.source for cell in notebook.cells if "tl.lessons.check(" in cell.source and cell.cell_type == "code"]
    results = [find_check(source, names) for source in begun]
    assert [result.passed for result in results] == [False, False]
    assert all("no answer so far" in result.sentence for result in results)
