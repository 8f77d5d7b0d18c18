"""A link of a lesson to the glossary opens it in JupyterLab, at the term."""

from pathlib import Path

import nbformat
import pytest
from made_notebooks import write_notebook

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_a_link_opens_the_glossary_at_the_term(open_lab, tmp_path):
    # The lab has copies of notebooks only, in a folder each: so the glossary is put beside that folder.
    copying = f"import shutil\nshutil.copytree({str(DOCS)!r}, '../docs')\n'copied'"
    path = write_notebook(tmp_path / "made.ipynb", [copying])
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("[the link](../docs/glossary.md#covariate-shift)"))
    nbformat.write(notebook, path)
    with open_lab(path) as lab:
        lab.run_cell(0)
        lab.page.get_by_role("link", name="the link").click()
        glossary = lab.page.locator(".jp-MarkdownViewer")
        expect(glossary.get_by_role("heading", name="covariate shift")).to_be_in_viewport()
        expect(glossary.get_by_role("heading", name="Glossary", exact=True)).not_to_be_in_viewport()
        assert lab.errors == []
