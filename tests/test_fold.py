"""Answers are folded if the request of JupyterLab has the cell's metadata, and nowhere else."""

import nbformat
import pytest
from made_notebooks import write_notebook
from nbclient import NotebookClient

from tlkit.widgets import fold


@pytest.mark.parametrize(
    ("metadata", "folds"),
    [
        ({"jupyter": {"outputs_hidden": True}}, True),
        ({"tags": ["answer"]}, True),
        ({"jupyter": {"outputs_hidden": False}, "tags": ["nbval-ignore-output"]}, False),
        ({}, False),
    ],
)
def test_metadata_decide(monkeypatch, metadata, folds):
    shown = []
    monkeypatch.setattr(fold, "display", shown.append)
    fold._fold({"metadata": metadata} if metadata else {})
    assert [output.data.startswith("<details") for output in shown] == [True] * folds


@pytest.mark.parametrize(
    ("language", "task"),
    [("en", "The result: predict first, then click here."), ("zh", "结果：请先预测，再点击这里。")],
)
def test_the_fold_speaks_the_readers_language(monkeypatch, language, task):
    shown = []
    monkeypatch.setattr(fold, "display", shown.append)
    monkeypatch.setenv("TLKIT_LANGUAGE", language)
    fold._fold({"metadata": {"tags": ["answer"]}})
    rule = ".jp-OutputArea-child:has(details.tlkit-fold:not([open])) ~ .jp-OutputArea-child { display: none; }"
    folded = f'<details class="tlkit-fold"><summary>{task}</summary></details>\n<style>{rule}</style>'
    assert shown[0].data == folded


@pytest.mark.slow
def test_outputs_in_a_batch_are_not_folded(tmp_path):
    cells = [
        "from tlkit.widgets import Prediction\np = Prediction('made', 'Which?', ['a', 'b'])",
        "print('the answer')",
    ]
    notebook = nbformat.read(write_notebook(tmp_path / "made.ipynb", cells), as_version=4)
    notebook.cells[1].metadata["jupyter"] = {"outputs_hidden": True}
    run = NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert [output.text for output in run.cells[1].outputs] == ["the answer\n"]
