"""Stored lessons without critical or serious findings of axe-core in their outputs."""

from pathlib import Path

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra 'browser'")

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.mark.parametrize("lesson", ["01_why_transfer", "02_choose_a_network"])
def test_outputs_of_a_stored_lesson_have_no_critical_or_serious_fault(open_lab, lesson):
    with open_lab(NOTEBOOKS / f"{lesson}.ipynb") as lab:
        outputs = lab.page.locator(".jp-NotebookPanel:visible .jp-OutputArea-output")
        expect(outputs.locator("img").first).to_be_attached()
        # JupyterLab itself scrolls wide tables, and shows a stored PNG without the description in its metadata.
        where = ".jp-NotebookPanel .jp-OutputArea-output:not(.jp-RenderedImage)"
        found = axe.Axe().run(lab.page, where, {"rules": {"scrollable-region-focusable": {"enabled": False}}}).response
        assert found["passes"]  # it has looked at them
        faults = [fault for fault in found["violations"] if fault["impact"] in ("critical", "serious")]
        assert [(fault["id"], fault["nodes"][0]["html"][:300], len(fault["nodes"])) for fault in faults] == []
