"""Keep the links of lessons and README in step: python tests/notebooks/links.py.

A lesson begins and ends with a cell of links to its neighbours. If `Repository` of [project.urls] in pyproject.toml
is an address on GitHub, links to Binder and Colab are shown as well; otherwise none is.
"""

import re
import tomllib
from pathlib import Path

import nbformat
from guards import is_links

REPOSITORY = Path(__file__).resolve().parents[2]
GITHUB = "https://github.com/"
MAP = "00_start"
_BLOCK = re.compile(r"(?<=<!-- links -->\n).*?(?=<!-- end of links -->)", re.DOTALL)


def read_address():
    """Return the address of the project on GitHub, without a slash at its end, or None."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    address = project.get("urls", {}).get("Repository", "").rstrip("/").removesuffix(".git")
    return address if address.startswith(GITHUB) else None


def find_lessons():
    """Return the names of all lessons without their ending, in order."""
    return sorted(path.stem for path in (REPOSITORY / "notebooks").glob("*.ipynb"))


def link(stem, before="", behind=""):
    """Return a link to a lesson as Markdown, as in "[03 Freeze →](03_freeze.ipynb)"."""
    number, _, words = stem.partition("_")
    return f"[{before}{number} {words.replace('_', ' ').capitalize()}{behind}]({stem}.ipynb)"


def link_online(stem, address):
    """Return links that open a lesson in Binder and in Colab (a list of str); none without an address."""
    if not address:
        return []
    path = address.removeprefix(GITHUB)
    return [
        f"[open in Binder](https://mybinder.org/v2/gh/{path}/HEAD?urlpath=lab/tree/notebooks/{stem}.ipynb)",
        f"[open in Colab](https://colab.research.google.com/github/{path}/blob/HEAD/notebooks/{stem}.ipynb), "
        f"where `%pip install git+{address}` comes first",
    ]


def make_cells(stem, lessons, address):
    """Return the texts of a lesson's first and last cell, {"top": …, "end": …}."""
    place = lessons.index(stem)
    before = [link(lessons[place - 1], before="← ")] if place else []
    back = [] if MAP in (stem, lessons[place - 1]) else [f"[map of the course]({MAP}.ipynb)"]
    after = [link(lessons[place + 1], behind=" →")] if place + 1 < len(lessons) else []
    top = [*before, *back, *after, *link_online(stem, address)]
    end = [*before, *back, f"**next: {after[0]}**" if after else "this was the last lesson"]
    return {"top": " · ".join(top), "end": " · ".join(end)}


def put_cells(notebook, cells):
    """Put the cells of links into a notebook, in the place of those that it has."""
    notebook.cells = [cell for cell in notebook.cells if not is_links(cell)]
    made = {
        place: nbformat.v4.new_markdown_cell(text, id=f"links-{place}", metadata={"tlkit": {"links": place}})
        for place, text in cells.items()
    }
    notebook.cells = [made["top"], *notebook.cells, made["end"]]


def fill_readme(text, address):
    """Return the README with its links; without an address, it says how to get there."""
    online = " · ".join(link_online(MAP, address)).replace("[open in", "[open the first lesson in")
    clone = f"`git clone {address}`" if address else "a clone or an unpacked archive of this project"
    block = f"{online}\n\n" if online else ""
    return _BLOCK.sub(lambda _: f"{block}Get {clone}, and type in its folder:\n", text)


def update_all():
    """Write the links of all lessons and of the README."""
    address, lessons = read_address(), find_lessons()
    for stem in lessons:
        path = REPOSITORY / "notebooks" / f"{stem}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        put_cells(notebook, make_cells(stem, lessons, address))
        nbformat.write(notebook, path)
    readme = REPOSITORY / "README.md"
    readme.write_text(fill_readme(readme.read_text(), address))


if __name__ == "__main__":
    update_all()
