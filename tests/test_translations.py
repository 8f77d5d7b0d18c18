"""Files of translations: code is never translated, and missing, stale or different texts are reported, no more."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import polib
import pytest
import translations_script as script

import tlkit as tl
from tlkit.languages import FOLDER, list_languages, read_translations

ROOT = Path(__file__).parent.parent
LANGUAGES = list_languages()[1:]
FILES = [path for language in LANGUAGES for path in sorted((FOLDER / language).rglob("*.po"))]


@pytest.fixture(scope="module", params=LANGUAGES)
def copied(request, tmp_path_factory):
    return request.param, tl.lessons.copy(tmp_path_factory.mktemp("copies"), language=request.param)


def test_code_of_a_translated_lesson_is_that_of_the_original(copied):
    language, paths = copied
    for original in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        cells, copy = nbformat.read(original, 4).cells, nbformat.read(paths[original.name[:2]], 4)
        nbformat.validate(copy)
        assert [(cell.id, cell.cell_type, cell.metadata) for cell in cells] == [
            (cell.id, cell.cell_type, cell.metadata) for cell in copy.cells
        ]
        pairs = [pair for pair in zip(cells, copy.cells, strict=True) if pair[0].cell_type == "code"]
        assert [cell.source for cell, _ in pairs] == [cell.source for _, cell in pairs]
        assert paths[original.name[:2]].name == f"{original.stem}.{language}.ipynb"


def test_each_link_of_a_translated_copy_leads_to_a_file_and_a_term(copied):
    _, paths = copied
    folder = paths["00"].parent
    headings = {}
    for path in paths.values():
        for name, anchor in re.findall(r"\]\(([\w.]+\.(?:md|ipynb))#?([^)]*)\)", path.read_text("utf-8")):
            text = (folder / name).read_text("utf-8")
            known = headings.setdefault(
                name, {line[3:].replace(" ", "-") for line in text.splitlines() if line[:3] == "## "}
            )
            assert not anchor or anchor in known, (path.name, name, anchor)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_the_reader_of_files_agrees_with_polib(path):
    name = path.relative_to(FOLDER).with_suffix("").as_posix()
    language, _, name = name.partition("/")
    entries = polib.pofile(str(path))
    assert read_translations(language, name) == {
        entry.msgid: entry.msgstr for entry in entries if entry.msgstr and not entry.fuzzy and not entry.obsolete
    }


@pytest.fixture
def course(tmp_path):
    """A course of one lesson, and a function that publishes a text of its only cell."""
    for name in ("notebooks", "docs/teaching", "tlkit/lessons/data"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "docs/course.md").write_text("# The course\n")
    (tmp_path / "docs/glossary.md").write_text("# Glossary\n\nA `term` of 2 words.\n\n```\ncode\n\nmore\n```\n")
    quiz = '[["07"]]\nquestion = "Which?"\nright = "This"\nbecause = "It is."\nwrong = [["That", "No."]]\n'
    (tmp_path / "tlkit/lessons/data/quizzes.toml").write_text(quiz)

    def publish(text):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text, id="first")])
        nbformat.write(notebook, tmp_path / "notebooks/07_lesson.ipynb")

    publish("# Five pictures of each class are enough")
    return tmp_path, publish


def fill(path, words):
    file = polib.pofile(str(path))
    for entry in file:
        entry.msgstr = words.get(entry.msgid, entry.msgstr)
    file.save(str(path))


def test_a_changed_cell_is_reported_and_its_translation_waits(course):
    root, publish = course
    folder = root / "translations"
    script.refresh("xx", folder=folder, root=root)
    assert "xx notebooks/07_lesson: 0 of 1 texts translated, 0 stale" in script.report(folder, root)
    path = folder / "xx/notebooks/07_lesson.po"
    fill(path, {"# Five pictures of each class are enough": "# FUENF"})
    assert "xx notebooks/07_lesson: 1 of 1 texts translated, 0 stale" in script.report(folder, root)
    publish("# Six pictures of each class are enough")
    assert "xx notebooks/07_lesson: 0 of 1 texts translated, 1 stale" in script.report(folder, root)
    script.refresh("xx", folder=folder, root=root)
    (entry,) = polib.pofile(str(path))
    assert (
        entry.fuzzy and entry.msgstr == "# FUENF" and entry.previous_msgid == "# Five pictures of each class are enough"
    )
    assert "xx notebooks/07_lesson: 0 of 1 texts translated, 1 stale" in script.report(folder, root)
    publish("# Five pictures of each class are enough")
    script.refresh("xx", folder=folder, root=root)
    assert polib.pofile(str(path))[0].fuzzy  # a person has to look at it


def test_code_links_and_numbers_have_to_agree(course):
    root, _ = course
    folder = root / "translations"
    script.refresh("xx", folder=folder, root=root)
    assert [entry.msgid for entry in polib.pofile(str(folder / "xx/docs/glossary.po"))] == [
        "# Glossary",
        "A `term` of 2 words.",
    ]
    fill(
        folder / "xx/docs/glossary.po", {"# Glossary": "# GLOSSAR", "A `term` of 2 words.": "EIN `TERM` AUS 3 WORTEN."}
    )
    lines = [line for line in script.report(folder, root) if "Glossary" in line or "term" in line]
    assert [line.partition(": ")[2] for line in lines] == [
        "code: ['`term`'] in English, ['`TERM`'] in the translation",
        "numbers: ['2'] in English, ['3'] in the translation",
    ]


@pytest.mark.parametrize(
    ("text", "translation", "agrees"),
    [
        ("1.3 million photographs", "130 万张照片", True),
        ("2 billion of 1,300,000", "1300000 中的 20 亿", True),
        ("1.3 million photographs", "13 万张照片", False),
        ("1.3 million photographs", "1.3 张照片", False),
    ],
)
def test_large_numbers_may_be_written_as_the_language_does(text, translation, agrees):
    assert (script.list_differences(polib.POEntry(msgid=text, msgstr=translation)) == []) is agrees


def test_texts_of_the_interface_are_found_and_messages_of_errors_are_not(course):
    root, _ = course
    (root / "tlkit/widgets").mkdir()
    code = '"""Not this."""\ndef f(n):\n    """Nor this."""\n    if not n:\n        raise ValueError("nor this one")\n'
    code += "    raise NotYet(f\"{n} of {len(n):.2f} are {'few' if n else 'many'}\")\n"
    (root / "tlkit/widgets/made.py").write_text(code)
    (root / "tlkit/widgets/made.js").write_text('say("Keep it"); make("p", { class: "tlkit-box wide" });')
    found = script.list_interface(root)
    assert {text for text, place in found.items() if "made" in place} == {
        "{0} of {1} are {2}",
        "few",
        "many",
        "Keep it",
    }
    question = 'question = f"Which share? Chance: {chance:.0%}."\nPrediction("share", question, ["all of it", "none"])'
    assert set(script.list_lesson_texts(question)) == {"Which share? Chance: {0}.", "share", "all of it", "none"}
    quizzes = script.list_sources(root)["quizzes"]
    assert set(script.list_messages(quizzes, root)) == {"Which?", "This", "It is.", "That", "No."}


@pytest.mark.slow
def test_the_report_always_ends_well():
    (script.FOLDER / "__pycache__").mkdir(exist_ok=True)  # as Python makes it, unless it is told not to
    done = subprocess.run([sys.executable, script.__file__, "report"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    counts = dict(re.findall(r"^(\w+ \S+): (\d+) of", done.stdout, re.MULTILINE))
    assert {name.split()[0] for name in counts} == set(LANGUAGES)
