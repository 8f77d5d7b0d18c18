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
_VALUE = r"((?:(?!\. ).)*?(?:\. )?)"
# Texts that parts make without a template: sentences, a name and its text, lists, a number and its unit or name.
_JOINS = {r"(.*?\.) (.*)": "{0} {1}", r"(.*)\.": "{0}.", r"(.*?): (.*)": "{0}: {1}", r"(.*?); (.*)": "{0}; {1}"}
_JOINS |= {r"(.*?), (.*)": "{0}, {1}", r"([-+]?[\d.,]+) (.*)": "{0} {1}", r"(.*) ([-+]?[\d.,]+)": "{0} {1}"}
_MARK = re.compile(r"(?<=[\u3000-\uffef])[.:;,] ?|[:;,] (?=[\u3000-\uffef])")
_SPACE = re.compile(r"(?<=[\u3000-\u303f\uff00-\uffef]) |(?<=[\u3000-\uffef]) (?=[\u3000-\uffef])")


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
    named, found = os.environ.get("TLKIT_LANGUAGE"), re.search(r"\.(\w+)( \(\d+\))?\.ipynb$", find_notebook())
    wanted = named or (found[1] if found else ENGLISH)
    if wanted == ENGLISH or wanted in list_languages():
        return wanted
    if named:
        warn(f"TLKIT_LANGUAGE: {named!r}, expected one of {', '.join(list_languages())}; texts are in English")
    return ENGLISH


@functools.cache
def read_translations(language, name):
    """Return {English: translation} of a file of a language, such as "notebooks/01_why_transfer", empty without one."""
    path = FOLDER / language / f"{name}.po"
    entries = _ENTRY.findall(path.read_text("utf-8")) if path.exists() else []
    found = [texts for comments, *texts in entries if ", fuzzy" not in comments]
    pairs = [["".join(map(json.loads, lines.splitlines())) for lines in texts] for texts in found]
    return {key: text for key, text in pairs if key and text}


@functools.cache
def read_words(language):
    """Return {English: translation} of what widgets, checks, figures, claims and quizzes show."""
    read = functools.partial(read_translations, language)
    return read("claims") | read("interface") | read("quizzes")


def translate(text, language=None):
    """Return a text of the interface in a language, by default the reader's; in English if it has no translation."""
    language = language or find_language()
    return text if language == ENGLISH else _look_up(text, language)


def show(value, _widget=None):
    """Return the value of a trait as the browser gets it, with its texts in the reader's language."""
    if isinstance(value, str):
        return translate(value)
    if isinstance(value, dict):
        return {key: show(each) for key, each in value.items()}
    return type(value)(show(each) for each in value) if isinstance(value, (list, tuple)) else value


@functools.lru_cache(4096)
def _look_up(text, language):
    """Return a text, or one that fits a template such as "{0} of {1} right", whose parts are looked up as well."""
    words = read_words(language)
    if text in words:
        return words[text]
    first, _, rest = text.partition(". ")
    for pattern, template in _read_templates(language):
        for part, tail in [(text, ""), (f"{first}.", rest)][: 1 + bool(rest)]:
            if found := pattern.fullmatch(part):
                values = [_look_up(value, language) for value in found.groups()]
                if pattern.pattern in _JOINS and values == [*found.groups()]:
                    continue
                start = _PLACE.sub(lambda place: values[int(place[1])], template)  # noqa: B023
                shown = f"{start} {_look_up(tail, language)}".strip()
                return _SPACE.sub("", _MARK.sub(lambda mark: "。：；，"[".:;,".index(mark[0][0])], shown))
    return text


@functools.cache
def _read_templates(language):
    """Return (pattern, translation) of the templates: those with a beginning first, then by letters of their own."""
    found = []
    for key, translation in read_words(language).items():
        text, before, end, own = key.strip(), "", "", _PLACE.sub("", key)
        begins = bool(re.fullmatch(r"\w[^{]*: \{0\}", key))
        if key[0] in " ,;:":  # the end of a sentence, which follows other texts
            before, end, text = "(.*?) ?", r"(\.?)", text.rstrip(".")
            moved = _PLACE.sub(lambda place: f"{{{int(place[1]) + 1}}}", translation.rstrip(".。"))
            translation = f"{{0}}{moved}{{{len(_PLACE.findall(text)) + 1}}}"
        elif re.match(r"\{0\} [A-Z][a-z]", key):  # one that follows other sentences
            before, text = "(.*?) ?", text[4:]
        elif own == key:
            continue
        text, translation = (re.sub(r"(?<=[.。]) ?(\{\d\})+$", "", each) for each in (text, translation))
        value = r"([-+\d.,]+)" if re.fullmatch(r"\{0\} [\w ]+", text) else _VALUE
        pattern = before + value.join(map(re.escape, _PLACE.split(text)[::2])) + end
        # A value ends before the next sentence, but for one at the end, as in "Not yet: {0}".
        pattern = pattern.removesuffix(_VALUE) + "(.*)" if begins else pattern + r"(?<!\.)" * pattern.endswith(_VALUE)
        if len(re.findall("[A-Za-z]", own)) < 8 and not begins:  # it would fit many sentences, so at most ten words
            pattern = rf"(?=\s*(?:\S+\s+){{0,9}}\S*\s*$){pattern}"
        found.append((not re.match(r"\w[^{]*: \{0\}", key), -len(own), f"{pattern} ?", translation))
    names = "|".join(re.escape(word) for word in read_words(language) if len(word) < 24)
    found.append((True, -8, rf"({names}): (.*)", "{0}: {1}"))  # a name is looked up before templates of few letters
    pairs = [(pattern, translation) for _, _, pattern, translation in sorted(found)]
    return [(re.compile(pattern, re.DOTALL), translation) for pattern, translation in [*pairs, *_JOINS.items()]]


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
