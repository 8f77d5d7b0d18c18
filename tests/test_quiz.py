"""The quizzes: their file, their export, and the widget without a browser."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tlkit as tl
from tlkit.cli import app
from tlkit.lessons import progress
from tlkit.lessons.quiz import LETTERS, Question, read_quiz
from tlkit.widgets import quiz

LESSONS = sorted(path.name[:2] for path in (Path(tl.__file__).parent.parent / "notebooks").glob("[0-9]*.ipynb"))
NAMES = [*LESSONS, "inventory"]


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Let a lesson be open in an own folder; return its file of progress."""
    monkeypatch.setattr(progress, "find_file", lambda: (tmp_path / "progress.json", "05"))
    return tmp_path / "progress.json"


def find_right(name):
    return [LETTERS[question.right] for question in read_quiz(name)]


@pytest.mark.parametrize("name", NAMES)
def test_each_lesson_has_five_questions_of_four_different_options(name):
    questions = read_quiz(name)
    assert len(questions) == (20 if name == "inventory" else 5)
    for question in questions:
        assert len(set(question.options)) == len(question.replies) == len(LETTERS)
        assert all(text.strip() == text and text for text in (question.text, *question.options, *question.replies))
    assert len({question.text for question in questions}) == len(questions)


def test_the_right_answer_has_no_place_of_its_own():
    places = [question.right for name in NAMES for question in read_quiz(name)]
    assert {places.count(place) > len(places) / 8 for place in range(4)} == {True}
    longest = [len(q.options[q.right]) == max(map(len, q.options)) for name in NAMES for q in read_quiz(name)]
    assert sum(longest) < 0.6 * len(longest)  # nor is it always the longest


def read_gift(text):
    """Read GIFT letter by letter: [(title, question, [(is right, option, reply)])]."""
    found = []
    for block in text.strip().split("\n\n"):
        parts, part, escaped = [], "", False
        for letter in block:
            if escaped or letter not in "\\{}~=#":
                part, escaped = part + letter, False
            elif letter == "\\":
                escaped = True
            else:
                parts.append(part.strip())
                parts.append(letter)
                part = ""
        head, _, *rest = parts
        _, title, question = head.split("::", 2)
        fields = [entry for entry in rest if entry]
        options = []
        for mark, option, cross, reply in zip(*(fields[start:-1:4] for start in range(4)), strict=True):
            assert mark in "~=" and cross == "#"
            options.append((mark == "=", option, reply))
        found.append((title, question.strip(), options))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_gift_says_the_same(name):
    read = read_gift(tl.lessons.export_quiz(name, "gift"))
    assert [title for title, _, _ in read] == [f"{name}.{number}" for number in range(1, len(read) + 1)]
    for (_, text, options), question in zip(read, read_quiz(name), strict=True):
        assert text == f"[markdown]{question.text}"  # the format of replies and options too, which have code
        assert not any("\n" in each or each.startswith("%") for each in question.options)  # ends, or a weight
        assert [option for _, option, _ in options] == list(question.options)
        assert [reply for _, _, reply in options] == list(question.replies)
        assert [is_right for is_right, _, _ in options].index(True) == question.right


def test_markdown_ends_with_the_answers():
    questions, answers = tl.lessons.export_quiz("03").split("## Answers")
    assert re.findall(r"^\d\. ([A-D])\. ", answers, re.MULTILINE) == find_right("03")
    assert re.findall(r"^\d\. (.+)", questions, re.MULTILINE) == [question.text for question in read_quiz("03")]


def test_what_is_unknown_is_named():
    with pytest.raises(ValueError, match="name: '5' is unknown"):
        tl.lessons.export_quiz("5")
    with pytest.raises(ValueError, match="kind: 'moodle' is unknown"):
        tl.lessons.export_quiz("05", "moodle")
    with pytest.raises(ValueError, match="question: 6, expected a whole number from 1 to 5"):
        tl.widgets.Quiz("05").choose(6, "A")
    with pytest.raises(ValueError, match="letter: 'E' is unknown"):
        tl.widgets.Quiz("05").choose(1, "E")


def test_each_choice_gets_its_reply():
    quiz = tl.widgets.Quiz("05")
    for number, question in enumerate(read_quiz("05"), 1):
        for letter, reply in zip(LETTERS, question.replies, strict=True):
            is_right = letter == find_right("05")[number - 1]
            assert quiz.choose(number, letter) == f"{'Right' if is_right else 'Not yet'}: {reply}"
    assert quiz.status == f"{quiz.n_right} of 5 right."


def test_the_file_of_progress_keeps_whether_it_was_passed(notebook):
    quiz = tl.widgets.Quiz("05")
    right = find_right("05")
    wrong = "A" if right[0] != "A" else "B"
    for number, letter in enumerate([wrong, *right[1:]], 1):
        quiz.choose(number, letter)
    kept = json.loads(notebook.read_text())["lessons"]["05"]["exercises"]["05_quiz"]
    assert kept == {"passed": False, "tries": 5}
    assert repr(quiz) == "Quiz(05: 4 of 5 questions right)"
    quiz.choose(1, right[0])
    quiz.choose(1, wrong)  # a pass stays a pass
    kept = json.loads(notebook.read_text())["lessons"]["05"]["exercises"]["05_quiz"]
    assert kept == {"passed": True, "tries": 6}
    assert tl.widgets.Quiz("05").status == "Passed before."


def test_front_ends_without_widgets_see_questions_and_folded_answers():
    data, _ = tl.widgets.Quiz("03")._repr_mimebundle_()
    form = data["text/html"]
    assert form.startswith("<ol><li><code>requires_grad = False</code> is set")
    before, after = form.split("<details>")
    assert all(f"<li>{letter}. " in after for letter in find_right("03"))
    assert before.count("<li>") == 5 * 5
    assert data["text/plain"] == "Quiz(03: 0 of 5 questions right)"


def test_texts_are_no_markup(monkeypatch):
    question = Question("Is `a < b`?", ("<b>", "&", "yes", "no"), ("1", "2", "3", "4"), 2)
    monkeypatch.setattr(quiz, "read_quiz", lambda name: (question,))
    form = tl.widgets.Quiz("05")._repr_mimebundle_()[0]["text/html"]
    assert form.startswith('<ol><li>Is <code>a &lt; b</code>?<ol type="A"><li>&lt;b&gt;</li><li>&amp;</li>')


def test_the_command_prints_a_quiz():
    done = CliRunner().invoke(app, ["lessons", "quiz", "05", "--kind", "gift"])
    assert done.exit_code == 0 and done.stdout == tl.lessons.export_quiz("05", "gift")
    done = CliRunner().invoke(app, ["lessons", "quiz", "inventory"])
    assert done.stdout == tl.lessons.export_quiz("inventory")
