"""Tiny notebooks made for tests."""

import nbformat


def write_notebook(path, sources):
    """Write a notebook of code cells (a list of str) that haven't been run."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(notebook, path)
    return path
