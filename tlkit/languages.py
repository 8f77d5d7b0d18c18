"""Texts in the reader's language, out of gettext files: `translations` has a folder for each language."""

import functools
import json
import os
import re
import sys
from pathlib import Path

from tlkit.notices import warn

ENGLISH = "en"
FOLDER = Path(__file__).with_name("translations")
_ENTRY = re.compile(r'((?:^#.*\n)*)^msgid ((?:".*"\n)+)msgstr ((?:".*"\n?)+)', re.MULTILINE)
_PLACE = re.compile(r"\{(\d+)\}")


def list_languages():
    """Return the languages that there are, English first."""
    return [ENGLISH, *sorted(path.name for path in FOLDER.iterdir() if path.is_dir() and path.name[0].isalpha())]


def find_notebook():
    """Return the path of the open notebook, "" if there is none."""
    # Jupyter's server and VS Code name the notebook to its kernel. Scripts, tests and batch runs leave no trace.
    return os.environ.get("JPY_SESSION_NAME") or getattr(sys.modules["__main__"], "__vsc_ipynb_file__", "")


def name_copy(name, language):
    """Return the name of a file of the course in a language, such as "05_fine_tune.zh.ipynb"."""
    return name if language == ENGLISH else f"{Path(name).stem}.{language}{Path(name).suffix}"


def find_language():
    """Return the language that the environment variable TLKIT_LANGUAGE or else the name of the open notebook gives."""
    if named := os.environ.get("TLKIT_LANGUAGE"):
        if named in (known := list_languages()):
            return named
        warn(f"TLKIT_LANGUAGE: {named!r}, expected one of {', '.join(known)}; texts are in English")
        return ENGLISH
    found = re.search(r"\.(\w+)( \(\d+\))?\.ipynb$", find_notebook())
    return found[1] if found and found[1] in list_languages() else ENGLISH


@functools.cache
def read_translations(language, name):
    """Return {English: translation} of a file of a language, such as "notebooks/01_why_transfer", empty without one."""
    path = FOLDER / language / f"{name}.po"
    entries = _ENTRY.findall(path.read_text("utf-8")) if path.exists() else []
    pairs = {_join(key): _join(text) for comments, key, text in entries if ", fuzzy" not in comments}
    return {key: text for key, text in pairs.items() if key and text}


def _join(lines):
    """Return the text of the quoted lines of an entry."""
    return "".join(map(json.loads, lines.splitlines()))


@functools.cache
def read_words(language):
    """Return {English: translation} of what widgets, checks, figures and quizzes show."""
    return read_translations(language, "interface") | read_translations(language, "quizzes")


def translate(text, language=None):
    """Return a text of the interface in a language, by default the reader's; in English if it has no translation."""
    return _look_up(text, language or find_language())


def show(value, _widget=None):
    """Return the value of a trait as the browser gets it, with its texts in the reader's language."""
    if isinstance(value, str):
        return translate(value)
    if isinstance(value, dict):
        return {key: show(each) for key, each in value.items()}
    return [show(each) for each in value] if isinstance(value, (list, tuple)) else value


@functools.lru_cache(4096)
def _look_up(text, language):
    """Return a text, or one that fits a template such as "{0} of {1} right", whose parts are looked up as well."""
    words = read_words(language)
    if text in words:
        return words[text]
    for pattern, template in _read_templates(language):
        if found := pattern.fullmatch(text):
            return _PLACE.sub(lambda place: _look_up(found[int(place[1]) + 1], language), template)
    first, _, rest = text.partition(". ")
    return f"{_look_up(first + '.', language)} {_look_up(rest, language)}".replace("。 ", "。") if rest else text


@functools.cache
def _read_templates(language):
    """Return (pattern, translation) of the templates, those with the most letters of their own first."""
    words = read_words(language)
    templates = sorted(filter(_PLACE.search, words), key=lambda key: -len(_PLACE.sub("", key)))
    patterns = []
    for key in templates:
        # A value ends before the next sentence, but for one at the end, as in "Not yet: {0}".
        pattern = "((?:(?!\\. ).)*?)".join(map(re.escape, _PLACE.split(key)[::2]))
        pattern = pattern.removesuffix("((?:(?!\\. ).)*?)") + "(.*)" if re.search(r": \{\d\}$", key) else pattern
        patterns.append((re.compile(pattern, re.DOTALL), words[key]))
    return patterns


def translate_page(text, words):
    """Return a page whose blocks between blank lines are translated; blocks without a translation stay English."""
    text = f"\n\n{text.strip()}\n\n"
    for block, translation in words.items():
        text = re.sub(rf"(?<=\n\n){re.escape(block)}(?=\n\n)", lambda _: translation, text)  # noqa: B023
    return text.strip() + "\n"


def translate_cells(notebook, words):
    """Translate the texts of a notebook (dict) in place; its code stays as it is."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            source = "".join(cell["source"])
            cell["source"] = words.get(source, source).splitlines(keepends=True)
