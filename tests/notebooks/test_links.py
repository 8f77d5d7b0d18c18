"""Links between lessons, and to places that open them: made from one address, and up to date."""

import re

import nbformat
import pytest
from guards import is_links
from links import REPOSITORY, fill_readme, find_lessons, make_cells, put_cells, read_address

LESSONS = find_lessons()
ADDRESS = "https://github.com/someone/kit"
ONLINE = re.compile("mybinder|colab")


def read(stem):
    return nbformat.read(REPOSITORY / "notebooks" / f"{stem}.ipynb", as_version=4)


def links_of(text):
    return re.findall(r"\]\(([^)]*)\)", text)


@pytest.mark.parametrize("stem", LESSONS)
def test_a_lesson_has_the_present_links(stem):
    notebook = read(stem)
    stored = nbformat.writes(notebook)
    put_cells(notebook, make_cells(stem, LESSONS, read_address()))
    assert nbformat.writes(notebook) == stored, "run python tests/notebooks/links.py"
    others = "\n".join(cell.source for cell in notebook.cells if not is_links(cell))
    assert not ONLINE.search(others)
    assert {link for link in links_of(others) if link.endswith(".ipynb")} <= {f"{stem}.ipynb" for stem in LESSONS}


def test_the_readme_has_the_present_links():
    text = (REPOSITORY / "README.md").read_text()
    assert fill_readme(text, read_address()) == text, "run python tests/notebooks/links.py"
    assert bool(ONLINE.search(text)) == bool(read_address())
    assert set(re.findall(r"notebooks/(\w+)\.ipynb", text)) == set(LESSONS)


def test_first_last_and_middle_lesson_name_their_neighbours():
    lessons = ["00_start", "01_why", "02_how_so", "03_end"]
    cells = {stem: make_cells(stem, lessons, None) for stem in lessons}
    assert cells["00_start"] == {
        "top": "[01 Why →](01_why.ipynb)",
        "end": "**next: [01 Why →](01_why.ipynb)**",
    }
    assert cells["01_why"]["top"] == "[← 00 Start](00_start.ipynb) · [02 How so →](02_how_so.ipynb)"
    assert links_of(cells["02_how_so"]["end"]) == ["01_why.ipynb", "00_start.ipynb", "03_end.ipynb"]
    assert cells["03_end"]["end"].endswith("this was the last lesson")


def test_an_address_is_shown_everywhere_and_without_one_none_is():
    text = "a\n<!-- links -->\nbefore\n<!-- end of links -->\nb"
    for made in (make_cells("01_why", ["00_start", "01_why"], ADDRESS)["top"], fill_readme(text, ADDRESS)):
        assert "https://mybinder.org/v2/gh/someone/kit/HEAD?" in made
        assert "https://colab.research.google.com/github/someone/kit/blob/HEAD/notebooks/" in made
        assert f"git+{ADDRESS}" in made
    assert "http" not in make_cells("01_why", ["00_start", "01_why"], None)["top"] + fill_readme(text, None)
    assert "before" not in fill_readme(text, None)
