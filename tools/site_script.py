"""Build the web site into build/site: English, and beside it each language of the translations in a folder of its own.

The pages of a language are the translated lessons with their stored outputs, the glossary, and the teacher's guide.
"""

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tlkit.languages import (  # noqa: E402
    ENGLISH,
    list_languages,
    read_translations,
    translate,
    translate_cells,
    translate_page,
)

SITE, SOURCES = ROOT / "build/site", ROOT / "build/sources"
START = "docs/course"
PAGES = (f"{START}.md", "docs/glossary.md", "docs/teaching/*.md", "notebooks/[0-9]*.ipynb")
ASKING = ("Prediction(", "Quiz(", "You predicted")  # how outputs begin whose texts are those of the interface
REDIRECT = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<title>tlkit</title>
<meta http-equiv="refresh" content="0; url={start}.html">
</head>
<body><p><a href="{start}.html">tlkit</a></p></body>
</html>
"""


def list_pages():
    """Return {name of a page of all languages: its English source}."""
    return {
        path.relative_to(ROOT).with_suffix("").as_posix(): path for page in PAGES for path in sorted(ROOT.glob(page))
    }


def write_sources(language):
    """Write the sources of the pages of a language; return their folder."""
    folder = SOURCES / language
    for name, source in list_pages().items():
        words = read_translations(language, name)
        if source.suffix == ".ipynb":
            notebook = json.loads(source.read_text("utf-8"))
            translate_cells(notebook, words)
            translate_outputs(notebook, language)
            text = json.dumps(notebook, ensure_ascii=False)
        else:
            text = translate_page(source.read_text("utf-8"), words)
        if name == START:
            text = write_start(text, language)
        target = folder / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(link(text, name, language), "utf-8")
    return folder


def write_start(text, language):
    """Return the start page: lessons by their names in the language, and the other pages, which have no page above."""
    names = {}
    for page in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        links = " ".join(read_translations(language, f"notebooks/{page.stem}").values())
        names |= {
            file: title for title, file in re.findall(r"\[(?:← )?(\d\d [^]]*?)(?: →)?\]\((\d\d_\w+)\.ipynb\)", links)
        }
    text = re.sub(
        r"^\d.* (<\.\./notebooks/(\w+)>)$",
        lambda line: f"{names[line[2]]} {line[1]}" if line[2] in names else line[0],
        text,
        flags=re.MULTILINE,
    )
    return text + "\n```{toctree}\n:maxdepth: 1\n:hidden:\n\nteaching/index\nglossary\n```\n"


def link(text, name, language):
    """Return a page whose links lead to terms by their translated headings, and to English where no other page is."""
    headings = read_translations(language, "docs/glossary").items()
    terms = {slug(english): slug(heading) for english, heading in headings if english.startswith("## ")}

    def rewrite(found):
        path, anchor = found[1], found[2] or ""
        page = (ROOT / name).parent.joinpath(path).resolve().relative_to(ROOT).with_suffix("").as_posix()
        if page in list_pages():
            return f"]({path}{terms.get(anchor, anchor) if page == 'docs/glossary' else anchor})"
        return f"](english:{'../' * (name.count('/') + 1)}{page}.html{anchor})"

    return re.sub(r"\]\(([\w./-]+\.(?:md|ipynb))(#[^)]*)?\)", rewrite, text)


def slug(heading):
    """Return MyST's anchor of a heading."""
    return "#" + re.sub(r"[^\w\- ]", "", heading.removeprefix("## ").lower()).replace(" ", "-")


def translate_outputs(notebook, language):
    """Translate stored predictions and quizzes; tables, figures and printed texts stay as they are."""
    for output in [output for cell in notebook["cells"] for output in cell.get("outputs", [])]:
        data = output.get("data", {})
        if "".join(data.get("text/plain", "")).startswith(ASKING) and "text/html" in data:
            data["text/html"] = re.sub(
                r"(?<=>)[^<>]+",
                lambda text: html.escape(translate(html.unescape(text[0]), language), quote=False),
                "".join(data["text/html"]),
            )


def main(*options):
    """Build all languages at the same time; return the first status that is not 0."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-c", "docs", *options]
    builds = [subprocess.Popen([*command, ".", str(SITE)], cwd=ROOT)]
    for language in [each for each in list_languages() if each != ENGLISH]:
        sources = str(write_sources(language))
        builds.append(subprocess.Popen([*command, "-t", language, sources, str(SITE / language)], cwd=ROOT))
    failed = [status for build in builds if (status := build.wait())]
    shutil.rmtree(SITE / "jupyter_execute", ignore_errors=True)  # MyST-NB leaves it beside the folder of a build
    for language in [each for each in list_languages() if each != ENGLISH]:
        SITE.joinpath(language, "index.html").write_text(REDIRECT.format(language=language, start=START), "utf-8")
    return failed[0] if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
