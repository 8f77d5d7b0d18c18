"""Run a notebook and store its outputs as the guard tests want them: python tests/notebooks/storing.py NOTEBOOK.

References to widgets are left out, since their state isn't stored: readers get the picture beside them instead. Of a
cell that takes long, its metadata keep the seconds, and whether it showed progress.
"""

import sys
import time
from pathlib import Path

import nbformat
from guards import MOST_SILENT_S, WIDGET_VIEW, list_silent
from nbclient import NotebookClient

CELL_TIMEOUT_S = 600
NOTES = ("duration_s", "shows_progress")


def run_notebook(notebook, folder):
    """Run a notebook from top to bottom in a folder and return it with its outputs."""
    settings = {"timeout": CELL_TIMEOUT_S, "record_timing": False, "store_widget_state": False}
    resources = {"metadata": {"path": str(folder)}}
    started = {}

    def begin(cell, cell_index):
        started[cell_index] = time.monotonic()

    def end(cell, cell_index, **reply):
        note_duration(cell, time.monotonic() - started[cell_index])

    hooks = {"on_cell_execute": begin, "on_cell_executed": end}
    return NotebookClient(notebook, kernel_name="python3", resources=resources, **settings, **hooks).execute()


def note_duration(cell, duration_s):
    """Note in a cell's metadata how long it took, and whether it showed progress, if it took long."""
    kept = {name: value for name, value in cell.metadata.pop("tlkit", {}).items() if name not in NOTES}
    if duration_s > MOST_SILENT_S:
        # A line of progress is a display of nothing but a widget, and of nothing at all when the cell has ended.
        shown = any(set(output.data) <= {WIDGET_VIEW} for output in cell.outputs if "data" in output)
        kept |= {"duration_s": round(duration_s, 1), "shows_progress": shown}
    if kept:
        cell.metadata["tlkit"] = kept


def strip_widgets(notebook):
    """Take references to widgets and their state out of a notebook, and outputs that are nothing else."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.get("data", True)]
    return notebook


def tag_answers(notebook):
    """Tag cells whose outputs are folded: JupyterLab forgets that when it runs them, and predictions go by the tag."""
    for cell in notebook.cells:
        if cell.metadata.get("jupyter", {}).get("outputs_hidden"):
            cell.metadata["tags"] = sorted({*cell.metadata.get("tags", []), "answer"})
    return notebook


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        notebook = run_notebook(nbformat.read(path, as_version=4), path.parent)
        nbformat.write(tag_answers(strip_widgets(notebook)), path)
        print(*list_silent(notebook), sep="\n")
