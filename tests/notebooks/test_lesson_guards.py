"""The guards of a lesson's content: each is seen to fail on a made notebook, and all lessons meet them."""

import copy

import guards
import nbformat
import pytest
from guards import MOST_LONG_SENTENCES, REPOSITORY, find_lesson_faults, list_long_sentences

LESSONS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_meets_the_guards_of_its_content(path):
    assert find_lesson_faults(read(path), path.stem) == []


def test_long_sentences_are_rare_in_all_lessons_together():
    found = [sentence for path in LESSONS for sentence in list_long_sentences(read(path))]
    assert len(found) <= MOST_LONG_SENTENCES, "\n".join(found)


@pytest.fixture
def sound(tmp_path, monkeypatch):
    """Return a made lesson that meets all guards; the claims are made up too."""
    (tmp_path / "claims").mkdir()
    names = ["one", "two", "three", "four", "five"]
    keywords = "\n".join(f'    {name}=Claim("It helps.", "helps"),' for name in names)
    (tmp_path / "claims" / "lesson_05.py").write_text(f"@measurement(\n{keywords}\n)\ndef measure():\n    pass\n")
    monkeypatch.setattr(guards, "REPOSITORY", tmp_path)
    notebook = nbformat.v4.new_notebook()
    texts = ["**For teachers:** breaks the belief.\n\n**30-minute path:** all.", "word " * 900]
    notebook.cells = [nbformat.v4.new_markdown_cell(text) for text in texts]
    sources = ["import numpy as np\n%matplotlib inline\nimport tlkit as tl\nfrom tlkit.images import load_images"]
    sources += [f'p{n} = tl.widgets.Prediction("p{n}", "?", ["a", "b"])\np{n}.compare("a")' for n in range(3)]
    sources += ['tl.claims.show("05")'] + ["1"] * 9 + ['tl.widgets.Quiz("05")']
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in sources]
    assert find_lesson_faults(notebook, "05_made") == []
    return notebook


def add(source):
    return lambda notebook: notebook.cells.insert(3, nbformat.v4.new_code_cell(source))


def put(place, text):
    return lambda notebook: notebook.cells[place].update(source=text)


def print_boolean(notebook):
    notebook.cells[-1].outputs.append(nbformat.v4.new_output("stream", text="0.4\nit grows: True\n"))


def drop_cell(notebook):
    notebook.cells.pop(-2)


FAULTS = {
    "imports tlkit.training.batches.TrainingPictures, which is not public": add(
        "from tlkit.training.batches import TrainingPictures"
    ),
    "imports tlkit.images.decode, which is not public": add("import tlkit.images.decode"),
    "imports tlkit.images.rgb, which is not public": add("if True:\n    from tlkit.images import rgb"),
    "imports fastai.vision, which is not public": add("import fastai.vision"),
    "prints 'it grows: True', expected a number": print_boolean,
    "14 code cells": drop_cell,
    "words of prose, expected 900 at least": put(1, "word " * 880),
    "2 predictions, expected 3": put(4, 'tl.widgets.Prediction("p0", "?", ["a", "b"]).compare("a")'),
    "2 predictions are compared": put(4, 'tl.widgets.Prediction("p1", "?", ["a", "b"])'),
    "does not ask its quiz": put(-1, 'tl.widgets.Quiz("04")'),
    "no line for teachers": put(0, "**30-minute path:** all."),
    "no 30-minute path": put(0, "**For teachers:** breaks the belief."),
    "shows 4 claims": put(6, 'tl.claims.show("one", "two")\ntl.claims.show("three", "four", "six")'),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_a_lesson_is_found(sound, fault):
    faulty = copy.deepcopy(sound)
    FAULTS[fault](faulty)
    faults = find_lesson_faults(faulty, "05_made")
    assert any(fault in found for found in faults), faults


def test_the_introduction_needs_no_claims_and_fewer_words(sound):
    sound.cells = [cell for cell in sound.cells if "Prediction" not in cell.source and "claims" not in cell.source]
    sound.cells += [nbformat.v4.new_code_cell("1")] * 3 + [nbformat.v4.new_code_cell('tl.widgets.Quiz("00")')]
    sound.cells[1].source = "word " * 700
    assert find_lesson_faults(sound, "00_start") == []
    assert len(find_lesson_faults(sound, "05_made")) == 4


def test_a_claim_explorer_shows_its_claim(sound):
    sound.cells[6].source = 'tl.claims.show("one", "two", "three", "four")\ntl.widgets.ClaimExplorer("five")'
    assert find_lesson_faults(sound, "05_made") == []


def test_long_sentences_of_prose_are_found_and_other_text_is_left_out():
    notebook = nbformat.v4.new_notebook()
    long, short = ("word " * 33).strip() + ".", ("word " * 32).strip() + "."
    texts = [
        f"{short} {long}",
        f"# {long}",
        f"| {long} |",
        f"- {short}\n- {short}\n- {long}",
        f"```python\n{long}\n```",
    ]
    notebook.cells = [nbformat.v4.new_markdown_cell(text) for text in texts]
    assert len(list_long_sentences(notebook)) == 2
