"""Run a notebook and store its outputs as the guard tests want them: python tests/notebooks/storing.py NOTEBOOK.

References to widgets are left out, since their state isn't stored: readers get the picture beside them instead.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def run_notebook(path, *, timeout_s=600):
    """Return the notebook of a path with the outputs of a run from top to bottom, in its own folder."""
    notebook = nbformat.read(path, as_version=4)
    settings = {"timeout": timeout_s, "record_timing": False, "store_widget_state": False, "kernel_name": "python3"}
    NotebookClient(notebook, resources={"metadata": {"path": str(Path(path).parent)}}, **settings).execute()
    return notebook


def strip_widgets(notebook):
    """Take references to widgets and their state out of a notebook."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
    return notebook


if __name__ == "__main__":
    for name in sys.argv[1:]:
        nbformat.write(strip_widgets(run_notebook(name)), name)
