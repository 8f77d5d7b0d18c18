"""The web site: `python3 start.py site` builds it into build/site. The sources are the repository's own files."""

import importlib
import inspect
import json
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

import babel
import sphinx
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import site_script  # noqa: E402

from tlkit.languages import ENGLISH, list_languages  # noqa: E402

project = "tlkit"
author = "The tlkit developers"
copyright = "the tlkit developers, Apache-2.0"
release = metadata.version("tlkit")

# The source folder is the repository, so that links between lessons, pages and tables are the same as on a disk.
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
root_doc = "docs/index"
templates_path = [str(ROOT / "docs/templates")]  # autosummary looks in the source folder, HTML beside this file

# tools/site_script.py builds the other languages, whose translated sources it writes, and gives each a tag.
here = next((each for each in list_languages() if tags.has(each)), ENGLISH)  # noqa: F821
myst_url_schemes = {"http": None, "https": None, "mailto": None, "english": "{{path}}#{{fragment}}"}


def find_locale(code):
    """Return Sphinx's name of a language: zh is zh_CN there."""
    folders = sorted(path.name for path in Path(sphinx.__file__).with_name("locale").glob(f"{code}*"))
    return code if code in (ENGLISH, *folders) or not folders else folders[0]


if here != ENGLISH:
    language, root_doc = find_locale(here), site_script.START
    html_search_language = ENGLISH  # which finds parts of words, and needs no dictionary of a language without spaces
include_patterns = ["docs/**.md", "docs/reference/**.rst", "notebooks/*.ipynb", "benchmarks/*.md", "*.md"]
html_extra_path = ["site"] if here == ENGLISH else []

# Lessons show their stored outputs: a build computes nothing.
nb_execution_mode = "off"
nb_merge_streams = True
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "dollarmath"]

autosummary_generate = True
autosummary_imported_members = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "tlkit"
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["languages", "theme-switcher"],
    "header_links_before_dropdown": 6,
    "show_prev_next": True,
    "use_edit_page_button": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["site.css"]
html_favicon = "static/icon.svg"

FACES = {
    "": "The core: pictures and texts, backbones, features, heads, strategies, comparisons",
    "strategies": "Strategies and their phases",
    "backbones": "Tables and recipes of networks",
    "features": "Features",
    "heads": "Heads",
    "training": "Training",
    "evaluation": "Scores, intervals, calibration",
    "adaptation": "Adaptation to other domains",
    "selection": "Which network fits",
    "studies": "Stored studies",
    "export": "Exported runs",
    "inspection": "What a network has learned, and what is wrong with the data",
    "plots": "Drawings",
    "widgets": "Widgets",
    "lessons": "Lessons",
    "claims": "Claims",
}


def write_reference(app, config):
    """Write one page for each public face of the package, whose names get a page each, in English."""
    if here != ENGLISH:
        return
    folder = ROOT / "docs/reference"
    shutil.rmtree(folder, ignore_errors=True)  # pages of names that are gone
    folder.mkdir()
    pages = ["Reference", "=========", "", "Every public name, with an example that runs.", "", ".. toctree::", ""]
    listed = []
    for face, title in FACES.items():
        path = f"tlkit.{face}".rstrip(".")
        package = importlib.import_module(path)
        names = [name for name in package.__all__ if not inspect.ismodule(getattr(package, name))]
        names = [name for name in names if getattr(package, name) not in listed]  # the core has its own page
        if not names:
            continue
        listed += [getattr(package, name) for name in names if not face]
        lines = [title, "=" * len(title), "", f".. currentmodule:: {path}", "", ".. autosummary::"]
        lines += ["   :toctree: names/", "   :nosignatures:", "", *(f"   {name}" for name in names), ""]
        _write(folder / f"{path}.rst", "\n".join(lines))
        pages.append(f"   {path}")
    _write(folder / "index.rst", "\n".join([*pages, ""]))


def _write(path, text):
    """Write a text unless it is there already, so that the next build reads only what changed."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def adjust_source(app, docname, source):
    """Leave out a lesson's own navigation and links to folders of the package, and fold answers."""
    if docname.startswith("notebooks/"):
        notebook = json.loads(source[0])
        cells = notebook["cells"]
        notebook["cells"] = [cell for cell in cells if not "".join(cell["source"]).startswith("[← ")]
        for cell in cells:
            if "answer" in cell["metadata"].get("tags", []):
                cell["metadata"]["tags"].append("hide-output")
        source[0] = json.dumps(notebook)
    source[0] = re.sub(r"\[([^]]+)\]\(tlkit/[^)]*\)", r"\1", source[0])


def add_languages(app, pagename, templatename, context, doctree):
    """Give a page its links to the same page in the other languages, or to their first page."""
    root = context["content_root"] + ("" if here == ENGLISH else "../")
    context["languages"] = []
    for code in [each for each in list_languages() if each != here]:
        is_there = code == ENGLISH or pagename in site_script.list_pages()
        folder = "" if code == ENGLISH else f"{code}/"
        page = f"{root}{folder}{pagename if is_there else site_script.START}.html"
        name = babel.Locale(code).display_name
        context["languages"].append({"code": find_locale(code).replace("_", "-"), "name": name, "link": page})


def skip_foreign(app, what, name, member, skip, options):
    """Leave out what a class inherits from classes of other packages."""
    function = getattr(member, "fget", None) or getattr(member, "func", None) or member
    return skip or not str(getattr(function, "__module__", None) or "tlkit").startswith("tlkit")


def hide_empty_sidebar(app, pagename, templatename, context, doctree):
    """Show no bar of a section on its first page if the section has no other page."""
    children = app.env.toctree_includes
    if pagename in children[root_doc] and pagename not in children:
        context["sidebars"] = []


def write_formula(writer, node):
    """Write a formula as MathML, which browsers draw by themselves: no page asks another server for a script."""
    is_inline = isinstance(node, nodes.math)
    writer.body.append(tex2mathml(node.astext(), as_block=not is_inline))
    raise nodes.SkipNode


def setup(app):
    """Connect the steps above."""
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
    app.connect("config-inited", write_reference)
    app.connect("source-read", adjust_source)
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("html-page-context", add_languages)
    app.connect("html-page-context", hide_empty_sidebar)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
