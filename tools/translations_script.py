"""Files of translations: make and refresh them from the English sources, and report missing and stale ones.

python tools/translations_script.py report             of all languages; always ends well, since it only informs
python tools/translations_script.py refresh LANGUAGE [NAME …]
                                                       a new language, or an old one after the English has changed

A text is a cell of a notebook, a block of a page between blank lines (fenced code is left out), one of a quiz, or one
of the ledger of claims, or one of the interface: what widgets, checks and figures show. An f-string is a template,
whose values are {0}, {1} …
After a refresh the translation of a changed text is marked as fuzzy, and readers see English until it is renewed.
"""

import ast
import collections
import difflib
import itertools
import json
import re
import sys
import tomllib
from pathlib import Path

import polib

from tlkit.claims import ledger

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tlkit/translations"
INTERFACE = (
    "widgets/*.py",
    "plots/*.py",
    "summaries/*.py",
    "claims/claim.py",
    "lessons/lesson_*.py",
    "lessons/exercise.py",
)
INTERFACE += ("lessons/pooled_results.py", "lessons/prediction_scores.py", "lessons/enrolment.py")
INTERFACE += ("lessons/sabotage.py", "lessons/audits.py")
SHOWN = {"label", "title", "xlabel", "ylabel", "unit", "suptitle"}  # keywords whose texts a figure shows
SHOWING = {"describe", "set_title", "set_xlabel", "set_ylabel", "suptitle", "annotate", "Prediction"}
UNSHOWN = {"warn", "warnings", "ValueError", "TypeError", "check_known", "check_number", "check_count"}
UNSHOWN |= {"namedtuple", "fromkeys", "TraitError"}
# Keys of a keyboard, fonts, and other names that aren't shown.
NAMES = r"^(Pipeline|Home|End|Enter|Control|Meta|Escape|Files|Cf|Last Resort|resnet offline|strategy cost score)$"
NAMES += r"| (SC|Hei|YaHei)$|^(image[/-]|(lower|offset|import|Returns|matrix)\b)|= tl\.|var\("
UNREAD = {"loc", "ha", "va", "textcoords", "xycoords", "cmap", "annotation", "returns"}
_UNITS = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "百万": 1e6, "万": 1e4, "十亿": 1e9, "亿": 1e8}
_FUZZY = 0.7  # share of equal letters from which a new text is an old one that has changed


def list_sources(root=ROOT):
    """Return {name of a file of translations: its source}; the interface has many and is None."""
    pages = [root / "docs/course.md", root / "docs/glossary.md", *sorted((root / "docs/teaching").glob("*.md"))]
    sources = [*sorted((root / "notebooks").glob("[0-9]*.ipynb")), *pages]
    shared = {"quizzes": root / "tlkit/lessons/data/quizzes.toml", "claims": root / "claims", "interface": None}
    return {source.relative_to(root).with_suffix("").as_posix(): source for source in sources} | shared


def list_messages(source, root=ROOT):
    """Return {text: where it comes from} of a source."""
    if source is None:
        return list_interface(root)
    if source.name == "claims":
        return list_claims(source)
    if source.suffix == ".ipynb":
        cells = json.loads(source.read_text("utf-8"))["cells"]
        return {"".join(cell["source"]): cell["id"] for cell in cells if cell["cell_type"] == "markdown"}
    if source.suffix == ".toml":
        return list_quizzes(tomllib.loads(source.read_text("utf-8")))
    return dict.fromkeys(split_blocks(source.read_text("utf-8")), "")


def split_blocks(text):
    """Return the blocks of a page that have words; fenced code isn't one."""
    blocks, lines, fence = [], [], None
    for line in [*text.splitlines(), ""]:
        found = re.match(r"\s*(`{3,}|:{3,})", line)
        if found and fence is None:
            fence = found[1]
        elif found and found[1].startswith(fence):
            fence = None
        if line.strip() or fence:
            lines.append(line)
        else:
            blocks.append("\n".join(lines))
            lines = []
    return [block for block in blocks if re.search("[A-Za-z]", block) and not re.match(r"\s*`{3}", block)]


def list_interface(root=ROOT):
    """Return {text: where it comes from} of what widgets, checks and figures show."""
    found = {}
    paths = [path for pattern in INTERFACE for path in sorted((root / "tlkit").glob(pattern))]
    for path in [*paths, *sorted((root / "cases").glob("*.py"))]:
        found |= dict.fromkeys(list_texts(path.read_text("utf-8")), path.relative_to(root).as_posix())
    for path in sorted((root / "tlkit/widgets").glob("*.js")):
        texts = [json.loads(text) for text in re.findall(r'"(?:[^"\\\n]|\\.)*"', path.read_text("utf-8"))]
        found |= dict.fromkeys(filter(is_sentence, texts), path.relative_to(root).as_posix())
    for path in sorted((root / "notebooks").glob("[0-9]*.ipynb")):
        cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
        for cell in cells:
            found |= dict.fromkeys(list_lesson_texts("".join(cell["source"])), path.relative_to(root).as_posix())
    return found


def list_quizzes(quizzes):
    """Return {text: name of its quiz}."""
    found = {}
    for name, questions in quizzes.items():
        for entry in questions:
            texts = [entry["question"], entry["right"], entry["because"], *itertools.chain(*entry["wrong"])]
            found |= {text: found.get(text, name) for text in texts}
    return found


def list_claims(folder):
    """Return {text: its lesson} of the sentences of the ledger, their effects, and choices; levels if one has words."""
    found = {}
    for claim in itertools.chain(*(one.claims.values() for one in ledger._load(folder))):
        choices = {
            name.replace("_", " "): [level for level in levels if isinstance(level, str)]
            for name, levels in claim.choices.items()
        }
        worded = [level for levels in choices.values() if any(map(is_sentence, levels)) for level in levels]
        for text in (claim.sentence, claim.effect, *choices, *worded):
            found.setdefault(text, f"lesson {claim.lesson}")
    return found


def is_sentence(text):
    """Return whether a text is one that readers see, not a name."""
    return bool(re.search(r"[A-Za-z]{2}.* | .*[A-Za-z]{2}|^[A-Z][a-z]+$", text)) and not re.search(
        NAMES + r"|^(tlkit-|change:|M )|\w=|;$|;\S|[<>\\\\]", text
    )


def list_texts(code):
    """Return the sentences of a module, without its docstrings and messages of errors."""
    found = []

    def visit(node, inside=False):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        name = name_call(node.exc if isinstance(node, ast.Raise) else node)
        code = ast.unparse(node) if isinstance(node, (ast.Raise, ast.FunctionDef)) else ""
        is_reason = re.match(r"raise \w+\(f?['\"](it|its) ", code)  # why a file of a class doesn't count
        if is_reason:
            return [visit(part) for part in node.exc.args]
        if name in UNSHOWN or (isinstance(node, ast.Raise) and name != "NotYet"):
            return
        if code.startswith("def __repr__") and "translate" not in code:  # names a class, as code does
            return
        if isinstance(node, ast.JoinedStr):
            text, values = write_template(node)
            found.extend([text] if is_sentence(text) else [])
            for value in values:
                visit(value, inside=True)
            return
        if isinstance(node, ast.Subscript):
            return visit(node.value, inside)
        if isinstance(node, ast.keyword):
            if node.arg in UNREAD:
                return
            inside = node.arg in SHOWN
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_word = inside and re.search("[A-Za-z]{2}", node.value) and not re.search("[_/]", node.value)
            found.extend([node.value] if is_word or is_sentence(node.value) else [])
        for child in [
            child for field in ast.iter_fields(node) if field[0] not in UNREAD for child in list_nodes(field[1])
        ]:
            visit(child, inside)

    visit(ast.parse(code))
    return found


def list_nodes(value):
    """Return the nodes in a field of a node."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, ast.AST)]


def list_lesson_texts(code):
    """Return what figures and predictions of a cell show; all texts of a cell that asks for a prediction count."""
    tree = ast.parse(re.sub(r"^[%!].*$", "", code, flags=re.MULTILINE))
    if "Prediction(" in code:
        joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
        parts = {part for node in joined for part in node.values}
        texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in parts]
        texts += [write_template(node)[0] for node in joined]
        return [text for text in texts if isinstance(text, str) and re.fullmatch("[A-Za-z'’]+|.* .*|of .*", text)]
    shown = [
        part
        for node in ast.walk(tree)
        for part in (
            [node] if name_call(node) in SHOWING or (isinstance(node, ast.keyword) and node.arg in SHOWN) else []
        )
    ]
    return [text for part in shown for text in list_texts(f"f({ast.unparse(part)})")]


def name_call(node):
    """Return the name of the function that a node calls, or None."""
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "attr", getattr(function, "id", None))


def write_template(node):
    """Return the template of an f-string and its values."""
    values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
    numbers = iter(range(len(values)))
    parts = [part.value if isinstance(part, ast.Constant) else f"{{{next(numbers)}}}" for part in node.values]
    return "".join(parts), values


def load(path):
    """Return a file of translations, an empty one if it isn't there."""
    return polib.pofile(str(path), wrapwidth=0) if path.exists() else polib.POFile(wrapwidth=0)


def refresh(language, *names, folder=FOLDER, root=ROOT):
    """Write the files of a language: old translations stay, those of texts that have changed are marked as fuzzy."""
    sources = list_sources(root)
    for name in names or sources:
        source = sources[name]
        path = folder / language / f"{name}.po"
        old = {entry.msgid: entry for entry in load(path) if entry.msgstr}
        messages = list_messages(source, root)
        gone = [text for text in old if text not in messages]
        file = polib.POFile(wrapwidth=0)
        kind = {"Content-Type": "text/plain; charset=UTF-8", "Content-Transfer-Encoding": "8bit"}
        file.metadata = {"Language": language, "MIME-Version": "1.0"} | kind
        for text, place in messages.items():
            near = [text] if text in old else difflib.get_close_matches(text, gone, 1, _FUZZY)
            entry = polib.POEntry(msgid=text, msgstr=old[near[0]].msgstr if near else "", comment=place)
            if near and (near[0] != text or old[text].fuzzy):
                entry.flags = ["fuzzy"]
                entry.previous_msgid = near[0] if near[0] != text else old[text].previous_msgid
            file.append(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        file.save(str(path))


def list_marks(text):
    """Return what has to be the same in a translation: inline code, links, numbers and places of a template."""
    code, rest = re.findall(r"`+[^`]+`+", text), re.sub(r"`+[^`]+`+", " ", text)
    links, rest = re.findall(r"\]\(([^)]*)\)", rest), re.sub(r"\]\(([^)]*)\)", " ", rest)
    numbers = [write_number(*found) for found in re.findall(rf"(\d+(?:[.,]\d+)*)(?: ?({'|'.join(_UNITS)}))?", rest)]
    return {"code": code, "links": links, "numbers": numbers}


def write_number(number, unit):
    """Return a number as digits alone: "1.3", "million" and "130", "万" are both "1300000"."""
    whole = number.replace(",", "")
    return f"{round(float(whole) * _UNITS[unit], 6):.0f}" if unit else whole


def list_differences(entry):
    """Return the marks that a translation lacks or has beside those of its text, as sentences."""
    before, after = list_marks(entry.msgid), list_marks(entry.msgstr)
    counts = {kind: [collections.Counter(marks[kind]) for marks in (before, after)] for kind in before}
    changed = {kind: (list(old - new), list(new - old)) for kind, (old, new) in counts.items() if old != new}
    return [f"{kind}: {old} in English, {new} in the translation" for kind, (old, new) in changed.items()]


def report(folder=FOLDER, root=ROOT):
    """Return the lines of the report on all languages."""
    lines = []
    for language in sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0].isalpha()):
        for name, source in list_sources(root).items():
            entries = {entry.msgid: entry for entry in load(folder / language / f"{name}.po")}
            messages = list_messages(source, root)
            done = [text for text in messages if text in entries and entries[text].msgstr and not entries[text].fuzzy]
            stale = [text for text, entry in entries.items() if entry.msgstr and (text not in messages or entry.fuzzy)]
            lines.append(f"{language} {name}: {len(done)} of {len(messages)} texts translated, {len(stale)} stale")
            lines += [f"   stale, so readers see English: {shorten(text)}" for text in stale]
            lines += [f"   {shorten(text)}: {words}" for text in done for words in list_differences(entries[text])]
    return lines


def shorten(text):
    """Return the beginning of a text."""
    return repr(text if len(text) < 70 else text[:69] + "…")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["report"]:
            sys.stdout.write("\n".join([*report(), ""]))
        case ["refresh", language, *names]:
            refresh(language, *names)
        case _:
            sys.exit(__doc__)
