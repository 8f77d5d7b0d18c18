"""Run a notebook and store its outputs as the guard tests want them: python tests/notebooks/storing.py NOTEBOOK.

References to widgets are left out, since their state isn't stored: readers get the picture beside them instead.
"""

import sys
from pathlib import Path

import nbformat
from guards import WIDGET_VIEW
from nbclient import NotebookClient

CELL_TIMEOUT_S = 600


def run_notebook(notebook, folder):
    """Run a notebook from top to bottom in a folder and return it with its outputs."""
    settings = {"timeout": CELL_TIMEOUT_S, "record_timing": False, "store_widget_state": False}
    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, kernel_name="python3", resources=resources, **settings).execute()


def strip_widgets(notebook):
    """Take references to widgets and their state out of a notebook."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
    return notebook


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        nbformat.write(strip_widgets(run_notebook(nbformat.read(path, as_version=4), path.parent)), path)
