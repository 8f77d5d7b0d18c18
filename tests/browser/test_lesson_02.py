"""Lesson 02 as a reader opens it: pictures before anything has run, then the table of all networks."""

from pathlib import Path

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

LESSON_02 = Path(__file__).resolve().parents[2] / "notebooks" / "02_choose_a_network.ipynb"


@pytest.fixture(scope="module")
def lab(open_lab):
    with open_lab(LESSON_02) as lab:
        yield lab


def test_pictures_and_the_table_are_there_before_anything_has_run(lab):
    pictures = lab.page.locator(".jp-NotebookPanel:visible .jp-OutputArea-output img:not(details img)")
    expect(pictures.first).to_be_attached()
    # The contact sheet and the chooser's still picture; answers and the curves of claims are folded.
    expect(pictures).to_have_count(2)
    expect(lab.output(1).get_by_role("columnheader", name="GFLOP per picture")).to_be_attached()


def test_all_networks_are_listed_and_filtered(lab):
    lab.run_cell(0)
    lab.run_cell(1)
    output = lab.output(1)
    expect(output.get_by_role("searchbox")).to_be_visible()
    output.get_by_role("searchbox").fill("vgg")
    expect(output.locator("tbody td:first-child").first).to_have_text("vgg11")
    expect(output.get_by_role("status")).to_contain_text("8 of ")


def test_the_names_stay_in_sight_when_the_table_is_scrolled(lab):
    frame = lab.output(1).locator(".tlkit-table")
    lab.page.set_viewport_size({"width": 700, "height": 900})
    assert frame.evaluate("frame => (frame.scrollLeft = 200, frame.scrollLeft)") == 200
    name = frame.locator("tbody td:first-child").first
    assert abs(name.bounding_box()["x"] - frame.bounding_box()["x"]) < 2


def test_the_browser_complained_of_nothing(lab):
    assert lab.errors == []
