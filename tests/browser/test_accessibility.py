"""Every widget without critical or serious findings of axe-core, in the light and the dark theme of JupyterLab."""

import pytest
from made_notebooks import write_notebook

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra 'browser'")

CELLS = [
    """
import tempfile
from pathlib import Path

import pandas as pd
import tlkit as tl
from made_explorers import CASES
from made_networks import make_tiny_backbone
from made_pictures import write_classes

folder = write_classes(Path(tempfile.mkdtemp()) / "pets", {"cat": 12, "dog": 12})
images = tl.load_images(folder)
train, test = images.split(test_fold=0)
row = {"n_flops": 1e9, "accuracy": 0.7, "offline": True}
table = pd.DataFrame([{"name": "tiny"} | row, {"name": "large"} | row | {"n_flops": 3e10, "offline": False}])
""",
    *(f'CASES["{name}"].make()' for name in ("AdaptationExplorer", "AugmentationExplorer", "ComparisonExplorer")),
    *(f'CASES["{name}"].make()' for name in ("CutExplorer", "FreezingExplorer", "HeatMapExplorer", "SourceExplorer")),
    'CASES["TrainedShareExplorer"].make()',
    'CASES["ClaimExplorer"].make()',
    'tl.widgets.Prediction("grows", "Does the gain grow?", ["grows", "shrinks"])',
    "tl.widgets.BackboneTable(table)",
    'quiz = tl.widgets.Quiz("03")\nquiz.choose(1, "A")\nquiz',
    'tl.widgets.BackboneChooser(table, ["accuracy"])',
    "tl.widgets.FreezeScoreExplorer(make_tiny_backbone(), train, test)",
    'tl.widgets.PictureLabeler(folder, ["cat", "dog"])',
    'run = tl.transfer(make_tiny_backbone(), train, "linear_probe")\ntl.widgets.PictureCleaner(run, images).wait()',
]


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_no_widget_has_a_critical_or_serious_fault(open_lab, tmp_path, theme):
    notebook = tmp_path / "widgets.ipynb"
    write_notebook(notebook, [cell.strip() for cell in CELLS])
    with open_lab(notebook, {"@jupyterlab/apputils-extension/themes": {"theme": theme}}) as lab:
        lab.run_all()
        expect(lab.page.locator(f"body[data-jp-theme-name='{theme}']")).to_be_attached()
        faults = []
        for number in range(1, len(CELLS)):
            box = lab.output(number).locator(".tlkit-box")
            box.scroll_into_view_if_needed()
            box.evaluate("box => box.classList.add('seen')")
            found = axe.Axe().run(lab.page, context=".tlkit-box.seen").response
            assert found["passes"]  # it has looked at this widget
            box.evaluate("box => box.classList.remove('seen')")
            for fault in found["violations"]:
                if fault["impact"] in ("critical", "serious"):
                    node = fault["nodes"][0]
                    faults.append((CELLS[number], fault["id"], node["html"][:150], node["failureSummary"]))
        assert faults == []
        assert lab.errors == []
